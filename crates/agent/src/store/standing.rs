//! Whether this server may serve: the epoch, and the mark of one that was stopped because another server may be the real one.
//!
//! An epoch is a generation (its upper part) and a count of starts (the lower 32 bits). Starts count up; only what people decide, a restore
//! or `confirm-server`, begins a new generation, and a new generation stands above every start of the one before.

use super::{AuditLine, Store, StoreError};
use model::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

/// Bits of an epoch that count starts.
const STARTS: u32 = 32;
/// Epochs stay below: the directory believes none above 2^53.
const MOST_GENERATIONS: u64 = 1 << 20;
/// What Halo Cloud says it has seen counts as long as it is no further ahead, in generations: a cloud that lies must not use all of them up.
const AHEAD: u64 = 1_000;

/// Why a server does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Another server with a higher epoch has served this site.
    Older,
    /// Another server with the same epoch serves it.
    Doubled,
    /// The data folder was used on another computer before.
    OtherMachine,
}

impl StopReason {
    const ALL: [StopReason; 3] = [StopReason::Older, StopReason::Doubled, StopReason::OtherMachine];

    /// For programs.
    pub fn name(self) -> &'static str {
        match self {
            StopReason::Older => "older-epoch",
            StopReason::Doubled => "doubled-epoch",
            StopReason::OtherMachine => "other-machine",
        }
    }

    /// For people, a clause.
    pub fn words(self) -> &'static str {
        match self {
            StopReason::Older => "another server has served this practice after this one's data was copied",
            StopReason::Doubled => "another server runs with a copy of this one's data",
            StopReason::OtherMachine => "its data was used on another computer before",
        }
    }
}

/// A server that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Why.
    pub why: StopReason,
    /// The epoch that it had.
    pub epoch: u64,
    /// The highest epoch that Halo Cloud has seen, where it said it.
    pub stored: Option<u64>,
    /// When.
    pub at: Timestamp,
}

/// The first epoch of the generation after both. `None` when there is none left.
pub(crate) fn next_generation(own: u64, told: Option<u64>) -> Option<u64> {
    let own = own >> STARTS;
    let told = told.map(|told| told >> STARTS).filter(|told| *told <= own + AHEAD).unwrap_or(0);
    let next = own.max(told) + 1;
    (next < MOST_GENERATIONS).then_some(next << STARTS)
}

/// Which generation an epoch is of.
pub(crate) fn generation(epoch: u64) -> u64 {
    epoch >> STARTS
}

impl Store {
    /// The epoch of this start, and whether it may serve. `print` tells this computer from others, where that can be known. A server that was
    /// stopped keeps its epoch: otherwise a copy would win by being started often.
    pub(crate) fn start(
        &self,
        print: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(u64, Option<Stopped>), StoreError> {
        self.transaction(|t| {
            if let Some(stopped) = stopped(t)? {
                return Ok((stopped.epoch, Some(stopped)));
            }
            let noted: Option<Vec<u8>> =
                t.query_row("SELECT print FROM machine", [], |row| row.get(0)).optional()?;
            if let (Some(noted), Some(print)) = (&noted, print)
                && noted != print
            {
                let stopped =
                    Stopped { why: StopReason::OtherMachine, epoch: epoch(t)?, stored: None, at: now };
                write(t, &stopped)?;
                return Ok((stopped.epoch, Some(stopped)));
            }
            if noted.is_none() && print.is_some() {
                t.execute("INSERT INTO machine (one, print) VALUES (1, ?1)", [print])?;
            }
            let next = epoch(t)? + 1;
            set_epoch(t, next)?;
            Ok((next, None))
        })
    }

    /// Marks a server as one that does not serve.
    pub(crate) fn stop(&self, stopped: &Stopped, audit: &[AuditLine]) -> Result<(), StoreError> {
        self.transaction(|t| {
            write(t, stopped)?;
            audit.iter().try_for_each(|line| line.write(t))
        })
    }

    /// Takes the mark away.
    pub(crate) fn unstop(&self, audit: &[AuditLine]) -> Result<(), StoreError> {
        self.transaction(|t| {
            t.execute("DELETE FROM stopped", [])?;
            audit.iter().try_for_each(|line| line.write(t))
        })
    }

    /// Begins a new generation: this server is the real one, on this computer. Its epoch; `None` when there is none left.
    pub(crate) fn confirm(
        &self,
        print: Option<&[u8]>,
        audit: &[AuditLine],
    ) -> Result<Option<u64>, StoreError> {
        self.transaction(|t| {
            let told = stopped(t)?.and_then(|stopped| stopped.stored);
            let Some(next) = next_generation(epoch(t)?, told) else { return Ok(None) };
            confirmed(t, next, print)?;
            audit.iter().try_for_each(|line| line.write(t))?;
            Ok(Some(next))
        })
    }
}

/// Makes a file the real server's, with this epoch as its latest.
pub(crate) fn confirmed(t: &Transaction<'_>, epoch: u64, print: Option<&[u8]>) -> Result<(), StoreError> {
    set_epoch(t, epoch)?;
    t.execute("DELETE FROM stopped", [])?;
    t.execute("DELETE FROM machine", [])?;
    if let Some(print) = print {
        t.execute("INSERT INTO machine (one, print) VALUES (1, ?1)", [print])?;
    }
    Ok(())
}

/// The latest epoch of a file; 0 before its first start.
pub(crate) fn largest_epoch(t: &Transaction<'_>) -> Result<u64, StoreError> {
    epoch(t)
}

fn epoch(t: &Transaction<'_>) -> Result<u64, StoreError> {
    let kept: Option<i64> =
        t.query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| row.get(0)).optional()?;
    u64::try_from(kept.unwrap_or(0)).map_err(|_| StoreError::Broken("a counter"))
}

