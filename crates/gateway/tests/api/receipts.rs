//! Receipts: what a caller is given holds on its own, what a lying site sends is not passed on, and a site that goes back is remembered.

use crate::{
    kit::{Answer, Receipts, World},
    lines::until,
};
use audit::Receipt;
use gateway::{store::Store, witness};
use insta::assert_json_snapshot as snapshot;
use model::{IntegratorId, QueryId, SiteId};
use serde_json::{Value, json};

const LINES: [(&str, &str); 2] = [("content-type", "application/json"), ("accept", "application/x-ndjson")];

async fn lines(world: &World, text: &str) -> Answer {
    let body = json!({ "command": { "text": text } }).to_string();
    world.call("POST", &world.immediate_path(), &LINES, body).await
}

fn end(answer: &Answer) -> Value {
    answer.lines().last().unwrap()["end"].clone()
}

/// As an integrator does it who knows nothing but the site's GUID.
fn proven(receipt: &Value) -> (audit::Line, u64) {
    let receipt = Receipt::from_json(receipt.to_string().as_bytes()).expect("it reads back");
    (receipt.check().expect("it holds"), receipt.head.head.number)
}

async fn receipt_of(world: &World, id: &str) -> Answer {
    world.get(&world.queries(&format!("/{id}/receipt"))).await
}

fn id(text: &str) -> QueryId {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_last_line_proves_what_the_site_wrote_down() {
    let world = World::new().await;
    for (text, status, rows) in
        [("rows", "SUCCESSFUL", 2), ("deadlock after rows", "FAILED", 2), ("count", "SUCCESSFUL", 0)]
    {
        let answer = lines(&world, text).await;
        let end = end(&answer);
        assert_eq!(end.get("receiptError"), None, "{text}");
        let (line, number) = proven(&end["receipt"]);
        assert_eq!((line.site, line.query), (world.site.id(), Some(id(&answer.query_id()))));
        assert_eq!(line.integrator, Some(world.gateway.integrator()));
        assert_eq!((line.status.as_deref(), line.rows), (Some(status), Some(rows)), "{text}");
        assert_eq!(number, world.site.audit.number());
    }
}

#[tokio::test]
async fn a_published_answer_costs_the_site_no_wait_for_its_disk_and_its_receipt_can_be_asked_for() {
    let world = World::new().await;
    let answer = world.run("rows").await;
    assert!(!world.site.runs.lock().unwrap()[0].receipt);
    let receipt = receipt_of(&world, &answer.query_id()).await;
    snapshot!("receipt", receipt.shown());
    let (line, _) = proven(&receipt.json());
    assert_eq!(line.query, Some(id(&answer.query_id())));
    // Refused, failed, never sent.
    for text in ["busy", "unknown table"] {
        let id = world.run(text).await.query_id();
        assert_eq!(receipt_of(&world, &id).await.status, 200, "{text}");
    }
    snapshot!("receipt_none", receipt_of(&world, "01890a5d-ac96-774b-bcce-b302099a8057").await.shown());
    assert_eq!(receipt_of(&world, "no-id").await.status, 400);
}

#[tokio::test]
async fn jobs_have_receipts_and_a_whole_result_ends_in_one() {
    let world = World::new().await;
    let job = world.submit("rows").await;
    world.stands(&job, "successful").await;
    let whole = world.get(&world.queries(&format!("/{job}/results"))).await;
    let (line, number) = proven(&end(&whole)["receipt"]);
    assert_eq!(line.query, Some(id(&job)));
    let again = receipt_of(&world, &job).await;
    assert_eq!(proven(&again.json()), (line, number), "the same, however it is asked for");
    world.site.audit.gives(Receipts::NoLine);
    let whole = world.get(&world.queries(&format!("/{job}/results"))).await;
    assert_eq!(end(&whole)["rows"], 3, "the result stands without it");
    assert!(end(&whole)["receiptError"].as_str().unwrap().contains("no line"));
}

#[tokio::test]
async fn what_is_no_receipt_for_the_query_is_not_passed_on() {
    let world = World::new().await;
    let lies = [
        (Receipts::OtherQuery, "of another query"),
        (Receipts::OtherIntegrator, "of another integrator"),
        (Receipts::OtherSite, "of another site"),
        (Receipts::Forged, "signature does not hold"),
        (Receipts::Begin, "says nothing of an end"),
        (Receipts::Garbage, "a receipt"),
    ];
    for (lie, why) in lies {
        world.site.audit.gives(lie);
        let answer = lines(&world, "rows").await;
        let end = end(&answer);
        assert_eq!(
            (&end["status"], &end["rows"]),
            (&json!("successful"), &json!(2)),
            "the answer stands: {lie:?}"
        );
        assert_eq!(end.get("receipt"), None, "{lie:?}");
        let told = end["receiptError"].as_str().unwrap();
        assert!(told.contains("not passed on") && told.contains(why), "{lie:?}: {told}");
        let asked = receipt_of(&world, &answer.query_id()).await;
        assert_eq!(asked.status, 502, "{lie:?}");
        assert!(asked.message().contains(why), "{lie:?}: {}", asked.message());
    }
    // A line that holds, and says another count of rows than the answer that it came with.
    world.site.audit.gives(Receipts::OtherEnd);
    let told = end(&lines(&world, "rows").await)["receiptError"].clone();
    assert!(told.as_str().unwrap().contains("something else than the answer"), "{told}");
    world.site.audit.gives(Receipts::Forged);
    snapshot!("receipt_forged", lines(&world, "rows").await.shown());
}

#[tokio::test]
async fn an_answer_without_a_receipt_says_why() {
    let world = World::new().await;
    for (how, why) in [
        (Receipts::Old, "version"),
        (Receipts::Disk, "disk"),
        (Receipts::NoLine, "no line"),
        (Receipts::Later, "update the gateway"),
    ] {
        world.site.audit.gives(how);
        let end = end(&lines(&world, "rows").await);
        assert_eq!((&end["rows"], end.get("receipt")), (&json!(2), None));
        assert!(end["receiptError"].as_str().unwrap().contains(why), "{how:?}: {end}");
    }
    // The site's stream stops without an end.
    assert!(end(&lines(&world, "cut").await)["receiptError"].as_str().unwrap().contains("No receipt came"));
    world.site.audit.gives(Receipts::Old);
    snapshot!("receipt_old_site", receipt_of(&world, &world.run("rows").await.query_id()).await.shown());
    let sent = world.run("rows").await.query_id();
    world.site.change(|record| record.availability = model::Availability::Offline);
    world.site.break_connections();
    // A call that is under way when the connection breaks and one that finds no site end alike.
    let away = receipt_of(&world, &sent).await;
    assert_eq!(away.status, 503);
    assert!(away.header("retry-after").is_some());
}

#[tokio::test]
async fn a_command_that_went_twice_has_the_receipt_of_its_second_run() {
    let world = World::new().await;
    let body = json!({ "readOnly": true, "command": { "text": "connection dies once" } }).to_string();
    let answer = world.call("POST", &world.immediate_path(), &LINES, body).await;
    let (line, _) = proven(&end(&answer)["receipt"]);
    let sent: Vec<_> =
        world.site.runs.lock().unwrap().iter().map(|run| QueryId::from_slice(&run.query_id)).collect();
    assert_eq!((sent.len(), sent[1]), (2, line.query));
    assert_ne!(line.query, Some(id(&answer.query_id())), "the site knows it under a name of its own");
    let asked = receipt_of(&world, &answer.query_id()).await;
    assert_eq!(proven(&asked.json()).0, line);
}

#[tokio::test]
async fn a_desktop_sees_receipts_of_its_own_queries_alone() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", crate::tokens::token(&world, "PC-7").await);
    let headers =
        [("authorization", bearer.as_str()), ("deviceid", "PC-7"), ("content-type", "application/json")];
    let path = |rest: &str| format!("/desktop/sites/{}/queries{rest}", world.site.id());
    let body = json!({ "command": { "text": "rows" } }).to_string();
    let own = world.call("POST", &path("/immediate"), &headers, body).await.query_id();
    let servers = world.run("rows").await.query_id();
    let receipt = world.call("GET", &path(&format!("/{own}/receipt")), &headers, "").await;
    assert_eq!(proven(&receipt.json()).0.device.as_deref(), Some("PC-7"));
    assert_eq!(world.call("GET", &path(&format!("/{servers}/receipt")), &headers, "").await.status, 404);
    assert_eq!(receipt_of(&world, &own).await.status, 200, "the integrator's server sees all");
}

