//! The numbers of one connection: sizes, windows, time spans.

use crate::machine::Timing;
use std::time::Duration;

/// What every yamux stream may send before it hears of more credit; fixed by yamux's specification.
const STREAM_CREDIT: usize = 256 * 1024;
/// The WebSocket read buffer. Each connection keeps one, so it is small; a larger message gets its own memory.
pub(crate) const READ_BUFFER: usize = 2 * 1024;
/// Largest WebSocket message that is read once a connection is authenticated.
pub(crate) const MESSAGE_BYTES: usize = 1024 * 1024;
/// A gathered binary message is sent when it is this large, or when there is nothing more to gather.
pub(crate) const GATHER_BYTES: usize = 64 * 1024;
/// Bound of what is kept while the socket takes nothing: one gathered message, one frame more, control messages.
pub(crate) const WRITE_BUFFER_MAX: usize = 512 * 1024;
/// [`Joined::open`](crate::Joined::open) and [`Dialer::open`](crate::Dialer::open) wait at most this long.
pub(crate) const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// A goodbye may take this long to leave.
pub(crate) const GOODBYE_WITHIN: Duration = Duration::from_secs(2);
/// Before it, what streams have queued may take this long.
pub(crate) const LAST_BYTES_WITHIN: Duration = Duration::from_millis(500);
/// After a last message the other end may take this long to close.
pub(crate) const DISCARD_WITHIN: Duration = Duration::from_millis(500);

/// Settings of one connection. [`Tuning::default`] is right for a Link and for a gateway; tests change the timing.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Virtual streams that one connection carries at once, each way; one more is refused (inbound: reset).
    pub streams: usize,
    /// How far the receive windows of all streams together may grow above their first 256 KiB each: memory that a
    /// fast peer can fill while nobody reads. One stream at 50 MB/s and 160 ms round trip needs 16 MiB.
    pub window_headroom: usize,
    /// Largest payload of one yamux frame (16 to 64 KiB).
    pub frame: usize,
    /// Time spans of the state machine.
    pub timing: Timing,
    /// What [`Joined::drain`](crate::Joined::drain) allows the client.
    pub drain_within: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            // More than a Link has sessions at most: a thousand integrators at one site, each with a few.
            streams: 5120,
            window_headroom: 64 * 1024 * 1024,
            frame: 32 * 1024,
            timing: Timing::default(),
            drain_within: Duration::from_secs(4),
        }
    }
}

impl Tuning {
    /// yamux closes the whole connection when its own stream limit is passed, and counts streams that we have already
    /// dropped; so its limit is twice ours and is never reached. Auto-tuned windows get what `max_connection_receive_window`
    /// leaves above 256 KiB for each possible stream: the two numbers only make sense together.
    pub(crate) fn yamux(&self) -> yamux::Config {
        let streams = self.streams.clamp(1, 64 * 1024) * 2;
        let mut config = yamux::Config::default();
        // In this order: each setter checks against the other's current value.
        config.set_max_connection_receive_window(None);
        config.set_max_num_streams(streams);
        config.set_max_connection_receive_window(Some(streams * STREAM_CREDIT + self.window_headroom));
        config.set_split_send_size(self.frame.clamp(16 * 1024, 64 * 1024));
        config
    }
}
