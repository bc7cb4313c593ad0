//! What is wrong at this site, and what to do about it.
//!
//! `look` goes and sees: files, the service, the server, the way to Halo Cloud. `checks` judge what was seen, and touch
//! nothing: each can be tried with good and bad. `show` says it to people, `bundle` packs it for support.

pub mod bundle;
pub mod checks;
pub mod codes;
pub mod look;
pub mod seen;
pub mod show;

use model::Timestamp;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Good to know.
    Note,
    /// It works, and should be looked at.
    Warning,
    /// Something does not work.
    Problem,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// For support: `HL-0203`. Stable; `docs/troubleshooting.md` has them all.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, one sentence.
    pub what: String,
    /// One next step; `None` where nothing is to be done.
    pub next: Option<String>,
    /// More, for support.
    pub detail: Option<String>,
}

impl Finding {
    fn new(code: &'static str, level: Level, what: impl Into<String>) -> Self {
        Finding { code, level, what: what.into(), next: None, detail: None }
    }

    /// As it should be.
    pub(crate) fn ok(code: &'static str, what: impl Into<String>) -> Self {
        Finding::new(code, Level::Ok, what)
    }

    /// Good to know.
    pub(crate) fn note(code: &'static str, what: impl Into<String>) -> Self {
        Finding::new(code, Level::Note, what)
    }

    /// It works, and should be looked at.
    pub(crate) fn warning(code: &'static str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Finding { next: Some(next.into()), ..Finding::new(code, Level::Warning, what) }
    }

    /// Something does not work.
    pub(crate) fn problem(code: &'static str, what: impl Into<String>, next: impl Into<String>) -> Self {
        Finding { next: Some(next.into()), ..Finding::new(code, Level::Problem, what) }
    }

    pub(crate) fn with_next(self, next: impl Into<String>) -> Self {
        Finding { next: Some(next.into()), ..self }
    }

    pub(crate) fn with_detail(self, detail: impl Into<String>) -> Self {
        Finding { detail: Some(detail.into()), ..self }
    }
}

/// What belongs together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// `The service`, `Halo Cloud` …
    pub title: &'static str,
    /// In the order of the checks.
    pub findings: Vec<Finding>,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of the program that looked.
    pub version: String,
    /// `production`, `stage` or `demo`, when the configuration could be read.
    pub environment: Option<String>,
    /// When, RFC 3339, by this server's clock.
    pub at: String,
    /// No problem was found.
    pub ok: bool,
    /// The practice's three checks first.
    pub groups: Vec<Group>,
}

impl Report {
    /// Judges what was seen.
    pub fn of(seen: &seen::Seen, now: Timestamp) -> Self {
        let groups: Vec<Group> = checks::ALL
            .iter()
            .map(|(title, checks)| Group {
                title,
                findings: checks.iter().flat_map(|check| check(seen)).collect(),
            })
            .filter(|group| !group.findings.is_empty())
            .collect();
        let worst = groups.iter().flat_map(|group| &group.findings).map(|finding| finding.level).max();
        Report {
            version: seen.version.clone(),
            environment: seen.config.as_ref().ok().map(|config| config.environment.clone()),
            at: now.to_rfc3339(),
            ok: worst != Some(Level::Problem),
            groups,
        }
    }

    /// How many there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.groups.iter().flat_map(|group| &group.findings).filter(|finding| finding.level == level).count()
    }
}
