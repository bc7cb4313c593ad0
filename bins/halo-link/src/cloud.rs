//! `[cloud]` of link.toml: where Halo Cloud is, and what is needed to reach it. The service and the updater go the same way.

use agent::config::Config;
use anyhow::{Context, Result};
use tunnel::{Proxy, RelayAddress, Roots};
use update::Cloud;

/// # Errors
/// Names the setting that can't be used.
pub(crate) fn of(config: &Config) -> Result<Cloud> {
    let cloud = &config.cloud;
    let tls = match &cloud.ca {
        None => tunnel::outer_client_tls(Roots::System)?,
        Some(path) => {
            let pem = std::fs::read(path).with_context(|| format!("`cloud.ca`: {}", path.display()))?;
            tunnel::outer_client_tls(Roots::Both(&pem))?
        }
    };
    let relay = RelayAddress::parse(&cloud.url).context("`cloud.url`")?;
    let proxy =
        cloud.proxy.as_ref().map(|p| Proxy::parse(p.reveal())).transpose().context("`cloud.proxy`")?;
    Ok(Cloud { relay, tls, proxy })
}
