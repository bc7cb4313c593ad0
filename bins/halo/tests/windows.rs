//! Installer and service as a practice has them, under Wine: installed in silence, checked, stopped, upgraded, repaired, removed; and a
//! query from a gateway on Linux through the Windows service to the demo practice.
//!
//! `./x windows` and `./x test` build what is tried and name its folder in `HALO_WINDOWS_PACKAGES`. Without it nothing is tried, and that is
//! said. What Wine can't prove is listed in docs/windows.md.
#![allow(clippy::print_stdout, reason = "it takes a while: whoever watches sees each step")]

mod wine;

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use halo::system::{INTEGRATOR, Options, PMS_ID, System, Which};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use wine::Wine;

const PROGRAMS: &str = "Program Files (x86)/Halo Connect/Halo Link";
/// Configuration, and in it the service's own folder.
const HOME: &str = "ProgramData/Halo Connect/Halo Link";
const DATA: &str = "ProgramData/Halo Connect/Halo Link/data";
const UTILITY: &str = r"C:\Program Files (x86)\Halo Connect\Halo Link\HaloLinkUtility.exe";
const UPDATER: &str = r"C:\Program Files (x86)\Halo Connect\Halo Link\updater.exe";
const TASK: &str = "Halo Link Updater Hourly";
const SERVICE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\Halo Link Service";
const KEY: &str = r"HKLM\SOFTWARE\WOW6432Node\Halo Connect\Halo Link";

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

/// Gives a file to another account, where this one may.
fn given_away(path: &Path) -> Result<bool> {
    match std::os::unix::fs::chown(path, Some(12_345), None) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            println!("not tried with another account's file: only root can give one away");
            Ok(false)
        }
        done => Ok(done.map(|()| true)?),
    }
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

/// A published update as it was.
struct Genuine {
    bytes: Vec<u8>,
    offer: String,
    paths: (PathBuf, PathBuf),
}

/// Cloud and gateway on Linux, and a practice's server under Wine.
struct Site {
    system: System,
    wine: Wine,
}

impl Site {
    /// Copies the demo practice onto the server; gives the path as Windows has it.
    fn practice(&self) -> Result<String> {
        let there = self.wine.c("practice");
        fs::create_dir_all(&there)?;
        for entry in fs::read_dir(self.system.description.data.join("practice"))? {
            let entry = entry?;
            fs::copy(entry.path(), there.join(entry.file_name()))?;
        }
        Ok(r"C:\practice\practice.db".to_owned())
    }

    /// Silent, as a vendor bundles it; a failure is told with the installer's log.
    async fn install(&self, msi: &Path, more: &[&str]) -> Result<()> {
        let words = self.words(msi, more)?;
        self.wine.msi(&words.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// The same, ended with the whole server when its first program is in place.
    async fn install_cut_off(&self, msi: &Path, more: &[&str]) -> Result<()> {
        let words = self.words(msi, more)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let written = self.wine.c(HOME).join("link.toml");
        let there = async {
            while !written.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            done = self.wine.msi(&words) => bail!("it was done before it could be cut off: {done:?}"),
            () = there => {}
        }
        self.wine.reboot()
    }

    /// What msiexec is told.
    fn words(&self, msi: &Path, more: &[&str]) -> Result<Vec<String>> {
        let file = fs::read_to_string(self.system.description.data.join("config/gateway.toml"))?;
        let line = |name: &str| {
            let line =
                file.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('=')).unwrap_or("");
            line.trim().trim_matches('"').to_owned()
        };
        let ca = wine::path(Path::new(&line("ca")));
        let (url, ca) = (format!("CLOUD_URL={}", line("url")), format!("CLOUD_CA={ca}"));
        let msi = wine::path(msi);
        let pms_id = format!("PMS_ID={PMS_ID}");
        let mut words = vec!["/i", &msi, &url, &ca, &pms_id, "DATABASE_KIND=demo"];
        for usual in ["ENVIRONMENT=demo", "PMS=BestPractice"] {
            let name = usual.split('=').next().unwrap_or(usual);
            if !more.iter().any(|word| word.starts_with(name)) {
                words.push(usual);
            }
        }
        words.extend(more);
        Ok(words.into_iter().map(str::to_owned).collect())
    }

    fn updates(&self) -> PathBuf {
        self.system.description.data.join("updates")
    }

    /// The cloud offers updates from its next start on.
    fn offers_updates(&self) -> Result<()> {
        let path = self.system.description.data.join("config/cloud.toml");
        let folder = json!(self.updates());
        Ok(fs::write(&path, format!("{}\n[updates]\nfolder = {folder}\n", fs::read_to_string(&path)?))?)
    }

    /// As an administrator at the practice: updates of this publisher are taken.
    fn trusts(&self, publisher: &Path) -> Result<()> {
        fs::copy(publisher, self.wine.c(HOME).join("publisher.pem"))?;
        let path = self.wine.c(HOME).join("link.toml");
        Ok(fs::write(
            &path,
            format!("{}\n[update]\npublisher = \"publisher.pem\"\n", fs::read_to_string(&path)?),
        )?)
    }

    /// As the cloud's operator.
    async fn publish(&self, msi: &Path, publisher: &Path) -> Result<()> {
        let (msi, publisher) = (msi.display().to_string(), publisher.display().to_string());
        let words = [
            "publish-update",
            "--environment",
            "demo",
            "--platform",
            "windows-x86_64",
            "--publisher",
            &publisher,
            &msi,
        ];
        self.system.operator(&words).await.map(drop)
    }

    /// Changes one byte of the published file, and the offer with it, so that only the signature tells. Gives what stood there before.
    fn tamper(&self) -> Result<Genuine> {
        let file =
            fs::read_dir(self.updates().join("files"))?.next().context("nothing was published")??.path();
        let offer = self.updates().join("demo/windows-x86_64.json");
        let genuine =
            Genuine { bytes: fs::read(&file)?, offer: fs::read_to_string(&offer)?, paths: (file, offer) };
        let mut bytes = genuine.bytes.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&genuine.paths.0, bytes)?;
        let hash = |path: &Path| -> Result<String> {
            let said = std::process::Command::new("sha256sum").arg(path).output()?;
            Ok(String::from_utf8(said.stdout)?.split(' ').next().unwrap_or_default().to_owned())
        };
        let mut told: Value = serde_json::from_str(&genuine.offer)?;
        told["sha256"] = hash(&genuine.paths.0)?.into();
        fs::write(&genuine.paths.1, told.to_string())?;
        Ok(genuine)
    }

