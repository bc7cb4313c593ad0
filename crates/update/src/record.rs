//! `update.json`: how the last run ended, for the doctor.

use crate::Tried;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

/// Larger files are none of ours.
const BYTES: u64 = 64 * 1024;

/// How a run ended. What a reader does not know, it passes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// 1.
    pub metadata_version: u32,
    /// RFC 3339.
    pub checked_at: String,
    /// The newest version, when the cloud said one.
    pub newest: Option<String>,
    /// The version that ran the check.
    pub running: String,
    /// `up-to-date`, `available`, `installed`, `installed-restart-needed`, or `refused`.
    pub outcome: String,
    /// When refused: a word for programs.
    #[serde(default)]
    pub code: Option<String>,
    /// When refused: the sentence that people were told.
    pub why: Option<String>,
    /// The file whose installer was started and has not come to a good end. Later runs hand it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
}

impl Record {
    /// The file's name in its folder.
    pub const FILE: &'static str = "update.json";

    /// What the last run left; `None` when there was none.
    ///
    /// # Errors
    /// The file can't be read, or is none of ours.
    pub fn read(data: &Path) -> io::Result<Option<Record>> {
        let path = data.join(Record::FILE);
        let size = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?.len(),
        };
        if size > BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        serde_json::from_slice(&fs::read(&path)?).map(Some).map_err(io::Error::from)
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let temporary = data.join("update.json.new");
        // Not through what somebody else may have laid there: the folder may be the service's, and this may run as more than it.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::File::create_new(&temporary)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.sync_all()?;
        fs::rename(&temporary, data.join(Record::FILE))
    }
}
