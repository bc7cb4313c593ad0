//! An operational key with its certificate chain: what a running part proves its identity with.

use crate::{
    Kind, Peer, TrustError,
    key::Key,
    verify::{MAX_CERTIFICATE_BYTES, SIGNATURE_LABEL, verify_chain},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Hidden;
use rustls::{
    pki_types::{
        CertificateDer,
        pem::{PemObject as _, SectionKind},
    },
    sign::CertifiedKey,
};
use std::{fmt, sync::Arc};
use zeroize::Zeroize as _;

/// Longest PEM text that [`Operational::from_pem`] looks at, in bytes.
const MAX_PEM_BYTES: usize = 4 * MAX_CERTIFICATE_BYTES;

/// An operational key and its chain. Cheap to clone; the key can't be printed.
#[derive(Clone)]
pub struct Operational {
    key: Key,
    chain: Arc<[CertificateDer<'static>; 2]>,
    peer: Arc<Peer>,
}

impl Operational {
    /// Joins a key and its chain, checking that they belong together and to the kind. An expired chain is taken:
    /// whoever renews it must be able to read it.
    pub(crate) fn new(
        kind: Kind,
        key: Key,
        chain: [CertificateDer<'static>; 2],
    ) -> Result<Operational, TrustError> {
        let peer = crate::verify::verify_lasting(kind, &chain)?;
        if crate::verify::leaf_spki(&chain[0])? != key.spki() {
            return Err(TrustError::Pem("the key is not the certificate's"));
        }
        Ok(Operational { key, chain: Arc::new(chain), peer: Arc::new(peer) })
    }

    /// The operational certificate, then the root's.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain[..]
    }

    /// What the other end will read out of the chain.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Signs a message of any length; [`crate::verify_signature`] checks it. A label goes before the message, so that
    /// a signature made here can't be taken for one of TLS or of the outer leg, whatever the message says.
    ///
    /// # Errors
    /// [`TrustError::Crypto`] when the library gives no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        self.sign_labelled(SIGNATURE_LABEL, message)
    }

    pub(crate) fn sign_labelled(&self, label: &[u8], message: &[u8]) -> Result<Vec<u8>, TrustError> {
        self.key.sign(&[label, message].concat())
    }

    /// Key and chain in the form that rustls takes.
    pub(crate) fn certified(&self) -> CertifiedKey {
        CertifiedKey::new(self.chain().to_vec(), Arc::new(self.key.clone()))
    }

    /// Private key (PKCS #8), certificate and root in one PEM text.
    pub fn to_pem(&self) -> Hidden<String> {
        let pkcs8 = self.key.to_pkcs8().expect("a P-256 key that lies in memory can be encoded");
        // Room for everything at once: growing would leave copies of the key in freed memory.
        let mut pem = String::with_capacity(MAX_PEM_BYTES);
        push_section(&mut pem, "PRIVATE KEY", pkcs8.reveal());
        for certificate in self.chain() {
            push_section(&mut pem, "CERTIFICATE", certificate);
        }
        Hidden::new(pem)
    }

    /// Reads what [`Operational::to_pem`] wrote. Does not look at the clock: see [`Peer::not_after`].
    ///
    /// # Errors
    /// [`TrustError::Pem`] unless there are exactly one key and two certificates that belong together, and what
    /// [`crate::verify_chain`] says of a chain of another kind or form.
    pub fn from_pem(kind: Kind, pem: &str) -> Result<Operational, TrustError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(TrustError::TooLong("the PEM text"));
        }
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
            match section.map_err(|_| TrustError::Pem("not PEM"))? {
                (SectionKind::PrivateKey, der) => keys.push(Hidden::new(der)),
                (SectionKind::Certificate, der) => certificates.push(CertificateDer::from(der)),
                (_, mut other) => {
                    other.zeroize();
                    return Err(TrustError::Pem("another section"));
                }
            }
        }
        let [key] = keys.as_slice() else { return Err(TrustError::Pem("not one key")) };
        let count = certificates.len();
        let chain = certificates.try_into().map_err(|_| TrustError::ChainLength(count))?;
        Operational::new(kind, Key::from_pkcs8(key.reveal())?, chain)
    }

    /// Checks the own chain as a peer would, now: an agent that renews asks this first.
    ///
    /// # Errors
    /// [`TrustError::Expired`] or [`TrustError::NotYetValid`].
    pub fn check(&self, now: model::Timestamp) -> Result<(), TrustError> {
        verify_chain(self.peer.kind, self.chain(), now).map(drop)
    }
}

impl fmt::Debug for Operational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operational").field("peer", &self.peer).finish_non_exhaustive()
    }
}

pub(crate) fn push_section(pem: &mut String, label: &str, der: &[u8]) {
    let body = Hidden::new(STANDARD.encode(der));
    for part in ["-----BEGIN ", label, "-----\n"] {
        pem.push_str(part);
    }
    let mut rest = body.reveal().as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    for part in ["-----END ", label, "-----\n"] {
        pem.push_str(part);
    }
}
