//! Calls with their parameters, one at a time: a message of thousands is never unpacked whole.

use super::{Owned, Reader, Table, Version, Wrong, read_type, read_value, request::headers, table};
use practice::events::ColumnType;

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Procedure {
    /// By name.
    Name(String),
    /// One of the well-known ones, by number.
    Id(u16),
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// With its `@`; empty when it goes by its place.
    pub name: String,
    /// The client wants its value back.
    pub output: bool,
    /// The procedure's default, whatever the value says.
    pub default: bool,
    /// Declared type; of a table `varbinary`, which nobody looks at.
    pub ty: ColumnType,
    /// Value; of a table NULL.
    pub value: Owned,
    /// Rows in place of a value.
    pub table: Option<Table>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What.
    pub procedure: Procedure,
    /// With what, at most [`model::limit::PARAMETERS`].
    pub parameters: Vec<Parameter>,
}

/// The calls of a message. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Calls<'a> {
    reader: Reader<'a>,
    version: Version,
    over: bool,
}

impl<'a> Calls<'a> {
    /// Of this message.
    pub fn new(bytes: &'a [u8], version: Version) -> Result<Calls<'a>, Wrong> {
        let mut reader = Reader::new(bytes);
        headers(&mut reader, version)?;
        Ok(Calls { reader, version, over: false })
    }

    /// Whether a call follows.
    pub fn more(&self) -> bool {
        !self.over && !self.reader.is_empty()
    }

    /// What separates calls; the second kind asks not to run the one before, which nobody sends.
    fn at_separator(&self) -> bool {
        match self.reader.peek() {
            Some(0x80) => self.version < Version::V72,
            Some(0xFF | 0xFE) => self.version >= Version::V72,
            _ => false,
        }
    }

    fn call(&mut self) -> Result<Call, Wrong> {
        let procedure = match self.reader.u16()? {
            0xFFFF => Procedure::Id(self.reader.u16()?),
            units @ 0..=523 => {
                let bytes = self.reader.take(usize::from(units) * 2)?;
                Procedure::Name(super::reader::utf16(bytes))
            }
            _ => return Err(Wrong::Malformed("a procedure's name is too long")),
        };
        // Recompile, no metadata, reuse metadata: none changes what is answered.
        self.reader.u16()?;
        let mut parameters = Vec::new();
        while !self.reader.is_empty() && !self.at_separator() {
            if parameters.len() == model::limit::PARAMETERS {
                return Err(Wrong::Parameter {
                    parameter: parameters.len() + 1,
                    name: String::new(),
                    what: "too many parameters were provided; the most is 2100".to_owned(),
                });
            }
            parameters.push(self.parameter(parameters.len() + 1)?);
        }
        if self.reader.peek() == Some(0xFE) && self.at_separator() {
            return Err(Wrong::Unsupported("a call that is not to be run"));
        }
        if !self.reader.is_empty() {
            self.reader.u8()?;
        }
        Ok(Call { procedure, parameters })
    }

    fn parameter(&mut self, at: usize) -> Result<Parameter, Wrong> {
        let name = self.reader.b_varchar()?;
        let status = self.reader.u8()?;
        if status & 0x08 != 0 {
            return Err(Wrong::Unsupported("an encrypted parameter"));
        }
        let bad = |what: String| Wrong::Parameter { parameter: at, name: name.clone(), what };
        let (output, default) = (status & 0x01 != 0, status & 0x02 != 0);
        if self.reader.peek() == Some(table::TOKEN) {
            if output {
                return Err(bad("a table-valued parameter does not come back".to_owned()));
            }
            let table = Some(table::read(&mut self.reader, &bad)?);
            let ty = ColumnType { name: "varbinary", length: None, precision: 0, scale: 0 };
            return Ok(Parameter { name, output, default, ty, value: Owned::Null, table });
        }
        let (kind, ty) = read_type(&mut self.reader, &bad)?;
        let value = read_value(&mut self.reader, kind, &bad)?;
        Ok(Parameter { name, output, default, ty, value, table: None })
    }
}

impl Iterator for Calls<'_> {
    type Item = Result<Call, Wrong>;
    fn next(&mut self) -> Option<Self::Item> {
        if !self.more() {
            return None;
        }
        let call = self.call();
        self.over = call.is_err();
        Some(call)
    }
}
