//! Link's side: an engine's session by itself, or all of Link's path in this process.

use super::{How, Measured, Task, Which, forget_peak, median, peak};
use agent::{
    door::Request,
    executor::{Limits, Order},
    host::{Host, SiteSetup},
    pairing::{Caller, Exchange, Presence},
    pms::PmsFile,
    protect::KeyFile,
    store::NewCode,
};
use anyhow::{Context, Result, bail};
use database::{
    Column, Engine, Login, Part, Settings, Sink, Stopped, Terms, Value, Wanted,
    json::{RowForm, RowWriter},
    pick::Sets,
};
use link_api::proto::{self, pair_reply::Step as Reply, pair_request::Step};
use model::{
    Access, Clock, Command, CommandType, Direction, ExecutionMode, Hidden, Parameter, ParameterType, QueryId,
    SystemClock,
};
use rand::{SeedableRng, rngs::StdRng};
use std::{path::Path, sync::Arc, time::Duration};
use trust::{
    Kind, Root,
    pairing::{Code, Role, Transcript, prove},
};

pub(super) async fn measure(which: Which, how: How, task: &Task) -> Result<Measured> {
    let kind = match which {
        Which::Mssql => mssql::KIND,
        Which::Firebird => firebird::KIND,
    };
    let engine = (kind.open)(&Settings { table: &task.settings, folder: Path::new(".") })?;
    let login = Login { user: task.user.as_str().into(), password: task.password.as_str().into() };
    match how {
        // Pairing tries the login, which blocks.
        How::Link => {
            let opening = tokio::task::spawn_blocking(move || WholePath::open(engine, &login));
            opening.await??.measure(task).await
        }
        _ => {
            let task = serde_json::to_vec(task)?;
            tokio::task::spawn_blocking(move || by_engine(&*engine, &login, &serde_json::from_slice(&task)?))
                .await?
        }
    }
}

/// Rows as JSON, thrown away.
#[derive(Default)]
struct Json {
    writer: Option<RowWriter>,
    out: Vec<u8>,
    rows: u64,
    bytes: u64,
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

fn command(text: &str, id: Option<u32>) -> Command {
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

fn by_engine(engine: &dyn Engine, login: &Login, task: &Task) -> Result<Measured> {
    let catalogue = engine.catalogues().into_iter().find(|c| c.is_default).context("no catalogue")?.name;
    let mut session = engine.connect(login, &catalogue, Access::ReadWrite)?;
    let terms = Terms::default();
    let run = |session: &mut dyn database::Session, text: &str, id| -> Result<(Duration, Json)> {
        let (mut json, start, command) = (Json::default(), SystemClock.monotonic(), command(text, id));
        session.run(&command, &terms, &mut json)?;
        session.reset()?;
        Ok((SystemClock.monotonic() - start, json))
    };
    run(&mut *session, &task.one, Some(1))?;
    forget_peak();
    let (rows_took, json) = run(&mut *session, &task.many, None)?;
    let rows_peak = peak();
    if json.rows != task.rows {
        bail!("{} rows came of {}", json.rows, task.rows);
    }
    let ones = |session: &mut dyn database::Session| -> Result<f64> {
        let times = (0..task.times).map(|id| Ok(run(session, &task.one, Some(id % 400 + 1))?.0));
        Ok(median(times.collect::<Result<_>>()?))
    };
    let one_micros = ones(&mut *session)?;
    let mut reader = engine.connect(login, &catalogue, Access::ReadOnly)?;
    ones(&mut *reader)?;
    let read_only = ones(&mut *reader)?;
    forget_peak();
    let (long_took, json) = run(&mut *session, &task.long, None)?;
    let bytes = json.bytes + json.out.len() as u64;
    if bytes < task.long_bytes {
        bail!("{bytes} bytes came of {}", task.long_bytes);
    }
    let long_peak = peak();
    let cancel = slowest_cancel(engine, login, &catalogue, &task.endless)?;
    Ok(Measured {
        rows_seconds: rows_took.as_secs_f64(),
        one_micros,
        one_read_only_micros: Some(read_only),
        rows_peak,
        long_peak,
        long_seconds: long_took.as_secs_f64(),
        cancel_millis: Some(cancel),
    })
}

/// Milliseconds from asking a command to stop until it has, the slowest of twenty.
fn slowest_cancel(engine: &dyn Engine, login: &Login, catalogue: &str, endless: &str) -> Result<f64> {
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let mut session = engine.connect(login, catalogue, Access::ReadWrite)?;
        let canceller = session.canceller();
        let asking = std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_millis(100));
            let asked = SystemClock.monotonic();
            canceller.cancel();
            asked
        });
        let ended = session.run(&command(endless, None), &Terms::default(), &mut Json::default());
        let over = SystemClock.monotonic();
        let asked = asking.join().map_err(|_| anyhow::anyhow!("the canceller broke"))?;
        if ended != Err(database::Failure::Cancelled) {
            bail!("a cancelled command ended otherwise: {ended:?}");
        }
        slowest = slowest.max(over.saturating_sub(asked));
    }
    Ok(slowest.as_secs_f64() * 1e3)
}

