//! From how the database ended a command to what its caller is told.

use super::course::{Stop, Tally};
use crate::{door::Refused, untold};
use database::{Dialect, Done, Failure};
use link_api::{convert, proto};
use model::{Command, Effect, ErrorDetails, ErrorType, Parameter};

#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) sql_ms: u32,
    pub(super) run_ms: u32,
}

/// It was handed to the database.
pub(super) fn run(
    result: Result<Done, Failure>,
    tally: Tally,
    command: &Command,
    read_only: bool,
    times: Times,
) -> proto::Ended {
    kept_back(ran(result, tally, command, read_only, times), tally)
}

/// What the practice has refused in the middle may have gone on to its end: that it did is told, what came of it stays here.
fn kept_back(ended: proto::Ended, tally: Tally) -> proto::Ended {
    match tally.stop {
        Some(Stop::Refused(refusal)) => untold::refused(ended, refusal),
        _ => ended,
    }
}

fn is_refused(tally: Tally) -> bool {
    matches!(tally.stop, Some(Stop::Refused(_)))
}

fn ran(
    result: Result<Done, Failure>,
    tally: Tally,
    command: &Command,
    read_only: bool,
    times: Times,
) -> proto::Ended {
    let (status, effect, error) = match result {
        Ok(done) => {
            let ended = proto::Ended {
                rows_affected: done.rows_affected,
                outputs: outputs(done, command),
                ..base(tally, read_only, times)
            };
            // Values that are kept back are left out as rows are: without them it is no answer to call successful.
            let cut = tally.cut || (is_refused(tally) && !ended.outputs.is_empty());
            // Rows left out because nobody was there to read them do not make it a failure.
            return match tally.stop.filter(|_| cut) {
                None => with(ended, proto::Status::Successful, Effect::Executed, None),
                Some(stop) => with(ended, stopped(stop), Effect::Executed, stop_error(stop)),
            };
        }
        Err(Failure::Sql(error)) => {
            // What a statement says when it was cancelled is not why it ended.
            match tally.stop.filter(|_| tally.cancelled) {
                None => (proto::Status::Failed, Effect::Executed, Some(sql_error(error))),
                Some(stop @ Stop::Refused(_)) => (stopped(stop), cut_short(read_only), stop_error(stop)),
                Some(stop) => (stopped(stop), cut_short(read_only), Some(sql_error(error))),
            }
        }
        Err(Failure::Cancelled) => match tally.stop {
            Some(stop) => (stopped(stop), cut_short(read_only), stop_error(stop)),
            None => (proto::Status::Cancelled, cut_short(read_only), None),
        },
        Err(failure @ (Failure::Parameter { .. } | Failure::Catalogue)) => {
            return not_run(failure, tally, read_only, times);
        }
        Err(Failure::Escaped(error)) => {
            let how = "The statement ended the read-only transaction that it ran in: what it wrote after that may stand. The \
                       practice's log says so. Ask for a login that may only read, or pair for writing.";
            // The number alone: what the database said of its own error is not what the caller has to know first.
            let error = match error {
                Some(error) => halo(403, format!("{how} The database's own error was {}.", error.number)),
                None => halo(403, how),
            };
            return with(
                proto::Ended { read_only: false, ..base(tally, read_only, times) },
                proto::Status::Failed,
                Effect::Unknown,
                Some(error),
            );
        }
        Err(failure @ (Failure::Lost | Failure::Unproven)) => {
            let how = "The connection between Halo Link and the practice's database broke.";
            // A time-out or a cancel that ends so is told as what it is: to send it again would only do it again.
            let status = tally.stop.filter(|_| tally.cancelled).map_or(proto::Status::Interrupted, stopped);
            let read_only = read_only && failure == Failure::Lost;
            return with(base(tally, read_only, times), status, Effect::Unknown, Some(halo(500, how)));
        }
    };
    with(base(tally, read_only, times), status, effect, error)
}

/// What is known of a command that Link itself stopped: the database may have undone none of it, some or all.
fn cut_short(read_only: bool) -> Effect {
    if read_only { Effect::Executed } else { Effect::Unknown }
}

