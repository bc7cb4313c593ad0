//! Where a site's audit stands, signed by the site.

use crate::{
    AuditError,
    line::site_of,
    wire::{Reader, push_counted},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{SiteId, Timestamp};
use serde::{Deserialize, Serialize};
use trust::{Kind, MAX_CERTIFICATE_BYTES, Operational, TrustError, verify_chain, verify_signature};

/// Goes before what is signed. The general label of signed messages goes before that ([`Operational::sign`]).
const LABEL: &[u8] = b"halo-connect audit head v1\0";
/// First byte of a signed head, and the number in its JSON.
const VERSION: u8 = 1;
const WHAT: &str = "a signed head";
/// An ECDSA signature on P-256 in DER has at most 72.
const SIGNATURE_BYTES: usize = 128;
/// Last millisecond of the year 9999: later ones can't be written as text, and no certificate is good then.
pub(crate) const LAST_AT: i64 = 253_402_300_799_999;

/// The value of a site's line `number`, which holds all lines up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose audit.
    pub site: SiteId,
    /// The line's number, from 1 on; 0 when there is none yet, and `chain` is the site's genesis.
    pub number: u64,
    /// Its value ([`crate::chain()`]).
    pub chain: [u8; 32],
    /// When this was signed, by the site's clock.
    pub at: Timestamp,
}

impl Head {
    /// What the site signs: label, site, number, value, time.
    pub fn message(&self) -> Vec<u8> {
        let numbers = (self.number.to_be_bytes(), self.at.0.to_be_bytes());
        [LABEL, &self.site.as_bytes()[..], &numbers.0, &self.chain, &numbers.1].concat()
    }

    /// Signs it with the site's operational key; its certificates go along.
    ///
    /// # Errors
    /// [`AuditError::OtherSite`] when the key is not this site's, [`AuditError::Unsigned`] when the library gives no randomness.
    pub fn sign(self, with: &Operational) -> Result<SignedHead, AuditError> {
        let of = SiteId(with.peer().id);
        if with.peer().kind != Kind::Site || of != self.site {
            return Err(AuditError::OtherSite { of, says: self.site });
        }
        let signature = with.sign(&self.message()).map_err(AuditError::Unsigned)?;
        let [leaf, root] = with.chain() else {
            return Err(AuditError::Unsigned(TrustError::ChainLength(with.chain().len())));
        };
        Ok(SignedHead { head: self, signature, certificates: [leaf.to_vec(), root.to_vec()] })
    }
}

/// A head that anybody can check who knows nothing but the site's GUID. In JSON bytes are base64 and the time RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "HeadJson", try_from = "HeadJson")]
pub struct SignedHead {
    /// What is signed.
    pub head: Head,
    /// ECDSA on P-256 with SHA-256, DER.
    pub signature: Vec<u8>,
    /// The operational certificate that signed, then the site's root; DER.
    pub certificates: [Vec<u8>; 2],
}

impl SignedHead {
    /// Whether the site with this GUID signed it. Needs no clock: the certificate had to be good when it signed, and that is
    /// what the head says, so a receipt of years ago still holds.
    ///
    /// # Errors
    /// [`AuditError`]: certificates that do not hold, another site's, a signature of other bytes.
    pub fn check(&self) -> Result<&Head, AuditError> {
        let chain = self.certificates.each_ref().map(|der| der.as_slice().into());
        let peer = verify_chain(Kind::Site, &chain, self.head.at).map_err(AuditError::Certificate)?;
        let of = SiteId(peer.id);
        if of != self.head.site {
            return Err(AuditError::OtherSite { of, says: self.head.site });
        }
        verify_signature(&chain[0], &self.head.message(), &self.signature)
            .map_err(|_| AuditError::Signature)?;
        Ok(&self.head)
    }

    /// Version, site, number, value, time, then signature and both certificates, each after its length of four bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2048);
        out.push(VERSION);
        out.extend(self.head.site.as_bytes());
        out.extend(self.head.number.to_be_bytes());
        out.extend(self.head.chain);
        out.extend(self.head.at.0.to_be_bytes());
        push_counted(&mut out, &self.signature);
        for certificate in &self.certificates {
            push_counted(&mut out, certificate);
        }
        out
    }

    /// Reads what [`SignedHead::encode`] wrote. Proves nothing: see [`SignedHead::check`].
    ///
    /// # Errors
    /// [`AuditError`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<SignedHead, AuditError> {
        let mut reader = Reader::new(WHAT, bytes);
        reader.version(VERSION)?;
        let site = site_of(reader.array()?)?;
        let (number, chain) = (reader.u64()?, reader.array()?);
        let at = Timestamp(i64::from_be_bytes(reader.array()?));
        let signature = reader.counted(SIGNATURE_BYTES)?.to_vec();
        let mut certificate = || reader.counted(MAX_CERTIFICATE_BYTES).map(<[u8]>::to_vec);
        let certificates = [certificate()?, certificate()?];
        reader.end()?;
        SignedHead { head: Head { site, number, chain, at }, signature, certificates }.within()
    }

    /// Sizes and the time are as they may be.
    fn within(self) -> Result<Self, AuditError> {
        let long = self.signature.len() > SIGNATURE_BYTES
            || self.certificates.iter().any(|der| der.len() > MAX_CERTIFICATE_BYTES);
        match self.head.at.0 {
            _ if long => Err(AuditError::TooLong(WHAT)),
            0..=LAST_AT => Ok(self),
            _ => Err(AuditError::Malformed(WHAT)),
        }
    }
}

/// A signed head for people and files.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct HeadJson {
    /// Version.
    head: u64,
    site: SiteId,
    number: u64,
    chain: String,
    at: String,
    signature: String,
    certificates: [String; 2],
}

impl From<SignedHead> for HeadJson {
    fn from(signed: SignedHead) -> Self {
        let SignedHead { head: Head { site, number, chain, at }, signature, certificates } = signed;
        HeadJson {
            head: VERSION.into(),
            site,
            number,
            chain: STANDARD.encode(chain),
            at: at.to_rfc3339(),
            signature: STANDARD.encode(signature),
            certificates: certificates.map(|der| STANDARD.encode(der)),
        }
    }
}

impl TryFrom<HeadJson> for SignedHead {
    type Error = AuditError;

    fn try_from(json: HeadJson) -> Result<Self, AuditError> {
        if json.head != u64::from(VERSION) {
            return Err(AuditError::Version { what: WHAT, version: json.head });
        }
        let [leaf, root] = &json.certificates;
        let head = Head {
            site: json.site,
            number: json.number,
            chain: hash(WHAT, &json.chain)?,
            at: Timestamp::parse(&json.at).ok_or(AuditError::Malformed(WHAT))?,
        };
        let certificates = [bytes(WHAT, leaf)?, bytes(WHAT, root)?];
        SignedHead { head, signature: bytes(WHAT, &json.signature)?, certificates }.within()
    }
}

pub(crate) fn bytes(what: &'static str, text: &str) -> Result<Vec<u8>, AuditError> {
    STANDARD.decode(text).map_err(|_| AuditError::Malformed(what))
}

pub(crate) fn hash(what: &'static str, text: &str) -> Result<[u8; 32], AuditError> {
    bytes(what, text)?.try_into().map_err(|_| AuditError::Malformed(what))
}
