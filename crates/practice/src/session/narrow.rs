//! The narrow door: one command, its result sets, one count or one error.

use super::{DemoSession, Frame, invoke::Passed, run::Stop, value::typed};
use crate::{
    events::{Broken, ColumnType, Ended, Enough, Events, Message, ResultColumn},
    fault::fault,
    parameter::{self, Made},
    rights,
    schema::Base,
    tsql::{Action, Setting, Variable, compile},
    types::Type,
};
use database::{
    Cancel, Column, Description, Dialect, Done, Failure, Output, Rights, Session, Sink, SqlError, Terms,
    Value as Shown, Wanted, Writes,
};
use model::{Command, CommandType, Direction, Hidden};
use rusqlite::types::Value;
use std::sync::Arc;

/// Hears all that a batch tells, and passes on what the narrow door has room for.
struct Heard<'a> {
    sink: &'a mut dyn Sink,
    /// Rows of the present result set are worth reading.
    wanted: bool,
    affected: Option<i64>,
    error: Option<SqlError>,
    outputs: Vec<(usize, Option<Hidden<String>>)>,
}

impl<'a> Heard<'a> {
    fn new(sink: &'a mut dyn Sink) -> Self {
        Heard { sink, wanted: false, affected: None, error: None, outputs: Vec::new() }
    }

    fn note(&mut self, wanted: Result<Wanted, database::Stopped>) -> Result<(), Enough> {
        self.wanted = wanted.map_err(|_| Enough)? == Wanted::Rows;
        Ok(())
    }
}

impl Events for Heard<'_> {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Enough> {
        let heads: Vec<Column> = columns
            .iter()
            .map(|c| Column { name: c.name.clone(), type_name: c.ty.name.to_owned() })
            .collect();
        let wanted = self.sink.columns(&heads);
        self.note(wanted)
    }
    fn row(&mut self, values: &[Shown<'_>]) -> Result<(), Enough> {
        if !self.wanted {
            return Ok(());
        }
        let wanted = self.sink.row(values);
        self.note(wanted)
    }
    fn enough_rows(&self) -> bool {
        // Rows that nobody sees need not be read.
        !self.wanted
    }
    fn ended(&mut self, what: Ended, rows: Option<u64>) -> Result<(), Enough> {
        if let (Ended::Insert | Ended::Update | Ended::Delete, Some(rows)) = (what, rows) {
            self.affected = Some(self.affected.unwrap_or(0) + i64::try_from(rows).unwrap_or(i64::MAX));
        }
        Ok(())
    }
    fn message(&mut self, message: &Message) -> Result<(), Enough> {
        if message.class > 10 && self.error.is_none() {
            self.error = Some(SqlError {
                dialect: Dialect::Mssql,
                number: message.number,
                state: message.state,
                class: message.class,
                line: message.line,
                message: message.text.clone().into(),
            });
        }
        Ok(())
    }
    fn output(&mut self, _: usize, _: ColumnType, _: Shown<'_>) -> Result<(), Enough> {
        Ok(())
    }
    fn status(&mut self, _: i32) -> Result<(), Enough> {
        Ok(())
    }
    fn database(&mut self, _: &'static str) -> Result<(), Enough> {
        Ok(())
    }
}

impl Session for DemoSession {
    fn run(&mut self, command: &Command, terms: &Terms, sink: &mut dyn Sink) -> Result<Done, Failure> {
        if let Some(wait) = terms.lock_wait {
            self.state.facts().lock_timeout = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        }
        let mut heard = Heard::new(sink);
        let done = self.command(command, &mut heard);
        // A request to cancel that this command got must not reach the next.
        let cancelled = self.canceller.take();
        // Whoever gets this session next finds nothing of this command's user in it.
        self.reset();
        match (done, heard.error) {
            (Err(failure), _) => Err(failure),
            // A statement cut short by a request ends as cancelled, whatever it said last.
            (Ok(_), Some(_)) if cancelled => Err(Failure::Cancelled),
            (Ok(_), Some(error)) => Err(Failure::Sql(error)),
            (Ok(mut done), None) => {
                done.rows_affected = heard.affected;
                Ok(done)
            }
        }
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        self.stopper()
    }

    fn ping(&mut self) -> Result<(), Failure> {
        self.connection.query_row("SELECT 1", [], |_| Ok(())).map_err(|_| Failure::Lost)
    }

    fn reset(&mut self) -> Result<(), Failure> {
        // Done at the end of each command.
        Ok(())
    }

