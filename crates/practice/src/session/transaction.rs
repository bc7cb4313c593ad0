//! Transactions. The embedded engine has one writer at a time: who begins a transaction that may write takes its turn.

use super::{DemoSession, run::Stop, temps::Kept};
use crate::{
    events::{Broken, Events, Transacted},
    fault::{Caught, fault},
};
use rusqlite::{Error, ErrorCode};
use std::time::Duration;

/// How long a statement waits for another's lock when the caller set no LOCK_TIMEOUT.
const PATIENCE_MILLIS: i64 = 5_000;
/// How long between two looks whether the lock is free.
const STEP_MILLIS: u64 = 5;

impl DemoSession {
    /// Runs it again while another session holds the lock; a busy one has changed nothing.
    pub(super) fn patiently<T>(&self, mut what: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        let set = self.state.facts().lock_timeout;
        let most = if set < 0 { PATIENCE_MILLIS } else { set };
        let mut waited = 0;
        loop {
            match what() {
                Err(Error::SqliteFailure(code, _))
                    if matches!(code.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                        && waited < most =>
                {
                    if self.canceller.wait(Duration::from_millis(STEP_MILLIS)) {
                        return Err(Error::SqliteFailure(
                            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT),
                            None,
                        ));
                    }
                    waited += i64::try_from(STEP_MILLIS).unwrap_or(1);
                }
                other => return other,
            }
        }
    }

    pub(super) fn begin(&mut self, name: Option<String>, line: u64) -> Result<(), Stop> {
        let count = self.state.facts().trancount;
        if count == 0 {
            let sql = if self.read_only { "BEGIN" } else { "BEGIN IMMEDIATE" };
            self.patiently(|| self.connection.execute_batch(sql))
                .map_err(|e| super::value::stop(&e, line, None))?;
            self.before = vec![(None, self.temps.clone())];
            self.own_name = name;
            self.transacted.push(Transacted::Begun);
        }
        let mut facts = self.state.facts();
        facts.trancount += 1;
        facts.rowcount = 0;
        Ok(())
    }

    pub(super) fn commit(&mut self, line: u64) -> Result<(), Stop> {
        let (count, doomed) = {
            let facts = self.state.facts();
            (facts.trancount, facts.doomed)
        };
        if count == 0 {
            return Err(fault(
                3902,
                line,
                "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.",
            )
            .into());
        }
        if doomed {
            return Err(doomed_error(line).into());
        }
        if count == 1 {
            self.connection.execute_batch("COMMIT").map_err(|e| super::value::stop(&e, line, None))?;
            self.before.clear();
            self.transacted.push(Transacted::Committed);
        }
        let mut facts = self.state.facts();
        facts.trancount -= 1;
        facts.rowcount = 0;
        Ok(())
    }

