//! A real Firebird server for a test: a process of its own on a free port of this machine, with folders of its own.
#![allow(dead_code, reason = "each test uses its part")]

use conformance::firebird_server::{self, Running, isql, make_logins, package};
use database::json::{RowForm, RowWriter};
use database::{
    Column, Done, Engine, Failure, Login, Part, Session, Settings, Sink, Stopped, Terms, Value, Wanted,
};
use model::{Access, Command, CommandType, Direction, ExecutionMode, Hidden, Parameter, ParameterType};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use conformance::firebird_server::PASSWORD;

/// A server that lives as long as this.
pub(crate) struct Server {
    running: Running,
    pub(crate) folder: tempfile::TempDir,
}

/// `patients` has an alias, the other database a path.
fn prepare(folder: &Path, package: &Path, more: &str) {
    let at = folder.canonicalize().unwrap();
    firebird_server::prepare(folder, package, more, &format!("patients = {}/patients.fdb\n", at.display()));
}

/// The databases, made once and copied for each test: making them takes longer than most tests.
fn template(package: &Path) -> PathBuf {
    let scripts = [
        include_str!("zedmed/patients.sql"),
        include_str!("zedmed/clinical.sql"),
        include_str!("kit.rs"),
        include_str!("../../../conformance/src/firebird_server.rs"),
    ];
    let mark = scripts
        .iter()
        .flat_map(|s| s.bytes())
        .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("firebird-{mark:016x}"));
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    let lock = fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if folder.join("done").exists() {
        return folder;
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    prepare(&folder, package, "");
    let at = folder.display();
    make_logins(&folder, &["SYSDBA", "READER", "WRITER", "CALLER", "NOBODY"]);
    for (name, script) in [("patients", scripts[0]), ("clinical", scripts[1])] {
        let set = if name == "patients" { "WIN1252" } else { "UTF8" };
        isql(
            &folder,
            &format!(
                "set names UTF8;\ncreate database '{at}/{name}.fdb' page_size 8192 default character set {set};\n{script}"
            ),
        );
    }
    let grants = "create role HALO;\ngrant select on PATIENTS to READER;\ngrant select on APPOINTMENTS to READER;\ngrant select on DOCTORS to role HALO;\ngrant HALO to READER;\ngrant select, insert, update, delete on PATIENTS to WRITER;\ngrant execute on procedure BOOK to CALLER;\ncommit;\n";
    isql(&folder, &format!("connect '{at}/patients.fdb';\n{grants}"));
    fs::write(folder.join("done"), "").unwrap();
    folder
}

/// Starts a server; `None` where Firebird is not installed (then a CI run fails).
pub(crate) fn server() -> Option<Server> {
    server_with("")
}

/// The same with more lines in its configuration.
pub(crate) fn server_with(extra: &str) -> Option<Server> {
    let package = package()?;
    let template = template(&package);
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), &package, extra);
    for file in ["security", "patients", "clinical"] {
        let name = format!("{file}.fdb");
        fs::copy(template.join(&name), folder.path().join(&name)).unwrap();
    }
    Some(Server { running: Running::start(folder.path()), folder })
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.running.port
    }

    /// The engine with both catalogues, and these settings besides.
    pub(crate) fn engine_with(&self, more: &str) -> Arc<dyn Engine> {
        let at = self.folder.path().display();
        let text = format!(
            "host = '127.0.0.1'\nport = {}\ndefault = 'Patients'\n{more}\n[catalogues]\nPatients = 'patients'\nClinical = '{at}/clinical.fdb'\n[login]\nuser = 'reader'\npassword = '{PASSWORD}'\n",
            self.port()
        );
        let table = text.parse().unwrap();
        (firebird::KIND.open)(&Settings { table: &table, folder: self.folder.path() }).unwrap()
    }

    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        self.engine_with("")
    }

    pub(crate) fn session(&self, user: &str, access: Access) -> Box<dyn Session> {
        self.engine().connect(&login(user, PASSWORD), "Patients", access).unwrap()
    }

    /// The owner, who may do everything.
    pub(crate) fn owner(&self) -> Box<dyn Session> {
        self.session("SYSDBA", Access::ReadWrite)
    }
}

pub(crate) fn login(user: &str, password: &str) -> Login {
    Login { user: Hidden::from(user), password: Hidden::from(password) }
}

pub(crate) fn command(text: &str, parameters: Vec<Parameter>) -> Command {
    Command {
        text: Hidden::from(text),
        mode: ExecutionMode::Reader,
        kind: CommandType::Text,
        parameters,
        catalogue: None,
    }
}

pub(crate) fn call(name: &str, parameters: Vec<Parameter>) -> Command {
    Command { kind: CommandType::StoredProcedure, ..command(name, parameters) }
}

pub(crate) fn parameter(name: &str, kind: ParameterType, value: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        direction: Direction::Input,
        kind,
        value: Some(Hidden::from(value)),
        size: None,
        type_name: None,
    }
}

pub(crate) fn null(name: &str, kind: ParameterType) -> Parameter {
    Parameter { value: None, ..parameter(name, kind, "") }
}

pub(crate) fn output(name: &str, kind: ParameterType, direction: Direction) -> Parameter {
    Parameter { direction, ..null(name, kind) }
}

/// Rows as the published answer has them.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<String>,
    pub(crate) parts: usize,
    pub(crate) stop_after: Option<usize>,
    pub(crate) enough_after: Option<usize>,
    pub(crate) writer: Option<RowWriter>,
    pub(crate) buffer: Vec<u8>,
}

impl Taken {
    fn after(&self) -> Result<Wanted, Stopped> {
        if self.stop_after.is_some_and(|most| self.rows.len() >= most) {
            return Err(Stopped);
        }
        let enough = self.enough_after.is_some_and(|most| self.rows.len() >= most);
        Ok(if enough { Wanted::NoMore } else { Wanted::Rows })
    }

    fn push(&mut self) {
        let text = String::from_utf8(std::mem::take(&mut self.buffer)).unwrap();
        self.rows.push(text.trim().trim_start_matches("{\"row\":").trim_end_matches('}').to_owned() + "}");
    }
}

impl Sink for Taken {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.columns = columns.to_vec();
        self.writer = Some(RowWriter::new(columns, RowForm::Lines));
        self.after()
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        self.writer.as_mut().unwrap().row(values, &mut self.buffer);
        self.push();
        self.after()
    }
    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        self.parts += 1;
        if self.writer.as_mut().unwrap().part(part, &mut self.buffer) {
            self.push();
        }
        self.after()
    }
}

/// Runs a command; its rows and how it ended.
pub(crate) fn run(session: &mut dyn Session, command: &Command) -> Result<(Taken, Done), Failure> {
    let mut taken = Taken::default();
    let done = session.run(command, &Terms::default(), &mut taken)?;
    Ok((taken, done))
}

/// The rows of a text.
pub(crate) fn rows(session: &mut dyn Session, text: &str) -> Vec<String> {
    run(session, &command(text, vec![])).unwrap().0.rows
}

/// The error of a text.
pub(crate) fn error(session: &mut dyn Session, text: &str) -> database::SqlError {
    match run(session, &command(text, vec![])) {
        Err(Failure::Sql(error)) => error,
        other => panic!("{:?}", other.map(|(taken, done)| (taken.rows, done))),
    }
}
