//! The whole system on one machine: cloud, link and gateway as processes of their own, paired, over real TLS.

mod certificates;
mod guest;
mod process;

use crate::http::Client;
use anyhow::{Context, Result, bail};
pub use guest::Guest;
use model::{Clock, SystemClock};
pub use process::Part;
pub(crate) use process::{random_text, signal_and_wait, write_private};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

/// The demo practice's identifier, as a practice would read it off its software.
pub const PMS_ID: &str = practice::SITE_ID;
/// Its software, in the published spelling.
pub const PMS_NAME: &str = "Best Practice";
/// The name under which the demo's integrator pairs.
pub const INTEGRATOR: &str = "Demo Integrator";
const USER: &str = "halo_demo";

/// What stands for the practice's database server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// The demo practice inside Link.
    #[default]
    Demo,
    /// The demo practice as a process of its own that speaks SQL Server's protocol: Link talks to it as to a clinic's server.
    Mssql,
}

/// Puts something between a part and the cloud: takes the cloud's address, gives the one to dial.
pub type Route<'a> = &'a dyn Fn(SocketAddr) -> SocketAddr;

/// What to start, and how.
pub struct Options<'a> {
    /// Everything of this system lives below: identities, databases, logs.
    pub data: PathBuf,
    /// Where the programs are.
    pub programs: PathBuf,
    /// Size of the demo practice.
    pub patients: u32,
    /// What Link finds beside it.
    pub engine: Engine,
    /// Ports to try first; a taken one is replaced by a free one. 0: any.
    pub cloud_port: u16,
    /// See `cloud_port`.
    pub gateway_port: u16,
    /// What Link dials.
    pub route_link: Option<Route<'a>>,
    /// Put before Link's command line: another network namespace, say.
    pub wrap_link: Vec<String>,
    /// What the gateway dials.
    pub route_gateway: Option<Route<'a>>,
    /// More environment for the three processes.
    pub environment: Vec<(String, String)>,
    /// What it is all about, where it is not the usual demo.
    pub practice: Practice,
}

/// A practice and its integrator, as they are before anybody has paired.
#[derive(Clone, Debug)]
pub struct Practice {
    /// `production`, `stage` or `demo`.
    pub environment: &'static str,
    /// The software that the practice is said to have.
    pub pms: model::Pms,
    /// Lines of `link.toml` before its sites.
    pub link: String,
    /// Lines of `gateway.toml` before its sections.
    pub gateway: String,
    /// Whether they are paired when the system has started.
    pub paired: bool,
}

impl Default for Practice {
    fn default() -> Self {
        Practice {
            environment: "demo",
            pms: model::Pms::BestPractice,
            link: String::new(),
            gateway: String::new(),
            paired: true,
        }
    }
}

impl Options<'_> {
    /// The usual ones: programs beside the running one, 5,000 patients, any ports.
    pub fn new(data: impl Into<PathBuf>) -> Result<Self> {
        let exe = std::env::current_exe().context("can't tell where this program is")?;
        let folder = exe.parent().context("this program has no folder")?;
        // Test programs live one folder deeper than the programs they test.
        let programs = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
        Ok(Options {
            data: data.into(),
            programs: programs.to_owned(),
            patients: 5_000,
            engine: Engine::Demo,
            cloud_port: 0,
            gateway_port: 0,
            route_link: None,
            wrap_link: Vec::new(),
            route_gateway: None,
            environment: Vec::new(),
            practice: Practice::default(),
        })
    }
}

/// What a caller needs to know of a running system; `halo demo --detach` prints it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Base URL of the public API.
    pub gateway: String,
    /// For the header `Ocp-Apim-Subscription-Key`.
    pub subscription_key: String,
    /// The Halo GUID.
    pub site_id: String,
    /// The practice's own identifier.
    pub practice_management_site_id: String,
    /// Its software.
    pub practice_management_name: String,
    /// Process ids by part.
    pub pids: Pids,
    /// Folder of the log files.
    pub logs: PathBuf,
    /// Folder of everything.
    pub data: PathBuf,
}

/// Process ids.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pids {
    /// Halo Cloud.
    pub cloud: u32,
    /// Halo Link.
    pub link: u32,
    /// Halo Gateway.
    pub gateway: u32,
    /// The practice's database server, where it is a process of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub practice: Option<u32>,
}

