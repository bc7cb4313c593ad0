//! Where result sets go.

use crate::Value;

/// A column of a result set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the database names it; empty when it has none. ([`crate::json`] makes names unique and present.)
    pub name: String,
    /// The database's own name of the type, for example `varchar`.
    pub type_name: String,
}

/// Takes columns and rows. An `Err` from it ends the command as if cancelled.
pub trait Sink {
    /// Once for each result set, before its first row; also when no row follows.
    ///
    /// # Errors
    /// The reader wants nothing more.
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped>;

    /// One row: as many values as columns. Blocks while the reader is slow: that is how back pressure reaches the cursor.
    ///
    /// # Errors
    /// The reader wants nothing more.
    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped>;

    /// A row with a value too large to hold at once, instead of [`Sink::row`]: its values in the columns' order, a large
    /// one in pieces. For each column either one [`Part::Value`], or any number of [`Part::Text`] or of [`Part::Binary`]
    /// and then [`Part::EndOfValue`]; after the last column [`Part::EndOfRow`]. What it returns counts after the last.
    ///
    /// # Errors
    /// The reader wants nothing more.
    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped>;
}

/// A piece of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part<'a> {
    /// The next column's whole value.
    Value(Value<'a>),
    /// More of the next column's text.
    Text(&'a str),
    /// More of the next column's bytes.
    Binary(&'a [u8]),
    /// The value that came in pieces is whole.
    EndOfValue,
    /// The row is whole.
    EndOfRow,
}

/// Whether rows of this result set are worth reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Yes.
    Rows,
    /// No: the engine may skip to the next result set; the command still runs to its end.
    NoMore,
}

/// The reader wants no more rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl<S: Sink + ?Sized> Sink for &mut S {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        (**self).columns(columns)
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        (**self).row(values)
    }

    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        (**self).part(part)
    }
}
