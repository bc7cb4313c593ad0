//! Jobs, pages and events over a whole inner session.

use super::*;
use model::Access;
use proto::{EventKind, JobStatus, PagesOutcome, pages_piece::What};

fn job(id: u128, text: &str) -> proto::SubmitRequest {
    let proto::RunRequest { query_id, command, .. } = order(id, text);
    proto::SubmitRequest {
        query_id,
        command,
        queue_ms: 60_000,
        digest: vec![1; 32],
        ..proto::SubmitRequest::default()
    }
}

fn pages(id: u128) -> proto::PagesAsk {
    proto::PagesAsk {
        query_id: uuid::Uuid::from_u128(id).as_bytes().to_vec(),
        first: 1,
        form: proto::RowForm::Lines.into(),
        ..proto::PagesAsk::default()
    }
}

/// Reads until the end, or until nothing comes for a while.
async fn read(
    pieces: &mut link_api::Streaming<proto::PagesPiece>,
    mut each: impl AsyncFnMut(usize),
) -> (usize, Option<proto::PagesEnd>) {
    let mut bytes = 0;
    loop {
        let Ok(piece) = timeout(Duration::from_millis(500), pieces.next()).await else {
            return (bytes, None);
        };
        match piece.unwrap().unwrap().what.unwrap() {
            What::Head(_) => {}
            What::Rows(rows) => {
                bytes += rows.data.len();
                each(bytes).await;
            }
            What::End(end) => return (bytes, Some(end)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_taken_told_of_and_fetched_at_the_readers_pace() {
    let bench = ready().await;
    bench.pair(Access::ReadOnly);
    bench.drive();
    let session = open(&bench).await;
    let mut client = session.client.clone();
    let mut events = client.events(proto::EventsRequest::default()).await.unwrap().into_inner();
    let first = events.next().await.unwrap().unwrap();
    assert_eq!((first.head, first.events.len(), first.journal.len()), (0, 0, 16));
    let state = client.submit(job(1, "rows 200000")).await.unwrap().into_inner();
    assert_eq!(state.status(), JobStatus::JobQueued);
    let told = timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(told.events[0].kind(), EventKind::EventSucceeded);
    let of = proto::JobsRequest { query_ids: vec![state.query_id], ..proto::JobsRequest::default() };
    let states = client.jobs(of).await.unwrap().into_inner().jobs;
    assert_eq!(states[0].status(), JobStatus::JobEnded);

    let (say, said) = mpsc::channel(64);
    say.send(pages(1)).await.unwrap();
    let saying = stream::unfold(said, async |mut said| said.recv().await.map(|ask| (ask, said)));
    let mut pieces = client.pages(saying).await.unwrap().into_inner();
    let (unread, end) = read(&mut pieces, async |_| {}).await;
    assert!(end.is_none() && (16 << 10..=64 << 10).contains(&unread), "{unread} bytes unacknowledged");
    say.send(proto::PagesAsk { read: unread as u64, ..proto::PagesAsk::default() }).await.unwrap();
    let acknowledge = async |bytes: usize| {
        let read = (unread + bytes) as u64;
        // The last of them may come when the stream is over.
        let _ = say.send(proto::PagesAsk { read, ..proto::PagesAsk::default() }).await;
    };
    let (rest, end) = read(&mut pieces, acknowledge).await;
    assert_eq!(end.unwrap().outcome(), PagesOutcome::PagesSent);

    // Whoever only reads gets it all.
    let mut pieces = client.pages(stream::iter([pages(1)])).await.unwrap().into_inner();
    let (all, end) = read(&mut pieces, async |_| {}).await;
    assert_eq!((all, end.unwrap().outcome()), (unread + rest, PagesOutcome::PagesSent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_nothing_of_jobs() {
    let bench = ready().await;
    let session = open(&bench).await;
    let mut client = session.client.clone();
    let denied = link_api::Code::PermissionDenied;
    assert_eq!(client.jobs(proto::JobsRequest::default()).await.unwrap_err().code(), denied);
    let mut events = client.events(proto::EventsRequest::default()).await.unwrap().into_inner();
    assert_eq!(events.next().await.unwrap().unwrap_err().code(), denied);
    let state = client.submit(job(1, "rows 1")).await.unwrap().into_inner();
    assert_eq!(state.ended.unwrap().refusal(), proto::Refusal::NotPaired);
    let mut pieces = client.pages(stream::iter([pages(1)])).await.unwrap().into_inner();
    let (_, end) = read(&mut pieces, async |_| {}).await;
    assert_eq!(end.unwrap().outcome(), PagesOutcome::PagesNoJob);
}
