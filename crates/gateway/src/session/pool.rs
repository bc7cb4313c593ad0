//! The warm sessions: concurrent callers share one attempt, idle ones are closed.

use super::{
    call::CallError,
    open::{OpenError, Opener, Session, Showing},
};
use crate::{cloud::Cloud, store::Store, witness::Witnesses};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use link_api::{Tuning, proto};
use model::{Clock, SiteFacts, SiteId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use trust::Operational;

/// A session that nobody used for this long is closed.
const IDLE: Duration = Duration::from_secs(300);
/// A site that does not know us is not asked again for this long: each question costs it a handshake.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Which of a site's two sessions: a bulk answer must not make a one-row answer wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Answers in the published form: small and waited for.
    Prompt,
    /// Streams.
    Bulk,
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Session>, OpenError>>>;

enum Slot {
    Open {
        session: Arc<Session>,
        used: Duration,
    },
    Opening {
        attempt: Attempt,
        number: u64,
    },
    /// The site does not let us in, for this reason.
    NotLetIn {
        until: Duration,
        why: OpenError,
    },
}

/// All sessions of this gateway. Cloning shares them.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    opener: Opener,
    slots: Mutex<Slots>,
    opened: OnceLock<Box<dyn Fn(SiteId) + Send + Sync>>,
}

#[derive(Default)]
struct Slots {
    by_key: HashMap<(SiteId, Lane), Slot>,
    attempts: u64,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// None open yet.
    pub fn new(
        cloud: Arc<dyn Cloud>,
        own: Operational,
        (store, witnesses): (Arc<Store>, Arc<Witnesses>),
        clock: Arc<dyn Clock>,
        tuning: Tuning,
        showing: Showing,
    ) -> Self {
        let opener = Opener { cloud, own, store, witnesses, clock, tuning, showing };
        Sessions { inner: Arc::new(Inner { opener, slots: Mutex::default(), opened: OnceLock::new() }) }
    }

    /// A session that the site says is paired: a warm one, or a new one.
    pub async fn get(&self, site: SiteId, lane: Lane) -> Result<Arc<Session>, OpenError> {
        let attempt = {
            let now = self.inner.opener.clock.monotonic();
            let mut slots = self.inner.lock();
            match slots.by_key.get_mut(&(site, lane)) {
                Some(Slot::Open { session, used }) if !session.is_closed() => {
                    *used = now;
                    return Ok(Arc::clone(session));
                }
                Some(Slot::Opening { attempt, .. }) => attempt.clone(),
                Some(Slot::NotLetIn { until, why }) if now < *until => return Err(why.clone()),
                _ => self.begin(&mut slots, site, lane),
            }
        };
        attempt.await
    }

    /// What a site itself said when a session was opened that still stands.
    pub fn facts(&self, site: SiteId) -> Option<SiteFacts> {
        let slots = self.inner.lock();
        [Lane::Prompt, Lane::Bulk].into_iter().find_map(|lane| match slots.by_key.get(&(site, lane)) {
            Some(Slot::Open { session, .. }) if !session.is_closed() => session.facts.clone(),
            _ => None,
        })
    }

    /// A session of one's own, paired or not.
    pub async fn open_apart(&self, site: SiteId) -> Result<Session, OpenError> {
        self.inner.opener.open(site).await
    }

    /// The next caller at each site opens a new session; who is in one stays there, and who waits for one gets it. A site that did not let
    /// us in is asked again.
    pub fn forget_all(&self) {
        // What is being opened, too: it may have said hello already.
        self.inner.lock().by_key.clear();
    }

    /// A site refused us, by this number of the contract's. Where it misses the vendor's approval, the next caller shows it once more: it
    /// may have been shown before its time.
    pub fn refused(&self, site: SiteId, refusal: i32) {
        if refusal == i32::from(proto::Refusal::ApprovalExpired) {
            self.forget(site);
        }
    }

    /// Forgets a session that failed.
    pub fn discard(&self, failed: &Arc<Session>, lane: Lane) {
        let mut slots = self.inner.lock();
        let key = (failed.site, lane);
        if matches!(slots.by_key.get(&key), Some(Slot::Open { session, .. }) if Arc::ptr_eq(session, failed))
        {
            slots.by_key.remove(&key);
        }
    }

