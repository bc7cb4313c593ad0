//! An integrator's journal, from a cursor on, its head signed by the site.

use super::{Jobs, StoreError};
use crate::store::{EventRow, JournalHead};
use link_api::proto;
use model::{IntegratorId, SiteId};
use std::{sync::PoisonError, time::Duration};
use tokio::{sync::watch, time::timeout};

/// Most events in one message.
const AT_ONCE: u32 = 500;
/// What a reader has is looked at again this often, news or not: costs next to nothing, and no news can be missed for long.
const AGAIN: Duration = Duration::from_secs(60);

/// From where.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) site: SiteId,
    pub(crate) integrator: IntegratorId,
    pub(crate) journal: Vec<u8>,
    pub(crate) after: u64,
    pub(crate) chain: Vec<u8>,
}

/// One message, and where it leaves off.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) reply: proto::EventsReply,
    /// The number of its last event, or of the cursor when it has none.
    pub(crate) after: u64,
    /// There are more now.
    pub(crate) more: bool,
}

/// Waits for news.
pub(crate) struct Listener(watch::Receiver<()>);

impl Listener {
    /// Until there may be more.
    pub(crate) async fn wait(&mut self) {
        let _ = timeout(AGAIN, self.0.changed()).await;
    }
}

impl Jobs {
    /// What follows a cursor. Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be read, or nothing can be signed.
    pub(crate) fn events(&self, ask: &Ask) -> Result<Page, StoreError> {
        let head = self.store.journal_head(ask.site, ask.integrator)?;
        if !self.is_of(ask, &head)? {
            let reply = proto::EventsReply {
                signature: self.sign(ask, &head.journal, head.head, &head.chain)?,
                journal: head.journal,
                oldest: head.oldest,
                head: head.head,
                other_journal: true,
                events: Vec::new(),
            };
            return Ok(Page { reply, after: ask.after, more: false });
        }
        let rows = self.store.events(ask.site, ask.integrator, ask.after, AT_ONCE)?;
        let (number, chain) = rows.last().map_or((head.head, &head.chain), |row| (row.number, &row.chain));
        let after = rows.last().map_or(ask.after, |row| row.number);
        let reply = proto::EventsReply {
            signature: self.sign(ask, &head.journal, number, chain)?,
            // Between the two look-ups more may have come.
            head: head.head.max(number),
            journal: head.journal,
            oldest: head.oldest,
            other_journal: false,
            events: rows.into_iter().map(event).collect(),
        };
        let more = after < reply.head;
        Ok(Page { reply, after, more })
    }

    /// Hears from now on when there may be more for an integrator.
    pub(crate) fn listen(&self, site: SiteId, integrator: IntegratorId) -> Listener {
        Listener(self.told.listen((site, integrator)))
    }

    /// Whether a cursor belongs to this journal as it is now: a site whose disk was set back has another past.
    fn is_of(&self, ask: &Ask, head: &JournalHead) -> Result<bool, StoreError> {
        if ask.journal.is_empty() {
            return Ok(ask.after == 0);
        }
        if ask.journal != head.journal || ask.after > head.head {
            return Ok(false);
        }
        if ask.after == 0 || ask.chain.is_empty() {
            return Ok(true);
        }
        if ask.after == head.head {
            return Ok(ask.chain == head.chain);
        }
        let at = self.store.events(ask.site, ask.integrator, ask.after - 1, 1)?;
        // One that is not kept any longer can't be held against anything.
        Ok(at.first().is_none_or(|row| row.number != ask.after || row.chain == ask.chain))
    }

    fn sign(&self, ask: &Ask, journal: &[u8], number: u64, chain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let signers = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        let signer = signers.get(&ask.site).ok_or(StoreError::Broken("the site's certificate"))?;
        let message = link_api::journal::signed(ask.site, ask.integrator, journal, number, chain);
        signer.sign(&message).map_err(|_| StoreError::Broken("the site's signature"))
    }
}

fn event(row: EventRow) -> proto::Event {
    let EventRow { number, kind, query, job_kind, at, hash, chain } = row;
    proto::Event { number, kind, query_id: query, job_kind, at, hash, chain }
}
