//! A client made of bytes, for what real clients never send.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(crate) fn packet(kind: u8, status: u8, content: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind, status];
    packet.extend_from_slice(&u16::try_from(content.len() + 8).unwrap().to_be_bytes());
    packet.extend_from_slice(&[0, 0, 1, 0]);
    packet.extend_from_slice(content);
    packet
}

/// PRELOGIN that wants that encryption.
pub(crate) fn prelogin(encryption: u8) -> Vec<u8> {
    let mut content = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF];
    content.extend_from_slice(&[16, 0, 0, 0, 0, 0, encryption]);
    content
}

/// LOGIN7 of that version with these texts and packet size.
pub(crate) fn login7(version: u32, size: u32, user: &str, password: &str, database: &str) -> Vec<u8> {
    let mut fixed = Vec::new();
    for number in [version, size, 7, 1, 0] {
        fixed.extend_from_slice(&number.to_le_bytes());
    }
    fixed.extend_from_slice(&[0xE0, 0x03, 0, 0]);
    fixed.extend_from_slice(&[0; 8]);
    let secret: Vec<u8> = utf16(password).iter().map(|b| b.rotate_left(4) ^ 0xA5).collect();
    let texts = [
        utf16("host"),
        utf16(user),
        secret,
        utf16("raw"),
        utf16("server"),
        vec![],
        utf16("lib"),
        vec![],
        utf16(database),
    ];
    let mut texts_at = Vec::new();
    for text in texts {
        fixed.extend_from_slice(&((94 + texts_at.len()) as u16).to_le_bytes());
        fixed.extend_from_slice(&((text.len() / 2) as u16).to_le_bytes());
        texts_at.extend_from_slice(&text);
    }
    // Client id, SSPI, file, new password, long SSPI.
    fixed.extend_from_slice(&[0; 22]);
    assert_eq!(fixed.len(), 90);
    let mut whole = ((94 + texts_at.len()) as u32).to_le_bytes().to_vec();
    whole.extend_from_slice(&fixed);
    whole.extend_from_slice(&texts_at);
    whole
}

/// ALL_HEADERS, then the text.
pub(crate) fn batch(text: &str) -> Vec<u8> {
    let mut content = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    content.extend_from_slice(&utf16(text));
    content
}

/// One call by number or name with parameters already in the protocol's form.
pub(crate) fn call(procedure: Result<u16, &str>, parameters: &[Vec<u8>]) -> Vec<u8> {
    let mut content = Vec::new();
    match procedure {
        Ok(id) => {
            content.extend_from_slice(&[0xFF, 0xFF]);
            content.extend_from_slice(&id.to_le_bytes());
        }
        Err(name) => {
            content.extend_from_slice(&(name.len() as u16).to_le_bytes());
            content.extend_from_slice(&utf16(name));
        }
    }
    content.extend_from_slice(&[0, 0]);
    parameters.iter().for_each(|p| content.extend_from_slice(p));
    content
}

/// A parameter: name, status, then type and value.
pub(crate) fn parameter(name: &str, status: u8, typed: &[u8]) -> Vec<u8> {
    let mut bytes = vec![name.len() as u8];
    bytes.extend_from_slice(&utf16(name));
    bytes.push(status);
    bytes.extend_from_slice(typed);
    bytes
}

pub(crate) fn text_value(text: &str) -> Vec<u8> {
    let mut typed = vec![0xE7, 0x40, 0x1F, 9, 4, 0xD0, 0, 0x34];
    typed.extend_from_slice(&((text.len() * 2) as u16).to_le_bytes());
    typed.extend_from_slice(&utf16(text));
    typed
}

pub(crate) fn int_value(value: Option<i32>) -> Vec<u8> {
    match value {
        Some(value) => [vec![0x26, 4, 4], value.to_le_bytes().to_vec()].concat(),
        None => vec![0x26, 4, 0],
    }
}

pub(crate) fn headers() -> Vec<u8> {
    batch("")
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Raw {
        Raw { stream: TcpStream::connect(address).await.unwrap() }
    }

    /// Logged in, without TLS, version 7.4.
    pub(crate) async fn login(address: SocketAddr) -> Raw {
        Self::login_as(address, 0x7400_0004, 4096).await.0
    }

    pub(crate) async fn login_as(address: SocketAddr, version: u32, size: u32) -> (Raw, Vec<u8>) {
        let mut raw = Raw::connect(address).await;
        raw.send(0x12, 1, &prelogin(2)).await;
        raw.answer().await.unwrap();
        raw.send(0x10, 1, &login7(version, size, super::USER, super::PASSWORD, "")).await;
        let answer = raw.answer().await.unwrap();
        assert!(answer.contains(&0xAD), "no LOGINACK");
        (raw, answer)
    }

    pub(crate) async fn send(&mut self, kind: u8, status: u8, content: &[u8]) {
        self.stream.write_all(&packet(kind, status, content)).await.unwrap();
    }

    /// The content of the next message; `None` at the end of the stream.
    pub(crate) async fn answer(&mut self) -> Option<Vec<u8>> {
        self.packets().await.map(|packets| packets.concat())
    }

    /// The same, packet by packet.
    pub(crate) async fn packets(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut packets = Vec::new();
        loop {
            let mut header = [0; 8];
            self.stream.read_exact(&mut header).await.ok()?;
            assert_eq!(header[0], 4);
            assert_eq!(usize::from(header[6]), (packets.len() + 1) % 256, "packets are numbered");
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let mut content = vec![0; length - 8];
            self.stream.read_exact(&mut content).await.ok()?;
            packets.push(content);
            if header[1] & 1 != 0 {
                return Some(packets);
            }
        }
    }

    pub(crate) async fn ask(&mut self, text: &str) -> Vec<u8> {
        self.send(1, 1, &batch(text)).await;
        self.answer().await.unwrap()
    }
}

/// Whether an answer has an ERROR of that number.
pub(crate) fn has_error(answer: &[u8], number: i32) -> bool {
    answer.windows(7).any(|w| w[0] == 0xAA && w[3..7] == number.to_le_bytes())
}

/// Status and count of the DONE at the end.
pub(crate) fn last_done(answer: &[u8]) -> (u8, u16, u64) {
    let done = &answer[answer.len() - 13..];
    (done[0], u16::from_le_bytes([done[1], done[2]]), u64::from_le_bytes(done[5..13].try_into().unwrap()))
}
