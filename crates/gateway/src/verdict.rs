//! What a query's end means for its caller: success, a failed query, or an envelope; and what the mirror keeps of it.

use crate::{
    error::ApiError,
    mirror::{QueryStatus, Record},
};
use axum::http::StatusCode;
use link_api::{convert, proto};
use model::{Effect, ErrorDetails, ErrorType, QueryId};

/// The answer to the caller.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// 200.
    Success,
    /// The published failed-query object under this status.
    Failed(StatusCode, ErrorDetails),
    /// The published envelope.
    Envelope(ApiError),
}

/// How a run ended, as the gateway saw it.
#[derive(Debug)]
pub(crate) enum End {
    /// The site said how.
    Site(Box<proto::Ended>),
    /// Nothing was sent, for this reason.
    NotSent(ApiError),
    /// The connection broke, or nothing came for too long, after the command may have been sent.
    Lost { silent: bool },
    /// The site broke the contract: too much, or not to be unpacked.
    Broken(&'static str),
    /// The gateway's memory for answers is used up.
    NoRoom,
    /// The caller went away and the command, read-only, was cancelled.
    CallerGone,
}

/// What the caller should do who does not know whether it ran.
fn effect_sentence(effect: Effect, read_only: bool, id: QueryId) -> String {
    match effect {
        Effect::NotExecuted => "The command was not executed.".into(),
        Effect::Executed => "The command was executed.".into(),
        Effect::Unknown if read_only => "It ran read-only: it changed nothing and may be sent again.".into(),
        Effect::Unknown => format!(
            "Whether the command was executed is not known: ask for the status of query {id} before you send it again."
        ),
    }
}

/// Writes the end into the record and says what the caller gets.
pub(crate) fn judge(record: &mut Record, end: End, limit: u64) -> Verdict {
    // Whatever was thought before: an end learnt later from the site's ledger replaces a lost one.
    (record.status, record.error) = (QueryStatus::Executing, None);
    let (effect, verdict) = match end {
        End::Site(ended) => {
            record.rows = ended.rows;
            record.rows_affected = ended.rows_affected;
            record.sql_ms = ended.sql_ms;
            record.read_only |= ended.read_only;
            let effect = convert::effect_from_proto(ended.effect);
            (effect, site_verdict(record, *ended, effect, limit))
        }
        End::NotSent(error) => (Effect::NotExecuted, Verdict::Envelope(error)),
        End::Lost { silent } => {
            let what = match silent {
                true => "The site did not answer in time.",
                false => "The connection to the site was lost during the attempt.",
            };
            let effect = effect_sentence(Effect::Unknown, record.read_only, record.id);
            (Effect::Unknown, Verdict::Envelope(ApiError::timed_out(format!("{what} {effect}"))))
        }
        End::Broken(what) => {
            let effect = effect_sentence(Effect::Unknown, record.read_only, record.id);
            let message = format!("The site's answer broke the contract: {what}. {effect}");
            let details = ErrorDetails::new(ErrorType::HaloLink, 500, message);
            (Effect::Unknown, Verdict::Failed(StatusCode::INTERNAL_SERVER_ERROR, details))
        }
        End::NoRoom => {
            let effect = effect_sentence(Effect::Unknown, record.read_only, record.id);
            let message = format!(
                "The gateway holds too many answers at once and gave this one up after the command had been sent. {effect} \
                 Answers as application/x-ndjson take no such memory."
            );
            (Effect::Unknown, Verdict::Envelope(ApiError::unavailable(message, 1)))
        }
        End::CallerGone => {
            let message = "The caller went away and the command, read-only, was cancelled.";
            let details = ErrorDetails::new(ErrorType::HaloLink, 499, message);
            (Effect::Unknown, Verdict::Failed(StatusCode::BAD_REQUEST, details))
        }
    };
    record.effect = Some(effect);
    match &verdict {
        Verdict::Success => record.status = QueryStatus::Successful,
        Verdict::Failed(_, details) => {
            record.status = QueryStatus::ExecutionFailed;
            record.error = Some((details.kind, details.code));
        }
        Verdict::Envelope(error) => {
            if record.status == QueryStatus::Executing {
                record.status = QueryStatus::ExecutionFailed;
            }
            record.error = Some((ErrorType::Http, i32::from(error.status.as_u16())));
        }
    }
    verdict
}

fn site_verdict(record: &mut Record, ended: proto::Ended, effect: Effect, limit: u64) -> Verdict {
    use proto::Status as S;
    let sentence = effect_sentence(effect, record.read_only, record.id);
    let gone_wrong = |what: &str| Verdict::Envelope(ApiError::timed_out(format!("{what} {sentence}")));
    match S::try_from(ended.status) {
        Ok(S::Successful) => Verdict::Success,
        Ok(S::Failed) => {
            let details = match ended.error {
                Some(error) => convert::error_from_proto(error),
                None => halo_link(500, "The site gave no reason."),
            };
            Verdict::Failed(StatusCode::BAD_REQUEST, details)
        }
        Ok(S::ExpiredInQueue) => {
            record.status = QueryStatus::ExpiredInQueue;
            Verdict::Envelope(ApiError::timed_out(format!(
                "The command's turn at the site did not come within maxTimeInQueue ({} ms). The command was not executed.",
                record.max_time_in_queue
            )))
        }
        Ok(S::TimedOut) => {
            gone_wrong("The command ran longer than a query of this form may and was stopped.")
        }
        // Stopped while it ran: the practice no longer consents to it, or a budget is used up.
        Ok(S::Cancelled) => match ApiError::by_practice(ended.refusal, &sentence, ended.retry_after_ms) {
            Some(refused) => Verdict::Envelope(refused),
            None => gone_wrong("The command was cancelled at the site."),
        },
        // Retryable: nothing can have been changed.
        Ok(S::Interrupted) if effect == Effect::NotExecuted => Verdict::Envelope(ApiError::unavailable(
            format!("The site can't reach its database now. {sentence}"),
            10,
        )),
        Ok(S::Interrupted) if ended.read_only => Verdict::Envelope(ApiError::unavailable(
            format!("The site's connection to its database was lost during the command. {sentence}"),
            2,
        )),
        Ok(S::Interrupted) => {
            gone_wrong("The site's connection to its database was lost during the command.")
        }
        Ok(S::TooLarge) => {
            let message = format!(
                "The result is larger than {limit} bytes. {sentence} Ask for fewer rows, or for application/x-ndjson, which has no \
                 such limit."
            );
            let details = ErrorDetails::new(ErrorType::Http, 413, message);
            Verdict::Failed(StatusCode::PAYLOAD_TOO_LARGE, details)
        }
        Ok(S::Refused) => refused(&ended, record),
        Ok(S::Unspecified) | Err(_) => Verdict::Failed(
            StatusCode::INTERNAL_SERVER_ERROR,
            halo_link(
                500,
                &format!("The site ended the command in a way that this gateway does not know. {sentence}"),
            ),
        ),
    }
}

/// The site's door said no: nothing was executed.
fn refused(ended: &proto::Ended, record: &Record) -> Verdict {
    use proto::Refusal as R;
    if let Some(refused) =
        ApiError::by_practice(ended.refusal, "The command was not executed.", ended.retry_after_ms)
    {
        return Verdict::Envelope(refused);
    }
    Verdict::Envelope(match R::try_from(ended.refusal) {
        Ok(R::NotPaired) => ApiError::not_paired(),
        Ok(R::UnknownCatalogue) => {
            return Verdict::Failed(
                StatusCode::BAD_REQUEST,
                halo_link(
                    400,
                    "The site has no such catalogue. The command was not executed. GET /integrator/sites/{siteId} lists its catalogues.",
                ),
            );
        }
        Ok(R::Busy) => ApiError::unavailable(
            "The server is not ready to handle the request: the site has too many commands waiting. The command was not executed.",
            2,
        ),
        Ok(R::Repeated) => ApiError::new(
            StatusCode::CONFLICT,
            format!(
                "The site has seen query {} before. The command was not executed again; ask for its status.",
                record.id
            ),
        ),
        // Jobs alone are refused so; what is the practice's decision was said before.
        Ok(_) | Err(_) => ApiError::forbidden("The site refused the command. The command was not executed."),
    })
}

fn halo_link(code: i32, message: &str) -> ErrorDetails {
    ErrorDetails::new(ErrorType::HaloLink, code, message)
}
