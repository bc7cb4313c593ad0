//! The operator's commands. They work beside a running cloud: both use the same file.

use crate::{
    config::Config,
    publish::{self, Publication},
    run,
};
use anyhow::{Context, Result, ensure};
use directory::Directory;
use model::{Clock, IntegratorId, SiteId, SystemClock};
use std::{io::Write, sync::Arc};
use tunnel::control::Fixed32;

pub(crate) fn admit(config: &Config, integrator: IntegratorId, name: &str) -> Result<()> {
    ensure!(!directory::clean(name, 200).is_empty(), "--name: say what you call this integrator");
    let kept = open(config)?.admit(integrator, name)?;
    print(&[serde_json::json!({ "admitted": true, "integrator": kept.id, "name": kept.name })])
}

pub(crate) fn remove(config: &Config, integrator: IntegratorId) -> Result<()> {
    let removed = open(config)?.remove_integrator(integrator)?;
    ensure!(removed, "integrator {integrator} is not admitted: nothing to remove");
    print(&[serde_json::json!({ "removed": true, "integrator": integrator })])
}

pub(crate) fn integrators(config: &Config) -> Result<()> {
    let all = open(config)?.integrators()?;
    let line = |i: directory::Integrator| {
        serde_json::json!({
            "integrator": i.id,
            "name": i.name,
            "admittedAt": i.admitted_at.to_rfc3339(),
            "removedAt": i.removed_at.map(|t| t.to_rfc3339()),
        })
    };
    print(&all.into_iter().map(line).collect::<Vec<_>>())
}

pub(crate) fn sites(config: &Config) -> Result<()> {
    let directory = open(config)?;
    // No cloud runs: whoever it left online is not.
    if let Some(_lock) = run::lock(&config.data)? {
        directory.start_afresh()?;
    }
    let line = |s: directory::Site| {
        serde_json::json!({
            "site": s.site,
            "link": s.link,
            "practiceManagementName": s.facts.pms.display_name(),
            "practiceManagementSiteId": s.facts.pms_id,
            "practiceName": s.facts.practice_name,
            "availability": s.availability,
            "status": s.status,
            "authoritative": s.authoritative,
            "epoch": s.epoch,
            "createdAt": s.created_at.to_rfc3339(),
            "lastSeenAt": s.last_seen_at.to_rfc3339(),
        })
    };
    print(&directory.sites()?.into_iter().map(line).collect::<Vec<_>>())
}

pub(crate) fn witnesses(config: &Config, site: Option<SiteId>) -> Result<()> {
    let line = |w: directory::Witness| {
        let mut line = serde_json::json!({
            "site": w.site,
            "number": w.number,
            "chain": Fixed32(w.chain),
            "at": w.at.to_rfc3339(),
        });
        if let Some(back_at) = w.back_at {
            line["backAt"] = back_at.to_rfc3339().into();
        }
        line
    };
    print(&open(config)?.witnesses(site)?.into_iter().map(line).collect::<Vec<_>>())
}

pub(crate) fn publish_update(config: &Config, environment: &str, what: &Publication<'_>) -> Result<()> {
    ensure!(
        environment == config.environment,
        "--environment: this cloud is {}, so {environment} has another configuration file",
        config.environment
    );
    let updates =
        config.updates.as_ref().context("this cloud serves no updates: add [updates] folder = \"…\"")?;
    let offer = publish::publish(&updates.folder, environment, what, SystemClock.now())?;
    print(&[
        serde_json::json!({ "published": true, "environment": environment, "platform": what.platform.name(), "offer": offer }),
    ])
}

/// Opens the directory, and makes it where the cloud has never run: an integrator may be admitted first.
pub(crate) fn open(config: &Config) -> Result<Directory> {
    let data = &config.data;
    std::fs::create_dir_all(data)
        .with_context(|| format!("data: can't make the folder {}", data.display()))?;
    let path = data.join("directory.db");
    Directory::open(&path, Arc::new(SystemClock))
        .with_context(|| format!("data: can't open {}", path.display()))
}

pub(crate) fn print(lines: &[serde_json::Value]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}
