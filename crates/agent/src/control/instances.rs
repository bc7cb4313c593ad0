//! What the service answers about single gateways of an integrator.

use super::answer::{find, which_site};
use crate::host::Host;
use model::{IntegratorId, SiteId};
use serde::{Deserialize, Serialize};

/// One gateway of an integrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceAnswer {
    /// As its certificates name it.
    pub name: String,
    /// The highest serial number of them that was seen here; 0: it never came.
    pub serial: u64,
    /// The practice shut it out.
    pub shut_out: bool,
    /// The integrator has revoked it.
    pub revoked: bool,
}

/// Shuts one out or lets it in where one is named, and tells of all.
pub(super) fn answer(
    host: &Host,
    integrator: &str,
    site: Option<SiteId>,
    change: Option<(String, bool)>,
    by: &str,
) -> Result<Vec<InstanceAnswer>, String> {
    let door = host.door();
    let (site, integrator, called) = whose(host, integrator, site)?;
    if let Some((name, out)) = change {
        if !door.instances(site, integrator).iter().any(|known| known.name == name) {
            return Err(format!(
                "{called} has no gateway of that name here; HaloLinkUtility pairing instances shows those that came"
            ));
        }
        door.shut_instance(site, integrator, &name, out, by).map_err(|error| error.to_string())?;
    }
    let all = door.instances(site, integrator).into_iter();
    Ok(all
        .map(|of| InstanceAnswer {
            name: of.name,
            serial: of.serial,
            shut_out: of.shut_out,
            revoked: of.revoked,
        })
        .collect())
}

/// Whose gateways. Who is not paired is known by its id alone, as long as any gateway of it is: one that the practice shut out stays
/// out after the end of a pairing, and must be let in before it can pair again.
fn whose(
    host: &Host,
    integrator: &str,
    site: Option<SiteId>,
) -> Result<(SiteId, IntegratorId, String), String> {
    let missing = match find(host, integrator, site) {
        Ok(of) => return Ok((of.site, of.integrator, of.name.clone())),
        Err(why) => why,
    };
    let (site, Ok(id)) = (which_site(host, site)?, integrator.trim().parse::<IntegratorId>()) else {
        return Err(format!("{missing}; one that is not paired any more is named by its id"));
    };
    if host.door().instances(site, id).is_empty() { Err(missing) } else { Ok((site, id, id.to_string())) }
}
