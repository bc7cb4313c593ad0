//! Fields of signed statements, written and read one way: lengths before what has no fixed size, integers big-endian.

use crate::TrustError;

/// Takes fields off the front. Never panics, whatever the bytes are.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Exactly so many bytes.
    pub(crate) fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], TrustError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TrustError::Statement(field))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, TrustError> {
        Ok(self.take(1, field)?[0])
    }

    pub(crate) fn short(&mut self, field: &'static str) -> Result<u16, TrustError> {
        Ok(self.take(2, field)?.iter().fold(0, |sum, byte| sum << 8 | u16::from(*byte)))
    }

    pub(crate) fn long(&mut self, field: &'static str) -> Result<u64, TrustError> {
        Ok(self.take(8, field)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// A length of two bytes, then that many; more than `most` is refused before it is looked at.
    pub(crate) fn sized(&mut self, most: usize, field: &'static str) -> Result<&'a [u8], TrustError> {
        let length = usize::from(self.short(field)?);
        if length > most { Err(TrustError::TooLong(field)) } else { self.take(length, field) }
    }

    /// The same, as text.
    pub(crate) fn text(&mut self, most: usize, field: &'static str) -> Result<&'a str, TrustError> {
        std::str::from_utf8(self.sized(most, field)?).map_err(|_| TrustError::Statement(field))
    }

    /// Nothing may come after the last field: one statement has one form.
    pub(crate) fn end(self) -> Result<(), TrustError> {
        if self.0.is_empty() { Ok(()) } else { Err(TrustError::Statement("more than one statement")) }
    }
}

/// Writes what [`Reader::sized`] reads.
pub(crate) fn push_sized(out: &mut Vec<u8>, bytes: &[u8], field: &'static str) -> Result<(), TrustError> {
    let length = u16::try_from(bytes.len()).map_err(|_| TrustError::TooLong(field))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}
