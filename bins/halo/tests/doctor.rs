//! The doctor at a whole system: real processes, the way round through the real relay, and the archive for support.

use anyhow::{Context, Result, ensure};
use halo::system::{Options, System};
use serde_json::{Value, json};
use std::{
    io::Read,
    process::{Command, Output},
    time::Duration,
};

async fn start(folder: &tempfile::TempDir) -> Result<System> {
    let mut options = Options::new(folder.path())?;
    options.patients = 200;
    let system = System::start(&options, &mut |_| {}).await?;
    // Whoever has none is warned, and the warning goes away.
    let (bad, ..) = doctor(&system)?;
    ensure!(bad.iter().any(|code| code == "HL-0243"), "{bad:?}");
    let kit = utility(&system, &["recovery", "kit", "--out", "kit.txt", "--make-passphrase"])?;
    ensure!(kit.status.success(), "{kit:?}");
    Ok(system)
}

/// As an administrator types it, in the folder of link.toml.
fn utility(system: &System, arguments: &[&str]) -> Result<Output> {
    let programs = Options::new("unused")?.programs;
    let folder = system.description.data.join("config");
    Ok(Command::new(programs.join("HaloLinkUtility")).args(arguments).current_dir(folder).output()?)
}

/// What the doctor finds: codes that are not `ok`, all codes, and its exit code.
fn doctor(system: &System) -> Result<(Vec<String>, Vec<String>, bool)> {
    let done = utility(system, &["doctor", "--json"])?;
    let report: Value = serde_json::from_slice(&done.stdout).with_context(|| format!("{done:?}"))?;
    let groups = report["groups"].as_array().context("no groups")?;
    let all: Vec<&Value> = groups.iter().flat_map(|group| group["findings"].as_array()).flatten().collect();
    let code = |finding: &&Value| finding["code"].as_str().unwrap_or_default().to_owned();
    let bad = all.iter().filter(|finding| finding["level"] == "problem" || finding["level"] == "warning");
    ensure!(report["ok"] == json!(done.status.success()), "{report}");
    Ok((bad.map(code).collect(), all.iter().map(code).collect(), done.status.success()))
}

/// The ID is published a moment after the cloud has accepted it.
async fn settled(system: &System) -> Result<(Vec<String>, Vec<String>, bool)> {
    let mut found = doctor(system)?;
    for _ in 0..50 {
        if found.2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        found = doctor(system)?;
    }
    Ok(found)
}

