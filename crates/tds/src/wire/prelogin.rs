//! PRELOGIN: the client's wish for encryption, and the answer.

use super::Wrong;

/// What a side says about encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Can, but only the login needs it.
    Off,
    /// Wants all encrypted.
    On,
    /// Can't.
    NotSupported,
    /// Insists.
    Required,
}

impl Encryption {
    fn code(self) -> u8 {
        match self {
            Encryption::Off => 0,
            Encryption::On => 1,
            Encryption::NotSupported => 2,
            Encryption::Required => 3,
        }
    }
}

/// Reads a client's PRELOGIN; only its encryption matters here. A client that says nothing can't.
pub fn parse(bytes: &[u8]) -> Result<Encryption, Wrong> {
    let mut encryption = Encryption::NotSupported;
    let mut table = bytes;
    loop {
        let (option, rest) = table.split_first().ok_or(Wrong::Malformed("PRELOGIN without an end"))?;
        if *option == 0xFF {
            return Ok(encryption);
        }
        let (place, rest) =
            rest.split_first_chunk::<4>().ok_or(Wrong::Malformed("PRELOGIN without an end"))?;
        table = rest;
        let offset = usize::from(u16::from_be_bytes([place[0], place[1]]));
        let length = usize::from(u16::from_be_bytes([place[2], place[3]]));
        let value = bytes
            .get(offset..offset + length)
            .ok_or(Wrong::Malformed("a PRELOGIN option outside the message"))?;
        if *option == 1 {
            // The upper bits ask for a certificate of the client's.
            encryption = match value.first().map(|b| b & 0x0F) {
                Some(0) => Encryption::Off,
                Some(1) => Encryption::On,
                Some(2) | None => Encryption::NotSupported,
                Some(3) => Encryption::Required,
                Some(_) => return Err(Wrong::Malformed("an unknown PRELOGIN encryption")),
            };
        }
    }
}

/// The server's PRELOGIN: version, encryption, instance accepted, no thread to name, no MARS.
pub fn answer(version: [u8; 6], encryption: Encryption) -> Vec<u8> {
    let options: [(u8, &[u8]); 5] =
        [(0, &version), (1, &[encryption.code()]), (2, &[0]), (3, &[]), (4, &[0])];
    let mut table = Vec::new();
    let mut values = Vec::new();
    let start = options.len() * 5 + 1;
    for (option, value) in options {
        // A few dozen bytes in all: the casts lose nothing.
        table.push(option);
        table.extend_from_slice(&((start + values.len()) as u16).to_be_bytes());
        table.extend_from_slice(&(value.len() as u16).to_be_bytes());
        values.extend_from_slice(value);
    }
    table.push(0xFF);
    table.extend_from_slice(&values);
    table
}
