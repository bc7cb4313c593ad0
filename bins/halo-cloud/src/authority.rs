//! `halo-cloud authority`: when several sites claim one practice's identifier, which is the one to use.

use crate::{ConfigArgument, config::Config, operator, run};
use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use directory::{Act, Change, Site};
use model::{Pms, SiteId};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, time::Duration};

/// Longest time until a change can be finished, days.
const MOST_DAYS: u32 = 90;

#[derive(Subcommand)]
pub(crate) enum Authority {
    /// Show the sites of a practice, what waits, and what was done
    Show {
        #[command(flatten)]
        practice: Practice,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Take a statement that the authoritative site has signed (`HaloLinkUtility hand-over`): it counts at once
    Take {
        /// The statement
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Begin a change without such a statement; everybody can see it until it is finished
    Begin {
        /// The site that is to be the one to use
        #[arg(long, value_name = "GUID")]
        to: SiteId,
        /// It can't be finished before
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
        days: u32,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Finish a change whose time has come
    Finish {
        #[command(flatten)]
        practice: Practice,
        /// Although the site that loses it is online, which counts as its objection
        #[arg(long)]
        although_online: bool,
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Take back a change that was begun
    Cancel {
        #[command(flatten)]
        practice: Practice,
        #[command(flatten)]
        config: ConfigArgument,
    },
}

#[derive(clap::Args)]
pub(crate) struct Practice {
    /// Its software: "Best Practice", Zedmed or D4w
    #[arg(value_name = "PMS")]
    pms: String,
    /// The vendor's identifier of the practice
    #[arg(value_name = "ID")]
    pms_id: String,
}

impl Practice {
    fn pms(&self) -> Result<Pms> {
        let named = Pms::from_display_name(&self.pms);
        named.with_context(|| format!("{}: the software is \"Best Practice\", Zedmed or D4w", self.pms))
    }
}

impl Authority {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Authority::Show { practice, config } => show(&config.load()?, &practice),
            Authority::Take { file, config } => {
                let config = config.load()?;
                let size = fs::metadata(&file).with_context(|| format!("{}", file.display()))?.len();
                ensure!(
                    size <= 2 * trust::MAX_HAND_OVER_BYTES as u64,
                    "{}: larger than any such statement",
                    file.display()
                );
                let text = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
                let said = trust::HandOver::read(&text).with_context(|| format!("{}", file.display()))?;
                operator::open(&config)?.take_hand_over(&said, &config.environment)?;
                operator::print(&[json!({ "authoritative": said.to, "before": said.from, "signed": true })])
            }
            Authority::Begin { to, days, config } => {
                let delay = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
                let change = operator::open(&config.load()?)?.begin_change(to, delay)?;
                operator::print(&[change_line(&change)])
            }
            Authority::Finish { practice, although_online, config } => {
                let config = config.load()?;
                let directory = operator::open(&config)?;
                // No cloud runs: whoever it left online is not.
                if let Some(_lock) = run::lock(&config.data)? {
                    directory.start_afresh()?;
                }
                let change = directory.finish_change(practice.pms()?, &practice.pms_id, although_online)?;
                operator::print(&[json!({ "authoritative": change.to, "signed": false })])
            }
            Authority::Cancel { practice, config } => {
                let change =
                    operator::open(&config.load()?)?.cancel_change(practice.pms()?, &practice.pms_id)?;
                operator::print(&[json!({ "cancelled": true, "to": change.to })])
            }
        }
    }
}

fn show(config: &Config, practice: &Practice) -> Result<()> {
    let stands = operator::open(config)?.authority(practice.pms()?, &practice.pms_id)?;
    ensure!(
        !stands.sites.is_empty() || !stands.acts.is_empty(),
        "no site claims {} {}",
        practice.pms,
        practice.pms_id
    );
    let mut lines: Vec<Value> = stands.sites.iter().map(site_line).collect();
    lines.extend(stands.change.as_ref().map(change_line));
    lines.extend(stands.acts.iter().map(act_line));
    operator::print(&lines)
}

fn site_line(site: &Site) -> Value {
    json!({
        "site": site.site,
        "authoritative": site.authoritative,
        "practiceName": site.facts.practice_name,
        "availability": site.availability,
        "createdAt": site.created_at.to_rfc3339(),
        "lastSeenAt": site.last_seen_at.to_rfc3339(),
    })
}

fn change_line(change: &Change) -> Value {
    json!({ "pending": true, "to": change.to, "begunAt": change.begun_at.to_rfc3339(), "readyAt": change.ready_at.to_rfc3339() })
}

fn act_line(act: &Act) -> Value {
    json!({ "at": act.at.to_rfc3339(), "what": act.what, "from": act.from, "to": act.to })
}
