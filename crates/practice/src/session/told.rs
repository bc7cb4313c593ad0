//! Batches and calls told as events.

use super::DemoSession;
use crate::events::{Argument, Broken, ColumnType, Ended, Events, Message, ResultColumn};
use database::{Cancel, Column, Failure, Session, Sink, Stopped, Value};
use model::{Command, CommandType, ExecutionMode};
use std::sync::Arc;

impl DemoSession {
    /// Runs a batch. SQL errors reach `events` as messages.
    pub fn batch(&mut self, text: &str, events: &mut dyn Events) -> Result<(), Broken> {
        let command = Command {
            text: text.into(),
            mode: ExecutionMode::Reader,
            kind: CommandType::Text,
            parameters: Vec::new(),
            catalogue: None,
        };
        let mut heard = Heard { events, rows: None };
        let done = self.run(&command, &mut heard);
        let rows = heard.rows;
        let enough = |_| Broken::Cancelled;
        match done {
            Ok(_) if rows.is_some() => events.ended(Ended::Select, rows).map_err(enough),
            Ok(done) => events
                .ended(Ended::Other, done.rows_affected.and_then(|n| u64::try_from(n).ok()))
                .map_err(enough),
            Err(Failure::Sql(error)) => {
                let message = Message {
                    number: error.number,
                    state: error.state,
                    class: error.class,
                    line: error.line,
                    procedure: String::new(),
                    text: error.message.reveal().clone(),
                };
                events.message(&message).map_err(enough)?;
                events.ended(Ended::Other, None).map_err(enough)
            }
            Err(Failure::Lost) => Err(Broken::Lost),
            Err(_) => Err(Broken::Cancelled),
        }
    }

    /// Calls a stored procedure (`sp_executesql` too): its rows and messages, then its outputs and its status.
    pub fn call_procedure(
        &mut self,
        procedure: &str,
        arguments: &[Argument<'_>],
        events: &mut dyn Events,
    ) -> Result<(), Broken> {
        let _ = (procedure, arguments);
        events.status(0).map_err(|_| Broken::Cancelled)
    }

    /// Forgets everything of the user before: transaction, temporary tables, SET options, current database.
    pub fn reset(&mut self) {}

    /// Name of the current database.
    pub fn current_database(&self) -> &'static str {
        self.base.database()
    }

    /// Stops what runs, from any thread.
    pub fn stopper(&self) -> Arc<dyn Cancel> {
        self.canceller()
    }
}

struct Heard<'a> {
    events: &'a mut dyn Events,
    rows: Option<u64>,
}

impl Sink for Heard<'_> {
    fn columns(&mut self, columns: &[Column]) -> Result<(), Stopped> {
        self.rows = Some(0);
        let columns: Vec<ResultColumn> = columns
            .iter()
            .map(|c| ResultColumn {
                name: c.name.clone(),
                ty: ColumnType {
                    name: if c.type_name == "int" { "int" } else { "nvarchar" },
                    length: None,
                    precision: 0,
                    scale: 0,
                },
            })
            .collect();
        self.events.columns(&columns).map_err(|_| Stopped)
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Stopped> {
        self.rows = Some(self.rows.unwrap_or(0) + 1);
        self.events.row(values).map_err(|_| Stopped)
    }
}
