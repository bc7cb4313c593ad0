//! What a site's journal tells of, handed on: the mirror, whoever is to be told, and the cursor, in one transaction.

use super::{
    Entry, Jobs,
    journal::Checked,
    record::{JobRecord, JobStatus, Kind, Told, Why},
};
use crate::store::StoreError;
use link_api::proto;
use model::{Effect, QueryId, SiteId};
use std::{collections::HashMap, sync::PoisonError};

/// Who is told what happens to jobs: each event once, in the transaction that moves the cursor behind it.
pub trait EventSink: Send + Sync + 'static {
    /// Writes down what is to be done about an event. An error leaves the event to be handed over again.
    fn take(&self, transaction: &rusqlite::Transaction<'_>, event: &JobEvent) -> rusqlite::Result<()>;

    /// What was taken is on disk: whoever waits for it may look now.
    fn committed(&self) {}
}

/// Something that happened at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEvent {
    /// Where.
    pub site: SiteId,
    /// With number and chain, names the event for ever.
    pub journal: Vec<u8>,
    /// See there.
    pub number: u64,
    /// The journal's hash up to it: what was restored uses a number again for another event.
    pub chain: Vec<u8>,
    /// What.
    pub kind: proto::EventKind,
    /// To which job.
    pub query: QueryId,
    /// Of which kind.
    pub job_kind: Kind,
    /// By the site's clock, milliseconds since 1970.
    pub at: i64,
    /// Of a changed result; else empty.
    pub hash: Vec<u8>,
    /// The job as this gateway knows it now. `None`: another gateway's.
    pub record: Option<JobRecord>,
}

impl Jobs {
    /// Writes what has changed, hands on what was not told yet, and moves the cursor: all or nothing. Blocks.
    pub(super) fn hand_on(&self, site: SiteId, checked: &Checked) -> Result<(), StoreError> {
        let _one_at_a_time = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.0.clock.now().0;
        let mut records: HashMap<QueryId, (JobRecord, Option<u64>)> = HashMap::new();
        let mut told = Vec::new();
        for event in &checked.fresh {
            let Some(id) = QueryId::from_slice(&event.query_id) else { continue };
            let known = match records.get(&id) {
                Some((record, _)) => Some(record.clone()),
                None => {
                    self.newest(id)?.filter(|(record, _)| record.site == site).map(|(record, version)| {
                        records.insert(id, (record.clone(), version));
                        record
                    })
                }
            };
            let mut event = read_event(site, &checked.cursor.journal, id, event);
            if let Some(mut record) = known {
                settle(&mut record, &event, now);
                let told = Told { kind: event.kind.into(), hash: event.hash.clone(), at: event.at };
                let news = record.tell(told, event.number <= checked.cursor.reread);
                event.record = Some(record.clone());
                if let Some(slot) = records.get_mut(&id) {
                    slot.0 = record;
                }
                if !news {
                    continue;
                }
            }
            told.push(event);
        }
        let write: Vec<JobRecord> = records.values().map(|(record, _)| record.clone()).collect();
        let sink = self.0.sink.get();
        self.0.table.advance(site, &checked.cursor, &write, |transaction| {
            let Some(sink) = sink else { return Ok(()) };
            told.iter().try_for_each(|event| sink.take(transaction, event))
        })?;
        if let Some(sink) = sink.filter(|_| !told.is_empty()) {
            sink.committed();
        }
        let mut state = self.lock();
        state.journals.insert(site);
        for (id, (record, version)) in records {
            let Some(entry) = state.open.get_mut(&id) else { continue };
            if version == Some(entry.version) {
                entry.record = record;
            } else {
                // Somebody learnt more meanwhile; that it was told stays.
                entry.record.told = record.told;
            }
            entry.version += 1;
            let over = |entry: &Entry| !entry.record.is_open() && !entry.delivering;
            if version.is_some() && over(entry) {
                state.open.remove(&id);
            }
        }
        Ok(())
    }

    /// A record and, while it is in memory, its version.
    fn newest(&self, id: QueryId) -> Result<Option<(JobRecord, Option<u64>)>, StoreError> {
        if let Some(entry) = self.lock().open.get(&id) {
            return Ok(Some((entry.record.clone(), Some(entry.version))));
        }
        Ok(self.0.table.get(id)?.map(|record| (record, None)))
    }
}

fn read_event(site: SiteId, journal: &[u8], query: QueryId, event: &proto::Event) -> JobEvent {
    JobEvent {
        site,
        journal: journal.to_vec(),
        number: event.number,
        chain: event.chain.clone(),
        kind: proto::EventKind::try_from(event.kind).unwrap_or_default(),
        query,
        job_kind: match proto::JobKind::try_from(event.job_kind) {
            Ok(proto::JobKind::Registered) => Kind::Registered,
            _ => Kind::Async,
        },
        at: event.at,
        hash: event.hash.clone(),
        record: None,
    }
}

/// An end that the journal tells of and the site has no record of any longer: as much of it as the event says.
fn settle(record: &mut JobRecord, event: &JobEvent, now: i64) {
    use proto::EventKind as E;
    if event.kind == E::EventResultExpired {
        record.expired = true;
    }
    if !record.is_open() || record.kind != Kind::Async {
        return;
    }
    let (status, why, effect) = match event.kind {
        E::EventSucceeded => (JobStatus::Successful, None, Effect::Executed),
        E::EventFailed => (JobStatus::ExecutionFailed, Some(Why::Refused), Effect::Executed),
        E::EventExpiredInQueue => (JobStatus::ExpiredInQueue, Some(Why::Expired), Effect::NotExecuted),
        E::EventCancelled => (JobStatus::ExecutionFailed, Some(Why::Cancelled), Effect::Unknown),
        E::EventOutcomeUnknown => (JobStatus::ExecutionFailed, Some(Why::Interrupted), Effect::Unknown),
        _ => return,
    };
    record.given_up = false;
    (record.status, record.why, record.effect) = (status, why, Some(effect));
    (record.updated, record.completed, record.expired) = (now, Some(now), true);
}
