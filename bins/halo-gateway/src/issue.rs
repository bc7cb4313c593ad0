//! The integrator's root, and what it says of its gateways: who they are, and which of them count no more.

use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gateway::{config::Config, identity, store::Store};
use model::{Clock, IntegratorId, SystemClock};
use rand::{TryRngCore, rngs::OsRng};
use std::{fs, io::Write, path::Path};
use trust::{Kind, Operational, Root, revocation};

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
            identity::certify(&root, &name, config.hosted, serial(&store, clock)?, clock)?
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
    Ok(serde_json::json!({
        "instance": instance, "serial": serial, "expires": own.peer().not_after.to_rfc3339(), "file": out,
    }))
}

/// Revokes the certificates that a gateway has so far. Every gateway of the integrator that gets the file tells all sites.
pub(crate) fn revoke(config: &Config, instance: &str) -> Result<serde_json::Value> {
    let (root, store) = (root_at_hand(config)?, Store::open(&config.data)?);
    let path = &config.revocations;
    let mut word = match fs::read(path) {
        Ok(bytes) => revocation::verify(root.spki(), &bytes).with_context(|| path.display().to_string())?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => revocation::Revocations::default(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    // Higher than any serial number that was ever issued from here, and than the clock, which they come from.
    let serial = serial(&store, &SystemClock)?;
    // Rises over a file that was lost, too: sites take no lower one.
    word.number = (word.number + 1).max(serial);
    word.instances.insert(instance.to_owned(), serial);
    let bytes = revocation::sign(&root, &word)?;
    let aside = path.with_extension("new");
    fs::write(&aside, bytes).with_context(|| aside.display().to_string())?;
    fs::rename(&aside, path).with_context(|| path.display().to_string())?;
    Ok(serde_json::json!({ "instance": instance, "serial": serial, "number": word.number, "file": path }))
}

/// Never made here: what a new root would issue or revoke, no site knows.
fn root_at_hand(config: &Config) -> Result<Root> {
    let path = config.data.join(identity::ROOT_FILE);
    if !path.exists() {
        bail!("{}: the integrator's root is not on this machine: run this where it is", path.display());
    }
    Ok(identity::load_or_make(&config.data)?)
}
