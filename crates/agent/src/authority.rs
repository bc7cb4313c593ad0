//! Whether another site is about to take this one's place at Halo Cloud: asked now and then, for the practice to see. That this server is
//! online and answers is its objection.

use crate::host::Host;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tunnel::{
    Opener,
    head::{self, Answer, Ask, AuthorityChange},
};

/// The first question comes after this, so that a start has settled …
const FIRST: Duration = Duration::from_secs(20);
/// … and then each after this: a change takes a day at least.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// One answer.
const WITHIN: Duration = Duration::from_secs(10);

/// Asks for ever, and writes down what it hears.
pub(crate) async fn keep_asking(host: Arc<Host>, opener: watch::Receiver<Opener>) {
    let mut wait = FIRST;
    loop {
        sleep(wait).await;
        wait = EVERY;
        for site in host.sites() {
            let (now, Some(door)) = (opener.borrow().clone(), host.door().site(site)) else { continue };
            // No answer, as from a relay that knows no such question, is no news.
            let Ok(Some(change)) = timeout(WITHIN, ask(&now, site)).await else { continue };
            if door.note_change(change.clone())
                && let Some(AuthorityChange { to, ready_at }) = change
            {
                tracing::warn!(%site, %to, ready_at, "Halo Cloud's operator is about to make another Halo ID the one to use for this practice");
            }
        }
    }
}

/// What is about to change, if the relay says so.
async fn ask(opener: &Opener, site: model::SiteId) -> Option<Option<AuthorityChange>> {
    let mut stream = opener.open().await.ok()?;
    head::write(&mut stream, &Ask::Look { site }).await.ok()?;
    match head::read::<Answer>(&mut stream).await.ok()? {
        Answer::Sites { sites } => {
            let own = sites.into_iter().find(|record| record.site == site)?;
            // To itself it is no threat.
            Some(own.authority_change.filter(|change| change.to != site))
        }
        Answer::Connected | Answer::Refused { .. } => None,
    }
}
