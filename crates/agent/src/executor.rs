//! The lanes of each site: takes commands in turn, runs each on a blocking thread, and streams what comes.
//!
//! The thread that runs a command owns its [`Permit`](crate::door::Permit) and writes its end down before anybody is
//! told of it. The task beside it packs and sends, keeps the time, and notices a caller that goes away.

pub(crate) mod bulk;
mod cap;
mod course;
mod ending;
mod flow;
mod hold;
mod lane;
mod lost;
mod pool;
mod sink;
#[cfg(test)]
mod tests;
mod turns;
mod work;

use crate::door::{Admission, Door, Refused, Stage, Watch};
use cap::Cap;
use course::Stop;
use database::{Session, Terms, pick::Sets};
use flow::{Flow, News, Rows, Unsent};
pub(crate) use hold::Held;
pub(crate) use lane::Turn;
use lane::{Lane, NoTurn};
use link_api::{
    pack::Packer,
    proto::{self, RunEvent},
};
use lost::Lost;
use model::{Access, Clock, IntegratorId, SiteId, limit};
use pool::Pool;
use std::{
    collections::HashMap,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use turns::{Class, Room};

/// First rows are sent at latest this long after they were read.
const LINGER: Duration = Duration::from_millis(5);
/// A statement that was told to end has this long before the caller is answered without it.
const GRACE: Duration = Duration::from_secs(5);
/// A caller that does not read has this long to take the last message.
const LAST_WORD: Duration = Duration::from_secs(60);
/// So many integrators may fill their part of the line.
const INTEGRATORS: usize = 16;
/// Messages on their way to one caller.
const IN_FLIGHT: usize = 2;

const MIB: u64 = 1024 * 1024;

/// How much the lanes of one site do at once, and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Commands in the database at once, at most: fewer while its server is slow.
    pub running: usize,
    /// Of these, async and registered queries, at most.
    pub bulk: usize,
    /// Commands of one integrator that wait for their turn; one more is refused.
    pub waiting: usize,
    /// A command whose answer is kept whole may not run longer, whatever it asks for, ms.
    pub run_ms: u32,
    /// One whose rows are streamed may not run longer, ms.
    pub stream_ms: u32,
    /// Enforced read-only work waits for somebody else's lock at most this long, ms.
    pub lock_ms: u32,
    /// A session that was not used for this long is closed, ms.
    pub idle_ms: u32,
    /// A statement that was told to end, and whose caller was answered without it, keeps its place for this long, ms. Longer than an
    /// engine takes to close the connection of what does not heed a cancel.
    pub leave_ms: u32,
    /// Inner sessions of paired integrators at once, of all sites together.
    pub sessions: usize,
    /// Of these, of one integrator with one site.
    pub sessions_each: usize,
    /// How much of the disk results may take, of all sites together.
    pub spool: spool::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            running: 8,
            bulk: 2,
            waiting: 256,
            run_ms: limit::IMMEDIATE_EXECUTION_MS,
            stream_ms: 60 * 60 * 1000,
            lock_ms: 5_000,
            idle_ms: 60_000,
            leave_ms: 25_000,
            // A gateway has two with a site, one for answers that are waited for and one for streams: a thousand integrators, and
            // each again while the old ones are not known to be dead.
            sessions: 4_096,
            sessions_each: 32,
            spool: spool::Limits { budget: 10_240 * MIB, keep_free: 2_048 * MIB },
        }
    }
}

impl Limits {
    /// Work that may only read never holds the practice's own up: it waits for no lock long, and gives way in a deadlock.
    fn terms(&self, access: Access) -> Terms {
        match access {
            Access::ReadOnly => {
                let lock_wait = Some(Duration::from_millis(self.lock_ms.into()));
                Terms { lock_wait, gives_way: true }
            }
            Access::ReadWrite => Terms::default(),
        }
    }
}

/// One site's database server, and who may stand before it.
struct Place {
    lane: Lane,
    /// Statements that do not end.
    lost: Arc<Lost>,
    cap: Mutex<Cap>,
}

impl Place {
    fn new(limits: Limits, clock: &Arc<dyn Clock>) -> Arc<Self> {
        let room = Room {
            most: limits.running,
            bulk: limits.bulk,
            waiting_each: limits.waiting,
            waiting: limits.waiting.saturating_mul(INTEGRATORS),
        };
        let lane = Lane::new(room, clock.clone());
        Arc::new(Place { lane, lost: Arc::default(), cap: Mutex::new(Cap::new(limits.running)) })
    }

