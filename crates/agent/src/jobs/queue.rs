//! Whose turn it is: what waits, and when schedules are due. In memory, made of the store at each start.
//!
//! Between integrators turns go by what each has had of the database's time (start-time fair queueing); of one, first come, first
//! served.

use super::{
    fair::Fair,
    planner::{Due, Plan},
};
use crate::store::{Job, ScheduleRow};
use model::{IntegratorId, SiteId};
use std::collections::{HashMap, HashSet, VecDeque};

/// Something that waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) job: i64,
    pub(super) who: IntegratorId,
    /// Of a schedule: which run.
    pub(super) run: Option<u64>,
    /// Its turn must come before this time.
    pub(super) until: i64,
}

#[derive(Debug)]
struct Scheduled {
    site: SiteId,
    who: IntegratorId,
    plan: Plan,
    queue_ms: i64,
    /// The newest that began or was left out.
    last: Option<u64>,
    /// Its runs are left out until then.
    paused_until: i64,
    /// A run waits or goes on: none is due meanwhile.
    going: bool,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: HashMap<SiteId, VecDeque<Item>>,
    /// Who has as many statements under way as it may: what waits of theirs has no turn.
    full: HashSet<(SiteId, IntegratorId)>,
    fair: HashMap<SiteId, Fair>,
    schedules: HashMap<i64, Scheduled>,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Todo {
    /// Their turn did not come.
    pub(super) late: Vec<Item>,
    /// Schedules that are over.
    pub(super) over: Vec<i64>,
    /// Where a run has come due.
    pub(super) due: Vec<SiteId>,
    /// When there is something to be done next.
    pub(super) next: Option<i64>,
}

impl Queue {
    pub(super) fn wait(&mut self, site: SiteId, who: IntegratorId, job: i64, until: i64) -> Item {
        let item = Item { job, who, run: None, until };
        self.put(site, item);
        item
    }

    pub(super) fn put(&mut self, site: SiteId, item: Item) {
        self.waiting.entry(site).or_default().push_back(item);
    }

    /// Its turn had come, and there was no place for it: it stands in front of its integrator's others, and none of them has a turn
    /// until [`Queue::let_on`].
    pub(super) fn hold_back(&mut self, site: SiteId, item: Item) {
        self.waiting.entry(site).or_default().push_front(item);
        self.full.insert((site, item.who));
    }

    /// There may be a place for an integrator's jobs again.
    pub(super) fn let_on(&mut self, site: SiteId, who: IntegratorId) {
        self.full.remove(&(site, who));
    }

    pub(super) fn schedule(&mut self, job: &Job, row: &ScheduleRow) {
        let plan = Plan { taken: job.taken_at, frequency: row.frequency_ms, duration: row.duration_ms };
        let last = row.last_run;
        let (site, who) = (job.key.site, job.key.integrator);
        let (queue_ms, paused_until) = (job.queue_ms, row.paused_until);
        let scheduled = Scheduled { site, who, plan, queue_ms, last, paused_until, going: false };
        self.schedules.insert(job.id, scheduled);
    }

    /// A job that is over waits for nothing.
    pub(super) fn remove(&mut self, job: i64) {
        self.schedules.remove(&job);
        self.waiting.values_mut().for_each(|items| items.retain(|item| item.job != job));
    }

    /// Takes out what waits for those of whom `barred` says why it may not run.
    pub(super) fn take_barred<T>(
        &mut self,
        barred: impl Fn(SiteId, IntegratorId) -> Option<T>,
    ) -> Vec<(Item, T)> {
        let mut out = Vec::new();
        for (site, items) in &mut self.waiting {
            for item in std::mem::take(items) {
                match barred(*site, item.who) {
                    Some(why) => out.push((item, why)),
                    None => items.push_back(item),
                }
            }
        }
        out
    }

    /// All that waits.
    pub(super) fn items(&self) -> Vec<(SiteId, Item)> {
        self.waiting.iter().flat_map(|(site, items)| items.iter().map(|item| (*site, *item))).collect()
    }