    fn restore(&self, genuine: &Genuine) -> Result<()> {
        fs::write(&genuine.paths.0, &genuine.bytes)?;
        Ok(fs::write(&genuine.paths.1, &genuine.offer)?)
    }

    /// Whether Windows' list of programs has the number that the newer installer carries.
    async fn has_version_of_newer(&self) -> bool {
        let list = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall";
        let said = self.wine.run("reg", &["query", list, "/s"]).await.unwrap_or_default();
        said.lines().any(|line| line.contains("DisplayVersion") && line.trim().ends_with("999"))
    }

    /// Service and Utility are of this version, and not only Windows' list says so.
    async fn runs(&self, version: &str) -> Result<()> {
        let mut last = String::new();
        for _ in 0..120 {
            last = self.value("Version").await.unwrap_or_default();
            if last == version {
                let said = self.utility_said(&["--version"]).await?;
                ensure!(said.trim().ends_with(version), "the Utility is not {version}: {said}");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("the service is not {version}: {last}")
    }

    /// How often the service has started, as its log has it.
    fn starts(&self) -> Result<usize> {
        let log = fs::read_to_string(self.wine.c(DATA).join("logs/HaloLinkService.log"))?;
        Ok(log.lines().filter(|line| line.contains("\"started\"")).count())
    }

    /// As an administrator in the list of services, and the server starts anew: this Wine has no `sc config`.
    async fn starts_as(&self, number: &str) -> Result<()> {
        let words = ["add", SERVICE, "/v", "Start", "/t", "REG_DWORD", "/d", number, "/f"];
        self.wine.run("reg", &words).await?;
        self.wine.reboot()
    }

    async fn start_type(&self) -> Result<String> {
        let said = self.wine.run("reg", &["query", SERVICE, "/v", "Start"]).await?;
        Ok(said.split_whitespace().last().unwrap_or_default().to_owned())
    }

    /// What a program says that ends badly.
    async fn refused(&self, program: &str, arguments: &[String]) -> Result<String> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = self.wine.run(program, &words).await.err().context("it was not refused")?;
        Ok(error.to_string())
    }

    async fn utility_said(&self, arguments: &[&str]) -> Result<String> {
        self.wine.run(UTILITY, arguments).await
    }

    /// Waits until the service manager says so.
    async fn is(&self, state: &str) -> Result<()> {
        let mut said = String::new();
        for _ in 0..120 {
            said = self
                .wine
                .run("sc", &["query", "Halo Link Service"])
                .await
                .unwrap_or_else(|error| error.to_string());
            if said.contains(state) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let log = fs::read_to_string(self.wine.c(DATA).join("logs/HaloLinkService.log")).unwrap_or_default();
        bail!("the service is not {state}: {said}\n{log}")
    }

    /// A value of the registry key that the practice's checks read.
    async fn value(&self, name: &str) -> Result<String> {
        let said = self.wine.run("reg", &["query", KEY, "/v", name]).await?;
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix(name))
            .with_context(|| format!("no {name}: {said}"))?;
        let value = line.trim().split_once(' ').map_or("", |(_, value)| value);
        Ok(value.trim().to_owned())
    }

    /// The published Halo GUIDs.
    async fn guids(&self) -> Result<Vec<String>> {
        let value = self.value("HaloGUIDs").await?;
        Ok(value.split(r"\0").map(str::trim).filter(|guid| !guid.is_empty()).map(str::to_owned).collect())
    }

    async fn guid_within_a_minute(&self) -> Result<String> {
        for _ in 0..120 {
            let guids = self.guids().await.unwrap_or_default();
            if let [guid] = &guids[..] {
                let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                ensure!(
                    guid.len() == 32 && guid.chars().all(hex),
                    "not 32 lower-case hex characters: {guid}"
                );
                return Ok(guid.clone());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("no ID appeared in the registry within a minute")
    }

    async fn pair(&self) -> Result<()> {
        let config = r"C:\ProgramData\Halo Connect\Halo Link\link.toml";
        let said = self
            .utility_said(&["pairing-code", "--integrator", INTEGRATOR, "--json", "--config", config])
            .await?;
        let made: Value = serde_json::from_str(&said).with_context(|| format!("no code: {said}"))?;
        let code = made["code"].as_str().context("no code")?;
        let path = format!(
            "/integrator/pair-site?practiceManagementSiteId={PMS_ID}&practiceManagementName=Best%20Practice&pairingCode={code}"
        );
        // The gateway finds back to the cloud by itself.
        let mut last = String::new();
        for _ in 0..120 {
            let answer = self.system.client().await?.call(http::Method::POST, &path, &[], "").await?;
            match answer.status {
                200 => return Ok(()),
                503 => last = String::from_utf8_lossy(&answer.body).into_owned(),
                status => bail!("pairing: {status}: {}", String::from_utf8_lossy(&answer.body)),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("pairing: the gateway is not online: {last}")
    }

    /// Asks through the gateway until the site is online.
    async fn answers(&self, guid: &str) -> Result<()> {
        let site: model::SiteId = guid.parse().ok().context("not a GUID")?;
        let path = format!("/integrator/sites/{site}/queries/immediate");
        let body = json!({ "command": { "text": "SELECT COUNT(*) AS patients FROM BPS_Patients" } });
        let mut last = String::new();
        for _ in 0..120 {
            let answer = self.system.client().await?.post(&path, &body).await?;
            if answer.status == 200 {
                let rows = STANDARD.decode(answer.json()?["result"]["data"].as_str().context("no rows")?)?;
                let rows: Value = serde_json::from_slice(&rows)?;
                ensure!(rows[0]["patients"].as_u64().is_some_and(|patients| patients > 0), "{rows}");
                return Ok(());
            }
            last = format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("the site never answered; last: {last}")
    }

    async fn nothing_but_data_is_left(&self) -> Result<()> {
        let service = self.wine.run("sc", &["query", "Halo Link Service"]).await;
        ensure!(service.is_err(), "the service is left: {service:?}");
        let key = self.wine.run("reg", &["query", KEY]).await;
        ensure!(key.is_err(), "the registry key is left: {key:?}");
        ensure!(!self.wine.c(PROGRAMS).exists(), "the program folder is left");
        let task = self.wine.run("schtasks", &["/change", "/tn", TASK, "/enable"]).await;
        ensure!(task.is_err(), "the hourly task is left: {task:?}");
        Ok(())
    }

    async fn nothing_is_left(&self) -> Result<()> {
        self.nothing_but_data_is_left().await?;
        ensure!(!self.wine.c(HOME).exists(), "the folder of configuration and data is left");
        Ok(())
    }

    /// Another account's link.toml, and one that has a second name elsewhere.
    async fn refuses_what_was_planted(&self, utility: &str, check: &[String], msi: &Path) -> Result<()> {
        let (home, text) =
            (self.wine.c(HOME), "environment = \"demo\"\n[update]\npublisher = \"mine.pem\"\n");
        fs::create_dir_all(&home)?;
        let planted = home.join("link.toml");
        fs::write(&planted, text)?;
        if given_away(&planted)? {
            let said = self.refused(utility, check).await?;
            ensure!(said.contains("link.toml belongs to") && said.contains("remove it"), "{said}");
            ensure!(self.install(msi, &[]).await.is_err(), "another account's link.toml was obeyed");
            ensure!(fs::read_to_string(&planted)? == text, "what was planted was changed");
        }
        fs::remove_file(&planted)?;
        fs::write(self.wine.c("elsewhere.toml"), text)?;
        fs::hard_link(self.wine.c("elsewhere.toml"), &planted)?;
        let said = self.refused(utility, check).await?;
        ensure!(said.contains("link.toml has another name elsewhere"), "{said}");
        fs::remove_dir_all(home.parent().context("no folder above")?)?;
        self.nothing_is_left().await
    }

    /// Wine gives a folder's rights on Linux as far as Linux has them.
    fn is_closed_to_others(&self) -> Result<()> {
        let home = self.wine.c(HOME);
        let company = home.parent().context("no folder above")?;
        let inside =
            ["link.toml", "updates", "data", "data/identity", "data/link.db"].map(|name| home.join(name));
        for path in [company, &home].into_iter().chain(inside.iter().map(PathBuf::as_path)) {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path)?.permissions());
            ensure!(mode & 0o007 == 0, "{} is open to others: {mode:o}", path.display());
        }
        Ok(())
    }
}