/// A running system. Stop it with [`System::stop`]; dropping it kills the processes.
#[derive(Debug)]
pub struct System {
    /// What and where.
    pub description: Description,
    /// Halo Cloud's process.
    pub cloud: Part,
    /// Halo Link's process.
    pub link: Part,
    /// Halo Gateway's process.
    pub gateway: Part,
    /// The practice's database server, where it is a process of its own.
    pub practice: Option<Part>,
    programs: Programs,
}

/// One of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Halo Cloud.
    Cloud,
    /// Halo Link.
    Link,
    /// Halo Gateway.
    Gateway,
    /// The practice's database server, where it is a process of its own.
    Practice,
}

impl Which {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Which::Cloud => ("cloud", "halo-cloud"),
            Which::Link => ("link", "HaloLinkService"),
            Which::Gateway => ("gateway", "halo-gateway"),
            Which::Practice => ("practice", "halo"),
        }
    }
}

/// Made at the first start and kept: the demo practice's login and the subscription key.
#[derive(Serialize, Deserialize)]
struct Kept {
    password: String,
    subscription_key: Option<String>,
}

impl System {
    /// Starts everything; `say` is told each step.
    pub async fn start(options: &Options<'_>, say: &mut dyn FnMut(&str)) -> Result<System> {
        let data = absolute(&options.data)?;
        let (logs, config) = (data.join("logs"), data.join("config"));
        for folder in [&data, &logs, &config] {
            fs::create_dir_all(folder)
                .with_context(|| format!("can't make the folder {}", folder.display()))?;
        }
        let mut kept = Kept::load(&data)?;

        say("certificates for TLS on this machine");
        let certificates = certificates::make(&data.join("certificates"))?;
        let practice = data.join("practice").join("practice.db");
        build_practice(&practice, options.patients, &kept.password, say)?;

        say("Halo Cloud: relay and directory");
        let cloud_config = config.join("cloud.toml");
        let write_cloud_config = |listen: SocketAddr| {
            write_config(
                &cloud_config,
                &[
                    ("listen", listen.to_string()),
                    ("tls_cert", certificates.cert.display().to_string()),
                    ("tls_key", certificates.key.display().to_string()),
                    ("data", data.join("cloud").display().to_string()),
                    ("environment", options.practice.environment.to_owned()),
                ],
                "names = [\"localhost\"]\n",
            )
        };
        write_cloud_config(free_address(options.cloud_port))?;
        let programs = Programs {
            folder: options.programs.clone(),
            wrap_link: options.wrap_link.clone(),
            environment: options.environment.clone(),
            config: config.clone(),
            logs: logs.clone(),
            practice: practice_server(options.engine, &practice, &kept.password)?,
        };
        let (cloud, ready) = programs.start(Which::Cloud).await?;
        let cloud_address: SocketAddr = text(&ready, "listen")?.parse()?;
        // Whatever port it got: started again it must be found there.
        write_cloud_config(cloud_address)?;

        let gateway_config = config.join("gateway.toml");
        let to_cloud = |route: Option<Route<'_>>| {
            let address = route.map_or(cloud_address, |route| route(cloud_address));
            let ca = certificates.ca.display().to_string();
            format!(
                "[cloud]\nurl = {}\nca = {}\n",
                quote(&format!("wss://localhost:{}/tunnel/v1", address.port())),
                quote(&ca)
            )
        };
        write_config(
            &gateway_config,
            &[
                ("listen", free_address(options.gateway_port).to_string()),
                ("data", data.join("gateway").display().to_string()),
                ("integrator_name", INTEGRATOR.to_owned()),
                ("environment", options.practice.environment.to_owned()),
            ],
            &format!(
                "{}\n{}\n[logins.\"{}\"]\nuser = {}\npassword = {}\n",
                options.practice.gateway,
                to_cloud(options.route_gateway),
                options.practice.pms.display_name(),
                quote(USER),
                quote(&kept.password)
            ),
        )?;
        let identity = programs.ask("halo-gateway", &["identity"], &gateway_config).await?;
        let admit = ["admit", "--integrator", text(&identity, "integrator")?, "--name", INTEGRATOR];
        programs.run("halo-cloud", &admit, &cloud_config).await?;

