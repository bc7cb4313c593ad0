//! Bytes, read from the front.

use crate::AuditError;

/// What is left of some bytes. Whatever is asked for must be there.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// What is being read, for the error.
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, rest: &'a [u8]) -> Self {
        Reader { rest, what }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], AuditError> {
        let (first, rest) = self.rest.split_first_chunk::<N>().ok_or(AuditError::Malformed(self.what))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn version(&mut self, known: u8) -> Result<(), AuditError> {
        match self.array::<1>()? {
            [version] if version == known => Ok(()),
            [version] => Err(AuditError::Version { what: self.what, version: version.into() }),
        }
    }

    pub(crate) fn u64(&mut self) -> Result<u64, AuditError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, AuditError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A length of four bytes, at most `most`, and as many bytes.
    pub(crate) fn counted(&mut self, most: usize) -> Result<&'a [u8], AuditError> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if length > most {
            return Err(AuditError::TooLong(self.what));
        }
        let (first, rest) = self.rest.split_at_checked(length).ok_or(AuditError::Malformed(self.what))?;
        self.rest = rest;
        Ok(first)
    }

    pub(crate) fn text(&mut self, most: usize) -> Result<String, AuditError> {
        let text = std::str::from_utf8(self.counted(most)?).map_err(|_| AuditError::Malformed(self.what))?;
        Ok(text.to_owned())
    }

    /// Nothing may follow: else two different bytes would be the same thing.
    pub(crate) fn end(self) -> Result<(), AuditError> {
        if self.rest.is_empty() { Ok(()) } else { Err(AuditError::Malformed(self.what)) }
    }
}

/// Appends a length of four bytes and the bytes.
pub(crate) fn push_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    // What is too long for the length is far beyond every limit: it will not read back.
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}
