//! What a server answers.

use super::{
    op,
    srp::{Challenge, Plugin},
    status::Status,
    xdr::{Reader, Short},
};

/// Most bytes of data in one answer: a piece of a blob, or what is said of a statement.
pub const DATA: usize = 256 * 1024;
/// Most bytes of a login's data.
const AUTH: usize = 64 * 1024;

/// The answer to most requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The number of what was made, or what is left of a blob.
    pub handle: u32,
    /// A blob's number.
    pub object: u64,
    /// What was asked for.
    pub data: Vec<u8>,
    /// What went wrong.
    pub status: Status,
}

/// The answer to a connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The server goes on with the login.
    Accept {
        /// 13 to 16.
        version: u32,
        /// The login ends before the attach (else its proof goes with the attach).
        conditional: bool,
        /// With which the login is to be proved.
        plugin: Plugin,
        /// Empty when the server waits for the public number first.
        challenge: Option<Challenge>,
        /// The login already counts.
        authenticated: bool,
    },
    /// It wants a plugin that this client does not have, such as `Legacy_Auth`.
    OtherPlugin,
    /// It speaks no version of the protocol that this client does.
    OtherVersion,
    /// It said why not.
    Refused(Status),
}

/// The answer to a step of the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another step.
    Continue(Plugin, Option<Challenge>),
    /// It wants another plugin.
    OtherPlugin,
    /// Done, or refused.
    Response(Response),
}

/// What follows a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A row's message follows.
    Row,
    /// No more in this batch; ask again.
    BatchEnd,
    /// No more at all.
    End,
    /// It went wrong.
    Failed(Response),
}

/// The next operation's number; skips what only keeps a connection alive.
fn operation(reader: &mut Reader<'_>) -> Result<u32, Short> {
    loop {
        match reader.u32()? {
            op::DUMMY => {}
            other => return Ok(other),
        }
    }
}

/// Reads a response.
///
/// # Errors
/// [`Short`].
pub fn response(reader: &mut Reader<'_>) -> Result<Response, Short> {
    match operation(reader)? {
        op::RESPONSE => body(reader),
        _ => Err(Short::Wrong),
    }
}

fn body(reader: &mut Reader<'_>) -> Result<Response, Short> {
    let handle = reader.u32()?;
    let object = reader.array().map(u64::from_be_bytes)?;
    // First all of it, then memory for it.
    let data = reader.bytes(DATA)?;
    let status = Status::parse(reader)?;
    Ok(Response { handle, object, data: data.to_vec(), status })
}

/// Reads the answer to a connect.
///
/// # Errors
/// [`Short`].
pub fn opening(reader: &mut Reader<'_>) -> Result<Opening, Short> {
    let operation = operation(reader)?;
    match operation {
        op::RESPONSE => return body(reader).map(|response| Opening::Refused(response.status)),
        op::REJECT => return Ok(Opening::OtherVersion),
        op::ACCEPT | op::ACCEPT_DATA | op::COND_ACCEPT => {}
        _ => return Err(Short::Wrong),
    }
    // Versions come with bits of their own above.
    let version = reader.u32()? & 0x7FFF;
    let _architecture = reader.u32()?;
    let _kind = reader.u32()?;
    if !op::VERSIONS.contains(&version) {
        return Ok(Opening::OtherVersion);
    }
    if operation == op::ACCEPT {
        return Ok(Opening::OtherPlugin);
    }
    let data = reader.bytes(AUTH)?;
    let plugin = reader.bytes(AUTH)?;
    let authenticated = reader.u32()? != 0;
    let _keys = reader.bytes(AUTH)?;
    let Some(known) = Plugin::by_name(plugin) else { return Ok(Opening::OtherPlugin) };
    Ok(Opening::Accept {
        version,
        conditional: operation == op::COND_ACCEPT,
        plugin: known,
        challenge: challenge(data)?,
        authenticated,
    })
}

fn challenge(data: &[u8]) -> Result<Option<Challenge>, Short> {
    if data.is_empty() { Ok(None) } else { Challenge::parse(data).map(Some) }
}

/// Reads the answer to a step of the login.
///
/// # Errors
/// [`Short`].
pub fn step(reader: &mut Reader<'_>) -> Result<Step, Short> {
    match operation(reader)? {
        op::RESPONSE => body(reader).map(Step::Response),
        op::CONT_AUTH => {
            let data = reader.bytes(AUTH)?;
            let plugin = reader.bytes(AUTH)?;
            let _plugins = reader.bytes(AUTH)?;
            let _keys = reader.bytes(AUTH)?;
            match Plugin::by_name(plugin) {
                Some(plugin) => Ok(Step::Continue(plugin, challenge(data)?)),
                None => Ok(Step::OtherPlugin),
            }
        }
        _ => Err(Short::Wrong),
    }
}

/// Reads what comes before a row.
///
/// # Errors
/// [`Short`].
#[inline]
pub fn fetched(reader: &mut Reader<'_>) -> Result<Fetched, Short> {
    match operation(reader)? {
        op::FETCH_RESPONSE => {
            let status = reader.u32()?;
            let messages = reader.u32()?;
            match (status, messages) {
                (0, 0) => Ok(Fetched::BatchEnd),
                (0, _) => Ok(Fetched::Row),
                (100, _) => Ok(Fetched::End),
                _ => Err(Short::Wrong),
            }
        }
        op::RESPONSE => body(reader).map(Fetched::Failed),
        _ => Err(Short::Wrong),
    }
}

/// Reads what comes before the one row of a statement that gives one at once: `Row`, or `End` when it gave none.
///
/// # Errors
/// [`Short`].
pub fn executed(reader: &mut Reader<'_>) -> Result<Fetched, Short> {
    match operation(reader)? {
        op::SQL_RESPONSE => match reader.u32()? {
            0 => Ok(Fetched::End),
            _ => Ok(Fetched::Row),
        },
        op::RESPONSE => body(reader).map(Fetched::Failed),
        _ => Err(Short::Wrong),
    }
}