    fn describe(&mut self) -> Result<Description, Failure> {
        let reader = self.read_only;
        Ok(Description {
            product: "Halo demo practice".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rights: Rights {
                writes: if reader { Writes::No } else { Writes::Yes },
                grants: rights::grants(reader).iter().map(|g| (*g).to_owned()).collect(),
            },
        })
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Failure {
        match broken {
            Broken::Cancelled => Failure::Cancelled,
            Broken::Lost => Failure::Lost,
        }
    }
}

impl DemoSession {
    fn command(&mut self, command: &Command, heard: &mut Heard<'_>) -> Result<Done, Failure> {
        let mut given = Vec::new();
        for one in &command.parameters {
            let name = if one.name.starts_with('@') { one.name.clone() } else { format!("@{}", one.name) };
            given.push((name, parameter::made(one)?));
        }
        let text = command.text.reveal();
        match command.kind {
            CommandType::Text => {
                let mut frame = Frame::outermost();
                let (mut variables, mut places, mut tables) = (Vec::new(), Vec::new(), Vec::new());
                for (at, (name, made)) in given.into_iter().enumerate() {
                    match made {
                        Made::Value(ty, value) => {
                            variables.push(Variable { name, ty });
                            frame.values.push(value);
                            places.push(at);
                        }
                        Made::Rows(ty, rows) => tables.push((name, ty, rows)),
                    }
                }
                let handed = tables
                    .iter()
                    .try_for_each(|(name, ty, rows)| self.hand_over(name, ty, Some(rows), frame.depth, 1));
                let program = match handed {
                    Ok(()) if tables.is_empty() => self.kept(text, variables, false, u32::MAX),
                    Ok(()) => self.kept(text, variables, false, frame.depth),
                    Err(Stop::Raised(caught, _) | Stop::Compile(caught)) => {
                        Err(fault(caught.number, caught.line.into(), caught.text))
                    }
                    Err(Stop::Broken(broken)) => return Err(broken.into()),
                    Err(Stop::Over) => return Err(Failure::Lost),
                };
                self.top(program, &mut frame, heard)?;
                for (place, at) in places.into_iter().enumerate() {
                    // A batch that could not be compiled has no variables.
                    if let (true, Some(variable)) =
                        (command.parameters[at].direction != Direction::Input, frame.variables.get(place))
                    {
                        heard.outputs.push((at, shown(&frame.values[place], variable.ty)));
                    }
                }
            }
            CommandType::StoredProcedure => {
                let mut places = Vec::new();
                let mut passed = Vec::new();
                for (at, (declared, (name, made))) in command.parameters.iter().zip(given).enumerate() {
                    if declared.direction == Direction::ReturnValue {
                        continue;
                    }
                    places.push(at);
                    let (value, rows) = match made {
                        Made::Value(ty, value) => (Some((value, ty)), None),
                        Made::Rows(_, rows) => (None, Some(rows)),
                    };
                    let output = declared.direction != Direction::Input;
                    passed.push(Passed { formal: Some(name), value, rows, output });
                }
                let (mut outputs, mut status) = (Vec::new(), 0);
                self.call_told(text, passed, heard, &mut |_, outcome| {
                    status = outcome.status;
                    outputs =
                        outcome.outputs.iter().map(|(at, v, ty)| (places[*at], shown(v, *ty))).collect();
                    Ok(())
                })?;
                for (at, given) in command.parameters.iter().enumerate() {
                    if given.direction == Direction::ReturnValue {
                        outputs.push((at, Some(status.to_string().into())));
                    }
                }
                outputs.sort_by_key(|(at, _)| *at);
                heard.outputs = outputs;
            }
        }
        let outputs = std::mem::take(&mut heard.outputs)
            .into_iter()
            .map(|(at, value)| Output { parameter: at, kind: command.parameters[at].kind, value })
            .collect();
        Ok(Done { rows_affected: None, outputs })
    }
}

/// The bare name and database of a procedure's written name; `None` for what is no name.
pub(super) fn procedure_name(text: &str, base: Base) -> Option<(String, Base)> {
    let setting = Setting { base, temps: &[], next_table: 0 };
    let program = compile(&format!("EXEC {text}"), &setting, Vec::new(), false).ok()?;
    let mut found = None;
    let mut count = 0;
    program.each(&mut |action| {
        count += 1;
        if let Action::Call {
            procedure, named_by: None, database: Some(database), given, returned: None, ..
        } = action
            && given.is_empty()
        {
            found = Some((procedure.clone(), *database));
        }
    });
    found.filter(|_| count == 1)
}

fn shown(value: &Value, ty: Type) -> Option<Hidden<String>> {
    let mut text = String::new();
    match typed(value.into(), ty).ok()? {
        Shown::Null => return None,
        value => database::json::text_of(&value, &mut text),
    }
    Some(text.into())
}
