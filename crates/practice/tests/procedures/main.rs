//! The stored procedures, called the ways that integrators call them: by name with parameters, and with EXEC in a batch.

#![allow(clippy::unwrap_used, reason = "helpers of tests may end them")]

#[path = "../common/mod.rs"]
mod common;

mod appointments;
mod book;
mod crowd;
mod demo_only;
mod patients;
mod system;

use common::{Demo, command, demo, login, run};
use database::{
    Column, Failure, Session, Value,
    json::{RowForm, RowWriter, text_of},
};
use model::{Access, CommandType, Direction, ExecutionMode, Parameter, ParameterType};
use practice::{
    DemoSession,
    events::{Argument, ColumnType, Ended, Enough, Events, Message, ResultColumn},
};

pub(crate) use ParameterType::{Date, DateTime, Int, VarChar};

/// Name, type and value of a parameter.
pub(crate) type Given<'a> = (&'a str, ParameterType, Option<&'a str>);

fn parameter(name: &str, kind: ParameterType, value: Option<&str>, direction: Direction) -> Parameter {
    Parameter {
        name: name.into(),
        direction,
        kind,
        value: value.map(Into::into),
        size: None,
        type_name: None,
    }
}

/// Calls a procedure as a command of Halo Connect does: rows, status, rows affected.
pub(crate) fn call(
    session: &mut dyn Session,
    name: &str,
    given: &[Given<'_>],
) -> Result<(String, i32, Option<i64>), Failure> {
    let mut parameters = vec![parameter("@return", Int, None, Direction::ReturnValue)];
    parameters
        .extend(given.iter().map(|(name, kind, value)| parameter(name, *kind, *value, Direction::Input)));
    let (taken, done) =
        run(session, &command(name, ExecutionMode::Reader, CommandType::StoredProcedure, parameters))?;
    let status = done.outputs[0].value.as_ref().unwrap().reveal().parse().unwrap();
    Ok((format!("[{}]", String::from_utf8(taken.json).unwrap()), status, done.rows_affected))
}

/// What a batch or call tells over SQL Server's protocol, one line an event.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) lines: Vec<String>,
    pub(crate) types: Vec<String>,
    writer: Option<RowWriter>,
    json: Vec<u8>,
}

impl Told {
    fn close(&mut self) {
        if self.writer.take().is_some() {
            self.lines.push(format!("[{}]", String::from_utf8(std::mem::take(&mut self.json)).unwrap()));
        }
    }
}

impl Events for Told {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Enough> {
        let columns: Vec<Column> = columns
            .iter()
            .map(|c| Column { name: c.name.clone(), type_name: c.ty.name.to_owned() })
            .collect();
        self.types = columns.iter().map(|c| c.type_name.clone()).collect();
        self.writer = Some(RowWriter::new(&columns, RowForm::Array));
        Ok(())
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Enough> {
        self.writer.as_mut().unwrap().row(values, &mut self.json);
        Ok(())
    }
    fn ended(&mut self, what: Ended, rows: Option<u64>) -> Result<(), Enough> {
        self.close();
        if let (Ended::Insert | Ended::Update | Ended::Delete, Some(rows)) = (what, rows) {
            self.lines.push(format!("{rows} rows"));
        }
        Ok(())
    }
    fn message(&mut self, m: &Message) -> Result<(), Enough> {
        self.writer = self.writer.take().filter(|_| !self.json.is_empty());
        self.close();
        self.lines.push(match m.class {
            ..=10 => format!("print {}", m.text),
            _ => format!("error {} state {} in {}: {}", m.number, m.state, m.procedure, m.text),
        });
        Ok(())
    }
    fn output(&mut self, at: usize, ty: ColumnType, value: Value<'_>) -> Result<(), Enough> {
        let mut text = String::new();
        text_of(&value, &mut text);
        self.lines.push(format!("output {at} {} {text}", ty.name));
        Ok(())
    }
    fn status(&mut self, value: i32) -> Result<(), Enough> {
        self.lines.push(format!("status {value}"));
        Ok(())
    }
    fn database(&mut self, _: &'static str) -> Result<(), Enough> {
        Ok(())
    }
}

pub(crate) fn typed(name: &'static str, length: Option<u32>) -> ColumnType {
    let scale = if name == "money" { 4 } else { 0 };
    ColumnType { name, length, precision: 0, scale }
}

/// An argument by its place.
pub(crate) fn argument(ty: ColumnType, value: Value<'_>, output: bool) -> Argument<'_> {
    Argument { name: String::new(), ty, value: Some(value), rows: None, output }
}

pub(crate) fn batch(session: &mut DemoSession, text: &str) -> Vec<String> {
    let mut told = Told::default();
    session.batch(text, &mut told).unwrap();
    told.close();
    told.lines
}

/// A practice, and a session of SQL Server's own protocol.
pub(crate) fn practice() -> (Demo, DemoSession) {
    let demo = demo(30);
    let session = demo.engine.log_in(&login("bpsrawdata"), None, Access::ReadWrite).unwrap();
    (demo, session)
}

/// Practitioner 3 works on Mondays from 9 to 10 in slots of a quarter of an hour at place 2, and no other time.
pub(crate) fn simple_rota(session: &mut DemoSession) {
    let done = batch(
        session,
        "SET NOCOUNT ON
         DELETE FROM SESSIONS WHERE USERID = 3
         INSERT INTO SESSIONS (USERID, LOCATIONID, DAYOFWEEK, STARTTIME, ENDTIME, LENGTH, STARTDATE, WEEKS, CYCLEWEEK)
         VALUES (3, 2, 2, 32400, 36000, 900, '20260101', 1, 1)",
    );
    assert!(done.is_empty(), "{done:?}");
}

/// A Monday far ahead.
pub(crate) const MONDAY: &str = "20300603";

/// Times of the free slots of practitioner 3.
pub(crate) fn free(session: &mut DemoSession, date: &str) -> String {
    batch(session, &format!("EXEC BP_GetFreeAppointments 3, '{date}'")).join("; ")
}
