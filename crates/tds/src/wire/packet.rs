//! Packets into messages: whatever the pieces in which the bytes come.

use super::{
    Wrong,
    budget::{Budget, Lease},
};
use std::sync::Arc;

/// Kinds of messages, by the number in a packet's header.
pub mod kind {
    /// SQL text.
    pub const BATCH: u8 = 0x01;
    /// Login of versions before 7.0.
    pub const OLD_LOGIN: u8 = 0x02;
    /// Calls.
    pub const RPC: u8 = 0x03;
    /// What the server says.
    pub const ANSWER: u8 = 0x04;
    /// Stop what runs.
    pub const ATTENTION: u8 = 0x06;
    /// Rows of a bulk load.
    pub const BULK: u8 = 0x07;
    /// Transaction manager request.
    pub const TRANSACTION: u8 = 0x0E;
    /// LOGIN7.
    pub const LOGIN: u8 = 0x10;
    /// Integrated security's later steps.
    pub const SSPI: u8 = 0x11;
    /// PRELOGIN, and the TLS handshake.
    pub const PRELOGIN: u8 = 0x12;
}

/// Bytes of a packet's header.
pub const HEADER: usize = 8;
/// Largest packet, header included.
pub const LARGEST: usize = 32_767;

const LAST: u8 = 0x01;
const IGNORE: u8 = 0x02;
const RESET: u8 = 0x08;
const RESET_KEEPING: u8 = 0x10;

/// What a client wants forgotten before its message is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// Nothing.
    #[default]
    No,
    /// Everything.
    All,
    /// Everything but the transaction.
    KeepTransaction,
}

/// A message, whole.
#[derive(Debug)]
pub struct Message {
    /// See [`kind`].
    pub kind: u8,
    /// See [`Reset`].
    pub reset: Reset,
    /// The client thought better of it while it was sending.
    pub ignored: bool,
    /// Its content.
    pub bytes: Vec<u8>,
    lease: Lease,
}

/// Longest messages in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// PRELOGIN and LOGIN7.
    pub login: usize,
    /// SQL text, transaction requests and all else.
    pub batch: usize,
    /// Calls: they carry values.
    pub call: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // A text of 64 MB is 128 MB as UTF-16.
        Limits { login: 64 * 1024, batch: 16 * 1024 * 1024, call: 160 * 1024 * 1024 }
    }
}

/// Puts messages together.
#[derive(Debug)]
pub struct Assembler {
    limits: Limits,
    budget: Arc<Budget>,
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the current packet that are still to come.
    left: usize,
    message: Option<Message>,
}

impl Assembler {
    /// An empty one.
    pub fn new(limits: Limits, budget: &Arc<Budget>) -> Assembler {
        let budget = Arc::clone(budget);
        Assembler { limits, budget, header: [0; HEADER], have: 0, left: 0, message: None }
    }

    /// Whether a message has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.have > 0 || self.message.is_some()
    }

    /// How many bytes the current packet can still use; at least 1.
    pub fn wanted(&self) -> usize {
        if self.have < HEADER { HEADER - self.have } else { self.left.max(1) }
    }

    /// Takes bytes off the front of `input`, up to the end of one message, which it gives; `None` when more bytes are
    /// needed. After an error the connection is of no use.
    pub fn take(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Wrong> {
        loop {
            if self.have < HEADER {
                if input.is_empty() {
                    return Ok(None);
                }
                let count = (HEADER - self.have).min(input.len());
                let (head, rest) = input.split_at(count);
                self.header[self.have..self.have + count].copy_from_slice(head);
                (self.have, *input) = (self.have + count, rest);
                if self.have < HEADER {
                    return Ok(None);
                }
                self.begin()?;
            }
            let message = self.message.as_mut().ok_or(Wrong::Malformed("a packet without a message"))?;
            let (body, rest) = input.split_at(self.left.min(input.len()));
            message.bytes.extend_from_slice(body);
            (self.left, *input) = (self.left - body.len(), rest);
            if self.left > 0 {
                return Ok(None);
            }
            self.have = 0;
            if self.header[1] & LAST != 0 {
                return Ok(self.message.take());
            }
        }
    }

    /// A header has come whole.
    fn begin(&mut self) -> Result<(), Wrong> {
        let [number, status, high, low, ..] = self.header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(HEADER..=LARGEST).contains(&length) {
            return Err(Wrong::Malformed("a packet of an impossible length"));
        }
        self.left = length - HEADER;
        let limit = match number {
            kind::PRELOGIN | kind::LOGIN => self.limits.login,
            kind::RPC => self.limits.call,
            kind::BATCH | kind::TRANSACTION | kind::BULK | kind::SSPI => self.limits.batch,
            kind::ATTENTION => 0,
            kind::OLD_LOGIN => return Err(Wrong::Malformed("a login of a version before 7.0")),
            _ => return Err(Wrong::Malformed("a packet of an unknown kind")),
        };
        let message = self.message.get_or_insert_with(|| Message {
            kind: number,
            reset: match status & (RESET | RESET_KEEPING) {
                0 => Reset::No,
                RESET => Reset::All,
                _ => Reset::KeepTransaction,
            },
            ignored: false,
            bytes: Vec::new(),
            lease: Lease::new(&self.budget),
        });
        if message.kind != number {
            return Err(Wrong::Malformed("packets of two kinds in one message"));
        }
        message.ignored |= status & IGNORE != 0;
        let length = message.bytes.len() + self.left;
        // The limit first: what is refused is never stored.
        if length > limit || !message.lease.reach(length) {
            return Err(Wrong::TooLong);
        }
        Ok(())
    }
}