    /// Whether nothing more of an integrator is run here.
    fn refuses(&self, who: IntegratorId) -> Option<Refused> {
        let how = "Several statements of this integrator did not end at this site when they were told to, and still hold \
                   connections to its database. Nothing more of this integrator is run until one of them has ended; the practice can end them by \
                   restarting Halo Link.";
        self.lost.too_many_of(who).then(|| Refused::new(proto::Refusal::Busy, how))
    }

    /// Whether it is time to look how busy the server is.
    fn due(&self, clock: &dyn Clock) -> bool {
        self.cap().due(clock.monotonic())
    }

    /// Looks. False when the session turned out to be dead. Blocks on the database.
    fn probe(&self, clock: &dyn Clock, session: &mut dyn Session) -> bool {
        let began = clock.monotonic();
        let lives = session.ping().is_ok();
        if lives {
            let now = clock.monotonic();
            let most = self.cap().sample(now, now.saturating_sub(began));
            self.lane.allow(most);
        }
        lives
    }

    fn cap(&self) -> MutexGuard<'_, Cap> {
        self.cap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the caller asks for beside the command itself.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// How long it may wait for its turn.
    pub queue_ms: u32,
    /// How long it may run.
    pub run_ms: u32,
    /// How rows follow one another.
    pub form: database::json::RowForm,
    /// Which result sets the caller can take.
    pub sets: Sets,
    /// Stop sending rows beyond this many bytes; 0 is no cap.
    pub max_row_bytes: u64,
}

