//! Who signs approvals: a key in a file, or one that stays in a vendor's hardware.

use crate::{TrustError, key::Key};
use model::Hidden;
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use std::fmt;

/// Longest text that is read as a key.
const MAX_PEM_BYTES: usize = 16 * 1024;

/// Signs with a P-256 key of its own.
pub trait Signer {
    /// What goes wrong.
    type Error: From<TrustError>;

    /// Its public key, SubjectPublicKeyInfo DER, 91 bytes.
    fn spki(&self) -> &[u8];

    /// ECDSA with SHA-256 over the message, in ASN.1.
    ///
    /// # Errors
    /// When the key can't be used.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Self::Error>;
}

/// A vendor's key in memory, from a file. It can't be printed.
pub struct VendorKey(Key);

impl VendorKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`TrustError::Crypto`] when the operating system gives no randomness.
    pub fn generate() -> Result<Self, TrustError> {
        Key::generate().map(VendorKey)
    }

    /// Reads a private key in PEM: PKCS #8, P-256.
    ///
    /// # Errors
    /// [`TrustError::NotP256`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, TrustError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(TrustError::TooLong("the key's file"));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TrustError::NotP256)?;
        Key::from_pkcs8(der.secret_pkcs8_der()).map(VendorKey)
    }

    /// What [`VendorKey::from_pem`] reads.
    pub fn to_pem(&self) -> Hidden<String> {
        let pkcs8 = self.0.to_pkcs8().expect("a P-256 key that lies in memory can be encoded");
        // Room for everything at once: growing would leave copies of the key in freed memory.
        let mut pem = String::with_capacity(MAX_PEM_BYTES);
        crate::operational::push_section(&mut pem, "PRIVATE KEY", pkcs8.reveal());
        Hidden::new(pem)
    }
}

impl Signer for VendorKey {
    type Error = TrustError;

    fn spki(&self) -> &[u8] {
        self.0.spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        self.0.sign(message)
    }
}

impl fmt::Debug for VendorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VendorKey(hidden)")
    }
}

/// A signature as hardware gives it (`r` then `s`, 32 bytes each, big-endian), in ASN.1.
///
/// # Errors
/// [`TrustError::BadSignature`] for another length.
pub fn der_signature(raw: &[u8]) -> Result<Vec<u8>, TrustError> {
    if raw.len() != 64 {
        return Err(TrustError::BadSignature);
    }
    let mut body = Vec::with_capacity(70);
    for number in raw.chunks(32) {
        let digits = &number[number.iter().position(|byte| *byte != 0).unwrap_or(31)..];
        // A first bit of 1 would make it negative.
        let pad: &[u8] = if digits[0] & 0x80 == 0 { &[] } else { &[0] };
        // At most 33: one byte of length.
        body.extend_from_slice(&[0x02, (pad.len() + digits.len()) as u8]);
        body.extend_from_slice(pad);
        body.extend_from_slice(digits);
    }
    let mut der = vec![0x30, body.len() as u8];
    der.extend_from_slice(&body);
    Ok(der)
}
