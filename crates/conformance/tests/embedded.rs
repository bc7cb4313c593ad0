//! The suite against the embedded engine: the demo practice.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use conformance::{Subject, Tsql, suite};
use std::sync::Arc;

fn subject() -> Option<Subject> {
    let practice = common::practice();
    Some(Subject {
        name: "embedded",
        engine: Arc::new(practice::DemoEngine::open(&practice.path).unwrap()),
        writer: common::login(common::WRITER),
        reader: Some(common::login(common::READER)),
        words: Box::new(Tsql { fenced: true }),
        keep: vec![Box::new(practice)],
    })
}

suite!(subject);
