//! One site behind the door: its engine, what it says of itself, and whether its database is still the right practice's.

use super::{Door, Reach, Refused, lock, reach::Tries, read, write};
use crate::{
    enrich::{self, Found, Trouble},
    pms::PmsFile,
    store::{AuditLine, Happened, Said},
};
use database::{Engine, Failure};
use link_api::proto::Refusal;
use model::{Pms, SiteFacts, SiteId};
use std::{
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tunnel::head::AuthorityChange;

/// After a look that found no database, commands do not cause another one for this long.
const REST: Duration = Duration::from_secs(30);

/// One practice database behind the door.
pub struct SiteDoor {
    /// Its Halo GUID.
    pub id: SiteId,
    /// How it is reached.
    pub engine: Arc<dyn Engine>,
    file: Arc<PmsFile>,
    own: Words,
    known: RwLock<Known>,
    /// Held while the database is asked: whoever waits for it takes the answer of the one before.
    looking: Mutex<()>,
    /// It could be another database than the one that was asked last: nobody asked yet, or a connection was lost.
    unsure: AtomicBool,
    rest: Mutex<Option<Rest>>,
    tries: Tries,
    /// Another site is about to be the one to use for this practice.
    change: Mutex<Option<AuthorityChange>>,
}

/// A look found no database: for a while commands do not cause another.
#[derive(Clone, Copy)]
struct Rest {
    until: Duration,
    /// Although somebody else's connection had just worked.
    there: bool,
}

/// How a look at a site's database went: it says when to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// It told, or nothing is to be asked.
    Well,
    /// It is not there, or does not answer in time.
    Unreachable,
    /// It refuses Link's own login, or is not one of the practice software.
    Refused,
}

impl Looked {
    /// When to look again; `random` spreads the sites of many practices.
    pub fn again_in(self, random: u64) -> Duration {
        let after = Duration::from_secs(match self {
            Looked::Well => 60 * 60,
            Looked::Unreachable => 60,
            Looked::Refused => 15 * 60,
        });
        after + after / 10 * u32::try_from(random % 100).unwrap_or(0) / 100
    }
}

/// What is certain of a site without its database, and what the configuration says where the database does not.
#[derive(Clone, Debug)]
pub struct Words {
    /// Which software.
    pub pms: Pms,
    /// The practice that the site is bound to.
    pub pms_id: String,
    /// The practice's name.
    pub practice_name: Option<String>,
    /// Version of the software.
    pub pms_version: Option<String>,
}

struct Known {
    facts: Arc<SiteFacts>,
    said: Said,
    trouble: Option<String>,
    untold: Vec<(&'static str, String)>,
}

/// What the last look at a site's database brought, for the practice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastLook {
    /// Why the database could not be asked, or is not what it should be.
    pub trouble: Option<String>,
    /// Facts that it was asked for and did not tell, with why.
    pub untold: Vec<(&'static str, String)>,
    /// The identifier that it gives, when that is not the one that the site is bound to.
    pub other_pms_id: Option<String>,
}

impl std::fmt::Debug for SiteDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteDoor").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SiteDoor {
    /// A site whose database said `said` when it was last asked.
    pub(crate) fn new(
        id: SiteId,
        engine: Arc<dyn Engine>,
        file: Arc<PmsFile>,
        own: Words,
        said: Said,
    ) -> Self {
        let facts = Arc::new(facts(&*engine, &own, &said));
        SiteDoor {
            id,
            engine,
            file,
            own,
            known: RwLock::new(Known { facts, said, trouble: None, untold: Vec::new() }),
            looking: Mutex::default(),
            unsure: AtomicBool::new(true),
            rest: Mutex::default(),
            tries: Tries::default(),
            change: Mutex::default(),
        }
    }

    /// That another site is about to be the one to use for this practice, as Halo Cloud said last.
    pub fn authority_change(&self) -> Option<AuthorityChange> {
        lock(&self.change).clone()
    }

