//! A test kit: what every engine behind the door must do, written once and run against each of them.
//!
//! [`suite!`] makes one test per case for an engine's [`Subject`]. A case speaks to the engine through
//! [`database::Engine`] alone; what can't be said the same way in every SQL is a word of [`Words`].
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

pub mod cases;
pub mod firebird_server;
mod subject;
mod taken;
mod words;

pub use subject::Subject;
pub use taken::{Taken, call, echo, run, text};
pub use words::{Firebird, Left, Tsql, Words, Write, Written};

/// One test per case, for what `$subject` (a function that gives an `Option<Subject>`) makes; none means: not here.
#[macro_export]
macro_rules! suite {
    ($subject:path) => {
        $crate::suite!(@each $subject:
            log_in, describe, modes, result_sets, empty_sets, column_names, nulls, ends, texts, parameters, bad_parameters,
            procedures, rows_affected, errors, catalogues, in_order, large_value, large_parameter, cancel_running, cancel_early,
            cancel_racing, sink_leaves, enough, reset, read_only, read_only_reads, lock_wait, together,
        );
    };
    (@each $subject:path: $($case:ident),* $(,)?) => {
        $(
            #[test]
            fn $case() {
                if let Some(subject) = $subject() {
                    $crate::cases::$case(&subject);
                }
            }
        )*
    };
}
