//! An integrator replaces its database login: tried in the database first, and kept only when the database takes it.

use super::{Door, Refused, lock};
use crate::{
    consent::Takes,
    store::{AuditLine, Happened, Who},
};
use database::{Login, Writes};
use link_api::proto::Refusal;
use model::{SiteId, Timestamp};
use std::time::Duration;
use trust::Peer;

/// So many logins may be tried, right ones too: a right one now and then must not pay for guesses …
const TRIES: u32 = 5;
/// … within this time: who tries on could lock the account, which is the practice's trouble.
const WITHIN: Duration = Duration::from_secs(10 * 60);

/// Who comes while another login of the same pairing is being tried comes again after this.
const SOON: Duration = Duration::from_secs(1);

/// Tries since then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries {
    since: Timestamp,
    made: u32,
    /// One is going on. Were there several at once, all could be begun before one of them is counted.
    going_on: bool,
}

/// The one try of a pairing that may go on; over when it is dropped.
pub(super) struct Try<'a> {
    door: &'a Door,
    of: Who,
}

impl Try<'_> {
    /// Counts it, before the database is asked: whatever comes of it, it was one.
    fn count(&self) {
        lock(&self.door.tries).entry(self.of).or_default().made += 1;
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        lock(&self.door.tries).entry(self.of).or_default().going_on = false;
    }
}

/// What came of a login that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// It is the integrator's now; whether it may write.
    Yes(Writes),
    /// The database did not take it, or could not be asked; nothing was changed.
    No,
    /// Too many were tried: come again after this.
    Later(Duration),
}

impl Door {
    /// Tries a login, and makes it the integrator's when the database takes it: sessions under the old one are not used again.
    /// Blocks on the database and the disk.
    ///
    /// # Errors
    /// When the integrator is not let in now, or the disk fails.
    pub(crate) fn replace_login(
        &self,
        peer: &Peer,
        site: SiteId,
        login: &Login,
    ) -> Result<Replaced, Refused> {
        self.check(peer, site)?;
        let pairing = self.known(peer, site)?;
        self.check_practice(site)?;
        let of = (site, pairing.integrator);
        let now = self.now();
        let one = match self.begin_try(of, now) {
            Ok(one) => one,
            Err(later) => return Ok(Replaced::Later(later)),
        };
        self.meter(&pairing).enter(Takes::Query, now)?;
        one.count();
        let line = |what| AuditLine {
            instance: Some(peer.name.as_str().into()),
            ..self.consent_line(what, site, pairing.integrator)
        };
        let rights = match self.try_login(site, login, pairing.access) {
            Ok(rights) => rights,
            Err(failure) => {
                tracing::info!(%site, integrator = %pairing.integrator, %failure, "a login that was offered does not work");
                self.note(line(Happened::LoginRefused));
                return Ok(Replaced::No);
            }
        };
        let unwritten = |error| {
            tracing::error!(%error, "a login could not be kept");
            Refused::new(Refusal::Busy, "The site can't write to its disk: the login was not replaced.")
        };
        let flushed = self.journal.flush();
        let kept = flushed.and_then(|()| {
            let line = line(Happened::LoginReplaced);
            self.store.replace_login(&pairing, login, &rights, self.clock.now(), &line)
        });
        let kept = kept.map_err(unwritten)?;
        self.reload_one(of).map_err(unwritten)?;
        if !kept {
            // It was paired anew, or revoked, while the database was asked.
            return Err(Refused::by_practice(Refusal::ConsentChanged));
        }
        tracing::info!(%site, integrator = %pairing.integrator, "a database login was replaced");
        Ok(Replaced::Yes(rights.writes))
    }

    /// Begins a try, or says when the next one may be.
    pub(super) fn begin_try(&self, of: Who, now: Timestamp) -> Result<Try<'_>, Duration> {
        let mut tries = lock(&self.tries);
        let tries = tries.entry(of).or_default();
        if tries.going_on {
            return Err(SOON);
        }
        if tries.since.plus(WITHIN) <= now {
            *tries = Tries { since: now, ..Tries::default() };
        }
        if tries.made >= TRIES {
            return Err(tries.since.plus(WITHIN).since(now));
        }
        tries.going_on = true;
        Ok(Try { door: self, of })
    }
}
