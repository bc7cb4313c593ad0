//! What waits is held against the practice's consent when that is changed, not when its turn comes: an integrator that may not run
//! it any more is told so at once.

use super::{Jobs, StoreError, queue::Item, run_id};
use crate::{
    door::{Refused, Taken},
    store::{Job, PairingRecord, Who},
};
use link_api::{
    convert,
    proto::{JobStatus, SubmitRequest},
};
use model::{Command, QueryId, SiteId};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Under whose terms what waits was let on last.
pub(super) type Judged = HashMap<Who, Arc<PairingRecord>>;

/// Something that waits, read from the disk.
pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) request: SubmitRequest,
    /// The job's, or that of a schedule's run.
    pub(super) query: QueryId,
    pub(super) taken: Taken,
    pub(super) command: Arc<Command>,
}

impl Jobs {
    /// What an item of the queue stands for; `None` when it is not to be run any more. Blocks on the disk.
    pub(super) fn read_waiting(&self, item: &Item) -> Result<Option<Waiting>, StoreError> {
        let Some(job) = self.store.job_by_id(item.job)? else { return Ok(None) };
        let wanted = if item.run.is_some() { JobStatus::JobEnabled } else { JobStatus::JobQueued };
        let Some(mut request) = self.store.job_request(&job)?.filter(|_| job.state == wanted) else {
            return Ok(None);
        };
        let device = convert::device(request.device.as_deref());
        let device = device.map_err(|_| StoreError::Broken("a job's device"))?;
        let command = request.command.take().ok_or(StoreError::Broken("a job's command"))?;
        let command =
            convert::command_from_proto(command).map_err(|_| StoreError::Broken("a job's command"))?;
        let taken = Taken {
            site: job.key.site,
            integrator: job.key.integrator,
            instance: job.instance.clone(),
            read_only: job.read_only,
            device,
            hosted: request.by_hosted,
            // Each run of a schedule is a query of its own.
            counted: item.run.is_none(),
        };
        let query = item.run.map_or(job.key.query, |run| run_id(job.key.query, run));
        Ok(Some(Waiting { job, request, query, taken, command: Arc::new(command) }))
    }

    /// Ends what waits of those whose terms have changed and that they do not allow any more. Blocks on the disk.
    pub(super) fn refuse_narrowed(&self, judged: &mut Judged) {
        let waiting = self.queue().items();
        let owners: HashSet<Who> = waiting.iter().map(|(site, item)| (*site, item.who)).collect();
        let mut changed = Judged::new();
        for of in &owners {
            if let Some(pairing) = self.door.pairing(of.0, of.1)
                && judged.get(of).is_none_or(|before| before.consent.terms != pairing.consent.terms)
            {
                changed.insert(*of, pairing);
            }
        }
        for (site, item) in waiting.iter().filter(|(site, item)| changed.contains_key(&(*site, item.who))) {
            if let Err(error) = self.refuse_if_narrowed(*site, item) {
                // One that can't be read must not keep the others waiting; it is looked at again at its turn.
                tracing::warn!(%error, "a job that waits can't be held against a changed consent");
            }
        }
        judged.retain(|of, _| owners.contains(of));
        judged.extend(changed);
    }

    /// Ends one that waits, when the practice does not consent to it any more.
    pub(super) fn refuse_if_narrowed(&self, site: SiteId, item: &Item) -> Result<(), StoreError> {
        if let Some(refused) = self.is_narrowed(item)?
            && self.queue().take(site, item)
        {
            self.end_unrun(item, refused.ended());
        }
        Ok(())
    }

    fn is_narrowed(&self, item: &Item) -> Result<Option<Refused>, StoreError> {
        let Some(waiting) = self.read_waiting(item)? else { return Ok(None) };
        Ok(self.door.still_consents(&waiting.taken, &waiting.command).err())
    }
}
