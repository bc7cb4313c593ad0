//! `[limits]`: each figure with its bounds, so that a slip of the pen is said at the start and not found out by callers.

use crate::{gateway::Limits, jobs::OPEN, rate::Rate};
use model::limit;
use serde::Deserialize;
use std::{fmt::Display, ops::RangeInclusive};

const MIB: usize = 1024 * 1024;
const HOUR_MS: u32 = 60 * 60 * 1000;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    immediate_result_bytes: Option<usize>,
    answer_memory_bytes: Option<usize>,
    request_body_bytes: Option<usize>,
    execution_ms: Option<u32>,
    stream_execution_ms: Option<u32>,
    stalled_caller_ms: Option<u64>,
    async_execution_ms: Option<u32>,
    registered_execution_ms: Option<u32>,
    async_queue_ms: Option<u32>,
    result_keep_hours: Option<u64>,
    async_result_bytes: Option<u64>,
    registered_result_bytes: Option<u64>,
    open_jobs: Option<usize>,
    requests_per_second: Option<u32>,
    burst: Option<u32>,
}

impl File {
    /// With the rate of devices, which stands under `[desktop]`.
    pub(super) fn read(self, device_rate: Option<Rate>) -> Result<Limits, String> {
        let default = Limits::default();
        let registered = default.registered_result_bytes;
        let keep = within("result_keep_hours", self.result_keep_hours, 1..=7 * 24)?;
        Ok(Limits {
            immediate_result_bytes: within(
                "immediate_result_bytes",
                self.immediate_result_bytes,
                1024..=1024 * MIB,
            )?
            .unwrap_or(default.immediate_result_bytes),
            answer_memory_bytes: within(
                "answer_memory_bytes",
                self.answer_memory_bytes,
                MIB..=1024 * 1024 * MIB,
            )?
            .unwrap_or(default.answer_memory_bytes),
            // More than this does not fit the message to a site: taken as the most, as it always was.
            request_body_bytes: self
                .request_body_bytes
                .unwrap_or(default.request_body_bytes)
                .min(default.request_body_bytes),
            execution_ms: within("execution_ms", self.execution_ms, 1..=HOUR_MS)?
                .unwrap_or(default.execution_ms),
            stream_execution_ms: within("stream_execution_ms", self.stream_execution_ms, 1..=HOUR_MS)?
                .unwrap_or(default.stream_execution_ms),
            stalled_caller_ms: within("stalled_caller_ms", self.stalled_caller_ms, 1..=u64::from(HOUR_MS))?
                .unwrap_or(default.stalled_caller_ms),
            async_execution_ms: within("async_execution_ms", self.async_execution_ms, 1..=300_000)?
                .unwrap_or(default.async_execution_ms),
            registered_execution_ms: within(
                "registered_execution_ms",
                self.registered_execution_ms,
                1..=60_000,
            )?
            .unwrap_or(default.registered_execution_ms),
            async_queue_ms: within("async_queue_ms", self.async_queue_ms, 0..=limit::ASYNC_QUEUE_MAX_MS)?
                .unwrap_or(default.async_queue_ms),
            result_keep_ms: keep.map_or(default.result_keep_ms, |hours| hours * u64::from(HOUR_MS)),
            async_result_bytes: self.async_result_bytes.unwrap_or(default.async_result_bytes),
            registered_result_bytes: within(
                "registered_result_bytes",
                self.registered_result_bytes,
                1024..=registered,
            )?
            .unwrap_or(registered),
            open_jobs: within("open_jobs", self.open_jobs, 1..=OPEN)?.unwrap_or(default.open_jobs),
            key_rate: rate("limits.", self.requests_per_second, self.burst, default.key_rate)?,
            device_rate,
            ..default
        })
    }
}