fn set_epoch(t: &Transaction<'_>, epoch: u64) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO meta (name, value) VALUES ('epoch', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1",
        [epoch.cast_signed()],
    )?;
    Ok(())
}

fn stopped(t: &Transaction<'_>) -> Result<Option<Stopped>, StoreError> {
    let found = t.query_row("SELECT why, epoch, stored, at FROM stopped", [], |row| {
        let numbers: (i64, Option<i64>) = (row.get(1)?, row.get(2)?);
        Ok((row.get::<_, String>(0)?, numbers, Timestamp(row.get(3)?)))
    });
    let Some((why, (epoch, stored), at)) = found.optional()? else { return Ok(None) };
    // One that a newer version has written stops this one too.
    let why = StopReason::ALL.into_iter().find(|known| known.name() == why).unwrap_or(StopReason::Older);
    let (epoch, stored) = (epoch.cast_unsigned(), stored.map(i64::cast_unsigned));
    Ok(Some(Stopped { why, epoch, stored, at }))
}

fn write(t: &Transaction<'_>, stopped: &Stopped) -> Result<(), StoreError> {
    let Stopped { why, epoch, stored, at } = stopped;
    t.execute(
        "INSERT OR REPLACE INTO stopped (one, why, epoch, stored, at) VALUES (1, ?1, ?2, ?3, ?4)",
        params![why.name(), epoch.cast_signed(), stored.map(u64::cast_signed), at.0],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

    const NOW: Timestamp = Timestamp(1);

    #[test]
    fn starts_count_up_and_a_new_generation_stands_above_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(store(folder.path()).start(None, NOW).unwrap(), (1, None));
        assert_eq!(store(folder.path()).start(None, NOW).unwrap(), (2, None));
        assert_eq!(store(folder.path()).confirm(None, &[]).unwrap(), Some(1 << 32));
        assert_eq!(store(folder.path()).start(None, NOW).unwrap(), ((1 << 32) + 1, None));
    }

    #[test]
    fn a_stopped_server_keeps_its_epoch_over_starts_until_somebody_confirms_it() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path()).start(None, NOW).unwrap();
        let stopped = Stopped { why: StopReason::Older, epoch: 1, stored: Some(5 << 32), at: NOW };
        store(folder.path()).stop(&stopped, &[]).unwrap();
        assert_eq!(store(folder.path()).start(None, NOW).unwrap(), (1, Some(stopped)));
        assert_eq!(
            store(folder.path()).confirm(None, &[]).unwrap(),
            Some(6 << 32),
            "above what the cloud has seen"
        );
        assert_eq!(store(folder.path()).start(None, NOW).unwrap(), ((6 << 32) + 1, None));
    }

    #[test]
    fn a_folder_from_another_computer_does_not_serve_until_it_is_confirmed_there() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (Some(&b"here"[..]), Some(&b"there"[..]));
        assert_eq!(store(folder.path()).start(here, NOW).unwrap(), (1, None));
        assert_eq!(store(folder.path()).start(None, NOW).unwrap(), (2, None), "unknown is not another");
        let (epoch, stopped) = store(folder.path()).start(there, NOW).unwrap();
        assert_eq!((epoch, stopped.unwrap().why), (2, StopReason::OtherMachine));
        assert!(store(folder.path()).start(here, NOW).unwrap().1.is_some(), "back again it stays stopped");
        store(folder.path()).confirm(there, &[]).unwrap();
        assert_eq!(store(folder.path()).start(there, NOW).unwrap(), ((1 << 32) + 1, None));
    }

    #[test]
    fn a_cloud_that_lies_can_not_use_up_the_generations() {
        assert_eq!(next_generation(7, Some(u64::MAX)), Some(1 << 32));
        assert_eq!(next_generation(7, Some((AHEAD << 32) + 9)), Some((AHEAD + 1) << 32));
        assert_eq!(next_generation((MOST_GENERATIONS - 1) << 32, None), None);
        assert!(((MOST_GENERATIONS - 1) << 32) + u64::from(u32::MAX) < 1 << 53);
    }
}
