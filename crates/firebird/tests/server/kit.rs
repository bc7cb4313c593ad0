//! A real Firebird server for a test: a process of its own on a free port of this machine, with folders of its own.
#![allow(dead_code, reason = "each test uses its part")]

use database::json::{RowForm, RowWriter};
use database::{
    Column, Done, Engine, Failure, Login, Part, Session, Settings, Sink, Stopped, Terms, Value, Wanted,
};
use model::{Access, Command, CommandType, Direction, ExecutionMode, Hidden, Parameter, ParameterType};
use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// Where Debian's package has what the server needs.
const PACKAGE: &str = "/usr/lib/x86_64-linux-gnu/firebird/3.0";
const SERVER: &str = "/usr/sbin/firebird";
/// The password of SYSDBA and of every login here.
pub(crate) const PASSWORD: &str = "kookaburra";

/// A server that lives as long as this.
pub(crate) struct Server {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn package() -> Option<PathBuf> {
    let found = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("firebird/3.0"));
    let mut all = std::iter::once(PathBuf::from(PACKAGE)).chain(found);
    all.find(|path| path.join("plugins/libEngine12.so").exists()).filter(|_| Path::new(SERVER).exists())
}

/// A folder from which the server can start: the package's parts, and a configuration of its own.
fn root(folder: &Path, package: &Path, extra: &str) -> PathBuf {
    let folder = &folder.canonicalize().unwrap();
    let root = folder.join("root");
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(folder.join("lock")).unwrap();
    for entry in fs::read_dir(package).unwrap().flatten() {
        let name = entry.file_name();
        if name == "intl" {
            // The server finds character sets by the library's true path: it can't stand behind a link.
            fs::create_dir(root.join("intl")).unwrap();
            fs::copy(entry.path().join("libfbintl.so"), root.join("intl/libfbintl.so")).unwrap();
        } else if name != "firebird.conf" && name != "databases.conf" {
            std::os::unix::fs::symlink(entry.path(), root.join(name)).unwrap();
        }
    }
    let base = folder.display();
    let configuration = format!(
        "RemoteBindAddress = 127.0.0.1\nSecurityDatabase = {base}/security.fdb\nUserManager = Srp\nAuthClient = Srp256, Srp\n{extra}"
    );
    fs::write(root.join("firebird.conf"), configuration).unwrap();
    fs::write(root.join("databases.conf"), format!("patients = {base}/patients.fdb\n")).unwrap();
    root
}

fn environment(process: &mut Process, folder: &Path) {
    process
        .env("FIREBIRD", folder.canonicalize().unwrap().join("root"))
        .env("FIREBIRD_LOCK", folder.join("lock"))
        .env("FIREBIRD_TMP", folder.join("lock"))
        .env_remove("ISC_USER")
        .env_remove("ISC_PASSWORD");
}

/// Runs a script without a server, as the one who owns the files.
fn isql(folder: &Path, script: &str) {
    let mut process = Process::new("isql-fb");
    environment(&mut process, folder);
    process
        .args(["-q", "-b", "-user", "SYSDBA"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = process.spawn().expect("isql-fb is in the package firebird3.0-utils");
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The databases, made once and copied for each test: making them takes longer than most tests.
fn template(package: &Path) -> PathBuf {
    let scripts =
        [include_str!("zedmed/patients.sql"), include_str!("zedmed/clinical.sql"), include_str!("kit.rs")];
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
    root(&folder, package, "");
    let at = folder.display();
    let security = fs::read_to_string("/usr/share/firebird/3.0/security.sql").unwrap();
    isql(&folder, &format!("create database '{at}/security.fdb' page_size 8192;\n{security}\ncommit;\n"));
    let users = ["SYSDBA", "READER", "WRITER", "CALLER", "NOBODY"];
    let users: String =
        users.map(|user| format!("create user {user} password '{PASSWORD}' using plugin Srp;\n")).concat();
    isql(&folder, &format!("connect '{at}/security.fdb';\n{users}commit;\n"));
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
    let Some(package) = package() else {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "Firebird must be there in CI: tools/firebird.sh installs it");
        eprintln!("skipped: there is no Firebird 3 here; tools/firebird.sh installs it (Debian)");
        return None;
    };
    let template = template(&package);
    let folder = tempfile::tempdir().unwrap();
    root(folder.path(), &package, extra);
    for file in ["security", "patients", "clinical"] {
        let name = format!("{file}.fdb");
        fs::copy(template.join(&name), folder.path().join(&name)).unwrap();
    }
    // Somebody else may take a port between finding and using it.
    for _ in 0..20 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Process::new(SERVER);
        environment(&mut process, folder.path());
        process
            .args(["-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = process.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(Server { child, folder, port });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    panic!("the server does not start");
}

impl Server {
    /// The engine with both catalogues, and these settings besides.
    pub(crate) fn engine_with(&self, more: &str) -> Arc<dyn Engine> {
        let at = self.folder.path().display();
        let text = format!(
            "host = '127.0.0.1'\nport = {}\ndefault = 'Patients'\n{more}\n[catalogues]\nPatients = 'patients'\nClinical = '{at}/clinical.fdb'\n[login]\nuser = 'reader'\npassword = '{PASSWORD}'\n",
            self.port
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
