//! (e) The demo practice alone: how soon it is there, and a million rows by the embedded engine, through T-SQL, and over
//! SQL Server's protocol, each beside the one below it.

use crate::{
    peak::Peak,
    report::{Aim, Report},
};
use anyhow::{Context, Result, bail};
use database::{Login, Value};
use futures::TryStreamExt;
use lab::Child;
use model::{Access, Clock, SystemClock};
use practice::{
    DemoEngine,
    events::{ColumnType, Ended, Enough, Events, Message, ResultColumn},
};
use std::{path::Path, process::Command, time::Duration};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt;

/// Ten columns: numbers, dates and text, straight from the cursor.
pub(crate) const COLUMNS: &str = "a.RECORDID, n.N, a.APPOINTMENTDATE, a.APPOINTMENTTIME, a.APPOINTMENTLENGTH, a.APPOINTMENTTYPE, \
    a.CREATED, a.REASON, a.CREATEDBY, y.YESNOWORD";
pub(crate) const FROM: &str =
    "FROM APPOINTMENTS a JOIN YESNO y ON y.YESNOCODE = a.URGENT CROSS JOIN Numbers n";

/// Counts rows and looks at every value, as any reader must.
#[derive(Default)]
struct Counter {
    rows: u64,
    bytes: usize,
    error: Option<String>,
}

impl Events for Counter {
    fn columns(&mut self, _: &[ResultColumn]) -> Result<(), Enough> {
        Ok(())
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Enough> {
        self.rows += 1;
        self.bytes += values.iter().map(|v| if let Value::Text(t) = v { t.len() } else { 8 }).sum::<usize>();
        Ok(())
    }
    fn ended(&mut self, _: Ended, _: Option<u64>) -> Result<(), Enough> {
        Ok(())
    }
    fn message(&mut self, message: &Message) -> Result<(), Enough> {
        if message.class > 10 {
            self.error = Some(format!("{}: {}", message.number, message.text));
        }
        Ok(())
    }
    fn output(&mut self, _: usize, _: ColumnType, _: Value<'_>) -> Result<(), Enough> {
        Ok(())
    }
    fn status(&mut self, _: i32) -> Result<(), Enough> {
        Ok(())
    }
    fn database(&mut self, _: &'static str) -> Result<(), Enough> {
        Ok(())
    }
}

pub(crate) async fn measure(data: &Path, rows: u64, report: &mut Report) -> Result<()> {
    let folder = data.join("alone");
    report.group("(e) the demo practice alone");
    let start = SystemClock.monotonic();
    let mut command = Command::new(std::env::current_exe()?.with_file_name("halo"));
    command.args(["practice", "--tds", "127.0.0.1:0", "--json", "--data"]).arg(&folder);
    let mut server = Child::start("practice", command, &data.join("practice.log"))?;
    let line = server.ready(Duration::from_secs(120))?;
    let built = SystemClock.monotonic() - start;
    report.figure(
        "5,000 patients, from nothing until it answers",
        "s",
        Aim::AtMost(10.0),
        built.as_secs_f64(),
        2,
    );
    let ready: serde_json::Value = serde_json::from_str(&line)?;
    let said = |what: &str| ready[what].as_str().map(str::to_owned).with_context(|| format!("no {what}"));
    let (address, user, password) = (said("tds")?, said("user")?, said("password")?);
    let path = folder.join("practice.db");

    // Once before: the file's pages are in memory then, for all that follow.
    raw(&path, rows / 10)?;
    let raw = raw(&path, rows)?;
    report.figure(
        "rows, the embedded engine's own cursor",
        "per s",
        Aim::None,
        rows as f64 / raw.as_secs_f64(),
        0,
    );
    let engine = engine(&path, &user, &password, rows)?;
    report.figure("rows, through T-SQL", "per s", Aim::None, rows as f64 / engine.as_secs_f64(), 0);
    let ratio = raw.as_secs_f64() / engine.as_secs_f64();
    report.figure("through T-SQL / the engine's own", "ratio", Aim::AtLeast(0.5), ratio, 2);
    for (level, name) in [(EncryptionLevel::NotSupported, "plain"), (EncryptionLevel::On, "TLS")] {
        let peak = Peak::watch(&[server.id()]);
        let took = wire(&address, &user, &password, level, rows).await?;
        let peak = peak.end()?;
        report.figure(
            &format!("rows, over TDS, {name}"),
            "per s",
            Aim::None,
            rows as f64 / took.as_secs_f64(),
            0,
        );
        let ratio = engine.as_secs_f64() / took.as_secs_f64();
        report.figure(&format!("over TDS ({name}) / through T-SQL"), "ratio", Aim::None, ratio, 2);
        report.figure("server, peak resident", "MB", Aim::AtMost(64.0), peak[0] as f64 / 1e6, 1);
    }
    Ok(())
}

/// The same statement in the embedded engine's own words, through its own library.
fn raw(path: &Path, rows: u64) -> Result<Duration> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} {FROM} LIMIT {rows}"))?;
    let start = SystemClock.monotonic();
    let mut cursor = statement.query([])?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = cursor.next()? {
        count += 1;
        for at in 0..10 {
            bytes += if let rusqlite::types::ValueRef::Text(t) = row.get_ref(at)? { t.len() } else { 8 };
        }
    }
    let took = SystemClock.monotonic() - start;
    if count != rows || bytes == 0 {
        bail!("{count} rows came of {rows}");
    }
    Ok(took)
}

fn engine(path: &Path, user: &str, password: &str, rows: u64) -> Result<Duration> {
    let engine = DemoEngine::open(path)?;
    let login = Login { user: user.into(), password: password.into() };
    let mut session = engine.log_in(&login, None, Access::ReadOnly).ok().context("the log-in was refused")?;
    let mut counter = Counter::default();
    let start = SystemClock.monotonic();
    let done = session.batch(&format!("SELECT TOP {rows} {COLUMNS} {FROM}"), &mut counter);
    let took = SystemClock.monotonic() - start;
    if done.is_err() || counter.error.is_some() || counter.rows != rows || counter.bytes == 0 {
        bail!("{} rows came of {rows}: {:?}", counter.rows, counter.error);
    }
    Ok(took)
}

async fn wire(
    address: &str,
    user: &str,
    password: &str,
    level: EncryptionLevel,
    rows: u64,
) -> Result<Duration> {
    let mut config = Config::new();
    config.authentication(AuthMethod::sql_server(user, password));
    config.encryption(level);
    config.trust_cert();
    config.packet_size(16_384);
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut client = Client::connect(config, stream.compat_write()).await?;
    let start = SystemClock.monotonic();
    let mut cursor =
        client.simple_query(format!("SELECT TOP {rows} {COLUMNS} {FROM}")).await?.into_row_stream();
    let mut count = 0;
    while cursor.try_next().await?.is_some() {
        count += 1;
    }
    let took = SystemClock.monotonic() - start;
    if count != rows {
        bail!("{count} rows came of {rows}");
    }
    Ok(took)
}
