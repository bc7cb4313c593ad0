//! What the practice's people read of updates in the Windows event log: what was installed, and what was refused, once.

use machine::events::Level;
use update::{Outcome, Record, Refusal, Version};

/// An update is installed.
const INSTALLED: u32 = 20;
/// An update was refused.
const REFUSED: u32 = 21;
/// Nothing was tried: what the updater obeys is not an administrator's.
pub(crate) const UNTRUSTED: u32 = 22;

/// What is worth an entry after a run that was to install. `before` is what the run before it left.
pub(crate) fn notice(
    running: Version,
    before: Option<&Record>,
    result: &Result<Outcome, Refusal>,
) -> Option<(Level, u32, String)> {
    match result {
        Ok(Outcome::Installed { version, signer, restart }) => {
            let restart = if *restart { " Restart this server to finish it." } else { "" };
            let text = format!(
                "Halo Link was updated from {running} to {version}, signed by {}.{restart}",
                signer.name
            );
            Some((Level::Information, INSTALLED, text))
        }
        Ok(Outcome::UpToDate | Outcome::Available(_)) => None,
        // Passing, or somebody's at the keyboard, who was told.
        Err(
            Refusal::Unreachable(_)
            | Refusal::NothingKnown { .. }
            | Refusal::Busy
            // Its failure was told.
            | Refusal::Paused { .. }
            | Refusal::NotAdministrator,
        ) => None,
        Err(refusal) => {
            let why = refusal.to_string();
            // The hourly task would say the same every hour.
            let known = before.is_some_and(|record| record.why.as_ref() == Some(&why));
            let text = format!("Halo Link {running} stays as it is: {why}");
            (!known).then_some((Level::Warning, REFUSED, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_once_and_what_passes_is_not_told() {
        let running = "26.1123.1".parse().unwrap();
        let refused = Err(Refusal::Hash);
        let (level, id, text) = notice(running, None, &refused).unwrap();
        assert_eq!((level, id), (Level::Warning, REFUSED));
        assert!(text.contains("26.1123.1 stays as it is"), "{text}");
        let mut before = Record {
            metadata_version: 1,
            checked_at: String::new(),
            newest: None,
            running: String::new(),
            outcome: "refused".to_owned(),
            code: None,
            why: Some(Refusal::Hash.to_string()),
            tried: None,
        };
        assert_eq!(notice(running, Some(&before), &refused), None);
        before.why = Some("another reason".to_owned());
        assert!(notice(running, Some(&before), &refused).is_some());
        assert_eq!(notice(running, None, &Err(Refusal::Unreachable("no network".to_owned()))), None);
        assert_eq!(notice(running, None, &Ok(Outcome::UpToDate)), None);
    }
}
