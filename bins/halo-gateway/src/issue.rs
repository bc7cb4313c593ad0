//! The integrator's root, and what it says of its gateways: who they are, and which of them count no more.

use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gateway::{config::Config, identity, store::Store};
use model::{Clock, IntegratorId, SystemClock};
use rand::{TryRngCore, rngs::OsRng};
use std::{fs, io::Write, path::Path};
use trust::{
    Kind, Operational, Root,
    revocation::{self, MAX_INSTANCES, Revocations},
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A word about certificates so old says nothing: none is issued for more than 397 days, and here is a month for clocks that differ.
const OVER_MS: u64 = (397 + 30) * DAY_MS;

/// Who the integrator is: what practices, vendors and the platform are given.
pub(crate) fn identity(config: &Config) -> Result<serde_json::Value> {
    let (id, spki) = match &config.certificate {
        Some(path) => {
            let peer = read_certificate(path)?.peer().clone();
            (IntegratorId(peer.id), peer.root_spki)
        }
        None => {
            let root = identity::load_or_make(&config.data)?;
            (identity::integrator(&root), root.spki().to_vec())
        }
    };
    Ok(serde_json::json!({
        "integrator": id,
        "root": STANDARD.encode(spki),
        "name": config.integrator_name,
    }))
}

/// A gateway's own key and certificate, from `halo-gateway issue`.
pub(crate) fn read_certificate(path: &Path) -> Result<Operational> {
    let pem = fs::read_to_string(path).with_context(|| format!("`certificate`: {}", path.display()))?;
    Operational::from_pem(Kind::Integrator, &pem)
        .with_context(|| format!("`certificate`: {}", path.display()))
}

/// This start's certificate and its epoch.
pub(crate) fn certificate(config: &Config, clock: &dyn Clock) -> Result<(Operational, u64)> {
    let store = Store::open(&config.data)?;
    let epoch = store.raise("epoch", 0)?;
    let own = match &config.certificate {
        Some(path) => {
            let own = read_certificate(path)?;
            own.check(clock.now()).with_context(|| {
                format!("`certificate`: {}: have a new one issued with `halo-gateway issue`", path.display())
            })?;
            if own.peer().hosted != config.hosted {
                bail!(
                    "`hosted` in gateway.toml is not what `certificate` says: have it issued with or without --hosted"
                );
            }
            own
        }
        None => {
            let root = identity::load_or_make(&config.data)?;
            let random = OsRng.try_next_u32().context("no randomness")?;
            let name = identity::instance_name(&config.integrator_name, store.keep("instance", random)?);
            let serial = serial(&store, clock)?;
            store.raise(&issued(&name), serial)?;
            identity::certify(&root, &name, config.hosted, serial, clock)?
        }
    };
    Ok((own, epoch))
}

/// From the clock, so that a restored data folder does not go back to serial numbers in use before.
fn serial(store: &Store, clock: &dyn Clock) -> Result<u64> {
    Ok(store.raise("serial", u64::try_from(clock.now().0).unwrap_or(0))?)
}

/// Issues a key and certificate for a gateway on another machine, which then needs no root.
pub(crate) fn issue(
    config: &Config,
    instance: &str,
    hosted: bool,
    days: u32,
    out: &Path,
) -> Result<serde_json::Value> {
    let (root, store) = (root_at_hand(config)?, Store::open(&config.data)?);
    let (serial, now) = (serial(&store, &SystemClock)?, SystemClock.now());
    let valid = std::time::Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let own = match hosted {
        true => root.issue_hosted(instance, serial, now, valid)?,
        false => root.issue(instance, serial, now, valid)?,
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(out).with_context(|| format!("{}: can't be made", out.display()))?;
    file.write_all(own.to_pem().reveal().as_bytes())?;
    file.sync_all()?;
    store.raise(&issued(instance), serial)?;
    Ok(serde_json::json!({
        "instance": instance, "serial": serial, "expires": own.peer().not_after.to_rfc3339(), "file": out,
    }))
}

/// Revokes the certificates that a gateway has so far. Every gateway of the integrator that gets the file tells all sites.
pub(crate) fn revoke(config: &Config, instance: &str) -> Result<serde_json::Value> {
    let (root, store) = (root_at_hand(config)?, Store::open(&config.data)?);
    let path = &config.revocations;
    let was_issued = store.counter(&issued(instance))?.is_some();
    let mut word = match fs::read(path) {
        Ok(bytes) => revocation::verify(root.spki(), &bytes).with_context(|| path.display().to_string())?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Revocations::default(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    // Higher than any serial number that was ever issued from here, and than the clock, which they come from.
    let serial = serial(&store, &SystemClock)?;
    add(&mut word, instance, serial, u64::try_from(SystemClock.now().0).unwrap_or(0))?;
    let bytes = revocation::sign(&root, &word)?;
    let aside = path.with_extension("new");
    fs::write(&aside, bytes).with_context(|| aside.display().to_string())?;
    fs::rename(&aside, path).with_context(|| path.display().to_string())?;
    if !was_issued {
        // Not refused: it may have been issued before names were kept, or from a folder that was lost.
        let _ = writeln!(
            std::io::stderr(),
            "halo-gateway: nothing was ever issued to {instance:?} from this data folder: if that is a slip, revoke the right name too (the \
             practice's HaloLinkUtility pairing instances shows it as the gateway's certificate has it)"
        );
    }
    Ok(serde_json::json!({
        "instance": instance, "serial": serial, "number": word.number, "file": path, "known": was_issued,
    }))
}

/// One more gateway in the word. What only names certificates that have ended long since goes out of it. `serial` is higher than any that
/// was ever issued, and, as all of them, milliseconds of the clock.
fn add(word: &mut Revocations, instance: &str, serial: u64, now: u64) -> Result<()> {
    word.instances.retain(|_, highest| highest.saturating_add(OVER_MS) > now);
    if word.instances.len() >= MAX_INSTANCES && !word.instances.contains_key(instance) {
        let oldest = word.instances.values().min().copied().unwrap_or(now);
        let days = oldest.saturating_add(OVER_MS).saturating_sub(now).div_ceil(DAY_MS);
        bail!(
            "the word has {MAX_INSTANCES} gateways in it already, which is as many as sites read; the next of them leaves it in {days} days. \
             Until then ask the practices to shut this one out (HaloLinkUtility pairing instances --shut-out). Nothing was changed"
        );
    }
    // Rises over a file that was lost, too: sites take no lower one.
    word.number = (word.number + 1).max(serial);
    word.instances.insert(instance.to_owned(), serial);
    Ok(())
}

/// Under this counter is kept what was issued to a gateway last.
fn issued(instance: &str) -> String {
    format!("issued {instance}")
}

/// Never made here: what a new root would issue or revoke, no site knows.
fn root_at_hand(config: &Config) -> Result<Root> {
    let path = config.data.join(identity::ROOT_FILE);
    if !path.exists() {
        bail!("{}: the integrator's root is not on this machine: run this where it is", path.display());
    }
    Ok(identity::load_or_make(&config.data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_never_full_for_ever_and_says_what_to_do_while_it_is() {
        let (mut word, day) = (Revocations::default(), |n: u64| n * DAY_MS);
        for n in 0..64 {
            add(&mut word, &format!("gateway {n}"), day(1000 + n), day(1000 + n)).unwrap();
        }
        let before = word.clone();
        let said = add(&mut word, "one more", day(1100), day(1100)).unwrap_err().to_string();
        assert!(said.contains("in 327 days") && said.contains("--shut-out"), "{said}");
        assert_eq!(word, before, "nothing was changed");
        add(&mut word, "gateway 5", day(1101), day(1101)).unwrap();
        assert_eq!(word.instances["gateway 5"], day(1101), "one that is in it already needs no room");
        // All certificates of the first name have ended.
        add(&mut word, "one more", day(1427), day(1427)).unwrap();
        assert!(!word.instances.contains_key("gateway 0") && word.instances.len() == 64);
        assert_eq!(word.number, day(1427));
    }
}
