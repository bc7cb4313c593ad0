//! The search of another process's memory, against real children that hold a marker where only a search finds it.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic")]

use lab::{Canary, Child, scan};
use std::{process::Command, time::Duration};

/// A shell that reads a marker from a file into a variable, so that it is on its heap and neither in its arguments nor in
/// its environment, and then waits.
fn shell_with(text: &str, folder: &std::path::Path) -> Child {
    let file = folder.join("marker");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("IFS= read -r kept < \"$1\"; echo '{\"ready\":true}'; while :; do sleep 1; done")
        .arg("sh")
        .arg(&file);
    let mut child = Child::start("shell", command, &folder.join("log")).unwrap();
    child.ready(Duration::from_secs(10)).unwrap();
    child
}

#[test]
fn a_marker_on_a_childs_heap_is_found_and_another_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (planted, absent) = (Canary::new(11), Canary::new(12));
    let child = shell_with(planted.text(), folder.path());
    let (hits, read) = scan::process(child.id(), &planted.needles("planted")).unwrap();
    assert!(hits.iter().any(|hit| hit.label == "planted/plain"), "{hits:?}");
    assert!(read > 64 * 1024, "only {read} bytes were read");
    let (hits, _) = scan::process(child.id(), &absent.needles("absent")).unwrap();
    assert_eq!(hits, []);
}

#[test]
fn output_goes_to_the_log_and_the_first_json_line_is_the_ready_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    // The trap comes before the ready line: a child that says it is ready may be asked to end at once.
    command.arg("-c").arg("trap 'exit 0' TERM; echo hello; echo trouble >&2; echo '{\"ready\":1}'; while :; do sleep 0.05; done");
    let mut child = Child::start("shell", command, &folder.path().join("log")).unwrap();
    assert_eq!(child.ready(Duration::from_secs(10)).unwrap(), "{\"ready\":1}");
    assert!(child.end(Duration::from_secs(10)).unwrap(), "it ended well by itself");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("hello") && log.contains("trouble"), "{log}");
}

#[test]
fn a_child_that_ends_or_hangs_before_it_is_ready_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut ended = Child::start("brief", Command::new("true"), &folder.path().join("a")).unwrap();
    assert_eq!(ended.ready(Duration::from_secs(10)).unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    let mut sleep = Command::new("sleep");
    sleep.arg("60");
    let mut hangs = Child::start("slow", sleep, &folder.path().join("b")).unwrap();
    assert_eq!(hangs.ready(Duration::from_millis(50)).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn a_dropped_child_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut sleep = Command::new("sleep");
    sleep.arg("60");
    let child = Child::start("sleep", sleep, &folder.path().join("log")).unwrap();
    let pid = child.id();
    drop(child);
    assert!(lab::memory::of(pid).is_err());
}
