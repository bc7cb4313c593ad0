//! A clock that stands still, an engine that does what its statement says, and a site around them.

use crate::{
    door::Door,
    executor::Limits,
    host::{Host, SiteSetup, StartError},
    pairing::Caller,
    pms::PmsFile,
    protect::KeyFile,
    store::{NewCode, NewPairing},
};
use database::{
    Cancel, Column, Description, Done, Engine, Failure, Login, Part, Rights, Session, Sink, Terms, Value,
};
use model::{
    Access, Catalogue, Clock, Command, CommandType, ExecutionMode, Hidden, IntegratorId, Parameter, Pms,
    SiteId, Timestamp,
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use trust::{Kind, Peer, Root, pairing::Code};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const GOOD: (&str, &str) = ("acme", "right password");

/// Wall time moves when told to; monotonic time is real, so that measured spans are, and can be moved on.
pub(crate) struct TestClock(AtomicI64, model::SystemClock, AtomicI64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(TestClock(AtomicI64::new(1_790_000_000_000), model::SystemClock, AtomicI64::new(0)))
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.0.fetch_add(span.as_millis() as i64, Ordering::Relaxed);
    }

    /// Time goes by on both clocks.
    pub(crate) fn pass(&self, span: Duration) {
        self.2.fetch_add(span.as_millis() as i64, Ordering::Relaxed);
        self.advance(span);
    }

    pub(crate) fn set_back(&self, span: Duration) {
        self.0.fetch_sub(span.as_millis() as i64, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.1.monotonic() + Duration::from_millis(self.2.load(Ordering::Relaxed) as u64)
    }
}

/// Statements: `rows N` (N rows of about 50 bytes), `slow` (a row, then waits until cancelled or released), `stuck` (waits for
/// release, deaf to cancel), `error`, `lost`, `panic`, `sleep` (as slow, without the row), `giant`, `update`, `sets` (an empty result
/// set, one of two rows, one of a long value in parts), `cut` (half a row, then waits), `escape`.
#[derive(Default)]
pub(crate) struct FakeEngine {
    pub(crate) connects: AtomicUsize,
    pub(crate) runs: AtomicUsize,
    pub(crate) rows_read: AtomicUsize,
    pub(crate) accesses: Mutex<Vec<Access>>,
    pub(crate) terms: Mutex<Vec<Terms>>,
    /// Sessions can't be reset.
    pub(crate) unclean: AtomicBool,
    /// Nobody is there.
    pub(crate) down: AtomicBool,
    /// The server is there, and lets no integrator into the database.
    pub(crate) refuses: AtomicBool,
    /// What Link's own login is told, by statement; empty: there is no such login. A statement that is not here fails.
    pub(crate) tells: Mutex<HashMap<&'static str, Rows>>,
    pub(crate) looks: AtomicUsize,
    /// What any login may do in any catalogue.
    pub(crate) rights: Mutex<Rights>,
    /// What `value` answers.
    pub(crate) value: AtomicI64,
    /// What reached the database, by text, with its access; shared by all that stand for one database.
    pub(crate) log: Arc<Mutex<Vec<(String, Access)>>>,
    /// Keys of the vendor in the site's PMS file; count from the next start on.
    pub(crate) vendor_keys: Mutex<Vec<Vec<u8>>>,
    /// Which software it is of; none: Best Practice.
    pub(crate) pms: Mutex<Option<Pms>>,
    /// Its process has been killed: what still runs reaches nothing.
    pub(crate) dead: AtomicBool,
    gate: Arc<Gate>,
}

/// Rows of one column.
pub(crate) type Rows = Vec<Option<&'static str>>;

#[derive(Default)]
pub(crate) struct Gate(Mutex<bool>, Condvar);

impl FakeEngine {
    /// A practice's database that says all that [`PMS`] asks for.
    pub(crate) fn tell(&self, pms_id: &'static str, name: &'static str, version: &'static str) {
        let answers = [("is it?", "1"), ("whose?", pms_id), ("its name?", name), ("its version?", version)];
        *self.tells.lock().unwrap() = answers.into_iter().map(|(q, a)| (q, vec![Some(a)])).collect();
    }

    fn session(self: &Arc<Self>, access: Access) -> Box<dyn Session> {
        let cancelled = Arc::new(Flag(AtomicBool::new(false), self.gate.clone()));
        Box::new(FakeSession { engine: self.clone(), cancelled, access, own: false, left: false })
    }

    pub(crate) fn release(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

pub(crate) struct Shared(pub(crate) Arc<FakeEngine>);

struct FakeSession {
    engine: Arc<FakeEngine>,
    cancelled: Arc<Flag>,
    access: Access,
    /// Link's own.
    own: bool,
    /// Something that no reset clears.
    left: bool,
}

struct Flag(AtomicBool, Arc<Gate>);

impl Cancel for Flag {
    fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
        drop(self.1.0.lock().unwrap());
        self.1.1.notify_all();
    }
}

impl Engine for Shared {
    fn catalogues(&self) -> Vec<Catalogue> {
        vec![
            Catalogue { name: "Patients".to_owned(), is_default: true },
            Catalogue { name: "Drugs".to_owned(), is_default: false },
        ]
    }

    fn connect(&self, login: &Login, _: &str, access: Access) -> Result<Box<dyn Session>, Failure> {
        self.0.connects.fetch_add(1, Ordering::SeqCst);
        if self.0.down.load(Ordering::SeqCst) {
            return Err(Failure::Lost);
        }
        if self.0.refuses.load(Ordering::SeqCst) {
            return Err(Failure::Sql(sql_error(4060, "Cannot open database.")));
        }
        if (login.user.reveal().as_str(), login.password.reveal().as_str()) != GOOD {
            return Err(Failure::Sql(sql_error(18456, "Login failed for user.")));
        }
        self.0.accesses.lock().unwrap().push(access);
        Ok(self.0.session(access))
    }

    fn connect_own(&self, _: &str) -> Option<Result<Box<dyn Session>, Failure>> {
        if self.0.tells.lock().unwrap().is_empty() {
            return None;
        }
        self.0.looks.fetch_add(1, Ordering::SeqCst);
        if self.0.down.load(Ordering::SeqCst) {
            return Some(Err(Failure::Lost));
        }
        let cancelled = Arc::new(Flag(AtomicBool::new(false), self.0.gate.clone()));
        let engine = self.0.clone();
        Some(Ok(Box::new(FakeSession {
            engine,
            cancelled,
            access: Access::ReadOnly,
            own: true,
            left: false,
        })))
    }
}

fn sql_error(number: i32, message: &str) -> database::SqlError {
    database::SqlError {
        dialect: database::Dialect::Mssql,
        number,
        state: 1,
        class: 14,
        line: 1,
        message: message.into(),
    }
}

impl FakeSession {
    fn tell(&self, question: &str, sink: &mut dyn Sink) -> Result<Done, Failure> {
        let rows = self.engine.tells.lock().unwrap().get(question).cloned();
        let rows =
            rows.ok_or_else(|| Failure::Sql(sql_error(208, "Invalid object name 'canary-message'.")))?;
        let column = Column { name: String::new(), type_name: "varchar".to_owned() };
        sink.columns(&[column]).map_err(|_| Failure::Cancelled)?;
        for row in rows {
            let value = row.map_or(Value::Null, Value::Text);
            sink.row(&[value]).map_err(|_| Failure::Cancelled)?;
        }
        Ok(Done::default())
    }

    fn wait(&self, deaf: bool) -> Result<Done, Failure> {
        let open = self.engine.gate.0.lock().unwrap();
        let cancelled = || !deaf && self.cancelled.0.load(Ordering::SeqCst);
        let _open = self
            .engine
            .gate
            .1
            .wait_timeout_while(open, Duration::from_secs(20), |open| !*open && !cancelled())
            .unwrap();
        if cancelled() {
            Err(Failure::Cancelled)
        } else {
            Ok(Done { rows_affected: Some(3), outputs: vec![] })
        }
    }
}

impl Session for FakeSession {
    fn run(&mut self, command: &Command, terms: &Terms, sink: &mut dyn Sink) -> Result<Done, Failure> {
        if self.own {
            return self.tell(command.text.reveal(), sink);
        }
        self.engine.terms.lock().unwrap().push(*terms);
        if self.engine.dead.load(Ordering::SeqCst) {
            return Err(Failure::Lost);
        }
        self.engine.runs.fetch_add(1, Ordering::SeqCst);
        self.engine.log.lock().unwrap().push((command.text.reveal().clone(), self.access));
        let columns =
            ["id", "name"].map(|name| Column { name: name.to_owned(), type_name: "int".to_owned() });
        let text = command.text.reveal().as_str();
        match text.split(' ').next().unwrap() {
            "rows" => {
                let count: i64 = text.split(' ').nth(1).unwrap().parse().unwrap();
                let stop = |_| Failure::Cancelled;
                sink.columns(&columns).map_err(stop)?;
                for id in 0..count {
                    if self.cancelled.0.load(Ordering::SeqCst) {
                        return Err(Failure::Cancelled);
                    }
                    let name = format!("a name for number {:08}", id * 7_919 % 1_000_003);
                    sink.row(&[Value::Int(id), Value::Text(&name)]).map_err(stop)?;
                    self.engine.rows_read.fetch_add(1, Ordering::SeqCst);
                }
                Ok(Done::default())
            }
            "giant" => {
                let big = "g".repeat(9 * 1024 * 1024);
                sink.columns(&columns).map_err(|_| Failure::Cancelled)?;
                sink.row(&[Value::Int(1), Value::Text(&big)]).map_err(|_| Failure::Cancelled)?;
                Ok(Done::default())
            }
            "sets" => {
                let stop = |_| Failure::Cancelled;
                sink.columns(&columns[..1]).map_err(stop)?;
                sink.columns(&columns).map_err(stop)?;
                for id in [1, 2] {
                    sink.row(&[Value::Int(id), Value::Null]).map_err(stop)?;
                }
                sink.columns(&columns).map_err(stop)?;
                sink.part(Part::Value(Value::Int(3))).map_err(stop)?;
                for _ in 0..200 {
                    sink.part(Part::Text(&"x".repeat(10_000))).map_err(stop)?;
                }
                sink.part(Part::EndOfValue).map_err(stop)?;
                sink.part(Part::EndOfRow).map_err(stop)?;
                Ok(Done::default())
            }
            "cut" => {
                sink.columns(&columns).map_err(|_| Failure::Cancelled)?;
                for part in [Part::Value(Value::Int(1)), Part::Text("half a")] {
                    sink.part(part).map_err(|_| Failure::Cancelled)?;
                }
                self.wait(false)
            }
            "leave" => {
                self.left = true;
                Ok(Done::default())
            }
            "look" => Ok(Done { rows_affected: Some(self.left.into()), outputs: vec![] }),
            "value" => {
                let stop = |_| Failure::Cancelled;
                sink.columns(&columns[..1]).map_err(stop)?;
                sink.row(&[Value::Int(self.engine.value.load(Ordering::SeqCst))]).map_err(stop)?;
                Ok(Done::default())
            }
            "escape" => Err(Failure::Escaped(None)),
            "slow" => {
                sink.columns(&columns).map_err(|_| Failure::Cancelled)?;
                sink.row(&[Value::Int(1), Value::Text("first")]).map_err(|_| Failure::Cancelled)?;
                self.wait(false)
            }
            "sleep" => self.wait(false),
            "flood" => {
                sink.columns(&columns).map_err(|_| Failure::Cancelled)?;
                let count = text.split(' ').nth(1).map_or(5_000, |count| count.parse().unwrap());
                for id in 0..count {
                    sink.row(&[Value::Int(id), Value::Null]).map_err(|_| Failure::Cancelled)?;
                }
                self.wait(false)
            }
            "break" => self.wait(false).map_err(|_| Failure::Lost),
            "unproven" => Err(Failure::Unproven),
            "stuck" => self.wait(true),
            "error" => Err(Failure::Sql(sql_error(207, "Invalid column name 'canary-message'."))),
            "lost" => Err(Failure::Lost),
            "panic" => panic!("the engine broke"),
            "update" if self.access == Access::ReadOnly => Err(Failure::Sql(sql_error(229, "denied"))),
            _ => Ok(Done { rows_affected: Some(1), outputs: vec![] }),
        }
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        self.cancelled.clone()
    }

    fn ping(&mut self) -> Result<(), Failure> {
        if self.engine.down.load(Ordering::SeqCst) { Err(Failure::Lost) } else { Ok(()) }
    }

    fn reset(&mut self) -> Result<(), Failure> {
        match self.engine.unclean.load(Ordering::SeqCst) {
            true => Err(Failure::Lost),
            false => Ok(()),
        }
    }

    fn describe(&mut self) -> Result<Description, Failure> {
        let rights = self.engine.rights.lock().unwrap().clone();
        Ok(Description { rights, ..Description::default() })
    }
}

/// Folders of processes that were killed.
static GRAVEYARD: Mutex<Vec<tempfile::TempDir>> = Mutex::new(Vec::new());

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else if entry.file_name() != "lock" {
            // One that is being written may go away meanwhile.
            let _ = std::fs::copy(entry.path(), to);
        }
    }
}