    /// Notes it; whether that is news.
    pub(crate) fn note_change(&self, change: Option<AuthorityChange>) -> bool {
        let was = std::mem::replace(&mut *lock(&self.change), change.clone());
        was != change
    }

    /// What it says of itself now.
    pub fn facts(&self) -> Arc<SiteFacts> {
        read(&self.known).facts.clone()
    }

    /// What the last look brought.
    pub fn last_look(&self) -> LastLook {
        let known = read(&self.known);
        LastLook {
            trouble: known.trouble.clone(),
            untold: known.untold.clone(),
            other_pms_id: known.said.other_pms_id.clone(),
        }
    }

    /// Keys of its software's vendor: whom they approve is let in. None: nobody vouches here.
    pub fn approval_keys(&self) -> &[Vec<u8>] {
        &self.file.approval_keys
    }

    /// Which software.
    pub fn pms(&self) -> Pms {
        self.own.pms
    }

    /// Whether its database could be reached lately; `now` on the monotonic clock.
    pub fn reach(&self, now: Duration) -> Reach {
        self.tries.reach(now)
    }

    /// The database answered, whatever it said.
    pub(super) fn answered(&self, now: Duration) {
        self.tries.answered(now);
    }

    /// Whether somebody who wants to know whether it is there should have it tried.
    pub(crate) fn wants_look(&self, now: Duration) -> bool {
        self.tries.wants_look(now)
    }

    /// A statement ended without a word of it.
    pub(super) fn was_silent(&self) {
        self.tries.was_silent();
    }

    /// It was tried, and was not there.
    pub(super) fn was_away(&self, now: Duration) {
        self.tries.failed(now);
    }

    /// A connection was lost: what answers next may be another database.
    pub(super) fn doubt(&self) {
        self.unsure.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.unsure.load(Ordering::SeqCst)
    }

    /// Whether the database is the practice's own, as far as is known.
    pub(super) fn is_own(&self) -> Result<(), Refused> {
        if read(&self.known).said.other_pms_id.is_none() {
            return Ok(());
        }
        let how = "This site's database says that it belongs to another practice than the one that this site was set up \
                   for, so nothing is run. The practice must run `HaloLinkUtility status` at its server: it says what to do.";
        Err(Refused::new(Refusal::Busy, how))
    }
}

fn facts(engine: &dyn Engine, own: &Words, said: &Said) -> SiteFacts {
    let first = |said: &Option<String>, own: &Option<String>| {
        said.as_ref().or(own.as_ref()).cloned().unwrap_or_default()
    };
    SiteFacts {
        pms: own.pms,
        pms_id: own.pms_id.clone(),
        practice_name: first(&said.practice_name, &own.practice_name),
        pms_version: first(&said.pms_version, &own.pms_version),
        link_version: crate::host::VERSION.to_owned(),
        catalogues: engine.catalogues(),
        enriched_at: said.at,
    }
}

impl Door {
    /// Asks a site's database whose it is, and takes what it says. Blocks on the database and the disk.
    pub fn look(&self, site: SiteId) -> Looked {
        let Some(site) = self.sites.get(&site) else { return Looked::Well };
        let _one = lock(&site.looking);
        self.ask(site, false)
    }

    /// Asks again before anything is run, when the database could be another one by now. `there`: a connection to it has
    /// just worked, so that it can be asked even if it was away a moment ago. Blocks on the database.
    ///
    /// # Errors
    /// When it is another practice's.
    pub(super) fn make_sure(&self, site: &SiteDoor, there: bool) -> Result<(), Refused> {
        if site.is_in_doubt() {
            let _one = lock(&site.looking);
            let now = self.clock.monotonic();
            let rests = lock(&site.rest).is_some_and(|rest| now < rest.until && (rest.there || !there));
            if site.is_in_doubt() && !rests {
                self.ask(site, there);
            }
        }
        site.is_own()
    }

