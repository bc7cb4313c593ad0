//! What integrators' logins may do by the database's own grants: read at pairing, and now and then again.

use super::{Door, Looked};
use crate::{
    control::{LoginChecked, SiteChecked},
    enrich::{WITHIN, within},
    store::{AuditLine, Happened, PairingRecord},
};
use database::{Engine, Failure, Login, Rights, Writes};
use link_api::proto::LoginWrites;
use model::{Access, Clock, SiteId};
use std::time::Duration;

/// Most grants that are kept.
const GRANTS: usize = 100;
/// Longest of them, in characters.
const GRANT_CHARS: usize = 200;

impl Door {
    /// Logs in with a login that is about to be kept, says what it may do, and leaves again. Blocks on the database.
    pub(crate) fn try_login(&self, site: SiteId, login: &Login, access: Access) -> Result<Rights, Failure> {
        let site = self.sites.get(&site).ok_or(Failure::Lost)?;
        rights(&*site.engine, login, access, &*self.clock)
    }

    /// Reads again what the logins of a site's integrators may do. What can't be read stays as it was. Blocks on the
    /// database and the disk.
    pub fn read_rights(&self, site: SiteId) {
        let Some(at) = self.sites.get(&site).filter(|site| site.is_own().is_ok()) else { return };
        for pairing in self.pairings().into_iter().filter(|p| p.site == site && p.on) {
            let Ok(login) = self.store.open_login(&pairing) else { continue };
            match rights(&*at.engine, &login, pairing.access, &*self.clock) {
                Ok(rights) => {
                    self.keep(&pairing, &rights);
                    if let Err(error) = self.reload_one((site, pairing.integrator)) {
                        tracing::error!(%error, "a pairing can't be read");
                    }
                }
                Err(failure) => {
                    tracing::debug!(%site, integrator = %pairing.integrator, %failure, "a login's rights can't be read");
                }
            }
        }
    }

    /// Asks a site's database, and tries the login of every integrator that is switched on; what has not begun `by` then, on
    /// the monotonic clock, is not tried any more. Blocks on the database.
    pub(crate) fn check_database(&self, site: SiteId, by: Duration) -> SiteChecked {
        let looked = self.look(site);
        let trouble = self.sites.get(&site).and_then(|site| site.last_look().trouble);
        let database = match (looked, &trouble) {
            (Looked::Well, None) => "well",
            (Looked::Well, Some(_)) => "not-asked",
            (Looked::Unreachable, _) => "unreachable",
            (Looked::Refused, _) => "refused",
        };
        let mut paired: Vec<_> = self.pairings().into_iter().filter(|p| p.site == site && p.on).collect();
        paired.sort_by(|a, b| a.name.cmp(&b.name));
        let logins = paired.iter().map(|pairing| self.check_login(pairing, by)).collect();
        SiteChecked { site, database: database.to_owned(), why: trouble, logins }
    }

    fn check_login(&self, pairing: &PairingRecord, by: Duration) -> LoginChecked {
        let (login, why) = if self.clock.monotonic() >= by {
            ("late", None)
        } else {
            match self.store.open_login(pairing) {
                Err(error) => ("sealed", Some(error.to_string())),
                Ok(login) => match self.try_login(pairing.site, &login, pairing.access) {
                    Ok(_) => ("well", None),
                    Err(failure @ Failure::Lost) => ("unreachable", Some(failure.to_string())),
                    Err(failure @ Failure::Cancelled) => ("late", Some(failure.to_string())),
                    Err(failure) => ("refused", Some(failure.to_string())),
                },
            }
        };
        LoginChecked {
            integrator: pairing.integrator,
            name: pairing.name.clone(),
            login: login.to_owned(),
            why,
        }
    }

