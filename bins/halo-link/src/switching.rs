//! `HaloLinkUtility environment`: which one it is, and the way to another.

use agent::{config::Config, environment};
use anyhow::{Result, bail};
use model::{Clock, SystemClock};
use serde_json::json;
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

/// Says which environment it is, and where its data lies.
pub(crate) fn show(path: &Path, json: bool) -> Result<String> {
    let config = Config::read(path)?;
    let (name, data, cloud) = (&config.environment, config.data.display().to_string(), &config.cloud.url);
    if json {
        return Ok(json!({ "environment": name, "data": data, "cloud": cloud }).to_string());
    }
    Ok(format!(
        "The environment is {name}.\n  Halo Cloud: {cloud}\n  identity and data: {data}\nTo go over to another one:  \
         HaloLinkUtility environment set stage | production"
    ))
}

/// Switches, when somebody says so.
pub(crate) fn set(path: &Path, to: &str, yes: bool) -> Result<String> {
    let config = Config::read(path)?;
    let from = config.environment.as_str();
    if from == to {
        return Ok(format!("The environment is {to} already; nothing was changed."));
    }
    if !yes && !confirmed(from, to)? {
        bail!("nothing was changed: to go over to {to}, type its name when asked, or say --yes");
    }
    environment::switch(path, to, &machine::who::own(), SystemClock.now())?;
    let now = Config::read(path)?;
    Ok(format!(
        "link.toml says {to} now. It counts from the service's next start on:\n  {}\n{from} keeps its identity, pairings and audit \
         where they are, and has them again when you switch back.\n{to} has its own in {}: another Halo ID, and integrators pair \
         there anew.",
        if cfg!(windows) {
            "net stop \"Halo Link Service\" && net start \"Halo Link Service\""
        } else {
            "systemctl restart halo-link"
        },
        now.data.display()
    ))
}

/// Whether the person at the terminal types the name of where to go.
fn confirmed(from: &str, to: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(
        io::stderr(),
        "From {from} to {to}: integrators that are paired in {from} reach this practice no more, until you switch back.\nType {to} \
         to go on: "
    )?;
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim() == to)
}
