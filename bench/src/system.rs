//! The two systems under test: ours, and the plain one with the same hops.

use crate::report::say;
use anyhow::{Context, Result, bail};
use halo::{
    http::Client,
    system::{Options, System},
};
use lab::{Child, DelayProxy, line::Shape, proxy};
use serde_json::{Value, json};
use std::{cell::RefCell, net::SocketAddr, path::Path, process::Command, time::Duration};

const READY: Duration = Duration::from_secs(30);

/// Both, started.
pub(crate) struct Bench {
    pub(crate) halo: System,
    pub(crate) plain: Plain,
    /// On Link's leg.
    pub(crate) link_leg: Option<DelayProxy>,
    gateway_leg: Option<DelayProxy>,
}

/// The plain system: HTTP without TLS, a relay that copies bytes, the same database file.
pub(crate) struct Plain {
    pub(crate) gateway: Child,
    pub(crate) relay: Child,
    pub(crate) server: Child,
    address: String,
    legs: Vec<DelayProxy>,
}

impl Bench {
    /// Starts both; with `legs`, through delay proxies that delay nothing yet.
    pub(crate) async fn start(data: &Path, legs: bool) -> Result<Bench> {
        say(&format!(
            "\nstarting {}",
            if legs { "again, with a delay line in each leg" } else { "both systems" }
        ));
        let (link_leg, gateway_leg) = (RefCell::new(None), RefCell::new(None));
        let through = |place: &RefCell<Option<DelayProxy>>, cloud: SocketAddr| match DelayProxy::start(
            proxy::Options::plain(cloud),
        ) {
            Ok(proxy) => place.borrow_mut().insert(proxy).address(),
            // No free loopback port: dial directly; what needs the proxy says that it is missing.
            Err(_) => cloud,
        };
        let link = |cloud| through(&link_leg, cloud);
        let gateway = |cloud| through(&gateway_leg, cloud);
        let mut options = Options::new(data.join("halo"))?;
        if legs {
            options.route_link = Some(&link);
            options.route_gateway = Some(&gateway);
        }
        let halo = System::start(&options, &mut |_| {}).await?;
        let plain = Plain::start(&halo, data, legs)?;
        Ok(Bench { halo, plain, link_leg: link_leg.into_inner(), gateway_leg: gateway_leg.into_inner() })
    }

    /// Sets the delay of every leg, each way, in both systems, and has both dial anew: a connection learns how long its
    /// way is when it begins and sizes its windows by that, so one that was made without delay would be slow for a while.
    pub(crate) async fn delay(&self, delay: Duration) -> Result<()> {
        let shape = Shape { delay, rate: None };
        for leg in self.link_leg.iter().chain(&self.gateway_leg).chain(&self.plain.legs) {
            leg.reshape(shape);
            leg.cut();
        }
        let path = format!("/integrator/sites/{}/queries/immediate", self.halo.description.site_id);
        let body = json!({ "command": { "text": "SELECT 1 AS One" }, "readOnly": true });
        for _ in 0..300 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if self.halo.client().await?.post(&path, &body).await?.status == 200 {
                return Ok(());
            }
        }
        bail!("the system did not come back within a minute after its connections were cut")
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.halo.stop().await
    }
}

impl Plain {
    fn start(halo: &System, data: &Path, legs: bool) -> Result<Plain> {
        let mut proxies = Vec::new();
        let mut leg = |target: SocketAddr| -> Result<SocketAddr> {
            if !legs {
                return Ok(target);
            }
            let proxy = DelayProxy::start(proxy::Options::plain(target))?;
            let address = proxy.address();
            proxies.push(proxy);
            Ok(address)
        };
        let practice = halo.description.data.join("practice/practice.db");
        let login = ["halo_demo".to_owned(), halo.kept_password()?];
        let (server, address) = helper(
            data,
            &["plain-server".into(), practice.display().to_string(), login[0].clone(), login[1].clone()],
        )?;
        let (relay, address) = helper(data, &["plain-relay".into(), leg(address)?.to_string()])?;
        let (gateway, address) = helper(data, &["plain-gateway".into(), leg(address)?.to_string()])?;
        Ok(Plain { gateway, relay, server, address: format!("http://{address}"), legs: proxies })
    }

    pub(crate) async fn client(&self) -> Result<Client> {
        Client::connect(&self.address, "none").await
    }
}

/// Starts this program again as one of its helpers; gives the address on which it listens.
fn helper(data: &Path, arguments: &[String]) -> Result<(Child, SocketAddr)> {
    let (child, ready) = helper_process(data, arguments, READY)?;
    let address = ready["listen"].as_str().context("a helper named no address")?.parse()?;
    Ok((child, address))
}

/// The same for helpers that listen nowhere; gives what the helper said when it was ready.
pub(crate) fn helper_process(data: &Path, arguments: &[String], within: Duration) -> Result<(Child, Value)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    let name = &arguments[0];
    let log = data.join(format!("{name}.log"));
    let mut child = Child::start(name, command, &log)?;
    let line = child.ready(within).with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    Ok((child, serde_json::from_str(&line)?))
}
