//! Receipts: that a site's audit holds how a query ended. What a site sends is checked before anybody is given it: whoever keeps a
//! receipt must not find out in a year that it was none.

use crate::{
    error::ApiError,
    gateway::Gateway,
    run,
    session::{CallError, Lane, call},
};
use audit::{AuditError, Line, Receipt};
use axum::http::StatusCode;
use link_api::{Code, Status, proto};
use model::{IntegratorId, QueryId, SiteId};
use serde_json::{Map, Value};
use std::time::Duration;

/// What follows when the site can't be asked.
const KEPT: &str = "The receipt stays at the site: ask for it again.";
/// The last line of a result that is there waits for its receipt for so long.
const LAST_LINE_WITHIN: Duration = Duration::from_secs(5);

/// What a receipt has to be about.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Whose audit.
    pub site: SiteId,
    /// Whose query.
    pub integrator: IntegratorId,
    /// Which.
    pub query: QueryId,
}

/// Why a receipt is not passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It does not hold.
    #[error(transparent)]
    Broken(#[from] AuditError),
    /// Of another site's audit, though it holds.
    #[error("it is of another site")]
    OtherSite,
    /// Of another integrator's line.
    #[error("it is of another integrator")]
    OtherIntegrator,
    /// Of another query's line.
    #[error("it is of another query")]
    OtherQuery,
    /// Of a line that tells of no end.
    #[error("it is of a line that says nothing of an end")]
    NoEnd,
    /// The answer beside it says something else.
    #[error("it says something else than the answer")]
    OtherEnd,
}

impl Wrong {
    /// For the log: the kind alone.
    fn kind(&self) -> &'static str {
        match self {
            Wrong::Broken(_) => "broken",
            Wrong::OtherSite => "other site",
            Wrong::OtherIntegrator => "other integrator",
            Wrong::OtherQuery => "other query",
            Wrong::NoEnd => "no end",
            Wrong::OtherEnd => "other end",
        }
    }
}

/// Reads a receipt as a site sent it, and holds it against what was asked for. The line comes out of it.
///
/// # Errors
/// [`Wrong`].
pub fn check(bytes: &[u8], about: &About) -> Result<(Receipt, Line), Wrong> {
    let receipt = Receipt::decode(bytes)?;
    let line = receipt.check()?;
    if line.site != about.site {
        return Err(Wrong::OtherSite);
    }
    if line.integrator != Some(about.integrator) {
        return Err(Wrong::OtherIntegrator);
    }
    if line.query != Some(about.query) {
        return Err(Wrong::OtherQuery);
    }
    if line.what != "end" && line.what != "refused" {
        return Err(Wrong::NoEnd);
    }
    Ok((receipt, line))
}

/// Whether the line of an answer's receipt says what the answer says. Of one that did not succeed the words differ between the two, and only that
/// it did not is compared.
fn agrees(line: &Line, ended: &proto::Ended) -> bool {
    let good = |status: Option<&str>| status == Some(proto::Status::Successful.as_str_name());
    match ended.status() {
        proto::Status::Successful => {
            line.what == "end"
                && good(line.status.as_deref())
                && (line.rows, line.bytes) == (Some(ended.rows), Some(ended.row_bytes))
        }
        _ => !good(line.status.as_deref()),
    }
}

/// What the last line of a stream says of its receipt.
#[derive(Debug)]
pub(crate) enum Told {
    Receipt(Box<Receipt>),
    /// Why there is none.
    Missing(String),
}

impl Told {
    /// The site did not say how the query ended, or not in a way that can be believed.
    pub(crate) fn lost() -> Self {
        Told::Missing(
            "No receipt came from the site: ask for it with GET …/queries/{queryId}/receipt.".into(),
        )
    }

    /// What came with the end of a run that asked for it.
    pub(crate) fn of_end(gateway: &Gateway, about: &About, ended: &proto::Ended) -> Self {
        if ended.receipt.is_empty() {
            return Told::Missing(missing(proto::NoReceipt::try_from(ended.no_receipt).ok()).to_owned());
        }
        let checked = check(&ended.receipt, about).and_then(|(receipt, line)| match agrees(&line, ended) {
            true => Ok(receipt),
            false => Err(Wrong::OtherEnd),
        });
        match checked {
            Ok(receipt) => {
                gateway.witnesses.receipt(&receipt);
                Told::Receipt(Box::new(receipt))
            }
            Err(wrong) => Told::Missing(not_passed_on(about, &wrong)),
        }
    }