        let (practice_part, database) = match &programs.practice {
            None => (None, format!("kind = \"demo\"\npath = {}\n", quote(&practice.display().to_string()))),
            Some(server) => {
                say("the practice's database server, which speaks SQL Server's protocol");
                let (part, ready) = programs.start(Which::Practice).await?;
                // Whatever port it got: started again it must be found there.
                server.keep(text(&ready, "tds")?)?;
                (Some(part), mssql_settings(&ready)?)
            }
        };
        say("Halo Link beside the practice's database");
        let link_config = config.join("link.toml");
        write_config(
            &link_config,
            &[
                ("data", data.join("link").display().to_string()),
                ("environment", options.practice.environment.to_owned()),
            ],
            &format!(
                "{}\n{}\n[[site]]\npms = \"{}\"\npms_id = {}\n[site.database]\n{database}",
                to_cloud(options.route_link),
                options.practice.link,
                options.practice.pms.type_name(),
                quote(PMS_ID),
            ),
        )?;
        let (link, ready) = programs.start(Which::Link).await?;
        let site_id = ready["sites"][0].as_str().context("Halo Link named no site")?.to_owned();

        say("Halo Gateway: the public API");
        let subscription_key = match &kept.subscription_key {
            Some(key) => key.clone(),
            None => {
                let made = programs
                    .ask("halo-gateway", &["key", "add", "--name", "demo", "--json"], &gateway_config)
                    .await?;
                let key = text(&made, "subscriptionKey")?.to_owned();
                kept.subscription_key = Some(key.clone());
                kept.store(&data)?;
                key
            }
        };
        let (gateway, ready) = programs.start(Which::Gateway).await?;

        let description = Description {
            gateway: text(&ready, "listen")?.to_owned(),
            subscription_key,
            site_id,
            practice_management_site_id: PMS_ID.to_owned(),
            practice_management_name: options.practice.pms.display_name().to_owned(),
            pids: Pids {
                cloud: cloud.pid,
                link: link.pid,
                gateway: gateway.pid,
                practice: practice_part.as_ref().map(|part| part.pid),
            },
            logs,
            data: data.clone(),
        };
        let system = System { description, cloud, link, gateway, practice: practice_part, programs };
        if options.practice.paired {
            system.pair(say).await?;
        }
        Ok(system)
    }

    /// Pairs as a practice and an integrator would, unless they are paired already.
    async fn pair(&self, say: &mut dyn FnMut(&str)) -> Result<()> {
        let mut client = self.client().await?;
        if client.get(&format!("/integrator/sites/{}", self.description.site_id)).await?.status == 200 {
            say("already paired");
            return Ok(());
        }
        say("pairing: a code made at the site, used by the integrator");
        let made = self.utility(&["pairing-code", "--integrator", INTEGRATOR, "--json"]).await?;
        let path = format!(
            "/integrator/pair-site?practiceManagementSiteId={PMS_ID}&practiceManagementName=Best%20Practice&pairingCode={}",
            text(&made, "code")?
        );
        let answer = client.call(http::Method::POST, &path, &[], "").await?;
        if answer.status != 200 {
            bail!("pairing was refused with {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(())
    }

    /// Starts a part again that has ended or was killed.
    pub async fn restart(&mut self, which: Which) -> Result<()> {
        let (part, ready) = self.programs.start(which).await?;
        if which == Which::Gateway {
            // Where any port was asked for, it is another one now.
            self.description.gateway = text(&ready, "listen")?.to_owned();
        }
        match which {
            Which::Cloud => self.cloud = part,
            Which::Link => self.link = part,
            Which::Gateway => self.gateway = part,
            Which::Practice => self.practice = Some(part),
        }
        Ok(())
    }

    /// Runs `HaloLinkUtility` at the site; it must answer with JSON.
    pub async fn utility(&self, arguments: &[&str]) -> Result<Value> {
        self.programs.ask("HaloLinkUtility", arguments, &self.programs.config.join("link.toml")).await
    }

    /// Runs `halo-cloud` with the running cloud's configuration, as its operator would.
    pub async fn operator(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        self.programs.run("halo-cloud", arguments, &self.programs.config.join("cloud.toml")).await
    }

    /// Runs `halo-gateway` where the integrator's root is; it must answer with JSON.
    pub async fn integrator(&self, arguments: &[&str]) -> Result<Value> {
        self.programs.ask("halo-gateway", arguments, &self.programs.config.join("gateway.toml")).await
    }

    /// Starts another gateway of the same integrator, on a machine that has not its root: with this certificate, and with the same
    /// papers as the first.
    pub async fn second_gateway(&self, certificate: &Path) -> Result<(Part, Client)> {
        let own = fs::read_to_string(self.programs.config.join("gateway.toml"))?;
        let config = self.programs.config.join("second.toml");
        let data = self.description.data.join("second");
        let mut kept = String::new();
        for line in own.lines() {
            let name = line.split(' ').next().unwrap_or_default();
            kept += &match name {
                "data" => format!("data = {}\n", quote(&data.display().to_string())),
                "listen" => "listen = \"127.0.0.1:0\"\n".to_owned(),
                _ => format!("{line}\n"),
            };
        }
        let certificate = quote(&certificate.display().to_string());
        let revoked = quote(&self.description.data.join("gateway/instances.revoked").display().to_string());
        let papers = format!("certificate = {certificate}\nrevocations = {revoked}\n");
        process::write_private(&config, (papers + &kept).as_bytes())?;
        let made =
            self.programs.ask("halo-gateway", &["key", "add", "--name", "second", "--json"], &config).await?;
        let (part, ready) = self.programs.start_gateway(&config, "second").await?;
        let client = Client::connect(text(&ready, "listen")?, text(&made, "subscriptionKey")?).await?;
        Ok((part, client))
    }

    /// The demo integrator's database password, for tests that look for it where it must not be.
    pub fn kept_password(&self) -> Result<String> {
        Ok(Kept::load(&self.description.data)?.password)
    }

    /// A new connection to the public API.
    pub async fn client(&self) -> Result<Client> {
        Client::connect(&self.description.gateway, &self.description.subscription_key).await
    }

    /// Stops all parts, the outermost first; each gets ten seconds before it is killed.
    pub async fn stop(self) -> Result<()> {
        let limit = Duration::from_secs(10);
        for part in [self.gateway, self.link, self.cloud].into_iter().chain(self.practice) {
            part.stop(limit).await?;
        }
        Ok(())
    }
}

impl Kept {
    fn load(data: &Path) -> Result<Kept> {
        let path = data.join("kept.json");
        if path.exists() {
            let bytes = fs::read(&path)?;
            return serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is broken: remove the folder {}", path.display(), data.display())
            });
        }
        let kept = Kept { password: process::random_text(), subscription_key: None };
        kept.store(data)?;
        Ok(kept)
    }

    fn store(&self, data: &Path) -> Result<()> {
        process::write_private(&data.join("kept.json"), &serde_json::to_vec_pretty(self)?)
    }
}

