//! (j) The choke point: what consent, budgets and audit cost a one-row read.
//!
//! The same read three ways, taking turns: through the whole of Link; by the engine alone; and by the engine on the same threads as
//! Link uses, with no door before it. Beside them the door's own work by itself: let in, begin, end, over the real store on disk,
//! with the thread that writes its lines.

mod wire;

use crate::{
    report::{Aim, Report, say},
    site::{Json, Site, command},
};
use agent::{
    consent::{Approval, Form, Most, Names},
    pairing::Caller,
};
use anyhow::{Context, Result, bail};
use database::{Engine, Login, Session, Terms};
use link_api::proto;
use model::{Access, Clock, IntegratorId, SystemClock};
use practice::DemoEngine;
use std::{path::Path, sync::Arc, time::Duration};
use trust::{Kind, Root};
pub(crate) use wire::measure as over_the_wire;

/// All ways take turns, so that a machine that slows down meanwhile slows all.
const ROUNDS: usize = 5;
/// The journal takes so many lines at a time; what is measured is the door, not how it refuses when its disk falls behind.
const BATCH: usize = 250;
/// Statements that the practice approved beside the one that runs.
const APPROVED: usize = 999;
/// The same statement as in (a).
pub(crate) const ONE: &str =
    "SELECT InternalID, Surname, Firstname, DOB FROM BPS_Patients WHERE InternalID = @id";
/// The aim for what the door adds, µs.
const AIM: f64 = 50.0;

/// One site, and what its practice has set.
struct Setting {
    name: &'static str,
    site: Site,
    callers: Vec<Caller>,
    whole: Micros,
    door: Micros,
}

#[derive(Default)]
struct Micros(Vec<f64>);

impl Micros {
    fn add(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1e6);
    }

    fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_by(f64::total_cmp);
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or(0.0)
    }
}

/// All bounds that a practice can set, none of them so low that it stops anything here.
pub(crate) fn all_bounds() -> Form {
    let word = |word: &str| Some(word.to_owned());
    let most = |number| Some(Most::Number(number));
    let others = (0..APPROVED).map(|n| format!("{n:064x}"));
    Form {
        access: word("read-only"),
        expires: word("2060-06-30"),
        catalogues: Some(Names::List(vec!["Patients".to_owned(), "Drugs".to_owned()])),
        statements: word("approved"),
        approved: Some(others.chain([format!("{:?}", Approval::of(&command(ONE, None)))]).collect()),
        approve: None,
        withdraw: None,
        fhir: Some(true),
        desktop: word("approved"),
        hosted: Some(false),
        audit: word("values"),
        queries_per_minute: most(1_000_000_000),
        rows_per_day: most(1_000_000_000_000),
        bytes_per_day: most(1_000_000_000_000),
        at_once: most(1_000),
    }
}

/// In this process, over a store on disk.
pub(crate) async fn measure(
    data: &Path,
    (queries, patients): (usize, u32),
    many: usize,
    report: &mut Report,
) -> Result<()> {
    let folder = data.join("choke");
    std::fs::create_dir_all(&folder)?;
    say(&format!("\nthree sites in this process, one of them with {many} integrators"));
    // Pairing tries the login, which blocks.
    let opened = tokio::task::spawn_blocking(move || -> Result<_> {
        let (engine, login) = practice(&folder, patients)?;
        let settings = [
            ("one integrator without bounds", 1, None),
            ("all bounds", 1, Some(all_bounds())),
            ("many integrators, all bounds", many, Some(all_bounds())),
        ];
        let settings =
            settings.map(|(name, count, bounds)| setting(name, &engine, &login, count, bounds.as_ref()));
        let settings = settings.into_iter().collect::<Result<Vec<_>>>()?;
        let session = engine.connect(&login, "Patients", Access::ReadOnly)?;
        Ok((settings, session))
    });
    let (mut settings, session) = opened.await??;
    let mut session = Some(session);
    let (mut engine_alone, mut no_door) = (Micros::default(), Micros::default());
    // Once before, for nobody: pages and plans are in memory then.
    for round in 0..=ROUNDS {
        let kept = round > 0;
        for number in 0..queries / ROUNDS {
            // Of these each has a row; further on there are gaps, as in a practice.
            let id = u32::try_from(number % 100)? + 1;
            let own = session.as_mut().context("a session that broke")?;
            let took = alone(&mut **own, id)?;
            let lent = session.take().context("a session that broke")?;
            let (back, hopped) = without_door(lent, id).await?;
            session = Some(back);
            if kept {
                engine_alone.add(took);
                no_door.add(hopped);
            }
            for setting in &mut settings {
                let caller = &setting.callers[number % setting.callers.len().min(8)];
                let (took, rows, _) = setting.site.run(caller, Arc::new(command(ONE, Some(id)))).await?;
                if rows != 1 {
                    bail!("{rows} rows came");
                }
                if kept {
                    setting.whole.add(took);
                }
            }
        }
        for setting in &mut settings {
            setting.by_the_door(queries / ROUNDS, kept)?;
        }
    }
    tell(queries, many, &mut settings, &mut engine_alone, &mut no_door, report);
    Ok(())
}

