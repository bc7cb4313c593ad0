//! Result pages on the site's disk: sealed, whole or not there, within a budget.
//!
//! One folder per job, one file per page. A page is a row of frames, each compressed and then sealed under the key of the
//! attempt that wrote it; whoever forgets the key has erased the pages, wherever the disk's blocks went. Nothing here
//! knows what a row is.

mod budget;
mod frame;
mod key;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use budget::{FreeSpace, Limits};
pub use frame::{Binding, FRAME_BYTES};
pub use key::Key;
pub use read::{PageReader, ReadError};
pub use write::{Attempt, WriteError, Written};

use budget::Budget;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Whose pages they are: names a folder, and is bound into every frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub [u8; 16]);

impl Owner {
    fn folder_name(self) -> String {
        self.to_string()
    }

    fn parse(name: &str) -> Option<Self> {
        let digits = name.as_bytes();
        if digits.len() != 32 || digits.iter().any(|d| !matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(name, 16).ok().map(|number| Owner(number.to_be_bytes()))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The pages of one Link.
pub struct Spool {
    root: PathBuf,
    budget: Arc<Budget>,
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").field("used", &self.used()).finish_non_exhaustive()
    }
}

impl Spool {
    /// Opens the spool in `root`, a folder that exists and that nobody else may look into. Counts what is there; what was
    /// being written when the last process ended is removed.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn open(root: &Path, limits: Limits, free: FreeSpace) -> io::Result<Self> {
        let budget = Arc::new(Budget::new(root, limits, free));
        let spool = Spool { root: root.to_owned(), budget };
        for owner in spool.owners()? {
            for file in files(&spool.folder(owner))? {
                match page_of(&file.path) {
                    Some(_) => spool.budget.count(file.bytes),
                    None => fs::remove_file(&file.path)?,
                }
            }
        }
        Ok(spool)
    }

    /// Begins to write the pages of one attempt. Its key may seal the pages of no other.
    ///
    /// # Errors
    /// When the job's folder can't be made.
    pub fn attempt(&self, owner: Owner, attempt: u32, key: &Key) -> io::Result<Attempt> {
        let folder = self.folder(owner);
        make_folder(&folder)?;
        Attempt::new(folder, Binding { owner, attempt, page: 0 }, key, self.budget.clone())
    }

    /// Opens a page.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn page(
        &self,
        owner: Owner,
        attempt: u32,
        page: u32,
        key: &Key,
    ) -> Result<PageReader<fs::File>, ReadError> {
        let file = fs::File::open(page_path(&self.folder(owner), attempt, page))?;
        PageReader::new(file, key, Binding { owner, attempt, page })
    }

    /// Removes all pages of a job.
    ///
    /// # Errors
    /// When a file can't be removed. What could be is.
    pub fn forget(&self, owner: Owner) -> io::Result<()> {
        self.forget_if(owner, |_| true)
    }

    /// Removes the pages of all attempts of a job but those that `keep` wants.
    ///
    /// # Errors
    /// As [`Spool::forget`].
    pub fn forget_attempts(&self, owner: Owner, keep: impl Fn(u32) -> bool) -> io::Result<()> {
        self.forget_if(owner, |attempt| !keep(attempt))
    }

    /// Removes what nobody owns: `keep` is asked for each attempt of each job that has a folder.
    ///
    /// # Errors
    /// As [`Spool::forget`].
    pub fn sweep(&self, mut keep: impl FnMut(Owner, u32) -> bool) -> io::Result<()> {
        for owner in self.owners()? {
            let mut attempts: Vec<u32> =
                files(&self.folder(owner))?.iter().filter_map(|f| page_of(&f.path)).map(|(a, _)| a).collect();
            attempts.sort_unstable();
            attempts.dedup();
            // An empty folder is asked for as well, or it would stay for ever.
            let kept = attempts.is_empty() && keep(owner, 0);
            let kept_attempts: Vec<u32> =
                attempts.into_iter().filter(|attempt| keep(owner, *attempt)).collect();
            if !kept {
                self.forget_if(owner, |attempt| !kept_attempts.contains(&attempt))?;
            }
        }
        Ok(())
    }

    /// Bytes of all pages.
    pub fn used(&self) -> u64 {
        self.budget.used()
    }

    /// Most bytes of all pages together.
    pub fn most(&self) -> u64 {
        self.budget.most()
    }

    /// Whether a new job may come: a tenth of the budget is left, and the disk is not nearly at what must stay free.
    pub fn takes_more(&self) -> bool {
        self.budget.takes_more()
    }

    fn folder(&self, owner: Owner) -> PathBuf {
        self.root.join(owner.folder_name())
    }

    fn owners(&self) -> io::Result<Vec<Owner>> {
        let mut owners = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            // What is not ours is left alone.
            if let Some(owner) = entry.file_name().to_str().and_then(Owner::parse)
                && entry.file_type()?.is_dir()
            {
                owners.push(owner);
            }
        }
        Ok(owners)
    }

    fn forget_if(&self, owner: Owner, forget: impl Fn(u32) -> bool) -> io::Result<()> {
        let folder = self.folder(owner);
        let mut left = false;
        let mut failed = None;
        for file in files(&folder)? {
            match page_of(&file.path) {
                Some((attempt, _)) if forget(attempt) => match fs::remove_file(&file.path) {
                    Ok(()) => self.budget.give_back(file.bytes),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => failed = Some(error),
                },
                _ => left = true,
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if !left {
            match fs::remove_dir(&folder) {
                Err(error)
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                    ) =>
                {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

struct File {
    path: PathBuf,
    bytes: u64,
}

/// What lies in a folder; nothing, when there is none.
fn files(folder: &Path) -> io::Result<Vec<File>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        match entry.metadata() {
            Ok(about) if about.is_file() => files.push(File { path: entry.path(), bytes: about.len() }),
            Ok(_) => {}
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

fn page_path(folder: &Path, attempt: u32, page: u32) -> PathBuf {
    folder.join(format!("{attempt:08x}-{page:08x}.page"))
}

/// Attempt and number of a whole page's file.
fn page_of(path: &Path) -> Option<(u32, u32)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".page")?;
    let (attempt, page) = name.split_once('-')?;
    let number = |text: &str| u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 8);
    Some((number(attempt)?, number(page)?))
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)?;
    sync_folder(path.parent())
}

/// Makes names durable. On Windows renaming is as durable as it gets.
fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = folder {
        fs::File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
