//! The service's log for support: JSON lines of known shape, with known fields.

use serde_json::{Map, Value};
use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Of each file at most this much is read, from its end.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Longest text of one field, in characters.
const FIELD_CHARS: usize = 500;

/// Fields that may be shown: identifiers, numbers, and words of the program's own. `error` and `why` say what failed, never
/// a statement or a value: that is a rule of this code base, and has its own tests.
const FIELDS: &[&str] = &[
    "message",
    "error",
    "why",
    "site",
    "sites",
    "link",
    "integrator",
    "query",
    "code",
    "epoch",
    "relay",
    "retry_in_ms",
    "on",
    "read_only",
    "interrupted",
    "writes",
    "failure",
    "trouble",
    "status",
    "ms",
    "rows",
    "bytes",
    "version",
    "environment",
];

/// The newest lines of all files of a folder, oldest first; lines of any other shape are left out.
pub(super) fn newest(folder: &Path, most: usize) -> Vec<String> {
    let mut lines: Vec<String> =
        files(folder).iter().flat_map(|path| tail(path)).filter_map(|line| shown(&line)).collect();
    lines.split_off(lines.len().saturating_sub(most))
}

/// Oldest first: by when they were written to last.
fn files(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    // `x.log`, and `x.log.1` and so on, which were put aside.
    let is_log =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".log"));
    let mut files: Vec<_> = found.filter(is_log).collect();
    files.sort_by_key(|path| fs::metadata(path).and_then(|about| about.modified()).ok());
    files
}

fn tail(path: &Path) -> Vec<String> {
    let read = || {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(FILE_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES).read_to_end(&mut bytes)?;
        std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}

fn shown(line: &str) -> Option<String> {
    let line: Map<String, Value> = serde_json::from_str(line).ok()?;
    let mut kept = Map::new();
    for name in ["timestamp", "level", "target"] {
        kept.insert(name.to_owned(), short(line.get(name)?)?);
    }
    let fields = line.get("fields")?.as_object()?;
    for name in FIELDS {
        if let Some(value) = fields.get(*name).and_then(short) {
            kept.insert((*name).to_owned(), value);
        }
    }
    serde_json::to_string(&kept).ok()
}

/// Text that is not too long, a number, or yes or no.
fn short(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(Value::String(text.chars().take(FIELD_CHARS).collect())),
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        _ => None,
    }
}