    fn keep(&self, pairing: &PairingRecord, rights: &Rights) {
        let before = pairing.rights.as_ref().map_or(Writes::Unknown, |record| record.rights.writes);
        let now = self.clock.now();
        let line = AuditLine {
            integrator: Some(pairing.integrator),
            access: Some(pairing.access),
            status: Some(writes_to_proto(rights.writes).as_str_name()),
            ..AuditLine::new(now, Happened::RightsChanged, pairing.site)
        };
        let changed = before != rights.writes;
        if changed {
            tracing::info!(site = %pairing.site, integrator = %pairing.integrator, writes = rights.writes.name(),
                "an integrator's login may do other things than before");
        }
        if let Err(error) = self.store.keep_rights(pairing, rights, now, changed.then_some(&line)) {
            tracing::error!(%error, "what a login may do can't be kept");
        }
    }
}

/// As the contract has it.
pub(crate) fn writes_to_proto(writes: Writes) -> LoginWrites {
    match writes {
        Writes::No => LoginWrites::No,
        Writes::Yes => LoginWrites::Yes,
        Writes::Unknown => LoginWrites::Unspecified,
    }
}

/// The rights in all catalogues. The default one must let the login in; where another does not, it may do nothing.
fn rights(engine: &dyn Engine, login: &Login, access: Access, clock: &dyn Clock) -> Result<Rights, Failure> {
    let mut catalogues = engine.catalogues();
    catalogues.sort_by_key(|catalogue| !catalogue.is_default);
    let until = clock.monotonic() + WITHIN;
    let mut all: Vec<(String, Rights)> = Vec::new();
    for (i, catalogue) in catalogues.into_iter().enumerate() {
        if i > 0 && clock.monotonic() > until {
            // Nobody waits longer for what is said of the rest.
            all.push((catalogue.name, Rights::default()));
            continue;
        }
        let session = engine.connect(login, &catalogue.name, access);
        let mut session = match (session, i) {
            (Ok(session), _) => session,
            (Err(failure), 0) => return Err(failure),
            (Err(Failure::Sql(_)), _) => continue,
            (Err(_), _) => {
                all.push((catalogue.name, Rights::default()));
                continue;
            }
        };
        if i == 0 {
            session.ping()?;
        }
        let described = within(&mut *session, WITHIN, |session| session.describe());
        all.push((catalogue.name, described.map(|d| d.rights).unwrap_or_default()));
    }
    if all.is_empty() {
        return Err(Failure::Catalogue);
    }
    Ok(together(all))
}

fn together(mut all: Vec<(String, Rights)>) -> Rights {
    let any = |writes| all.iter().any(|(_, rights)| rights.writes == writes);
    let writes = match () {
        () if any(Writes::Yes) => Writes::Yes,
        () if any(Writes::Unknown) => Writes::Unknown,
        () => Writes::No,
    };
    let several = all.len() > 1;
    all.sort_by_key(|(_, rights)| rights.writes != Writes::Yes);
    let named = |(name, rights): (String, Rights)| {
        let grants = rights.grants.into_iter();
        grants.map(move |grant| if several { format!("{name}: {grant}") } else { grant })
    };
    let cut = |grant: String| grant.chars().filter(|c| !c.is_control()).take(GRANT_CHARS).collect();
    let grants = all.into_iter().flat_map(named).take(GRANTS).map(cut).collect();
    Rights { writes, grants }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_may_write_anywhere_may_write_and_what_lets_it_stands_first() {
        let of = |writes, grant: &str| Rights { writes, grants: vec![grant.to_owned()] };
        let both = together(vec![
            ("Patients".to_owned(), of(Writes::No, "SELECT")),
            ("Drugs".to_owned(), of(Writes::Yes, "INSERT")),
        ]);
        assert_eq!(both.writes, Writes::Yes);
        assert_eq!(both.grants, ["Drugs: INSERT", "Patients: SELECT"]);
        let unsure = together(vec![
            ("Patients".to_owned(), of(Writes::No, "SELECT")),
            ("Drugs".to_owned(), Rights::default()),
        ]);
        assert_eq!(unsure.writes, Writes::Unknown);
        let many = Rights { writes: Writes::No, grants: vec!["x\u{1b}".repeat(300); 300] };
        let one = together(vec![("Patients".to_owned(), many)]);
        assert_eq!((one.writes, one.grants.len(), one.grants[0].len()), (Writes::No, GRANTS, GRANT_CHARS));
    }
}
