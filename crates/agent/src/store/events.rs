//! What happened to an integrator's jobs: one journal per site and integrator, numbers without gaps, each chained to the one
//! before by its hash. An event is written in the transaction of what it tells of.

use super::{Store, StoreError};
use aws_lc_rs::rand;
use link_api::proto::{self, EventKind, JobKind};
use model::{IntegratorId, QueryId, SiteId, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};

/// Kept this long.
const KEEP_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// And so many of each journal.
const KEEP: u64 = 100_000;

/// One thing to be told.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub(crate) site: SiteId,
    pub(crate) integrator: IntegratorId,
    pub(crate) kind: EventKind,
    pub(crate) query: QueryId,
    pub(crate) job_kind: JobKind,
    pub(crate) hash: Option<Vec<u8>>,
}

/// When something happens: by the site's own time, and by the clock that people read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) local: Timestamp,
    pub(crate) wall: Timestamp,
}

/// One that is in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) number: u64,
    pub(crate) kind: i32,
    pub(crate) query: Vec<u8>,
    pub(crate) job_kind: i32,
    pub(crate) at: i64,
    pub(crate) hash: Vec<u8>,
    pub(crate) chain: Vec<u8>,
}

/// A journal, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalHead {
    pub(crate) journal: Vec<u8>,
    pub(crate) head: u64,
    pub(crate) chain: Vec<u8>,
    /// The oldest number that is still there; one beyond the head when none is.
    pub(crate) oldest: u64,
}

impl NewEvent {
    /// Appends it.
    pub(crate) fn write(&self, t: &Transaction<'_>, now: Moment) -> Result<(), StoreError> {
        self.append(t, now, KEEP)
    }

    /// Appends it, and lets the oldest go beyond `most`.
    fn append(&self, t: &Transaction<'_>, now: Moment, most: u64) -> Result<(), StoreError> {
        let (_, head, before) = journal(t, self.site, self.integrator)?;
        let event = proto::Event {
            number: head + 1,
            kind: self.kind.into(),
            query_id: self.query.as_bytes().to_vec(),
            job_kind: self.job_kind.into(),
            at: now.wall.0,
            hash: self.hash.clone().unwrap_or_default(),
            chain: Vec::new(),
        };
        let (number, chain) = (event.number, link_api::journal::link(&before, &event));
        let (site, integrator) = (&self.site.as_bytes()[..], &self.integrator.as_bytes()[..]);
        t.prepare_cached(
            "INSERT INTO event (site, integrator, number, kind, query, job_kind, at, hash, chain, local_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            site,
            integrator,
            number.cast_signed(),
            event.kind,
            event.query_id,
            event.job_kind,
            event.at,
            event.hash,
            &chain[..],
            now.local.0
        ])?;
        t.prepare_cached(
            "UPDATE event_journal SET head = ?3, chain = ?4 WHERE site = ?1 AND integrator = ?2",
        )?
        .execute(params![site, integrator, number.cast_signed(), &chain[..]])?;
        // Numbers have no gaps.
        t.prepare_cached("DELETE FROM event WHERE site = ?1 AND integrator = ?2 AND number <= ?3")?
            .execute(params![site, integrator, number.saturating_sub(most).cast_signed()])?;
        Ok(())
    }
}

/// Name, head and chain of a journal, which is made when there is none.
fn journal(
    t: &Transaction<'_>,
    site: SiteId,
    integrator: IntegratorId,
) -> Result<(Vec<u8>, u64, Vec<u8>), StoreError> {
    let of = params![&site.as_bytes()[..], &integrator.as_bytes()[..]];
    let found = t
        .prepare_cached("SELECT journal, head, chain FROM event_journal WHERE site = ?1 AND integrator = ?2")?
        .query_row(of, |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get(2)?)))
        .optional()?;
    if let Some((journal, head, chain)) = found {
        return Ok((journal, head.cast_unsigned(), chain));
    }
    let mut name = vec![0; 16];
    rand::fill(&mut name).map_err(|_| StoreError::Broken("randomness"))?;
    let chain = link_api::journal::origin(site, integrator, &name).to_vec();
    t.execute(
        "INSERT INTO event_journal (site, integrator, journal, head, chain) VALUES (?1, ?2, ?3, 0, ?4)",
        params![&site.as_bytes()[..], &integrator.as_bytes()[..], name, chain],
    )?;
    Ok((name, 0, chain))
}

