//! Batches and calls told as events: the door for a face that speaks SQL Server's protocol.

use super::{
    DemoSession, Frame,
    invoke::Passed,
    rows::Rows,
    run::Stop,
    value::{column_type, stored, type_of, typed},
};
use crate::events::{Argument, Broken, Events};
use database::{Cancel, Value as Shown};
use std::sync::Arc;

impl Frame {
    pub(super) fn outermost() -> Frame {
        Frame {
            values: Vec::new(),
            variables: Vec::new(),
            procedure: String::new(),
            returns: false,
            depth: 0,
            status: 0,
        }
    }
}

impl DemoSession {
    /// Runs a batch. SQL errors reach `events` as messages.
    pub fn batch(&mut self, text: &str, events: &mut dyn Events) -> Result<(), Broken> {
        let mut frame = Frame::outermost();
        let program = self.kept(text, Vec::new(), false, u32::MAX);
        let done = self.top(program, &mut frame, events);
        let done = self.finished(done);
        self.tell_transacted(events);
        done
    }

    /// Calls a stored procedure (`sp_executesql` too): its rows and messages, then its outputs and its status. The name
    /// may have two or three parts.
    pub fn call_procedure(
        &mut self,
        procedure: &str,
        arguments: &[Argument<'_>],
        events: &mut dyn Events,
    ) -> Result<(), Broken> {
        let passed = arguments
            .iter()
            .map(|a| Passed {
                formal: (!a.name.is_empty()).then(|| a.name.clone()),
                value: a.value.as_ref().map(|v| (stored(v), type_of(&a.ty))),
                rows: a.rows.as_ref().map(Rows::from),
                output: a.output,
            })
            .collect();
        let done = self.call_told(procedure, passed, events, &mut |events, outcome| {
            for (at, value, ty) in &outcome.outputs {
                // A value of a variable is always one of its type.
                let shown = typed(value.into(), *ty).unwrap_or(Shown::Null);
                events.output(*at, column_type(*ty), shown)?;
            }
            events.status(i32::try_from(outcome.status).unwrap_or(0))?;
            Ok(())
        });
        let done = self.finished(done);
        self.tell_transacted(events);
        done
    }

    /// Name of the current database.
    pub fn current_database(&self) -> &'static str {
        self.base.database()
    }

    /// How many transactions are open: `@@TRANCOUNT`.
    pub fn open_transactions(&self) -> i64 {
        self.state.facts().trancount
    }

    /// Stops what runs, from any thread.
    pub fn stopper(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.canceller) as Arc<dyn Cancel>
    }

    /// Forgets everything of the user before: transaction, temporary tables, SET options, current database.
    pub fn reset(&mut self) {
        self.roll_back_all();
        self.drop_all_tables();
        self.base = self.home;
        (self.silent, self.xact_abort, self.trying) = (false, false, 0);
        self.transacted.clear();
        let mut facts = self.state.facts();
        let user = std::mem::take(&mut facts.user);
        let reader = facts.reader;
        *facts = crate::functions::Facts { user, reader, lock_timeout: -1, ..Default::default() };
    }

    /// A request to cancel that this batch got must not reach the next.
    fn finished(&mut self, done: Result<(), Broken>) -> Result<(), Broken> {
        let cancelled = self.canceller.take();
        match done {
            Ok(()) if !cancelled => Ok(()),
            // It had ended before the request was seen.
            Ok(()) => Ok(()),
            Err(broken) => Err(self.broken(broken)),
        }
    }

    /// A call from outside, by a name of one to three parts.
    pub(super) fn call_told(
        &mut self,
        name: &str,
        passed: Vec<Passed>,
        events: &mut dyn Events,
        then: &mut dyn FnMut(&mut dyn Events, &super::invoke::Outcome) -> Result<(), crate::events::Enough>,
    ) -> Result<(), Broken> {
        let frame = Frame::outermost();
        self.clock.stand();
        let (bare, database) = match super::narrow::procedure_name(name, self.base) {
            Some((bare, database)) => (bare, Some(database)),
            None => (name.to_owned(), None),
        };
        let done = if self.canceller.asked() {
            Err(Stop::Broken(Broken::Cancelled))
        } else {
            self.invoke((&bare, name), database, passed, 1, &frame, events)
        };
        self.after_broken_statement();
        self.trying = 0;
        let told = match done {
            Ok(outcome) => then(events, &outcome).map_err(|_| Broken::Cancelled),
            Err(Stop::Raised(caught, weight)) => {
                let told = self.report(&caught, events);
                if weight == super::run::Weight::Batch {
                    self.roll_back_all();
                }
                match told {
                    Err(Stop::Broken(broken)) => Err(broken),
                    _ => Ok(()),
                }
            }
            Err(Stop::Compile(caught)) => match self.report(&caught, events) {
                Err(Stop::Broken(broken)) => Err(broken),
                _ => Ok(()),
            },
            Err(Stop::Over) => Ok(()),
            Err(Stop::Broken(broken)) => Err(broken),
        };
        told?;
        match self.end_of_request(events) {
            Err(Stop::Broken(broken)) => Err(broken),
            _ => Ok(()),
        }
    }
}
