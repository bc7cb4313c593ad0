//! Programs: where the signature is in a PE file, and what it covers.

use super::SignatureError;

/// A program, taken apart.
pub(super) struct Program<'a> {
    /// PKCS #7, DER.
    pub(super) signature: &'a [u8],
    /// All bytes that are signed, in order: everything but the checksum, the place of the signature and the signature.
    pub(super) covered: [&'a [u8]; 3],
}

/// The certificate table begins with its length, a revision and a type.
const HEADER: usize = 8;
/// Revision 2.0, PKCS #7.
const REVISION_AND_TYPE: [u8; 4] = [0, 2, 2, 0];

impl<'a> Program<'a> {
    /// # Errors
    /// [`SignatureError`]: no PE file, not signed, or something after the signature.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Program<'a>, SignatureError> {
        let broken = SignatureError::Format("its header is broken");
        let word = |at: usize| -> Option<usize> {
            let four = bytes.get(at..at.checked_add(4)?)?;
            usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
        };
        let places = || -> Option<(usize, usize)> {
            let header = word(0x3c)?;
            if header < 0x40 || bytes.get(header..header.checked_add(4)?)? != b"PE\0\0" {
                return None;
            }
            let optional = header + 24;
            let directories = match bytes.get(optional..optional + 2)? {
                // 32 and 64 bits.
                [0x0b, 0x01] => optional + 96,
                [0x0b, 0x02] => optional + 112,
                _ => return None,
            };
            // Fewer than five directories: there is no place for a signature, and what follows is something else.
            (word(directories - 4)? > 4).then_some((optional + 64, directories + 4 * 8))
        };
        let (checksum, entry) = places().ok_or(broken.clone())?;
        let (at, size) = word(entry).zip(word(entry + 4)).ok_or(broken.clone())?;
        if at == 0 && size == 0 {
            return Err(SignatureError::Missing);
        }
        // The last thing in the file: what comes after it is covered by nothing.
        if at < entry + 8 || !at.is_multiple_of(8) || at.checked_add(size) != Some(bytes.len()) {
            return Err(SignatureError::Uncovered("its signature is not the end of the file"));
        }
        let table = &bytes[at..];
        let length = word(at).filter(|length| *length > HEADER && length.next_multiple_of(8) == size);
        let length = length.ok_or(SignatureError::Uncovered("there is more beside its signature"))?;
        if table[4..8] != REVISION_AND_TYPE {
            return Err(SignatureError::Unreadable("its kind is unknown"));
        }
        Ok(Program {
            signature: without_padding(&table[HEADER..length], &table[length..])?,
            covered: [&bytes[..checksum], &bytes[checksum + 4..entry], &bytes[entry + 8..at]],
        })
    }
}

/// Some signers count the padding to a multiple of eight as part of the signature. It holds zeros or it holds something.
fn without_padding<'a>(signature: &'a [u8], after: &[u8]) -> Result<&'a [u8], SignatureError> {
    let end = super::cms::der_length(signature)
        .filter(|end| *end <= signature.len())
        .ok_or(SignatureError::Unreadable("it is cut off"))?;
    let (signature, padding) = signature.split_at(end);
    if padding.len() >= 8 || padding.iter().chain(after).any(|byte| *byte != 0) {
        return Err(SignatureError::Uncovered("there is more beside its signature"));
    }
    Ok(signature)
}
