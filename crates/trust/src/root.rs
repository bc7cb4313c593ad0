//! The root key of an identity and what it issues.

use crate::{Kind, Operational, TrustError, guid, key::Key};
use model::{Hidden, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use std::{fmt, time::Duration};
use time::OffsetDateTime;
use uuid::Uuid;

/// How far before the moment of issue a certificate is already valid: a verifier's clock may be this slow.
pub const BACKDATED: Duration = Duration::from_secs(3600);

/// Longest name in an operational certificate, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// A root key: the identity itself. It can't be printed, and it is wiped from memory on drop.
///
/// Only the key is stored. The root's certificate is made anew from fixed values each time, so that its bytes differ
/// in the signature only, and nobody looks at that: the public key is the identity.
pub struct Root {
    kind: Kind,
    id: Uuid,
    key: Key,
}

impl Root {
    /// Makes a new identity.
    ///
    /// # Errors
    /// [`TrustError::Crypto`] when the operating system gives no randomness.
    pub fn generate(kind: Kind) -> Result<Root, TrustError> {
        Ok(Root::new(kind, Key::generate()?))
    }

    /// Takes up a stored identity. The kind is not part of the key: the same key under another kind is another GUID.
    ///
    /// # Errors
    /// [`TrustError::NotP256`] for anything that is not a P-256 key in PKCS #8 DER.
    pub fn from_pkcs8(kind: Kind, der: &[u8]) -> Result<Root, TrustError> {
        Ok(Root::new(kind, Key::from_pkcs8(der)?))
    }

    fn new(kind: Kind, key: Key) -> Root {
        Root { kind, id: guid(kind, key.spki()), key }
    }

    /// The private key as PKCS #8 DER, for storing under the operating system's protection and for the recovery kit.
    pub fn to_pkcs8(&self) -> Hidden<Vec<u8>> {
        self.key.to_pkcs8().expect("a P-256 key that lies in memory can be encoded")
    }

    /// What the identity stands for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The identity's GUID.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The public key as SubjectPublicKeyInfo DER, 91 bytes.
    pub fn spki(&self) -> &[u8] {
        self.key.spki()
    }

    /// Signs with the root itself; `label` tells what for, and no two uses share one.
    pub(crate) fn sign_labelled(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, TrustError> {
        self.key.sign(&[label, message].concat())
    }

    /// Makes a new operational key and certifies it, from [`BACKDATED`] before `now` until `valid` after it.
    ///
    /// `name` is for people (1 to [`MAX_NAME_CHARS`] characters). `serial` must be higher than any this root ever
    /// issued before for the same holder: a verifier that has seen a higher one refuses the lower.
    ///
    /// # Errors
    /// [`TrustError::Name`], [`TrustError::Serial`] for 0, [`TrustError::Time`] outside the years 1950 to 9999.
    pub fn issue(
        &self,
        name: &str,
        serial: u64,
        now: Timestamp,
        valid: Duration,
    ) -> Result<Operational, TrustError> {
        self.certify(name, false, serial, now, valid)
    }

    /// The same for a gateway that somebody else runs for the integrator: its certificate says so, and practices decide
    /// whether they let such in. A verifier from before there were hosted gateways refuses it.
    ///
    /// # Errors
    /// As [`Root::issue`]; [`TrustError::Malformed`] under the root of anything but an integrator.
    pub fn issue_hosted(
        &self,
        name: &str,
        serial: u64,
        now: Timestamp,
        valid: Duration,
    ) -> Result<Operational, TrustError> {
        self.certify(name, true, serial, now, valid)
    }

    fn certify(
        &self,
        name: &str,
        hosted: bool,
        serial: u64,
        now: Timestamp,
        valid: Duration,
    ) -> Result<Operational, TrustError> {
        if !is_good_name(name) {
            return Err(TrustError::Name);
        }
        if serial == 0 {
            return Err(TrustError::Serial);
        }
        let backdated = Timestamp(now.0.saturating_sub(BACKDATED.as_millis() as i64));
        let mut leaf = CertificateParams::default();
        leaf.not_before = certificate_time(backdated)?;
        leaf.not_after = certificate_time(now.plus(valid))?;
        leaf.serial_number = Some(SerialNumber::from(serial));
        leaf.distinguished_name = common_name(name);
        if hosted {
            leaf.distinguished_name.push(DnType::OrganizationalUnitName, HOSTED);
        }
        let uri = self.kind.subject_uri(self.id);
        leaf.subject_alt_names =
            vec![SanType::URI(uri.try_into().map_err(|_| TrustError::Malformed("URI"))?)];
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![match self.kind {
            Kind::Site => ExtendedKeyUsagePurpose::ServerAuth,
            Kind::Link | Kind::Integrator => ExtendedKeyUsagePurpose::ClientAuth,
        }];

        let root = self.certificate_params();
        let key = Key::generate()?;
        let certify = || TrustError::Crypto("signing a certificate");
        let leaf = leaf.signed_by(&key, &Issuer::from_params(&root, &self.key)).map_err(|_| certify())?;
        let root = root.self_signed(&self.key).map_err(|_| certify())?;
        Operational::new(self.kind, key, [leaf.into(), root.into()])
    }

    fn certificate_params(&self) -> CertificateParams {
        let mut root = CertificateParams::default();
        root.not_before = date_time_ymd(2000, 1, 1);
        root.not_after = date_time_ymd(4000, 1, 1);
        root.serial_number = Some(SerialNumber::from(1));
        root.distinguished_name =
            common_name(&format!("halo {} root {}", self.kind.word(), self.id.hyphenated()));
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        root
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether a name may stand in a certificate and so on a screen at the other end: no control characters, and none
/// that turn the direction of text around, which make one name look like another.
pub(crate) fn is_good_name(name: &str) -> bool {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && !name.chars().any(|c| c.is_control() || turns(c))
}

/// The one organisational unit that a certificate may name: its holder is run by somebody else than its owner.
pub(crate) const HOSTED: &str = "hosted";

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

fn certificate_time(at: Timestamp) -> Result<OffsetDateTime, TrustError> {
    let time = OffsetDateTime::from_unix_timestamp(at.unix_seconds()).map_err(|_| TrustError::Time)?;
    if (1950..=9999).contains(&time.year()) { Ok(time) } else { Err(TrustError::Time) }
}
