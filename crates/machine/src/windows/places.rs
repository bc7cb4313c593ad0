//! Looks at the folders of an installation, and closes them, each by its open handle: nothing that is put in its place meanwhile counts.

use super::security::{self, Descriptor};
use crate::{
    paths,
    rights::{self, Found, Me, Place},
};
use std::{
    fs::{self, File},
    io,
    os::windows::{fs::OpenOptionsExt, io::AsRawHandle},
    path::{Path, PathBuf},
};
use windows_sys::Win32::{
    Security::Authorization::SE_FILE_OBJECT,
    Storage::FileSystem::{
        BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
        FILE_READ_ATTRIBUTES, GetFileInformationByHandle, READ_CONTROL, WRITE_DAC, WRITE_OWNER,
    },
};

/// Nothing of ours is so deep.
const DEEPEST: u32 = 64;

pub(crate) fn check() -> io::Result<()> {
    Walk::new(false).all()
}

pub(crate) fn secure() -> io::Result<()> {
    // Before anything is changed.
    check()?;
    Walk::new(true).all()
}

pub(crate) fn check_administrators(path: &Path) -> io::Result<()> {
    match Walk::new(false).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => judge(&opened?, path, Place::Link, &security::me()).map(drop),
    }
}

struct Walk {
    me: Me,
    /// Gives owners and rights, and makes what is missing; else it only looks.
    change: bool,
    /// Folders that have rights of their own, below the company's.
    roots: [(PathBuf, Place); 3],
}

impl Walk {
    fn new(change: bool) -> Walk {
        security::open_everything();
        let roots =
            [(paths::home(), Place::Link), (paths::updates(), Place::Updates), (paths::data(), Place::Data)];
        Walk { me: security::me(), change, roots }
    }

    /// From the outside in: once a folder is closed, nobody else puts anything into it any more.
    fn all(&self) -> io::Result<()> {
        if let Some(company) = self.roots[0].0.parent() {
            self.root(company, Place::Company)?;
        }
        for (path, place) in &self.roots {
            self.root(path, *place)?;
            self.inside(path, *place, DEEPEST)?;
        }
        Ok(())
    }

    fn root(&self, path: &Path, place: Place) -> io::Result<()> {
        if self.change {
            match fs::create_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(named(path)(error)),
                _ => {}
            }
        }
        match self.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => {
                let file = opened?;
                if !judge(&file, path, place, &self.me)? {
                    let path = path.display();
                    return Err(io::Error::other(format!(
                        "{path} is a file, where a folder belongs: look at it, remove it, and try again"
                    )));
                }
                self.give(&file, path, &place.descriptor(&self.me))
            }
        }
    }

    fn inside(&self, folder: &Path, place: Place, deeper: u32) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(named(folder))?,
        };
        for entry in entries {
            let path = entry.map_err(named(folder))?.path();
            if self.roots.iter().any(|(root, _)| same(root, &path)) {
                continue;
            }
            let file = match self.open(&path) {
                // A log that was put aside meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let is_folder = judge(&file, &path, place, &self.me)?;
            self.give(&file, &path, &place.inherited(is_folder, &self.me))?;
            if is_folder {
                let deeper = deeper.checked_sub(1).ok_or_else(|| {
                    io::Error::other(format!("{} is too deep: look at it, and remove it", path.display()))
                })?;
                self.inside(&path, place, deeper)?;
            }
        }
        Ok(())
    }

    fn give(&self, file: &File, path: &Path, descriptor: &str) -> io::Result<()> {
        if !self.change {
            return Ok(());
        }
        security::set_open(file.as_raw_handle(), &Descriptor::of(descriptor)?).map_err(named(path))
    }

    /// The thing itself, also where it is a link.
    fn open(&self, path: &Path) -> io::Result<File> {
        let rights = if self.change { WRITE_DAC | WRITE_OWNER } else { 0 };
        let mut options = File::options();
        options.access_mode(READ_CONTROL | FILE_READ_ATTRIBUTES | rights);
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
        options.open(path).map_err(named(path))
    }
}

/// Whether it is a folder; an error when it is not obeyed.
fn judge(file: &File, path: &Path, place: Place, me: &Me) -> io::Result<bool> {
    let about = file.metadata().map_err(named(path))?;
    let owner = security::owner(file.as_raw_handle(), SE_FILE_OBJECT).map_err(named(path))?;
    let link = about.file_type().is_symlink();
    let names = if about.is_file() { names(file).map_err(named(path))? } else { 1 };
    let found = Found { owner: owner.sid, name: owner.name, link, names };
    match rights::refusal(path, &found, place, me) {
        Some(sentence) => Err(io::Error::other(sentence)),
        None => Ok(about.is_dir()),
    }
}

fn names(file: &File) -> io::Result<u32> {
    let mut about = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and the structure is as long as its type says.
    let good = unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut about) };
    if good == 0 { Err(io::Error::last_os_error()) } else { Ok(about.nNumberOfLinks) }
}

/// Windows does not tell cases apart.
fn same(one: &Path, other: &Path) -> bool {
    one.as_os_str().eq_ignore_ascii_case(other.as_os_str())
}

fn named(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| {
        let next = match error.kind() {
            io::ErrorKind::PermissionDenied => ": run this as an administrator",
            _ => "",
        };
        io::Error::new(error.kind(), format!("{} can't be looked at ({error}){next}", path.display()))
    }
}
