//! A relay that has recorded what it carried.

use crate::{
    liar::Liar,
    world::{begun, immediate, is_served, read_only},
};
use anyhow::{Context, Result, ensure};
use halo::system::{Options, System};
use serde_json::json;
use std::{net::SocketAddr, sync::OnceLock, time::Duration};

/// Tries: every byte that once went to the site in a session, with a write in it, is played to it again: whole, cut, and twice.
/// Stopped by: TLS 1.3 without resumption or early data: each session has keys of its own, and a record opens none.
/// Seen as: a handshake that failed, in the site's log. No line in the audit.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_relay_recorded_is_worth_nothing_when_it_plays_it_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let certificates = folder.path().join("certificates");
    let liar = OnceLock::new();
    let route = |_: SocketAddr| liar.get_or_init(|| Liar::start(&certificates, 1)).address;
    let mut options = Options::new(folder.path())?;
    options.patients = 100;
    options.route_link = Some(&route);
    options.route_gateway = Some(&route);
    let system = System::start(&options, &mut |_| {}).await?;
    let liar = liar.get().context("nobody dialled")?;

    let mut client = system.client().await?;
    let write = json!({ "command": { "text": "UPDATE PATIENTS SET EMAIL = EMAIL + 'x' WHERE INTERNALID = 3", "executionMode": "nonQuery" } });
    ensure!(client.post(&immediate(&system), &write).await?.status == 200);
    let record = liar.recorded();
    ensure!(record.len() > 2_000, "only {} bytes were recorded", record.len());
    let address = async || -> Result<String> {
        let mut client = system.client().await?;
        crate::world::email(&mut client, &system, 3).await
    };
    let before = address().await?;
    ensure!(before.ends_with('x'));
    let lines = begun(&system).await?;

    let site = system.description.site_id.parse().ok().context("a site's id")?;
    let twice = [record.clone(), record.clone()].concat();
    for play in [&record[..], &record[..record.len() / 2], &twice] {
        let said = liar.replay(site, play).await;
        // Its half of a handshake, at most, under keys that nobody holds: no command, no answer.
        ensure!(said.len() < 6_000, "the site says {} bytes to a record", said.len());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    ensure!(begun(&system).await? == lines, "something began");
    ensure!(address().await? == before, "a record has written");
    ensure!(client.post(&immediate(&system), &read_only("SELECT 1 AS N")).await?.status == 200);
    is_served(&system).await?;
    system.stop().await
}
