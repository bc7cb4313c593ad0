//! What the virus scanner should leave alone.

use crate::{Finding, seen::Seen};

/// Are the folders excluded?
pub(super) fn exclusions(seen: &Seen) -> Vec<Finding> {
    let exclusions = &seen.exclusions;
    if !exclusions.windows {
        return Vec::new();
    }
    let paths: Vec<String> = exclusions.wanted.iter().map(|path| path.display().to_string()).collect();
    let Some(excluded) = &exclusions.defender else {
        return vec![
            Finding::note("HL-0602", "What the virus scanner leaves alone could not be read.").with_next(
                format!("See that your scanner trusts the publisher, or excludes {}.", paths.join(" and ")),
            ),
        ];
    };
    let missing: Vec<String> =
        paths.into_iter().filter(|path| !excluded.iter().any(|by| covers(by, path))).collect();
    vec![if missing.is_empty() {
        Finding::ok("HL-0600", "The virus scanner leaves Halo Link's folders alone.")
    } else {
        Finding::note(
            "HL-0601",
            "Windows Defender scans Halo Link's folders; it usually need not be changed.",
        )
        .with_next(format!(
            "If updates fail or files vanish, trust the publisher, or exclude: {} (docs/allow-list.md).",
            missing.join(", ")
        ))
    }]
}

/// Whether an excluded path is this one, or a folder above it. Windows does not tell cases apart.
fn covers(excluded: &str, path: &str) -> bool {
    let plain = |text: &str| text.trim_end_matches(['\\', '/']).to_lowercase();
    let (excluded, path) = (plain(excluded), plain(path));
    path == excluded || path.strip_prefix(&excluded).is_some_and(|rest| rest.starts_with(['\\', '/']))
}
