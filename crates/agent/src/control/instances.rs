//! What the service answers about single gateways of an integrator.

use crate::{host::Host, store::PairingRecord};
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
    of: &PairingRecord,
    change: Option<(String, bool)>,
    by: &str,
) -> Result<Vec<InstanceAnswer>, String> {
    let (door, site, integrator) = (host.door(), of.site, of.integrator);
    if let Some((name, out)) = change {
        if !door.instances(site, integrator).iter().any(|known| known.name == name) {
            return Err(format!(
                "{} has no gateway of that name here; HaloLinkUtility pairing instances shows those that came",
                of.name
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
