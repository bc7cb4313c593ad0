//! (f) Each engine's way through Link beside its database's own driver: a million rows, one row on a kept session, one
//! value of 64 MB. Each is measured in a process of its own, so that its memory is its own too.

mod driver;
mod link;

use crate::{
    pick,
    report::{Aim, Report},
};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use conformance::firebird_server::FirebirdServer;
use lab::Child;
use serde::{Deserialize, Serialize};
use std::{path::Path, process::Command, time::Duration};

/// Which engine, and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// SQL Server's protocol, spoken by the test kit; beside `mssql-tds` itself.
    Mssql,
    /// A real Firebird server; beside `rsfbclient`.
    Firebird,
}

/// Who runs the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// The database's own driver, used directly.
    Driver,
    /// Link's engine: a session, rows as JSON.
    Engine,
    /// The whole of Link's path: the door, the lane, the session, rows as JSON, packed, handed to a caller.
    Link,
}

/// What a helper process is to do; it reads this from a file, since a password is in it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Task {
    /// `[site.database]` without `kind`.
    settings: toml::Table,
    user: String,
    password: String,
    /// Yields `rows` rows.
    many: String,
    rows: u64,
    /// One row by number: `@id`.
    one: String,
    times: u32,
    /// One value of `long_bytes` characters.
    long: String,
    long_bytes: u64,
    /// Works for hours and gives nothing meanwhile.
    endless: String,
}

/// What a helper process measured.
#[derive(Serialize, Deserialize)]
struct Measured {
    rows_seconds: f64,
    /// Median, on a session that is kept.
    one_micros: f64,
    /// The same under enforced read-only.
    one_read_only_micros: Option<f64>,
    /// Peak resident, bytes: while the rows ran, while the long value did.
    rows_peak: u64,
    long_peak: u64,
    long_seconds: f64,
    /// From asking until the command has ended, the slowest of some.
    cancel_millis: Option<f64>,
}

/// A helper's main.
pub(crate) async fn helper(which: Which, how: How, task: &Path) -> Result<()> {
    let task: Task = serde_json::from_slice(&std::fs::read(task)?)?;
    let measured = match how {
        How::Driver => driver::measure(which, &task).await?,
        How::Engine | How::Link => link::measure(which, how, &task).await?,
    };
    crate::report::say(&serde_json::to_string(&measured)?);
    Ok(())
}

pub(crate) async fn measure(data: &Path, quick: bool, report: &mut Report) -> Result<()> {
    let folder = data.join("engines");
    std::fs::create_dir_all(&folder)?;
    let (rows, times) = (pick(quick, 1_000_000, 100_000), pick(quick, 3_000, 300));
    {
        report.group("(f) SQL Server's engine beside mssql-tds (both against the test kit's server)");
        let mut command = Command::new(std::env::current_exe()?.with_file_name("halo"));
        command.args(["practice", "--tds", "127.0.0.1:0", "--json", "--data"]).arg(folder.join("practice"));
        let mut server = Child::start("practice", command, &folder.join("practice.log"))?;
        let ready: serde_json::Value = serde_json::from_str(&server.ready(Duration::from_secs(120))?)?;
        let task = mssql_task(&ready, rows, times)?;
        compare(Which::Mssql, &folder, &task, report)?;
    }
    report.group("(f) Firebird's engine beside rsfbclient (both against a real server)");
    match FirebirdServer::start(FIREBIRD) {
        Some(server) => compare(Which::Firebird, &folder, &firebird_task(&server, rows, times)?, report)?,
        None => crate::report::say("  not measured: no Firebird server (tools/firebird.sh installs one)"),
    }
    Ok(())
}

