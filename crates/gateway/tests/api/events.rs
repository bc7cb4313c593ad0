//! The journal of a site's events: read once each, whatever the site or the relay does.

use crate::{kit::World, lines::until};
use gateway::jobs::{EventSink, JobEvent};
use link_api::proto::{self, EventKind as E};
use std::sync::{Arc, Mutex, atomic::Ordering};

/// Notes what it is handed; fails when told to.
#[derive(Default)]
struct Sink {
    got: Mutex<Vec<JobEvent>>,
    failing: Mutex<bool>,
}

impl EventSink for Sink {
    fn take(&self, transaction: &rusqlite::Transaction<'_>, event: &JobEvent) -> rusqlite::Result<()> {
        // Something of its own in the same transaction, as an outbox would write it.
        transaction.execute("CREATE TABLE IF NOT EXISTS test_outbox (number INTEGER)", [])?;
        transaction.execute("INSERT INTO test_outbox VALUES (?1)", [i64::try_from(event.number).unwrap()])?;
        if *self.failing.lock().unwrap() {
            return Err(rusqlite::Error::InvalidQuery);
        }
        self.got.lock().unwrap().push(event.clone());
        Ok(())
    }
}

impl Sink {
    fn numbers(&self) -> Vec<u64> {
        self.got.lock().unwrap().iter().map(|event| event.number).collect()
    }

    fn kinds(&self) -> Vec<E> {
        self.got.lock().unwrap().iter().map(|event| event.kind).collect()
    }
}

async fn world() -> (World, Arc<Sink>) {
    let world = World::new().await;
    let sink = Arc::new(Sink::default());
    world.gateway.set_event_sink(Arc::clone(&sink) as Arc<dyn EventSink>);
    // Hints are believed of such sites alone.
    world.pair().await;
    (world, sink)
}

/// A change of what an honest site says.
type Twist = fn(&mut proto::EventsReply);

fn outbox(world: &World) -> i64 {
    let file = rusqlite::Connection::open(world.data.path().join("gateway.db")).unwrap();
    file.query_row("SELECT count(*) FROM test_outbox", [], |row| row.get(0)).unwrap_or(0)
}

#[tokio::test]
async fn an_event_is_handed_on_once_after_the_mirror_knows_the_end() {
    let (world, sink) = world().await;
    let id = world.submit("executing").await;
    until(|| world.site.jobs.event_streams.load(Ordering::SeqCst) > 0).await;
    world.site.jobs.change(&id, |job| job.succeed());
    world.site.jobs.tell(&world.site, &id, E::EventSucceeded, &[]);
    until(|| !sink.got.lock().unwrap().is_empty()).await;
    let event = sink.got.lock().unwrap()[0].clone();
    assert_eq!((event.number, event.query.to_string(), event.site), (1, id.clone(), world.site.id()));
    assert_eq!(event.record.unwrap().status.name(), "successful");
    world.gateway.hint(world.site.id());
    // Another life of the process goes on behind it.
    let world = world.restart();
    let again = Arc::new(Sink::default());
    world.gateway.set_event_sink(Arc::clone(&again) as Arc<dyn EventSink>);
    let id = world.submit("executing").await;
    world.site.jobs.tell(&world.site, &id, E::EventFailed, &[]);
    until(|| !again.got.lock().unwrap().is_empty()).await;
    assert_eq!((sink.numbers(), again.numbers()), (vec![1], vec![2]));
    until(|| outbox(&world) == 2).await;
}

