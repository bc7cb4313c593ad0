//! What a site hands out for one line: proof that it was written, and a witness of all that was written before it.

use crate::{
    AuditError, LINE_BYTES, Line, SignedHead, chain,
    head::{bytes, hash},
    wire::{Reader, push_counted},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// Longest receipt, in bytes.
pub const RECEIPT_BYTES: usize = LINE_BYTES + 16 * 1024;
/// Longest receipt as JSON, in bytes.
pub const RECEIPT_JSON_BYTES: usize = 2 * RECEIPT_BYTES;

/// First byte of a receipt, and the number in its JSON.
const VERSION: u8 = 1;
const WHAT: &str = "a receipt";

/// A line, what stood before it, and the signed head of exactly that line. In JSON bytes are base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ReceiptJson", try_from = "ReceiptJson")]
pub struct Receipt {
    /// The value before the line.
    pub before: [u8; 32],
    /// The line's bytes ([`Line::encode`]).
    pub line: Vec<u8>,
    /// The head at the line's number.
    pub head: SignedHead,
}

impl Receipt {
    /// What the site attests: its line, once everything holds.
    ///
    /// # Errors
    /// [`AuditError`]: a head that does not hold, a line that is not the head's, a line of another site.
    pub fn check(&self) -> Result<Line, AuditError> {
        let head = self.head.check()?;
        if chain(&self.before, head.number, &self.line) != head.chain {
            return Err(AuditError::OtherLine);
        }
        let line = Line::decode(&self.line)?;
        if line.site == head.site { Ok(line) } else { Err(AuditError::OtherLine) }
    }

    /// Version, the value before, the line after its length of four bytes, the signed head.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        out.push(VERSION);
        out.extend(self.before);
        push_counted(&mut out, &self.line);
        push_counted(&mut out, &self.head.encode());
        out
    }

    /// Reads what [`Receipt::encode`] wrote. Proves nothing: see [`Receipt::check`].
    ///
    /// # Errors
    /// [`AuditError`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Receipt, AuditError> {
        if bytes.len() > RECEIPT_BYTES {
            return Err(AuditError::TooLong(WHAT));
        }
        let mut reader = Reader::new(WHAT, bytes);
        reader.version(VERSION)?;
        let before = reader.array()?;
        let line = reader.counted(LINE_BYTES)?.to_vec();
        let head = SignedHead::decode(reader.counted(RECEIPT_BYTES)?)?;
        reader.end()?;
        Ok(Receipt { before, line, head })
    }

    /// The JSON form, as it is kept in files: one object on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written")
    }

    /// Reads what [`Receipt::to_json`] wrote; fields that it does not know are left alone. Proves nothing: see [`Receipt::check`].
    ///
    /// # Errors
    /// [`AuditError`] for anything else.
    pub fn from_json(json: &[u8]) -> Result<Receipt, AuditError> {
        if json.len() > RECEIPT_JSON_BYTES {
            return Err(AuditError::TooLong(WHAT));
        }
        let json: ReceiptJson = serde_json::from_slice(json).map_err(|_| AuditError::Malformed(WHAT))?;
        json.try_into()
    }
}

/// A receipt for people and files.
#[derive(Clone, Serialize, Deserialize)]
struct ReceiptJson {
    /// Version.
    receipt: u64,
    before: String,
    line: String,
    head: SignedHead,
}

impl From<Receipt> for ReceiptJson {
    fn from(receipt: Receipt) -> Self {
        let Receipt { before, line, head } = receipt;
        let (before, line) = (STANDARD.encode(before), STANDARD.encode(line));
        ReceiptJson { receipt: VERSION.into(), before, line, head }
    }
}

impl TryFrom<ReceiptJson> for Receipt {
    type Error = AuditError;

    fn try_from(json: ReceiptJson) -> Result<Self, AuditError> {
        if json.receipt != u64::from(VERSION) {
            return Err(AuditError::Version { what: WHAT, version: json.receipt });
        }
        let line = bytes(WHAT, &json.line)?;
        if line.len() > LINE_BYTES {
            return Err(AuditError::TooLong(WHAT));
        }
        Ok(Receipt { before: hash(WHAT, &json.before)?, line, head: json.head })
    }
}
