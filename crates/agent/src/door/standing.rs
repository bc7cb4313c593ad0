//! Whether this server may serve at all: not while another one may be the real one, nor after it was moved out.

use super::{Door, Refused};
use crate::store::{AuditLine, StopReason, Stopped, StoreError};
use link_api::proto::Refusal;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// Why nothing is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Another server may be the real one.
    Stopped(Stopped),
    /// It was moved out.
    Moved,
}

/// The epoch, and whether anything is served under it.
#[derive(Debug)]
pub(super) struct Standing {
    epoch: AtomicU64,
    held: watch::Sender<Option<Held>>,
}

impl Default for Standing {
    fn default() -> Self {
        Standing { epoch: AtomicU64::new(0), held: watch::Sender::new(None) }
    }
}

impl Door {
    /// Generation and count of starts of this server.
    pub fn epoch(&self) -> u64 {
        self.standing.epoch.load(Ordering::Relaxed)
    }

    /// Why nothing is served; `None` as it should be.
    pub fn held(&self) -> Option<Held> {
        *self.standing.held.borrow()
    }

    /// Begins to stand with this epoch.
    pub(crate) fn stand(&self, epoch: u64, stopped: Option<Stopped>) {
        self.standing.epoch.store(epoch, Ordering::Relaxed);
        self.hold(stopped.map(Held::Stopped));
    }

    /// Stands with a new epoch, and serves. Halo Cloud is told.
    pub(crate) fn confirm(&self, epoch: u64) {
        self.standing.epoch.store(epoch, Ordering::Relaxed);
        self.standing.held.send_replace(None);
        self.tell_all();
        self.tell_cloud();
    }

    /// Halo Cloud is told anew which sites there are, and with which epoch.
    fn tell_cloud(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Serves nobody from now on: what only reads is cancelled, what may have written finishes, jobs wait.
    pub(crate) fn stop_serving(&self, stopped: Stopped) {
        let known = self.held() == Some(Held::Stopped(stopped));
        self.hold(Some(Held::Stopped(stopped)));
        // Of no sites any more.
        if !known && stopped.why != StopReason::Older {
            self.tell_cloud();
        }
    }

    /// The same, for good.
    pub(crate) fn hold_for_move(&self) {
        self.hold(Some(Held::Moved));
        self.tell_cloud();
    }

    /// Writes the audit's last lines, and none after them, whoever asks: what the new server goes on from is all there is. Blocks on the disk.
    pub(crate) fn shut_audit(&self, last: &[AuditLine]) -> Result<(), StoreError> {
        self.keep_used();
        self.journal.shut(|| self.store.shut_audit(last))
    }

    /// Writes lines again: nobody has what was packed.
    pub(crate) fn reopen_audit(&self) -> Result<(), StoreError> {
        self.store.reopen_audit()?;
        self.journal.reopen();
        Ok(())
    }

    /// Whether the audit goes on at another server: this one attests nothing more of it.
    pub(super) fn is_moved(&self) -> bool {
        self.held() == Some(Held::Moved)
    }

    /// Serves again. Halo Cloud may know of no sites here.
    pub(crate) fn serve_again(&self) {
        let was_away = self.held() == Some(Held::Moved);
        self.hold(None);
        if was_away {
            self.tell_cloud();
        }
    }

    fn hold(&self, held: Option<Held>) {
        let was = self.standing.held.send_replace(held);
        if was != held {
            self.tell_all();
        }
    }

    /// Whoever waits or runs asks again.
    fn tell_all(&self) {
        self.consents.send_modify(|count| *count += 1);
    }

    /// Resolves once something may be served.
    pub(crate) async fn until_serving(&self) {
        // The sender lives as long as this.
        let _ = self.standing.held.subscribe().wait_for(Option::is_none).await;
    }

    /// Whether anything is served.
    pub(super) fn serves(&self) -> Result<(), Refused> {
        match self.held() {
            None => Ok(()),
            Some(held) => Err(Refused::new(Refusal::Busy, words(held))),
        }
    }
}

/// What a gateway's caller reads.
pub(crate) fn words(held: Held) -> &'static str {
    match held {
        Held::Stopped(_) => {
            "This server of the practice has stopped: another one may be the real one. The practice must run `HaloLinkUtility status` at \
             its server: it says what to do."
        }
        Held::Moved => {
            "The practice has moved to a new server, and this is the old one: the new one answers once it is connected."
        }
    }
}