    /// Of a query whose run ended before, asked for now.
    pub(crate) async fn of_run(gateway: &Gateway, about: &About) -> Self {
        let fetched = tokio::time::timeout(LAST_LINE_WITHIN, fetch(gateway, about)).await;
        match fetched
            .unwrap_or_else(|_| Err(ApiError::timed_out(format!("The site did not answer in time. {KEPT}"))))
        {
            Ok(Some((receipt, _))) => Told::Receipt(Box::new(receipt)),
            Ok(None) => Told::Missing(missing(Some(proto::NoReceipt::NoLine)).to_owned()),
            Err(error) => Told::Missing(error.message),
        }
    }

    /// Adds `receipt` or `receiptError`.
    pub(crate) fn add_to(&self, end: &mut Map<String, Value>) {
        match self {
            Told::Receipt(receipt) => end.insert("receipt".into(), shown(receipt)),
            Told::Missing(why) => end.insert("receiptError".into(), why.as_str().into()),
        };
    }
}

/// As files keep it.
pub(crate) fn shown(receipt: &Receipt) -> Value {
    serde_json::to_value(receipt).expect("a receipt is texts and numbers")
}

fn missing(why: Option<proto::NoReceipt>) -> &'static str {
    match why {
        None => {
            "The site gives no receipt, for a reason that this gateway does not know: update the gateway."
        }
        Some(proto::NoReceipt::Unspecified) => {
            "The site's Halo Link is of a version that gives no receipts: the practice has to update it."
        }
        Some(proto::NoReceipt::Disk) => {
            "The site could not write its audit in time, so it gives no receipt. The answer stands; the practice must look at its server's disk."
        }
        Some(proto::NoReceipt::NoLine) => {
            "The site's audit has no line of this end (yet): ask for the receipt with GET …/queries/{queryId}/receipt."
        }
    }
}

/// Logs what somebody must look at, and says it to the caller.
fn not_passed_on(about: &About, wrong: &Wrong) -> String {
    tracing::error!(
        site = %about.site, query = %about.query, kind = wrong.kind(), %wrong,
        "a site sent a receipt that is not one for this query: it is not passed on"
    );
    format!("The site's receipt was not passed on: {wrong}.")
}

/// Asks the site for the receipt of a query's newest end; `None`: it has no line of one.
pub(crate) async fn fetch(gateway: &Gateway, about: &About) -> Result<Option<(Receipt, Line)>, ApiError> {
    let lane = Lane::Prompt;
    let session = gateway.sessions.get(about.site, lane).await;
    let session = session.map_err(|error| run::no_session(gateway, about.site, &error, KEPT))?;
    let request = proto::ReceiptRequest { query_id: about.query.as_bytes().to_vec() };
    let within = Duration::from_millis(gateway.limits.transfer_slack_ms);
    let asked = call(&session, async move |mut client| {
        tokio::time::timeout(within, client.receipt(request))
            .await
            .map_err(|_| Status::deadline_exceeded("no answer in time"))?
    });
    let reply = asked.await.map_err(|error| {
        gateway.sessions.discard_broken(&session, lane, &error);
        refused(&error)
    })?;
    let bytes = reply.into_inner().receipt;
    if bytes.is_empty() {
        return Ok(None);
    }
    let (receipt, line) = check(&bytes, about)
        .map_err(|wrong| ApiError::new(StatusCode::BAD_GATEWAY, not_passed_on(about, &wrong)))?;
    gateway.witnesses.receipt(&receipt);
    Ok(Some((receipt, line)))
}

fn refused(error: &CallError) -> ApiError {
    let lost = || ApiError::unavailable(format!("The connection to the site was lost. {KEPT}"), 2);
    let CallError::Failed(status) = error else { return lost() };
    match status.code() {
        Code::Unimplemented => {
            ApiError::unavailable("The site's Halo Link gives no receipts and needs an update.", 60)
        }
        Code::PermissionDenied | Code::Unauthenticated => {
            let refusal = link_api::refusal::of_status(status).map_or(0, i32::from);
            ApiError::by_practice(refusal, KEPT, 0).unwrap_or_else(ApiError::not_let_in)
        }
        Code::FailedPrecondition => ApiError::unavailable(
            "The site gives no receipt now: its audit can't be read or written, or does not hold. The practice must look at it.",
            60,
        ),
        Code::DeadlineExceeded => ApiError::timed_out(format!("The site did not answer in time. {KEPT}")),
        _ => lost(),
    }
}