fn tell(
    queries: usize,
    many: usize,
    settings: &mut [Setting],
    engine_alone: &mut Micros,
    no_door: &mut Micros,
    report: &mut Report,
) {
    report.group(&format!(
        "(j) a one-row read in one process, {queries} each way, taking turns; many integrators: {many}"
    ));
    let (alone, without) = (engine_alone.percentile(50), no_door.percentile(50));
    report.figure("the engine alone, p50", "µs", Aim::None, alone, 1);
    report.figure("the engine on Link's threads, no door, p50", "µs", Aim::None, without, 1);
    for Setting { name, whole, door, .. } in settings {
        report.figure(&format!("door, {name}, p50"), "µs", Aim::AtMost(AIM), door.percentile(50), 1);
        report.figure(&format!("door, {name}, p99"), "µs", Aim::None, door.percentile(99), 1);
        let path = whole.percentile(50);
        report.figure(&format!("whole path, {name}, p50"), "µs", Aim::None, path, 1);
        report.figure("the same / the engine alone", "times", Aim::None, path / alone, 2);
        report.figure("the same less the engine on Link's threads", "µs", Aim::None, path - without, 1);
    }
}

fn practice(folder: &Path, patients: u32) -> Result<(Arc<dyn Engine>, Login)> {
    let path = folder.join("practice.db");
    let (user, password) = ("halo_bench", "a password for the bench alone");
    if !path.exists() {
        let login =
            practice::PracticeLogin { user: user.to_owned(), password: password.into(), read_only: false };
        let today = database::Date { year: 2026, month: 11, day: 2 };
        let options = practice::BuildOptions { patients, seed: 1, today, logins: vec![login] };
        practice::build(&path, &options, &mut |_, _| {})?;
    }
    Ok((Arc::new(DemoEngine::open(&path)?), Login { user: user.into(), password: password.into() }))
}

/// A site with so many integrators, each bounded like this.
fn setting(
    name: &'static str,
    engine: &Arc<dyn Engine>,
    login: &Login,
    count: usize,
    bounds: Option<&Form>,
) -> Result<Setting> {
    let site = Site::open(engine.clone())?;
    let mut callers = Vec::with_capacity(count);
    for number in 0..count {
        let root = Root::generate(Kind::Integrator)?;
        callers.push(site.pair(&root, &format!("Integrator{number:04}"), login)?);
        if let Some(bounds) = bounds {
            site.door().set_terms(site.id, IntegratorId(root.id()), bounds, "bench")?;
        }
    }
    Ok(Setting { name, site, callers, whole: Micros::default(), door: Micros::default() })
}

/// By the engine, on this thread.
fn alone(session: &mut dyn Session, id: u32) -> Result<Duration> {
    let start = SystemClock.monotonic();
    run_one(session, id)?;
    Ok(SystemClock.monotonic() - start)
}

/// By the engine, with the hops that Link makes: a task, a thread that may block, a channel back.
async fn without_door(session: Box<dyn Session>, id: u32) -> Result<(Box<dyn Session>, Duration)> {
    let start = SystemClock.monotonic();
    let (tell, mut told) = tokio::sync::mpsc::channel(2);
    tokio::spawn(async move {
        let mut session = session;
        let ran = tokio::task::spawn_blocking(move || run_one(&mut *session, id).map(|()| session)).await;
        let _ = tell.send(ran).await;
    });
    let session = told.recv().await.context("the task broke")???;
    Ok((session, SystemClock.monotonic() - start))
}

fn run_one(session: &mut dyn Session, id: u32) -> Result<()> {
    let mut json = Json::default();
    session.run(&command(ONE, Some(id)), &Terms::default(), &mut json)?;
    session.reset()?;
    if json.rows != 1 {
        bail!("{} rows came", json.rows);
    }
    Ok(())
}

impl Setting {
    /// Lets in, begins and ends, with nothing between, as each integrator in turn.
    fn by_the_door(&mut self, times: usize, kept: bool) -> Result<()> {
        let ended = proto::Ended {
            status: proto::Status::Successful.into(),
            effect: proto::Effect::Executed.into(),
            rows: 1,
            row_bytes: 90,
            read_only: true,
            ..proto::Ended::default()
        };
        let refused = |refused: agent::door::Refused| anyhow::anyhow!("{}", refused.message);
        for number in 0..times {
            let caller = &self.callers[number % self.callers.len()];
            let request = Site::request(Arc::new(command(ONE, Some(1))));
            let start = SystemClock.monotonic();
            let admission = self.site.door().enter(&caller.peer, caller.site, request).map_err(refused)?;
            admission.begin().map_err(refused)?.finish(&ended);
            let took = SystemClock.monotonic() - start;
            if kept {
                self.door.add(took);
            }
            if number % BATCH == BATCH - 1 {
                self.site.door().flush()?;
            }
        }
        Ok(self.site.door().flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is measured must be the whole work of the door: a bound that is left out would cost nothing.
    #[test]
    fn all_bounds_means_all_of_them() {
        let text = serde_json::to_value(all_bounds()).unwrap();
        let members: Vec<_> = text.as_object().unwrap().keys().collect();
        assert_eq!(members.len(), 13, "{members:?}");
        assert_eq!(text["approved"].as_array().unwrap().len(), APPROVED + 1);
    }

    #[tokio::test]
    async fn a_small_run_measures_each_way() {
        let data = tempfile::tempdir().unwrap();
        let mut report = Report::new(true);
        measure(data.path(), (10, 20), 3, &mut report).await.unwrap();
    }

    #[test]
    fn percentiles_are_those_of_what_was_added() {
        let mut micros = Micros::default();
        (1..=100).for_each(|n| micros.add(Duration::from_micros(n)));
        assert_eq!((micros.percentile(50).round(), micros.percentile(99).round()), (51.0, 100.0));
        assert_eq!(Micros::default().percentile(50), 0.0);
    }
}