#[tokio::test]
async fn what_happened_while_nobody_was_connected_is_caught_up_and_hints_do_no_harm() {
    let (world, sink) = world().await;
    let id = world.submit("queued").await;
    world.stands(&id, "queued").await;
    world.site.break_connections();
    world.site.jobs.change(&id, |job| job.succeed());
    world.site.jobs.tell(&world.site, &id, E::EventSucceeded, &[]);
    for _ in 0..20 {
        world.gateway.hint(world.site.id());
        world.gateway.hint(model::SiteId(uuid::Uuid::from_u128(5)));
    }
    until(|| !sink.got.lock().unwrap().is_empty()).await;
    for _ in 0..20 {
        world.gateway.hint(world.site.id());
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(sink.numbers(), [1], "doubled hints do not double events");
    assert_eq!(world.status_of(&id).await["status"], "successful");
}

#[tokio::test]
async fn a_sink_that_fails_gets_the_event_again_and_nothing_of_it_stays() {
    let (world, sink) = world().await;
    *sink.failing.lock().unwrap() = true;
    let id = world.submit("rows").await;
    world.site.jobs.tell(&world.site, &id, E::EventSucceeded, &[]);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(outbox(&world), 0, "rolled back with the cursor");
    *sink.failing.lock().unwrap() = false;
    world.gateway.hint(world.site.id());
    until(|| !sink.got.lock().unwrap().is_empty()).await;
    until(|| outbox(&world) == 1).await;
    assert_eq!(sink.numbers(), [1]);
}

#[tokio::test]
async fn gaps_doubles_and_rewritten_histories_are_refused() {
    let lies: [(&str, Twist); 6] = [
        ("a gap", |reply| {
            reply.events.retain(|event| event.number != 2);
        }),
        ("another chain", |reply| {
            if let Some(event) = reply.events.last_mut() {
                event.chain = vec![9; 32];
            }
        }),
        ("another event under the same number", |reply| {
            if let Some(event) = reply.events.last_mut() {
                event.kind = E::EventFailed.into();
            }
        }),
        ("no signature", |reply| reply.signature = vec![1; 70]),
        ("another journal, unsaid", |reply| reply.journal = b"other".to_vec()),
        ("set back", |reply| {
            reply.events.clear();
            reply.head = 0;
        }),
    ];
    for (name, lie) in lies {
        let (world, sink) = world().await;
        let id = world.submit("rows").await;
        world.site.jobs.tell(&world.site, &id, E::EventSucceeded, &[]);
        world.gateway.hint(world.site.id());
        until(|| !sink.got.lock().unwrap().is_empty()).await;
        *world.site.jobs.lie.lock().unwrap() = Some(Box::new(lie));
        for _ in 0..2 {
            let id = world.submit("rows").await;
            world.site.jobs.tell(&world.site, &id, E::EventSucceeded, &[]);
        }
        world.gateway.hint(world.site.id());
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(sink.numbers()[0], 1, "{name}");
        // Of the two new ones, what stands before the lie may be believed, the lie never.
        assert!(
            sink.numbers().len() <= 2 && !sink.kinds().contains(&E::EventFailed),
            "{name}: {:?}",
            sink.numbers()
        );
        *world.site.jobs.lie.lock().unwrap() = None;
        world.gateway.hint(world.site.id());
        until(|| sink.got.lock().unwrap().len() == 3).await;
        assert_eq!(sink.numbers(), [1, 2, 3], "{name}: the truth is taken up where it was left");
    }
}

#[tokio::test]
async fn doubled_events_are_taken_once() {
    let (world, sink) = world().await;
    // The site repeats all of its history in every reply.
    let all: Arc<Mutex<Vec<proto::Event>>> = Arc::default();
    let kept = Arc::clone(&all);
    *world.site.jobs.lie.lock().unwrap() = Some(Box::new(move |reply| {
        let mut all = kept.lock().unwrap();
        for event in &reply.events {
            if !all.contains(event) {
                all.push(event.clone());
            }
        }
        reply.events = all.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
    }));
    for _ in 0..3 {
        let id = world.submit("rows").await;
        world.site.jobs.tell(&world.site, &id, E::EventSucceeded, &[]);
        world.gateway.hint(world.site.id());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    until(|| sink.got.lock().unwrap().len() >= 3).await;
    assert_eq!(sink.numbers(), [1, 2, 3]);
}

#[tokio::test]
async fn a_journal_that_begins_anew_is_read_from_its_beginning_and_tells_nothing_twice() {
    let (world, sink) = world().await;
    let old = world.submit("rows").await;
    world.site.jobs.tell(&world.site, &old, E::EventSucceeded, &[]);
    world.gateway.hint(world.site.id());
    until(|| !sink.got.lock().unwrap().is_empty()).await;
    world.site.jobs.begin_anew(b"second");
    world.site.jobs.tell(&world.site, &old, E::EventSucceeded, &[]);
    let new = world.submit("rows").await;
    world.site.jobs.tell(&world.site, &new, E::EventSucceeded, &[]);
    world.gateway.hint(world.site.id());
    until(|| sink.got.lock().unwrap().len() == 2).await;
    let got = sink.got.lock().unwrap();
    assert_eq!((got[1].query.to_string(), got[1].number, &got[1].journal[..]), (new, 2, &b"second"[..]));
}

#[tokio::test]
async fn events_that_the_site_no_longer_keeps_are_passed_over_and_the_rest_is_read() {
    let (world, sink) = world().await;
    for _ in 0..3 {
        let id = world.submit("queued").await;
        world.site.jobs.tell(&world.site, &id, E::EventCancelled, &[]);
        if world.site.jobs.oldest.fetch_add(1, Ordering::SeqCst) == 0 {
            world.site.break_connections();
        }
    }
    world.site.jobs.oldest.store(3, Ordering::SeqCst);
    world.gateway.hint(world.site.id());
    until(|| sink.numbers().last() == Some(&3)).await;
}

#[tokio::test]
async fn an_end_that_the_site_has_forgotten_is_told_as_far_as_the_event_says() {
    let (world, sink) = world().await;
    let id = world.submit("queued").await;
    world.stands(&id, "queued").await;
    world.site.break_connections();
    world.site.jobs.tell(&world.site, &id, E::EventOutcomeUnknown, &[]);
    world.site.jobs.all.lock().unwrap().clear();
    world.gateway.hint(world.site.id());
    until(|| !sink.got.lock().unwrap().is_empty()).await;
    let told = world.status_of(&id).await;
    assert_eq!(
        (told["status"].as_str(), told["effect"].as_str()),
        (Some("executionFailed"), Some("unknown"))
    );
}

/// The relay withholds every hint: with a job that goes on the journal is open, and all of it comes at once; without one it is read
/// at the next round, or with the next session.
#[tokio::test]
async fn without_a_single_hint_all_is_told_all_the_same() {
    let (world, sink) = world().await;
    let (first, second) = (world.submit("executing").await, world.submit("rows").await);
    world.stands(&second, "successful").await;
    until(|| world.site.jobs.event_streams.load(Ordering::SeqCst) > 0).await;
    world.site.jobs.tell(&world.site, &second, E::EventSucceeded, &[]);
    until(|| sink.numbers() == [1]).await;
    world.site.jobs.change(&first, |job| job.succeed());
    world.site.jobs.tell(&world.site, &first, E::EventSucceeded, &[]);
    until(|| sink.numbers() == [1, 2]).await;
    world.stands(&first, "successful").await;
    // Nothing goes on there any more, and a result expires.
    let world = world.restart();
    let again = Arc::new(Sink::default());
    world.gateway.set_event_sink(Arc::clone(&again) as Arc<dyn EventSink>);
    world.gateway.resume();
    world.site.jobs.tell(&world.site, &first, E::EventResultExpired, &[]);
    world.gateway.catch_up().await;
    until(|| again.numbers() == [3]).await;
}
