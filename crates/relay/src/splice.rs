//! Moves bytes both ways between two streams without looking at them.
//!
//! A quiet splice owns no buffer: bytes are read into a scratch area of the thread and written on at once; only what
//! the other side would not take is kept until it does. So a thousand idle streams cost a thousand small structs, and
//! a busy one moves up to 64 KiB a step.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

const STEP: usize = 64 * 1024;
/// Steps of one direction before other tasks get their turn.
const TURN: u32 = 16;
/// A stream with one direction finished and the other silent for this long is over.
const HALF_CLOSED_SILENCE: Duration = Duration::from_secs(600);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; STEP].into_boxed_slice());
}

/// How a splice ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Bytes from `a` to `b`.
    pub(crate) forth: u64,
    /// Bytes from `b` to `a`.
    pub(crate) back: u64,
    /// An error when one of the streams broke, or stayed half closed and silent.
    pub(crate) result: io::Result<()>,
}

/// Splices until both directions have ended, or one has failed. Totals are counted while bytes pass: `forth` from `a`
/// to `b`, `back` the others.
pub(crate) async fn splice<A, B>(a: &mut A, b: &mut B, forth: &AtomicU64, back: &AtomicU64) -> Ended
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut here) = (Direction::default(), Direction::default());
    let mut silence: Option<(u64, Pin<Box<Sleep>>)> = None;
    let result = poll_fn(|cx| {
        let sent = there.poll(cx, a, b, forth)?;
        let received = here.poll(cx, b, a, back)?;
        match (sent, received) {
            (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(Ok(())),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            _ => {
                let moved = there.moved + here.moved;
                let (seen, sleep) =
                    silence.get_or_insert_with(|| (moved, Box::pin(tokio::time::sleep(HALF_CLOSED_SILENCE))));
                if *seen != moved {
                    *seen = moved;
                    sleep.as_mut().reset(Instant::now() + HALF_CLOSED_SILENCE);
                }
                ready!(sleep.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    })
    .await;
    Ended { forth: there.moved, back: here.moved, result }
}

#[derive(Default)]
enum State {
    #[default]
    Moving,
    Closing,
    Closed,
}

#[derive(Default)]
struct Direction {
    state: State,
    /// Read, and not yet taken by the other side from `at` on.
    kept: Vec<u8>,
    at: usize,
    unflushed: bool,
    moved: u64,
}

impl Direction {
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        count: &AtomicU64,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        for _ in 0..TURN {
            match self.state {
                State::Closed => return Poll::Ready(Ok(())),
                State::Closing => {
                    ready!(self.write_kept(cx, to))?;
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Closed;
                }
                State::Moving => {
                    ready!(self.write_kept(cx, to))?;
                    ready!(SCRATCH.with_borrow_mut(|scratch| self.step(cx, from, to, count, scratch)))?;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn write_kept<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        while self.at < self.kept.len() {
            self.at += ready!(write_some(cx, to, &self.kept[self.at..]))?;
        }
        if !self.kept.is_empty() {
            (self.kept, self.at) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    fn step<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        count: &AtomicU64,
        scratch: &mut [u8],
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut buffer = ReadBuf::new(scratch);
        if Pin::new(from).poll_read(cx, &mut buffer)?.is_pending() {
            // Nothing more to gather: what was written goes out now.
            if self.unflushed {
                ready!(Pin::new(to).poll_flush(cx))?;
                self.unflushed = false;
            }
            return Poll::Pending;
        }
        let read = buffer.filled();
        if read.is_empty() {
            self.state = State::Closing;
            return Poll::Ready(Ok(()));
        }
        self.moved += read.len() as u64;
        count.fetch_add(read.len() as u64, Relaxed);
        self.unflushed = true;
        let mut written = 0;
        while written < read.len() {
            match write_some(cx, to, &read[written..])? {
                Poll::Ready(n) => written += n,
                Poll::Pending => {
                    self.kept = read[written..].to_vec();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn write_some<W: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    to: &mut W,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(to).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        n => Poll::Ready(Ok(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn bytes_pass_unchanged_through_a_narrow_pipe_and_both_ends_learn_of_the_end() {
        let (mut left, mut a) = duplex(1000);
        let (mut b, mut right) = duplex(777);
        let (forth, back) = (AtomicU64::new(0), AtomicU64::new(0));
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let gateway = async {
            let (mut read, mut write) = tokio::io::split(&mut left);
            let mut got = Vec::new();
            let write = async {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let (_, _) = tokio::join!(write, async { read.read_to_end(&mut got).await.unwrap() });
            got
        };
        let site = async {
            let mut got = Vec::new();
            right.read_to_end(&mut got).await.unwrap();
            // The other direction still works after this one has ended.
            right.write_all(&got).await.unwrap();
            right.shutdown().await.unwrap();
        };
        let (got, (), ended) = tokio::join!(gateway, site, splice(&mut a, &mut b, &forth, &back));
        ended.result.unwrap();
        assert!(got == sent);
        assert_eq!((ended.forth, ended.back), (1_000_000, 1_000_000));
        assert_eq!((forth.into_inner(), back.into_inner()), (1_000_000, 1_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_closed_stream_that_stays_silent_is_ended() {
        let (left, mut a) = duplex(1000);
        let (mut b, mut right) = duplex(1000);
        right.shutdown().await.unwrap();
        let (forth, back) = (AtomicU64::new(0), AtomicU64::new(0));
        let ended = splice(&mut a, &mut b, &forth, &back).await;
        assert_eq!(ended.result.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(left);
    }
}
