//! Pairing without a code, where the published API has none: the practice decides at its own server.
//!
//! Nothing proves here that the site is the practice's but its place in the directory. So only the site that the platform calls
//! authoritative is asked, and always the one that was asked first.

use super::{PairError, STEP_WITHIN, Talk, before_login, stored, unreachable};
use crate::{
    gateway::{Gateway, Login},
    session::OpenError,
};
use link_api::proto;
use model::{Pms, SiteFacts, SiteId};

/// Asks a site to be let in, and hands over the login where its practice has said yes.
pub(crate) async fn pair(
    gateway: &Gateway,
    site: SiteId,
    pms: Pms,
    login: &Login,
) -> Result<Option<SiteFacts>, PairError> {
    let session = tokio::time::timeout(STEP_WITHIN, gateway.sessions.open_apart(site)).await;
    let session = session
        .unwrap_or(Err(OpenError::NoAnswer("it was silent")))
        .map_err(|error| unreachable(site, &error))?;
    let mut talk = Talk::begin(&session).await?;
    talk.ask(gateway, pms, None).await?;
    match talk.hear().await.map_err(before_login) {
        Ok(proto::pair_reply::Step::LoginWanted(_)) => {}
        Ok(_) => return Err(PairError::Protocol),
        // What a site says that knows nothing of this way.
        Err(PairError::UnknownCode) => return Err(PairError::OldSite),
        Err(error) => return Err(error),
    }
    stored(gateway, site, talk.hand_over(login).await?)
}