/// A site with a fake engine, and an integrator's root.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) engine: Arc<FakeEngine>,
    pub(crate) host: Arc<Host>,
    pub(crate) site: SiteId,
    pub(crate) integrator: Root,
    pub(crate) pms_id: Option<&'static str>,
    codes: std::sync::atomic::AtomicU64,
    /// Made once: a certificate costs more than a query.
    peer: std::sync::OnceLock<Peer>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::of(Arc::new(FakeEngine::default()), Some("1001"), limits)
    }

    /// A site whose configuration says this identifier, or none.
    pub(crate) fn of(engine: Arc<FakeEngine>, pms_id: Option<&'static str>, limits: Limits) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        let host = open(folder.path(), &engine, &clock, pms_id, limits).unwrap();
        let site = host.sites()[0];
        Bench {
            folder,
            clock,
            engine,
            host,
            site,
            integrator: Root::generate(Kind::Integrator).unwrap(),
            pms_id,
            codes: Default::default(),
            peer: Default::default(),
        }
    }

    /// Takes turns for jobs, as a running Link does.
    pub(crate) fn drive(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.host.jobs().clone().drive())
    }

    /// The process is killed, and started again on what was on the disk at this very moment. What the old one's threads still
    /// do reaches neither database nor disk of the new one.
    pub(crate) fn crash(self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        self.door().store().frozen(|| {
            self.engine.dead.store(true, Ordering::SeqCst);
            copy(self.folder.path(), folder.path());
        });
        let engine = FakeEngine { log: self.engine.log.clone(), ..FakeEngine::default() };
        engine.value.store(self.engine.value.load(Ordering::SeqCst), Ordering::SeqCst);
        let engine = Arc::new(engine);
        self.engine.release();
        let host = open(folder.path(), &engine, &self.clock, self.pms_id, Limits::default()).unwrap();
        // Its threads may still write there: kept until the test ends.
        let Bench { folder: old, clock, site, integrator, pms_id, codes, peer, .. } = self;
        GRAVEYARD.lock().unwrap().push(old);
        Bench { folder, clock, engine, host, site, integrator, pms_id, codes, peer }
    }

    /// The service ends and starts again.
    pub(crate) fn restart(self) -> Self {
        let Bench { folder, clock, engine, host, site: _, integrator, pms_id, codes, peer } = self;
        drop(host);
        let host = open(folder.path(), &engine, &clock, pms_id, Limits::default()).unwrap();
        let site = host.sites()[0];
        Bench { folder, clock, engine, host, site, integrator, pms_id, codes, peer }
    }

    pub(crate) fn door(&self) -> &Arc<Door> {
        self.host.door()
    }

    pub(crate) fn peer_with(&self, name: &str, serial: u64) -> Peer {
        self.integrator.issue(name, serial, self.clock.now(), DAY * 30).unwrap().peer().clone()
    }

    pub(crate) fn peer(&self) -> Peer {
        self.peer.get_or_init(|| self.peer_with("gateway one", 5)).clone()
    }

    pub(crate) fn caller(&self) -> Caller {
        let exporter = Arc::new(Hidden::new(vec![3; 32]));
        Caller { peer: Arc::new(self.peer()), site: self.site, exporter }
    }

    pub(crate) fn code(&self, integrator_name: &str, read_only: bool) -> Code {
        let new = NewCode { site: self.site, integrator_name: integrator_name.to_owned(), read_only };
        // Rises, so that no two codes of a bench are alike.
        let mut rng = StdRng::seed_from_u64(self.codes.fetch_add(1, Ordering::Relaxed));
        let (text, _) = self.host.make_code(&new, &mut rng).unwrap();
        Code::parse(text.reveal()).unwrap()
    }

    /// The practice lets the integrator's applications on desktops ask too.
    pub(crate) fn allow_desktops(&self) {
        let change = crate::consent::Form { desktop: Some("any".to_owned()), ..Default::default() };
        let integrator = model::IntegratorId(self.integrator.id());
        self.door().set_terms(self.site, integrator, &change, "0:root").unwrap();
    }

    /// Pairs without the exchange.
    pub(crate) fn pair(&self, access: Access) {
        self.pair_as(IntegratorId(self.integrator.id()), self.integrator.spki(), "Acme", access);
    }

    /// Pairs so many others, who are called `Other 0` and so on: ids from 0, and all of one root.
    pub(crate) fn pair_others(&self, count: u128) {
        let root = Root::generate(Kind::Integrator).unwrap();
        for n in 0..count {
            let id = IntegratorId(uuid::Uuid::from_u128(n));
            self.pair_as(id, root.spki(), &format!("Other {n}"), Access::ReadOnly);
        }
    }

    pub(crate) fn pair_as(&self, integrator: IntegratorId, root_spki: &[u8], name: &str, access: Access) {
        let code = self.code(name, false);
        let login = Login { user: GOOD.0.into(), password: GOOD.1.into() };
        let rights = &Rights::default();
        let new = NewPairing { site: self.site, integrator, name, root_spki, access, login: &login, rights };
        assert!(self.door().pair(&new, code.name()).unwrap());
    }

    pub(crate) fn audit(&self) -> Vec<crate::store::AuditRow> {
        self.door().audit(1000).unwrap()
    }
}

