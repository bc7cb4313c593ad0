//! A file whose installer failed is left alone by the hourly run for a day: every try stops the service.

use crate::{Offer, Refusal, Version};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// From a try that failed to the next one of the hourly run.
const PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// A file whose installer was started and has not come to a good end. In `update.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which file.
    pub sha256: String,
    /// What it was offered as.
    pub version: String,
    /// When the last try began, RFC 3339.
    pub at: String,
    /// How many there were.
    pub tries: u32,
    /// The hourly run leaves it alone until then, RFC 3339; `None` when the next run may try it.
    #[serde(default)]
    pub next_try: Option<String>,
    /// What the installer said; `None` while it runs, and when nobody saw its end.
    #[serde(default)]
    pub why: Option<String>,
}

impl Tried {
    /// A try begins. One whose end nobody sees, because the power failed or the server went down, may be tried again by the next run,
    /// which finds half an installation perhaps; the second of that kind counts as a failure.
    pub(crate) fn begin(offer: &Offer, before: Option<&Tried>, now: Timestamp) -> Tried {
        let before = before.filter(|before| before.sha256 == offer.sha256);
        let tries = before.map_or(0, |before| before.tries).saturating_add(1);
        Tried {
            sha256: offer.sha256.clone(),
            version: offer.version.to_string(),
            at: now.to_rfc3339(),
            tries,
            next_try: (tries > 1).then(|| now.plus(PAUSE).to_rfc3339()),
            why: None,
        }
    }

    /// The installer has failed.
    pub(crate) fn failed(self, why: String) -> Tried {
        let next_try = Timestamp::parse(&self.at).map(|at| at.plus(PAUSE).to_rfc3339());
        Tried { why: Some(why), next_try, ..self }
    }

    /// What stops the hourly run from trying this file now, if anything does. `last_run`: when the last one was.
    pub(crate) fn paused(
        &self,
        version: Version,
        last_run: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Refusal> {
        self.next_try.as_ref()?;
        // Its own sum, not what is written: no longer than a day, whoever wrote.
        let at = Timestamp::parse(&self.at)?;
        let next = at.plus(PAUSE);
        // By a clock that was set back it would last longer: then it is over.
        if now >= next || now < at || last_run.is_some_and(|last| now < last) {
            return None;
        }
        Some(Refusal::Paused { version, at: at.to_rfc3339(), next: next.to_rfc3339(), why: self.reason() })
    }

    /// Why it did not come to a good end, for people: the service may write the file that this was read from, so it is cleaned.
    pub fn reason(&self) -> String {
        let why = self.why.as_deref().unwrap_or("nobody saw its end");
        why.chars().filter(|c| !c.is_control()).take(400).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOUR: i64 = 60 * 60 * 1000;
    const BEGAN: Timestamp = Timestamp(1_795_435_200_000);

    fn offer() -> Offer {
        let offer = json!({ "metadata_version": 1, "version": "26.713.2", "file": "a.msi", "size": 5, "sha256": "ab".repeat(32) });
        Offer::parse(offer.to_string().as_bytes()).unwrap()
    }

    fn paused(tried: &Tried, last: Option<i64>, now: i64) -> bool {
        let at = |hours: i64| Timestamp(BEGAN.0 + hours * HOUR);
        tried.paused(offer().version, last.map(at), at(now)).is_some()
    }

    #[test]
    fn a_failed_file_is_left_alone_for_a_day_and_no_longer() {
        let tried = Tried::begin(&offer(), None, BEGAN).failed("why".to_owned());
        assert_eq!(tried.next_try, Some(BEGAN.plus(PAUSE).to_rfc3339()));
        assert!(paused(&tried, Some(0), 1) && paused(&tried, Some(22), 23));
        assert!(!paused(&tried, Some(23), 24) && !paused(&tried, None, 1000));
    }

    #[test]
    fn a_clock_that_was_set_back_ends_the_pause() {
        let tried = Tried::begin(&offer(), None, BEGAN).failed("why".to_owned());
        assert!(!paused(&tried, Some(0), -1), "before the failure");
        assert!(!paused(&tried, Some(20), 10), "before the last run");
        let far = Tried { next_try: Some("2999-01-01T00:00:00Z".to_owned()), ..tried };
        assert!(!paused(&far, Some(23), 24), "nobody writes a longer one");
    }

    #[test]
    fn a_try_whose_end_nobody_saw_is_repeated_once() {
        let first = Tried::begin(&offer(), None, BEGAN);
        assert!(!paused(&first, Some(0), 1), "the power may have failed in its middle");
        let second = Tried::begin(&offer(), Some(&first), BEGAN);
        assert!(paused(&second, Some(0), 1));
        let other = Tried { sha256: "cd".repeat(32), ..second };
        assert_eq!(Tried::begin(&offer(), Some(&other), BEGAN).tries, 1, "another file");
    }
}