    /// Takes out one that waits; `false` when its turn has come meanwhile, or it is over.
    pub(super) fn take(&mut self, site: SiteId, item: &Item) -> bool {
        let Some(items) = self.waiting.get_mut(&site) else { return false };
        let at = items.iter().position(|other| other == item);
        at.and_then(|at| items.remove(at)).is_some()
    }

    /// Whether anything waits anywhere.
    pub(super) fn is_waited_in(&self) -> bool {
        self.waiting.values().any(|items| !items.is_empty())
    }

    /// Whether somebody waits whose turn may still come.
    pub(super) fn waits(&self, site: SiteId, now: i64) -> bool {
        let may = |item: &Item| item.until > now && !self.full.contains(&(site, item.who));
        self.waiting.get(&site).is_some_and(|items| items.iter().any(may))
    }

    /// Whose turn it is. Tell [`Queue::ran`] when it has ended.
    pub(super) fn pop(&mut self, site: SiteId, now: i64) -> Option<Item> {
        let items = self.waiting.get_mut(&site)?;
        let fair = self.fair.entry(site).or_default();
        let may = |item: &Item| item.until > now && !self.full.contains(&(site, item.who));
        let may = items.iter().enumerate().filter(|(_, item)| may(item));
        let (at, _) = may.min_by_key(|(at, item)| (fair.had(&item.who), *at))?;
        let item = items.remove(at)?;
        fair.begins(item.who);
        Some(item)
    }

    /// What [`Queue::pop`] gave has ended, after so many milliseconds.
    pub(super) fn ran(&mut self, site: SiteId, who: IntegratorId, ms: u64) {
        if let Some(fair) = self.fair.get_mut(&site) {
            fair.ended(who, ms);
        }
    }

    /// A run has ended now, and is to be written down: those that came due meanwhile are left out. Answers the newest that
    /// began or was left out. None is due until it is [`Queue::over`].
    pub(super) fn after_run(&mut self, job: i64, ran: u64, now: i64) -> u64 {
        let Some(scheduled) = self.schedules.get_mut(&job) else { return ran };
        let last = scheduled.plan.after_run(now, ran);
        scheduled.last = scheduled.last.max(Some(last));
        last
    }

    /// A run is over and written down: the next may come.
    pub(super) fn over(&mut self, job: i64, ran: u64) {
        if let Some(scheduled) = self.schedules.get_mut(&job) {
            scheduled.going = false;
            scheduled.last = scheduled.last.max(Some(ran));
        }
    }

    /// Takes out what is late, and puts in what is due.
    pub(super) fn tick(&mut self, now: i64) -> Todo {
        let mut todo = Todo::default();
        for (id, scheduled) in &mut self.schedules {
            if scheduled.going {
                continue;
            }
            match scheduled.plan.due(now, scheduled.last) {
                Due::Run(_) if now < scheduled.paused_until => {
                    todo.next = sooner(todo.next, scheduled.paused_until.min(scheduled.plan.over_at()));
                }
                Due::Run(n) => {
                    scheduled.going = true;
                    let until = scheduled.plan.until(n).min(now.saturating_add(scheduled.queue_ms));
                    let item = Item { job: *id, who: scheduled.who, run: Some(n), until };
                    self.waiting.entry(scheduled.site).or_default().push_back(item);
                    todo.due.push(scheduled.site);
                }
                Due::At(at) => todo.next = sooner(todo.next, at),
                Due::Over => todo.over.push(*id),
            }
        }
        for items in self.waiting.values_mut() {
            todo.late.extend(items.iter().filter(|item| item.until <= now));
            items.retain(|item| item.until > now);
            todo.next =
                items.iter().map(|item| item.until).min().map_or(todo.next, |at| sooner(todo.next, at));
        }
        todo
    }
}

fn sooner(next: Option<i64>, at: i64) -> Option<i64> {
    Some(next.map_or(at, |next| next.min(at)))
}
