//! A practice's server under Wine with cloud and gateway beside it on Linux: what the test asks of them, and what it does to them.

use super::Wine;
use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use halo::system::{INTEGRATOR, PMS_ID, System};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) const PROGRAMS: &str = "Program Files (x86)/Halo Connect/Halo Link";
/// Configuration, and in it the service's own folder.
pub(crate) const HOME: &str = "ProgramData/Halo Connect/Halo Link";
pub(crate) const DATA: &str = "ProgramData/Halo Connect/Halo Link/data";
pub(crate) const UTILITY: &str = r"C:\Program Files (x86)\Halo Connect\Halo Link\HaloLinkUtility.exe";
pub(crate) const UPDATER: &str = r"C:\Program Files (x86)\Halo Connect\Halo Link\updater.exe";
pub(crate) const TASK: &str = "Halo Link Updater Hourly";
const SERVICE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\Halo Link Service";
const KEY: &str = r"HKLM\SOFTWARE\WOW6432Node\Halo Connect\Halo Link";

/// A published update as it was.
pub(crate) struct Genuine {
    bytes: Vec<u8>,
    offer: String,
    paths: (PathBuf, PathBuf),
}

/// Cloud and gateway on Linux, and a practice's server under Wine.
pub(crate) struct Site {
    pub(crate) system: System,
    pub(crate) wine: Wine,
}

impl Site {
    /// Copies the demo practice onto the server; gives the path as Windows has it.
    pub(crate) fn practice(&self) -> Result<String> {
        let there = self.wine.c("practice");
        fs::create_dir_all(&there)?;
        for entry in fs::read_dir(self.system.description.data.join("practice"))? {
            let entry = entry?;
            fs::copy(entry.path(), there.join(entry.file_name()))?;
        }
        Ok(r"C:\practice\practice.db".to_owned())
    }

