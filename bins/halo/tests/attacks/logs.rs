//! What attackers write into logs and onto screens.

use crate::world::{JSON, immediate, raw, start, typed};
use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use std::{fs, time::Duration};

/// Ends a line, opens another object, and paints.
const EVIL: &str =
    "x\",\"level\":\"OWNED\"}\r\n{\"level\":\"OWNED\",\"m\":\"\u{1b}[2J\u{1b}]0;OWNED\u{7}\u{9b}1A\u{202e}";

/// Tries: line ends, quotes and a terminal's orders in statements, parameter names, catalogues, devices, ids, paths, heads, names of
/// queries and of pairing codes, and in the database's own words.
/// Stopped by: logs are written field by field as JSON, of identifiers and the program's own words; the Utility writes such characters out.
/// Seen as: what it is, in the audit.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_attacker_writes_stays_inside_of_its_line_and_moves_no_cursor() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let (path, key, url) =
        (immediate(&system), &system.description.subscription_key, &system.description.gateway);
    let mut client = system.client().await?;
    for body in [
        json!({ "command": { "text": format!("SELECT '{EVIL}' AS N") } }),
        json!({ "command": { "text": format!("/* {EVIL} */ SELECT 1 AS N") }, "catalogue": EVIL }),
        json!({ "command": { "text": "SELECT CAST(@p AS int) AS N", "parameters": [{ "name": "@p", "type": "NVarChar", "value": EVIL }] } }),
        json!({ "command": { "text": "SELECT 1 AS N", "parameters": [{ "name": EVIL, "type": "NVarChar", "value": "1" }] } }),
        json!({ "command": { "text": EVIL } }),
        json!({ "command": { "text": EVIL, "type": "storedProcedure" } }),
        json!({ "command": { "text": "SELECT 1", "executionMode": EVIL } }),
    ] {
        let answer = client.post(&path, &body).await?;
        ensure!(answer.status == 200 || (400..500).contains(&answer.status), "{answer:?}");
    }
    let registered = json!({ "name": EVIL, "registeredQueryType": "query", "frequency": 5, "duration": 5,
        "registerCommand": { "command": { "text": format!("SELECT 1 AS N -- {EVIL}") } } });
    client.post(&path.replace("immediate", "registered"), &registered).await?;
    let form = format!("grant_type={0}&device_id={0}&site_id={0}", "x%0D%0AOWNED%1B%5B2J");
    client
        .call(
            Method::POST,
            "/integrator/token",
            &[("Content-Type", "application/x-www-form-urlencoded")],
            form,
        )
        .await?;
    client.call(Method::PUT, "/integrator/desktop/revocations/x%0D%0AOWNED%1B%5B2J", &[JSON], "").await?;
    for head in [
        format!(
            "POST {path}?%0d%0a=OWNED%1b[2J HTTP/1.1\r\nHost: x\r\nOcp-Apim-Subscription-Key: {key}\r\nHalo-Query-Id: \u{1b}[2JOWNED\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
        "GET /%0d%0aOWNED%1b%5b2J HTTP/1.1\r\nHost: \u{1b}[2J\r\nOcp-Apim-Subscription-Key: \u{1b}[2JOWNED\r\nUser-Agent: OWNED\r\n\r\n".to_owned(),
        "OWNED \u{1b}[2J HTTP/9.9\r\n\r\n".to_owned(),
    ] {
        raw(url, head.as_bytes(), Duration::from_millis(500))?;
    }
    typed(&system, &["pairing-code", "--integrator", &format!("Acme {EVIL}")])?;

    // The screens of who looks after it.
    for words in [
        &["audit", "show", "--last", "1000"][..],
        &["audit", "show", "--last", "1000", "--json"],
        &["status"],
        &["doctor"],
        &["consent", "list"],
    ] {
        let done = typed(&system, words)?;
        let text = String::from_utf8([done.stdout, done.stderr].concat())?;
        let order = text.chars().find(|c| (c.is_control() && !['\n', '\t'].contains(c)) || *c == '\u{202e}');
        ensure!(order.is_none(), "{words:?} sends {order:?} to the terminal");
        ensure!(
            !text.lines().any(|line| line.starts_with("{\"level\":\"OWNED\"")),
            "{words:?} has a forged line:\n{text}"
        );
    }
    let audit = typed(&system, &["audit", "show", "--last", "1000", "--json"])?;
    ensure!(String::from_utf8_lossy(&audit.stdout).contains("OWNED"), "the audit has what was run");

    let data = system.description.data.clone();
    system.stop().await?;
    for part in ["cloud", "link", "gateway"] {
        let log = fs::read_to_string(data.join("logs").join(part).with_extension("log"))?;
        ensure!(
            !log.contains("OWNED"),
            "{part}: {}",
            log.lines().find(|line| line.contains("OWNED")).unwrap_or_default()
        );
        for line in log.lines() {
            ensure!(
                serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()),
                "{part} logs no JSON: {line}"
            );
        }
        ensure!(log.lines().count() > 0, "{part} has logged nothing");
    }
    Ok(())
}
