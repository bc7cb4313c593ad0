//! How long to wait before the next attempt.

use rand::{Rng, RngCore};
use std::time::Duration;

/// Full-jitter exponential backoff: uniform between a tenth of `base` and `base · 2^failures`, at most `cap`.
///
/// The small floor keeps an unlucky draw from making a hot loop.
pub fn full_jitter(base: Duration, cap: Duration, failures: u32, rng: &mut dyn RngCore) -> Duration {
    let ceiling = base.saturating_mul(1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX)).min(cap);
    between(base / 10, ceiling, rng)
}

/// Uniform, both ends included; `low` when the ends are the wrong way round.
pub(super) fn between(low: Duration, high: Duration, rng: &mut dyn RngCore) -> Duration {
    let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
    if high <= low { low } else { Duration::from_nanos(rng.random_range(nanos(low)..=nanos(high))) }
}
