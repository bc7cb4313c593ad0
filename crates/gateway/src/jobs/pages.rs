//! Reads pages of a job's result from its site. What was read is acknowledged, and the site paces itself by that.

use crate::{
    error::ApiError,
    gateway::Gateway,
    run,
    session::{CallError, Lane, Session, call},
};
use bytes::Bytes;
use futures::stream;
use link_api::{Streaming, pack::Unpacker, proto};
use model::{QueryId, SiteId};
use proto::pages_piece::What;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// What follows when the site can't be asked for a page.
const KEPT: &str = "The result is kept at the site: ask for it again.";

/// Pages on their way.
pub(crate) struct Reader {
    pieces: Streaming<proto::PagesPiece>,
    /// Bytes of packed rows that were taken; the site is told.
    read: watch::Sender<u64>,
    unpacker: Unpacker,
    within: Option<Duration>,
    session: Arc<Session>,
    lane: Lane,
}

/// What comes.
pub(crate) enum Piece {
    /// A page begins.
    Head(Box<proto::PageHead>),
    /// Row JSON.
    Rows(Bytes),
    /// Nothing follows.
    End(Box<proto::PagesEnd>),
}

/// The site broke off, was silent, or broke the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Reader {
    /// Asks. `patience`: no piece may take longer; none when what is asked for may still have to come about.
    pub(crate) async fn open(
        gateway: &Gateway,
        site: SiteId,
        ask: proto::PagesAsk,
        lane: Lane,
        patience: Option<Duration>,
    ) -> Result<Reader, ApiError> {
        let session = gateway.sessions.get(site, lane).await;
        let session = session.map_err(|error| run::no_session(gateway, site, &error, KEPT))?;
        let (read, acknowledged) = watch::channel(0);
        let asks = stream::unfold((Some(ask), acknowledged), |(first, mut acknowledged)| async move {
            if let Some(first) = first {
                return Some((first, (None, acknowledged)));
            }
            acknowledged.changed().await.ok()?;
            let read = *acknowledged.borrow_and_update();
            Some((proto::PagesAsk { read, ..proto::PagesAsk::default() }, (None, acknowledged)))
        });
        let opening = call(&session, async move |mut client| client.pages(asks).await);
        let within = Duration::from_millis(gateway.limits.transfer_slack_ms);
        let opened = match tokio::time::timeout(within, opening).await {
            Ok(Ok(pieces)) => Ok(pieces.into_inner()),
            Ok(Err(error)) => {
                gateway.sessions.discard_broken(&session, lane, &error);
                Err(call_error(&error))
            }
            Err(_) => Err(broken()),
        };
        Ok(Reader { pieces: opened?, read, unpacker: Unpacker::default(), within: patience, session, lane })
    }

    /// The next piece. Taking it says that the one before is done with.
    pub(crate) async fn next(&mut self, gateway: &Gateway) -> Result<Piece, Broken> {
        let next = self.pieces.message();
        let next = match self.within {
            Some(within) => tokio::time::timeout(within, next).await.map_err(|_| Broken)?,
            None => next.await,
        };
        let piece = match next {
            Ok(piece) => piece.ok_or(Broken)?,
            Err(status) => {
                gateway.sessions.discard_broken(&self.session, self.lane, &CallError::Failed(status));
                return Err(Broken);
            }
        };
        match piece.what.ok_or(Broken)? {
            What::Head(head) => {
                // Each page is packed for itself.
                self.unpacker = Unpacker::default();
                Ok(Piece::Head(Box::new(head)))
            }
            What::Rows(rows) => {
                let packed = rows.data.len() as u64;
                let rows = self.unpacker.unpack(rows).map_err(|_| Broken)?;
                self.read.send_modify(|read| *read += packed);
                Ok(Piece::Rows(rows))
            }
            What::End(end) => Ok(Piece::End(Box::new(end))),
        }
    }
}

fn call_error(error: &CallError) -> ApiError {
    match error {
        CallError::Failed(status) if status.code() == link_api::Code::Unimplemented => {
            ApiError::unavailable("The site's Halo Link keeps no results and needs an update.", 60)
        }
        CallError::Failed(status)
            if matches!(
                status.code(),
                link_api::Code::PermissionDenied | link_api::Code::Unauthenticated
            ) =>
        {
            let CallError::Failed(status) = error else { return broken() };
            denied(status)
        }
        _ => broken(),
    }
}

/// The site does not let us in, for this reason where it says one.
fn denied(status: &link_api::Status) -> ApiError {
    let refusal = link_api::refusal::of_status(status).map_or(0, i32::from);
    ApiError::by_practice(refusal, "Nothing was sent.", 0).unwrap_or_else(ApiError::not_let_in)
}

/// The site could not be heard to the end.
pub(crate) fn broken() -> ApiError {
    ApiError::unavailable(format!("The connection to the site was lost. {KEPT}"), 2)
}

/// The site sent something else than it said.
pub(crate) fn faulty() -> ApiError {
    ApiError::internal(
        "The site's answer broke the contract: a page is not what the site said it is. Ask for it again.",
    )
}

/// An end without the page that was asked for.
pub(crate) fn refused(end: &proto::PagesEnd) -> ApiError {
    use proto::PagesOutcome as O;
    match O::try_from(end.outcome) {
        Ok(O::PagesExpired) => ApiError::gone(),
        Ok(O::PagesNoPage) => ApiError::not_found(
            "The server cannot find the requested resource: the result has no such page, or not yet. The query's status lists its pages.",
        ),
        Ok(O::PagesNoJob) => ApiError::not_found(
            "The server cannot find the requested resource: the site has no record of this query.",
        ),
        Ok(O::PagesDamaged) => ApiError::internal(
            "The page is damaged on the site's disk and cannot be had any more. Run the query again.",
        ),
        _ => faulty(),
    }
}

/// A request for pages of one job.
pub(crate) fn wanted(id: QueryId, first: u32, count: u32, form: proto::RowForm) -> proto::PagesAsk {
    proto::PagesAsk {
        query_id: id.as_bytes().to_vec(),
        first,
        count,
        form: form.into(),
        ..proto::PagesAsk::default()
    }
}
