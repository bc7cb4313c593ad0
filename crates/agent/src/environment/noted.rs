//! Who went over to another environment: noted beside the data when it is done, and written into both environments' audits when each
//! starts next.
//!
//! The Utility switches whether a service runs or not, and opens no audit. So a note lies in the data folder for the service to find;
//! each has a file of its own that was not there before, for the folder is the service's and an administrator writes into it.

use super::NAMES;
use crate::{
    door::Door,
    store::{AuditLine, Happened},
};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

const PREFIX: &str = "environment-set";
/// Longest note, bytes.
const BYTES: u64 = 4096;
/// Most notes that are taken at one start.
const NOTES: usize = 100;
/// Longest name of a user, characters.
const USER: usize = 256;

/// One switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switched {
    pub(super) from: String,
    pub(super) to: String,
    /// The user of the operating system.
    pub(super) by: String,
    /// RFC 3339.
    pub(super) at: String,
}

/// Notes of one switch; taken back when it is not done after all.
pub(super) struct Notes(Vec<PathBuf>);

impl Notes {
    /// Puts them on disk, one for each of the two environments. None where no service has ever made the folder: there is no audit.
    pub(super) fn write(root: &Path, what: &Switched, now: Timestamp) -> io::Result<Self> {
        let mut notes = Notes(Vec::new());
        if !root.try_exists()? {
            return Ok(notes);
        }
        for name in [&what.from, &what.to] {
            let path = root.join(format!("{PREFIX}.{name}.{}.json", now.0));
            // Not through a link, and nobody else's.
            let mut file = fs::File::create_new(&path)?;
            notes.0.push(path);
            serde_json::to_writer(&mut file, what)?;
            file.flush()?;
            file.sync_all()?;
        }
        Ok(notes)
    }

    pub(super) fn take_back(self) {
        for path in self.0 {
            // What stays says that somebody tried.
            let _ = fs::remove_file(path);
        }
    }
}

/// Writes what was noted for this environment into its audit. What can't be read is told in the log, and left there.
pub(crate) fn into_audit(data: &Path, environment: &str, door: &Door) {
    let root = root_of(data, environment);
    let found = match found(&root, environment) {
        Ok(found) => found,
        Err(error) => return tracing::warn!(%error, "who switched the environment can't be read"),
    };
    for (path, what) in &found {
        door.note_switched(what);
        tracing::info!(file = %path.display(), from = what.from, to = what.to, "the environment was switched");
    }
    if found.is_empty() {
        return;
    }
    if let Err(error) = door.flush() {
        return tracing::warn!(%error, "who switched the environment can't be written down; tried again at the next start");
    }
    for (path, _) in found {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, file = %path.display(), "a note of a switch can't be removed: it will be written down again");
        }
    }
}

impl Door {
    fn note_switched(&self, what: &Switched) {
        for site in self.sites() {
            let now = self.clock().now();
            let detail = serde_json::json!({ "from": what.from, "to": what.to, "at": what.at }).to_string();
            let line = AuditLine::new(now, Happened::EnvironmentSet, site.id).by(Some(&what.by));
            self.note(AuditLine { detail: Some(detail), ..line });
        }
    }
}

/// The configuration's data folder, of an environment's.
fn root_of(data: &Path, environment: &str) -> PathBuf {
    let above = data.parent().filter(|_| data.ends_with(Path::new("environments").join(environment)));
    above.and_then(Path::parent).unwrap_or(data).to_owned()
}

/// The notes for one environment, in the order of what they tell.
fn found(root: &Path, environment: &str) -> io::Result<Vec<(PathBuf, Switched)>> {
    let start = format!("{PREFIX}.{environment}.");
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(&start));
        if !named || !entry.file_type()?.is_file() || found.len() >= NOTES {
            continue;
        }
        match read(&entry.path()) {
            Ok(what) => found.push((entry.path(), what)),
            Err(error) => {
                tracing::warn!(%error, file = %entry.path().display(), "a note of a switch can't be read");
            }
        }
    }
    found.sort_by(|a, b| (&a.1.at, &a.0).cmp(&(&b.1.at, &b.0)));
    Ok(found)
}

fn read(path: &Path) -> io::Result<Switched> {
    let mut text = String::new();
    fs::File::open(path)?.take(BYTES).read_to_string(&mut text)?;
    let mut what: Switched = serde_json::from_str(&text)?;
    if ![&what.from, &what.to].into_iter().all(|name| NAMES.contains(&name.as_str())) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it names no environment"));
    }
    what.by = what.by.chars().filter(|c| !c.is_control()).take(USER).collect();
    what.at = what.at.chars().filter(|c| !c.is_control()).take(USER).collect();
    Ok(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Bench;

    fn switched(from: &str, to: &str) -> Switched {
        let at = "2026-11-27T10:00:00.000Z".to_owned();
        Switched { from: from.to_owned(), to: to.to_owned(), by: "0:root".to_owned(), at }
    }

    /// Whoever reads the audit of either environment later finds when, and by whom, it was left and entered.
    #[test]
    fn a_switch_is_in_the_audit_of_each_environment_after_its_next_start() {
        let bench = Bench::new();
        let root = bench.folder.path();
        Notes::write(root, &switched("demo", "stage"), Timestamp(1)).unwrap();
        assert!(bench.audit().iter().all(|row| row.what != "environment-set"));
        let bench = bench.restart();
        let row = bench.audit().into_iter().find(|row| row.what == "environment-set").unwrap();
        assert_eq!(row.by.as_deref(), Some("0:root"));
        assert_eq!(
            (&row.detail.as_ref().unwrap()["from"], &row.detail.as_ref().unwrap()["to"]),
            (&"demo".into(), &"stage".into())
        );
        let bench = bench.restart();
        let lines = bench.audit().iter().filter(|row| row.what == "environment-set").count();
        assert_eq!(lines, 1, "it is told once");
        let root = bench.folder.path();
        assert_eq!(
            found(root, "stage").unwrap().len(),
            1,
            "the other environment's note waits for its start"
        );
        assert_eq!(root_of(&root.join("environments/stage"), "stage"), root);
        assert_eq!(root_of(root, "demo"), root);
    }

    /// The folder is the service's: what lies there under that name may be anything, and must stop no start.
    #[test]
    fn what_is_no_note_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("environment-set.demo.1.json", "not json");
        put("environment-set.demo.2.json", &"x".repeat(100_000));
        let nowhere = serde_json::to_string(&switched("demo", "elsewhere")).unwrap();
        put("environment-set.demo.3.json", &nowhere);
        fs::create_dir(folder.path().join("environment-set.demo.4.json")).unwrap();
        let noise = Switched { by: format!("a\n{}", "b".repeat(9_00)), ..switched("demo", "stage") };
        put("environment-set.demo.5.json", &serde_json::to_string(&noise).unwrap());
        let found = found(folder.path(), "demo").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].1.by.len(), found[0].1.by.contains('\n')), (USER, false));
    }
}
