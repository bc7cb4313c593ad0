//! One run: ask, decide, fetch, check, install, write down.

use crate::{
    Cloud, Decision, Installed, NotInstalled, Offer, Package, Platform, Policy, Publishers, Record, Refusal,
    SIGNATURE_BYTES, Signer, Tried, Version, detached_signature_of,
    fetch::Broken,
    offer::METADATA_VERSION,
    signature_of,
    store::{Arrived, Machine, Store},
};
use model::{Clock, Timestamp};
use std::path::PathBuf;

/// All that a run needs.
pub struct Updater<'a> {
    /// Whom to ask.
    pub cloud: Cloud,
    /// `production`, `stage` or `demo`: the cloud answers for its own only.
    pub environment: String,
    /// For which files to ask.
    pub platform: Platform,
    /// What runs now.
    pub running: Version,
    /// [`Record`] is written there.
    pub data: PathBuf,
    /// Where files arrive; nobody but administrators may write there.
    pub folder: PathBuf,
    /// Whose updates are taken.
    pub publishers: Publishers,
    /// Decides about offers.
    pub policy: &'a dyn Policy,
    /// Installs.
    pub package: &'a dyn Package,
    /// The computer.
    pub machine: &'a dyn Machine,
    /// Time: certificates are checked against it.
    pub clock: &'a dyn Clock,
    /// The hourly run: it leaves a file alone for a day whose installer failed. By hand it is tried at once.
    pub hourly: bool,
}

/// How a run ended that was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What runs is the newest.
    UpToDate,
    /// There is a newer one; nothing was done.
    Available(Version),
    /// The newer one is installed.
    Installed {
        /// Which one.
        version: Version,
        /// Who signed it.
        signer: Signer,
        /// The system wants a restart before all of it counts.
        restart: bool,
    },
}

/// What a run is at, for people who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its installer has failed before; this run tries it all the same.
    Again,
    /// The cloud has been asked.
    Asking,
    /// Bytes that have arrived, of how many.
    Fetching {
        /// So far.
        done: u64,
        /// In all.
        size: u64,
    },
    /// Size, hash, signature, version.
    Checking,
    /// The system's installer runs.
    Installing,
}

