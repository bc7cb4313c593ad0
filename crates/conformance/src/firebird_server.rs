//! A real Firebird server for tests: a process of its own on a free port of this machine, with folders of its own.

use database::Login;
use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

const SERVER: &str = "/usr/sbin/firebird";
/// The password of every login here.
pub const PASSWORD: &str = "kookaburra";

/// Databases as the suite needs them; nothing in them is taken from any practice's software.
const SCHEMA: &str = "
CREATE TABLE WHO_AM_I (NAME VARCHAR(20));
CREATE TABLE SCRATCH (ID INTEGER NOT NULL PRIMARY KEY, ITEM INTEGER, NOTE VARCHAR(60) CHARACTER SET UTF8);
COMMIT;
INSERT INTO SCRATCH (ID, ITEM) VALUES (1, 0);
COMMIT;
SET TERM ^ ;
CREATE PROCEDURE WRITE_ONE (P_ID INTEGER) AS BEGIN INSERT INTO SCRATCH (ID, ITEM) VALUES (:P_ID, 1); END^
CREATE PROCEDURE WRITE_AND_TELL (P_ID INTEGER) RETURNS (N INTEGER) AS BEGIN INSERT INTO SCRATCH (ID, ITEM) VALUES (:P_ID, 1); N = P_ID; SUSPEND; END^
CREATE PROCEDURE ECHO_ALL (P_NUMBER INTEGER, P_TEXT VARCHAR(100) CHARACTER SET UTF8, P_MONEY NUMERIC(18,4))
  RETURNS (DOUBLED INTEGER, UPPERED VARCHAR(100) CHARACTER SET UTF8, TWICE NUMERIC(18,4))
  AS BEGIN DOUBLED = P_NUMBER * 2; UPPERED = UPPER(P_TEXT); TWICE = P_MONEY * 2; END^
SET TERM ; ^
GRANT SELECT ON SCRATCH TO READER;
GRANT SELECT ON WHO_AM_I TO READER;
GRANT SELECT ON WHO_AM_I TO WRITER;
GRANT SELECT, INSERT, UPDATE, DELETE ON SCRATCH TO WRITER;
GRANT INSERT ON SCRATCH TO PROCEDURE WRITE_ONE;
GRANT INSERT ON SCRATCH TO PROCEDURE WRITE_AND_TELL;
GRANT EXECUTE ON PROCEDURE WRITE_ONE TO WRITER;
GRANT EXECUTE ON PROCEDURE WRITE_AND_TELL TO WRITER;
GRANT EXECUTE ON PROCEDURE ECHO_ALL TO WRITER;
COMMIT;
";

/// A server's process, which ends with this.
pub struct Running {
    child: Child,
    /// On 127.0.0.1.
    pub port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts a server from a folder that [`prepare`] made.
    pub fn start(folder: &Path) -> Running {
        // Somebody else may take a port between finding and using it.
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(SERVER);
            environment(&mut command, folder);
            command
                .args(["-p", &port.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            for _ in 0..2_000 {
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Running { child, port };
                }
                pause();
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("the Firebird server does not start");
    }
}

/// Where the package's parts are. `None`, with the reason on standard error, where Firebird is not installed; in a CI run
/// that is a failure.
pub fn package() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut found = folders
        .map(|entry| entry.path().join("firebird/3.0"))
        .filter(|path| path.join("plugins/libEngine12.so").exists());
    let package = found.next().filter(|_| Path::new(SERVER).exists());
    if package.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "Firebird must be there in CI: tools/firebird.sh installs it"
        );
        #[expect(clippy::print_stderr, reason = "a skipped test says why")]
        {
            eprintln!("skipped: there is no Firebird 3 here; tools/firebird.sh installs it (Debian)");
        }
    }
    package
}

/// Makes the database of the logins, each with [`PASSWORD`].
pub fn make_logins(folder: &Path, users: &[&str]) {
    let at = folder.canonicalize().unwrap();
    let at = at.display();
    let security = fs::read_to_string("/usr/share/firebird/3.0/security.sql").unwrap();
    isql(folder, &format!("create database '{at}/security.fdb' page_size 8192;\n{security}\ncommit;\n"));
    let user = |user: &&str| format!("create user {user} password '{PASSWORD}' using plugin Srp;\n");
    let users: String = users.iter().map(user).collect();
    isql(folder, &format!("connect '{at}/security.fdb';\n{users}commit;\n"));
}

/// A server with databases for the suite.
pub struct FirebirdServer {
    running: Running,
    folder: tempfile::TempDir,
}

impl FirebirdServer {
    /// Starts one with the databases `one` and `two`, and more in the first as this script says. `None` where Firebird is
    /// not installed, see [`package`].
    pub fn start(more: &str) -> Option<Self> {
        let package = package()?;
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        prepare(&at, &package, "", "");
        make_logins(&at, &["SYSDBA", "READER", "WRITER"]);
        let shown = at.display();
        for name in ["one", "two"] {
            let own = format!("INSERT INTO WHO_AM_I VALUES ('{name}');\nCOMMIT;\n");
            let more = if name == "one" { more } else { "" };
            isql(
                &at,
                &format!(
                    "create database '{shown}/{name}.fdb' page_size 8192 default character set UTF8;\n{SCHEMA}{own}{more}"
                ),
            );
        }
        Some(FirebirdServer { running: Running::start(&at), folder })
    }

    /// `[site.database]` without `kind`.
    pub fn settings(&self) -> String {
        let at = self.folder.path().canonicalize().unwrap();
        let at = at.display();
        format!(
            "host = '127.0.0.1'\nport = {}\ndefault = 'One'\n[catalogues]\nOne = '{at}/one.fdb'\nTwo = '{at}/two.fdb'\n",
            self.running.port
        )
    }

    /// May write, and call procedures.
    pub fn writer(&self) -> Login {
        Login { user: "WRITER".into(), password: PASSWORD.into() }
    }

    /// May only read.
    pub fn reader(&self) -> Login {
        Login { user: "READER".into(), password: PASSWORD.into() }
    }
}

fn pause() {
    let (_keep, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(Duration::from_millis(10));
}

/// Makes a folder from which the server can start: the package's parts, and a configuration of its own. `more` are further
/// lines of firebird.conf, `aliases` those of databases.conf.
pub fn prepare(folder: &Path, package: &Path, more: &str, aliases: &str) {
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
    let configuration = format!(
        "RemoteBindAddress = 127.0.0.1\nSecurityDatabase = {}/security.fdb\nUserManager = Srp\nAuthClient = Srp256, Srp\n{more}",
        folder.display()
    );
    fs::write(root.join("firebird.conf"), configuration).unwrap();
    fs::write(root.join("databases.conf"), aliases).unwrap();
}

fn environment(command: &mut Command, folder: &Path) {
    command
        .env("FIREBIRD", folder.canonicalize().unwrap().join("root"))
        .env("FIREBIRD_LOCK", folder.join("lock"))
        .env("FIREBIRD_TMP", folder.join("lock"))
        .env_remove("ISC_USER")
        .env_remove("ISC_PASSWORD");
}

/// Runs a script without a server, as the one who owns the files.
pub fn isql(folder: &Path, script: &str) {
    let mut command = Command::new("isql-fb");
    environment(&mut command, folder);
    command
        .args(["-q", "-b", "-user", "SYSDBA"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("isql-fb is in the package firebird3.0-utils");
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
