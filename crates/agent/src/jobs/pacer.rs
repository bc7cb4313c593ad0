//! Waiting until the next piece of a result may leave: [`pace`](crate::pace) decides, here it is waited for.

use crate::pace::Pace;
use model::Clock;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};

/// Bytes that the reader has read, all together, and when that was heard; `None` once nothing will be acknowledged any more: then
/// nothing tells what waits on the way, and it gets [`UNHEARD`] at most.
pub(crate) type Read = Option<(u64, Duration)>;

/// Bytes per second for a reader that acknowledges nothing.
const UNHEARD: f64 = 1024.0 * 1024.0;

/// Paces one reader by what it acknowledges.
pub(crate) struct Pacer {
    pace: Pace,
    read: watch::Receiver<Read>,
    clock: Arc<dyn Clock>,
}

impl Pacer {
    pub(crate) fn new(read: watch::Receiver<Read>, clock: Arc<dyn Clock>) -> Self {
        Pacer { pace: Pace::new(clock.monotonic()), read, clock }
    }

    /// Waits until the next piece may go, and counts it as sent.
    pub(crate) async fn send(&mut self, bytes: usize) {
        loop {
            let Some((all, at)) = *self.read.borrow_and_update() else { return unheard(bytes).await };
            self.pace.read(all, at);
            if bytes == 0 || self.pace.may_send() {
                return self.pace.sent(bytes, self.clock.monotonic());
            }
            // The one who acknowledges is gone: nothing to wait for.
            if self.read.changed().await.is_err() {
                return unheard(bytes).await;
            }
        }
    }
}

async fn unheard(bytes: usize) {
    sleep(Duration::from_secs_f64(bytes as f64 / UNHEARD)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::{LEAST, PIECE};
    use model::SystemClock;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_window_is_under_way_until_it_is_read() {
        let clock = Arc::new(SystemClock);
        let (tell, read) = watch::channel(Some((0, clock.monotonic())));
        let mut pacer = Pacer::new(read, clock.clone());
        let wait = Duration::from_secs(1);
        for _ in 0..LEAST / PIECE as u64 {
            timeout(wait, pacer.send(PIECE)).await.unwrap();
        }
        assert!(timeout(wait, pacer.send(PIECE)).await.is_err());
        tell.send_replace(Some((LEAST, clock.monotonic())));
        timeout(wait, pacer.send(PIECE)).await.unwrap();
        tell.send_replace(None);
        let began = tokio::time::Instant::now();
        for _ in 0..640 {
            timeout(wait, pacer.send(PIECE)).await.expect("nobody acknowledges any more");
        }
        let took = began.elapsed().as_secs();
        assert!(
            (10..12).contains(&took),
            "10 MiB in {took} s: who does not acknowledge does not flood the line"
        );
    }
}
