use super::{journal::Checked, table::Cursor, *};
use link_api::proto::EventKind as E;
use model::{ExecutionMode, SystemClock};
use uuid::Uuid;

const SITE: SiteId = SiteId(Uuid::from_u128(2));
const JOB: QueryId = QueryId(Uuid::from_u128(1));

fn jobs(data: &Path) -> Jobs {
    Jobs::open(data, Arc::new(SystemClock)).unwrap()
}

fn record(kind: Kind) -> JobRecord {
    JobRecord {
        schedule: (kind == Kind::Registered).then(Schedule::default),
        ..JobRecord::new(JOB, SITE, kind, ExecutionMode::Reader, SystemClock.now().0)
    }
}

#[derive(Default)]
struct Sink(Mutex<Vec<u64>>);

impl EventSink for Sink {
    fn take(&self, _: &rusqlite::Transaction<'_>, event: &JobEvent) -> rusqlite::Result<()> {
        self.0.lock().unwrap().push(event.number);
        Ok(())
    }
}

/// Events of a changed result, `at` by the site's clock.
fn changed(numbers: std::ops::RangeInclusive<u64>, at: impl Fn(u64) -> i64, reread: u64) -> Checked {
    let event = |number: u64| proto::Event {
        number,
        kind: E::EventResultChanged.into(),
        query_id: JOB.as_bytes().to_vec(),
        job_kind: proto::JobKind::Registered.into(),
        at: at(number),
        hash: vec![u8::try_from(number % 2).unwrap(); 32],
        chain: vec![5; 32],
    };
    let cursor = Cursor { journal: b"j".to_vec(), number: *numbers.end(), chain: vec![5; 32], reread };
    Checked { fresh: numbers.map(event).collect(), cursor, forgotten: None }
}

#[tokio::test]
async fn a_clock_that_is_set_back_by_a_year_silences_no_event_and_a_journal_read_anew_tells_nothing_twice() {
    const YEAR: i64 = 365 * 24 * 60 * 60 * 1000;
    let folder = tempfile::tempdir().unwrap();
    let jobs = jobs(folder.path());
    let sink = Arc::new(Sink::default());
    jobs.set_sink(Arc::clone(&sink) as Arc<dyn EventSink>);
    jobs.begin(record(Kind::Registered), None).await.unwrap();
    let clock = |number: u64| 2 * YEAR + i64::try_from(number).unwrap();
    let told = |sink: &Sink| std::mem::take(&mut *sink.0.lock().unwrap());
    jobs.hand_on(SITE, &changed(1..=20, clock, 0)).unwrap();
    assert_eq!(told(&sink), Vec::from_iter(1..=20));
    jobs.hand_on(SITE, &changed(21..=22, |n| clock(n) - YEAR, 0)).unwrap();
    assert_eq!(told(&sink), [21, 22], "new by their numbers, whatever the clock says");
    // The journal begins anew: all up to the head that it has then may have been told.
    jobs.hand_on(SITE, &changed(1..=20, clock, 20)).unwrap();
    assert_eq!(told(&sink), Vec::<u64>::new());
    jobs.hand_on(SITE, &changed(21..=21, |n| clock(n) - YEAR, 20)).unwrap();
    assert_eq!(told(&sink), [21], "after its head all is new again");
    assert_eq!(jobs.0.table.cursor(SITE).unwrap().unwrap().reread, 20, "kept over a restart");
}

#[tokio::test]
async fn a_cancel_that_was_taken_during_the_hand_over_is_told_to_the_site_until_it_answers_also_after_a_restart()
 {
    let folder = tempfile::tempdir().unwrap();
    let told = |cancel: &[QueryId], force: &[QueryId]| {
        let (cancel, force) = (cancel.to_vec(), force.to_vec());
        let look = if cancel.is_empty() && force.is_empty() { vec![JOB] } else { Vec::new() };
        ask::Sorted { look, fence: Vec::new(), cancel, force }
    };
    {
        let jobs = jobs(folder.path());
        jobs.begin(record(Kind::Async), None).await.unwrap();
        assert_eq!(jobs.sort(&[JOB]), told(&[], &[]));
        jobs.change(JOB, |record| record.note_cancel(false)).await;
        assert_eq!(jobs.sort(&[JOB]), told(&[JOB], &[]));
        jobs.change(JOB, |record| record.note_cancel(true)).await;
    }
    let jobs = jobs(folder.path());
    assert_eq!(jobs.sort(&[JOB]), told(&[], &[JOB]));
    // The answer to an earlier one, which was not forced, is not the answer to this one.
    jobs.change(JOB, |record| record.cancel_answered(false)).await;
    assert_eq!(jobs.sort(&[JOB]), told(&[], &[JOB]));
    jobs.change(JOB, |record| record.cancel_answered(true)).await;
    // Nobody hands it over any more, and it may still be on its way.
    let fence = ask::Sorted { fence: vec![JOB], ..ask::Sorted::default() };
    assert_eq!(jobs.sort(&[JOB]), fence);
}

#[tokio::test]
async fn a_key_is_taken_over_by_the_same_request_or_when_it_has_expired_and_never_from_another_request() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = jobs(folder.path());
    let key = |digest| Key { hash: [1; 32], digest: [digest; 32] };
    let other = QueryId(Uuid::from_u128(7));
    let table = &jobs.0.table;
    table.claim(&key(1), JOB, 0).unwrap();
    assert!(table.claim(&key(2), other, 1).is_err());
    assert_eq!(table.key(&[1; 32], 1).unwrap(), Some(([1; 32], JOB)));
    table.claim(&key(1), other, 2).unwrap();
    assert_eq!(table.key(&[1; 32], 2).unwrap(), Some(([1; 32], other)));
    table.claim(&key(2), JOB, 3 + table::KEY_KEEP_MS).unwrap();
    assert_eq!(table.key(&[1; 32], 3 + table::KEY_KEEP_MS).unwrap(), Some(([2; 32], JOB)));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_and_not_a_job_that_never_was() {
    let folder = tempfile::tempdir().unwrap();
    jobs(folder.path()).begin(record(Kind::Async), None).await.unwrap();
    let other = rusqlite::Connection::open(folder.path().join(crate::store::FILE)).unwrap();
    let kept = |jobs: &Jobs| jobs.0.table.get(JOB);
    // An older version's record, without what was added since.
    let removed = "UPDATE jobs SET record = json_remove(record, '$.cancel_force', '$.told', '$.cancel')";
    assert_eq!(other.execute(removed, []).unwrap(), 1);
    assert_eq!(kept(&jobs(folder.path())).unwrap().map(|record| record.id), Some(JOB));
    other.execute("UPDATE jobs SET record = '{}'", []).unwrap();
    let jobs = jobs(folder.path());
    assert!(kept(&jobs).is_err());
    assert!(jobs.look(JOB).await.is_err());
    assert_eq!(jobs.begin(record(Kind::Async), None).await, Err(MirrorError::Used));
}