    /// Silent, as a vendor bundles it; a failure is told with the installer's log.
    pub(crate) async fn install(&self, msi: &Path, more: &[&str]) -> Result<()> {
        let words = self.words(msi, more)?;
        self.wine.msi(&words.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// The same, ended with the whole server when its first program is in place.
    pub(crate) async fn install_cut_off(&self, msi: &Path, more: &[&str]) -> Result<()> {
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
    pub(crate) fn words(&self, msi: &Path, more: &[&str]) -> Result<Vec<String>> {
        let file = fs::read_to_string(self.system.description.data.join("config/gateway.toml"))?;
        let line = |name: &str| {
            let line =
                file.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('=')).unwrap_or("");
            line.trim().trim_matches('"').to_owned()
        };
        let ca = super::path(Path::new(&line("ca")));
        let (url, ca) = (format!("CLOUD_URL={}", line("url")), format!("CLOUD_CA={ca}"));
        let msi = super::path(msi);
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

    pub(crate) fn updates(&self) -> PathBuf {
        self.system.description.data.join("updates")
    }

    /// The cloud offers updates from its next start on.
    pub(crate) fn offers_updates(&self) -> Result<()> {
        let path = self.system.description.data.join("config/cloud.toml");
        let folder = json!(self.updates());
        Ok(fs::write(&path, format!("{}\n[updates]\nfolder = {folder}\n", fs::read_to_string(&path)?))?)
    }

    /// As an administrator at the practice: updates of this publisher are taken.
    pub(crate) fn trusts(&self, publisher: &Path) -> Result<()> {
        fs::copy(publisher, self.wine.c(HOME).join("publisher.pem"))?;
        let path = self.wine.c(HOME).join("link.toml");
        Ok(fs::write(
            &path,
            format!("{}\n[update]\npublisher = \"publisher.pem\"\n", fs::read_to_string(&path)?),
        )?)
    }

    /// As the cloud's operator.
    pub(crate) async fn publish(&self, msi: &Path, publisher: &Path) -> Result<()> {
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
    pub(crate) fn tamper(&self) -> Result<Genuine> {
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

    pub(crate) fn restore(&self, genuine: &Genuine) -> Result<()> {
        fs::write(&genuine.paths.0, &genuine.bytes)?;
        Ok(fs::write(&genuine.paths.1, &genuine.offer)?)
    }

    /// Whether Windows' list of programs has the number that the newer installer carries.
    pub(crate) async fn has_version_of_newer(&self) -> bool {
        let list = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall";
        let said = self.wine.run("reg", &["query", list, "/s"]).await.unwrap_or_default();
        said.lines().any(|line| line.contains("DisplayVersion") && line.trim().ends_with("999"))
    }

    /// Service and Utility are of this version, and not only Windows' list says so.
    pub(crate) async fn runs(&self, version: &str) -> Result<()> {
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
    pub(crate) fn starts(&self) -> Result<usize> {
        let log = fs::read_to_string(self.wine.c(DATA).join("logs/HaloLinkService.log"))?;
        Ok(log.lines().filter(|line| line.contains("\"started\"")).count())
    }

    /// As an administrator in the list of services, and the server starts anew: this Wine has no `sc config`.
    pub(crate) async fn starts_as(&self, number: &str) -> Result<()> {
        let words = ["add", SERVICE, "/v", "Start", "/t", "REG_DWORD", "/d", number, "/f"];
        self.wine.run("reg", &words).await?;
        self.wine.reboot()
    }

    pub(crate) async fn start_type(&self) -> Result<String> {
        let said = self.wine.run("reg", &["query", SERVICE, "/v", "Start"]).await?;
        Ok(said.split_whitespace().last().unwrap_or_default().to_owned())
    }

    /// What a program says that ends badly.
    pub(crate) async fn refused(&self, program: &str, arguments: &[String]) -> Result<String> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = self.wine.run(program, &words).await.err().context("it was not refused")?;
        Ok(error.to_string())
    }

    pub(crate) async fn utility_said(&self, arguments: &[&str]) -> Result<String> {
        self.wine.run(UTILITY, arguments).await
    }

    /// Waits until the service manager says so.
    pub(crate) async fn is(&self, state: &str) -> Result<()> {
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
    pub(crate) async fn value(&self, name: &str) -> Result<String> {
        let said = self.wine.run("reg", &["query", KEY, "/v", name]).await?;
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix(name))
            .with_context(|| format!("no {name}: {said}"))?;
        let value = line.trim().split_once(' ').map_or("", |(_, value)| value);
        Ok(value.trim().to_owned())
    }

    /// The published Halo GUIDs.
    pub(crate) async fn guids(&self) -> Result<Vec<String>> {
        let value = self.value("HaloGUIDs").await?;
        Ok(value.split(r"\0").map(str::trim).filter(|guid| !guid.is_empty()).map(str::to_owned).collect())
    }

    pub(crate) async fn guid_within_a_minute(&self) -> Result<String> {
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

    pub(crate) async fn pair(&self) -> Result<()> {
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
    pub(crate) async fn answers(&self, guid: &str) -> Result<()> {
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

    pub(crate) async fn nothing_but_data_is_left(&self) -> Result<()> {
        let service = self.wine.run("sc", &["query", "Halo Link Service"]).await;
        ensure!(service.is_err(), "the service is left: {service:?}");
        let key = self.wine.run("reg", &["query", KEY]).await;
        ensure!(key.is_err(), "the registry key is left: {key:?}");
        ensure!(!self.wine.c(PROGRAMS).exists(), "the program folder is left");
        let task = self.wine.run("schtasks", &["/change", "/tn", TASK, "/enable"]).await;
        ensure!(task.is_err(), "the hourly task is left: {task:?}");
        Ok(())
    }

    pub(crate) async fn nothing_is_left(&self) -> Result<()> {
        self.nothing_but_data_is_left().await?;
        ensure!(!self.wine.c(HOME).exists(), "the folder of configuration and data is left");
        Ok(())
    }

    /// Another account's link.toml, and one that has a second name elsewhere.
    pub(crate) async fn refuses_what_was_planted(
        &self,
        utility: &str,
        check: &[String],
        msi: &Path,
    ) -> Result<()> {
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
    pub(crate) fn is_closed_to_others(&self) -> Result<()> {
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

/// Gives a file to another account, where this one may.
pub(crate) fn given_away(path: &Path) -> Result<bool> {
    match std::os::unix::fs::chown(path, Some(12_345), None) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            println!("not tried with another account's file: only root can give one away");
            Ok(false)
        }
        done => Ok(done.map(|()| true)?),
    }
}
