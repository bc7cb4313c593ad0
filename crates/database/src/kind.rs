//! A kind of database that a site's configuration can name: how an engine is added.

use crate::Engine;
use std::{path::Path, sync::Arc};

/// The `[site.database]` table of `link.toml`, without `kind`.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// As written, with what the PMS file fills in.
    pub table: &'a toml::Table,
    /// Where relative paths start.
    pub folder: &'a Path,
}

impl Settings<'_> {
    /// The settings as the engine's own type (`deny_unknown_fields`, please).
    ///
    /// # Errors
    /// Which setting is wrong. Never quotes a value: one may be a password.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, OpenError> {
        let read = self.table.clone().try_into();
        read.map_err(|error: toml::de::Error| {
            OpenError(format!("[site.database]: {}", without_texts(error.message())))
        })
    }
}

/// What stands between double quotes is a value that somebody wrote into the file.
fn without_texts(message: &str) -> String {
    let parts = message.split('"').enumerate();
    parts.map(|(i, part)| if i % 2 == 0 { part } else { "…" }).collect()
}

/// Why an engine can't be opened: a sentence for people that says what to do. Quotes no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub String);

/// A kind of database.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// `kind` in `[site.database]`, for example `mssql`.
    pub name: &'static str,
    /// A whole `[site.database]` table for the help text, one setting per line.
    pub example: &'static str,
    /// Opens an engine. Does not wait for the server: a clinic's database may start after its agent.
    pub open: fn(&Settings<'_>) -> Result<Arc<dyn Engine>, OpenError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is of interest")]
    struct Some {
        port: u16,
    }

    #[test]
    fn a_wrong_setting_is_named_and_its_value_is_not() {
        let read = |text: &str| {
            let table = text.parse().unwrap();
            Settings { table: &table, folder: Path::new(".") }.read::<Some>().unwrap_err().to_string()
        };
        let wrong = read("port = 'hunter2'");
        assert!(wrong.contains("expected u16") && !wrong.contains("hunter2"), "{wrong}");
        assert!(read("port = 1\nprot = 2").contains("`prot`"));
    }
}
