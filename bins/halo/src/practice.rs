//! `halo practice`: the demo practice alone, reached through SQL Server's protocol, until Ctrl-C.

use crate::system::{random_text, today, write_private};
use ::practice::{BuildOptions, DemoEngine, PracticeLogin, build};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fs,
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::signal::unix::{SignalKind, signal};

/// What to serve, and where.
pub struct Options {
    /// Where to listen.
    pub tds: SocketAddr,
    /// Whether that may be an address that other machines reach.
    pub anywhere: bool,
    /// Folder of the databases, the login and the certificate.
    pub data: PathBuf,
    /// Size, when it is built.
    pub patients: u32,
    /// Seed, when it is built.
    pub seed: u64,
    /// Database login, when it is built; one is made up otherwise.
    pub login: Option<(String, String)>,
    /// Print one JSON object instead of the welcome.
    pub json: bool,
}

/// Made when the practice is built, and kept beside it: the database itself knows no more than the password's hash.
#[derive(Serialize, Deserialize)]
struct Kept {
    user: String,
    password: String,
}

const USER: &str = "halo_demo";

/// Builds what is not there, and serves.
pub async fn run(options: &Options) -> Result<()> {
    if !options.tds.ip().is_loopback() && !options.anywhere {
        bail!(
            "{} can be reached from other machines. This is a test kit: its certificate proves nothing and it was never \
             hardened. Listen on 127.0.0.1, or say --anywhere if you mean it",
            options.tds
        );
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    fs::create_dir_all(&options.data)
        .with_context(|| format!("can't make the folder {}", options.data.display()))?;
    let data = options.data.canonicalize()?;
    let path = data.join("practice.db");
    let kept = prepare(options, &data, &path)?;
    let engine = DemoEngine::open(&path).context("the demo practice can't be opened")?;
    let server = tds::Server::bind(options.tds, Arc::new(engine), tds::Options::default())
        .await
        .with_context(|| format!("can't listen on {}", options.tds))?;
    let address = server.address()?;
    let certificate = data.join("certificate.pem");
    fs::write(&certificate, server.certificate().unwrap_or_default())?;

    let mut out = std::io::stdout();
    if options.json {
        let description = json!({
            "tds": address.to_string(),
            "user": kept.user,
            "password": kept.password,
            "database": "BPSPatients",
            "certificate": certificate,
            "data": data,
        });
        writeln!(out, "{description}")?;
    } else {
        out.write_all(welcome(address, &kept, &data).as_bytes())?;
    }
    out.flush()?;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    server.serve(stop).await;
    Ok(())
}

/// The practice and its login: made at the first start in a folder, found at later ones.
fn prepare(options: &Options, data: &Path, path: &Path) -> Result<Kept> {
    let file = data.join("login.json");
    if path.exists() {
        let bytes = fs::read(&file).with_context(|| format!("{} is missing", file.display()))?;
        let kept: Kept =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is broken", file.display()))?;
        if options.login.as_ref().is_some_and(|(u, p)| (u, p) != (&kept.user, &kept.password)) {
            bail!(
                "the practice in {} was built with another login ({}): use that, or another folder with --data",
                data.display(),
                file.display()
            );
        }
        return Ok(kept);
    }
    let (user, password) = options.login.clone().unwrap_or_else(|| (USER.to_owned(), random_text()));
    let kept = Kept { user, password };
    // The login first: a practice whose password nobody knows would be of no use.
    write_private(&file, &serde_json::to_vec_pretty(&kept)?)?;
    let wanted = BuildOptions {
        patients: options.patients,
        seed: options.seed,
        today: today()?,
        logins: vec![PracticeLogin {
            user: kept.user.clone(),
            password: kept.password.clone().into(),
            read_only: false,
        }],
    };
    let mut progress = Progress::default();
    progress.say(&format!("building a practice of {} patients in {}", options.patients, data.display()), 0.0);
    build(path, &wanted, &mut |step, done| progress.say(step, done))
        .context("the demo practice could not be built")?;
    progress.say("built", 1.0);
    progress.end();
    Ok(kept)
}

/// Leaves the login beside a practice that was built with it, where [`run`] looks for it.
pub(crate) fn keep_login(folder: &Path, user: &str, password: &str) -> Result<()> {
    let kept = Kept { user: user.to_owned(), password: password.to_owned() };
    write_private(&folder.join("login.json"), &serde_json::to_vec_pretty(&kept)?)
}

/// Progress on standard error: one line that changes on a terminal, a line for each step elsewhere.
#[derive(Default)]
struct Progress {
    last: Option<(String, u8)>,
}

impl Progress {
    fn say(&mut self, step: &str, done: f32) {
        let percent = (done.clamp(0.0, 1.0) * 100.0) as u8;
        let same_step = self.last.as_ref().is_some_and(|(last, _)| last == step);
        let same = same_step && self.last.as_ref().is_some_and(|(_, last)| *last == percent);
        let mut err = std::io::stderr();
        let _ = match err.is_terminal() {
            true if !same => write!(err, "\r\x1b[K  {percent:3} % {step}"),
            false if !same_step => writeln!(err, "  {percent:3} % {step}"),
            _ => Ok(()),
        };
        self.last = Some((step.to_owned(), percent));
    }

    fn end(&self) {
        let mut err = std::io::stderr();
        if err.is_terminal() {
            let _ = writeln!(err);
        }
    }
}

fn welcome(address: SocketAddr, kept: &Kept, data: &Path) -> String {
    let Kept { user, password } = kept;
    let (ip, port) = (address.ip(), address.port());
    format!(
        "
The demo practice speaks SQL Server's protocol (TDS) on {address}. Everybody in it is made up.
It is a test kit for this machine: not SQL Server, and nothing to put on a network.

  user      {user}
  password  {password}
  database  BPSPatients; BPSDrugs is beside it

  tsql      TDSVER=7.4 tsql -H {ip} -p {port} -U {user} -P {password} -D BPSPatients
  sqlcmd    sqlcmd -S tcp:{ip},{port} -U {user} -P {password} -d BPSPatients -C
  ADO.NET   Server=tcp:{ip},{port};Database=BPSPatients;User Id={user};Password={password};TrustServerCertificate=True
  ODBC      Driver={{ODBC Driver 18 for SQL Server}};Server=tcp:{ip},{port};Database=BPSPatients;UID={user};PWD={password};TrustServerCertificate=yes
  JDBC      jdbc:sqlserver://{ip}:{port};databaseName=BPSPatients;user={user};password={password};trustServerCertificate=true

Everything is in {}: removing that folder forgets it. Ctrl-C ends this.
",
        data.display()
    )
}