/// Everything of Link that a command passes, without the network.
struct WholePath {
    host: Arc<Host>,
    caller: Caller,
    _folder: tempfile::TempDir,
}

impl WholePath {
    fn open(engine: Arc<dyn Engine>, login: &Login) -> Result<WholePath> {
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
        let site = host.sites()[0];
        let integrator = Root::generate(Kind::Integrator)?;
        let own = integrator.issue("bench", 1, SystemClock.now(), Duration::from_secs(86_400))?;
        let exporter = Arc::new(Hidden::new(vec![7; 32]));
        let caller = Caller { peer: Arc::new(own.peer().clone()), site, exporter };
        let new = NewCode { site, integrator_name: "Bench".to_owned(), read_only: true };
        let (code, _) = host.make_code(&new, &mut StdRng::seed_from_u64(1))?;
        let code = Code::parse(code.reveal()).context("a code that can't be read")?;
        // The site's own proof is not looked at: this is no stranger.
        let site_root = vec![1; 32];
        let presence = Presence { environment: "demo".to_owned(), root_spki: site_root.clone() };
        let transcript = Transcript {
            version: trust::pairing::VERSION,
            environment: "demo",
            site_root: &site_root,
            integrator_root: integrator.spki(),
            integrator_name: "Bench",
            code_name: code.name(),
            exporter: caller.exporter.reveal(),
        };
        let mac = prove(&code, Role::Gateway, &transcript).to_vec();
        let mut exchange = Exchange::new(host.door().clone(), caller.clone(), presence);
        let steps = [
            Step::Begin(proto::PairBegin {
                version: trust::pairing::VERSION,
                environment: "demo".to_owned(),
                code_name: code.name().to_owned(),
                integrator_name: "Bench".to_owned(),
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
            Some(Reply::Done(_)) => Ok(WholePath { host, caller, _folder: folder }),
            _ => bail!("pairing did not end"),
        }
    }

    /// Runs one command to its end; how long it took, how many rows and bytes of row JSON came.
    async fn run(&self, text: &str, id: Option<u32>) -> Result<(Duration, u64, u64)> {
        let start = SystemClock.monotonic();
        let query = QueryId(uuid::Uuid::new_v4());
        let request = Request { query, command: Arc::new(command(text, id)), read_only: true, device: None };
        let admission = self
            .host
            .door()
            .enter(&self.caller.peer, self.caller.site, request)
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

    async fn measure(&self, task: &Task) -> Result<Measured> {
        self.run(&task.one, Some(1)).await?;
        forget_peak();
        let (rows_took, rows, _) = self.run(&task.many, None).await?;
        let rows_peak = peak();
        if rows != task.rows {
            bail!("{rows} rows came of {}", task.rows);
        }
        let mut times = Vec::new();
        for id in 0..task.times {
            times.push(self.run(&task.one, Some(id % 400 + 1)).await?.0);
        }
        forget_peak();
        let (long_took, _, bytes) = self.run(&task.long, None).await?;
        if bytes < task.long_bytes {
            bail!("{bytes} bytes came of {}", task.long_bytes);
        }
        Ok(Measured {
            rows_seconds: rows_took.as_secs_f64(),
            one_micros: median(times),
            one_read_only_micros: None,
            rows_peak,
            long_peak: peak(),
            long_seconds: long_took.as_secs_f64(),
            cancel_millis: None,
        })
    }
}
