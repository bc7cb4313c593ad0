//! One client from its first byte to its last: reads requests and ATTENTION, writes what the session's thread gives.

use super::{
    Options, Shared,
    greet::{Stream, greet},
    session::{self, Job, Session},
    turn::{Met, Turn},
};
use crate::wire::{Assembler, Budget, packet::kind};
use database::Cancel;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};

/// Whoever is told why it is turned away gets this long to read it.
const LINGER: Duration = Duration::from_secs(2);

/// Stops what runs when the connection is over, however it ends.
struct StopAtEnd(Arc<dyn Cancel>);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>, place: OwnedSemaphorePermit) {
    let options = shared.options.clone();
    let guest = match timeout(options.login_time, greet(stream, &shared)).await {
        Ok(Ok(guest)) => guest,
        Ok(Err(error)) => return tracing::debug!(%error, "a client left before its login"),
        Err(_) => return tracing::debug!("a client took too long to log in"),
    };
    let budget = Arc::clone(&shared.budget);
    let Session { jobs, mut pieces, turn, stopper } = match session::start(shared, guest.login, place) {
        Ok(session) => session,
        Err(error) => return tracing::warn!(%error, "no thread for a session"),
    };
    let Ok(stopper) = timeout(options.login_time, stopper).await else { return };
    let (mut reader, mut writer) = tokio::io::split(guest.stream);
    let Ok(stopper) = stopper else {
        // Turned away: the reason first.
        write(&mut pieces, &mut writer, options.stall_time).await;
        return linger(&mut reader).await;
    };
    let stop = StopAtEnd(stopper);
    let mut ear = Ear { turn: &turn, stopper: &*stop.0, jobs, options: &options };
    let told = tokio::select! {
        () = write(&mut pieces, &mut writer, options.stall_time) => true,
        told = ear.listen(&mut reader, &budget) => told,
    };
    drop(ear);
    if told {
        // The session ends by itself when it has said its last; a client that still sends would lose it to a reset.
        let both = async {
            write(&mut pieces, &mut writer, options.stall_time).await;
            linger(&mut reader).await;
        };
        let _ = timeout(options.stall_time, both).await;
    }
}

/// Writes pieces until there are no more, or the client takes none.
async fn write(
    pieces: &mut mpsc::Receiver<Vec<u8>>,
    writer: &mut (impl AsyncWrite + Unpin),
    stall: Duration,
) {
    while let Some(piece) = pieces.recv().await {
        let written = timeout(stall, async {
            writer.write_all(&piece).await?;
            if pieces.is_empty() { writer.flush().await } else { Ok(()) }
        });
        if !matches!(written.await, Ok(Ok(()))) {
            pieces.close();
            return;
        }
    }
    let _ = timeout(stall, writer.shutdown()).await;
}

/// Reads what still comes, for a moment, and forgets it.
async fn linger(reader: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = vec![0; 16 * 1024];
    let _ = timeout(LINGER, async { while reader.read(&mut buffer).await.is_ok_and(|n| n > 0) {} }).await;
}

/// Listens to a client.
struct Ear<'a> {
    turn: &'a Turn,
    stopper: &'a dyn Cancel,
    jobs: mpsc::Sender<Job>,
    options: &'a Options,
}

impl Ear<'_> {
    /// Until the client leaves, or nothing it says can be trusted; true when it is told about it.
    async fn listen(
        &mut self,
        reader: &mut tokio::io::ReadHalf<Box<dyn Stream>>,
        budget: &Arc<Budget>,
    ) -> bool {
        let mut assembler = Assembler::new(self.options.limits, budget);
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let limit = if assembler.is_inside() { self.options.stall_time } else { self.options.idle_time };
            let count = match timeout(limit, reader.read(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => count,
                Ok(_) => return false,
                // It waits for an answer: that is not idle.
                Err(_) if !assembler.is_inside() && self.turn.is_answering() => continue,
                Err(_) => return false,
            };
            let mut input = &buffer[..count];
            while !input.is_empty() {
                let message = match assembler.take(&mut input) {
                    Ok(Some(message)) => message,
                    Ok(None) => break,
                    // Inside an answer there is no place for an error about something else.
                    Err(_) if self.turn.is_answering() => return false,
                    Err(wrong) => return self.jobs.send(Job::Wrong(wrong)).await.is_ok(),
                };
                let job = if message.kind != kind::ATTENTION {
                    // Without MARS a client waits for its answer.
                    if !self.turn.begin() {
                        return false;
                    }
                    Job::Request(message)
                } else if self.turn.attention(self.stopper) == Met::Running {
                    continue;
                } else {
                    Job::Acknowledge
                };
                // There is room for a few: full means a client that sends and does not read.
                if self.jobs.try_send(job).is_err() {
                    return false;
                }
            }
        }
    }
}
