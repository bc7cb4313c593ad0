//! Reading a page as a stream: every byte that comes out was sealed at just this place.

use crate::{
    Binding, FRAME_BYTES, Key,
    frame::{HEADER, MAGIC, SEALED_BYTES, header},
};
use aws_lc_rs::aead::LessSafeKey;
use std::io::{self, Read};

/// Why a page can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("a result page is not there")]
    Missing,
    /// It is not what was written: cut, changed, another page, or sealed under another key.
    #[error("a result page is damaged")]
    Damaged,
    /// The disk.
    #[error("a result page can't be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => ReadError::Missing,
            io::ErrorKind::UnexpectedEof => ReadError::Damaged,
            _ => ReadError::Io(error),
        }
    }
}

/// Reads one page, frame by frame. Needs the same memory however large it is.
pub struct PageReader<R> {
    from: R,
    key: LessSafeKey,
    binding: Binding,
    unpacker: zstd::bulk::Decompressor<'static>,
    sealed: Vec<u8>,
    content: Vec<u8>,
    frame: u32,
    over: bool,
}

impl<R> std::fmt::Debug for PageReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageReader").field("binding", &self.binding).finish_non_exhaustive()
    }
}

impl<R: Read> PageReader<R> {
    /// Reads what `from` has as the page that `binding` names.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn new(mut from: R, key: &Key, binding: Binding) -> Result<Self, ReadError> {
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(ReadError::Damaged);
        }
        Ok(PageReader {
            from,
            key: key.cipher()?,
            binding,
            unpacker: zstd::bulk::Decompressor::new()?,
            sealed: Vec::new(),
            content: Vec::with_capacity(FRAME_BYTES),
            frame: 0,
            over: false,
        })
    }

    /// The next piece of content; `None` after the last, which is known to be the last.
    ///
    /// # Errors
    /// [`ReadError`]: what came before it is as it was written, and not the whole.
    pub fn piece(&mut self) -> Result<Option<&[u8]>, ReadError> {
        if self.over {
            return Ok(None);
        }
        let mut head = [0; HEADER];
        self.from.read_exact(&mut head)?;
        let (length, last) = header(head).ok_or(ReadError::Damaged)?;
        debug_assert!(length <= SEALED_BYTES);
        self.sealed.resize(length, 0);
        self.from.read_exact(&mut self.sealed)?;
        let packed = self.binding.open(&self.key, self.frame, last, &mut self.sealed);
        let packed = packed.ok_or(ReadError::Damaged)?;
        self.content.clear();
        self.unpacker.decompress_to_buffer(packed, &mut self.content).map_err(|_| ReadError::Damaged)?;
        self.frame = self.frame.checked_add(1).ok_or(ReadError::Damaged)?;
        if last {
            // Nothing may follow it.
            if self.from.read(&mut [0])? != 0 {
                return Err(ReadError::Damaged);
            }
            self.over = true;
        }
        Ok(Some(&self.content))
    }
}
