//! Taking a job: read, asked about at the door, and on disk before it is answered.

use super::{Jobs, StoreError, run};
use crate::{
    door::{Refused, Request},
    pairing::Caller,
    store::{LedgerKey, NewJob, Submitted},
    untold::strip,
};
use link_api::{
    convert,
    proto::{self, JobState, JobStatus, Refusal},
};
use model::{Command, DeviceId, IntegratorId, QueryId};
use std::sync::{Arc, MutexGuard, PoisonError};

/// Longest wait for a turn. Source: published facts, C4.
const QUEUE_MS: u32 = 2 * 60 * 60 * 1000;
/// What waits less is asked for its turn at once, and still must be seen by it.
const QUEUE_LEAST_MS: u32 = 1_000;
/// A result is kept this long, unless its caller asks otherwise.
const KEEP_MS: u64 = 24 * 60 * 60 * 1000;
/// And no longer than this.
const KEEP_MOST_MS: u64 = 7 * KEEP_MS;
const FREQUENCY_LEAST_MS: u64 = 5_000;
const DURATION_MOST_MS: u64 = 400 * 24 * 60 * 60 * 1000;
const NAME_BYTES: usize = 512;
const DIGEST: usize = 32;

/// A request that was read, and is within the limits.
#[derive(Debug)]
pub(crate) struct Wanted {
    query: QueryId,
    command: Arc<Command>,
    device: Option<DeviceId>,
    request: proto::SubmitRequest,
}

impl Wanted {
    /// Reads a request.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(crate) fn read(mut request: proto::SubmitRequest) -> Result<Self, String> {
        let query = convert::query_id(&request.query_id).map_err(|error| error.to_string())?;
        if request.digest.len() != DIGEST {
            return Err(format!("digest is not {DIGEST} bytes"));
        }
        let command = request.command.clone().ok_or("no command")?;
        let command = Arc::new(convert::command_from_proto(command).map_err(|error| error.to_string())?);
        if let Some(schedule) = &request.schedule {
            if schedule.name.len() > NAME_BYTES {
                return Err(format!("the name of a schedule has at most {NAME_BYTES} bytes"));
            }
            if schedule.frequency_ms < FREQUENCY_LEAST_MS {
                return Err("a schedule runs every 5 seconds at most".to_owned());
            }
            if schedule.duration_ms > DURATION_MOST_MS {
                return Err("a schedule goes on for 400 days at most".to_owned());
            }
        }
        let most = if request.schedule.is_some() { run::REGISTERED_MS } else { run::ASYNC_MS };
        request.run_ms = if request.run_ms == 0 { most } else { request.run_ms.min(most) };
        let device = convert::device(request.device.as_deref()).map_err(|error| error.to_string())?;
        Ok(Wanted { query, command, device, request })
    }
}

