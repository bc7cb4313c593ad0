//! What becomes of waiting work, schedules and kept results when the practice no longer consents to them.

use super::{Jobs, StoreError, narrowed::Judged};
use crate::{door::Refused, store::Who};
use link_api::proto::{JobStatus, Refusal};
use std::{cell::RefCell, collections::HashMap, sync::Arc, time::Duration};
use tokio::time::timeout;

/// What expires is seen within this time; what is changed, at once.
const LOOK: Duration = Duration::from_millis(500);

impl Jobs {
    /// Refuses what waits as soon as it may not run any more, and closes what was ended for good, until it is dropped.
    pub(super) async fn watch_consent(self: Arc<Self>) {
        let mut changes = self.door.consent_changes();
        let mut look = true;
        let mut judged = Judged::new();
        loop {
            if !look && !self.queue().is_waited_in() {
                // Nothing to refuse: an idle site costs nothing.
                look = timeout(LOOK, changes.changed()).await.is_ok();
                continue;
            }
            let jobs = self.clone();
            let mut under = std::mem::take(&mut judged);
            let done = tokio::task::spawn_blocking(move || {
                jobs.refuse_waiting();
                if look {
                    jobs.refuse_narrowed(&mut under);
                }
                let more = look && jobs.close_ended()?;
                Ok::<_, StoreError>((more, under))
            });
            look = match done.await {
                Ok(Ok((more, under))) => {
                    judged = under;
                    timeout(LOOK, changes.changed()).await.is_ok() || more
                }
                failed => {
                    // What was judged is judged again.
                    if let Ok(Err(error)) = failed {
                        tracing::error!(%error, "jobs that are not consented to any more can't be ended; tried again");
                    }
                    self.pause().await;
                    true
                }
            };
        }
    }

    /// Ends what waits for somebody who is not let in now: it is told at once, not when its turn would have come. A schedule
    /// that is only paused has its run refused, and the next one comes at its time.
    fn refuse_waiting(&self) {
        // Asked once for each, however much of it waits.
        let asked: RefCell<HashMap<Who, Option<Refused>>> = RefCell::default();
        let barred = self.queue().take_barred(|site, who| {
            let answer = || self.door.barred(site, who).map(|(refused, _)| refused);
            asked.borrow_mut().entry((site, who)).or_insert_with(answer).clone()
        });
        for (item, refused) in barred {
            self.end_unrun(&item, refused.ended());
        }
    }

    /// Ends schedules, and forgets results, of those who were revoked or unpaired: nobody will ask for them again. Answers
    /// whether something of theirs still runs. Blocks on the disk.
    fn close_ended(&self) -> Result<bool, StoreError> {
        let mut runs = false;
        for of in self.store.job_owners()? {
            let Some((refused, true)) = self.door.barred(of.0, of.1) else { continue };
            for job in self.store.open_jobs(&of)? {
                if matches!(job.state, JobStatus::JobQueued | JobStatus::JobEnabled) {
                    self.cancel(&job, false)?;
                }
            }
            if !matches!(self.door.barred(of.0, of.1), Some((_, true))) {
                // It paired again meanwhile: what it has now is its own.
                continue;
            }
            for job in self.store.expire_owner(&of, self.moment())? {
                self.forget(&job.key);
                self.changed.ring(&job.id);
            }
            let left = !self.store.open_jobs(&of)?.is_empty();
            if !left && refused.refusal == Refusal::Unpaired {
                self.store.close_journal(&of)?;
            }
            runs |= left;
        }
        Ok(runs)
    }
}