impl Updater<'_> {
    /// Only looks: is there a newer version?
    ///
    /// # Errors
    /// [`Refusal`]; it is written down as well.
    pub async fn check(&self, tell: &mut dyn FnMut(Step)) -> Result<Outcome, Refusal> {
        let mut newest = None;
        let result = async {
            let (offer, decision) = self.ask(&mut newest, tell).await?;
            Ok(match decision {
                Decision::UpToDate => Outcome::UpToDate,
                Decision::Install => Outcome::Available(offer.version),
            })
        };
        let result = result.await;
        self.write_down(newest, &result, self.last().and_then(|last| last.tried));
        result
    }

    /// Installs what is newer.
    ///
    /// # Errors
    /// [`Refusal`]; it is written down as well, and nothing of the update is left.
    pub async fn update(&self, tell: &mut dyn FnMut(Step)) -> Result<Outcome, Refusal> {
        // Not even a record: it would be written over that of a run that could install.
        if !self.machine.is_administrator() {
            return Err(Refusal::NotAdministrator);
        }
        let mut newest = None;
        let mut tried = self.last().and_then(|last| last.tried);
        let result = self.try_update(&mut newest, &mut tried, tell).await;
        // The run that holds the lock tells how it went.
        if result != Err(Refusal::Busy) {
            self.write_down(newest, &result, tried);
        }
        result
    }

    async fn try_update(
        &self,
        newest: &mut Option<Version>,
        tried: &mut Option<Tried>,
        tell: &mut dyn FnMut(Step),
    ) -> Result<Outcome, Refusal> {
        if self.publishers.is_empty() {
            return Err(Refusal::NoPublisher);
        }
        let store = Store::open(&self.folder, self.machine)?;
        // Only now: the run that held the lock may have tried something.
        *tried = self.last().and_then(|last| last.tried);
        let (offer, decision) = self.ask(newest, tell).await?;
        if decision == Decision::UpToDate {
            *tried = None;
            return Ok(Outcome::UpToDate);
        }
        self.may_try(tried.as_ref(), &offer, tell)?;
        store.room(offer.size, self.machine)?;
        let file = self.fetch(&store, &offer, tell).await?;
        tell(Step::Checking);
        let signer = self.signer(&store, &offer, &file).await?;
        let inside = self.package.version(file.path()).map_err(Refusal::Signature)?;
        if inside.parse() != Ok(offer.version) {
            let inside = inside.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(Refusal::Inside { said: offer.version, inside });
        }
        tell(Step::Installing);
        tracing::info!(version = %offer.version, signer = signer.name, "installing an update");
        let before = tried.take();
        let now = Tried::begin(&offer, before.as_ref(), self.clock.now());
        // Before the installer has its turn: what hangs is not tried each hour either.
        let begun = Refusal::Installer("it was started, and nobody has seen its end yet".to_owned());
        self.write_down(Some(offer.version), &Err(begun), Some(now.clone()));
        match self.package.install(file.path()) {
            Ok(Installed { restart }) => Ok(Outcome::Installed { version: offer.version, signer, restart }),
            Err(NotInstalled { why, busy: true }) => {
                *tried = before;
                Err(Refusal::Installer(why))
            }
            Err(NotInstalled { why, busy: false }) => {
                let failed = now.failed(why.clone());
                let next = failed.next_try.clone().unwrap_or_default();
                *tried = Some(failed);
                Err(Refusal::Installer(format!(
                    "{why}. The hourly run tries this file again after {next}; run `updater` as an administrator to try it at once"
                )))
            }
        }
    }

    /// Is it this file's turn, after what the last try of it came to?
    fn may_try(
        &self,
        tried: Option<&Tried>,
        offer: &Offer,
        tell: &mut dyn FnMut(Step),
    ) -> Result<(), Refusal> {
        let Some(tried) = tried.filter(|tried| tried.sha256 == offer.sha256) else { return Ok(()) };
        let last_run = self.last().and_then(|last| Timestamp::parse(&last.checked_at));
        match tried.paused(offer.version, last_run, self.clock.now()) {
            Some(paused) if self.hourly => Err(paused),
            _ => {
                tell(Step::Again);
                Ok(())
            }
        }
    }

    /// What the last run left.
    fn last(&self) -> Option<Record> {
        Record::read(&self.data).ok().flatten()
    }

    async fn ask(
        &self,
        newest: &mut Option<Version>,
        tell: &mut dyn FnMut(Step),
    ) -> Result<(Offer, Decision), Refusal> {
        tell(Step::Asking);
        let offer = self.cloud.offer(&self.environment, self.platform).await?;
        *newest = Some(offer.version);
        let decision = self.policy.decide(self.running, &offer)?;
        Ok((offer, decision))
    }

    async fn fetch(
        &self,
        store: &Store,
        offer: &Offer,
        tell: &mut dyn FnMut(Step),
    ) -> Result<Arrived, Refusal> {
        // The ending says how the system treats the file, so it is not the cloud's to choose.
        if !offer.file.ends_with(self.platform.ending()) {
            let ending = self.platform.ending();
            return Err(Refusal::Answer(format!("a file for {} ends with {ending}", self.platform)));
        }
        let mut arriving = store.create(&offer.file)?;
        let size = offer.size;
        let mut progress = |done| tell(Step::Fetching { done, size });
        let written = match self.cloud.file(offer, &mut arriving, &mut progress).await {
            Ok(()) => arriving.finish(offer),
            Err(Broken::Refused(refusal)) => return Err(refusal),
            Err(Broken::Disk(error)) => Err(error),
        };
        written.map_err(|error| store.not_written(&error, size, self.machine))?
    }

    async fn signer(&self, store: &Store, offer: &Offer, file: &Arrived) -> Result<Signer, Refusal> {
        let now = self.clock.now();
        if !self.platform.detached() {
            return signature_of(file.path(), &self.publishers, now).map_err(Refusal::Signature);
        }
        let Some(name) = &offer.signature else {
            return Err(Refusal::Signature(crate::SignatureError::Missing));
        };
        let bytes = self.cloud.signature(name).await?;
        debug_assert!(bytes.len() <= SIGNATURE_BYTES);
        let mut arriving = store.create(&format!("{}.signature", offer.file))?;
        let written = arriving.write(&bytes).and_then(|()| arriving.keep());
        let beside = written.map_err(|error| store.not_written(&error, offer.size, self.machine))?;
        detached_signature_of(file.path(), beside.path(), &self.publishers, now).map_err(Refusal::Signature)
    }

    fn write_down(&self, newest: Option<Version>, result: &Result<Outcome, Refusal>, tried: Option<Tried>) {
        let (outcome, refusal) = match result {
            Ok(Outcome::UpToDate) => ("up-to-date", None),
            Ok(Outcome::Available(_)) => ("available", None),
            Ok(Outcome::Installed { restart: false, .. }) => ("installed", None),
            Ok(Outcome::Installed { restart: true, .. }) => ("installed-restart-needed", None),
            Err(refusal) => ("refused", Some(refusal)),
        };
        let record = Record {
            metadata_version: METADATA_VERSION,
            checked_at: self.clock.now().to_rfc3339(),
            newest: newest.map(|version| version.to_string()),
            running: self.running.to_string(),
            outcome: outcome.to_owned(),
            code: refusal.map(|refusal| refusal.code().to_owned()),
            why: refusal.map(ToString::to_string),
            tried,
        };
        // Whoever only looks may not be allowed to write: that is no reason to tell nothing.
        if let Err(error) = record.write(&self.data) {
            tracing::debug!(%error, "the record of this run was not written");
        }
    }
}
