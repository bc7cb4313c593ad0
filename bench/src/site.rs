//! A Link of this process with one site: all that a command passes, without the network.

use agent::{
    door::{Door, Request},
    executor::{Limits, Order},
    host::{Host, SiteSetup},
    pairing::{Caller, Exchange, Presence},
    pms::PmsFile,
    protect::KeyFile,
    store::NewCode,
};
use anyhow::{Context, Result, bail};
use database::{
    Column, Engine, Login, Part, Sink, Stopped, Value, Wanted,
    json::{RowForm, RowWriter},
    pick::Sets,
};
use link_api::proto::{self, pair_reply::Step as Reply, pair_request::Step};
use model::{
    Clock, Command, CommandType, Direction, ExecutionMode, Hidden, Parameter, ParameterType, QueryId, SiteId,
    SystemClock,
};
use rand::{TryRngCore, rngs::OsRng};
use std::{sync::Arc, time::Duration};
use trust::{
    Root,
    pairing::{Code, Role, Transcript, prove},
};

/// Rows as JSON, thrown away.
#[derive(Default)]
pub(crate) struct Json {
    writer: Option<RowWriter>,
    pub(crate) out: Vec<u8>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Json {
    fn flow(&mut self, whole: bool) -> Result<Wanted, Stopped> {
        self.rows += u64::from(whole);
        if self.out.len() > 64 * 1024 {
            self.bytes += self.out.len() as u64;
            self.out.clear();
        }
        Ok(Wanted::Rows)
    }
}

impl Sink for Json {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.writer = Some(RowWriter::new(columns, RowForm::Lines));
        Ok(Wanted::Rows)
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        self.writer.as_mut().ok_or(Stopped)?.row(values, &mut self.out);
        self.flow(true)
    }
    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        let whole = self.writer.as_mut().ok_or(Stopped)?.part(part, &mut self.out);
        self.flow(whole)
    }
}

/// A statement, with `@id` where it asks for one.
pub(crate) fn command(text: &str, id: Option<u32>) -> Command {
    let parameter = |id: u32| Parameter {
        name: "@id".to_owned(),
        direction: Direction::Input,
        kind: ParameterType::Int,
        value: Some(Hidden::new(id.to_string())),
        size: None,
        type_name: None,
    };
    Command {
        text: text.into(),
        mode: ExecutionMode::Reader,
        kind: CommandType::Text,
        parameters: id.map(parameter).into_iter().collect(),
        catalogue: None,
    }
}

/// The host and its folder.
pub(crate) struct Site {
    host: Arc<Host>,
    pub(crate) id: SiteId,
    _folder: tempfile::TempDir,
}

impl Site {
    pub(crate) fn open(engine: Arc<dyn Engine>) -> Result<Site> {
        let folder = tempfile::tempdir()?;
        let key = KeyFile::open(&folder.path().join("identity").join("seal.key"))?;
        let setup = SiteSetup {
            pms: model::Pms::BestPractice,
            key: None,
            pms_id: Some("1".to_owned()),
            practice_name: Some("Bench".to_owned()),
            pms_version: None,
            file: Arc::new(
                PmsFile::parse("bench", "name = \"*\"\nkinds = [\"*\"]").map_err(anyhow::Error::msg)?,
            ),
            engine,
            patience: Duration::ZERO,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let host = Host::open(folder.path(), "demo", vec![setup], Arc::new(key), Limits::default(), clock)?;
        let id = host.sites()[0];
        Ok(Site { host, id, _folder: folder })
    }

    pub(crate) fn door(&self) -> &Arc<Door> {
        self.host.door()
    }

    /// Pairs an integrator for reading; who calls for it from then on. Blocks on the database and the disk.
    pub(crate) fn pair(&self, integrator: &Root, name: &str, login: &Login) -> Result<Caller> {
        let own = integrator.issue("bench", 1, SystemClock.now(), Duration::from_secs(86_400))?;
        let exporter = Arc::new(Hidden::new(vec![7; 32]));
        let caller = Caller { peer: Arc::new(own.peer().clone()), site: self.id, exporter };
        let new = NewCode { site: self.id, integrator_name: name.to_owned(), read_only: true };
        let (code, _) = self.host.make_code(&new, &mut OsRng.unwrap_err())?;
        let code = Code::parse(code.reveal()).context("a code that can't be read")?;
        // The site's own proof is not looked at: this is no stranger.
        let site_root = vec![1; 32];
        let presence = Presence { environment: "demo".to_owned(), root_spki: site_root.clone() };
        let transcript = Transcript {
            version: trust::pairing::VERSION,
            environment: "demo",
            site_root: &site_root,
            integrator_root: integrator.spki(),
            integrator_name: name,
            code_name: code.name(),
            exporter: caller.exporter.reveal(),
        };
        let mac = prove(&code, Role::Gateway, &transcript).to_vec();
        let mut exchange = Exchange::new(self.host.door().clone(), caller.clone(), presence);
        let steps = [
            Step::Begin(proto::PairBegin {
                version: trust::pairing::VERSION,
                environment: "demo".to_owned(),
                code_name: code.name().to_owned(),
                integrator_name: name.to_owned(),
                ..proto::PairBegin::default()
            }),
            Step::Proof(proto::PairProof { mac }),
            Step::Login(proto::DatabaseLogin {
                user: login.user.reveal().clone(),
                password: login.password.reveal().clone(),
            }),
        ];
        let mut last = None;
        for step in steps {
            let answer = exchange.step(proto::PairRequest { step: Some(step) });
            last = Some(answer.map_err(|refused| anyhow::anyhow!("pairing: {}", refused.message))?);
        }
        match last {
            Some(Reply::Done(_)) => Ok(caller),
            _ => bail!("pairing did not end"),
        }
    }

    /// A request for enforced read-only, under an id of its own.
    pub(crate) fn request(command: Arc<Command>) -> Request {
        let query = QueryId(uuid::Uuid::new_v4());
        Request { query, command, read_only: true, device: None }
    }

    /// Runs one command to its end; how long it took, how many rows and bytes of row JSON came.
    pub(crate) async fn run(&self, caller: &Caller, command: Arc<Command>) -> Result<(Duration, u64, u64)> {
        let start = SystemClock.monotonic();
        let admission = self
            .door()
            .enter(&caller.peer, caller.site, Site::request(command))
            .map_err(|refused| anyhow::anyhow!("{}", refused.message))?;
        let order = Order {
            queue_ms: 10_000,
            run_ms: 600_000,
            form: RowForm::Lines,
            sets: Sets::All,
            max_row_bytes: 0,
        };
        let mut events = self.host.executor().start(admission, order);
        while let Some(event) = events.recv().await {
            if let Some(ended) = event.ended {
                if ended.status() != proto::Status::Successful {
                    bail!("{:?}: {:?}", ended.status(), ended.error.map(|error| error.message));
                }
                return Ok((SystemClock.monotonic() - start, ended.rows, ended.row_bytes));
            }
        }
        bail!("no end came")
    }
}
