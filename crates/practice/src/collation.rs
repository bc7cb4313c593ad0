//! How the demo's SQL Server collation compares text: without case, and without regard to spaces at the end.

use rusqlite::Connection;
use std::cmp::Ordering;

/// The collation's name in the embedded engine.
pub(crate) const NAME: &str = "MSSQL";

/// Registers the collation on a connection; nothing in the files can be read before.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation(NAME, compare)
}

/// Compares two texts.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_end_matches(' '), b.trim_end_matches(' '));
    if a.is_ascii() && b.is_ascii() {
        return a.bytes().map(|c| c.to_ascii_lowercase()).cmp(b.bytes().map(|c| c.to_ascii_lowercase()));
    }
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}
