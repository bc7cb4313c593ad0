//! The Utility chooses, checks and takes along: over the socket, as it does.

use super::*;
use crate::{store::AuditRow, testkit::Bench};
use audit::{Checker, Entry, FileChecker, KeptLine, Report};
use model::{Access, SiteId};

fn serve(bench: &Bench) -> (JoinHandle<()>, watch::Sender<Status>) {
    let (report, status) = watch::channel(Status::Online);
    let service = Service { host: bench.host.clone(), status, self_test: None };
    (listen(bench.folder.path(), service).unwrap(), report)
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.host.issue().unwrap();
    bench.pair(Access::ReadWrite);
    for on in [false, true].repeat(30) {
        bench.clock.advance(Duration::from_secs(1));
        bench.door().switch_site(bench.site, on).unwrap();
    }
    bench
}

fn walk_of(site: SiteId, purpose: &str) -> Ask {
    Ask::AuditWalk { purpose: purpose.to_owned(), site, since: None, until: None }
}

fn show(last: u32, integrator: Option<&str>, since: Option<&str>) -> Ask {
    let (integrator, since) = (integrator.map(str::to_owned), since.map(str::to_owned));
    Ask::AuditShow { last, integrator, query: None, since, until: None, site: None }
}

async fn lines(bench: &Bench, walk: &WalkAnswer) -> Vec<KeptLine> {
    let (mut all, mut after) = (Vec::new(), Some(walk.after));
    while let Some(from) = after {
        let ask_piece = Ask::AuditPiece { site: bench.site, after: from, until: walk.until };
        let piece: PieceAnswer = ask(bench.folder.path(), &ask_piece).await.unwrap();
        all.extend(piece.lines);
        after = piece.after;
    }
    all
}

async fn check(bench: &Bench) -> Report {
    let walk = ask::<Vec<WalkAnswer>>(bench.folder.path(), &walk_of(bench.site, "verify")).await.unwrap();
    let walk = &walk[0];
    let (start, wrong) = walk.header.begin().unwrap();
    assert_eq!(wrong, None);
    let mut checker = Checker::new(bench.site, start, vec![*walk.head.as_ref().unwrap().check().unwrap()]);
    for kept in lines(bench, walk).await {
        let (place, line) = kept.read().unwrap();
        checker.line(Entry { place, line: line.as_deref() });
    }
    checker.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_audit_comes_over_the_socket_and_a_change_of_the_file_is_found() {
    let bench = bench();
    let (_listening, _report) = serve(&bench);
    let report = check(&bench).await;
    assert_eq!(report.findings, []);
    assert!(report.lines > 60 && report.agreed == 1, "{report:?}");
    bench.door().flush().unwrap();
    let raw = rusqlite::Connection::open(bench.folder.path().join("link.db")).unwrap();
    raw.execute("UPDATE audit SET what = 'site-on' WHERE id = 7", []).unwrap();
    let report = check(&bench).await;
    assert_eq!((report.findings.len(), report.findings[0].number), (1, 7), "{report:?}");
}

/// What is exported is checked on another computer.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_whole_and_says_for_people_what_its_bytes_say() {
    let bench = bench();
    let (_listening, _report) = serve(&bench);
    let (_, all) = export(&bench, walk_of(bench.site, "export")).await;
    assert_eq!((all.first, all.findings), (1, vec![]));
    let rows = bench.audit();
    let (since, until) = (Some(rows[20].at.clone()), Some(rows[40].at.clone()));
    let part = Ask::AuditWalk { purpose: "export".to_owned(), site: bench.site, since, until };
    let (head, part) = export(&bench, part).await;
    assert_eq!((part.first, part.last, head, part.lines), (21, 40, 40, 20), "until is not among them");
    assert_eq!(part.findings, []);
}

/// The number of its head, and what a check of the file says.
async fn export(bench: &Bench, walk: Ask) -> (u64, Report) {
    let walk = ask::<Vec<WalkAnswer>>(bench.folder.path(), &walk).await.unwrap().remove(0);
    let head = walk.head.clone().unwrap();
    let mut file = FileChecker::new(vec![]);
    file.feed(&serde_json::to_vec(&walk.header).unwrap()).unwrap();
    for kept in lines(bench, &walk).await {
        if kept.number.is_none_or(|number| number <= head.head.number) {
            file.feed(&serde_json::to_vec(&kept.in_words().unwrap()).unwrap()).unwrap();
        }
    }
    file.feed(&serde_json::to_vec(&head).unwrap()).unwrap();
    let (site, report) = file.finish().remove(0);
    assert_eq!((site, report.last), (bench.site, head.head.number));
    (head.head.number, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_is_written_down_with_who_read_what() {
    let bench = bench();
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    let rows: Vec<AuditRow> = ask(data, &show(5, Some("acme"), None)).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["paired"]);
    ask::<Vec<WalkAnswer>>(data, &walk_of(bench.site, "export")).await.unwrap();
    let piece = Ask::AuditPiece { site: bench.site, after: 0, until: i64::MAX };
    ask::<PieceAnswer>(data, &piece).await.unwrap();
    // Long after the walk it is a reading of its own.
    bench.clock.pass(crate::testkit::DAY);
    ask::<PieceAnswer>(data, &piece).await.unwrap();
    let texts: TextsAnswer = ask(data, &Ask::AuditTexts { after: None }).await.unwrap();
    assert_eq!((texts.wrong, texts.after), (vec![], None));
    let reads: Vec<_> = bench.audit().into_iter().filter(|row| row.what == "audit-read").collect();
    assert!(reads.iter().all(|row| row.by.is_some()));
    let details: Vec<_> = reads.into_iter().map(|row| row.detail.unwrap()).collect();
    assert_eq!(details.len(), 3, "{details:?}");
    assert_eq!((&details[0]["integrator"], &details[0]["show"]), (&"acme".into(), &5.into()));
    assert!(details[1]["export"].is_object() && details[2]["piece"].is_number(), "{details:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_asked_is_said() {
    let bench = bench();
    let (_listening, _report) = serve(&bench);
    let data = bench.folder.path();
    for (wrong, why) in [
        (show(5, Some("nobody"), None), "use the id that its lines show"),
        (show(5, None, Some("yesterday")), "2026-11-27T00:00:00Z"),
        (walk_of(bench.site, "fun"), "to verify or to export"),
        (walk_of(SiteId(uuid::Uuid::from_u128(1)), "verify"), "no such site"),
        (Ask::AuditTexts { after: Some("zz".to_owned()) }, "a hash that the service gave"),
    ] {
        let said = ask::<serde_json::Value>(data, &wrong).await.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    let later = Ask::AuditWalk {
        purpose: "export".to_owned(),
        site: bench.site,
        since: Some("2100-01-01T00:00:00Z".to_owned()),
        until: None,
    };
    assert!(ask::<Vec<WalkAnswer>>(data, &later).await.unwrap().is_empty(), "there are no such lines");
}