    pub(super) fn roll_back(&mut self, name: Option<&str>, line: u64) -> Result<(), Stop> {
        if self.state.facts().trancount == 0 {
            return Err(fault(
                3903,
                line,
                "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.",
            )
            .into());
        }
        let savepoint = name.and_then(|name| {
            self.before.iter().rposition(|(n, _)| n.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name)))
        });
        match savepoint {
            Some(at) => {
                if self.state.facts().doomed {
                    return Err(fault(
                        3931,
                        line,
                        "The current transaction cannot be committed and cannot be rolled back to a savepoint. Roll back the entire transaction.",
                    )
                    .into());
                }
                let kept = self.keep_variables();
                self.connection
                    .execute_batch(&format!("ROLLBACK TO \"s{at}\""))
                    .map_err(|e| super::value::stop(&e, line, None))?;
                let temps = self.before[at].1.clone();
                self.before.truncate(at + 1);
                self.restore(&kept, temps);
            }
            None => {
                let own =
                    name.is_none_or(|n| self.own_name.as_deref().is_some_and(|o| o.eq_ignore_ascii_case(n)));
                if !own {
                    let name = name.unwrap_or_default();
                    return Err(fault(
                        6401,
                        line,
                        format!(
                            "Cannot roll back {name}. No transaction or savepoint of that name was found."
                        ),
                    )
                    .into());
                }
                self.roll_back_all();
            }
        }
        Ok(())
    }

    /// Rolls the whole transaction back, if there is one.
    pub(super) fn roll_back_all(&mut self) {
        if self.state.facts().trancount > 0 {
            let kept = self.keep_variables();
            if !self.connection.is_autocommit() {
                // Can only fail where there is nothing to roll back any more.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            let temps = self.before.first().map(|(_, t)| t.clone()).unwrap_or_default();
            self.restore(&kept, temps);
            self.transacted.push(Transacted::RolledBack);
        }
        self.before.clear();
        let mut facts = self.state.facts();
        (facts.trancount, facts.doomed, facts.rowcount) = (0, false, 0);
    }

    /// Temporary tables as they were then; table variables as they are now.
    fn restore(&mut self, kept: &[Kept], then: Vec<(u32, std::sync::Arc<crate::tsql::Temp>)>) {
        let variables: Vec<_> = self.temps.iter().filter(|(_, t)| t.name.starts_with('@')).cloned().collect();
        self.temps = then.into_iter().filter(|(_, t)| t.name.starts_with('#')).chain(variables).collect();
        // Only a full memory could refuse rows that were there a moment before.
        let _ = self.put_back(kept);
        self.tell_temps();
    }

    pub(super) fn save(&mut self, name: String, line: u64) -> Result<(), Stop> {
        if self.state.facts().trancount == 0 {
            return Err(fault(
                628,
                line,
                "Cannot issue SAVE TRANSACTION when there is no active transaction.",
            )
            .into());
        }
        let at = self.before.len();
        self.connection
            .execute_batch(&format!("SAVEPOINT \"s{at}\""))
            .map_err(|e| super::value::stop(&e, line, None))?;
        self.before.push((Some(name), self.temps.clone()));
        Ok(())
    }

    /// The embedded engine rolls a transaction back by itself in some failures: then it is over here too.
    pub(super) fn after_broken_statement(&mut self) {
        let open = self.state.facts().trancount > 0;
        if open && self.connection.is_autocommit() {
            self.roll_back_all();
        }
    }

    /// Refuses what may not be done in a transaction that can't be committed.
    pub(super) fn check_not_doomed(&self, line: u64) -> Result<(), Stop> {
        if self.state.facts().doomed { Err(doomed_error(line).into()) } else { Ok(()) }
    }

    /// Tells what has become of the transaction since it was told last.
    pub(super) fn tell_transacted(&mut self, out: &mut dyn Events) {
        self.transacted.drain(..).for_each(|what| out.transacted(what));
    }

    /// What a procedure, a batch in text or `sp_executesql` leaves open that it did not find so, or ends that it found:
    /// 266, which is an error like another one and changes nothing.
    pub(super) fn check_count(
        &mut self,
        before: i64,
        procedure: &str,
        line: u64,
        out: &mut dyn Events,
    ) -> Result<(), Stop> {
        let now = self.state.facts().trancount;
        if now == before || self.xact_abort {
            return Ok(());
        }
        let words = format!(
            "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT statements. Previous count = {before}, current count = {now}."
        );
        let caught =
            Caught { state: 2, procedure: procedure.to_owned(), ..Caught::from(fault(266, line, words)) };
        if self.trying > 0 {
            return Err(Stop::Raised(caught, super::run::Weight::Statement));
        }
        self.tell_transacted(out);
        self.report(&caught, out)
    }

    /// At the end of what a client asked: a transaction that can't be committed is rolled back, and that is told.
    pub(super) fn end_of_request(&mut self, out: &mut dyn Events) -> Result<(), Stop> {
        let doomed = self.state.facts().doomed;
        if doomed {
            self.roll_back_all();
            self.tell_transacted(out);
            let error = fault(
                3998,
                1,
                "Uncommittable transaction is detected at the end of the batch. The transaction is rolled back.",
            );
            return self.report(&error.into(), out);
        }
        Ok(())
    }

    /// Broken off: also ends what the embedded engine has rolled back by itself.
    pub(super) fn broken(&mut self, broken: Broken) -> Broken {
        self.after_broken_statement();
        broken
    }
}

fn doomed_error(line: u64) -> database::SqlError {
    fault(
        3930,
        line,
        "The current transaction cannot be committed and cannot support operations that write to the log file. Roll back the transaction.",
    )
}
