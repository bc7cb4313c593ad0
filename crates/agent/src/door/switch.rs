//! Who is switched on: each integrator, and each site by itself. What is switched off is off from the next command on.

use super::{Door, Refused, read, write};
use crate::store::{AuditLine, Happened, StoreError};
use link_api::proto::Refusal;
use model::{IntegratorId, SiteId};

impl Door {
    /// Lets a paired integrator in, or keeps it out, from the next command on. `false` when it is not paired. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// When it can't be made durable.
    pub fn switch(&self, site: SiteId, integrator: IntegratorId, on: bool) -> Result<bool, StoreError> {
        let what = if on { Happened::SwitchedOn } else { Happened::SwitchedOff };
        let line = AuditLine { integrator: Some(integrator), ..AuditLine::new(self.clock.now(), what, site) };
        self.journal.flush()?;
        let known = self.store.switch(site, integrator, on, &line)?;
        self.reload()?;
        Ok(known)
    }

    /// Whether the practice lets anybody into a site's database.
    pub fn is_on(&self, site: SiteId) -> bool {
        !read(&self.off).contains(&site)
    }

    /// Lets integrators into a site's database again, or none of them, from the next command on. Blocks on the disk.
    ///
    /// # Errors
    /// When it can't be made durable.
    pub fn switch_site(&self, site: SiteId, on: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        let line = AuditLine::new(now, if on { Happened::SiteOn } else { Happened::SiteOff }, site);
        self.journal.flush()?;
        // Held while writing, so that two switches can't leave the older answer in place.
        let mut off = write(&self.off);
        self.store.switch_site(site, on, now, &line)?;
        *off = self.store.sites_off()?;
        tracing::info!(%site, on, "a site was switched");
        Ok(())
    }
}

pub(super) fn switched_off() -> Refused {
    let how = "The practice has switched this integrator off. Ask the practice to switch it on.";
    Refused::new(Refusal::SwitchedOff, how)
}

pub(super) fn site_off() -> Refused {
    let how =
        "The practice has switched this database off for all integrators. Ask the practice to switch it on.";
    Refused::new(Refusal::SwitchedOff, how)
}
