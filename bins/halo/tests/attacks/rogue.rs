//! A gateway made by an attacker: the outer leg, the inner session and the contract are real, and what it says in them is up to it.

use anyhow::{Context, Result, bail, ensure};
use halo::system::System;
use link_api::{Code, LinkClient, client::Channel, proto};
use model::{SiteId, SystemClock};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_rustls::client::TlsStream;
use trust::{Kind, Operational, Root};
use tunnel::{
    Credentials, DialOptions, Dialer, RelayAddress, Roots, Status, Tuning,
    head::{self, Answer, Ask},
};

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

/// One sealed session with the system's site. Dropping it closes it.
pub(crate) struct Rogue {
    pub(crate) link: LinkClient<Channel>,
    driver: JoinHandle<()>,
    _outer: Dialer,
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The identity of a gateway whose disk somebody has read.
pub(crate) fn stolen(data: &Path) -> Result<Root> {
    Ok(Root::from_pkcs8(Kind::Integrator, &fs::read(data.join("integrator-root.key"))?)?)
}

pub(crate) fn plain(root: &Root) -> Result<Operational> {
    Ok(root.issue("rogue", serial(), now(), HOUR)?)
}

pub(crate) fn hosted(root: &Root) -> Result<Operational> {
    Ok(root.issue_hosted("rogue hosted", serial(), now(), HOUR)?)
}

fn now() -> model::Timestamp {
    model::Clock::now(&SystemClock)
}

/// Rising, as an attacker who wants in makes them.
fn serial() -> u64 {
    u64::try_from(now().0).unwrap_or(1)
}

/// Dials the relay as this gateway; gives what became of it.
pub(crate) async fn dial(system: &System, own: &Operational) -> Result<(Dialer, Status)> {
    let data = &system.description.data;
    let config = fs::read_to_string(data.join("config/gateway.toml"))?;
    let url =
        config.lines().find_map(|line| line.strip_prefix("url = ")).context("no address of the cloud")?;
    let dialer = Dialer::start(DialOptions {
        relay: RelayAddress::parse(url.trim_matches('"'))?,
        tls: tunnel::outer_client_tls(Roots::Pem(&fs::read(data.join("certificates/ca.pem"))?))?,
        proxy: None,
        environment: "demo".to_owned(),
        credentials: Credentials::Gateway { operational: own.clone(), epoch: 1 },
        tuning: Tuning::default(),
        clock: Arc::new(SystemClock),
        seed: 1,
    });
    let mut status = dialer.status();
    let settled =
        timeout(PATIENCE, status.wait_for(|s| matches!(s, Status::Online | Status::Refused { .. })));
    let settled = settled.await.context("neither let in nor refused")??.clone();
    Ok((dialer, settled))
}

/// A sealed session with nothing said in it yet. The outer connection goes with it.
pub(crate) async fn sealed(
    system: &System,
    own: &Operational,
) -> Result<(TlsStream<tunnel::Stream>, Dialer)> {
    let (outer, status) = dial(system, own).await?;
    ensure!(status == Status::Online, "the relay says {status:?}");
    let site: SiteId = system.description.site_id.parse().ok().context("a site's id")?;
    let mut stream = outer.open().await?;
    head::write(&mut stream, &Ask::Connect { site }).await?;
    match head::read::<Answer>(&mut stream).await? {
        Answer::Connected => {}
        other => bail!("the relay says {other:?}"),
    }
    let config = trust::inner::client(own, site, Arc::new(SystemClock))?;
    let tls = tokio_rustls::TlsConnector::from(config).connect(trust::inner::server_name(), stream).await?;
    Ok((tls, outer))
}

impl Rogue {
    /// As far as the relay and TLS let it.
    pub(crate) async fn open(system: &System, own: &Operational) -> Result<Rogue> {
        let (tls, outer) = sealed(system, own).await?;
        let (link, _, connection) = link_api::client::open(tls, link_api::Tuning::default()).await?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Rogue { link, driver, _outer: outer })
    }

    pub(crate) async fn hello(&mut self) -> Result<proto::HelloReply> {
        Ok(self
            .link
            .hello(proto::HelloRequest { version: link_api::VERSION, ..proto::HelloRequest::default() })
            .await?
            .into_inner())
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&mut self, request: proto::RunRequest) -> Result<proto::Ended, link_api::Status> {
        let mut events = self.link.run(request).await?.into_inner();
        while let Some(event) = events.message().await? {
            if let Some(ended) = event.ended {
                return Ok(ended);
            }
        }
        Err(link_api::Status::new(Code::Aborted, "no end was told"))
    }
}

/// 16 bytes that no other command of this run has.
fn fresh_id() -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    [0xA7, NEXT.fetch_add(1, Ordering::Relaxed)].map(u64::to_be_bytes).concat()
}

/// A command in the contract's words.
pub(crate) fn command(sql: &str, mode: proto::Mode, read_only: bool) -> proto::RunRequest {
    proto::RunRequest {
        query_id: fresh_id(),
        command: Some(proto::Command {
            text: sql.to_owned(),
            mode: mode.into(),
            kind: proto::CommandKind::Text.into(),
            ..proto::Command::default()
        }),
        queue_ms: 5_000,
        run_ms: 10_000,
        form: proto::RowForm::Array.into(),
        read_only,
        ..proto::RunRequest::default()
    }
}
