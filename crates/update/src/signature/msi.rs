//! Installers: where the signature is, and the digest that it signs.
//!
//! Two digests, one in the other. The outer one covers the streams' content and the storages' class identifiers; names,
//! sizes and times are in an inner one, which is kept in a stream of its own. Windows takes installers without the inner one,
//! where streams may be renamed under a good signature; here they are refused.

use super::{
    SIGNATURE_BYTES, SignatureError,
    compound::{Compound, Entry, Kind},
    same,
};
use aws_lc_rs::digest::{Algorithm, Context};

/// `\x05DigitalSignature`, `\x05MsiDigitalSignatureEx`.
fn names() -> [Vec<u8>; 2] {
    ["\u{5}DigitalSignature", "\u{5}MsiDigitalSignatureEx"]
        .map(|name| name.encode_utf16().flat_map(u16::to_le_bytes).collect())
}

/// PKCS #7, DER.
pub(super) fn signature(file: &Compound<'_>) -> Result<Vec<u8>, SignatureError> {
    let stream = file.find(&names()[0]).filter(|entry| entry.kind == Kind::Stream);
    let stream = stream.ok_or(SignatureError::Missing)?;
    file.content(stream, SIGNATURE_BYTES).ok_or(SignatureError::Unreadable("larger than 64 KiB"))
}

/// What the signature signs.
///
/// # Errors
/// [`SignatureError`] when the inner digest is missing or does not fit.
pub(super) fn digest(file: &Compound<'_>, algorithm: &'static Algorithm) -> Result<Vec<u8>, SignatureError> {
    let [_, inner] = names();
    let unsigned = SignatureError::Uncovered("names and sizes of its parts: sign with MsiDigitalSignatureEx");
    let said = file.find(&inner).and_then(|entry| file.content(entry, 64)).ok_or(unsigned)?;
    let mut names = Context::new(algorithm);
    hash_facts(file, &file.entries[0], &mut names);
    same(&said, names.finish().as_ref())?;
    let mut content = Context::new(algorithm);
    content.update(&said);
    hash_content(file, &file.entries[0], &mut content);
    Ok(content.finish().as_ref().to_vec())
}

/// All children that are signed.
fn signed<'f, 'a>(file: &'f Compound<'a>, storage: &'f Entry<'a>) -> impl Iterator<Item = &'f Entry<'a>> {
    let beside = if storage.kind == Kind::Root { names().to_vec() } else { Vec::new() };
    let children = storage.children.iter().map(|index| &file.entries[*index]);
    children.filter(move |child| !beside.iter().any(|name| name == child.name))
}

fn hash_facts(file: &Compound<'_>, entry: &Entry<'_>, to: &mut Context) {
    if entry.kind != Kind::Root {
        to.update(entry.name);
    }
    match entry.kind {
        // The lower four bytes: nothing here is larger.
        Kind::Stream => to.update(&entry.size.to_le_bytes()[..4]),
        Kind::Root | Kind::Storage => to.update(entry.clsid),
    }
    to.update(entry.state);
    if entry.kind != Kind::Root {
        to.update(entry.times);
    }
    signed(file, entry).for_each(|child| hash_facts(file, child, to));
}

fn hash_content(file: &Compound<'_>, storage: &Entry<'_>, to: &mut Context) {
    for child in signed(file, storage) {
        match child.kind {
            Kind::Stream => file.pieces(child, |piece| to.update(piece)),
            Kind::Root | Kind::Storage => hash_content(file, child, to),
        }
    }
    to.update(storage.clsid);
}
