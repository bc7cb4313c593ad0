//! The engine before the demo practice's TDS server.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of it; in a test a failure is a panic"
)]

use database::{
    Column, Date, Done, Engine, Failure, Login, Part, Session, Settings, Sink, Stopped, Terms, Value, Wanted,
    json::{RowForm, RowWriter},
};
use model::{Access, Command, CommandType, Direction, ExecutionMode, Parameter, ParameterType};
use practice::{BuildOptions, DemoEngine, PracticeLogin, build};
use std::{path::Path, sync::Arc};
use tds::{Options, Server};

pub(crate) const WRITER: &str = "bpsrawdata";
pub(crate) const READER: &str = "bpsviewer";
pub(crate) const SECRET: &str = "open sesame";

/// A statement that ends on nobody's day.
pub(crate) const ENDLESS: &str =
    "SELECT a.N FROM Numbers a CROSS JOIN Numbers b CROSS JOIN Numbers c CROSS JOIN Numbers d";

/// A server that lives as long as this.
pub(crate) struct Site {
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

pub(crate) fn site() -> Site {
    site_with(Options::default())
}

pub(crate) fn site_with(options: Options) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("practice.db");
    let login = |user: &str, read_only| PracticeLogin {
        user: user.into(),
        password: SECRET.to_owned().into(),
        read_only,
    };
    let content = BuildOptions {
        patients: 100,
        seed: 7,
        today: Date { year: 2026, month: 2, day: 3 },
        logins: vec![login(WRITER, false), login(READER, true)],
    };
    build(&path, &content, &mut |_, _| {}).unwrap();
    let backend = Arc::new(DemoEngine::open(&path).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::bind("127.0.0.1:0", backend, options)).unwrap();
    let port = server.address().unwrap().port();
    if let Some(certificate) = server.certificate() {
        std::fs::write(folder.path().join("certificate.pem"), certificate).unwrap();
    }
    runtime.spawn(server.serve(std::future::pending()));
    Site { port, folder, _runtime: runtime }
}

impl Site {
    /// The engine with the settings' rest as given.
    pub(crate) fn engine_at(&self, port: u16, rest: &str) -> Arc<dyn Engine> {
        open(self.folder.path(), &format!("server = 'tcp:127.0.0.1,{port}'\n{rest}")).unwrap()
    }

    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        self.engine_at(self.port, "encrypt = 'login-only'\ntrust_server_certificate = true")
    }

    pub(crate) fn writer(&self) -> Box<dyn Session> {
        self.engine().connect(&login(WRITER), "Patients", Access::ReadWrite).unwrap()
    }

    pub(crate) fn reader(&self) -> Box<dyn Session> {
        self.engine().connect(&login(WRITER), "Patients", Access::ReadOnly).unwrap()
    }
}

pub(crate) fn open(folder: &Path, table: &str) -> Result<Arc<dyn Engine>, database::OpenError> {
    let catalogues = "catalogues = { Patients = 'BPSPatients', Drugs = 'BPSDrugs' }\ndefault = 'Patients'\n";
    let table: toml::Table = format!("{catalogues}{table}").parse().unwrap();
    (mssql::KIND.open)(&Settings { table: &table, folder })
}

pub(crate) fn login(user: &str) -> Login {
    Login { user: user.into(), password: SECRET.into() }
}

/// Takes all there is: a line of columns for each result set, and one of JSON for each row.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) told: Vec<String>,
    pub(crate) types: Vec<String>,
    /// Rows that came in parts.
    pub(crate) parted: usize,
    /// Rows until it wants no more.
    pub(crate) most: Option<usize>,
    /// Rows until it leaves.
    pub(crate) leaves: Option<usize>,
    pub(crate) rows: usize,
    pub(crate) writer: Option<RowWriter>,
    pub(crate) part: Vec<u8>,
}

impl Taken {
    fn taken(&mut self, bytes: &[u8]) -> Result<Wanted, Stopped> {
        let text = std::str::from_utf8(bytes).unwrap().trim();
        self.told.push(text.strip_prefix("{\"row\":").unwrap().strip_suffix('}').unwrap().to_owned());
        self.rows += 1;
        if self.leaves == Some(self.rows) {
            return Err(Stopped);
        }
        Ok(if self.most == Some(self.rows) { Wanted::NoMore } else { Wanted::Rows })
    }
}

impl Sink for Taken {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.told.push(columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(","));
        self.types = columns.iter().map(|c| c.type_name.clone()).collect();
        self.writer = Some(RowWriter::new(columns, RowForm::Lines));
        Ok(Wanted::Rows)
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        let mut out = Vec::new();
        self.writer.as_mut().unwrap().row(values, &mut out);
        self.taken(&out)
    }
    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        if self.writer.as_mut().unwrap().part(part, &mut self.part) {
            self.parted += 1;
            let row = std::mem::take(&mut self.part);
            return self.taken(&row);
        }
        Ok(Wanted::Rows)
    }
}

pub(crate) fn text(text: &str) -> Command {
    Command {
        text: text.into(),
        mode: ExecutionMode::Reader,
        kind: CommandType::Text,
        parameters: Vec::new(),
        catalogue: None,
    }
}

pub(crate) fn procedure(name: &str, parameters: Vec<Parameter>) -> Command {
    Command { kind: CommandType::StoredProcedure, parameters, ..text(name) }
}

pub(crate) fn with(statement: &str, parameters: Vec<Parameter>) -> Command {
    Command { parameters, ..text(statement) }
}

pub(crate) fn input(name: &str, kind: ParameterType, value: Option<&str>) -> Parameter {
    Parameter {
        name: name.to_owned(),
        direction: Direction::Input,
        kind,
        value: value.map(Into::into),
        size: None,
        type_name: None,
    }
}

pub(crate) fn output(name: &str, kind: ParameterType) -> Parameter {
    Parameter { direction: Direction::Output, ..input(name, kind, None) }
}

pub(crate) fn both(name: &str, kind: ParameterType, value: Option<&str>) -> Parameter {
    Parameter { direction: Direction::InputOutput, ..input(name, kind, value) }
}

/// Runs it and gives what came.
pub(crate) fn run(session: &mut dyn Session, command: &Command) -> Result<(Vec<String>, Done), Failure> {
    let mut taken = Taken::default();
    let done = session.run(command, &Terms::default(), &mut taken)?;
    Ok((taken.told, done))
}

/// The rows of a statement that must work, columns left out.
pub(crate) fn rows(session: &mut dyn Session, statement: &str) -> Vec<String> {
    let (told, _) = run(session, &text(statement)).unwrap();
    told.into_iter().filter(|line| line.starts_with('{')).collect()
}

/// The number of the error that it must end with.
pub(crate) fn number(failed: Result<impl Sized, Failure>) -> i32 {
    match failed {
        Err(Failure::Sql(error)) => error.number,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("no error"),
    }
}

/// What came back in outputs, `-` for NULL.
pub(crate) fn outputs(done: &Done) -> Vec<String> {
    let told = |o: &database::Output| o.value.as_ref().map_or("-".to_owned(), |v| v.reveal().clone());
    done.outputs.iter().map(told).collect()
}
