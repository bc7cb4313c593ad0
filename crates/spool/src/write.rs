//! Writing the pages of one attempt, one after the other.

use crate::{
    Binding, FRAME_BYTES, Key,
    budget::Budget,
    frame::{HEADER, MAGIC},
    page_path, sync_folder,
};
use aws_lc_rs::aead::LessSafeKey;
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

/// Fast and small enough, as for what travels.
const LEVEL: i32 = 1;

/// Why a page can't be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The budget is used up, or the disk must keep what it has free.
    #[error("there is no room for more result pages")]
    NoRoom,
    /// The disk.
    #[error("a result page can't be written: {0}")]
    Io(#[from] io::Error),
}

/// A page that is whole and durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// From 1.
    pub page: u32,
    /// On the disk.
    pub bytes: u64,
}

/// The pages of one attempt, in their order. Needs the same memory however large they are.
pub struct Attempt {
    folder: PathBuf,
    binding: Binding,
    key: LessSafeKey,
    budget: Arc<Budget>,
    packer: zstd::bulk::Compressor<'static>,
    /// Content that waits for its frame to be full.
    content: Vec<u8>,
    packed: Vec<u8>,
    open: Option<Open>,
}

struct Open {
    file: fs::File,
    beside: PathBuf,
    frame: u32,
    bytes: u64,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("binding", &self.binding).finish_non_exhaustive()
    }
}

impl Attempt {
    pub(super) fn new(folder: PathBuf, binding: Binding, key: &Key, budget: Arc<Budget>) -> io::Result<Self> {
        Ok(Attempt {
            folder,
            binding,
            key: key.cipher()?,
            budget,
            packer: zstd::bulk::Compressor::new(LEVEL)?,
            content: Vec::new(),
            packed: Vec::new(),
            open: None,
        })
    }

    /// Appends content to the present page; the first begins it.
    ///
    /// # Errors
    /// [`WriteError`]: then the page is gone, and so is the attempt.
    pub fn write(&mut self, mut content: &[u8]) -> Result<(), WriteError> {
        self.begin()?;
        while !content.is_empty() {
            // Only when more comes: the last frame must say that it is.
            if self.content.len() == FRAME_BYTES {
                self.seal(false)?;
            }
            let (now, later) = content.split_at(content.len().min(FRAME_BYTES - self.content.len()));
            self.content.extend_from_slice(now);
            content = later;
        }
        Ok(())
    }

    /// Ends the present page: it is whole and on the disk under its name when this returns. One that nothing was written to
    /// is empty, and there too.
    ///
    /// # Errors
    /// As [`Attempt::write`].
    pub fn end_page(&mut self) -> Result<Written, WriteError> {
        self.begin()?;
        self.seal(true)?;
        let Some(open) = self.open.as_mut() else { return Err(closed().into()) };
        open.file.sync_all()?;
        fs::rename(&open.beside, page_path(&self.folder, self.binding.attempt, self.binding.page))?;
        let bytes = open.bytes;
        self.open = None;
        sync_folder(Some(&self.folder))?;
        Ok(Written { page: self.binding.page, bytes })
    }

    fn begin(&mut self) -> Result<(), WriteError> {
        if self.open.is_some() {
            return Ok(());
        }
        // The number rises before anything is sealed under it, so that none is used twice.
        self.binding.page = self.binding.page.checked_add(1).ok_or_else(closed)?;
        if !self.budget.take(MAGIC.len() as u64) {
            return Err(WriteError::NoRoom);
        }
        let beside = self.folder.join(format!("{:08x}.new", self.binding.attempt));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let opened = options.open(&beside).and_then(|mut file| file.write_all(MAGIC).map(|()| file));
        match opened {
            Ok(file) => {
                self.open = Some(Open { file, beside, frame: 0, bytes: MAGIC.len() as u64 });
                Ok(())
            }
            Err(error) => {
                self.budget.give_back(MAGIC.len() as u64);
                Err(error.into())
            }
        }
    }

    fn seal(&mut self, last: bool) -> Result<(), WriteError> {
        let Some(open) = self.open.as_mut() else { return Err(closed().into()) };
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(self.content.len()) + 64);
        self.packer.compress_to_buffer(&self.content, &mut self.packed)?;
        self.content.clear();
        let header = self.binding.seal(&self.key, open.frame, last, &mut self.packed);
        let header = header.ok_or_else(|| io::Error::other("a frame can't be sealed"))?;
        let bytes = (HEADER + self.packed.len()) as u64;
        if !self.budget.take(bytes) {
            return Err(WriteError::NoRoom);
        }
        open.bytes += bytes;
        open.file.write_all(&header)?;
        open.file.write_all(&self.packed)?;
        open.frame = open.frame.checked_add(1).ok_or_else(closed)?;
        Ok(())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            drop(open.file);
            let _ = fs::remove_file(&open.beside);
            self.budget.give_back(open.bytes);
        }
    }
}

fn closed() -> io::Error {
    io::Error::other("the attempt is closed")
}
