//! PMS files: by what one kind of practice software is known, and where its database says whose it is.
//!
//! Three are built in, from the folder `pms` of the source. A practice's own folder may replace one by its name or add
//! another. `docs/pms.md` has the form.

mod form;
#[cfg(test)]
mod tests;

pub use form::{Catalogue, Facts, Query};

use form::Form;
use model::Pms;
use std::{fs, path::Path, sync::Arc};

/// Largest PMS file, in bytes.
const FILE_BYTES: u64 = 64 * 1024;
/// Most files in a practice's own folder.
const FILES: usize = 64;
/// Kinds of database that bring their catalogues themselves and take none from settings.
const WITH_OWN_CATALOGUES: &[&str] = &["demo"];
/// The file for software that has none of its own.
const GENERIC: &str = "generic.toml";

const BUILT_IN: [(&str, &str); 3] = [
    ("bp-premier.toml", include_str!("../../../pms/bp-premier.toml")),
    ("zedmed.toml", include_str!("../../../pms/zedmed.toml")),
    (GENERIC, include_str!("../../../pms/generic.toml")),
];

/// What Link knows of one kind of practice software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PmsFile {
    /// Its own name, for example `bp-premier.toml`.
    pub file: String,
    /// Which software; `None` for any.
    pub pms: Option<Pms>,
    /// Kinds of database that it fits; empty for any.
    pub kinds: Vec<String>,
    /// Its databases, as they are usually called.
    pub catalogues: Vec<Catalogue>,
    /// Gives a row where the database belongs to this software. `None`: nothing is asked of the database.
    pub detect: Option<Query>,
    /// Where the database says whose it is.
    pub facts: Facts,
    /// Keys of the vendor, each the public-key info of a P-256 key in DER.
    pub approval_keys: Vec<Vec<u8>>,
}

impl PmsFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Which line is wrong, and why.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let form: Form = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            format!("{file}: line {line}: {}", error.message())
        })?;
        form.checked(file).map_err(|wrong| format!("{file}: {wrong}"))
    }

    /// Whether it is about databases of this kind, for example `mssql`.
    pub fn fits(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|own| own == kind)
    }

    /// Whether there is anything to ask a database.
    pub fn asks(&self) -> bool {
        self.detect.is_some() || self.facts.all().iter().any(|(_, query)| query.is_some())
    }

    /// Writes this software's catalogues into the settings of a database of this kind, where the settings say nothing of
    /// catalogues themselves: `catalogues`, a table of name to database, and `default`, a name.
    pub fn fill(&self, settings: &mut toml::Table, kind: &str) {
        let own = WITH_OWN_CATALOGUES.contains(&kind) || !self.fits(kind);
        if own || self.catalogues.is_empty() || settings.contains_key("catalogues") {
            return;
        }
        let names = self.catalogues.iter().map(|c| (c.name.clone(), c.database.clone().into()));
        settings.insert("catalogues".to_owned(), toml::Value::Table(names.collect()));
        if let Some(default) = self.catalogues.iter().find(|c| c.default) {
            settings.entry("default").or_insert_with(|| default.name.clone().into());
        }
    }
}

/// All PMS files of a Link.
#[derive(Clone, Debug)]
pub struct PmsFiles {
    /// Those of the practice's folder first.
    files: Vec<Arc<PmsFile>>,
    /// How many of them are the practice's.
    own: usize,
}

impl PmsFiles {
    /// The built-in files, and those of the practice's own folder: one of the same name replaces a built-in one.
    ///
    /// # Errors
    /// Which file and line is wrong, and why.
    pub fn load(folder: Option<&Path>) -> Result<Self, String> {
        let mut files = folder.map(read_folder).transpose()?.unwrap_or_default();
        let own = files.len();
        for (file, text) in BUILT_IN {
            if files.iter().all(|own| own.file != file) {
                files.push(Arc::new(PmsFile::parse(file, text)?));
            }
        }
        Ok(PmsFiles { files, own })
    }

    /// The one for this software on this kind of database: one that names both, else one for any software.
    ///
    /// # Errors
    /// When two of the practice's own files fit equally well.
    pub fn of(&self, pms: Pms, kind: &str) -> Result<Arc<PmsFile>, String> {
        for wanted in [Some(pms), None] {
            let (own, built_in) = self.files.split_at(self.own);
            let fits = |file: &&Arc<PmsFile>| file.pms == wanted && file.fits(kind);
            // The practice's own word goes before ours.
            let of_both = if own.iter().any(|file| fits(&file)) { own } else { built_in };
            let mut fitting = of_both.iter().filter(fits);
            match (fitting.next(), fitting.next()) {
                (Some(one), Some(other)) => {
                    return Err(format!(
                        "the PMS files {} and {} both fit {} on {kind}: give one of them the other's name, or remove it",
                        one.file,
                        other.file,
                        pms.type_name()
                    ));
                }
                (Some(one), None) => return Ok(one.clone()),
                (None, _) => {}
            }
        }
        Err(format!(
            "no PMS file fits {} on {kind}, and {GENERIC} is for fewer kinds than all",
            pms.type_name()
        ))
    }
}

fn read_folder(folder: &Path) -> Result<Vec<Arc<PmsFile>>, String> {
    let unread = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| unread(folder, e))? {
        let path = entry.map_err(|e| unread(folder, e))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
        if paths.len() > FILES {
            return Err(format!("{}: more than {FILES} PMS files", folder.display()));
        }
    }
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let size = fs::metadata(path).map_err(|e| unread(path, e))?.len();
        if size > FILE_BYTES {
            return Err(format!("{}: larger than 64 KiB", path.display()));
        }
        let text = fs::read_to_string(path).map_err(|e| unread(path, e))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        PmsFile::parse(&name, &text).map(Arc::new)
    };
    paths.iter().map(read).collect()
}
