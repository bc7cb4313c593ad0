//! Numbers and bytes as the protocol lays them out: big endian, in steps of four bytes.

/// Why something can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// The bytes end too early: try again with more.
    More,
    /// It is not what the protocol allows, or larger than any limit.
    Wrong,
}

/// Reads from the front of some bytes.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next bytes, as many.
    ///
    /// # Errors
    /// [`Short::More`].
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Short> {
        let end = self.at.checked_add(length).ok_or(Short::Wrong)?;
        let taken = self.bytes.get(self.at..end).ok_or(Short::More)?;
        self.at = end;
        Ok(taken)
    }

    /// The next bytes and what fills them up to a multiple of four.
    ///
    /// # Errors
    /// [`Short::More`].
    #[inline]
    pub fn padded(&mut self, length: usize) -> Result<&'a [u8], Short> {
        let whole = self.take(length.checked_next_multiple_of(4).ok_or(Short::Wrong)?)?;
        Ok(&whole[..length])
    }

    /// A number of four bytes.
    ///
    /// # Errors
    /// [`Short::More`].
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }

    /// Some bytes of a known count.
    ///
    /// # Errors
    /// [`Short::More`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A length, and as many bytes.
    ///
    /// # Errors
    /// [`Short`]; wrong when there are more than `most`, before they are waited for.
    #[inline]
    pub fn bytes(&mut self, most: usize) -> Result<&'a [u8], Short> {
        let length = self.u32()? as usize;
        if length > most {
            return Err(Short::Wrong);
        }
        self.padded(length)
    }
}

/// Appends a number of four bytes.
pub fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends bytes, filled up to a multiple of four.
pub fn put_padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len() + bytes.len().next_multiple_of(4) - bytes.len(), 0);
}

/// Appends a length and its bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, u32::try_from(bytes.len()).expect("nothing of four gigabytes is ever sent"));
    put_padded(out, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_is_read_again_and_a_cut_asks_for_more(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..8), cut in any::<prop::sample::Index>()) {
            let mut out = Vec::new();
            for text in &texts {
                put_bytes(&mut out, text);
            }
            let read = |bytes: &[u8]| -> Result<Vec<Vec<u8>>, Short> {
                let mut reader = Reader::new(bytes);
                texts.iter().map(|_| reader.bytes(20).map(<[u8]>::to_vec)).collect()
            };
            prop_assert_eq!(read(&out), Ok(texts.clone()));
            if !out.is_empty() {
                prop_assert_eq!(read(&out[..cut.index(out.len())]), Err(Short::More));
            }
        }
    }

    #[test]
    fn a_length_past_the_limit_is_refused_before_its_bytes_come() {
        assert_eq!(Reader::new(&[0, 0, 0, 21]).bytes(20), Err(Short::Wrong));
    }
}
