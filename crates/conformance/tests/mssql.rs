//! The suite against the SQL Server engine: over the test kit's server always, and against a real SQL Server where
//! `HALO_TEST_MSSQL` names one (docs/engines.md).
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use conformance::{Subject, Tsql};
use database::{Engine, Settings};
use std::{any::Any, path::Path, sync::Arc};

fn engine(text: &str) -> Arc<dyn Engine> {
    let table = text.parse().unwrap();
    (mssql::KIND.open)(&Settings { table: &table, folder: Path::new(".") }).unwrap()
}

/// A server on a thread of its own, until dropped.
struct Serving {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn face() -> Option<Subject> {
    let practice = common::practice();
    let demo = Arc::new(practice::DemoEngine::open(&practice.path).unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let server = tds::Server::bind(
                "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap(),
                demo,
                tds::Options::default(),
            )
            .await
            .unwrap();
            tell.send((server.address().unwrap(), server.certificate().map(str::to_owned))).unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            server.serve(stopped).await;
        });
    });
    let (address, certificate) = told.recv().unwrap();
    let file = practice.path.with_file_name("certificate.pem");
    std::fs::write(&file, certificate.unwrap_or_default()).unwrap();
    let engine = engine(&format!(
        "server = 'tcp:127.0.0.1,{}'\ncertificate = '{}'\ndefault = 'Patients'\n[catalogues]\nPatients = 'BPSPatients'\nDrugs = 'BPSDrugs'\n",
        address.port(),
        file.display()
    ));
    let serving = Serving { stop: Some(stop), thread: Some(thread) };
    let keep: Vec<Box<dyn Any>> = vec![Box::new(serving), Box::new(practice)];
    Some(Subject {
        name: "mssql",
        engine,
        writer: common::login(common::WRITER),
        reader: Some(common::login(common::READER)),
        words: Box::new(Tsql { fenced: false }),
        keep,
    })
}

mod over_the_test_kit {
    conformance::suite!(super::face);
}

/// What `HALO_TEST_MSSQL` describes; nothing, and why, where it is not set.
fn real() -> Option<Subject> {
    let Ok(described) = std::env::var("HALO_TEST_MSSQL") else {
        #[expect(clippy::print_stderr, reason = "a skipped test says why")]
        {
            eprintln!("skipped: HALO_TEST_MSSQL names no SQL Server (docs/engines.md)");
        }
        return None;
    };
    let part = |name: &str| {
        let pairs = described.split(';').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next()
    };
    let need = |name: &str| part(name).unwrap_or_else(|| panic!("HALO_TEST_MSSQL lacks {name}=…"));
    let trust = part("trust").is_some_and(|trust| trust == "yes");
    let settings = format!(
        "server = '{}'\ntrust_server_certificate = {trust}\ndefault = 'Patients'\n[catalogues]\nPatients = '{}'\nDrugs = 'tempdb'\n",
        need("server"),
        need("database")
    );
    let login = |user: &str, password: &str| {
        Some(database::Login { user: part(user)?.as_str().into(), password: part(password)?.as_str().into() })
    };
    let subject = Subject {
        name: "SQL Server",
        engine: engine(&settings),
        writer: login("user", "password").expect("user=…;password=…"),
        reader: login("reader", "reader_password"),
        words: Box::new(Tsql { fenced: false }),
        keep: Vec::new(),
    };
    let mut session = subject.writing();
    for words in Tsql::SCRATCH {
        conformance::run(&mut *session, &conformance::text(words)).unwrap();
    }
    Some(subject)
}

mod against_a_real_server {
    conformance::suite!(super::real);
}
