//! The practice says no, with its own tool, and the integrator's program hears it through the real gateway, as documented.

use anyhow::{Context, Result, ensure};
use halo::{
    http::{Answer, Client},
    system::{INTEGRATOR, Options, System},
};
use serde_json::{Value, json};
use std::time::Duration;

async fn start(folder: &tempfile::TempDir) -> Result<System> {
    let mut options = Options::new(folder.path())?;
    options.patients = 200;
    System::start(&options, &mut |_| {}).await
}

/// `HaloLinkUtility consent …` about the one integrator.
async fn consent(system: &System, arguments: &[&str]) -> Result<Value> {
    let all = [&["consent"], arguments, &["--integrator", INTEGRATOR, "--json"]].concat();
    system.utility(&all).await
}

struct Caller {
    client: Client,
    site: String,
}

impl Caller {
    async fn of(system: &System) -> Result<Self> {
        Ok(Caller { client: system.client().await?, site: system.description.site_id.clone() })
    }

    async fn post(&mut self, body: &Value) -> Result<Answer> {
        self.client.post(&format!("/integrator/sites/{}/queries/immediate", self.site), body).await
    }

    async fn run(&mut self, sql: &str) -> Result<Answer> {
        self.post(&json!({ "command": { "text": sql }, "readOnly": true })).await
    }

    /// Runs something that must be refused with this status and code, and answers the message.
    async fn refused(&mut self, sql: &str, status: u16, code: &str) -> Result<String> {
        let answer = self.run(sql).await?;
        let body = answer.json()?;
        ensure!(
            (answer.status, &body["error"]["code"]) == (status, &json!(code)),
            "{code}: {} {body}",
            answer.status
        );
        Ok(body["error"]["message"].as_str().context("no message")?.to_owned())
    }
}

const ONE: &str = "SELECT TOP 1 InternalID FROM BPS_Patients ORDER BY InternalID";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_practice_does_not_allow_reaches_the_integrator_as_documented() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let mut caller = Caller::of(&system).await?;
    ensure!(caller.run(ONE).await?.status == 200);

    consent(&system, &["suspend"]).await?;
    caller.refused(ONE, 403, "consent-suspended").await?;
    consent(&system, &["resume"]).await?;
    system.utility(&["halt", "--json"]).await?;
    caller.refused(ONE, 403, "halted").await?;
    system.utility(&["unhalt", "--json"]).await?;
    system.utility(&["site", "--off", "--json"]).await?;
    caller.refused(ONE, 403, "site-off").await?;
    system.utility(&["site", "--on", "--json"]).await?;
    // A session that was opened meanwhile is asked again after some seconds.
    eventually(&mut caller, 200).await?;

    consent(&system, &["set", "--statements", "approved"]).await?;
    caller.refused(ONE, 403, "consent-statement").await?;
    let ran = system.utility(&["audit", "show", "--last", "1000", "--json"]).await?;
    let hash = ran
        .as_array()
        .into_iter()
        .flatten()
        .find(|row| row["statement"] == ONE)
        .context("it is in the audit")?;
    consent(&system, &["set", "--approve", hash["sha256"].as_str().context("no hash")?]).await?;
    ensure!(
        caller.run(ONE).await?.status == 200,
        "the hash that the audit shows is the one that is approved"
    );
    caller.refused(&format!("{ONE} "), 403, "consent-statement").await?;
    consent(&system, &["set", "--statements", "any"]).await?;

    consent(&system, &["set", "--rows-per-day", "5"]).await?;
    let said = caller.refused("SELECT TOP 100 InternalID FROM BPS_Patients", 403, "budget-rows").await?;
    ensure!(said.contains("The command was executed."), "{said}");
    let answer = caller.run(ONE).await?;
    ensure!(answer.status == 403 && answer.headers.contains_key("retry-after"), "{answer:?}");
    consent(&system, &["set", "--rows-per-day", "none", "--queries-per-minute", "1"]).await?;
    let mut last = caller.run(ONE).await?;
    if last.status == 200 {
        last = caller.run(ONE).await?;
    }
    ensure!((last.status, &last.json()?["error"]["code"]) == (429, &json!("budget-queries")), "{last:?}");
    ensure!(last.headers.contains_key("retry-after"), "{last:?}");
    consent(&system, &["set", "--queries-per-minute", "none"]).await?;
    system.stop().await
}

async fn eventually(caller: &mut Caller, status: u16) -> Result<()> {
    for _ in 0..100 {
        if caller.run(ONE).await?.status == status {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("never answered {status}")
}

/// Half a minute of waiting in the database: had it not been cancelled there, it would end with its rows.
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_stopped_and_what_is_revoked_is_gone_until_it_pairs_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let mut caller = Caller::of(&system).await?;
    let mut slow = Caller::of(&system).await?;
    let running = tokio::spawn(async move { slow.run(&format!("WAITFOR DELAY '00:00:30'; {ONE}")).await });
    for _ in 0..100 {
        let status = system.utility(&["status", "--json"]).await?;
        if status["running"] == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    consent(&system, &["suspend"]).await?;
    let answer = running.await??;
    ensure!(
        (answer.status, &answer.json()?["error"]["code"]) == (403, &json!("consent-suspended")),
        "{answer:?}"
    );
    consent(&system, &["resume"]).await?;
    eventually(&mut caller, 200).await?;

    let credentials = format!("/integrator/sites/{}/credentials", caller.site);
    let headers = [("Content-Type", "application/json")];
    let put = async |caller: &mut Caller, password: &str| {
        let body = json!({ "user": "halo_demo", "password": password }).to_string();
        caller.client.call(http::Method::PUT, &credentials, &headers, body).await
    };
    ensure!(put(&mut caller, "wrong").await?.status == 400);
    let replaced = put(&mut caller, &system.kept_password()?).await?;
    ensure!(replaced.status == 200 && replaced.json()?["loginWrites"].is_string(), "{replaced:?}");
    ensure!(caller.run(ONE).await?.status == 200, "under the new login");

    consent(&system, &["revoke", "--yes"]).await?;
    caller.refused(ONE, 403, "consent-revoked").await?;
    let pairing = format!("/integrator/sites/{}/pairing", caller.site);
    let gone = caller.client.call(http::Method::DELETE, &pairing, &headers, String::new()).await?;
    ensure!(gone.status == 204, "{gone:?}");
    caller.refused(ONE, 403, "unpaired").await?;
    let left = system.utility(&["consent", "list", "--json"]).await?;
    ensure!(left == json!([]), "{left}");
    system.stop().await
}