fn compare(which: Which, folder: &Path, task: &Task, report: &mut Report) -> Result<()> {
    let file = folder.join("task.json");
    std::fs::write(&file, serde_json::to_vec(task)?)?;
    let run = |how: How| -> Result<Measured> {
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["engine", &name(&|| which.to_possible_value()), &name(&|| how.to_possible_value())])
            .arg(&file);
        let output = command.output()?;
        if !output.status.success() {
            bail!("{which:?} by {how:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    // Once before, for nobody: the server has its pages in memory then.
    run(How::Driver)?;
    let (driver, engine, link) = (run(How::Driver)?, run(How::Engine)?, run(How::Link)?);
    let per_second = |m: &Measured| task.rows as f64 / m.rows_seconds;
    report.figure("rows, the driver itself", "per s", Aim::None, per_second(&driver), 0);
    report.figure("rows, the engine, as JSON", "per s", Aim::None, per_second(&engine), 0);
    report.figure("rows, Link's whole path", "per s", Aim::None, per_second(&link), 0);
    report.figure(
        "Link's path / the driver",
        "ratio",
        Aim::AtLeast(0.8),
        per_second(&link) / per_second(&driver),
        2,
    );
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    report.figure("peak resident, driver, rows", "MB", Aim::None, megabytes(driver.rows_peak), 1);
    report.figure("peak resident, Link's path, rows", "MB", Aim::AtMost(64.0), megabytes(link.rows_peak), 1);
    report.figure("one row, kept session, the driver itself", "µs p50", Aim::None, driver.one_micros, 0);
    report.figure("one row, kept session, the engine", "µs p50", Aim::None, engine.one_micros, 0);
    report.figure(
        "the engine costs more",
        "µs",
        Aim::AtMost(100.0),
        engine.one_micros - driver.one_micros,
        0,
    );
    if let Some(micros) = engine.one_read_only_micros {
        report.figure("one row under enforced read-only, the engine", "µs p50", Aim::None, micros, 0);
    }
    if let Some(millis) = engine.cancel_millis {
        report.figure(
            "cancelled until ended in the database, slowest of 20",
            "ms",
            Aim::AtMost(200.0),
            millis,
            1,
        );
    }
    report.figure("one row, Link's whole path, read-only", "µs p50", Aim::None, link.one_micros, 0);
    report.figure("64 MB value, driver: time", "s", Aim::None, driver.long_seconds, 2);
    report.figure("64 MB value, Link's path: time", "s", Aim::None, link.long_seconds, 2);
    report.figure("peak resident, driver, 64 MB value", "MB", Aim::None, megabytes(driver.long_peak), 1);
    report.figure(
        "peak resident, Link's path, 64 MB value",
        "MB",
        Aim::AtMost(64.0),
        megabytes(link.long_peak),
        1,
    );
    Ok(())
}

fn mssql_task(ready: &serde_json::Value, rows: u64, times: u32) -> Result<Task> {
    let said = |what: &str| ready[what].as_str().map(str::to_owned).with_context(|| format!("no {what}"));
    let address: std::net::SocketAddr = said("tds")?.parse()?;
    let mut settings = toml::Table::new();
    settings.insert("server".into(), format!("tcp:{},{}", address.ip(), address.port()).into());
    settings.insert("certificate".into(), said("certificate")?.into());
    // Both sides alike: what is compared is not the cipher.
    settings.insert("encrypt".into(), "required".into());
    settings.insert("default".into(), "Patients".into());
    settings.insert(
        "catalogues".into(),
        toml::Table::from_iter([("Patients".to_owned(), "BPSPatients".into())]).into(),
    );
    Ok(Task {
        settings,
        user: said("user")?,
        password: said("password")?,
        many: format!("SELECT TOP {rows} {} {}", crate::practice::COLUMNS, crate::practice::FROM),
        rows,
        one: "SELECT InternalID, Surname, Firstname, DOB FROM BPS_Patients WHERE InternalID = @id".to_owned(),
        times,
        long: "SELECT REPLICATE(CAST('x' AS varchar(max)), 64000000) AS Long".to_owned(),
        long_bytes: 64_000_000,
        endless: "SELECT SUM(a.N) AS S FROM Numbers a CROSS JOIN Numbers b CROSS JOIN Numbers c CROSS JOIN Numbers d".to_owned(),
    })
}

/// A thousand rows of ten columns: numbers, days, money, texts.
const FIREBIRD: &str = "
CREATE TABLE DIARY (ID INTEGER NOT NULL PRIMARY KEY, SEEN DATE, AT_TIME TIME, MADE TIMESTAMP, FEE NUMERIC(18,4), KIND SMALLINT,
  FAMILY_NAME VARCHAR(60), REASON VARCHAR(80), STATE CHAR(10));
COMMIT;
SET TERM ^ ;
EXECUTE BLOCK AS DECLARE I INTEGER = 0; BEGIN
  WHILE (I < 1000) DO BEGIN
    INSERT INTO DIARY VALUES (:I, DATEADD(DAY, :I, DATE '2024-01-01'), TIME '08:15', TIMESTAMP '2026-02-03 08:15:00', :I * 1.25, MOD(:I, 7),
      'Papadopoulos' || :I, 'Review of blood pressure', 'booked');
    I = I + 1;
  END
END^
SET TERM ; ^
GRANT SELECT ON DIARY TO WRITER;
COMMIT;
";

fn firebird_task(server: &FirebirdServer, rows: u64, times: u32) -> Result<Task> {
    let login = server.writer();
    Ok(Task {
        settings: server.settings().parse()?,
        user: login.user.reveal().clone(),
        password: login.password.reveal().clone(),
        many: format!(
            "SELECT FIRST {rows} A.ID, B.ID AS N, A.SEEN, A.AT_TIME, A.MADE, A.FEE, A.KIND, A.FAMILY_NAME, A.REASON, A.STATE FROM DIARY A CROSS JOIN DIARY B"
        ),
        rows,
        one: "SELECT ID, FAMILY_NAME, SEEN, FEE FROM DIARY WHERE ID = @id".to_owned(),
        times,
        long: "SELECT LIST(T.X, '') AS L FROM (SELECT FIRST 6400 RPAD('x', 10000, 'x') AS X FROM DIARY A CROSS JOIN DIARY B) T".to_owned(),
        long_bytes: 64_000_000,
        endless: "SELECT COUNT(*) AS N FROM DIARY A, DIARY B, DIARY C, DIARY D".to_owned(),
    })
}

/// This process's peak resident memory since [`forget_peak`], bytes.
fn peak() -> u64 {
    lab::memory::of(std::process::id()).map_or(0, |memory| memory.peak)
}

fn forget_peak() {
    // Where the kernel does not let it, the peak is that of the process's life: more, never less.
    let _ = lab::memory::reset_peak(std::process::id());
}

/// The middle one.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}
