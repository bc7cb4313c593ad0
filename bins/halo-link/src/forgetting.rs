//! `HaloLinkUtility forget-pairings`: starting over when the key that seals is lost for good.

use agent::{config::Config, forget};
use anyhow::{Result, bail};
use model::{Clock, SystemClock};
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

/// Forgets, when somebody says so.
pub(crate) fn pairings(path: &Path, yes: bool) -> Result<String> {
    let config = Config::read(path)?;
    if !yes && !confirmed(&config.environment)? {
        bail!("nothing was forgotten: type yes when asked, or say --yes");
    }
    let forgotten = forget::forget_pairings(&config.data, SystemClock.now(), &machine::who::own())?;
    Ok(format!(
        "{} pairings and {} codes of {} are forgotten; identity, audit and settings are as they were. Start the service, make a new \
         code for each integrator (`HaloLinkUtility pairing-code`), and let it pair again.",
        forgotten.pairings, forgotten.codes, config.environment
    ))
}

/// Whether the person at the terminal says yes.
fn confirmed(environment: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(
        io::stderr(),
        "Every integrator that is paired in {environment} has to pair again with a new code. This is for a lost sealing key; it can't be \
         undone.\nType yes to go on: "
    )?;
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}
