//! What a Link may ask: a stream to a site that this very connection holds, so that it can try the whole way, and what the directory knows
//! of such a site, so that its practice sees what is about to change. Nothing else.
//!
//! It is for a test and stays small: few streams, a short life, few bytes. So nobody carries anything else on it.

use crate::{Shared, presence::LinkConnection, splice::splice};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::timeout;
use tunnel::{
    Stream,
    head::{self, Answer, Ask, Reason},
};

/// Such streams of one connection at a time; one more is reset.
pub(crate) const STREAMS: usize = 4;
/// A test is over by then.
const LIFE: Duration = Duration::from_secs(30);
/// More bytes than this are no test.
const BYTES: u64 = 256 * 1024;
/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Answers one stream that the Link opened, to its end.
pub(crate) async fn answer(shared: Arc<Shared>, connection: Arc<LinkConnection>, mut stream: Stream) {
    let limits = &shared.options.limits;
    let Ok(Ok(ask)) = timeout(limits.head, head::read::<Ask>(&mut stream)).await else { return };
    if let Ask::Look { site } = ask
        && connection.sites.iter().any(|(own, _)| *own == site)
    {
        let found = shared.desk.ask(move |registry| registry.look(site)).await;
        let answer = match found {
            Ok(found) => Answer::Sites { sites: found.into_iter().collect() },
            Err(fault) => Answer::Refused { reason: Reason::Busy, message: fault.to_string() },
        };
        let _ = timeout(limits.head, say(stream, &answer)).await;
        return;
    }
    let back = match ask {
        Ask::Connect { site } if connection.sites.iter().any(|(own, _)| *own == site) => {
            let opening = async {
                let mut back = connection.joined.open().await.ok()?;
                head::write(&mut back, &head::Incoming { site }).await.ok()?;
                Some(back)
            };
            timeout(limits.open, opening).await.ok().flatten().ok_or(Answer::Refused {
                reason: Reason::Busy,
                message: "this Halo Link took no stream of its own test".to_owned(),
            })
        }
        Ask::Connect { .. } | Ask::Find { .. } | Ask::Look { .. } => Err(Answer::Refused {
            reason: Reason::NotEntitled,
            message: "a Halo Link may ask for the sites of its own connection, and for nothing else"
                .to_owned(),
        }),
    };
    match back {
        Ok(back) => carry(stream, back, limits.head).await,
        Err(no) => {
            let _ = timeout(limits.head, say(stream, &no)).await;
        }
    }
}

async fn carry(mut stream: Stream, mut back: Stream, head: Duration) {
    if !matches!(timeout(head, head::write(&mut stream, &Answer::Connected)).await, Ok(Ok(()))) {
        return;
    }
    let (forth_bytes, back_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let too_many = async {
        while forth_bytes.load(Relaxed) + back_bytes.load(Relaxed) <= BYTES {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        _ = splice(&mut stream, &mut back, &forth_bytes, &back_bytes) => {}
        () = too_many => {}
        () = tokio::time::sleep(LIFE) => {}
    }
}

async fn say(mut stream: Stream, answer: &Answer) -> std::io::Result<()> {
    head::write(&mut stream, answer).await?;
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await
}
