//! One session over a pipe: what one caller does must not be felt by the others.

use link_api::{Code, Link, LinkClient, Request, Response, Status, Streaming, Tuning, client, proto, server};
use std::{future::pending, sync::Arc};
use tokio_stream::{Stream, StreamExt, iter, wrappers::ReceiverStream};

/// Answers every Run with 40 MB of rows; the peer's name comes back in Hello.
struct Rows;

type Boxed<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Link for Rows {
    async fn hello(
        &self,
        request: Request<proto::HelloRequest>,
    ) -> Result<Response<proto::HelloReply>, Status> {
        let paired = request.extensions().get::<&str>() == Some(&"a peer");
        Ok(Response::new(proto::HelloReply { version: 1, paired, ..proto::HelloReply::default() }))
    }

    type RunStream = Boxed<proto::RunEvent>;
    async fn run(&self, _: Request<proto::RunRequest>) -> Result<Response<Self::RunStream>, Status> {
        let rows = || proto::Rows { data: vec![b'x'; 100_000].into(), unpacked: 100_000, zstd: false };
        let events = (0..400).map(move |_| Ok(proto::RunEvent { rows: Some(rows()), ..Default::default() }));
        Ok(Response::new(Box::pin(iter(events))))
    }

    async fn outcome(
        &self,
        _: Request<proto::OutcomeRequest>,
    ) -> Result<Response<proto::OutcomeReply>, Status> {
        Ok(Response::new(proto::OutcomeReply::default()))
    }

    type PairStream = Boxed<proto::PairReply>;
    async fn pair(
        &self,
        _: Request<Streaming<proto::PairRequest>>,
    ) -> Result<Response<Self::PairStream>, Status> {
        Ok(Response::new(Box::pin(ReceiverStream::new(tokio::sync::mpsc::channel(1).1))))
    }

    async fn probe(&self, _: Request<proto::ProbeRequest>) -> Result<Response<proto::ProbeReply>, Status> {
        Err(Status::unimplemented("not offered yet"))
    }

    async fn unpair(&self, _: Request<proto::UnpairRequest>) -> Result<Response<proto::UnpairReply>, Status> {
        Err(Status::unimplemented("not offered yet"))
    }

    async fn credentials(
        &self,
        _: Request<proto::DatabaseLogin>,
    ) -> Result<Response<proto::CredentialsReply>, Status> {
        Err(Status::unimplemented("not offered yet"))
    }

    async fn receipt(
        &self,
        _: Request<proto::ReceiptRequest>,
    ) -> Result<Response<proto::ReceiptReply>, Status> {
        Err(Status::unimplemented("not offered yet"))
    }

    type PagesStream = Boxed<proto::PagesPiece>;
    type EventsStream = Boxed<proto::EventsReply>;

    async fn submit(&self, _: Request<proto::SubmitRequest>) -> Result<Response<proto::JobState>, Status> {
        Err(Status::unimplemented("not offered yet"))
    }

    async fn jobs(&self, _: Request<proto::JobsRequest>) -> Result<Response<proto::JobsReply>, Status> {
        Err(Status::unimplemented("not offered yet"))
    }

    async fn pages(
        &self,
        _: Request<Streaming<proto::PagesAsk>>,
    ) -> Result<Response<Self::PagesStream>, Status> {
        Err(Status::unimplemented("not offered yet"))
    }

    async fn events(&self, _: Request<proto::EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
        Err(Status::unimplemented("not offered yet"))
    }
}

async fn session(tuning: Tuning) -> LinkClient<client::Channel> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(server::serve(far, Arc::new(Rows), "a peer", tuning, pending()));
    let (link, _, connection) = client::open(near, Tuning::default()).await.expect("the pipe is open");
    tokio::spawn(connection);
    link
}

#[tokio::test]
async fn a_caller_that_stops_reading_does_not_stop_the_others() {
    let mut link = session(Tuning::default()).await;
    let mut stalled = link.run(proto::RunRequest::default()).await.expect("starts").into_inner();
    stalled.next().await.expect("a first piece").expect("rows");
    // The stalled answer fills its own window and no more: the next one arrives whole.
    let mut other = link.run(proto::RunRequest::default()).await.expect("starts").into_inner();
    let mut pieces = 0;
    while let Some(event) = other.next().await {
        pieces += usize::from(event.expect("rows").rows.is_some());
    }
    assert_eq!(pieces, 400);
    assert!(
        link.hello(proto::HelloRequest { version: 1, ..proto::HelloRequest::default() })
            .await
            .expect("still serving")
            .into_inner()
            .paired
    );
}

#[tokio::test]
async fn a_stranger_can_not_send_what_a_paired_peer_may() {
    let request = || {
        let text = "x".repeat(100_000);
        let command = Some(proto::Command { text, ..Default::default() });
        proto::RunRequest { command, ..Default::default() }
    };
    let refused = session(Tuning::for_strangers()).await.run(request()).await.expect_err("too large");
    assert_eq!(refused.code(), Code::OutOfRange);
    assert!(session(Tuning::default()).await.run(request()).await.is_ok());
}
