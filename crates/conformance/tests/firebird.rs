//! The suite against the Firebird engine and a real server.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

use conformance::{Firebird, Subject, firebird_server::FirebirdServer, suite};
use database::Settings;
use std::path::Path;

fn subject() -> Option<Subject> {
    let server = FirebirdServer::start("")?;
    let table = server.settings().parse().unwrap();
    Some(Subject {
        name: "firebird",
        engine: (firebird::KIND.open)(&Settings { table: &table, folder: Path::new(".") }).unwrap(),
        writer: server.writer(),
        reader: Some(server.reader()),
        words: Box::new(Firebird),
        keep: vec![Box::new(server)],
    })
}

suite!(subject);
