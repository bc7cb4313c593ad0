//! Firebird as a kind of database that a site's configuration can name.

use crate::{engine::FirebirdEngine, wire::request::WireCrypt};
use database::{Engine, Kind, Login, OpenError, Settings};
use model::{Catalogue, Hidden};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// `kind = "firebird"`.
pub const KIND: Kind = Kind {
    name: "firebird",
    example: r#"kind = "firebird"
host = "localhost"
port = 3050
catalogues = { Patients = "C:/Zedmed/patients.fdb", Clinical = "clinical" } # paths at the server, or aliases
default = "Patients"
wire_crypt = "required"       # or "enabled", "disabled"
none_charset = "windows-1252" # or "utf-8": how texts are written to columns without a character set
charset = "UTF8"
role = "HALO"                 # optional
login = { user = "HALO_LINK", password_file = "firebird.password" } # optional: Link's own"#,
    open,
};

/// Longest path of a database, in bytes.
const PATH: usize = 1024;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default = "localhost")]
    host: String,
    #[serde(default = "port")]
    port: u16,
    catalogues: BTreeMap<String, String>,
    default: Option<String>,
    #[serde(default = "utf8")]
    charset: String,
    #[serde(default)]
    none_charset: NoneCharset,
    #[serde(default)]
    wire_crypt: WireCrypt,
    role: Option<String>,
    login: Option<Own>,
}

/// How texts are written to columns without a character set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(crate) enum NoneCharset {
    /// As programs for Windows write them.
    #[default]
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// As newer ones do.
    #[serde(rename = "utf-8")]
    Utf8,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    user: Hidden<String>,
    password: Option<Hidden<String>>,
    password_file: Option<PathBuf>,
}

fn localhost() -> String {
    "localhost".to_owned()
}

fn port() -> u16 {
    3050
}

fn utf8() -> String {
    "UTF8".to_owned()
}

/// Settings that were checked.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) charset: String,
    pub(crate) none_charset: NoneCharset,
    pub(crate) wire_crypt: WireCrypt,
    pub(crate) role: Option<String>,
    /// Each with its path at the server.
    pub(crate) catalogues: Vec<(Catalogue, String)>,
    pub(crate) own: Option<Login>,
}

fn open(settings: &Settings<'_>) -> Result<Arc<dyn Engine>, OpenError> {
    let table: Table = settings.read()?;
    let wrong = |text: &str| OpenError(format!("[site.database]: {text}"));
    if table.charset != "UTF8" {
        return Err(wrong(
            "`charset` can only be UTF8: the server then converts every text that has a character set",
        ));
    }
    if table.role.as_ref().is_some_and(|role| role.is_empty() || role.len() > 250) {
        return Err(wrong("`role` has at most 250 bytes"));
    }
    if table.catalogues.is_empty() {
        return Err(wrong("`catalogues` names no database: give at least one, name = \"path\""));
    }
    if table.catalogues.values().any(|path| path.is_empty() || path.len() > PATH) {
        return Err(wrong("a path in `catalogues` is empty or longer than 1024 bytes"));
    }
    let mut names: Vec<_> = table.catalogues.keys().map(|name| name.to_lowercase()).collect();
    names.sort();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(wrong("two names in `catalogues` differ only in case"));
    }
    let default = match (&table.default, table.catalogues.len()) {
        (Some(name), _) => {
            let found = table.catalogues.keys().find(|key| key.to_lowercase() == name.to_lowercase());
            found.cloned().ok_or_else(|| wrong("`default` is none of the `catalogues`"))?
        }
        (None, 1) => table.catalogues.keys().next().cloned().unwrap_or_default(),
        (None, _) => return Err(wrong("say which of the `catalogues` is the `default`")),
    };
    let catalogues = table.catalogues.into_iter().map(|(name, path)| {
        let is_default = name == default;
        (Catalogue { name, is_default }, path)
    });
    Ok(Arc::new(FirebirdEngine::new(Setup {
        host: table.host,
        port: table.port,
        charset: table.charset,
        none_charset: table.none_charset,
        wire_crypt: table.wire_crypt,
        role: table.role,
        catalogues: catalogues.collect(),
        own: table.login.map(|own| own_login(own, settings)).transpose()?,
    })))
}

fn own_login(own: Own, settings: &Settings<'_>) -> Result<Login, OpenError> {
    let password = match (own.password, own.password_file) {
        (Some(password), None) => password,
        (None, Some(file)) => {
            let read = std::fs::read_to_string(settings.folder.join(&file));
            let text = read.map(zeroize::Zeroizing::new).map_err(|error| {
                OpenError(format!("[site.database.login]: can't read {}: {error}", file.display()))
            })?;
            Hidden::new(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        _ => {
            return Err(OpenError(
                "[site.database.login]: give one of `password` and `password_file`".to_owned(),
            ));
        }
    };
    Ok(Login { user: own.user, password })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn opened(text: &str, folder: &Path) -> Result<Arc<dyn Engine>, OpenError> {
        let mut table: toml::Table = text.parse().unwrap();
        table.remove("kind");
        open(&Settings { table: &table, folder })
    }

    #[test]
    fn the_example_opens_and_names_its_catalogues() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("firebird.password"), "kookaburra\n").unwrap();
        let engine = opened(KIND.example, folder.path()).unwrap();
        let names: Vec<_> = engine.catalogues().into_iter().map(|c| (c.name, c.is_default)).collect();
        assert_eq!(names, [("Clinical".to_owned(), false), ("Patients".to_owned(), true)]);
        assert!(engine.connect_own("nowhere").is_some());
    }

    #[test]
    fn settings_that_cannot_work_are_told_and_no_secret_is() {
        for (text, told) in [
            ("catalogues = {}", "names no database"),
            ("catalogues = { a = 'x', B = 'y' }", "which of the"),
            ("catalogues = { a = 'x', A = 'y' }\ndefault = 'a'", "only in case"),
            ("catalogues = { a = 'x' }\ndefault = 'b'", "none of the"),
            ("catalogues = { a = '' }", "is empty"),
            ("catalogues = { a = 'x' }\ncharset = 'WIN1252'", "only be UTF8"),
            ("catalogues = { a = 'x' }\nwire_crypt = 'maybe'", "required"),
            ("catalogues = { a = 'x' }\nlogin = { user = 'u' }", "one of"),
            (
                "catalogues = { a = 'x' }\nlogin = { user = 'u', password = 'hunter2', password_file = 'f' }",
                "one of",
            ),
            ("catalogues = { a = 'x' }\nlogin = { user = 'u', password_file = 'missing' }", "can't read"),
            ("catalogues = { a = 'x' }\nport = 'hunter2'", "u16"),
        ] {
            let error = opened(text, Path::new("/nowhere")).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