    fn ask(&self, site: &SiteDoor, there: bool) -> Looked {
        // Before the question: what is lost while it is asked counts.
        site.unsure.store(false, Ordering::SeqCst);
        if !site.file.asks() {
            return Looked::Well;
        }
        let trouble = match enrich::ask(&*site.engine, &site.file) {
            Ok(found) => {
                site.answered(self.clock.monotonic());
                self.take(site, found);
                return Looked::Well;
            }
            Err(trouble) => trouble,
        };
        let looked = match trouble {
            Trouble::NoLogin => Looked::Well,
            // A login that is refused is refused until somebody mends it; trying often could lock its account.
            Trouble::Unasked(Failure::Sql(_)) | Trouble::NotDetected(_) => Looked::Refused,
            Trouble::Unasked(_) => Looked::Unreachable,
        };
        if looked == Looked::Unreachable {
            site.was_away(self.clock.monotonic());
            site.doubt();
            *lock(&site.rest) = Some(Rest { until: self.clock.monotonic() + REST, there });
        }
        let words = trouble.to_string();
        let mut known = write(&site.known);
        if known.trouble.as_ref() != Some(&words) {
            tracing::warn!(site = %site.id, %trouble, "the site's facts can't be read from its database");
        }
        known.trouble = Some(words);
        looked
    }

    fn take(&self, site: &SiteDoor, found: Found) {
        let before = read(&site.known).said.clone();
        let said = news(&before, &found, site, self.clock.now());
        if let Err(error) = self.store.keep_said(site.id, &said) {
            tracing::error!(site = %site.id, %error, "what the site's database said can't be kept");
        }
        let turned = match (&before.other_pms_id, &said.other_pms_id) {
            (None, Some(_)) => Some(Happened::OtherPractice),
            (Some(_), None) => Some(Happened::OwnPractice),
            _ => None,
        };
        let facts = Arc::new(facts(&*site.engine, &site.own, &said));
        let changed = {
            let mut known = write(&site.known);
            let was = std::mem::replace(&mut known.facts, facts.clone());
            (known.said, known.trouble, known.untold) = (said, None, found.untold);
            SiteFacts { enriched_at: None, ..(*was).clone() }
                != SiteFacts { enriched_at: None, ..(*facts).clone() }
        };
        if let Some(what) = turned {
            match what {
                Happened::OtherPractice => tracing::error!(site = %site.id,
                    "the site's database belongs to another practice: nothing is run; HaloLinkUtility status says what to do"),
                _ => tracing::info!(site = %site.id, "the site's database is its own practice's again"),
            }
            self.note(AuditLine::new(self.clock.now(), what, site.id));
        }
        if changed {
            tracing::info!(site = %site.id, "the site's facts changed");
            self.changed.send_modify(|count| *count += 1);
        }
    }
}

/// What is known after `found`. Of another practice's database nothing is taken but that it is one.
fn news(before: &Said, found: &Found, site: &SiteDoor, now: model::Timestamp) -> Said {
    let mut said = before.clone();
    match &found.pms_id {
        Some(id) if *id != site.own.pms_id => said.other_pms_id = Some(id.clone()),
        Some(_) => said.other_pms_id = None,
        None => {}
    }
    if said.other_pms_id.is_some() {
        return said;
    }
    let asked = &site.file.facts;
    let kept = |asked: bool, found: &Option<String>, before: Option<String>| {
        if asked { found.clone().or(before) } else { None }
    };
    said.practice_name = kept(asked.practice_name.is_some(), &found.practice_name, said.practice_name);
    said.pms_version = kept(asked.pms_version.is_some(), &found.pms_version, said.pms_version);
    if [&found.pms_id, &found.practice_name, &found.pms_version].into_iter().any(Option::is_some) {
        said.at = Some(now);
    }
    said
}

#[cfg(test)]
mod tests;