/// Runs the programs of one system.
#[derive(Debug)]
struct Programs {
    folder: PathBuf,
    wrap_link: Vec<String>,
    environment: Vec<(String, String)>,
    config: PathBuf,
    logs: PathBuf,
    practice: Option<PracticeServer>,
}

/// `halo practice` on a practice that is built already.
#[derive(Debug)]
struct PracticeServer {
    folder: PathBuf,
}

impl PracticeServer {
    /// The file that remembers where it listens.
    fn file(&self) -> PathBuf {
        self.folder.join("address")
    }

    fn keep(&self, address: &str) -> Result<()> {
        Ok(fs::write(self.file(), address)?)
    }

    /// Where it listened before, if nobody else does now.
    fn address(&self) -> SocketAddr {
        let before =
            fs::read_to_string(self.file()).ok().and_then(|text| text.trim().parse::<SocketAddr>().ok());
        free_address(before.map_or(0, |address| address.port()))
    }
}

impl Programs {
    async fn start(&self, which: Which) -> Result<(Part, Value)> {
        let (part, program) = which.names();
        let config = self.config.join(part).with_extension("toml");
        let log = self.logs.join(part).with_extension("log");
        let address;
        let arguments: Vec<&OsStr> = match &self.practice {
            Some(server) if which == Which::Practice => {
                address = server.address().to_string();
                let words = ["practice", "--json", "--tds", &address, "--data"].map(OsStr::new);
                words.into_iter().chain([server.folder.as_os_str()]).collect()
            }
            _ => vec![OsStr::new("run"), OsStr::new("--config"), config.as_os_str()],
        };
        let program = self.folder.join(program);
        let wrap: &[String] = if which == Which::Link { &self.wrap_link } else { &[] };
        // With something before it, the program is an argument.
        let Some((first, rest)) = wrap.split_first() else {
            return Part::start(&program, &arguments, &log, &self.environment).await;
        };
        let words = rest.iter().map(OsStr::new).chain([program.as_os_str()]).chain(arguments);
        Part::start(Path::new(first), &words.collect::<Vec<_>>(), &log, &self.environment).await
    }

