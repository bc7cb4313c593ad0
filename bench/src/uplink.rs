//! A practice's uplink: a network namespace of its own whose one way out has a rate and a queue, and a delay line beyond it.
//!
//! The kernel's token bucket (`tc`, tbf) sets the rate and holds a queue of one bandwidth-delay product, as a router does; the
//! way's length is the test kit's proxy. Needs root.

use crate::report::say;
use anyhow::{Context, Result, bail};
use halo::system::{Options, System};
use lab::{DelayProxy, line::Shape, proxy};
use std::{
    cell::RefCell,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Bits per second.
pub(crate) const RATE: u64 = 20_000_000;
/// There and back.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(30);
const HERE: Ipv4Addr = Ipv4Addr::new(10, 77, 91, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 77, 91, 2);

/// Taken away when dropped.
pub(crate) struct Uplink {
    name: String,
    proxy: RefCell<Option<DelayProxy>>,
}

/// A system whose Link is behind such a line, for as long as that is kept. `None`, with the reason said, where this account may not make one.
pub(crate) async fn system(part: &str, data: &Path) -> Result<Option<(System, Uplink)>> {
    let uplink = match Uplink::make() {
        Ok(uplink) => uplink,
        Err(error) => {
            say(&format!("\n({part}) is left out: {error:#}"));
            return Ok(None);
        }
    };
    let route = |cloud| uplink.route(cloud);
    let mut options = Options::new(data)?;
    options.route_link = Some(&route);
    options.wrap_link = uplink.wrap();
    let system = System::start(&options, &mut |_| {}).await?;
    Ok(Some((system, uplink)))
}

impl Uplink {
    fn make() -> Result<Uplink> {
        let uplink = Uplink { name: format!("halo-bench-{}", std::process::id()), proxy: RefCell::default() };
        let (name, host, inner) = (uplink.name.as_str(), "halo-bench-out", "halo-bench-in");
        // Left behind by a run that was killed.
        let _ = run("ip", &["link", "delete", host]);
        run("ip", &["netns", "add", name])
            .context("network namespaces need root, and the package iproute2")?;
        run("ip", &["link", "add", host, "type", "veth", "peer", "name", inner, "netns", name])?;
        run("ip", &["addr", "add", &format!("{HERE}/30"), "dev", host])?;
        run("ip", &["link", "set", host, "up"])?;
        let inside = |words: &[&str]| run("ip", &[&["netns", "exec", name], words].concat());
        inside(&["ip", "addr", "add", &format!("{THERE}/30"), "dev", inner])?;
        inside(&["ip", "link", "set", inner, "up"])?;
        inside(&["ip", "link", "set", "lo", "up"])?;
        let queue = RATE / 8 * ROUND_TRIP.as_millis() as u64 / 1000;
        let (rate, queue) = (format!("{RATE}bit"), queue.to_string());
        inside(&[
            "tc", "qdisc", "add", "dev", inner, "root", "tbf", "rate", &rate, "burst", "10000", "limit",
            &queue,
        ])?;
        // The cloud's certificate is for this name.
        let folder = uplink.hosts();
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("hosts"), format!("{HERE} localhost\n"))?;
        Ok(uplink)
    }

    /// What to put before a command line that is to run inside.
    fn wrap(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }

    /// The address by which the cloud is reached from inside.
    fn route(&self, cloud: SocketAddr) -> SocketAddr {
        let shape = Shape { delay: ROUND_TRIP / 2, rate: None };
        let options = proxy::Options { shape, listen: HERE.into(), ..proxy::Options::plain(cloud) };
        match DelayProxy::start(options) {
            Ok(proxy) => self.proxy.borrow_mut().insert(proxy).address(),
            // Link can't dial that, and says so.
            Err(_) => cloud,
        }
    }

    fn hosts(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        let _ = run("ip", &["netns", "delete", &self.name]);
        let _ = run("ip", &["link", "delete", "halo-bench-out"]);
        let _ = fs::remove_dir_all(self.hosts());
    }
}

fn run(program: &str, words: &[&str]) -> Result<()> {
    let done =
        Command::new(program).args(words).output().with_context(|| format!("{program} can't be run"))?;
    if !done.status.success() {
        bail!("{program} {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}
