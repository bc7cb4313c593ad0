//! What an idle connection costs the relay. The clients run in a process of their own: this test, started again.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod support;

use std::{
    process::{Command, Stdio},
    time::Duration,
};
use support::*;
use tunnel::{Dialer, RelayAddress, Roots, outer_client_tls};

const CONNECTIONS: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_costs_the_relay_little_memory() {
    if !cfg!(target_os = "linux") {
        println!("skipped: reads /proc");
        return;
    }
    let mut relay =
        Relay::with(RelaySettings { tuning: tunnel::Tuning::default(), ..Default::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &relay.ca).unwrap();
    let clients = |count: usize| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "clients_for_the_test_above", "--nocapture"])
            .env("TUNNEL_IDLE", format!("{};{};{count}", relay.address.port(), ca.display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut first = clients(50);
    let mut second = None;
    let mut kept = Vec::new();
    let mut before = 0;
    for at in 0..50 + CONNECTIONS {
        if at == 50 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            before = lab::memory::of(std::process::id()).unwrap().anonymous;
            second = Some(clients(CONNECTIONS));
        }
        kept.push(relay.joined.recv().await.unwrap().unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = lab::memory::of(std::process::id()).unwrap().anonymous;
    first.kill().unwrap();
    second.as_mut().unwrap().kill().unwrap();
    let _ = (first.wait(), second.unwrap().wait());
    let each = after.saturating_sub(before) as f64 / CONNECTIONS as f64 / 1024.0;
    println!("{each:.1} KiB for each idle connection, process memory of relay side");
    // The aim is 16 with the release build and its allocator; this guards against default buffers (144).
    assert!(each < 24.0, "{each:.1} KiB");
}

#[tokio::test]
#[ignore = "started by the test above"]
async fn clients_for_the_test_above() {
    let Ok(told) = std::env::var("TUNNEL_IDLE") else { return };
    let [port, ca, count] = told.split(';').collect::<Vec<_>>().try_into().unwrap();
    let tls = outer_client_tls(Roots::Pem(&std::fs::read(ca).unwrap())).unwrap();
    let mut kept = Vec::new();
    for _ in 0..count.parse().unwrap() {
        let relay = RelayAddress::parse(&format!("wss://{HOST}:{port}")).unwrap();
        let tuning = tunnel::Tuning::default();
        let dialer = Dialer::start(options(relay, tls.clone(), link(), tuning));
        until(&dialer, |s| *s == tunnel::Status::Online).await;
        kept.push(dialer);
    }
    std::future::pending::<()>().await;
}
