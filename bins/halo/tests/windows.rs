//! Installer and service as a practice has them, under Wine: installed in silence, checked, stopped, upgraded, repaired, removed; and a
//! query from a gateway on Linux through the Windows service to the demo practice.
//!
//! `./x windows` and `./x test` build what is tried and name its folder in `HALO_WINDOWS_PACKAGES`. Without it nothing is tried, and that is
//! said. What Wine can't prove is listed in docs/windows.md.
#![allow(clippy::print_stdout, reason = "it takes a while: whoever watches sees each step")]

mod wine;

use anyhow::{Context, Result, ensure};
use halo::system::{Options, System, Which};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use wine::{
    Wine,
    site::{DATA, HOME, PROGRAMS, Site, TASK, UPDATER, UTILITY, given_away},
};

#[tokio::test]
async fn a_practice_installs_runs_upgrades_repairs_and_removes_halo_link() -> Result<()> {
    let Some(packages) = std::env::var_os("HALO_WINDOWS_PACKAGES").map(PathBuf::from) else {
        println!("not tried: HALO_WINDOWS_PACKAGES names no folder; ./x windows makes one");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let wine = Wine::start(&folder.path().join("wine"), &packages.join("bcryptprimitives.dll"))?;
    let mut options = Options::new(folder.path().join("system"))?;
    options.patients = 300;
    let mut site = Site { system: System::start(&options, &mut |_| {}).await?, wine };

    step("a workstation is refused with a sentence, and nothing is left");
    let newest = newest(&packages)?;
    // Wine keeps the installer's own sentences to itself; the Utility says the same.
    let utility = wine::path(&packages.join("programs/HaloLinkUtility.exe"));
    let check = |database: &str| {
        let words = [
            "setup",
            "--check",
            "--pms",
            "BestPractice",
            "--cloud-url",
            "wss://localhost:1/tunnel/v1",
            "--database-kind",
            "demo",
        ];
        words.into_iter().chain(["--database-path", database]).map(str::to_owned).collect::<Vec<_>>()
    };
    let database = site.practice()?;
    let said = site.refused(&utility, &check(&database)).await?;
    ensure!(said.contains("needs Windows Server 2016 or later, and this is Microsoft Windows"), "{said}");
    ensure!(
        site.install(&newest, &[&format!("DATABASE_PATH={database}")]).await.is_err(),
        "a workstation was not refused"
    );
    site.nothing_is_left().await?;

    step("a server whose database is not there is refused, and nothing is left");
    site.wine.become_a_server().await?;
    let said = site.refused(&utility, &check("C:\\nowhere.db")).await?;
    ensure!(said.contains("nowhere.db") && !said.contains("Windows Server"), "{said}");
    ensure!(
        site.install(&newest, &["DATABASE_PATH=C:\\nowhere.db"]).await.is_err(),
        "it was installed without a database"
    );
    site.nothing_is_left().await?;

    step("a configuration that somebody else laid there first is refused, and not obeyed");
    site.refuses_what_was_planted(&utility, &check(&database), &newest).await?;

    step("silent install of an older version, with the network closed");
    // The demo's own Link serves the same practice: it makes room.
    site.system.link.kill().await?;
    site.system.cloud.kill().await?;
    let older = packages.join("HaloLink-older.msi");
    let path = format!("DATABASE_PATH={database}");
    // First one that the power cut off in its middle: the next must not stumble over what is left of it.
    site.install_cut_off(&older, &[&path, "PRACTICE_NAME=Cut off"]).await?;
    site.install(&older, &[&path]).await?;
    site.is("RUNNING").await?;
    let config = fs::read_to_string(site.wine.c(HOME).join("link.toml"))?;
    ensure!(!config.contains("Cut off"), "what was never an installation is obeyed by the one after it");
    ensure!(site.value("Environment").await? == "demo", "the environment was not taken over");
    let programs = site.wine.c(PROGRAMS);
    ensure!(programs.join("HaloLinkService.exe").is_file(), "no service in {}", programs.display());

    step(
        "check 1: it is there and running; check 2: its version is told; check 3: it has no ID while the cloud can't be reached",
    );
    let version = site.value("Version").await?;
    ensure!(version.ends_with(".101.1"), "the older version says that it is {version}");
    ensure!(site.value("LinkGUID").await?.len() == 32, "no Link GUID");
    ensure!(site.guids().await?.is_empty(), "an ID was published that no cloud has accepted");

    let task = site.wine.run("schtasks", &["/change", "/tn", TASK, "/enable"]).await;
    ensure!(task.is_ok(), "the updater's hourly task was not made: {task:?}");

    step("the network opens: the ID appears by itself");
    site.offers_updates()?;
    site.system.restart(Which::Cloud).await?;
    let guid = site.guid_within_a_minute().await?;

    step("the sealing key lies under DPAPI, and logs are in the data folder");
    let data = site.wine.c(DATA);
    ensure!(data.join("identity/seal.key.dpapi").is_file(), "no protected key");
    ensure!(!data.join("identity/seal.key").exists(), "a key in the clear");
    ensure!(data.join("logs/HaloLinkService.log").is_file(), "no log");

    step(
        "pairing with a code of the Windows Utility, and a query from a gateway on Linux through the Windows service",
    );
    site.pair().await?;
    site.answers(&guid).await?;

    step("the doctor finds no problem");
    let found = site.wine.run(UTILITY, &["doctor", "--json"]).await.context("the doctor found a problem")?;
    let found: Value = serde_json::from_str(&found)?;
    ensure!(found["ok"] == json!(true), "{found}");

    step("service stop and start");
    site.wine.run("net", &["stop", "Halo Link Service"]).await?;
    site.is("STOPPED").await?;
    site.wine.run("net", &["start", "Halo Link Service"]).await?;
    site.is("RUNNING").await?;
    site.answers(&guid).await?;

    step("it starts with the server");
    site.wine.reboot()?;
    site.is("RUNNING").await?;
    ensure!(site.guids().await? == [guid.clone()], "the ID is gone after a restart of the server");

    step("an upgrade to a version that can't be here is refused, and the old one runs on");
    let (starts, config) = (site.starts()?, site.wine.c(HOME).join("link.toml"));
    let good = fs::read_to_string(&config)?;
    fs::write(&config, format!("{good}\n[nonsense]\n"))?;
    ensure!(site.install(&newest, &[]).await.is_err(), "it was upgraded in spite of its configuration");
    fs::write(&config, good)?;
    site.is("RUNNING").await?;
    ensure!(site.starts()? == starts, "the refused upgrade stopped the service");
    ensure!(site.value("Version").await? == version, "another version runs after a refused upgrade");
    site.answers(&guid).await?;

    step("an upgrade leaves a service disabled that somebody disabled");
    site.starts_as("4").await?;
    site.is("STOPPED").await?;
    site.install(&newest, &["ENVIRONMENT=production", "PMS=Zedmed"]).await?;
    site.is("STOPPED").await?;
    ensure!(site.start_type().await? == "0x4", "the upgrade changed how the service starts");

    step("an upgrade keeps identity and pairings, and a bundled installer does not change the environment");
    site.starts_as("2").await?;
    site.is("RUNNING").await?;
    let version = version_of(&newest)?;
    site.runs(&version).await?;
    ensure!(site.value("Environment").await? == "demo", "the environment was changed by an upgrade");
    ensure!(site.guid_within_a_minute().await? == guid, "another ID after an upgrade");
    site.answers(&guid).await?;

    step(
        "nobody else may do anything in the installation's folders, and the updater obeys administrators alone",
    );
    site.is_closed_to_others()?;
    let planted = site.wine.c(HOME).join("link.toml");
    if given_away(&planted)? {
        let said = site.refused(UPDATER, &[]).await?;
        ensure!(said.contains("link.toml belongs to"), "{said}");
        std::os::unix::fs::chown(&planted, Some(0), None)?;
    }

    step("an update whose signature does not fit is refused, and the running version stays");
    let newer = packages.join("HaloLink-newer.msi");
    let publisher = packages.join("publisher.pem");
    site.trusts(&publisher)?;
    site.publish(&newer, &publisher).await?;
    let genuine = site.tamper()?;
    let said = site.refused(UPDATER, &[]).await?;
    ensure!(said.contains("signature") || said.contains("signed"), "the refusal does not say why: {said}");
    ensure!(!site.has_version_of_newer().await, "a tampered update was installed");
    site.is("RUNNING").await?;

    step("the updater brings a newer version; identity and pairings stay");
    site.restore(&genuine)?;
    let said = site.wine.run(UPDATER, &[]).await?;
    ensure!(said.contains("is installed, signed by"), "{said}");
    ensure!(site.has_version_of_newer().await, "Windows does not list the newer version");
    site.is("RUNNING").await?;
    site.runs(&format!("{}.999", version.rsplit_once('.').context("no version")?.0)).await?;
    ensure!(site.guid_within_a_minute().await? == guid, "another ID after an update");
    site.answers(&guid).await?;
    // From here on it is what is installed.
    let newest = newer;

    step("an older version does not replace a newer one");
    ensure!(site.install(&older, &[]).await.is_err(), "it was downgraded");
    site.is("RUNNING").await?;

    step("repair brings back what is missing");
    fs::remove_file(programs.join("HaloLinkUtility.exe"))?;
    // What /fa means; Wine does not know that form.
    site.wine.msi(&["/i", &wine::path(&newest), "REINSTALL=ALL", "REINSTALLMODE=amus"]).await?;
    ensure!(programs.join("HaloLinkUtility.exe").is_file(), "the Utility was not brought back");
    site.is("RUNNING").await?;
    ensure!(site.guid_within_a_minute().await? == guid, "another ID after a repair");

    step("uninstall leaves nothing but identity, by choice");
    site.wine.msi(&["/x", &wine::path(&newest), "KEEP_IDENTITY=1"]).await?;
    ensure!(data.join("identity/link.root").is_file(), "the identity was not kept");
    ensure!(!data.join("logs").exists(), "logs were kept");
    let home = site.wine.c(HOME);
    ensure!(home.join("publisher.pem").is_file(), "a file that link.toml names was not kept");
    ensure!(!home.join("updates").exists(), "the folder for updates was kept");
    site.nothing_but_data_is_left().await?;
    site.install(&older, &[]).await?;
    site.is("RUNNING").await?;

    step("an upgrade starts nothing that somebody stopped");
    site.wine.run("net", &["stop", "Halo Link Service"]).await?;
    site.is("STOPPED").await?;
    site.install(&newest, &[]).await?;
    site.is("STOPPED").await?;
    ensure!(site.start_type().await? == "0x2", "the service does not start with the server any more");
    site.wine.run("net", &["start", "Halo Link Service"]).await?;
    site.is("RUNNING").await?;
    ensure!(
        site.guid_within_a_minute().await? == guid,
        "another ID after installing again with the kept identity"
    );
    site.answers(&guid).await?;

    step("uninstall leaves nothing");
    site.wine.msi(&["/x", &wine::path(&newest)]).await?;
    site.nothing_is_left().await?;
    site.system.stop().await
}

fn step(what: &str) {
    println!("== {what}");
}

/// The installer that is made for practices.
fn newest(packages: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(packages).with_context(|| format!("{}", packages.display()))? {
        let path = entry?.path();
        let other = ["HaloLink-older.msi", "HaloLink-newer.msi"].iter().any(|name| path.ends_with(name));
        if path.extension().is_some_and(|kind| kind == "msi") && !other {
            found.push(path);
        }
    }
    found.pop().with_context(|| format!("no installer in {}: run ./x windows", packages.display()))
}

/// The version in the name of that one.
fn version_of(newest: &Path) -> Result<String> {
    let name = newest.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(name.strip_prefix("HaloLink-").context("the installer's name has no version")?.to_owned())
}
