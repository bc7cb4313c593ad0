//! (d) Memory of the relay per connected, idle Link.

use crate::{
    report::{Aim, Report, say},
    system::helper_process,
};
use anyhow::{Context, Result, bail};
use halo::system::{Options, System};
use lab::memory;
use model::{Catalogue, Clock, Pms, SiteFacts, SystemClock};
use serde_json::json;
use std::{path::Path, sync::Arc, time::Duration};
use trust::{Kind, Root};
use tunnel::{Credentials, DialOptions, Dialer, RelayAddress, Roots, SiteIdentity, Status, Tuning};

/// Links that connect at the same time; a post-quantum handshake costs a third of a millisecond at each end.
const AT_ONCE: usize = 32;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts a fresh system, connects `count` Links with one site each, waits `settle` seconds, and compares.
pub(crate) async fn measure(data: &Path, count: u32, settle: u64, report: &mut Report) -> Result<()> {
    say(&format!("\nstarting anew, then {count} Links"));
    let files = lab::child::raise_open_files(u64::from(count) * 2 + 1_000);
    if files < u64::from(count) + 200 {
        bail!("{count} Links need as many open files, and only {files} are permitted: raise `ulimit -n`");
    }
    let system = System::start(&Options::new(data.join("halo"))?, &mut |_| {}).await?;
    let cloud = system.description.pids.cloud;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = memory::private_dirty(cloud)?;

    let config = std::fs::read_to_string(data.join("halo/config/gateway.toml"))?;
    let setting = |name: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        line.map(|text| text.trim_matches('"').to_owned())
            .with_context(|| format!("no {name} in gateway.toml"))
    };
    let arguments = ["idle-links".to_owned(), setting("url")?, setting("ca")?, count.to_string()];
    let (_links, _) = helper_process(data, &arguments, Duration::from_secs(180))?;
    tokio::time::sleep(Duration::from_secs(settle)).await;
    let after = memory::private_dirty(cloud)?;
    let per_link = after.saturating_sub(before) as f64 / 1024.0 / f64::from(count);
    report.group(&format!("(d) {count} idle Links, {settle} s after the last connected"));
    report.figure("relay, user-space memory per Link", "KiB", Aim::AtMost(16.0), per_link, 1);
    // The start-up share is in this one: a huge page that the kernel gives before the first Link is not counted away.
    report.figure(
        "the same, all of the relay's by their number",
        "KiB",
        Aim::None,
        after as f64 / 1024.0 / f64::from(count),
        1,
    );
    report.figure("relay, resident in all", "MB", Aim::None, memory::of(cloud)?.rss as f64 / 1e6, 1);
    system.stop().await
}

/// The helper: connects them all, says so, and holds them until it is killed.
pub(crate) async fn links(relay: &str, ca: &Path, count: u32) -> Result<()> {
    let tls = tunnel::outer_client_tls(Roots::Pem(&std::fs::read(ca)?))?;
    let relay = RelayAddress::parse(relay)?;
    let mut kept = Vec::new();
    let mut waiting = Vec::new();
    for number in 0..count {
        let dialer = Dialer::start(options(relay.clone(), tls.clone(), number)?);
        waiting.push(dialer.status());
        kept.push(dialer);
        if waiting.len() == AT_ONCE || number + 1 == count {
            for mut status in waiting.drain(..) {
                let reached = status.wait_for(|s| matches!(s, Status::Online | Status::Refused { .. }));
                let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
                let reached = reached.context("a Link was not let in within 30 s")??.clone();
                if !matches!(reached, Status::Online) {
                    bail!("a Link was refused: {reached:?}");
                }
            }
        }
    }
    say(&json!({ "ready": true, "links": kept.len() }).to_string());
    std::future::pending().await
}

fn options(relay: RelayAddress, tls: Arc<rustls::ClientConfig>, number: u32) -> Result<DialOptions> {
    let now = SystemClock.now();
    let link = Root::generate(Kind::Link)?.issue("bench", 1, now, DAY)?;
    let site = Root::generate(Kind::Site)?.issue("bench", 1, now, DAY)?;
    let facts = SiteFacts {
        enriched_at: None,
        pms: Pms::BestPractice,
        pms_id: format!("bench-{number}"),
        practice_name: format!("Clinic {number}"),
        pms_version: "1.14.0.1000".to_owned(),
        link_version: "26.1123.1".to_owned(),
        catalogues: vec![
            Catalogue { name: "Patients".to_owned(), is_default: true },
            Catalogue { name: "Drugs".to_owned(), is_default: false },
        ],
    };
    Ok(DialOptions {
        relay,
        tls,
        proxy: None,
        environment: "demo".to_owned(),
        credentials: Credentials::Link {
            operational: link,
            epoch: 1,
            sites: vec![SiteIdentity { operational: site, facts, epoch: 1 }],
        },
        tuning: Tuning::default(),
        clock: Arc::new(SystemClock),
        seed: u64::from(number),
    })
}
