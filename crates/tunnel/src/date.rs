//! The time in HTTP's `Date`: what the relay's clock says, for those who wonder about their own.

use model::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

/// As HTTP writes it, in whole seconds; `None` outside the years 1970 to 9999.
pub(crate) fn write(now: Timestamp) -> Option<String> {
    let seconds = u64::try_from(now.unix_seconds()).ok().filter(|seconds| *seconds < 253_402_300_800)?;
    Some(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// Reads what any HTTP server may write.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_reads_back_and_nonsense_is_nothing() {
        let now = Timestamp(1_770_094_506_007);
        assert_eq!(write(now).as_deref(), Some("Tue, 03 Feb 2026 04:55:06 GMT"));
        assert_eq!(write(now).and_then(|date| read(&date)), Some(Timestamp(1_770_094_506_000)));
        assert_eq!((write(Timestamp(-1)), write(Timestamp(i64::MAX)), read("yesterday")), (None, None, None));
    }
}
