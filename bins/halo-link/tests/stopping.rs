//! A service that is told to stop ends, whatever it waits for.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::Read,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

/// Takes connections and never says a word; tells of each.
fn silence() -> (u16, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, came) = mpsc::channel();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let _ = tell.send(tcp.unwrap());
        }
    });
    (port, came)
}

fn service(folder: &Path, cloud: u16, database: u16, pms_id: &str) -> Running {
    let config = format!(
        "data = \"data\"\nenvironment = \"demo\"\n[cloud]\nurl = \"wss://127.0.0.1:{cloud}/tunnel/v1\"\n[[site]]\n\
         pms = \"BestPractice\"\n{pms_id}[site.database]\nkind = \"mssql\"\nserver = \"tcp:127.0.0.1,{database}\"\n\
         [site.database.login]\nuser = \"a\"\npassword = \"b\"\n"
    );
    std::fs::write(folder.join("link.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_HaloLinkService"));
    command.arg("run").current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
    Running(command.spawn().unwrap())
}

/// Tells it to stop; gives how long that took and what it said.
#[expect(clippy::disallowed_methods, reason = "measures how long it takes")]
fn stop(mut service: Running) -> (Duration, String) {
    let told = Instant::now();
    let id = service.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ended = loop {
        if let Some(status) = service.0.try_wait().unwrap() {
            break status;
        }
        assert!(told.elapsed() < Duration::from_secs(30), "it does not end");
        std::thread::park_timeout(Duration::from_millis(20));
    };
    let took = told.elapsed();
    let mut said = String::new();
    service.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(ended.success(), "{said}");
    (took, said)
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_start_that_waits_for_a_silent_database_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ((database, asked), (cloud, dialled)) = (silence(), silence());
    // Without a pms_id the first start asks the database whose it is, and waits for that.
    let service = service(folder.path(), cloud, database, "");
    let _connection = asked.recv_timeout(PATIENCE).expect("the database was not asked");
    let (took, said) = stop(service);
    assert!(took < Duration::from_secs(5), "{took:?}: {said}");
    assert!(said.contains("stopped while it started"), "{said}");
    assert!(dialled.try_recv().is_err(), "it had not got that far");
    // Nothing is left that keeps the next one from starting.
    let again = self::service(folder.path(), cloud, database, "");
    let _connection = asked.recv_timeout(PATIENCE).expect("the next start does not get that far");
    stop(again);
}

#[test]
fn a_running_service_ends_though_its_database_and_its_cloud_are_silent() {
    let folder = tempfile::tempdir().unwrap();
    let ((database, asked), (cloud, dialled)) = (silence(), silence());
    let service = service(folder.path(), cloud, database, "pms_id = \"1001\"\n");
    let _connection = asked.recv_timeout(PATIENCE).expect("the database was not asked");
    let _other = dialled.recv_timeout(PATIENCE).expect("the cloud was not dialled");
    let (took, said) = stop(service);
    assert!(took < Duration::from_secs(14), "{took:?}: {said}");
    assert!(said.contains("\"message\":\"stopped\""), "{said}");
}
