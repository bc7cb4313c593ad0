//! The relay carries everything and can read nothing: markers in SQL, parameters, login and rows are looked for in its
//! memory, on its disk, in its logs and on its wires. The same search finds them where they may be, so that it can't
//! pass by accident.

mod inspector;

use anyhow::Result;
use halo::system::{Options, System};
use lab::{Canary, Hit, Needle, scan};
use serde_json::json;
use std::{net::SocketAddr, time::Duration};

const SEED: u64 = 20_261_123;

fn labels(hits: &[Hit]) -> Vec<String> {
    let mut labels: Vec<_> = hits.iter().map(|hit| format!("{} in {}", hit.label, hit.place)).collect();
    labels.sort();
    labels.dedup();
    labels
}

#[tokio::test]
async fn nothing_of_what_passes_is_found_in_the_relay() -> Result<()> {
    println!("seed {SEED}");
    let folder = tempfile::tempdir()?;
    let [sql, parameter, left, right, planted] = [0, 1, 2, 3, 4].map(|n| Canary::new(SEED + n));
    let seen = inspector::Seen::default();
    let certificates = folder.path().join("certificates");
    let tap = |target: SocketAddr| inspector::start(target, &certificates, &seen);
    let mut options = Options::new(folder.path())?;
    options.patients = 500;
    options.route_link = Some(&tap);
    options.route_gateway = Some(&tap);
    options.environment = vec![("HALO_PLANTED".to_owned(), planted.text().to_owned())];
    let system = System::start(&options, &mut |_| {}).await?;
    let password = system.kept_password()?;

    // A row that nobody sent: two halves meet in the database.
    let row = format!("{}{}", &left.text()[..12], &right.text()[12..]);
    let body = json!({ "command": {
        "text": format!("/* {} */ SELECT @p AS P, LEFT(@l, 12) + RIGHT(@r, 12) AS Joined FROM dbo.PRACTICE", sql.text()),
        "parameters": [
            { "name": "@p", "type": "NVarChar", "value": parameter.text() },
            { "name": "@l", "type": "VarChar", "value": left.text() },
            { "name": "@r", "type": "VarChar", "value": right.text() },
        ],
    }});
    let path = format!("/integrator/sites/{}/queries/immediate", system.description.site_id);
    let mut client = system.client().await?;
    for _ in 0..50 {
        let answer = client.post(&path, &body).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // One more that is on its way while we look, so that the gateway certainly holds it.
    let mut slow = body.clone();
    slow["command"]["text"] =
        json!(format!("{}; WAITFOR DELAY '00:00:20'", body["command"]["text"].as_str().unwrap_or("")));
    slow["readOnly"] = json!(true);
    let mut other = system.client().await?;
    let pending = tokio::spawn(async move { other.post(&path, &slow).await });
    tokio::time::sleep(Duration::from_millis(700)).await;

    let mut secrets = sql.needles("sql");
    secrets.extend(parameter.needles("parameter"));
    secrets.extend(Canary::from_text(&password).needles("login"));
    secrets.extend(Canary::from_text(&row).needles("row"));

    let pids = system.description.pids;
    let (hits, looked) = scan::process(pids.cloud, &secrets)?;
    assert!(looked > 1_000_000, "only {looked} bytes of the relay's memory were read");
    assert_eq!(labels(&hits), [""; 0], "in the relay's memory");
    assert_eq!(labels(&scan::files(&folder.path().join("cloud"), &secrets)?), [""; 0], "on the relay's disk");
    assert_eq!(labels(&scan::files(&folder.path().join("logs"), &secrets)?), [""; 0], "in the logs");
    // Both legs pass boxes that inspect TLS; what a client sends is masked on one leg (WebSocket) and not on the other.
    let passed = std::mem::take(&mut *seen.lock().expect("no panic"));
    assert!(passed.len() > 50_000, "only {} bytes were seen on the wires", passed.len());
    let upgrade = [Needle { label: "upgrade".to_owned(), bytes: b"GET /tunnel/v1".to_vec() }];
    assert_eq!(scan::bytes(&passed, &upgrade).len(), 1, "the boxes see through the outer TLS");
    assert_eq!(
        labels(&scan::bytes(&passed, &secrets)),
        [""; 0],
        "on the relay's wires, in clear of the outer TLS"
    );

    // The same search finds what is there to be found.
    let (hits, _) = scan::process(pids.gateway, &secrets)?;
    let found = labels(&hits).join(", ");
    for kind in ["sql", "parameter", "login", "row"] {
        assert!(found.contains(kind), "the gateway holds the {kind}; found only {found}");
    }
    let (hits, _) = scan::process(pids.cloud, &planted.needles("planted"))?;
    assert!(!hits.is_empty(), "a marker planted in the relay's memory is found");
    let someone = "11111111-1111-8111-8111-111111111111";
    system.operator(&["admit", "--integrator", someone, "--name", planted.text()]).await?;
    let hits = scan::files(&folder.path().join("cloud"), &planted.needles("planted"))?;
    assert!(!hits.is_empty(), "a marker planted on the relay's disk is found");

    pending.abort();
    system.stop().await
}