/// Runs what the door has let in.
pub struct Executor {
    places: HashMap<SiteId, Arc<Place>>,
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Executor {
    /// An executor for all that `door` lets in.
    pub fn new(door: &Door, limits: Limits) -> Arc<Self> {
        let clock = door.clock().clone();
        Arc::new(Executor {
            places: door.sites().map(|site| (site.id, Place::new(limits, &clock))).collect(),
            pool: Arc::new(Pool::new(clock.clone(), Duration::from_millis(limits.idle_ms.into()))),
            clock,
            limits,
        })
    }

    /// Starts on its way what was let in. Dropping the receiver means that the caller is gone. The last message, and
    /// only the last, has `ended`.
    pub fn start(self: &Arc<Self>, admission: Admission, order: Order) -> mpsc::Receiver<RunEvent> {
        let (events, receiver) = mpsc::channel(IN_FLIGHT);
        let executor = self.clone();
        tokio::spawn(async move { executor.execute(admission, order, events).await });
        receiver
    }

    /// Waiting and running commands of all sites, and how many may run at once now.
    pub fn load(&self) -> (usize, usize, usize) {
        let loads = self.places.values().map(|place| place.lane.load());
        loads.fold((0, 0, 0), |all, one| (all.0 + one.0, all.1 + one.1, all.2 + one.2))
    }

    /// How long what was given up keeps its place.
    pub(crate) fn leave(&self) -> Duration {
        Duration::from_millis(self.limits.leave_ms.into())
    }

    /// Whether a site's lane gives turns to whoever may have one, and has places to give. What was forgotten is given out. Blocks for
    /// a moment.
    pub(crate) fn proves(&self, site: SiteId) -> bool {
        self.places.get(&site).is_some_and(|place| {
            // As long as a place is free others run, however many were given up.
            let (_, running, most) = place.lane.load();
            place.lane.proves() && (place.lost.count() < lost::MOST || running < most)
        })
    }

    /// Statements of a site that do not end.
    pub(crate) fn lost(&self, site: SiteId) -> usize {
        self.places.get(&site).map_or(0, |place| place.lost.count())
    }

    /// Closes all sessions that wait for a site's next command: new ones are opened. Blocks on the database.
    pub(crate) fn begin_anew(&self, site: SiteId) {
        self.pool.clear(site);
    }

    /// Closes sessions that were not used for a while. Blocks on the database.
    pub fn close_idle(&self) {
        self.pool.close_idle();
    }

    async fn execute(self: Arc<Self>, admission: Admission, order: Order, events: mpsc::Sender<RunEvent>) {
        let arrived = self.clock.monotonic();
        let Some(place) = self.places.get(&admission.site()).cloned() else {
            // The door lets nobody in to a site that it has not.
            let ended = ending::interrupted(admission.access() == Access::ReadOnly);
            return admission.give_up(&ended);
        };
        let who = admission.integrator();
        if let Some(refused) = place.refuses(who) {
            let ended = refused.ended();
            admission.give_up(&ended);
            let _ = events.try_send(RunEvent { ended: Some(ended), ..RunEvent::default() });
            return;
        }
        let queue = order.queue_ms.min(limit::IMMEDIATE_QUEUE_MAX_MS);
        let (watch, read_only) = (admission.watch(), admission.access() == Access::ReadOnly);
        let turn = tokio::select! {
            turn = place.lane.turn(who, Class::Immediate, Duration::from_millis(queue.into())) => {
                turn.map_err(|no_turn| no_turn.ended(read_only))
            }
            () = events.closed() => Err(NoTurn::CallerGone.ended(read_only)),
            // What waits is refused at once, not when its turn comes.
            refused = watch.refused(Stage::Waiting) => Err(proto::Ended { read_only, ..refused.ended() }),
        };
        let queued_ms = millis(self.clock.monotonic().saturating_sub(arrived));
        let turn = match turn {
            Ok(turn) => turn,
            Err(ended) => {
                admission.give_up(&ended);
                let started = Some(proto::Started { queued_ms });
                // A caller that is gone needs no answer.
                let _ = events.try_send(RunEvent { started, ended: Some(ended), ..RunEvent::default() });
                return;
            }
        };
        let (hold, held) = hold::hold(turn, who, place.lost.clone());
        let access = admission.access();
        let flow = Arc::new(Flow::new(read_only, order.max_row_bytes, admission.purse()));
        let work = work::Work {
            admission,
            flow: flow.clone(),
            pool: self.pool.clone(),
            clock: self.clock.clone(),
            place: place.clone(),
            form: order.form,
            sets: order.sets,
            terms: self.limits.terms(access),
            held,
        };
        let running = tokio::task::spawn_blocking(move || work.run());
        let most = if order.sets == Sets::All { self.limits.stream_ms } else { self.limits.run_ms };
        let run = Duration::from_millis(order.run_ms.min(most).into());
        let given_up = Pump {
            flow,
            events,
            packer: Packer::default(),
            started: Some(queued_ms),
            deadline: Instant::now() + run,
            watch,
        }
        .pump()
        .await;
        // What nobody waits for any longer must not keep others waiting.
        if let Some(ended) = given_up
            && timeout(self.leave(), running).await.is_err()
            && hold.leave(&ended)
        {
            tell_of_lost(place.lost.count());
        }
    }
}

/// Somebody at the practice may have to look, when it is not once.
pub(crate) fn tell_of_lost(left: usize) {
    tracing::warn!(
        left,
        most = lost::MOST,
        "a statement does not end: its place was given to others, and its connection is left to it; restarting the service ends it"
    );
}

/// What became of a piece.
enum Sent {
    /// The caller has it, or is gone.
    Taken,
    /// Time ran out meanwhile; it was sent nevertheless, or the caller is gone.
    Late,
    /// The practice shut the caller out meanwhile.
    KeptBack,
}

/// The asynchronous side of one running command.
struct Pump {
    flow: Arc<Flow>,
    events: mpsc::Sender<RunEvent>,
    packer: Packer,
    /// What the first message still has to say.
    started: Option<u32>,
    deadline: Instant,
    /// Tells when the practice no longer consents to it.
    watch: Watch,
}

impl Pump {
    /// Until it has ended, or was given up: then what was said of it.
    async fn pump(mut self) -> Option<proto::Ended> {
        let (flow, watch) = (self.flow.clone(), self.watch.clone());
        let mut refused = pin!(watch.refused(Stage::Running));
        let mut told = false;
        let mut gone = false;
        let mut overdue = false;
        // A quick command ends within the first linger: it is not woken for its first byte.
        let mut linger = Some(Instant::now() + LINGER);
        loop {
            let due = linger.is_some_and(|at| at <= Instant::now());
            if due {
                linger = None;
            }
            match flow.news(due, linger.is_none()) {
                News::Piece { columns, rows } => {
                    // A reader that is slow, and one that takes piece after piece, must not outrun the practice's word.
                    let sent = match gone {
                        true => Sent::Taken,
                        false => self.send(columns, rows, refused.as_mut(), &mut told).await,
                    };
                    match sent {
                        Sent::Taken => {}
                        Sent::Late => self.overtime(&mut overdue),
                        Sent::KeptBack => self.is_shut(&mut overdue),
                    }
                    continue;
                }
                News::Ended { columns, rows, ended } => {
                    if !gone {
                        let event = self.event(columns, rows, Some(*ended));
                        let _ = timeout(LAST_WORD, self.events.send(event)).await;
                    }
                    return None;
                }
                News::Some if linger.is_none() => linger = Some(Instant::now() + LINGER),
                News::Some | News::Nothing => {}
            }
            let lingering = async {
                match linger {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = flow.changed() => {}
                () = lingering => {}
                () = self.events.closed(), if !gone => {
                    gone = true;
                    if flow.caller_gone() {
                        // It was told to end, and is not waited for longer than what has run out of time.
                        overdue = true;
                        self.deadline = self.deadline.min(Instant::now() + GRACE);
                    }
                }
                refused = &mut refused, if !told => {
                    told = true;
                    self.flow.refuse(refused.refusal, Unsent::default());
                    self.is_shut(&mut overdue);
                }
                () = sleep_until(self.deadline) => {
                    if overdue {
                        return Some(self.answer_without_it().await);
                    }
                    self.overtime(&mut overdue);
                }
            }
        }
    }

    /// Time is up: tells the statement to end, and gives it a while to do so.
    fn overtime(&mut self, overdue: &mut bool) {
        if !*overdue {
            *overdue = true;
            self.deadline = Instant::now() + GRACE;
            self.flow.stop(Stop::TimedOut);
        }
    }

    /// The practice does not consent to it any more.
    fn is_shut(&mut self, overdue: &mut bool) {
        if self.watch.is_read_only() && !*overdue {
            // It is cancelled: when it is deaf to that, its caller is answered without it.
            *overdue = true;
            self.deadline = Instant::now() + GRACE;
        }
    }

    /// Sends a piece, unless the practice shuts the caller out meanwhile.
    async fn send(
        &mut self,
        columns: Option<proto::Columns>,
        rows: Rows,
        mut refused: Pin<&mut impl Future<Output = Refused>>,
        told: &mut bool,
    ) -> Sent {
        let (started, unsent) = (self.started, rows.count());
        let event = self.event(columns, rows, None);
        let deadline = self.deadline;
        let mut sending = pin!(self.events.send(event));
        loop {
            tokio::select! {
                biased;
                refused = refused.as_mut(), if !*told => {
                    *told = true;
                    if self.flow.refuse(refused.refusal, unsent) {
                        // The last message says it then.
                        self.started = started;
                        return Sent::KeptBack;
                    }
                    // It has ended already, and this is the rest of it.
                }
                _ = &mut sending => return Sent::Taken,
                () = sleep_until(deadline) => break,
            }
        }
        self.flow.stop(Stop::TimedOut);
        let _ = timeout(LAST_WORD, sending).await;
        Sent::Late
    }

    /// The statement did not end when it was told to. Its thread will write down how it does.
    async fn answer_without_it(mut self) -> proto::Ended {
        let ended = self.flow.give_up();
        tracing::warn!("a statement did not end when it was told to: its caller was answered without it");
        let event = self.event(None, Rows::default(), Some(ended.clone()));
        // Sent on its own: a caller that reads nothing must not keep the place taken.
        let events = self.events;
        tokio::spawn(async move { timeout(LAST_WORD, events.send(event)).await.is_ok() });
        ended
    }

    fn event(
        &mut self,
        columns: Option<proto::Columns>,
        Rows { json, .. }: Rows,
        mut ended: Option<proto::Ended>,
    ) -> RunEvent {
        let started = self.started.take().map(|queued_ms| proto::Started { queued_ms });
        let rows = (!json.is_empty()).then(|| self.packer.pack(json, ended.is_some()));
        let rows = match rows.transpose() {
            Ok(rows) => rows,
            Err(error) => {
                // Only memory can be short here. The rows so far are a cut answer: say so.
                tracing::error!(%error, "rows could not be packed");
                self.flow.stop(Stop::Broken);
                if let Some(ended) = &mut ended {
                    ended.set_status(proto::Status::Interrupted);
                }
                None
            }
        };
        RunEvent { started, columns, rows, ended }
    }
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
