//! How much of a result may be on its way: bulk must not fill the uplink that immediate answers need.

use tokio::sync::watch;

/// So many bytes may be unacknowledged.
const WINDOW: u64 = 256 * 1024;

/// Paces one reader by what it acknowledges.
#[derive(Debug)]
pub(crate) struct Pacer {
    sent: u64,
    read: watch::Receiver<Option<u64>>,
}

impl Pacer {
    /// Paced by `read`: bytes acknowledged so far, or `None` once nothing will be acknowledged any more, and then the
    /// transport's own flow control has to do.
    pub(crate) fn new(read: watch::Receiver<Option<u64>>) -> Self {
        Pacer { sent: 0, read }
    }

    /// Waits until so many bytes may go, and counts them as sent. What is larger than the window goes alone.
    pub(crate) async fn send(&mut self, bytes: usize) {
        let (sent, bytes) = (self.sent, bytes as u64);
        let may_go = |read: &Option<u64>| match read {
            None => true,
            Some(read) => {
                let under_way = sent.saturating_sub(*read);
                under_way == 0 || under_way + bytes <= WINDOW
            }
        };
        // An error means that the one who acknowledges is gone: nothing to wait for.
        let _ = self.read.wait_for(may_go).await;
        self.sent += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_window_is_under_way() {
        let (tell, read) = watch::channel(Some(0));
        let mut pacer = Pacer::new(read);
        let wait = Duration::from_secs(1);
        for _ in 0..4 {
            timeout(wait, pacer.send(64 * 1024)).await.unwrap();
        }
        assert!(timeout(wait, pacer.send(1)).await.is_err());
        tell.send_replace(Some(64 * 1024));
        timeout(wait, pacer.send(64 * 1024)).await.unwrap();
        assert!(timeout(wait, pacer.send(1)).await.is_err());
        tell.send_replace(Some(5 * 64 * 1024));
        timeout(wait, pacer.send(10 * WINDOW as usize)).await.expect("a large one alone");
        tell.send_replace(None);
        timeout(wait, pacer.send(10 * WINDOW as usize)).await.expect("nobody acknowledges any more");
    }
}