impl Store {
    /// Where an integrator's journal stands.
    pub(crate) fn journal_head(
        &self,
        site: SiteId,
        integrator: IntegratorId,
    ) -> Result<JournalHead, StoreError> {
        let of = params![&site.as_bytes()[..], &integrator.as_bytes()[..]];
        let known = self.lock().prepare_cached(
            "SELECT journal, head, chain, (SELECT min(number) FROM event WHERE site = ?1 AND integrator = ?2)
             FROM event_journal WHERE site = ?1 AND integrator = ?2",
        )?
        .query_row(of, |row| {
            let (head, oldest) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, Option<i64>>(3)?);
            let oldest = oldest.map_or(head + 1, i64::cast_unsigned);
            Ok(JournalHead { journal: row.get(0)?, head, chain: row.get(2)?, oldest })
        })
        .optional()?;
        if let Some(known) = known {
            return Ok(known);
        }
        let (journal, head, chain) = self.transaction(|t| journal(t, site, integrator))?;
        Ok(JournalHead { journal, head, chain, oldest: head + 1 })
    }

    /// At most `most` events after number `after`.
    pub(crate) fn events(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        after: u64,
        most: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT number, kind, query, job_kind, at, hash, chain FROM event
             WHERE site = ?1 AND integrator = ?2 AND number > ?3 ORDER BY number LIMIT ?4",
        )?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = statement.query_map(
            params![&site.as_bytes()[..], &integrator.as_bytes()[..], after, most],
            |row| {
                Ok(EventRow {
                    number: row.get::<_, i64>(0)?.cast_unsigned(),
                    kind: row.get(1)?,
                    query: row.get(2)?,
                    job_kind: row.get(3)?,
                    at: row.get(4)?,
                    hash: row.get(5)?,
                    chain: row.get(6)?,
                })
            },
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets an integrator's journal: when it pairs again, another one begins.
    pub(crate) fn close_journal(&self, of: &super::Who) -> Result<(), StoreError> {
        let of = params![&of.0.as_bytes()[..], &of.1.as_bytes()[..]];
        self.transaction(|t| {
            t.execute("DELETE FROM event WHERE site = ?1 AND integrator = ?2", of)?;
            t.execute("DELETE FROM event_journal WHERE site = ?1 AND integrator = ?2", of)?;
            Ok(())
        })
    }

    /// Forgets events that are too old. Their numbers stay used.
    pub(crate) fn forget_events(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.transaction(|t| Ok(t.execute("DELETE FROM event WHERE local_at < ?1", [now.0 - KEEP_MS])?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Bench;

    #[test]
    fn a_journal_keeps_so_many_and_says_which_is_the_oldest() {
        let bench = Bench::new();
        let store = bench.door().store();
        let event = |n| NewEvent {
            site: bench.site,
            integrator: IntegratorId(uuid::Uuid::from_u128(n)),
            kind: EventKind::EventSucceeded,
            query: QueryId(uuid::Uuid::from_u128(1)),
            job_kind: JobKind::Async,
            hash: None,
        };
        let now = Moment { local: Timestamp(1), wall: Timestamp(1) };
        store
            .transaction(|t| {
                event(2).append(t, now, 3)?;
                (0..5).try_for_each(|_| event(1).append(t, now, 3))
            })
            .unwrap();
        let head = store.journal_head(bench.site, event(1).integrator).unwrap();
        assert_eq!((head.head, head.oldest), (5, 3));
        let kept = store.events(bench.site, event(1).integrator, 0, 9).unwrap();
        assert_eq!(kept.iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(kept[2].chain, head.chain);
        assert_eq!(store.events(bench.site, event(2).integrator, 0, 9).unwrap().len(), 1, "nobody else's");
    }
}
