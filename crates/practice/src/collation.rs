//! How the demo's SQL Server compares text, decimals and moments with an offset: the embedded engine's collations.

use crate::{
    calendar::{day_number, read_offset},
    functions::compare_decimals,
};
use database::Time;
use rusqlite::Connection;
use std::cmp::Ordering;

/// Registers the collations on a connection; nothing in the files can be read before.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation("MSSQL", compare)?;
    connection.create_collation("MSCASE", |a, b| a.trim_end_matches(' ').cmp(b.trim_end_matches(' ')))?;
    connection.create_collation("MSDEC", compare_decimals)?;
    connection.create_collation("MSOFFSET", |a, b| instant(a).cmp(&instant(b)))
}

/// Compares two texts without case and without regard to spaces at the end.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_end_matches(' '), b.trim_end_matches(' '));
    if a.is_ascii() && b.is_ascii() {
        return a.bytes().map(|c| c.to_ascii_lowercase()).cmp(b.bytes().map(|c| c.to_ascii_lowercase()));
    }
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

/// The moment in UTC, in ticks: datetimeoffsets are the same when that is.
fn instant(text: &str) -> Option<i128> {
    let (date, time, minutes) = read_offset(text.as_bytes())?;
    Some(
        i128::from(day_number(date)) * i128::from(Time::DAY) + i128::from(time.0)
            - i128::from(minutes) * 60 * i128::from(Time::SECOND),
    )
}
