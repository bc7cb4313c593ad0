//! More integrators for a running system, each with a gateway process of its own.

use super::{PMS_ID, PMS_NAME, Part, System, write_config};
use crate::http::Client;
use anyhow::{Context, Result, bail};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// One of them, paired with the system's site. Dropping it kills its gateway.
#[derive(Debug)]
pub struct Guest {
    name: String,
    url: String,
    key: String,
    gateway: Part,
}

impl System {
    /// Starts another integrator's gateway and pairs it, with the demo's login.
    pub async fn guest(&self, name: &str) -> Result<Guest> {
        let guest = self.stranger(name).await?;
        self.let_in(&guest).await?;
        Ok(guest)
    }

    /// Starts another integrator's gateway, which the platform admits and no practice knows. Its data folder is
    /// [`System::guest_data`]: what is put there before is its own.
    pub async fn stranger(&self, name: &str) -> Result<Guest> {
        let programs = &self.programs;
        let config = programs.config.join("guests").join(name).with_extension("toml");
        let folder = config.parent().context("no folder for guests")?;
        std::fs::create_dir_all(folder)?;
        // As the demo's own gateway, but for who it is and where it lives.
        let own = std::fs::read_to_string(programs.config.join("gateway.toml"))?;
        let (_, shared) = own.split_once("\n[").context("the gateway's configuration has no sections")?;
        write_config(
            &config,
            &[
                ("listen", SocketAddr::from(([127, 0, 0, 1], 0)).to_string()),
                ("data", self.guest_data(name).display().to_string()),
                ("integrator_name", name.to_owned()),
                ("environment", "demo".to_owned()),
            ],
            &format!("\n[{shared}"),
        )?;
        let identity = programs.ask("halo-gateway", &["identity"], &config).await?;
        self.operator(&["admit", "--integrator", super::text(&identity, "integrator")?, "--name", name])
            .await?;
        let made =
            programs.ask("halo-gateway", &["key", "add", "--name", "guest", "--json"], &config).await?;
        let key = super::text(&made, "subscriptionKey")?.to_owned();
        let (gateway, ready) = programs.start_gateway(&config, name).await?;
        Ok(Guest { name: name.to_owned(), url: super::text(&ready, "listen")?.to_owned(), key, gateway })
    }

    /// Where a guest's gateway keeps its data.
    pub fn guest_data(&self, name: &str) -> PathBuf {
        self.description.data.join("guests").join(name)
    }

    async fn let_in(&self, guest: &Guest) -> Result<()> {
        let made = self.utility(&["pairing-code", "--integrator", &guest.name, "--json"]).await?;
        let path = format!(
            "/integrator/pair-site?practiceManagementSiteId={PMS_ID}&practiceManagementName={}&pairingCode={}",
            PMS_NAME.replace(' ', "%20"),
            super::text(&made, "code")?
        );
        let answer = guest.client().await?.call(http::Method::POST, &path, &[], "").await?;
        if answer.status != 200 {
            bail!(
                "pairing {} was refused with {}: {}",
                guest.name,
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        Ok(())
    }
}

impl Guest {
    /// The base URL of its gateway.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new connection to its gateway.
    pub async fn client(&self) -> Result<Client> {
        Client::connect(&self.url, &self.key).await
    }

    /// Stops its gateway; it gets ten seconds before it is killed.
    pub async fn stop(self) -> Result<()> {
        self.gateway.stop(Duration::from_secs(10)).await
    }
}
