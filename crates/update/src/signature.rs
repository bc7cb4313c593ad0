//! Is this file the publisher's? Authenticode signatures of programs (PE) and installers (MSI), and detached ones beside
//! Debian packages.
//!
//! What counts: one signer, SHA-256 or better, the whole file covered, and a certificate that is a pinned one or was issued
//! for code signing by a pinned authority, valid now. Time stamps are not looked at: the newest version of a program is always
//! signed with a certificate that still counts. Files are parsed more strictly than Windows does: what a signature does not
//! cover is refused rather than skipped.

mod chain;
mod cms;
mod compound;
mod msi;
mod pe;
mod product;

pub use chain::{PublisherError, Publishers};

use aws_lc_rs::digest;
use model::Timestamp;
use std::{fs, io::Read, path::Path};

/// Larger files are not looked at, bytes.
pub const FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Largest signature, bytes: a chain of a few certificates and a time stamp.
pub const SIGNATURE_BYTES: usize = 64 * 1024;

/// Who signed a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The certificate's common name, as Windows shows the publisher; the whole subject when it has none.
    pub name: String,
    /// The same of the authority that issued it.
    pub issuer: String,
    /// The certificate counts from here.
    pub not_before: Timestamp,
    /// The certificate counts until here.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate, lower-case hex.
    pub fingerprint: String,
}

/// Why a file is not taken for the publisher's. Each text is a sentence that people can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature at all.
    #[error("it is not signed")]
    Missing,
    /// Neither a program, nor an installer, or a broken one.
    #[error("it is no program or installer that can be checked ({0})")]
    Format(&'static str),
    /// The signature can't be read, or is of a kind that is not accepted.
    #[error("its signature can't be read ({0})")]
    Unreadable(&'static str),
    /// SHA-1, MD5 or unknown.
    #[error("its signature uses a method that is not accepted: sign with SHA-256 or better")]
    Weak,
    /// The content is not the one that was signed.
    #[error("it was changed after it was signed")]
    Changed,
    /// It has parts that the signature does not cover.
    #[error("it has parts that its signature does not cover ({0})")]
    Uncovered(&'static str),
    /// The signature's mathematics are wrong.
    #[error("its signature is not genuine")]
    Forged,
    /// A genuine signature of somebody who is not the publisher.
    #[error("it is signed by {0}, who is not the publisher")]
    Stranger(String),
    /// The certificate is not one for code signing, or its chain is broken.
    #[error("the certificate of {0} is not one for signing programs")]
    Purpose(String),
    /// The certificate has expired.
    #[error(
        "the certificate of {name} expired on {on}; if this computer's date is right, a newer version has to be signed with a \
         newer certificate"
    )]
    Expired {
        /// Common name.
        name: String,
        /// Day, `2026-02-03`.
        on: String,
    },
    /// The certificate does not count yet.
    #[error("the certificate of {name} counts only from {on}: check this computer's date")]
    NotYet {
        /// Common name.
        name: String,
        /// Day, `2026-02-03`.
        on: String,
    },
    /// The file can't be read.
    #[error("it can't be read: {0}")]
    Io(String),
}

/// Who signed the program or installer at `path`, if it is one of `publishers`, at the time `now`.
///
/// # Errors
/// [`SignatureError`]; files above [`FILE_BYTES`] are not read.
pub fn signature_of(path: &Path, publishers: &Publishers, now: Timestamp) -> Result<Signer, SignatureError> {
    verify(&read(path)?, publishers, now)
}

/// The same for a file whose signature is a file of its own, beside it.
///
/// # Errors
/// [`SignatureError`].
pub fn detached_signature_of(
    path: &Path,
    signature: &Path,
    publishers: &Publishers,
    now: Timestamp,
) -> Result<Signer, SignatureError> {
    let size = fs::metadata(signature).map_err(|e| SignatureError::Io(e.to_string()))?.len();
    if size > SIGNATURE_BYTES as u64 {
        return Err(SignatureError::Unreadable("larger than 64 KiB"));
    }
    let signature = fs::read(signature).map_err(|e| SignatureError::Io(e.to_string()))?;
    verify_detached(&read(path)?, &signature, publishers, now)
}

/// Checks a whole program or installer in memory.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(bytes: &[u8], publishers: &Publishers, now: Timestamp) -> Result<Signer, SignatureError> {
    let signed = if bytes.starts_with(compound::MAGIC) {
        let installer = compound::Compound::parse(bytes)?;
        let signed = cms::Signed::parse(&msi::signature(&installer)?)?;
        let about = signed.about(cms::INSTALLER)?;
        same(&about.digest, &msi::digest(&installer, about.algorithm)?)?;
        signed
    } else if bytes.starts_with(b"MZ") {
        let program = pe::Program::parse(bytes)?;
        let signed = cms::Signed::parse(program.signature)?;
        let about = signed.about(cms::PROGRAM)?;
        same(&about.digest, &hash(about.algorithm, &program.covered))?;
        signed
    } else {
        return Err(SignatureError::Format("neither a program nor an installer"));
    };
    signed.verify(publishers, now)
}

/// Checks a whole file in memory against its detached signature: CMS in DER, as `openssl cms -sign -binary -outform DER` makes
/// it.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_detached(
    bytes: &[u8],
    signature: &[u8],
    publishers: &Publishers,
    now: Timestamp,
) -> Result<Signer, SignatureError> {
    let signed = cms::Signed::parse(signature)?;
    signed.about_file(bytes)?;
    signed.verify(publishers, now)
}

/// The version inside an installer: its property `HaloLinkVersion`, else `ProductVersion`. Windows allows 255 as the second
/// number of the latter, and ours has the month and the day there.
///
/// To be asked after the signature has been checked.
///
/// # Errors
/// [`SignatureError::Format`].
pub fn installer_version(path: &Path) -> Result<String, SignatureError> {
    installer_version_of(&read(path)?)
}

/// The same for an installer in memory.
///
/// # Errors
/// [`SignatureError::Format`].
pub fn installer_version_of(bytes: &[u8]) -> Result<String, SignatureError> {
    if !bytes.starts_with(compound::MAGIC) {
        return Err(SignatureError::Format("no installer"));
    }
    product::version(&compound::Compound::parse(bytes)?)
}

/// SHA-256 as offers have it: lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file within the limit.
fn read(path: &Path) -> Result<Vec<u8>, SignatureError> {
    let failed = |e: std::io::Error| SignatureError::Io(e.to_string());
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(SignatureError::Format("larger than 256 MiB"));
    }
    Ok(bytes)
}

fn hash(algorithm: &'static digest::Algorithm, pieces: &[&[u8]]) -> Vec<u8> {
    let mut context = digest::Context::new(algorithm);
    pieces.iter().for_each(|piece| context.update(piece));
    context.finish().as_ref().to_vec()
}

fn same(said: &[u8], found: &[u8]) -> Result<(), SignatureError> {
    if said == found { Ok(()) } else { Err(SignatureError::Changed) }
}
