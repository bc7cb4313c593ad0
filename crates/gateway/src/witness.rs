//! Where the audits of sites ended, as the sites signed it: kept, so that a site that shows another past later is found out.
//!
//! What this gateway knows of a site is its newest head. A head that the site shows as its present end must not be lower, and
//! neither it nor a receipt may say something else of a number that is known; in every hello the site also says what its audit
//! holds at that number, so a past that was exchanged is found however far it has come. What contradicts is kept beside what it
//! contradicts, never over it: which of the two is the lie, only the practice's own file shows. From then on the one that was
//! shown last is the newest, so that this goes on to witness, and a site that turns back is found again.

mod table;
#[cfg(test)]
mod tests;

pub use table::{Kept, list};

use crate::{
    gateway::Gateway,
    session::{Lane, call},
    store::{Store, StoreError},
};
use audit::{Head, Receipt, SignedHead};
use link_api::proto;
use model::{Clock, SiteId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A head that goes on from the one before is on disk after this long at the latest, as far as nobody waits for it.
const WRITE_EVERY: Duration = Duration::from_secs(30);
/// A site that is asked where its audit ends answers within this time, or is not asked any further.
const ASK_WITHIN: Duration = Duration::from_secs(10);

/// What every session and every answer tells its heads to.
pub struct Witnesses {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<SiteId, Known>>,
}

impl std::fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Witnesses")
    }
}

/// Contradictions of one site that are logged while this runs: more come from one that wants it so.
const TOLD: u32 = 64;

/// The newest head of a site.
#[derive(Clone, Debug)]
struct Known {
    newest: SignedHead,
    /// What was the newest when the latest session opened: kept until the next one, or a lie that goes on from a lower number would
    /// push out what shows it within the hour.
    held: u64,
    /// How often it contradicted what was shown before.
    turns: u32,
    /// It is on disk, or on its way there.
    written: bool,
    /// When the site's last was, on a clock that never goes back.
    wrote_at: Option<Duration>,
}

/// What was known of a site when it was asked where its audit ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// The number and value of the newest head; 0: nothing is known.
    pub(crate) number: u64,
    chain: [u8; 32],
    /// Of [`Known`]: what is asked before a contradiction says nothing after it.
    turns: u32,
}

/// What to write.
#[derive(Debug, PartialEq, Eq)]
enum Write {
    /// The head, and the number that must stay beside it.
    Newer(SignedHead, u64),
    /// What was known, and what contradicts it.
    Contradiction(SignedHead, SignedHead),
}

impl Witnesses {
    /// Over what was kept before.
    pub fn open(store: Arc<Store>, clock: Arc<dyn Clock>) -> Result<Arc<Self>, StoreError> {
        let mut known = HashMap::new();
        for newest in table::newest(&store)? {
            let held = newest.head.number;
            known.insert(newest.head.site, Known { newest, held, turns: 0, written: true, wrote_at: None });
        }
        Ok(Arc::new(Witnesses { store, clock, known: Mutex::new(known) }))
    }

    /// The number of the newest head of a site.
    pub fn number(&self, site: SiteId) -> u64 {
        self.asks(site).number
    }

    /// To be read before the site is asked where its audit ends.
    pub(crate) fn asks(&self, site: SiteId) -> Asked {
        self.lock().get(&site).map_or_else(Asked::default, |known| Asked {
            number: known.newest.head.number,
            chain: known.newest.head.chain,
            turns: known.turns,
        })
    }

    /// The same where a session opens: what is the newest now stays on disk until the next one does.
    pub(crate) fn opens(self: &Arc<Self>, site: SiteId) -> Asked {
        let write = self.lock().get_mut(&site).and_then(|known| {
            known.held = known.newest.head.number;
            let waits = !std::mem::replace(&mut known.written, true);
            waits.then(|| Write::Newer(known.newest.clone(), known.held))
        });
        self.write_down(write);
        self.asks(site)
    }

    /// A site said that its audit ends here, and what it holds at the number that was asked for. The head must have been checked.
    pub(crate) fn ends(self: &Arc<Self>, head: SignedHead, asked: &Asked, at: Option<[u8; 32]>) {
        let write = self.judge(&head, None, asked, at);
        self.write_down(write);
    }

    /// A receipt, checked: its head is that of its own line, which may be an old one.
    pub(crate) fn receipt(self: &Arc<Self>, receipt: &Receipt) {
        let write = self.judge(&receipt.head, Some(&receipt.before), &Asked::default(), None);
        self.write_down(write);
    }

