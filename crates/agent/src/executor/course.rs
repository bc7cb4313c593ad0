//! How one command stands while it runs: what it has yielded, what tells it to end, and how it is cancelled in the database. The
//! same for a command with a caller and for a job.

use database::{Cancel, Column, Stopped, json::unique_names};
use link_api::proto::{self, Refusal};
use std::sync::Arc;

/// Why a command was told to end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    CallerGone,
    TimedOut,
    TooLarge,
    /// The site has no room to keep it.
    NoRoom,
    /// Something of ours failed.
    Broken,
    /// The practice does not consent to it any more, or to no more of it.
    Refused(Refusal),
}

/// How much was sent, and what stopped it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) stop: Option<Stop>,
    /// Rows were left out: the answer is not whole.
    pub(super) cut: bool,
    /// The session was told to cancel: it may not be used again.
    pub(super) cancelled: bool,
}

/// Steers a running command: what may stop it, and what it has yielded.
pub(super) trait Steer {
    /// From here on the command can be cancelled; `Err` when it was told to end already.
    fn cancellable(&self, canceller: Arc<dyn Cancel>) -> Result<(), Stopped>;
    /// The command has ended in the database: from here on nothing cancels its session.
    fn over(&self) -> Tally;
}

/// The state of it, for whoever holds its lock.
pub(super) struct Course {
    pub(super) read_only: bool,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) stop: Option<Stop>,
    /// Rows are read and thrown away.
    pub(super) discard: bool,
    pub(super) cut: bool,
    canceller: Option<Arc<dyn Cancel>>,
    cancelled: bool,
}

impl Course {
    pub(super) fn new(read_only: bool) -> Self {
        Course {
            read_only,
            rows: 0,
            bytes: 0,
            stop: None,
            discard: false,
            cut: false,
            canceller: None,
            cancelled: false,
        }
    }

    /// See [`Steer::cancellable`].
    pub(super) fn cancellable(&mut self, canceller: Arc<dyn Cancel>) -> Result<(), Stopped> {
        if self.stop.is_some() {
            return Err(Stopped);
        }
        self.canceller = Some(canceller);
        Ok(())
    }

    /// See [`Steer::over`].
    pub(super) fn over(&mut self) -> Tally {
        self.canceller = None;
        let Course { rows, bytes, stop, cut, cancelled, .. } = *self;
        Tally { rows, bytes, stop, cut, cancelled }
    }

    /// Tells the command to end, in the database too.
    pub(super) fn stop(&mut self, why: Stop) {
        match (self.stop, why) {
            // What ran on without its rows is stopped after all: that is the end that counts.
            (
                Some(Stop::TooLarge | Stop::NoRoom | Stop::Refused(_)),
                Stop::TimedOut | Stop::Broken | Stop::CallerGone,
            ) if !self.read_only => {
                self.stop = Some(why);
            }
            (Some(_), _) => {}
            (None, why) => self.stop = Some(why),
        }
        // Under the lock: once the command is over, its session may serve another.
        if let Some(canceller) = self.canceller.take() {
            self.cancelled = true;
            canceller.cancel();
        }
    }

    /// The practice does not consent to it any more: what runs under enforced read-only is cancelled, anything else goes on to
    /// its end without its rows.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if self.read_only {
            return self.stop(Stop::Refused(refusal));
        }
        self.stop.get_or_insert(Stop::Refused(refusal));
        self.discard = true;
    }

    /// No more rows are taken, because of `why`. `Err` when the command has no more to do then.
    pub(super) fn cut_off(&mut self, why: Stop) -> Result<(), Stopped> {
        self.stop.get_or_insert(why);
        (self.cut, self.discard) = (true, true);
        if self.read_only { Err(Stopped) } else { Ok(()) }
    }

    /// Whether the cursor must end. What may have written goes on to its end, unless it was told in the database too.
    pub(super) fn must_stop(&self) -> bool {
        match self.stop {
            None => false,
            Some(Stop::TooLarge | Stop::NoRoom | Stop::CallerGone | Stop::Refused(_)) => {
                self.read_only || self.cancelled
            }
            Some(Stop::TimedOut | Stop::Broken) => true,
        }
    }

    /// What to say when the command does not end.
    pub(super) fn given_up(&self) -> proto::Ended {
        let status = match self.stop {
            Some(Stop::CallerGone) => proto::Status::Cancelled,
            _ => proto::Status::TimedOut,
        };
        let effect = if self.read_only { proto::Effect::Executed } else { proto::Effect::Unknown };
        let (status, refusal) = match self.stop {
            Some(Stop::Refused(refusal)) => (proto::Status::Cancelled, refusal),
            _ => (status, Refusal::Unspecified),
        };
        proto::Ended {
            refusal: refusal.into(),
            status: status.into(),
            rows: self.rows,
            row_bytes: self.bytes,
            effect: effect.into(),
            read_only: self.read_only,
            ..proto::Ended::default()
        }
    }
}

/// Columns as they are told: a repeated name gets a number, an unnamed one a name.
pub(super) fn named(columns: &[Column]) -> Vec<proto::Column> {
    let names = unique_names(columns.iter().map(|c| c.name.as_str()));
    let column = |(name, column): (String, &Column)| proto::Column { name, r#type: column.type_name.clone() };
    names.into_iter().zip(columns).map(column).collect()
}
