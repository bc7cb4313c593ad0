//! The demo practice as a kind of database that a site's configuration can name.

use crate::DemoEngine;
use database::{Engine, Kind, OpenError, Settings};
use std::{path::PathBuf, sync::Arc};

/// `kind = "demo"`.
pub const KIND: Kind = Kind { name: "demo", example: "kind = \"demo\"\npath = \"practice\"", open };

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Demo {
    /// Made by the demo.
    path: PathBuf,
}

fn open(settings: &Settings<'_>) -> Result<Arc<dyn Engine>, OpenError> {
    let path = settings.folder.join(settings.read::<Demo>()?.path);
    let engine = DemoEngine::open(&path).map_err(|error| OpenError(error.to_string()))?;
    Ok(Arc::new(engine))
}