/// It never reached the database.
pub(super) fn not_run(failure: Failure, tally: Tally, read_only: bool, times: Times) -> proto::Ended {
    let (status, error) = match failure {
        Failure::Sql(error) => (proto::Status::Failed, Some(sql_error(error))),
        Failure::Parameter { name, expected } => {
            let how = format!("The value of parameter {name} does not convert: it must be {expected}.");
            (proto::Status::Failed, Some(halo(400, how)))
        }
        Failure::Catalogue => {
            let how = "The practice's database has no such catalogue now; its site record lists those it should have.";
            let refused = Refused::new(proto::Refusal::UnknownCatalogue, how).ended();
            return proto::Ended { read_only, run_ms: times.run_ms, ..refused };
        }
        Failure::Cancelled => (tally.stop.map_or(proto::Status::Cancelled, stopped), None),
        Failure::Lost | Failure::Unproven | Failure::Escaped(_) => {
            let how = "Halo Link can't reach the practice's database.";
            (proto::Status::Interrupted, Some(halo(503, how)))
        }
    };
    kept_back(with(base(tally, read_only, times), status, Effect::NotExecuted, error), tally)
}

/// Something of ours broke while it ran.
pub(super) fn interrupted(read_only: bool) -> proto::Ended {
    proto::Ended {
        status: proto::Status::Interrupted.into(),
        effect: convert::effect_to_proto(Effect::Unknown).into(),
        read_only,
        ..proto::Ended::default()
    }
}

fn base(tally: Tally, read_only: bool, times: Times) -> proto::Ended {
    proto::Ended {
        rows: tally.rows,
        row_bytes: tally.bytes,
        sql_ms: times.sql_ms,
        run_ms: times.run_ms,
        read_only,
        refusal: match tally.stop {
            Some(Stop::Refused(refusal)) => refusal.into(),
            _ => 0,
        },
        ..proto::Ended::default()
    }
}

fn with(
    ended: proto::Ended,
    status: proto::Status,
    effect: Effect,
    error: Option<ErrorDetails>,
) -> proto::Ended {
    // What came to a good end is told as that, whatever stopped being consented to meanwhile.
    let refusal = if status == proto::Status::Cancelled { ended.refusal } else { 0 };
    proto::Ended {
        status: status.into(),
        refusal,
        effect: convert::effect_to_proto(effect).into(),
        error: error.as_ref().map(convert::error_to_proto),
        ..ended
    }
}

fn stopped(stop: Stop) -> proto::Status {
    match stop {
        Stop::CallerGone | Stop::Refused(_) => proto::Status::Cancelled,
        Stop::TimedOut => proto::Status::TimedOut,
        Stop::TooLarge | Stop::NoRoom => proto::Status::TooLarge,
        Stop::Broken => proto::Status::Interrupted,
    }
}

fn stop_error(stop: Stop) -> Option<ErrorDetails> {
    match stop {
        Stop::TooLarge => {
            let how = "The result is larger than the caller takes.";
            Some(ErrorDetails::new(ErrorType::Http, 413, how))
        }
        Stop::NoRoom => {
            let how = "The site has no room to keep the result. Fetch or cancel what is kept there, ask for less, or ask the \
                       practice for more room ([spool] in link.toml).";
            Some(halo(507, how))
        }
        Stop::Refused(refusal) => {
            let words = link_api::refusal::words(refusal)?;
            Some(halo(words.status.into(), format!("{} {}", words.why, words.next)))
        }
        Stop::CallerGone | Stop::TimedOut | Stop::Broken => None,
    }
}

fn halo(code: i32, message: impl Into<String>) -> ErrorDetails {
    ErrorDetails::new(ErrorType::HaloLink, code, message.into())
}

fn sql_error(error: database::SqlError) -> ErrorDetails {
    let kind = match error.dialect {
        Dialect::Mssql => ErrorType::Mssql,
        Dialect::Fbsql => ErrorType::Fbsql,
    };
    let state = (error.dialect == Dialect::Mssql).then_some(error.state);
    let line = (error.line > 0).then_some(error.line);
    ErrorDetails { kind, code: error.number, state, line, message: error.message }
}

fn outputs(done: Done, command: &Command) -> Vec<proto::Parameter> {
    done.outputs
        .into_iter()
        .filter_map(|output| {
            let declared = command.parameters.get(output.parameter)?;
            Some(convert::parameter_to_proto(&Parameter {
                name: declared.name.clone(),
                direction: declared.direction,
                kind: output.kind,
                value: output.value,
                size: declared.size,
                type_name: declared.type_name.clone(),
            }))
        })
        .collect()
}
