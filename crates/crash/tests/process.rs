//! A program that breaks, as a process of its own: what stands on its standard error, and in its limits.
#![expect(clippy::unwrap_used, reason = "a test and its helpers may panic")]

use std::{
    hint::black_box,
    process::{Command, Output},
};

const CANARY: &str = "éloise canary";
const CHILD: &str = "HALO_CRASH_CHILD";

/// Runs the test below as a program of its own.
fn child(kind: &str) -> Output {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "the_program_that_breaks", "--ignored", "--nocapture", "--test-threads=1"]);
    program.env(CHILD, kind).env_remove("RUST_BACKTRACE").output().unwrap()
}

fn text(done: &Output) -> String {
    String::from_utf8_lossy(&[&done.stdout[..], &done.stderr[..]].concat()).into_owned()
}

#[test]
fn a_fault_is_one_json_line_without_what_the_program_had_in_hand() {
    let done = child("log");
    let said = text(&done);
    assert!(!done.status.success() && !said.contains("canary"), "{said}");
    let line = said.lines().find(|line| line.starts_with('{')).expect(&said);
    assert!(line.contains("a fault of the program's own") && line.contains("process.rs:"), "{line}");
    assert!(line.ends_with('}') && line.contains("kept back"), "{line}");
}

#[test]
fn before_there_is_a_log_it_is_told_on_standard_error() {
    let done = child("plain");
    let said = text(&done);
    assert!(!done.status.success() && !said.contains("canary"), "{said}");
    assert!(said.contains("a fault of the program's own at ") && said.contains("process.rs:"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn no_core_file_is_written() {
    let said = text(&child("limits"));
    let line = said.lines().find(|line| line.contains("Max core file size")).expect(&said);
    assert_eq!(line.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{line}");
}

/// Not a test: what the tests above start.
#[test]
#[ignore = "the tests above start it"]
fn the_program_that_breaks() {
    let Ok(kind) = std::env::var(CHILD) else { return };
    if kind == "log" {
        tracing_subscriber::fmt().json().with_writer(std::io::stderr).init();
    }
    crash::guard();
    if kind == "limits" {
        println!("{}", std::fs::read_to_string("/proc/self/limits").unwrap());
        return;
    }
    let patient = black_box(CANARY).to_owned();
    println!("{}", &patient[1..]);
}