    /// Another gateway than the system's own.
    async fn start_gateway(&self, config: &Path, name: &str) -> Result<(Part, Value)> {
        let program = self.folder.join(Which::Gateway.names().1);
        let log = self.logs.join(name).with_extension("log");
        let words = [OsStr::new("run"), OsStr::new("--config"), config.as_os_str()];
        Part::start(&program, &words, &log, &self.environment).await
    }

    async fn run(&self, program: &str, arguments: &[&str], config: &Path) -> Result<Vec<u8>> {
        process::run(&self.folder.join(program), arguments, config).await
    }

    async fn ask(&self, program: &str, arguments: &[&str], config: &Path) -> Result<Value> {
        let said = self.run(program, arguments, config).await?;
        serde_json::from_slice(&said).with_context(|| format!("{program} did not answer with JSON"))
    }
}

fn build_practice(path: &Path, patients: u32, password: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
    if path.exists() {
        // One of another version is told here, with what to do, rather than in the log of the part that can't read it.
        practice::DemoEngine::open(path)?;
        return Ok(());
    }
    say(&format!("demo practice: {patients} patients, three years of appointments"));
    let folder = path.parent().context("the practice database has no folder")?;
    fs::create_dir_all(folder)?;
    let options = practice::BuildOptions {
        patients,
        seed: 1,
        today: today()?,
        logins: vec![practice::PracticeLogin {
            user: USER.to_owned(),
            password: password.to_owned().into(),
            read_only: false,
        }],
    };
    practice::build(path, &options, &mut |_, _| {}).context("the demo practice could not be built")
}

/// What `halo practice` needs to serve a practice that is built already: its login beside it.
fn practice_server(engine: Engine, practice: &Path, password: &str) -> Result<Option<PracticeServer>> {
    if engine == Engine::Demo {
        return Ok(None);
    }
    let folder = practice.parent().context("the practice database has no folder")?.to_owned();
    crate::practice::keep_login(&folder, USER, password)?;
    Ok(Some(PracticeServer { folder }))
}

/// `[site.database]` for what `halo practice --json` said.
fn mssql_settings(ready: &Value) -> Result<String> {
    let address: SocketAddr = text(ready, "tds")?.parse()?;
    Ok(format!(
        "kind = \"mssql\"\nserver = {}\ncertificate = {}\ndefault = \"Patients\"\n\
         catalogues = {{ Patients = \"BPSPatients\", Drugs = \"BPSDrugs\" }}\n\
         [site.database.login]\nuser = {}\npassword = {}\n",
        quote(&format!("tcp:{},{}", address.ip(), address.port())),
        quote(text(ready, "certificate")?),
        quote(text(ready, "user")?),
        quote(text(ready, "password")?),
    ))
}

/// The demo practice is in Queensland, ten hours ahead: its appointment book has that day in the middle.
pub(crate) fn today() -> Result<database::Date> {
    let now = time::OffsetDateTime::from_unix_timestamp(SystemClock.now().unix_seconds() + 10 * 3600)?;
    Ok(database::Date { year: u16::try_from(now.year())?, month: now.month().into(), day: now.day() })
}

/// A free loopback address, the preferred port if nobody has it.
fn free_address(preferred: u16) -> SocketAddr {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    match TcpListener::bind(loopback(preferred)) {
        Ok(_) => loopback(preferred),
        Err(_) => loopback(0),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path).with_context(|| format!("can't make the folder {}", path.display()))?;
    Ok(path.canonicalize()?)
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("\"{field}\" is missing in what a program said"))
}

/// A TOML basic string: JSON's escapes are a subset of TOML's.
fn quote(text: &str) -> String {
    json!(text).to_string()
}

fn write_config(path: &Path, fields: &[(&str, String)], rest: &str) -> Result<()> {
    let mut out = String::new();
    for (name, value) in fields {
        out.push_str(&format!("{name} = {}\n", quote(value)));
    }
    out.push_str(rest);
    process::write_private(path, out.as_bytes())
}