/// What [`FakeEngine::tell`] answers.
pub(crate) const PMS: &str = "name = 'BestPractice'
kinds = ['fake']
[detect]
sql = 'is it?'
[facts.pms_id]
sql = 'whose?'
[facts.practice_name]
sql = 'its name?'
[facts.pms_version]
sql = 'its version?'
";

pub(crate) fn open(
    folder: &Path,
    engine: &Arc<FakeEngine>,
    clock: &Arc<TestClock>,
    pms_id: Option<&str>,
    limits: Limits,
) -> Result<Arc<Host>, StartError> {
    let key = KeyFile::open(&folder.join("identity").join("seal.key")).unwrap();
    Host::open(folder, "demo", vec![setup(engine, pms_id)], Arc::new(key), limits, clock.clone())
}

pub(crate) fn setup(engine: &Arc<FakeEngine>, pms_id: Option<&str>) -> SiteSetup {
    let mut file = PmsFile::parse("test.toml", PMS).unwrap();
    file.approval_keys.clone_from(&engine.vendor_keys.lock().unwrap());
    SiteSetup {
        key: Some("BestPractice".to_owned()),
        pms: engine.pms.lock().unwrap().unwrap_or(Pms::BestPractice),
        pms_id: pms_id.map(str::to_owned),
        practice_name: Some("Test Clinic".to_owned()),
        pms_version: Some("1".to_owned()),
        file: Arc::new(file),
        engine: Arc::new(Shared(engine.clone())),
        patience: Duration::ZERO,
    }
}

pub(crate) fn command(text: &str) -> Arc<Command> {
    Arc::new(Command {
        text: text.into(),
        mode: ExecutionMode::Reader,
        kind: CommandType::Text,
        parameters: vec![Parameter {
            name: "@p".to_owned(),
            direction: model::Direction::Input,
            kind: model::ParameterType::NVarChar,
            value: Some("canary-value".into()),
            size: None,
            type_name: None,
        }],
        catalogue: None,
    })
}
