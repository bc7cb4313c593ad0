//! What the practice's checks read of a running service: its ID is published once the cloud has accepted it, and stays.

use anyhow::{Context, Result, bail};
use halo::system::{Options, System, Which};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The service, started while the cloud can't be reached: what prints "ready" only later.
struct Service(Child);

impl Service {
    fn start(programs: &Path, config: &Path) -> Result<Service> {
        let mut command = Command::new(programs.join("HaloLinkService"));
        command.args([Path::new("run"), Path::new("--config"), config]);
        Ok(Service(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    fn stop(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is published, once it is as asked for.
async fn published(file: &Path, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    for _ in 0..300 {
        last = std::fs::read(file)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        if wanted(&last) {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("published within a minute: {last}")
}

#[tokio::test]
async fn an_id_appears_by_itself_when_the_network_opens_and_stays_when_it_closes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut options = Options::new(folder.path())?;
    options.patients = 100;
    let programs: PathBuf = options.programs.clone();
    let mut system = System::start(&options, &mut |_| {}).await?;
    let data = system.description.data.clone();
    let (config, file) = (data.join("config/link.toml"), data.join("link/published.json"));
    let guid = system.description.site_id.replace('-', "");
    let has_id = |value: &Value| value["haloGuids"] == serde_json::json!([guid]);
    let told = published(&file, has_id).await.context("while the cloud is there")?;
    assert_eq!(told["environment"], "demo");
    assert!(told["version"].as_str().is_some_and(|version| version.split('.').count() == 3), "{told}");
    assert!(told["link"].as_str().is_some_and(|link| link.len() == 32), "{told}");

    // As after an installation behind a closed firewall.
    system.link.kill().await?;
    system.cloud.kill().await?;
    std::fs::remove_file(&file)?;
    let service = Service::start(&programs, &config)?;
    let told = published(&file, |value| value["version"].is_string()).await?;
    assert_eq!(told["haloGuids"], serde_json::json!([]), "nobody has accepted it yet");
    system.restart(Which::Cloud).await?;
    published(&file, has_id).await.context("once the cloud is there")?;
    service.stop()?;

    // Closed again: the practice's ID does not change, so it stays where the checks look. Another version in the file shows that this
    // start has written it.
    system.cloud.kill().await?;
    let older =
        std::fs::read_to_string(&file)?.replace(told["version"].as_str().unwrap_or_default(), "1.2.3");
    std::fs::write(&file, older)?;
    let service = Service::start(&programs, &config)?;
    let now = published(&file, |value| value["version"] == told["version"]).await?;
    assert!(has_id(&now), "{now}");
    service.stop()
}
