//! A Link and a gateway of another environment than the cloud's: refused, and told where to set it right.

use anyhow::{Context, Result, ensure};
use halo::system::{Options, System};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

/// Goes over to stage by the one setting, as somebody would by mistake.
fn set_to_stage(config: &Path) -> Result<()> {
    let text = fs::read_to_string(config)?;
    let changed = text.replace("environment = \"demo\"", "environment = \"stage\"");
    ensure!(changed != text, "no environment in {}", config.display());
    Ok(fs::write(config, changed)?)
}

fn json(done: &Output) -> Result<Value> {
    serde_json::from_slice(&done.stdout).with_context(|| format!("{done:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_and_a_gateway_of_another_environment_are_refused_by_the_cloud_and_say_what_to_do()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut options = Options::new(folder.path())?;
    options.patients = 100;
    let mut system = System::start(&options, &mut |_| {}).await?;
    let config = system.description.data.join("config");
    system.gateway.kill().await?;
    system.link.kill().await?;

    // The gateway does not start.
    set_to_stage(&config.join("gateway.toml"))?;
    let mut gateway = tokio::process::Command::new(options.programs.join("halo-gateway"));
    gateway.args(["run", "--config"]).arg(config.join("gateway.toml")).kill_on_drop(true);
    let done =
        tokio::time::timeout(Duration::from_secs(20), gateway.output()).await.context("it goes on")??;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(!done.status.success(), "{said}");
    ensure!(
        said.contains("demo's, and this gateway is set to stage") && said.contains("`url` in [cloud]"),
        "{said}"
    );

    // Link runs, since its cloud may be put right without it, and says so wherever somebody looks.
    set_to_stage(&config.join("link.toml"))?;
    let log = fs::File::create(folder.path().join("stage.log"))?;
    let mut link = tokio::process::Command::new(options.programs.join("HaloLinkService"));
    link.args(["run", "--config"]).arg(config.join("link.toml")).kill_on_drop(true).stderr(log);
    let _link = link.spawn()?;
    let utility = |words: &[&str]| -> Result<Output> {
        Ok(Command::new(options.programs.join("HaloLinkUtility"))
            .args(words)
            .current_dir(&config)
            .output()?)
    };
    let mut status = Value::Null;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        status = utility(&["status", "--json"]).and_then(|done| json(&done)).unwrap_or_default();
        if status["cloud"] == "refused" {
            break;
        }
    }
    let why = status["why"].as_str().with_context(|| format!("{status}"))?;
    ensure!(why.contains("this Halo Link is set to stage") && why.contains("environment set demo"), "{why}");
    ensure!(
        fs::read_to_string(folder.path().join("stage.log"))?.contains("is set to stage"),
        "not in the log"
    );
    let report = json(&utility(&["doctor", "--json"])?)?.to_string();
    ensure!(report.contains("HL-0417") && report.contains("HL-0435"), "{report}");
    let sites = String::from_utf8(system.operator(&["sites"]).await?)?;
    ensure!(sites.lines().count() == 1, "the cloud took over a site of stage: {sites}");
    system.cloud.kill().await
}
