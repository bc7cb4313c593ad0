//! Peak memory of processes during one measurement.

use lab::memory;
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Watches from [`Peak::watch`] to [`Peak::end`].
pub(crate) struct Peak {
    pids: Vec<u32>,
    /// Where the kernel does not let the peak begin anew: the largest sample of each process.
    sampled: Option<Sampler>,
}

struct Sampler {
    largest: Arc<Mutex<Vec<u64>>>,
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Peak {
    pub(crate) fn watch(pids: &[u32]) -> Peak {
        let pids = pids.to_vec();
        if pids.iter().all(|pid| memory::reset_peak(*pid).is_ok()) {
            return Peak { pids, sampled: None };
        }
        let largest = Arc::new(Mutex::new(vec![0; pids.len()]));
        let (end, ended) = mpsc::channel();
        let (kept, watched) = (largest.clone(), pids.clone());
        let thread = thread::spawn(move || {
            while ended.recv_timeout(Duration::from_millis(5)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                for (largest, pid) in kept.iter_mut().zip(&watched) {
                    *largest = (*largest).max(memory::of(*pid).map_or(0, |m| m.rss));
                }
            }
        });
        Peak { pids, sampled: Some(Sampler { largest, end, thread }) }
    }

    /// Peak resident bytes of each, in the order given.
    pub(crate) fn end(self) -> io::Result<Vec<u64>> {
        match self.sampled {
            None => self.pids.iter().map(|pid| memory::of(*pid).map(|m| m.peak)).collect(),
            Some(Sampler { largest, end, thread }) => {
                drop(end);
                // It ends at its next look.
                let _ = thread.join();
                Ok(std::mem::take(&mut largest.lock().unwrap_or_else(PoisonError::into_inner)))
            }
        }
    }
}
