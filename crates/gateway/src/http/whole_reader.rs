//! A whole result, read to its end over as many sessions as it takes. Where one breaks, the next one goes on at the very byte.
//!
//! That is only right as long as it is the same result: a read that the site had to begin anew has other pages, and then the stream
//! breaks off, as it does when the site stays away.

use crate::{
    gateway::Gateway,
    jobs::pages::{self, Broken, Piece, Reader},
    session::Lane,
};
use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use link_api::proto;
use model::{QueryId, SiteId};
use rand::Rng;
use std::{sync::Arc, time::Duration};

/// First and longest pause between two attempts to go on.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Reads one result.
pub(super) struct WholeReader {
    gateway: Arc<Gateway>,
    site: SiteId,
    query: QueryId,
    /// `None` while the way to the site is lost.
    reader: Option<Reader>,
    at: Position,
    /// Since when nothing new has come, by the gateway's clock, while the way is lost or was just found again.
    lost: Option<Duration>,
    pause: Duration,
}

/// What was passed on so far.
#[derive(Clone, Debug, Default, PartialEq)]
struct Position {
    /// The page that was begun; 0: none.
    page: u32,
    attempt: u32,
    facts: proto::PageFacts,
    /// Bytes of it.
    bytes: u64,
    /// Rows of the pages before it.
    rows_before: u64,
    /// It was gone on with at least once.
    resumed: bool,
    /// Going on: bytes of the page that come a second time. `None`: the page's head has not come again yet.
    again: Option<u64>,
}

/// What comes.
pub(super) enum Next {
    /// A page that was not begun before.
    Head(Box<proto::PageHead>),
    /// Row JSON, each byte once.
    Rows(Bytes),
    End(Box<proto::PagesEnd>),
}

impl WholeReader {
    /// Goes on with what `reader` has begun.
    pub(super) fn new(gateway: &Arc<Gateway>, site: SiteId, query: QueryId, reader: Reader) -> Self {
        let at = Position { again: Some(0), ..Position::default() };
        let gateway = Arc::clone(gateway);
        WholeReader { gateway, site, query, reader: Some(reader), at, lost: None, pause: PAUSES.0 }
    }

    /// What comes next of the result, over a new session where that is needed. Not to be dropped in the middle but for good.
    pub(super) async fn next(&mut self) -> Result<Next, Broken> {
        loop {
            let Some(reader) = &mut self.reader else {
                self.go_on().await?;
                continue;
            };
            match reader.next(&self.gateway).await {
                Ok(piece) => {
                    if let Some(next) = self.at.take(piece)? {
                        (self.lost, self.pause) = (None, PAUSES.0);
                        return Ok(next);
                    }
                }
                Err(Broken) => {
                    self.reader = None;
                    self.lost.get_or_insert(self.gateway.clock.monotonic());
                }
            }
        }
    }

    /// The first piece, which was read before.
    pub(super) fn begin(&mut self, piece: Piece) -> Result<Option<Next>, Broken> {
        self.at.take(piece)
    }

    /// One attempt to find the way again, after a pause.
    async fn go_on(&mut self) -> Result<(), Broken> {
        let within = Duration::from_millis(self.gateway.limits.resume_ms);
        let now = self.gateway.clock.monotonic();
        let left = within.saturating_sub(now.saturating_sub(*self.lost.get_or_insert(now)));
        if left.is_zero() || !self.at.can_go_on() {
            return Err(Broken);
        }
        // Full jitter: streams that broke together do not come back together.
        let wait = rand::rng().random_range(self.pause / 4..=self.pause).min(left);
        self.pause = (self.pause * 2).min(PAUSES.1);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.gateway.stopped() => return Err(Broken),
        }
        let ask = pages::wanted(self.query, self.at.page.max(1), 0, proto::RowForm::Lines);
        let opening = Reader::open(&self.gateway, self.site, ask, Lane::Bulk, None);
        match tokio::time::timeout(left, opening).await {
            Ok(Ok(reader)) => {
                self.at.begin_again();
                self.reader = Some(reader);
                Ok(())
            }
            Ok(Err(error)) if error.status != StatusCode::SERVICE_UNAVAILABLE => Err(Broken),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

impl Position {
    /// An older site does not say which attempt a page is of: what it began can't be gone on with.
    fn can_go_on(&self) -> bool {
        self.page == 0 || self.attempt > 0
    }

    fn begin_again(&mut self) {
        self.again = if self.page == 0 { Some(0) } else { None };
        self.resumed = true;
    }

    /// What of a piece is new. An error: it does not belong to what was passed on.
    fn take(&mut self, piece: Piece) -> Result<Option<Next>, Broken> {
        match piece {
            Piece::Head(head) => self.head(head),
            Piece::Rows(rows) => self.rows(rows),
            Piece::End(end) => self.end(end),
        }
    }

    fn head(&mut self, head: Box<proto::PageHead>) -> Result<Option<Next>, Broken> {
        let facts = head.page.unwrap_or_default();
        match self.again {
            None => {
                if (facts, head.attempt) != (self.facts, self.attempt) {
                    return Err(Broken);
                }
                self.again = Some(self.bytes);
                Ok(None)
            }
            // The page before ended before all of it had come a second time.
            Some(left) if left > 0 => Err(Broken),
            Some(_) => {
                if facts.number != self.page + 1 || (self.page > 0 && head.attempt != self.attempt) {
                    return Err(Broken);
                }
                self.rows_before += self.facts.rows;
                (self.page, self.attempt, self.facts, self.bytes) = (facts.number, head.attempt, facts, 0);
                Ok(Some(Next::Head(head)))
            }
        }
    }

    fn rows(&mut self, mut rows: Bytes) -> Result<Option<Next>, Broken> {
        let Some(left) = &mut self.again else { return Err(Broken) };
        let known = usize::try_from(*left).unwrap_or(usize::MAX).min(rows.len());
        rows.advance(known);
        *left -= known as u64;
        self.bytes += rows.len() as u64;
        Ok((!rows.is_empty()).then_some(Next::Rows(rows)))
    }

    fn end(&mut self, end: Box<proto::PagesEnd>) -> Result<Option<Next>, Broken> {
        let ended = end.job.as_ref().and_then(|job| job.ended.as_ref());
        let good = ended.filter(|ended| ended.status == i32::from(proto::Status::Successful));
        let whole = self.again == Some(0);
        let rows = self.rows_before + self.facts.rows;
        match good {
            // Another attempt's end, or not all of this one's.
            Some(ended) if self.resumed && self.page > 0 && (!whole || ended.rows != rows) => Err(Broken),
            _ => Ok(Some(Next::End(end))),
        }
    }
}

#[cfg(test)]
mod tests;
