//! What a program leaves behind when it breaks: where it broke, and nothing of what it had in hand.
//!
//! Two things of a process that breaks would hold a practice's data. A panic's message may quote what it was about: a text that is cut in
//! the middle of a character is printed whole by the standard library. And the operating system may write all its memory, with rows and
//! logins in clear, into a core file. [`guard`] keeps both from happening; every program calls it first of all.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    io::Write,
    panic::{self, PanicHookInfo},
};

/// Stands where a panic's message was put together while it ran.
const KEPT_BACK: &str = "(kept back: it could quote data)";

/// From here on a panic tells of its place alone, and no core file is written.
///
/// On Windows a panic is quiet too; what a crash beyond that leaves is Windows Error Reporting's, and an administrator's to switch off.
pub fn guard() {
    panic::set_hook(Box::new(tell));
    no_core_file();
}

/// One line of the log; where there is no log yet, one on standard error.
fn tell(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let why = said(info.payload());
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    if tracing::dispatcher::has_been_set() {
        // Names of functions: RUST_BACKTRACE asks for them.
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(place, thread, why, backtrace, "a fault of the program's own");
    } else {
        // Nobody is left to be told that nobody could be told.
        let _ = writeln!(std::io::stderr(), "a fault of the program's own at {place}: {why}");
    }
}

/// A panic's message where it stands in the program's text. One that was put together while it ran is a `String`.
fn said(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or(KEPT_BACK)
}

#[cfg(unix)]
fn no_core_file() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Refused where a sandbox forbids it; the service's unit says the same (`LimitCORE=0`).
    let _ = setrlimit(Resource::Core, none);
}

#[cfg(not(unix))]
fn no_core_file() {}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(breaks: impl FnOnce() + panic::UnwindSafe) -> Box<dyn Any + Send> {
        panic::catch_unwind(breaks).unwrap_err()
    }

    #[test]
    fn a_sentence_of_the_programs_text_is_told() {
        assert_eq!(said(&*payload(|| panic!("the queue is empty"))), "the queue is empty");
    }

    /// The standard library's own words quote the text: `byte index 1 is not a char boundary; it is inside 'é' of …`.
    #[test]
    fn what_was_put_together_is_not_told() {
        let patient = std::hint::black_box("éloise canary").to_owned();
        let quoting = payload(move || drop(patient[1..].to_owned()));
        assert!(quoting.downcast_ref::<String>().is_some_and(|words| words.contains("canary")));
        assert_eq!(said(&*quoting), KEPT_BACK);
    }
}
