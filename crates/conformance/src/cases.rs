//! The cases. Each says in its name what must hold, and fails with the engine's name.

mod cancel;
mod data;
mod guard;
mod parameters;
mod sets;

pub use cancel::{cancel_early, cancel_racing, cancel_running, enough, sink_leaves, together};
pub use data::{column_names, ends, in_order, large_value, nulls, texts};
pub use guard::{catalogues, describe, lock_wait, log_in, read_only, read_only_reads, reset};
pub use parameters::{bad_parameters, large_parameter, parameters, procedures};
pub use sets::{empty_sets, errors, modes, result_sets, rows_affected};

use crate::{Subject, run, text};
use database::Session;
use serde_json::Value;

/// Ids of rows that the cases write, far from any that are there.
const ROWS: i64 = 900_000;

/// The one value that a text gives.
fn ask(session: &mut dyn Session, words: &str) -> Value {
    match run(session, &text(words)) {
        Ok((taken, _)) => taken.value(),
        Err(failure) => panic!("{words}: {failure:?}"),
    }
}

/// Whether a session still answers rightly, or says that it is lost; anything else is wrong.
fn right_or_lost(subject: &Subject, session: &mut dyn Session) {
    let words = subject.words.select(&[("A", "7")]);
    match run(session, &text(&words)) {
        Ok((taken, _)) => assert_eq!(taken.rows(), [r#"{"A":7}"#], "{}", subject.name),
        Err(failure) => assert_eq!(failure, database::Failure::Lost, "{}", subject.name),
    }
}
