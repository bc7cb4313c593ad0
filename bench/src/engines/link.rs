//! Link's side: an engine's session by itself, or all of Link's path in this process.

use super::{How, Measured, Task, Which, forget_peak, median, peak};
use crate::site::{Json, Site, command};
use agent::pairing::Caller;
use anyhow::{Context, Result, bail};
use database::{Engine, Login, Settings, Terms};
use model::{Access, Clock, SystemClock};
use std::{path::Path, sync::Arc, time::Duration};
use trust::{Kind, Root};

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

/// All of Link's path, for one integrator.
struct WholePath {
    site: Site,
    caller: Caller,
}

impl WholePath {
    fn open(engine: Arc<dyn Engine>, login: &Login) -> Result<WholePath> {
        let site = Site::open(engine)?;
        let caller = site.pair(&Root::generate(Kind::Integrator)?, "Bench", login)?;
        Ok(WholePath { site, caller })
    }

    /// Runs one command to its end; how long it took, how many rows and bytes of row JSON came.
    async fn run(&self, text: &str, id: Option<u32>) -> Result<(Duration, u64, u64)> {
        self.site.run(&self.caller, Arc::new(command(text, id))).await
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
