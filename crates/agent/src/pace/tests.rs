//! A simulated line: so many bits per second, so long a way, a queue of one bandwidth-delay product; seeds are named.

use super::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// The line from the site: a queue that is served at `rate`, then a way of `delay`, and `delay` back.
struct Line {
    rate: f64,
    delay: Duration,
    free: Duration,
}

impl Line {
    /// When what is sent now has left the queue.
    fn send(&mut self, bytes: usize, now: Duration) -> Duration {
        self.free = self.free.max(now) + Duration::from_secs_f64(bytes as f64 * 8.0 / self.rate);
        self.free
    }
}

/// What came of it: bytes per second, and how long small answers waited in the queue, longest of a hundredth left out.
struct Came {
    rate: f64,
    waits: Vec<Duration>,
}

/// `pacers` results flow for `seconds`, a small answer is sent every 50 ms on average.
fn flow(mut line: Line, pacers: usize, seconds: u64, seed: u64) -> Came {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut pacers: Vec<Pace> = (0..pacers).map(|_| Pace::new(Duration::ZERO)).collect();
    let mut acks: VecDeque<(Duration, usize, u64)> = VecDeque::new();
    let (mut now, mut next) = (Duration::ZERO, Duration::ZERO);
    let end = Duration::from_secs(seconds);
    let (mut bytes, mut waits) = (0_u64, Vec::new());
    let mut totals = vec![0_u64; pacers.len()];
    while now < end {
        while let Some((at, which, all)) = acks.front().copied().filter(|(at, ..)| *at <= now) {
            pacers[which].read(all, at);
            acks.pop_front();
        }
        if now >= next {
            let left = line.send(600, now);
            waits.push(left.saturating_sub(now));
            next = now + Duration::from_millis(rng.random_range(1..100));
        }
        for (which, pacer) in pacers.iter_mut().enumerate() {
            while pacer.may_send() {
                pacer.sent(PIECE, now);
                totals[which] += PIECE as u64;
                bytes += PIECE as u64;
                let left = line.send(PIECE, now);
                // The way there and back, and a little unrest.
                let unrest = Duration::from_micros(rng.random_range(0..1_500));
                acks.push_back((left + line.delay * 2 + unrest, which, totals[which]));
            }
        }
        acks.make_contiguous().sort_unstable_by_key(|(at, ..)| *at);
        let soonest = acks.front().map_or(next, |(at, ..)| (*at).min(next));
        now = soonest.max(now + Duration::from_micros(10));
    }
    waits.sort_unstable();
    Came { rate: bytes as f64 * 8.0 / end.as_secs_f64(), waits }
}

#[test]
fn a_result_uses_the_line_and_small_answers_hardly_wait() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let rate = rng.random_range(2e6..100e6);
        let delay = Duration::from_millis(rng.random_range(2..60));
        let came = flow(Line { rate, delay, free: Duration::ZERO }, 1, 60, seed);
        assert!(
            came.rate > rate * 0.7,
            "seed {seed}: {:.1} of {:.1} Mbit/s, {delay:?}",
            came.rate / 1e6,
            rate / 1e6
        );
        let p99 = came.waits[came.waits.len() * 99 / 100];
        // What is aimed at, the two pieces that are always under way, and the unrest that looks like a queue.
        let most =
            TARGET * 2 + Duration::from_secs_f64(2.0 * PIECE as f64 * 8.0 / rate) + Duration::from_millis(10);
        assert!(p99 <= most, "seed {seed}: {p99:?} at {:.1} Mbit/s, {delay:?}", rate / 1e6);
    }
}

#[test]
fn several_results_together_keep_the_line_free_too() {
    for seed in 0..10 {
        let (rate, delay) = (20e6, Duration::from_millis(15));
        let came = flow(Line { rate, delay, free: Duration::ZERO }, 3, 60, seed);
        assert!(came.rate > rate * 0.8, "seed {seed}: {:.1} Mbit/s", came.rate / 1e6);
        let p99 = came.waits[came.waits.len() * 99 / 100];
        assert!(p99 <= Duration::from_millis(80), "seed {seed}: {p99:?}");
    }
}

#[test]
fn a_reader_that_lies_changes_nothing() {
    let mut pacer = Pace::new(Duration::ZERO);
    pacer.read(1 << 40, Duration::from_secs(1));
    assert!(pacer.may_send());
    while pacer.may_send() {
        pacer.sent(PIECE, Duration::from_secs(1));
    }
    pacer.read(u64::MAX, Duration::from_secs(1));
    pacer.read(0, Duration::from_secs(1));
    assert!(!pacer.may_send(), "nothing was read");
    pacer.read(LEAST, Duration::from_secs(2));
    assert!(pacer.may_send());
}