impl Jobs {
    /// Takes a job. What is refused is answered as a job that ended so, and is not kept. Blocks on the disk.
    pub(crate) fn submit(&self, caller: &Caller, wanted: Wanted) -> Result<JobState, StoreError> {
        let (peer, site) = (&caller.peer, caller.site);
        let key = LedgerKey { site, integrator: IntegratorId(peer.id), query: wanted.query };
        // Two that bring the same one at once are one after the other here: the second finds it taken, and is not counted.
        let _one = self.taking(&key);
        // From before it is let in: what is changed meanwhile is looked at once it waits.
        let changes = self.door.consent_changes();
        let known = self.store.job(&key)?.filter(|known| known.digest == wanted.request.digest);
        let request = Request {
            query: wanted.query,
            command: wanted.command,
            read_only: wanted.request.read_only,
            device: wanted.device,
        };
        let taken = match self.door.take_on(peer, site, request, known.is_some()) {
            Ok(taken) => taken,
            Err(refused) => {
                return match known {
                    Some(_) => self.known_but_refused(caller, &key, &refused),
                    None => Ok(no(wanted.query, &refused)),
                };
            }
        };
        let room = self.spool.takes_more();
        if !room && self.store.job(&key)?.is_none() {
            let how = "The site's room for results is nearly used up. Fetch or cancel what is kept there, or try again later.";
            return Ok(no(wanted.query, &Refused::new(Refusal::NoRoom, how)));
        }
        let new = NewJob {
            key,
            instance: taken.instance,
            read_only: taken.read_only,
            queue_ms: match wanted.request.queue_ms {
                // A run of a schedule that says nothing waits as long as a minute's query would.
                0 if wanted.request.schedule.is_some() => run::REGISTERED_MS,
                queue_ms => queue_ms.clamp(QUEUE_LEAST_MS, QUEUE_MS),
            },
            keep_ms: if wanted.request.keep_ms == 0 {
                KEEP_MS
            } else {
                wanted.request.keep_ms.min(KEEP_MOST_MS)
            },
            request: proto::SubmitRequest { by_hosted: taken.hosted, ..wanted.request },
        };
        self.fault("taking");
        let submitted = self.store.submit(&new, self.time.now(), self.limits)?;
        self.fault("taken");
        let refused = match submitted {
            Submitted::Known(job) => return self.state(&job, 0),
            Submitted::Taken(job) => {
                match self.store.schedule(job.id)? {
                    Some(row) => self.queue().schedule(&job, &row),
                    None => {
                        let until = job.taken_at.saturating_add(job.queue_ms);
                        let item = self.queue().wait(site, job.key.integrator, job.id, until);
                        if changes.has_changed().unwrap_or(true) {
                            self.refuse_if_narrowed(site, &item)?;
                        }
                        self.look_at(site);
                    }
                }
                self.wake.notify_one();
                return self.state(&job, 0);
            }
            Submitted::Other => Refused::new(
                Refusal::Repeated,
                "This query's id was used before for something else: nothing was taken. Send it under a new id.",
            ),
            Submitted::Fenced => return Ok(too_late(new.key.query)),
            Submitted::TooManyKept => Refused::new(
                Refusal::NoRoom,
                "The site keeps as many jobs of this integrator as it may. Try again when results of older ones have expired, or ask \
                 for results to be kept for less long.",
            ),
            Submitted::TooManyWaiting => Refused::new(
                Refusal::NoRoom,
                "As many jobs of this integrator wait at the site as may. Try again when some have ended, with growing pauses.",
            ),
        };
        Ok(no(new.key.query, &refused))
    }

    fn taking(&self, key: &LedgerKey) -> MutexGuard<'_, ()> {
        // An id is as good as random in its last byte, whatever its version.
        let at = usize::from(key.query.as_bytes()[15]) % self.taking.len();
        self.taking[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken before, it may have run since: a repeat must not be told that it did not. It gets no more than who asks how it stands.
    fn known_but_refused(
        &self,
        caller: &Caller,
        key: &LedgerKey,
        refused: &Refused,
    ) -> Result<JobState, StoreError> {
        let paired = self.door.paired(&caller.peer, caller.site).is_ok();
        let Some(known) = self.store.job(key)?.filter(|_| paired) else {
            let mut state = no(key.query, refused);
            state.ended.iter_mut().for_each(|ended| ended.effect = proto::Effect::Unknown.into());
            return Ok(state);
        };
        let mut state = self.state(&known, 0)?;
        if self.door.check(&caller.peer, caller.site).is_err() {
            strip(&mut state);
        }
        Ok(state)
    }
}

/// Cancelled before it came.
fn too_late(query: QueryId) -> JobState {
    let ended = proto::Ended {
        status: proto::Status::Cancelled.into(),
        effect: proto::Effect::NotExecuted.into(),
        ..proto::Ended::default()
    };
    JobState {
        query_id: query.as_bytes().to_vec(),
        status: JobStatus::JobEnded.into(),
        ended: Some(ended),
        ..JobState::default()
    }
}

fn no(query: QueryId, refused: &Refused) -> JobState {
    JobState {
        query_id: query.as_bytes().to_vec(),
        status: JobStatus::JobEnded.into(),
        ended: Some(refused.ended()),
        ..JobState::default()
    }
}
