//! A small practice and a way to ask it things.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of it")]

use database::{
    Column, Done, Engine, Failure, Login, Part, Session, Sink, Stopped, Terms, Value, Wanted,
    json::{RowForm, RowWriter},
    pick::{Pick, Sets},
};
use model::{Access, Clock, Command, CommandType, ExecutionMode, Parameter, Timestamp};
use practice::{BuildOptions, DemoEngine, PracticeLogin, build};
use std::{path::Path, sync::Arc, time::Duration};

/// Noon of 3 February 2026 in Queensland.
pub(crate) struct Noon;
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2026-02-03T02:00:00Z").unwrap()
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

pub(crate) fn options(patients: u32, seed: u64) -> BuildOptions {
    let login = |user: &str, read_only| PracticeLogin {
        user: user.into(),
        password: "open sesame".to_owned().into(),
        read_only,
    };
    BuildOptions {
        patients,
        seed,
        today: database::Date { year: 2026, month: 2, day: 3 },
        logins: vec![login("bpsrawdata", false), login("bpsviewer", true)],
    }
}

pub(crate) struct Demo {
    pub(crate) engine: DemoEngine,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn demo(patients: u32) -> Demo {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("practice.db");
    build(&path, &options(patients, 7), &mut |_, _| {}).unwrap();
    Demo { engine: open(&path), folder }
}

pub(crate) fn open(path: &Path) -> DemoEngine {
    DemoEngine::open_with_clock(path, Arc::new(Noon)).unwrap()
}

pub(crate) fn login(user: &str) -> Login {
    Login { user: user.into(), password: "open sesame".into() }
}

impl Demo {
    pub(crate) fn session(&self, access: Access) -> Box<dyn Session> {
        self.engine.connect(&login("bpsrawdata"), "patients", access).unwrap()
    }
}

#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) columns: Vec<Column>,
    pub(crate) writer: Option<RowWriter>,
    pub(crate) json: Vec<u8>,
    pub(crate) rows: usize,
    pub(crate) stop_after: Option<usize>,
}

impl Sink for Taken {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        assert!(self.writer.is_none(), "columns come once");
        self.columns = columns.to_vec();
        self.writer = Some(RowWriter::new(columns, RowForm::Array));
        Ok(Wanted::Rows)
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        assert_eq!(values.len(), self.columns.len());
        self.writer.as_mut().expect("columns come first").row(values, &mut self.json);
        self.rows += 1;
        if self.stop_after == Some(self.rows) { Err(Stopped) } else { Ok(Wanted::Rows) }
    }
    fn part(&mut self, _: Part<'_>) -> Result<Wanted, Stopped> {
        panic!("the embedded engine holds its rows whole")
    }
}

pub(crate) fn command(
    text: &str,
    mode: ExecutionMode,
    kind: CommandType,
    parameters: Vec<Parameter>,
) -> Command {
    Command { text: text.into(), mode, kind, parameters, catalogue: None }
}

pub(crate) fn reader(text: &str) -> Command {
    command(text, ExecutionMode::Reader, CommandType::Text, Vec::new())
}

pub(crate) fn run(session: &mut dyn Session, command: &Command) -> Result<(Taken, Done), Failure> {
    let mut pick = Pick::new(command.mode, Sets::One, Taken::default());
    let done = session.run(command, &Terms::default(), &mut pick)?;
    pick.finish().expect("nobody stops here");
    Ok((pick.inner, done))
}

/// Rows as the text of a JSON array.
pub(crate) fn ask(session: &mut dyn Session, text: &str) -> Result<String, Failure> {
    let (taken, _) = run(session, &reader(text))?;
    Ok(format!("[{}]", String::from_utf8(taken.json).unwrap()))
}

pub(crate) fn number(failure: &Failure) -> i32 {
    match failure {
        Failure::Sql(error) => error.number,
        other => panic!("not a database error: {other:?}"),
    }
}
