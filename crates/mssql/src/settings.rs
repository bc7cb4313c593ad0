//! `[site.database]` of `link.toml`, and what the driver makes of it.

use database::OpenError;
use model::{Catalogue, Hidden};
use mssql_tds::{
    connection::client_context::{ClientContext, TdsAuthenticationMethod, VectorVersion},
    core::{EncryptionOptions, EncryptionSetting},
};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// For the help text.
pub(crate) const EXAMPLE: &str = r#"kind = "mssql"
server = 'localhost\BPSINSTANCE'         # or "host", "host,port", "tcp:host,port"
catalogues = { Patients = "BPSPatients", Drugs = "BPSDrugs" }
default = "Patients"
encrypt = "required"                    # or "strict" (TDS 8), "login-only" (rows travel in the clear)
certificate = "sqlserver.pem"           # pinned; or leave it to the system's roots
# host_name_in_certificate = "sql.clinic.local"
# trust_server_certificate = true       # any certificate: only where nobody else is on the wire
# login = { user = "halo_link", password_file = "halo_link.password" }   # or { windows = true }"#;

/// Connect and login, each, in seconds.
const PATIENCE: u32 = 15;

/// How much of a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encrypt {
    /// All of it, from the first byte on (TDS 8: SQL Server 2022 and later).
    Strict,
    /// All of it but the greeting.
    #[default]
    Required,
    /// The login alone, when the server does not insist on more: statements and rows travel in the clear.
    LoginOnly,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    server: String,
    catalogues: BTreeMap<String, String>,
    default: Option<String>,
    #[serde(default)]
    encrypt: Encrypt,
    certificate: Option<PathBuf>,
    host_name_in_certificate: Option<String>,
    #[serde(default)]
    trust_server_certificate: bool,
    application_name: Option<String>,
    login: Option<OwnFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnFile {
    user: Option<Hidden<String>>,
    password: Option<Hidden<String>>,
    password_file: Option<PathBuf>,
    #[serde(default)]
    windows: bool,
}

/// Link's own login, for what a site says of itself.
#[derive(Clone, Debug)]
pub(crate) enum Own {
    /// A login of the server's.
    Sql(database::Login),
    /// The account that Link runs under.
    Windows,
}

/// Where a server is, its databases, and how to talk to it.
#[derive(Clone)]
pub struct Settings {
    server: String,
    /// Catalogue and database; the default first.
    pub(crate) catalogues: Vec<(Catalogue, String)>,
    encryption: EncryptionOptions,
    application_name: String,
    pub(crate) own: Option<Own>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the table.
    ///
    /// # Errors
    /// A sentence that names the setting and says what it should be.
    pub fn read(settings: &database::Settings<'_>) -> Result<Settings, OpenError> {
        let wrong = |what: String| OpenError(format!("[site.database]: {what}"));
        let file: File = settings.read()?;
        let server = file.server.trim().to_owned();
        check_server(&server).map_err(wrong)?;
        let default = match (&file.default, file.catalogues.len()) {
            (Some(name), _) => name.clone(),
            (None, 1) => file.catalogues.keys().next().cloned().unwrap_or_default(),
            (None, 0) => {
                return Err(wrong(
                    "catalogues: names at least one, such as Patients = \"BPSPatients\"".into(),
                ));
            }
            (None, _) => {
                return Err(wrong(
                    "default: says which of the catalogues is meant when nobody names one".into(),
                ));
            }
        };
        let mut catalogues: Vec<_> = file
            .catalogues
            .into_iter()
            .map(|(name, database)| {
                let is_default = name.eq_ignore_ascii_case(&default);
                (Catalogue { name, is_default }, database)
            })
            .collect();
        if catalogues.iter().filter(|(c, _)| c.is_default).count() != 1 {
            return Err(wrong(
                "default: is one of the catalogues, and no two of them differ by case alone".into(),
            ));
        }
        catalogues.sort_by_key(|(catalogue, _)| !catalogue.is_default);
        if file.certificate.is_some() && file.trust_server_certificate {
            return Err(wrong("certificate and trust_server_certificate: one of them, not both".into()));
        }
        if file.encrypt == Encrypt::Strict && file.trust_server_certificate {
            return Err(wrong(
                "trust_server_certificate: strict encryption checks the certificate; pin it instead".into(),
            ));
        }
        let mode = match file.encrypt {
            Encrypt::Strict => EncryptionSetting::Strict,
            Encrypt::Required => EncryptionSetting::Required,
            Encrypt::LoginOnly => EncryptionSetting::PreferOff,
        };
        let encryption = EncryptionOptions {
            mode,
            trust_server_certificate: file.trust_server_certificate,
            host_name_in_cert: file.host_name_in_certificate,
            server_certificate: file.certificate.map(|path| settings.folder.join(path)),
        };
        Ok(Settings {
            server,
            catalogues,
            encryption,
            application_name: file.application_name.unwrap_or_else(|| "Halo Link".to_owned()),
            own: file.login.map(|own| own.read(settings.folder)).transpose().map_err(wrong)?,
        })
    }

