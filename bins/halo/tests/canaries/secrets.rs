//! What must not be found, and the search for it.

use crate::places::{ALLOWED, DATABASE};
use anyhow::{Context, Result, bail};
use halo::system::System;
use lab::{Canary, Hit, Needle, canary, scan};
use std::{fs, path::Path};

/// Before the 32 bytes of a P-256 key in PKCS #8: version 1, an octet string of 32.
const KEY_FOLLOWS: [u8; 5] = [0x02, 0x01, 0x01, 0x04, 0x20];
const SEED: u64 = 0x0DD_CA4A_21E5;

pub(crate) struct Secrets {
    needles: Vec<Needle>,
    next: u64,
}

/// Something that was found where it may be.
pub(crate) struct Found {
    what: String,
    place: String,
}

impl Found {
    pub(crate) fn is(&self, what: &str, place: &str) -> bool {
        self.what == what && self.place.contains(place)
    }
}

impl Secrets {
    /// What a system has made for itself by now.
    pub(crate) fn of(system: &System) -> Result<Secrets> {
        let mut secrets = Secrets { needles: Vec::new(), next: SEED };
        secrets.add_text("database password", &system.kept_password()?);
        secrets.add_text("subscription key", &system.description.subscription_key);
        let (link, gateway) =
            (system.description.data.join("link/identity"), system.description.data.join("gateway"));
        secrets.add_key("link root", &fs::read(link.join("link.root"))?)?;
        let site = fs::read_dir(&link)?
            .flatten()
            .find(|file| file.file_name().to_string_lossy().starts_with("site-"));
        secrets.add_key("site root", &fs::read(site.context("no site has a root")?.path())?)?;
        secrets.add_bytes("sealing key", &fs::read(link.join("seal.key"))?);
        secrets.add_key("integrator root", &fs::read(gateway.join("integrator-root.key"))?)?;
        Ok(secrets)
    }

    /// A marker to plant.
    pub(crate) fn plant(&mut self, label: &str) -> String {
        self.next += 1;
        let canary = Canary::new(self.next);
        self.needles.extend(canary.needles(label));
        canary.text().to_owned()
    }

    /// A secret that something else has made.
    pub(crate) fn add_text(&mut self, label: &str, text: &str) {
        self.needles.extend(Canary::from_text(text).needles(label));
    }

    pub(crate) fn add_bytes(&mut self, label: &str, bytes: &[u8]) {
        self.needles.extend(canary::needles(label, bytes));
    }

    fn add_key(&mut self, label: &str, pkcs8: &[u8]) -> Result<()> {
        let at = pkcs8.windows(KEY_FOLLOWS.len()).position(|bytes| bytes == KEY_FOLLOWS);
        let key = at.and_then(|at| pkcs8.get(at + KEY_FOLLOWS.len()..)?.get(..32));
        self.add_bytes(label, key.with_context(|| format!("the {label} is no PKCS #8 of a P-256 key"))?);
        Ok(())
    }

    /// Fails when any of them is in what a program said.
    pub(crate) fn absent_in(&self, what: &str, bytes: &[u8]) -> Result<()> {
        match scan::bytes(bytes, &self.needles).first() {
            None => Ok(()),
            Some(hit) => bail!("{} is in {what}, at {}", hit.label, hit.offset),
        }
    }

    /// Looks through all files below; fails with whatever lies where it must not.
    pub(crate) fn search(&self, root: &Path) -> Result<Vec<Found>> {
        let (mut found, mut leaks) = (Vec::new(), Vec::new());
        for Hit { label, place, offset } in scan::files(root, &self.needles)? {
            let what = label.split('/').next().unwrap_or_default().to_owned();
            let place = place.strip_prefix(&root.display().to_string()).unwrap_or(&place).to_owned();
            let may_be = |(allowed, at): &(&str, &str)| *allowed == what && place.contains(at);
            if place.starts_with(DATABASE) || ALLOWED.iter().any(may_be) {
                found.push(Found { what, place });
            } else {
                leaks.push(format!("{label} in {place} at {offset}"));
            }
        }
        leaks.sort();
        leaks.dedup();
        if !leaks.is_empty() {
            bail!("found where it must not be:\n{}", leaks.join("\n"));
        }
        Ok(found)
    }
}
