//! Who is switched on: each integrator, each site by itself, and everything. What is switched off is off at once: what waits is
//! refused, and what runs under enforced read-only is cancelled.

use super::{Door, Refused, read, write};
use crate::store::{AuditLine, Happened, StoreError};
use link_api::proto::Refusal;
use model::{IntegratorId, SiteId};
use std::sync::atomic::Ordering;

impl Door {
    /// Lets a paired integrator in, or keeps it out. `false` when it is not paired. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be made durable.
    pub fn switch(&self, site: SiteId, integrator: IntegratorId, on: bool) -> Result<bool, StoreError> {
        self.switch_by(site, integrator, on, None)
    }

    /// The same, done by this user of the operating system.
    ///
    /// # Errors
    /// When it can't be made durable.
    pub fn switch_by(
        &self,
        site: SiteId,
        integrator: IntegratorId,
        on: bool,
        by: Option<&str>,
    ) -> Result<bool, StoreError> {
        let what = if on { Happened::SwitchedOn } else { Happened::SwitchedOff };
        let line = AuditLine { integrator: Some(integrator), ..AuditLine::new(self.clock.now(), what, site) };
        self.journal.flush()?;
        let known = self.store.switch(site, integrator, on, &line.by(by))?;
        self.reload_one((site, integrator))?;
        Ok(known)
    }

    /// Whether the practice lets anybody into a site's database.
    pub fn is_on(&self, site: SiteId) -> bool {
        !read(&self.off).contains(&site)
    }

    /// Lets integrators into a site's database again, or none of them. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be made durable.
    pub fn switch_site(&self, site: SiteId, on: bool) -> Result<(), StoreError> {
        self.switch_site_by(site, on, None)
    }

    /// The same, done by this user of the operating system.
    ///
    /// # Errors
    /// When it can't be made durable.
    pub fn switch_site_by(&self, site: SiteId, on: bool, by: Option<&str>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let line = AuditLine::new(now, if on { Happened::SiteOn } else { Happened::SiteOff }, site).by(by);
        self.journal.flush()?;
        // Held while writing, so that two switches can't leave the older answer in place.
        let mut off = write(&self.off);
        self.store.switch_site(site, on, now, &line)?;
        *off = self.store.sites_off()?;
        drop(off);
        self.consents.send_modify(|count| *count += 1);
        tracing::info!(%site, on, "a site was switched");
        Ok(())
    }

    /// Whether the practice has stopped everything.
    pub fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    /// Stops everything at all sites, or lets it go on; whatever is switched off by itself stays so. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be made durable: then it is stopped all the same, until the service is started anew.
    pub fn halt(&self, halted: bool, by: Option<&str>) -> Result<(), StoreError> {
        let what = if halted { Happened::Halted } else { Happened::Unhalted };
        let now = self.clock.now();
        let lines: Vec<_> = self.sites.keys().map(|site| AuditLine::new(now, what, *site).by(by)).collect();
        if halted {
            // First of all: a disk that fails must not keep a practice from stopping everything.
            self.halted.store(true, Ordering::Relaxed);
            self.consents.send_modify(|count| *count += 1);
        }
        self.journal.flush()?;
        self.store.halt(halted, &lines)?;
        self.halted.store(halted, Ordering::Relaxed);
        self.consents.send_modify(|count| *count += 1);
        tracing::info!(halted, "the practice has set whether everything is stopped");
        Ok(())
    }
}

pub(super) fn site_off() -> Refused {
    Refused::by_practice(Refusal::SiteOff)
}