    /// The database of a catalogue; names compare without case.
    pub(crate) fn database(&self, catalogue: &str) -> Option<&str> {
        let found = self.catalogues.iter().find(|(c, _)| c.name.eq_ignore_ascii_case(catalogue));
        found.map(|(_, database)| database.as_str())
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// What the driver is told for a connection of `login` to `database`.
    pub(crate) fn context(&self, login: &Own, database: &str) -> ClientContext {
        let mut context = ClientContext::with_data_source(&self.server);
        match login {
            Own::Sql(login) => {
                context.user_name.clone_from(login.user.reveal());
                context.password.clone_from(login.password.reveal());
            }
            Own::Windows => context.tds_authentication_method = TdsAuthenticationMethod::SSPI,
        }
        database.clone_into(&mut context.database);
        context.application_name.clone_from(&self.application_name);
        context.encryption_options = self.encryption.clone();
        context.connect_timeout = PATIENCE;
        context.login_timeout = Some(PATIENCE);
        // A session that lost its connection has lost its transaction and its settings: it must not go on in silence.
        context.connect_retry_count = 0;
        // The login's own language, as with the database's other drivers: dates in words read the same.
        context.language = String::new();
        // Vectors then come as text.
        context.vector_version = VectorVersion::Off;
        context
    }
}

fn check_server(server: &str) -> Result<(), String> {
    let form = "server: \"host\", \"host,port\", 'host\\INSTANCE' or \"tcp:host,port\"";
    if server.is_empty() || server.len() > 255 || server.chars().any(char::is_control) {
        return Err(form.to_owned());
    }
    let parsed = ClientContext::with_data_source(server).parse_datasource(server);
    parsed.map(|_| ()).map_err(|_| form.to_owned())
}

impl OwnFile {
    fn read(self, folder: &std::path::Path) -> Result<Own, String> {
        if self.windows {
            if self.user.is_some() || self.password.is_some() || self.password_file.is_some() {
                return Err(
                    "login: windows = true takes the account of the service, no user and no password".into(),
                );
            }
            if !cfg!(windows) {
                return Err("login: windows = true works on Windows only; give user and password_file".into());
            }
            return Ok(Own::Windows);
        }
        let user = self.user.ok_or("login: user is missing")?;
        let password = match (self.password, self.password_file) {
            (Some(password), None) => password,
            (None, Some(path)) => {
                let path = folder.join(path);
                let text = std::fs::read_to_string(&path)
                    .map_err(|_| format!("login: password_file {} can't be read", path.display()))?;
                Hidden::new(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            _ => return Err("login: password_file, or password, and not both".into()),
        };
        Ok(Own::Sql(database::Login { user, password }))
    }
}

#[cfg(test)]
mod tests;
