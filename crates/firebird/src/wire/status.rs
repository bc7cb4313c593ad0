//! What a server says went wrong: codes and their arguments, no texts.

use super::xdr::{Reader, Short};

/// An argument of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number.
    Number(i32),
    /// A text; may quote data.
    Text(String),
}

/// One code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Firebird's own number (`isc_…`); 0 for a text that came without one.
    pub code: u32,
    /// In the order in which its text takes them.
    pub arguments: Vec<Argument>,
}

/// What went wrong, the main thing first; empty when nothing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Codes.
    pub entries: Vec<Entry>,
    /// SQLSTATE, when the server gave one.
    pub state: Option<String>,
}

/// Most items of one status.
const ITEMS: usize = 200;
/// Longest text in it, in bytes.
const TEXT: usize = 64 * 1024;

impl Status {
    /// Reads to the end mark. Warnings are left out.
    ///
    /// # Errors
    /// [`Short`].
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, Short> {
        let mut status = Status::default();
        let mut warning = false;
        for _ in 0..ITEMS {
            let argument = match reader.u32()? {
                0 => return Ok(status),
                1 => {
                    let code = reader.u32()?;
                    warning = false;
                    // Code 0 says that all is well.
                    if code != 0 {
                        status.entries.push(Entry { code, arguments: Vec::new() });
                    }
                    continue;
                }
                18 => {
                    reader.u32()?;
                    warning = true;
                    continue;
                }
                19 => {
                    let state = reader.bytes(64)?;
                    status.state.get_or_insert_with(|| String::from_utf8_lossy(state).into_owned());
                    continue;
                }
                2 | 3 => Argument::Text(text(reader)?),
                5 => {
                    let text = text(reader)?;
                    if !warning {
                        status.entries.push(Entry { code: 0, arguments: vec![Argument::Text(text)] });
                    }
                    continue;
                }
                // Numbers: of the database, or of the operating system that it runs on.
                4 | 6..=10 | 15..=17 => Argument::Number(reader.u32()? as i32),
                _ => return Err(Short::Wrong),
            };
            if let Some(last) = status.entries.last_mut().filter(|_| !warning) {
                last.arguments.push(argument);
            }
        }
        Err(Short::Wrong)
    }

    /// Whether all is well.
    pub fn is_well(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a code is among them.
    pub fn has(&self, code: u32) -> bool {
        self.entries.iter().any(|entry| entry.code == code)
    }
}

fn text(reader: &mut Reader<'_>) -> Result<String, Short> {
    reader.bytes(TEXT).map(|bytes| crate::text::decode(bytes).into_owned())
}
