//! LOGIN7: who comes in, and how they want to talk.

use super::{Reader, Version, Wrong, reader::utf16};
use model::Hidden;

/// A login.
#[derive(Clone, Debug)]
pub struct Login7 {
    /// The protocol's version that the client asks for.
    pub version: Version,
    /// Packet size that the client asks for; 0 leaves it to the server.
    pub packet_size: u32,
    /// User.
    pub user: Hidden<String>,
    /// Password.
    pub password: Hidden<String>,
    /// Database; empty for the default one.
    pub database: String,
    /// The client's program.
    pub program: String,
    /// Asks for integrated security or a token: there is no password.
    pub integrated: bool,
    /// Wants to change its password.
    pub change_password: bool,
}

/// Where the pairs of offset and length stand.
const HOST: usize = 36;
const USER: usize = 40;
const PASSWORD: usize = 44;
const PROGRAM: usize = 48;
const SERVER: usize = 52;
const EXTENSION: usize = 56;
const LIBRARY: usize = 60;
const LANGUAGE: usize = 64;
const DATABASE: usize = 68;

/// Longest of the texts, as SQL Server has it.
const LONGEST: usize = 128;

/// Reads it. Nothing is copied before its place has been checked.
pub fn parse(bytes: &[u8]) -> Result<Login7, Wrong> {
    let mut reader = Reader::new(bytes);
    if reader.u32()? as usize != bytes.len() {
        return Err(Wrong::Malformed("LOGIN7 whose length is not its length"));
    }
    let version =
        Version::from_login(reader.u32()?).ok_or(Wrong::Unsupported("a protocol version before 7.1"))?;
    let packet_size = reader.u32()?;
    reader.take(12)?;
    let flags2 = flag(bytes, 25)?;
    let flags3 = flag(bytes, 27)?;
    let text = |at: usize| -> Result<&[u8], Wrong> { place(bytes, at) };
    for at in [HOST, SERVER, LIBRARY, LANGUAGE] {
        text(at)?;
    }
    let password: Vec<u8> = text(PASSWORD)?.iter().map(|b| (b ^ 0xA5).rotate_left(4)).collect();
    let federated = flags3 & 0x10 != 0 && wants_token(bytes)?;
    Ok(Login7 {
        version,
        packet_size,
        user: utf16(text(USER)?).into(),
        password: utf16(&password).into(),
        database: utf16(text(DATABASE)?),
        program: utf16(text(PROGRAM)?),
        integrated: flags2 & 0x80 != 0 || federated,
        change_password: flags3 & 0x01 != 0,
    })
}

fn flag(bytes: &[u8], at: usize) -> Result<u8, Wrong> {
    bytes.get(at).copied().ok_or(Wrong::Malformed("LOGIN7 ends too early"))
}

/// The text that the pair at `at` points to.
fn place(bytes: &[u8], at: usize) -> Result<&[u8], Wrong> {
    let mut pair = Reader::new(bytes.get(at..).unwrap_or_default());
    let (offset, units) = (usize::from(pair.u16()?), usize::from(pair.u16()?));
    if units > LONGEST {
        return Err(Wrong::Malformed("a LOGIN7 text is too long"));
    }
    // An empty text may point anywhere.
    if units == 0 {
        return Ok(&[]);
    }
    bytes.get(offset..offset + units * 2).ok_or(Wrong::Malformed("a LOGIN7 text outside the message"))
}

/// Whether the feature list asks for a login by token (feature 2). The other features are options that a server need not
/// know: what is not acknowledged is off.
fn wants_token(bytes: &[u8]) -> Result<bool, Wrong> {
    const OUTSIDE: Wrong = Wrong::Malformed("LOGIN7 features outside the message");
    let mut pair = Reader::new(bytes.get(EXTENSION..).unwrap_or_default());
    let at = usize::from(pair.u16()?);
    let list = Reader::new(bytes.get(at..).ok_or(OUTSIDE)?).u32()? as usize;
    let mut features = Reader::new(bytes.get(list..).ok_or(OUTSIDE)?);
    let mut token = false;
    loop {
        let feature = features.u8()?;
        if feature == 0xFF {
            return Ok(token);
        }
        token |= feature == 0x02;
        let length = features.u32()? as usize;
        features.take(length)?;
    }
}