    /// The same when the error says that the connection may be at fault. Silence does: nobody knows whether there is still somebody.
    pub fn discard_broken(&self, session: &Arc<Session>, lane: Lane, error: &CallError) {
        use link_api::Code as C;
        let fine = matches!(error, CallError::Failed(status) if matches!(
            status.code(),
            C::InvalidArgument | C::PermissionDenied | C::Unauthenticated | C::ResourceExhausted | C::Unimplemented | C::NotFound
        ));
        if !fine {
            self.discard(session, lane);
        } else if let CallError::Failed(status) = error {
            self.refused(session.site, link_api::refusal::of_status(status).map_or(0, i32::from));
        }
    }

    /// Whether a site can be asked without dialling it.
    pub fn is_warm(&self, site: SiteId, lane: Lane) -> bool {
        matches!(self.inner.lock().by_key.get(&(site, lane)), Some(Slot::Open { session, .. }) if !session.is_closed())
    }

    /// The sessions of a lane that are open now.
    pub fn warm(&self, lane: Lane) -> Vec<Arc<Session>> {
        let slots = self.inner.lock();
        let open = slots.by_key.iter().filter_map(|((_, of), slot)| match slot {
            Slot::Open { session, .. } if *of == lane && !session.is_closed() => Some(Arc::clone(session)),
            _ => None,
        });
        open.collect()
    }

    /// Calls back whenever a session in the prompt lane has been opened. Once only.
    pub fn on_open(&self, tell: impl Fn(SiteId) + Send + Sync + 'static) {
        let _ = self.inner.opened.set(Box::new(tell));
    }

    /// Forgets what is known of a site (it paired us, or no longer knows us). Calls under way finish.
    pub fn forget(&self, site: SiteId) {
        let mut slots = self.inner.lock();
        slots.by_key.retain(|(of, _), _| *of != site);
    }

    /// Closes what is idle or dead. Called every half minute.
    pub fn sweep(&self) {
        let now = self.inner.opener.clock.monotonic();
        let mut slots = self.inner.lock();
        slots.by_key.retain(|_, slot| match slot {
            Slot::Open { session, used } => {
                let in_use = Arc::strong_count(session) > 1;
                if in_use {
                    *used = now;
                }
                !session.is_closed() && now.saturating_sub(*used) < IDLE
            }
            Slot::Opening { .. } => true,
            Slot::NotLetIn { until, .. } => now < *until,
        });
    }

    /// Starts an attempt in a task of its own, so that it does not end with the caller who happened to be first.
    fn begin(&self, slots: &mut Slots, site: SiteId, lane: Lane) -> Attempt {
        slots.attempts += 1;
        let number = slots.attempts;
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let opened = inner.opener.open(site).await.map(Arc::new);
            let now = inner.opener.clock.monotonic();
            let mut slots = inner.lock();
            let ours = matches!(slots.by_key.get(&(site, lane)), Some(Slot::Opening { number: n, .. }) if *n == number);
            let (slot, answer) = match opened {
                Ok(session) if session.paired => {
                    (Some(Slot::Open { session: Arc::clone(&session), used: now }), Ok(session))
                }
                Ok(session) => {
                    let why = not_let_in(session.refusal);
                    (Some(Slot::NotLetIn { until: now + ASK_AGAIN, why: why.clone() }), Err(why))
                }
                Err(e) => (None, Err(e)),
            };
            if ours {
                match slot {
                    Some(slot) => slots.by_key.insert((site, lane), slot),
                    None => slots.by_key.remove(&(site, lane)),
                };
            }
            drop(slots);
            if let (Ok(_), Lane::Prompt, Some(tell)) = (&answer, lane, inner.opened.get()) {
                tell(site);
            }
            answer
        });
        let attempt: Attempt = async move {
            task.await
                .unwrap_or_else(|_| Err(OpenError::Internal("the task that opens a session failed".into())))
        }
        .boxed()
        .shared();
        slots.by_key.insert((site, lane), Slot::Opening { attempt: attempt.clone(), number });
        attempt
    }
}

/// What a site's answer means that does not let us in. One from before it said why gives none.
fn not_let_in(refusal: i32) -> OpenError {
    match link_api::refusal::words_of(refusal) {
        Some(_) => OpenError::Refused(refusal),
        None => OpenError::NotPaired,
    }
}
