//! Whether this server is the one that serves: what Halo Cloud says of it, and what its practice says.

use super::Host;
use crate::{
    door::Held,
    store::{AuditLine, Happened, StopReason, Stopped},
};
use aws_lc_rs::digest::{SHA256, digest};
use model::SiteId;
use std::{path::Path, time::Duration};
use trust::Root;

/// Number in the event log of a server that has stopped serving.
const STOPPED: u32 = 8;

/// A hash of what the system tells this computer by; it never leaves the data folder. `None` where the system has no such thing.
pub(super) fn print() -> Option<Vec<u8>> {
    let id = machine::facts::machine_id()?;
    Some(digest(&SHA256, format!("halo-link machine\0{id}").as_bytes()).as_ref().to_vec())
}

impl Host {
    /// The environment's own folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn kit_waiting(&self) -> &crate::recovery::Waiting {
        &self.kit
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    pub(crate) fn roots(&self) -> &[(SiteId, Root)] {
        &self.sites
    }

    /// Whether Halo Cloud is told of no sites: this computer may be another one, or the practice has gone to another server.
    pub(crate) fn is_held_back(&self) -> bool {
        match self.door.held() {
            None => false,
            Some(Held::Moved) => true,
            // While it waits for a person, one of two servers is not to take the other's place whenever that is off for a moment.
            Some(Held::Stopped(stopped)) => stopped.why != StopReason::Older,
        }
    }

    /// Halo Cloud has served these sites from another server: nothing is served here from now on, over restarts too. Blocks on the disk.
    pub(crate) fn fence(&self, why: StopReason, stored: Option<u64>) {
        match self.door.held() {
            None => {}
            // It hears more of the other one: whoever confirms this server must go above that.
            Some(Held::Stopped(known)) if known.why == StopReason::Older => {
                let known = Stopped { stored: known.stored.max(stored), why, ..known };
                if self.store.stop(&known, &[]).is_ok() {
                    self.door.stop_serving(known);
                }
                return;
            }
            Some(_) => return,
        }
        let now = self.clock.now();
        let stopped = Stopped { why, epoch: self.epoch(), stored, at: now };
        // First of all: a disk that fails must not keep it serving.
        self.door.stop_serving(stopped);
        let kept =
            self.door.flush().and_then(|()| self.store.stop(&stopped, &self.lines(Happened::Stopped, None)));
        if let Err(error) = kept {
            tracing::error!(%error, "that this server has stopped serving can't be kept over its next start");
        }
        tell(&stopped);
    }

    /// Halo Cloud has taken this server again. One that has met its double does not serve by itself any more: the other one may be off for
    /// an hour, and a person says which is real. Blocks on the disk.
    pub(crate) fn taken_again(&self) {
        match self.door.held() {
            Some(Held::Stopped(stopped)) if stopped.why == StopReason::Older => {}
            _ => return,
        }
        match self.store.unstop(&self.lines(Happened::TakenAgain, None)) {
            Ok(()) => {
                tracing::warn!("Halo Cloud has taken this server again: it serves");
                self.door.serve_again();
            }
            Err(error) => {
                tracing::error!(%error, "this server can't be let serve again: the disk takes nothing")
            }
        }
    }

    /// Somebody at the practice says that this server is the real one: it begins a new generation, and serves. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be kept, or it was moved out: a sentence.
    pub(crate) fn confirm(&self, by: &str) -> Result<u64, String> {
        if self.door.held() == Some(Held::Moved) {
            return Err("this server was moved out: `HaloLinkUtility move undo` takes that back, with the service stopped".to_owned());
        }
        let lines = self.lines(Happened::Confirmed, Some(by));
        self.door.flush().map_err(|error| error.to_string())?;
        let confirmed = self.store.confirm(print().as_deref(), &lines).map_err(|error| error.to_string())?;
        let epoch =
            confirmed.ok_or("this practice's count of servers is used up; ask Halo Cloud's support")?;
        tracing::warn!(epoch, "somebody confirmed that this server is the real one");
        self.door.confirm(epoch);
        Ok(epoch)
    }

    /// Waits until nothing runs, or its time is over. Blocks.
    #[expect(clippy::disallowed_methods, reason = "on a thread that may block")]
    pub(crate) fn wait_until_quiet(&self, within: Duration) {
        let until = self.clock.monotonic() + within;
        while self.door.running() > 0 && self.clock.monotonic() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Tells the practice at a start.
    pub(crate) fn tell_standing(&self) {
        if let Some(Held::Stopped(stopped)) = self.door.held() {
            tell(&stopped);
        }
    }

    fn lines(&self, what: Happened, by: Option<&str>) -> Vec<AuditLine> {
        let now = self.clock.now();
        self.sites.iter().map(|(site, _)| AuditLine::new(now, what, *site).by(by)).collect()
    }
}

/// In the log, and in Windows' event log.
fn tell(stopped: &Stopped) {
    tracing::error!(why = stopped.why.name(), epoch = stopped.epoch, "this server has stopped serving");
    machine::events::report(machine::events::Level::Error, STOPPED, &sentence(stopped.why));
}

/// What it is, and the two ways out.
pub(crate) fn sentence(why: StopReason) -> String {
    format!(
        "This server has stopped serving: {}. If this is the copy, the old or the test server: stop and remove Halo Link here. If this is the \
         practice's real server: HaloLinkUtility confirm-server",
        why.words()
    )
}
