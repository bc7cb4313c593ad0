//! What an admitted client asks: SQL text, transaction requests; calls are in [`super::rpc`].

use super::{Reader, Version, Wrong, reader::utf16};

/// Reads over ALL_HEADERS, which versions from 7.2 on begin with. Their content (a transaction's number, a wish for
/// notifications) is nothing that one connection without MARS needs.
pub(super) fn headers(reader: &mut Reader<'_>, version: Version) -> Result<(), Wrong> {
    if version < Version::V72 {
        return Ok(());
    }
    let total = reader.u32()? as usize;
    let inner = total.checked_sub(4).ok_or(Wrong::Malformed("headers shorter than their length"))?;
    let mut list = Reader::new(reader.take(inner)?);
    while !list.is_empty() {
        let length = list.u32()? as usize;
        list.take(length.checked_sub(4).ok_or(Wrong::Malformed("a header shorter than its length"))?)?;
    }
    Ok(())
}

/// A batch's text.
pub fn batch(bytes: &[u8], version: Version) -> Result<String, Wrong> {
    let mut reader = Reader::new(bytes);
    headers(&mut reader, version)?;
    if !reader.rest().len().is_multiple_of(2) {
        return Err(Wrong::Malformed("half a character"));
    }
    let text = utf16(reader.rest());
    if text.len() > model::limit::COMMAND_TEXT_BYTES { Err(Wrong::TooLong) } else { Ok(text) }
}

/// A transaction request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// Begin.
    Begin {
        /// T-SQL's words for it; `None` keeps the one there is.
        isolation: Option<&'static str>,
        /// May be empty.
        name: String,
    },
    /// Commit.
    Commit {
        /// May be empty.
        name: String,
        /// Begin the next one at once.
        next: bool,
    },
    /// Roll back: all, or to a savepoint.
    Rollback {
        /// May be empty.
        name: String,
        /// Begin the next one at once.
        next: bool,
    },
    /// Set a savepoint.
    Save {
        /// Its name.
        name: String,
    },
}

/// Reads one.
pub fn transaction(bytes: &[u8], version: Version) -> Result<Transaction, Wrong> {
    let mut reader = Reader::new(bytes);
    headers(&mut reader, version)?;
    let request = match reader.u16()? {
        5 => {
            let isolation = isolation(reader.u8()?)?;
            Transaction::Begin { isolation, name: name(&mut reader)? }
        }
        end @ (7 | 8) => {
            let name = name(&mut reader)?;
            let next = reader.u8()? & 1 != 0;
            if end == 7 { Transaction::Commit { name, next } } else { Transaction::Rollback { name, next } }
        }
        9 => Transaction::Save { name: name(&mut reader)? },
        0 | 1 | 6 => return Err(Wrong::Unsupported("a distributed transaction")),
        _ => return Err(Wrong::Malformed("an unknown transaction request")),
    };
    Ok(request)
}

/// A transaction's name: unlike others its length counts bytes.
fn name(reader: &mut Reader<'_>) -> Result<String, Wrong> {
    let length = usize::from(reader.u8()?);
    if !length.is_multiple_of(2) {
        return Err(Wrong::Malformed("half a character"));
    }
    Ok(utf16(reader.take(length)?))
}

fn isolation(level: u8) -> Result<Option<&'static str>, Wrong> {
    Ok(Some(match level {
        0 => return Ok(None),
        1 => "READ UNCOMMITTED",
        2 => "READ COMMITTED",
        3 => "REPEATABLE READ",
        4 => "SERIALIZABLE",
        5 => "SNAPSHOT",
        _ => return Err(Wrong::Malformed("an unknown isolation level")),
    }))
}
