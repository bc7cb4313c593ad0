//! One integrator's gateway, as far as a site sees it: its outer connection, its inner session, what it asks.

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use halo::system::System;
use link_api::{LinkClient, client::Channel, convert, proto};
use model::{Clock, SiteId, SystemClock};
use proto::{pair_reply::Step as Reply, pair_request::Step};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_rustls::TlsConnector;
use trust::{
    Kind, Operational, Root, inner,
    pairing::{Code, Role, Transcript, check, prove},
};
use tunnel::{
    Credentials, DialOptions, Dialer, RelayAddress, Roots, Status, Tuning,
    head::{self, Answer},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Every step of a guest ends within this.
const WITHIN: Duration = Duration::from_secs(30);

/// How a system's site is reached.
pub(super) struct Way {
    relay: RelayAddress,
    tls: Arc<rustls::ClientConfig>,
    site: SiteId,
    login: (String, String),
}

/// One of them.
pub(super) struct Guest {
    way: Arc<Way>,
    pub(super) name: String,
    root: Root,
    own: Operational,
    number: usize,
    dialer: Option<Dialer>,
    session: Option<Session>,
}

/// An inner session. Dropping it closes it.
struct Session {
    client: LinkClient<Channel>,
    exporter: Vec<u8>,
    site_root: Vec<u8>,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Way {
    pub(super) fn to(system: &System, data: &Path) -> Result<Way> {
        let config = std::fs::read_to_string(data.join("config/gateway.toml"))?;
        let config: toml::Table = config.parse()?;
        let setting = |name: &str| {
            let cloud = config.get("cloud").and_then(|cloud| cloud.get(name));
            cloud.and_then(toml::Value::as_str).with_context(|| format!("no {name} in gateway.toml"))
        };
        let ca = std::fs::read(setting("ca")?)?;
        Ok(Way {
            relay: RelayAddress::parse(setting("url")?)?,
            tls: tunnel::outer_client_tls(Roots::Pem(&ca))?,
            site: system.description.site_id.parse().ok().map(SiteId).context("a site's identifier")?,
            login: ("halo_demo".to_owned(), system.kept_password()?),
        })
    }
}

impl Guest {
    pub(super) fn new(way: Arc<Way>, number: usize) -> Result<Guest> {
        let root = Root::generate(Kind::Integrator)?;
        let own = root.issue("bench", 1, SystemClock.now(), DAY)?;
        let name = format!("Integrator{number:04}");
        Ok(Guest { way, name, root, own, number, dialer: None, session: None })
    }

    pub(super) fn id(&self) -> uuid::Uuid {
        self.root.id()
    }

    /// Joins the relay.
    pub(super) async fn connect(&mut self) -> Result<()> {
        let dialer = Dialer::start(DialOptions {
            relay: self.way.relay.clone(),
            tls: self.way.tls.clone(),
            proxy: None,
            environment: "demo".to_owned(),
            credentials: Credentials::Gateway { operational: self.own.clone(), epoch: 1 },
            tuning: Tuning::default(),
            clock: Arc::new(SystemClock),
            seed: self.number as u64,
        });
        let mut status = dialer.status();
        let reached = status.wait_for(|s| matches!(s, Status::Online | Status::Refused { .. }));
        let reached = timeout(WITHIN, reached).await.context("a gateway was not let in")??.clone();
        if !matches!(reached, Status::Online) {
            bail!("a gateway was refused: {reached:?}");
        }
        self.dialer = Some(dialer);
        Ok(())
    }

    /// Opens an inner session in place of the one before.
    pub(super) async fn open(&mut self) -> Result<()> {
        self.session = None;
        let session = timeout(WITHIN, self.opened(link_api::Tuning::default())).await??;
        self.session = Some(session);
        Ok(())
    }

    async fn opened(&self, tuning: link_api::Tuning) -> Result<Session> {
        let site = self.way.site;
        let mut stream = self.dialer.as_ref().context("not connected")?.open().await?;
        head::write(&mut stream, &head::Ask::Connect { site }).await?;
        match head::read(&mut stream).await? {
            Answer::Connected => {}
            Answer::Refused { message, .. } => bail!("the relay says: {message}"),
            Answer::Sites { .. } => bail!("the relay answered something else"),
        }
        let config = inner::client(&self.own, site, Arc::new(SystemClock))?;
        let tls = TlsConnector::from(config).connect(inner::server_name(), stream).await?;
        let (exporter, site_root) = {
            let connection = tls.get_ref().1;
            (inner::exporter(connection)?.reveal().clone(), inner::peer_of_client(connection)?.root_spki)
        };
        let (mut client, _, connection) = link_api::client::open(tls, tuning).await?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        let mut session = Session { client: client.clone(), exporter, site_root, driver };
        client
            .hello(proto::HelloRequest { version: link_api::VERSION, ..proto::HelloRequest::default() })
            .await?;
        session.client = client;
        Ok(session)
    }

    /// Pairs with a code, in a session of its own.
    pub(super) async fn pair(&self, code: &str) -> Result<()> {
        timeout(WITHIN, self.exchange(&Code::parse(code).context("a code that can't be read")?)).await?
    }

    async fn exchange(&self, code: &Code) -> Result<()> {
        let mut session = self.opened(link_api::Tuning::for_strangers()).await?;
        let transcript = Transcript {
            version: trust::pairing::VERSION,
            environment: "demo",
            site_root: &session.site_root,
            integrator_root: self.root.spki(),
            integrator_name: &self.name,
            code_name: code.name(),
            exporter: &session.exporter,
        };
        let (say, said) = mpsc::channel(4);
        let say = async |step| say.send(proto::PairRequest { step: Some(step) }).await;
        say(Step::Begin(proto::PairBegin {
            version: trust::pairing::VERSION,
            environment: "demo".to_owned(),
            code_name: code.name().to_owned(),
            integrator_name: self.name.clone(),
            ..proto::PairBegin::default()
        }))
        .await?;
        let outgoing = stream::unfold(said, async |mut said| said.recv().await.map(|step| (step, said)));
        let mut replies = session.client.pair(outgoing).await?.into_inner();
        let mut hear = async || {
            let reply = replies.next().await.context("the site broke off")??;
            reply.step.context("an empty step")
        };
        let Reply::Proof(proof) = hear().await? else { bail!("the site did not prove itself") };
        if !check(code, Role::Site, &transcript, &proof.mac) {
            bail!("the site does not know the code");
        }
        say(Step::Proof(proto::PairProof { mac: prove(code, Role::Gateway, &transcript).to_vec() })).await?;
        let Reply::LoginWanted(_) = hear().await? else { bail!("the site did not want the login") };
        let (user, password) = self.way.login.clone();
        say(Step::Login(proto::DatabaseLogin { user, password })).await?;
        match hear().await? {
            Reply::Done(_) => Ok(()),
            Reply::Refused(refused) => bail!("pairing was refused: {}", refused.message),
            _ => bail!("pairing did not end"),
        }
    }

    /// One row by number, read-only.
    pub(super) async fn ask(&mut self, id: u32) -> Result<()> {
        let session = self.session.as_mut().context("no session")?;
        let command = crate::site::command(crate::choke::ONE, Some(id));
        let request = proto::RunRequest {
            query_id: uuid::Uuid::new_v4().as_bytes().to_vec(),
            command: Some(convert::command_to_proto(&command)),
            queue_ms: 10_000,
            run_ms: 10_000,
            form: proto::RowForm::Array.into(),
            read_only: true,
            ..Default::default()
        };
        let mut events = session.client.run(request).await?.into_inner();
        while let Some(event) = events.next().await {
            if let Some(ended) = event?.ended {
                if ended.status() == proto::Status::Successful && ended.rows == 1 {
                    return Ok(());
                }
                bail!("{:?}: {:?}", ended.status(), ended.error.map(|error| error.message));
            }
        }
        bail!("no end came")
    }
}
