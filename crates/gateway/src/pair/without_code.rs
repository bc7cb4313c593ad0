//! Pairing without a code, where the published API has none: the practice decides at its own server.
//!
//! Nothing proves here that the site is the practice's but its place in the directory. So only the site that the platform calls
//! authoritative is asked, and always the one that was asked first.

use super::{PairError, STEP_WITHIN, Talk, approval, before_login, stored};
use crate::{
    gateway::{Gateway, Login},
    session::OpenError,
};
use link_api::proto;
use model::{Pms, SiteFacts, SiteId};
use trust::pairing;

/// Asks a site to be let in, and hands over the login where its practice has said yes.
pub(crate) async fn pair(
    gateway: &Gateway,
    site: SiteId,
    pms: Pms,
    login: &Login,
) -> Result<Option<SiteFacts>, PairError> {
    let session = tokio::time::timeout(STEP_WITHIN, gateway.sessions.open_apart(site)).await;
    let session = session.unwrap_or(Err(OpenError::NoAnswer("it was silent"))).map_err(|error| {
        tracing::info!(%site, %error, "a site could not be reached for pairing");
        match error {
            OpenError::NotTheSite(_) => PairError::SiteProof,
            _ => PairError::Unreachable,
        }
    })?;
    let mut talk = Talk::begin(&session).await?;
    talk.say(proto::pair_request::Step::Begin(proto::PairBegin {
        version: pairing::VERSION,
        environment: gateway.environment.clone(),
        code_name: String::new(),
        integrator_name: gateway.integrator_name.clone(),
        approval: approval(gateway, pms),
        without_code: true,
    }))
    .await?;
    match talk.hear().await.map_err(before_login) {
        Ok(proto::pair_reply::Step::LoginWanted(_)) => {}
        Ok(_) => return Err(PairError::Protocol),
        // What a site says that knows nothing of this way.
        Err(PairError::UnknownCode) => return Err(PairError::OldSite),
        Err(error) => return Err(error),
    }
    talk.say(proto::pair_request::Step::Login(proto::DatabaseLogin {
        user: login.user.reveal().clone(),
        password: login.password.reveal().clone(),
    }))
    .await?;
    let proto::pair_reply::Step::Done(done) = talk.hear().await? else { return Err(PairError::Protocol) };
    stored(gateway, site, done)
}
