//! Every secret of a whole system, and every kind of practice data, is a marker here. A scenario takes each through all that it passes in
//! life, with everything in the logs that `RUST_LOG` can ask for; then whatever the system wrote or says is searched for all of them, in
//! plain and in the usual disguises. Where one may be is a list ([`places`]), and each entry names the document that promises it.

mod places;
mod scenario;
mod secrets;

use anyhow::{Context, Result, ensure};
use halo::system::{Engine, Options, System, Which};
use scenario::Scenario;
use secrets::Secrets;
use std::{fs, path::Path, process::Command};

async fn start(folder: &Path, engine: Engine) -> Result<System> {
    let mut options = Options::new(folder)?;
    options.patients = 200;
    options.engine = engine;
    // What libraries lay aside while they work is searched too.
    let aside = folder.join("aside");
    fs::create_dir_all(&aside)?;
    options.environment = vec![
        ("RUST_LOG".to_owned(), "trace".to_owned()),
        ("RUST_BACKTRACE".to_owned(), "1".to_owned()),
        ("TMPDIR".to_owned(), aside.display().to_string()),
    ];
    System::start(&options, &mut |_| {}).await
}

/// Core files, where there were any, would be written: they would hold all of it.
fn let_core_files_be_written() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Core).maximum;
    Ok(setrlimit(Resource::Core, Rlimit { current: most, maximum: most })?)
}

/// Ends a part as a fault in it would.
fn abort(pid: u32) -> Result<()> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).context("no such limit")?;
    ensure!(core.split_whitespace().nth(4) == Some("0"), "it would write a core file: {core}");
    ensure!(Command::new("kill").args(["-ABRT", &pid.to_string()]).status()?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_nothing_of_a_practice_is_found_where_it_must_not_be() -> Result<()> {
    live(Engine::Demo).await
}

/// The same with the driver that practices have, which would log what passes.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_either_when_the_database_speaks_sql_servers_protocol() -> Result<()> {
    live(Engine::Mssql).await
}

async fn live(engine: Engine) -> Result<()> {
    let_core_files_be_written()?;
    let folder = tempfile::tempdir()?;
    let mut system = start(folder.path(), engine).await?;
    let mut secrets = Secrets::of(&system)?;

    let passphrase = secrets.plant("recovery passphrase");

    let mut scenario = Scenario::new(&system, &mut secrets).await?;
    scenario.pair().await?;
    scenario.ask().await?;
    scenario.fail().await?;
    scenario.jobs().await?;
    scenario.webhooks().await?;
    scenario.desktop().await?;
    scenario.logins().await?;
    scenario.refusals().await?;
    let said = scenario.programs(folder.path()).await?;
    // Logins and roots go into a kit, and changes after it into a backup.
    let elsewhere = tempfile::tempdir()?;
    let spoken = elsewhere.path().join("passphrase.txt").display().to_string();
    fs::write(&spoken, &passphrase)?;
    let kit = system.description.data.join("kit.txt").display().to_string();
    let made =
        system.utility(&["recovery", "kit", "--out", &kit, "--passphrase-file", &spoken, "--json"]).await?;
    ensure!(made["passphrase"].is_null(), "{made}");
    for pid in [system.description.pids.cloud, system.description.pids.link, system.description.pids.gateway]
    {
        secrets.absent_in("the command line", &fs::read(format!("/proc/{pid}/cmdline"))?)?;
    }
    for (what, bytes) in &said {
        secrets.absent_in(what, bytes)?;
    }
    let found = secrets.search(folder.path())?;
    // The search sees: each marker that may lie somewhere does.
    for (what, place) in places::EXPECTED {
        ensure!(
            found.iter().any(|hit| hit.is(what, place)),
            "{what} is not found in {place}: the search is blind"
        );
    }

    // The relay's libraries have nothing to trace.
    for part in ["link", "gateway"] {
        let log = fs::read_to_string(system.description.logs.join(part).with_extension("log"))?;
        let traces = log.matches("\"level\":\"TRACE\"").count();
        ensure!(traces > 50, "{part} was asked for all that it can log, and traced {traces} lines");
    }

    for which in [Which::Link, Which::Gateway] {
        let part = match which {
            Which::Link => &mut system.link,
            _ => &mut system.gateway,
        };
        abort(part.pid)?;
        part.ended().await?;
        system.restart(which).await?;
    }
    // The gateway has another port now; the site is asked by the practice's own tool.
    let name = halo::system::INTEGRATOR;
    system.utility(&["unpair", "--yes", "--integrator", name, "--json"]).await?;
    ensure!(system.utility(&["consent", "list", "--json"]).await? == serde_json::json!([]));
    secrets.search(folder.path())?;
    let here = std::env::current_dir()?;
    let core =
        fs::read_dir(&here)?.flatten().find(|file| file.file_name().to_string_lossy().starts_with("core"));
    ensure!(core.is_none(), "{core:?}");
    system.stop().await
}
