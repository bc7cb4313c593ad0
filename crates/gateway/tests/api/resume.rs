//! The whole result as one stream, whose session breaks: it goes on where it stopped, and only where that is the same result.

use crate::{
    jobs::is_cut,
    kit::{FakeJob, World},
};
use gateway::Limits;
use http_body_util::BodyExt;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::{sync::atomic::Ordering, time::Duration};
use tower::ServiceExt;

/// Rows that are all different, as pages of some each.
fn pages(rng: &mut StdRng, rows: usize) -> Vec<Vec<&'static str>> {
    let mut pages = Vec::new();
    let mut next = 0;
    while next < rows {
        let count = rng.random_range(1..40).min(rows - next);
        let row =
            |n: usize| -> &'static str { format!(r#"{{"id":{n},"name":"{}"}}"#, "x".repeat(n % 50)).leak() };
        pages.push((next..next + count).map(row).collect());
        next += count;
    }
    pages
}

/// A job at the site whose result has these pages.
async fn with_pages(world: &World, pages: &[Vec<&'static str>], over: bool) -> String {
    let id = world.submit("queued").await;
    world.site.jobs.change(&id, |job: &mut FakeJob| {
        pages.iter().for_each(|page| job.upload(page));
        if over {
            job.succeed();
        }
    });
    world.stands(&id, if over { "successful" } else { "uploading" }).await;
    id
}

/// `HALO_SEED` runs one seed.
#[tokio::test]
async fn a_session_that_is_cut_anywhere_neither_loses_nor_doubles_a_row() {
    let one = std::env::var("HALO_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in one.map_or(1..=8, |seed: u64| seed..=seed) {
        println!("HALO_SEED={seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let world = World::new().await;
        world.site.jobs.attempt.store(1, Ordering::SeqCst);
        let pages = pages(&mut rng, 200);
        let over = rng.random();
        let shown = if over { pages.len() } else { pages.len() / 2 };
        let id = with_pages(&world, &pages[..shown], over).await;
        // The first piece has to come, or the answer is a plain 503.
        let cuts = (0..rng.random_range(2..6)).map(|n| rng.random_range(usize::from(n == 0)..14));
        world.site.jobs.cuts.lock().unwrap().extend(cuts);
        let request = world.request("GET", &world.queries(&format!("/{id}/results")), &[], String::new());
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let (site, rest) = (world.site.clone(), pages[shown..].to_vec());
        let finished = tokio::spawn(async move {
            if !over {
                tokio::time::sleep(Duration::from_millis(300)).await;
                site.jobs.change(&id, |job| {
                    rest.iter().for_each(|page| job.upload(page));
                    job.succeed();
                });
            }
        });
        let body = response.into_body().collect().await.expect("it ends well").to_bytes();
        finished.await.unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let got: Vec<u64> = lines.iter().filter_map(|line| line["row"]["id"].as_u64()).collect();
        assert_eq!(got, Vec::from_iter(0..200), "each row once, in order");
        assert_eq!(lines.iter().filter(|line| line.get("columns").is_some()).count(), 1);
        let end = &lines.last().unwrap()["end"];
        assert_eq!((end["status"].as_str(), end["rows"].as_u64()), (Some("successful"), Some(200)));
        let bytes: usize =
            text.lines().filter(|line| line.starts_with(r#"{"row""#)).map(|l| l.len() + 1).sum();
        assert_eq!(end["size"].as_u64(), Some(bytes as u64));
        assert!(world.site.jobs.page_asks.lock().unwrap().len() > 1, "it was cut at all");
    }
}

#[tokio::test]
async fn pages_of_two_attempts_never_become_one_result() {
    let world = World::new().await;
    world.site.jobs.attempt.store(1, Ordering::SeqCst);
    let pages = pages(&mut StdRng::seed_from_u64(1), 100);
    let id = with_pages(&world, &pages, true).await;
    world.site.jobs.cuts.lock().unwrap().push_back(5);
    let request = world.request("GET", &world.queries(&format!("/{id}/results")), &[], String::new());
    let mut body = world.router.clone().oneshot(request).await.unwrap().into_body();
    let mut got = String::new();
    while !got.contains(r#""row""#) {
        let frame = body.frame().await.expect("more").unwrap();
        got.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    // The site was started anew, and has run the read again.
    world.site.jobs.attempt.store(2, Ordering::SeqCst);
    assert!(body.collect().await.is_err(), "the transfer breaks off");
}

#[tokio::test]
async fn an_older_site_and_one_that_stays_away_break_the_transfer_off() {
    let world = World::with(Limits { resume_ms: 500, ..Limits::default() }).await;
    let pages = pages(&mut StdRng::seed_from_u64(1), 100);
    let id = with_pages(&world, &pages, true).await;
    world.site.jobs.cuts.lock().unwrap().push_back(5);
    assert!(is_cut(&world, &format!("/{id}/results")).await, "nobody knows whether it is the same attempt");
    assert_eq!(world.site.jobs.page_asks.lock().unwrap().len(), 1);
    world.site.jobs.attempt.store(1, Ordering::SeqCst);
    // Each new session breaks before anything new has come.
    world.site.jobs.cuts.lock().unwrap().extend([5].into_iter().chain(std::iter::repeat_n(1, 100)));
    assert!(is_cut(&world, &format!("/{id}/results")).await);
    world.site.jobs.cuts.lock().unwrap().clear();
    assert!(!is_cut(&world, &format!("/{id}/results")).await);
}
