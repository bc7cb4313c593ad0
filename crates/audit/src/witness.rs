//! What somebody outside holds of a site's audit.

use crate::{
    AuditError, Head, RECEIPT_JSON_BYTES, Receipt, SignedHead,
    head::{HeadJson, LAST_AT, hash},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{SiteId, Timestamp};
use serde::{Deserialize, Serialize};

const WHAT: &str = "a witness";

/// A value that was seen from outside at a time, so that no other past can be told up to its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// An integrator's.
    Receipt(Box<Receipt>),
    /// A head that the site signed.
    Head(SignedHead),
    /// A head as the platform noted it. Nothing in it proves where it comes from: it is worth what the way is worth on which it came.
    Noted(Head),
}

impl Witness {
    /// Reads one line of a file of witnesses: the JSON of a receipt, of a signed head, or `{"site":…,"number":…,"chain":…,"at":…}`
    /// with the value in base64 and the time in RFC 3339, as the platform keeps heads.
    ///
    /// # Errors
    /// [`AuditError`] for anything else.
    pub fn from_json(json: &[u8]) -> Result<Witness, AuditError> {
        if json.len() > RECEIPT_JSON_BYTES {
            return Err(AuditError::TooLong(WHAT));
        }
        let malformed = |_| AuditError::Malformed(WHAT);
        let form: Form = serde_json::from_slice(json).map_err(malformed)?;
        if form.receipt.is_some() {
            return Receipt::from_json(json).map(|receipt| Witness::Receipt(Box::new(receipt)));
        }
        if form.head.is_some() {
            let head: HeadJson = serde_json::from_slice(json).map_err(malformed)?;
            return head.try_into().map(Witness::Head);
        }
        let noted: Noted = serde_json::from_slice(json).map_err(malformed)?;
        noted.try_into().map(Witness::Noted)
    }

    /// The JSON that [`Witness::from_json`] reads, on one line.
    pub fn to_json(&self) -> String {
        let written = match self {
            Witness::Receipt(receipt) => return receipt.to_json(),
            Witness::Head(head) => serde_json::to_string(head),
            Witness::Noted(head) => serde_json::to_string(&Noted::from(*head)),
        };
        written.expect("texts and numbers can be written")
    }

    /// Its head, once it holds.
    ///
    /// # Errors
    /// What [`Receipt::check`] and [`SignedHead::check`] say.
    pub fn check(&self) -> Result<Head, AuditError> {
        match self {
            Witness::Receipt(receipt) => receipt.check().map(|_| receipt.head.head),
            Witness::Head(head) => head.check().copied(),
            Witness::Noted(head) => Ok(*head),
        }
    }
}

/// Tells the three forms apart.
#[derive(Deserialize)]
struct Form {
    receipt: Option<serde_json::Value>,
    head: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Noted {
    site: SiteId,
    number: u64,
    chain: String,
    at: String,
}

impl From<Head> for Noted {
    fn from(Head { site, number, chain, at }: Head) -> Self {
        Noted { site, number, chain: STANDARD.encode(chain), at: at.to_rfc3339() }
    }
}

impl TryFrom<Noted> for Head {
    type Error = AuditError;

    fn try_from(noted: Noted) -> Result<Self, AuditError> {
        let at = Timestamp::parse(&noted.at)
            .filter(|at| (0..=LAST_AT).contains(&at.0))
            .ok_or(AuditError::Malformed(WHAT))?;
        Ok(Head { site: noted.site, number: noted.number, chain: hash(WHAT, &noted.chain)?, at })
    }
}
