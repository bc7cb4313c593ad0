//! The practice checks its audit with its own tool, as documented: nothing was done, and then something was.

use anyhow::{Context, Result, ensure};
use halo::system::{Options, System, Which};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn utility(system: &System, arguments: &[&str]) -> Result<Output> {
    let here = system.description.data.join("config");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_halo")).with_file_name("HaloLinkUtility");
    Ok(Command::new(program).args(arguments).current_dir(here).output()?)
}

/// What a check says of the one site, and whether all was well.
fn verify(system: &System, arguments: &[&str]) -> Result<(bool, Value)> {
    let done = utility(system, &[&["audit", "verify", "--json"], arguments].concat())?;
    let said: Value = serde_json::from_slice(&done.stdout).with_context(|| format!("{done:?}"))?;
    Ok((done.status.success(), said["sites"][0].clone()))
}

fn database(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    entries.into_iter().find_map(|entry| match entry.path() {
        path if path.is_dir() => database(&path),
        path => (path.file_name()? == "link.db").then_some(path),
    })
}

async fn query(system: &System, sql: &str) -> Result<()> {
    let path = format!("/integrator/sites/{}/queries/immediate", system.description.site_id);
    let answer = system.client().await?.post(&path, &json!({ "command": { "text": sql } })).await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_the_audit_is_found_by_the_practices_own_tool() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut options = Options::new(folder.path())?;
    options.patients = 50;
    let mut system = System::start(&options, &mut |_| {}).await?;
    for _ in 0..5 {
        query(&system, "SELECT TOP 1 InternalID FROM BPS_Patients").await?;
    }
    let (well, report) = verify(&system, &[])?;
    ensure!(well && report["findings"] == json!([]), "{report}");
    ensure!(report["last"].as_u64() >= Some(10), "{report}");
    let last = report["last"].as_u64().context("no last")?;

    // A copy, and out of it a witness: the head at its end.
    let out = folder.path().join("audit.jsonl");
    let out = out.to_str().context("a path")?;
    let done = utility(&system, &["audit", "export", "--out", out])?;
    ensure!(done.status.success(), "{done:?}");
    ensure!(
        !utility(&system, &["audit", "export", "--out", out])?.status.success(),
        "never over another file"
    );
    let text = std::fs::read_to_string(out)?;
    let head = text.lines().last().context("no head")?;
    let witness = folder.path().join("head.jsonl");
    std::fs::write(&witness, head)?;
    let witness = witness.to_str().context("a path")?;
    ensure!(verify(&system, &["--file", out])?.0);
    let (well, report) = verify(&system, &["--witness", witness])?;
    ensure!(well && report["agreed"] == 1, "{report}");

    // With the service stopped, a line is changed and the end is cut off, with all that says where it was.
    system.link.kill().await?;
    let file = database(&system.description.data.join("link")).context("no link.db")?;
    let raw = rusqlite::Connection::open(file)?;
    raw.execute(
        "UPDATE audit SET status = 'FAILED' WHERE id = (SELECT id FROM audit_chain WHERE number = 5)",
        [],
    )?;
    let keep = last - 2;
    raw.execute_batch(&format!(
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit_chain WHERE number > {keep});
         DELETE FROM audit_chain WHERE number > {keep}; DELETE FROM audit_head"
    ))?;
    drop(raw);
    system.restart(Which::Link).await?;
    let found = |report: &Value| -> Vec<(String, u64)> {
        let all = report["findings"].as_array().into_iter().flatten();
        all.map(|of| {
            (of["wrong"].as_str().unwrap_or_default().to_owned(), of["number"].as_u64().unwrap_or(0))
        })
        .collect()
    };
    let (well, report) = verify(&system, &[])?;
    ensure!(
        !well && found(&report) == [("changed".to_owned(), 5)],
        "the end is not missed without a witness: {report}"
    );
    let (well, report) = verify(&system, &["--witness", witness])?;
    ensure!(!well && found(&report).len() == 2, "{report}");
    ensure!(verify(&system, &["--file", out])?.0, "the copy is still what it was");

    let changed = text.replacen("\"what\":\"end\"", "\"what\":\"begin\"", 1);
    ensure!(changed != text);
    std::fs::write(out, changed)?;
    ensure!(!verify(&system, &["--file", out])?.0);
    system.stop().await
}
