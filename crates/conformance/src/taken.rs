//! What a command tells, kept.

use database::{
    Column, Done, Failure, Part, Session, Sink, Stopped, Terms, Value, Wanted,
    json::{RowForm, RowWriter},
};
use model::{Command, CommandType, Direction, ExecutionMode, Parameter, ParameterType};

/// Result sets as row JSON.
#[derive(Default)]
pub struct Taken {
    /// Columns of each result set.
    pub columns: Vec<Vec<Column>>,
    /// Rows of each result set, as JSON objects.
    pub sets: Vec<Vec<String>>,
    /// Pieces of rows that came in parts, and the largest of them in bytes.
    pub parts: usize,
    /// See `parts`.
    pub largest_part: usize,
    /// Leaves after so many rows.
    pub leave_after: Option<usize>,
    /// Wants no more rows of a result set after so many.
    pub enough_after: Option<usize>,
    /// Counts bytes of values that come in parts, and keeps no row.
    pub count_only: bool,
    /// Bytes of text and binary pieces.
    pub bytes: usize,
    pub(crate) writer: Option<RowWriter>,
    pub(crate) buffer: Vec<u8>,
}

impl Taken {
    /// All rows of all result sets.
    pub fn rows(&self) -> Vec<&str> {
        self.sets.iter().flatten().map(String::as_str).collect()
    }

    /// The only value of the only row.
    pub fn value(&self) -> serde_json::Value {
        let rows = self.rows();
        assert_eq!(rows.len(), 1, "{rows:?}");
        let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(rows[0]).unwrap();
        assert_eq!(row.len(), 1, "{row:?}");
        row.into_iter().next().unwrap().1
    }

    fn whole(&mut self) -> Result<Wanted, Stopped> {
        let row = String::from_utf8(std::mem::take(&mut self.buffer)).unwrap();
        let row = row.trim().strip_prefix("{\"row\":").unwrap().strip_suffix('}').unwrap().to_owned();
        self.sets.last_mut().unwrap().push(row);
        let rows = self.rows().len();
        if self.leave_after == Some(rows) {
            return Err(Stopped);
        }
        Ok(if self.enough_after.is_some_and(|most| rows >= most) { Wanted::NoMore } else { Wanted::Rows })
    }
}

impl Sink for Taken {
    fn columns(&mut self, columns: &[Column]) -> Result<Wanted, Stopped> {
        self.writer = Some(RowWriter::new(columns, RowForm::Lines));
        self.columns.push(columns.to_vec());
        self.sets.push(Vec::new());
        Ok(Wanted::Rows)
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        assert_eq!(
            values.len(),
            self.columns.last().expect("columns come first").len(),
            "a value for each column"
        );
        self.writer.as_mut().unwrap().row(values, &mut self.buffer);
        self.whole()
    }

    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        assert!(!self.columns.is_empty(), "columns come first");
        self.parts += 1;
        let bytes = match part {
            Part::Text(text) => text.len(),
            Part::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        self.largest_part = self.largest_part.max(bytes);
        self.bytes += bytes;
        if self.count_only && part != Part::EndOfRow {
            return Ok(Wanted::Rows);
        }
        match self.writer.as_mut().unwrap().part(part, &mut self.buffer) {
            true => self.whole(),
            false => Ok(Wanted::Rows),
        }
    }
}

/// A text with no parameters.
pub fn text(text: &str) -> Command {
    Command {
        text: text.into(),
        mode: ExecutionMode::Reader,
        kind: CommandType::Text,
        parameters: Vec::new(),
        catalogue: None,
    }
}

/// A procedure with these parameters.
pub fn call(name: &str, parameters: &[(&str, ParameterType, Direction, Option<&str>)]) -> Command {
    let parameter =
        |(name, kind, direction, value): &(&str, ParameterType, Direction, Option<&str>)| Parameter {
            name: (*name).to_owned(),
            direction: *direction,
            kind: *kind,
            value: value.map(Into::into),
            size: None,
            type_name: None,
        };
    let parameters = parameters.iter().map(parameter).collect();
    Command { kind: CommandType::StoredProcedure, parameters, ..text(name) }
}

/// A text with the one parameter `@p`.
pub fn echo(words: &str, kind: ParameterType, value: Option<&str>) -> Command {
    let parameters = call("", &[("@p", kind, Direction::Input, value)]).parameters;
    Command { parameters, ..text(words) }
}

/// Runs a command on usual terms.
pub fn run(session: &mut dyn Session, command: &Command) -> Result<(Taken, Done), Failure> {
    let mut taken = Taken::default();
    let done = session.run(command, &Terms::default(), &mut taken)?;
    Ok((taken, done))
}
