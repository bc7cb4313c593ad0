//! One connection: runs compiled batches.

mod cancel;
mod programs;
mod run;
mod told;

use crate::{
    fault::fault,
    functions::Shared,
    parameter,
    schema::Base,
    tsql::{Action, Program, Step, Variable, compile},
    types::Type,
};
pub(crate) use cancel::Canceller;
use database::{Cancel, Done, Failure, Output, Session, Sink};
use model::{Command, CommandType, Direction, Hidden};
pub(crate) use programs::Programs;
use run::{Out, typed};
use rusqlite::{Connection, types::Value};
use std::sync::Arc;

/// A session of the demo practice.
pub struct DemoSession {
    pub(crate) connection: Connection,
    pub(crate) base: Base,
    pub(crate) shared: Arc<Shared>,
    pub(crate) canceller: Arc<Canceller>,
    pub(crate) programs: Programs,
}

impl Session for DemoSession {
    fn run(&mut self, command: &Command, sink: &mut dyn Sink) -> Result<Done, Failure> {
        let mut out = Out::new(sink, command.mode);
        let done = self.command(command, &mut out);
        // A request to cancel that this command got must not reach the next.
        let cancelled = self.canceller.take();
        match done {
            // A statement cut short by a request ends as cancelled, whatever it said last.
            Err(Failure::Sql(_)) if cancelled => Err(Failure::Cancelled),
            done => done,
        }
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.canceller) as Arc<dyn Cancel>
    }

    fn ping(&mut self) -> Result<(), Failure> {
        self.connection.query_row("SELECT 1", [], |_| Ok(())).map_err(|_| Failure::Lost)
    }
}

impl DemoSession {
    fn command(&mut self, command: &Command, out: &mut Out<'_>) -> Result<Done, Failure> {
        if self.canceller.asked() {
            return Err(Failure::Cancelled);
        }
        let mut values = Vec::new();
        let mut variables = Vec::new();
        for given in &command.parameters {
            let (ty, value) = parameter::value_of(given)?;
            let name =
                if given.name.starts_with('@') { given.name.clone() } else { format!("@{}", given.name) };
            variables.push(Variable { name, ty });
            values.push(value);
        }
        let text = command.text.reveal();
        let program = match command.kind {
            CommandType::Text => self.programs.get(text, self.base, variables).map_err(Failure::Sql)?,
            CommandType::StoredProcedure => Arc::new(self.procedure_call(text, command, variables)?),
        };
        values.resize(program.variables.len(), Value::Null);
        self.program(&program, &mut values, out, 0)?;
        let mut outputs = Vec::new();
        for (at, given) in command.parameters.iter().enumerate() {
            if given.direction != Direction::Input {
                outputs.push(Output {
                    parameter: at,
                    kind: given.kind,
                    value: shown(&values[at], program.variables[at].ty),
                });
            }
        }
        Ok(Done { rows_affected: out.affected(), outputs })
    }

    /// A program of one call: each input parameter goes by its name, the return value to the parameter that wants it.
    fn procedure_call(
        &self,
        text: &str,
        command: &Command,
        variables: Vec<Variable>,
    ) -> Result<Program, Failure> {
        let called = compile(&format!("EXEC {text}"), self.base, Vec::new(), false).map_err(Failure::Sql)?;
        let [Step { action: Action::Call { procedure, database, arguments, .. }, .. }] =
            called.steps.as_slice()
        else {
            return Err(Failure::Sql(fault(2812, 1, format!("Could not find stored procedure '{text}'."))));
        };
        if !arguments.is_empty() {
            return Err(Failure::Sql(fault(2812, 1, format!("Could not find stored procedure '{text}'."))));
        }
        let mut returned = None;
        let mut named = Vec::new();
        for (at, (given, variable)) in command.parameters.iter().zip(&variables).enumerate() {
            match given.direction {
                Direction::ReturnValue => returned = Some(at),
                Direction::Input => {
                    named.push((Some(variable.name.clone()), format!("SELECT {}", carried(at, variable.ty))))
                }
                Direction::Output | Direction::InputOutput => {
                    return Err(Failure::Sql(fault(
                        8162,
                        1,
                        format!(
                            "The formal parameter \"{}\" was not declared as an OUTPUT parameter, but the actual parameter passed in requested output.",
                            variable.name
                        ),
                    )));
                }
            }
        }
        let action =
            Action::Call { procedure: procedure.clone(), database: *database, returned, arguments: named };
        Ok(Program { steps: vec![Step { line: 1, action }], variables })
    }
}

/// A parameter's text on its way into a procedure: times go in the form that reads back exactly.
fn carried(at: usize, ty: Type) -> String {
    if ty.is_time() {
        format!("ts_cast(?{}, '{}', 'nvarchar', 0, 0, 121)", at + 1, ty.name)
    } else {
        format!("?{}", at + 1)
    }
}

fn shown(value: &Value, ty: Type) -> Option<Hidden<String>> {
    let mut text = String::new();
    match typed(value.into(), ty).ok()? {
        database::Value::Null => return None,
        value => database::json::text_of(&value, &mut text),
    }
    Some(text.into())
}
