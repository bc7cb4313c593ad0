//! What the server must have.

use crate::{Finding, seen::Seen};

/// Memory that the server needs, bytes: 2 GB, less what firmware takes of it.
const MEMORY: u64 = 1_900_000_000;
/// Free disk, bytes.
const DISK: u64 = 2_000_000_000;

/// Are the requirements met?
pub(super) fn met(seen: &Seen) -> Vec<Finding> {
    let facts = &seen.facts;
    let mut found = Vec::new();
    if facts.bits != 64 {
        let what = format!("This is a {}-bit system.", facts.bits);
        found.push(Finding::problem("HL-0301", what, "Move to a 64-bit server: Halo Link needs one."));
    }
    if !facts.supported {
        found.push(Finding::problem(
            "HL-0302",
            format!("{} is not supported.", facts.os),
            "Move to Windows Server 2016 or later, which its maker still mends.",
        ));
    } else if !facts.server {
        found.push(Finding::warning(
            "HL-0303",
            format!("{} is a system for workstations.", facts.os),
            "Install Halo Link on the server that has the practice's database: workstations are switched off at night.",
        ));
    }
    if facts.memory != 0 && facts.memory < MEMORY {
        found.push(Finding::problem(
            "HL-0304",
            format!("This server has {} of memory.", size(facts.memory)),
            "Give it 2 GB at least, beside what the database needs.",
        ));
    }
    match &seen.disk_free {
        Ok(free) if *free < DISK => found.push(Finding::problem(
            "HL-0305",
            format!("The disk of the data folder has {} free.", size(*free)),
            "Free 2 GB at least: without room nothing is written down, and what can't be written down is not run.",
        )),
        Ok(_) => {}
        Err(why) => found.push(
            Finding::note("HL-0308", "How much room the disk of the data folder has could not be read.")
                .with_detail(why.clone()),
        ),
    }
    if facts.pending_restart {
        found.push(Finding::warning(
            "HL-0306",
            "This server waits for a restart to finish an update of its system.",
            "Restart it when the practice is closed: until then installers may refuse.",
        ));
    }
    if !facts.time_zone_known {
        found.push(Finding::note("HL-0307", "This server does not know its time zone."));
    }
    if found.is_empty() {
        let memory =
            if facts.memory == 0 { String::new() } else { format!(", {} of memory", size(facts.memory)) };
        let free = seen.disk_free.as_ref().map(|free| format!(", {} free", size(*free))).unwrap_or_default();
        found.push(Finding::ok("HL-0300", format!("{} has what Halo Link needs{memory}{free}.", facts.os)));
    }
    found
}

fn size(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{} MB", bytes / 1_000_000)
    } else {
        format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000)
    }
}
