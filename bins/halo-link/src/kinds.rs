//! The kinds of database that this program serves.

use agent::{
    config::Site,
    pms::{PmsFile, PmsFiles},
};
use database::Engine;
use std::{path::Path, sync::Arc};

/// One folder of the workspace each.
const KINDS: &[database::Kind] = &[mssql::KIND, firebird::KIND, practice::KIND];

/// The file that says what a site's database is asked, and its engine, with the settings that the file fills in. Does not wait for the
/// server.
///
/// # Errors
/// A sentence that names the setting and never quotes a value.
pub(crate) fn open(
    site: &Site,
    files: &PmsFiles,
    folder: &Path,
) -> Result<(Arc<PmsFile>, Arc<dyn Engine>), String> {
    let kind = &site.database.kind;
    let file = files.of(site.pms, kind)?;
    let mut database = site.database.clone();
    file.fill(&mut database.settings, kind);
    let engine = database.open(KINDS, folder).map_err(|wrong| wrong.to_string())?;
    Ok((file, engine))
}