fn kept(world: &World) -> Vec<(u64, bool)> {
    let all = witness::list(&Store::open(world.data.path()).unwrap(), Some(world.site.id())).unwrap();
    all.iter().map(|kept| (kept.head.check().unwrap().number, kept.back_at.is_some())).collect()
}

#[tokio::test]
async fn a_site_that_goes_back_is_remembered_with_what_it_showed_before() {
    let world = World::new().await;
    // A session, and nothing written yet; then four lines, of which the receipts tell.
    for _ in 0..4 {
        lines(&world, "rows").await;
    }
    world.gateway.stop();
    until(|| kept(&world).last() == Some(&(4, false))).await;
    // Its server comes back with a copy of yesterday.
    world.site.break_connections();
    world.site.audit.rewrite(2);
    let world = world.restart();
    assert_eq!(world.run("rows").await.status, 200, "it is told, and the practice is not locked out");
    until(|| kept(&world) == [(2, true), (4, false)]).await;
    // It is remembered over restarts, and what grows from there hides it no more.
    let world = world.restart();
    for _ in 0..6 {
        lines(&world, "rows").await;
    }
    world.gateway.stop();
    until(|| kept(&world).len() == 3).await;
    assert_eq!(kept(&world)[..2], [(2, true), (4, false)]);
}

#[test]
fn a_receipt_is_held_against_all_that_was_asked_for() {
    use gateway::receipts::{About, Wrong, check};
    let about = About {
        site: SiteId(uuid::Uuid::from_u128(1)),
        integrator: IntegratorId(uuid::Uuid::from_u128(2)),
        query: QueryId(uuid::Uuid::from_u128(3)),
    };
    assert!(matches!(check(&[], &about), Err(Wrong::Broken(_))));
    assert!(matches!(check(&vec![1; 1 << 20], &about), Err(Wrong::Broken(_))));
}
