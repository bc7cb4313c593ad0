//! What can be done to ciphertext on its way.

use rand::{Rng, rngs::StdRng};
use std::{sync::Mutex, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tunnel::Stream;

/// Once, after so many bytes of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tamper {
    after: u64,
    towards_site: bool,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Cut,
    /// One bit is another one.
    Flip,
    /// A piece comes twice.
    Replay,
    /// A piece comes after the one that follows it.
    Swap,
    /// Nothing more comes for a while, then all of it.
    Hold(u64),
}

impl Tamper {
    pub(crate) fn random(rng: &mut StdRng) -> Tamper {
        let how = match rng.random_range(0..5) {
            0 => How::Cut,
            1 => How::Flip,
            2 => How::Replay,
            3 => How::Swap,
            _ => How::Hold(rng.random_range(50..3_000)),
        };
        // From the handshake on to some time after it.
        Tamper { after: rng.random_range(0..12_000), towards_site: rng.random(), how }
    }
}

/// No record is longer, bytes: the first commands of a session fit many times.
const RECORD: usize = 1 << 20;

/// Carries bytes both ways until one side ends, and keeps what goes to the site.
pub(crate) async fn carry(gateway: Stream, site: Stream, tamper: Option<Tamper>, record: &Mutex<Vec<u8>>) {
    let (gateway_read, gateway_write) = tokio::io::split(gateway);
    let (site_read, site_write) = tokio::io::split(site);
    let there = tamper.filter(|tamper| tamper.towards_site);
    let back = tamper.filter(|tamper| !tamper.towards_site);
    tokio::select! {
        () = one_way(gateway_read, site_write, there, Some(record)) => {}
        () = one_way(site_read, gateway_write, back, None) => {}
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut tamper: Option<Tamper>,
    record: Option<&Mutex<Vec<u8>>>,
) {
    let mut buffer = vec![0; 4096];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let mut out = buffer[..count].to_vec();
        if let Some(record) = record {
            let mut kept = record.lock().expect("nobody panics with it");
            let room = RECORD.saturating_sub(kept.len());
            kept.extend_from_slice(&out[..count.min(room)]);
        }
        passed += count as u64;
        if let Some(Tamper { how, .. }) = tamper.take_if(|tamper| passed > tamper.after) {
            match how {
                How::Cut => return,
                How::Flip => out[count / 2] ^= 1,
                How::Replay => out.extend_from_slice(&buffer[..count]),
                How::Hold(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                How::Swap => {
                    let next = tokio::time::timeout(Duration::from_secs(1), from.read(&mut buffer)).await;
                    if let Ok(Ok(more @ 1..)) = next {
                        out = [&buffer[..more], &out].concat();
                    }
                }
            }
        }
        if to.write_all(&out).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