/// Requests a second and how many at once; 0 requests a second are no limit, and a burst that is not said is two seconds' worth.
pub(super) fn rate(
    table: &str,
    per_second: Option<u32>,
    burst: Option<u32>,
    default: Option<Rate>,
) -> Result<Option<Rate>, String> {
    let per_second = checked(table, "requests_per_second", per_second, 0..=Rate::MOST)?;
    let burst = checked(table, "burst", burst, 1..=Rate::MOST)?;
    match (per_second, burst) {
        (None, None) => Ok(default),
        (Some(0), None) => Ok(None),
        (Some(per_second), burst) if per_second > 0 => {
            let burst = burst.unwrap_or(per_second.saturating_mul(2).min(Rate::MOST));
            Ok(Some(Rate { per_second, burst }))
        }
        _ => Err(format!("`{table}burst` needs `requests_per_second` beside it, from 1 on")),
    }
}

fn within<N: PartialOrd + Display + Copy>(
    name: &str,
    value: Option<N>,
    range: RangeInclusive<N>,
) -> Result<Option<N>, String> {
    checked("limits.", name, value, range)
}

/// A figure, if it is said; outside its bounds it is named with them.
pub(super) fn checked<N: PartialOrd + Display + Copy>(
    table: &str,
    name: &str,
    value: Option<N>,
    range: RangeInclusive<N>,
) -> Result<Option<N>, String> {
    match value {
        Some(value) if !range.contains(&value) => {
            Err(format!("`{table}{name}` must be from {} to {}", range.start(), range.end()))
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Limits, String> {
        toml::from_str::<File>(text).map_err(|error| error.message().to_owned())?.read(None)
    }

    #[test]
    fn nothing_said_is_what_it_always_was() {
        let (read, default) = (read("").unwrap(), Limits::default());
        let figures = |l: &Limits| {
            (
                l.async_queue_ms,
                l.result_keep_ms,
                l.async_result_bytes,
                l.registered_result_bytes,
                l.open_jobs,
                l.key_rate,
            )
        };
        assert_eq!(figures(&read), figures(&default));
        assert_eq!(figures(&read), (3_600_000, 86_400_000, 0, 8_388_608, 100_000, None));
    }

    #[test]
    fn each_figure_has_bounds_and_is_named_with_them() {
        let all = "async_queue_ms = 1000\nresult_keep_hours = 168\nasync_result_bytes = 5\nregistered_result_bytes = 2048\n\
                   open_jobs = 7\nasync_execution_ms = 300000\nregistered_execution_ms = 60000\nrequests_per_second = 50";
        let limits = read(all).unwrap();
        assert_eq!((limits.async_queue_ms, limits.result_keep_ms, limits.open_jobs), (1000, 604_800_000, 7));
        assert_eq!(limits.key_rate, Some(Rate { per_second: 50, burst: 100 }));
        assert_eq!(read("requests_per_second = 0").unwrap().key_rate, None);
        let both = read("requests_per_second = 5\nburst = 1").unwrap().key_rate;
        assert_eq!(both, Some(Rate { per_second: 5, burst: 1 }));
        for (line, name) in [
            ("async_queue_ms = 7200001", "async_queue_ms"),
            ("result_keep_hours = 169", "result_keep_hours"),
            ("result_keep_hours = 0", "result_keep_hours"),
            ("registered_result_bytes = 8388609", "registered_result_bytes"),
            ("open_jobs = 0", "open_jobs"),
            ("async_execution_ms = 300001", "async_execution_ms"),
            ("registered_execution_ms = 0", "registered_execution_ms"),
            ("requests_per_second = 100001", "requests_per_second"),
            ("burst = 5", "burst"),
            ("requests_per_second = 0\nburst = 5", "burst"),
            ("execution_ms = 0", "execution_ms"),
            ("answer_memory_bytes = 1", "answer_memory_bytes"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(&format!("limits.{name}")), "{line}: {error}");
        }
        assert!(read("async_queue = 5").unwrap_err().contains("unknown field"));
    }
}