    /// `before`: the value of the line before, where it is known. `at`: what the site says its audit holds at the number that was asked for.
    fn judge(
        &self,
        shown: &SignedHead,
        before: Option<&[u8; 32]>,
        asked: &Asked,
        at: Option<[u8; 32]>,
    ) -> Option<Write> {
        let Head { site, number: shown_number, chain, .. } = shown.head;
        if shown_number == 0 && asked.number == 0 {
            // An audit without a line holds nothing.
            return None;
        }
        let now = self.clock.monotonic();
        let mut all = self.lock();
        let Some(known) = all.get_mut(&site) else {
            let newest = shown.clone();
            all.insert(site, Known { newest, held: 0, turns: 0, written: true, wrote_at: Some(now) });
            return Some(Write::Newer(shown.clone(), 0));
        };
        let newest = known.newest.head;
        let same_line = asked.turns == known.turns;
        let behind = same_line && shown_number < asked.number.min(newest.number);
        let elsewhere = same_line && asked.number > 0 && at.is_some_and(|at| at != asked.chain);
        let other = shown_number == newest.number && chain != newest.chain;
        let breaks = newest.number.checked_add(1) == Some(shown_number)
            && before.is_some_and(|before| *before != newest.chain);
        if behind || elsewhere || other || breaks {
            let was = std::mem::replace(&mut known.newest, shown.clone());
            known.turns = known.turns.saturating_add(1);
            (known.held, known.written, known.wrote_at) = (shown_number, true, Some(now));
            return Some(Write::Contradiction(was, shown.clone()));
        }
        if shown_number <= newest.number {
            return None;
        }
        let due = known.wrote_at.is_none_or(|at| now.saturating_sub(at) >= WRITE_EVERY);
        known.newest = shown.clone();
        known.written = due;
        if due {
            known.wrote_at = Some(now);
        }
        due.then(|| Write::Newer(shown.clone(), known.held))
    }

    /// Nobody waits for it: what is lost in a crash is learnt again from the site, as long as it does not lie.
    fn write_down(self: &Arc<Self>, write: Option<Write>) {
        let Some(write) = write else { return };
        if let Write::Contradiction(was, shown) = &write
            && self.asks(shown.head.site).turns <= TOLD
        {
            tracing::error!(
                site = %shown.head.site, known = was.head.number, known_at = %was.head.at.to_rfc3339(), shown = shown.head.number,
                "a site shows another audit than it showed before: it was restored from a copy, cut or rewritten. Both heads are kept: \
                 see `halo-gateway witnesses`, and have the practice run `HaloLinkUtility audit verify` with them"
            );
        }
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || this.write(&write));
    }

    /// Writes what was put off. Blocks on the disk.
    pub(crate) fn flush(&self) {
        let now = self.clock.monotonic();
        let waiting: Vec<Write> = {
            let mut all = self.lock();
            let waiting = all.values_mut().filter(|known| !known.written);
            waiting
                .map(|known| {
                    (known.written, known.wrote_at) = (true, Some(now));
                    Write::Newer(known.newest.clone(), known.held)
                })
                .collect()
        };
        waiting.iter().for_each(|write| self.write(write));
    }

    fn write(&self, write: &Write) {
        let now = self.clock.now();
        let (site, written) = match write {
            Write::Newer(head, held) => (head.head.site, table::newer(&self.store, head, *held, now)),
            Write::Contradiction(was, shown) => {
                (shown.head.site, table::contradiction(&self.store, was, shown, now))
            }
        };
        if let Err(error) = written {
            tracing::error!(%site, %error, "where a site's audit ends can't be written down; tried again");
            if let Some(known) = self.lock().get_mut(&site) {
                known.written = false;
                if let Write::Contradiction(was, _) = write {
                    // As if it had not been seen: the site shows it again.
                    known.newest = was.clone();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SiteId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what a site said of its audit's end in a hello. A head that does not hold is no reason to refuse the session, and is told.
pub(crate) fn heard(witnesses: &Arc<Witnesses>, site: SiteId, hello: &proto::HelloReply, asked: &Asked) {
    // An older site says nothing, and so does one that does not let us in.
    let bytes = hello.audit.as_slice();
    if bytes.is_empty() {
        return;
    }
    // Nor what it holds at a number that it does not have any more.
    let at = <[u8; 32]>::try_from(hello.audit_at.as_slice()).ok();
    let head = SignedHead::decode(bytes).and_then(|head| head.check().copied().map(|_| head));
    match head {
        Ok(head) if head.head.site == site => witnesses.ends(head, asked, at),
        Ok(_) => tracing::error!(%site, "a site shows the end of another site's audit: it is not believed"),
        Err(error) => tracing::error!(%site, %error, "a site shows an end of its audit that does not hold"),
    }
}

/// Asks the sites whose sessions are open anyway where their audits end now.
pub(crate) async fn ask_around(gateway: &Gateway) {
    for session in gateway.sessions.warm(Lane::Prompt) {
        let known = gateway.witnesses.asks(session.site);
        let hello = proto::HelloRequest {
            version: link_api::VERSION,
            audit_number: known.number,
            ..proto::HelloRequest::default()
        };
        let asked = call(&session, async move |mut client| client.hello(hello).await);
        if let Ok(Ok(reply)) = tokio::time::timeout(ASK_WITHIN, asked).await {
            heard(&gateway.witnesses, session.site, &reply.into_inner(), &known);
        }
    }
}