async fn query(system: &System, sql: &str) -> Result<u16> {
    let path = format!("/integrator/sites/{}/queries/immediate", system.description.site_id);
    Ok(system.client().await?.post(&path, &json!({ "command": { "text": sql } })).await?.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_goes_the_whole_way_and_says_where_it_ends() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut system = start(&folder).await?;
    let (bad, all, well) = settled(&system).await?;
    ensure!(well && bad.is_empty(), "{bad:?}");
    // The service, its ID, the way, the clock, the connection, the database, the login, and all of it round.
    for code in
        ["HL-0100", "HL-0120", "HL-0210", "HL-0400", "HL-0420", "HL-0430", "HL-0500", "HL-0510", "HL-0520"]
    {
        ensure!(all.iter().any(|found| found == code), "{code} is not in {all:?}");
    }

    // The database is switched off by itself, and integrators are told so.
    ensure!(query(&system, "SELECT 1 AS one").await? == 200);
    ensure!(utility(&system, &["site", "--off"])?.status.success());
    ensure!(query(&system, "SELECT 1 AS one").await? == 403);
    let (bad, all, well) = doctor(&system)?;
    ensure!(well && bad.is_empty() && all.iter().any(|code| code == "HL-0501"), "{all:?}");
    ensure!(utility(&system, &["site", "--on"])?.status.success());
    let mut status = 0;
    for _ in 0..100 {
        status = query(&system, "SELECT 1 AS one").await?;
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(status == 200, "on again, and still {status}");

    // The cloud goes: the name is right, nobody answers, and the service says that it waits.
    system.cloud.kill().await?;
    let mut bad = Vec::new();
    for _ in 0..50 {
        let (found, _, well) = doctor(&system)?;
        ensure!(!well);
        bad = found;
        if bad == ["HL-0402", "HL-0431"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(bad == ["HL-0402", "HL-0431"], "{bad:?}");

    // The service goes too: what the doctor can still look at it looks at.
    system.link.kill().await?;
    let (bad, _, _) = doctor(&system)?;
    ensure!(bad.contains(&"HL-0434".to_owned()) && bad.contains(&"HL-0402".to_owned()), "{bad:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_for_support_has_nothing_of_what_was_asked_or_answered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let sql =
        "SELECT TOP 1 Surname, 'canary-statement' AS c FROM BPS_Patients WHERE Firstname <> 'canary-value'";
    ensure!(query(&system, sql).await? == 200);
    ensure!(query(&system, "SELECT canary_column FROM BPS_Patients").await? == 400);
    // The service's log of this system goes to a file of the test; where an installed service has it, it is looked for.
    let logs = system.description.data.join("link").join("logs");
    std::fs::create_dir_all(&logs)?;
    std::fs::copy(system.description.logs.join("link.log"), logs.join("HaloLinkService.log"))?;

    let out = folder.path().join("support.zip");
    let done = utility(&system, &["support-bundle", "--out", &out.display().to_string()])?;
    ensure!(done.status.success(), "{done:?}");
    let password = system.kept_password()?;
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&out)?)?;
    let mut names = Vec::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let name = file.name()?.into_owned();
        ensure!(
            !text.contains("canary") && !text.contains(&password) && !text.contains("SELECT"),
            "{name}: {text}"
        );
        ensure!(name == "CONTENTS.txt" || !text.is_empty(), "{name} is empty");
        names.push(name);
    }
    ensure!(names.len() == 8, "{names:?}");
    let again = utility(&system, &["support-bundle", "--out", &out.display().to_string()])?;
    ensure!(!again.status.success(), "no file is replaced");
    system.stop().await
}

/// A server whose clock is minutes off would be installed and never get in.
#[tokio::test(flavor = "multi_thread")]
async fn an_installer_compares_the_clock_with_the_clouds() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let (config, data) = (system.description.data.join("config"), &system.description.data);
    let link = std::fs::read_to_string(config.join("link.toml"))?;
    let said = |name: &str| {
        let line = link.lines().find_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix('='));
        line.unwrap_or_default().trim().trim_matches('"').to_owned()
    };
    let ca = config.join(said("ca")).display().to_string();
    let practice = data.join("practice/practice.db").display().to_string();
    let elsewhere = folder.path().join("elsewhere").display().to_string();
    let url = said("url");
    let arguments = [
        "setup",
        "--check",
        "--environment=demo",
        "--pms=BestPractice",
        "--pms-id=1",
        "--database-kind=demo",
        &format!("--database-path={practice}"),
        &format!("--cloud-url={url}"),
        &format!("--cloud-ca={ca}"),
        &format!("--config={elsewhere}/link.toml"),
        &format!("--data={elsewhere}"),
    ];
    let done = utility(&system, &arguments)?;
    ensure!(done.status.success(), "{done:?}");
    // A certificate that this server does not know is noted: somebody may mend it after the installation.
    let stranger: Vec<&str> =
        arguments.iter().copied().filter(|word| !word.starts_with("--cloud-ca")).collect();
    let noted = utility(&system, &stranger)?;
    ensure!(
        noted.status.success() && String::from_utf8_lossy(&noted.stdout).contains("certificate"),
        "{noted:?}"
    );
    // The cloud keeps its time; this one program is told another.
    let program = Options::new("unused")?.programs.join("HaloLinkUtility");
    let late = Command::new("faketime").arg("+7 minutes").arg(program).args(arguments).output();
    let late = late.context("faketime is Debian's package of that name; ./x test installs it")?;
    let text = String::from_utf8_lossy(&late.stderr);
    ensure!(!late.status.success() && text.contains("fast") && text.contains("Set it right"), "{late:?}");
    system.stop().await
}
