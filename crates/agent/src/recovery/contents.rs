//! What a kit, a backup and a move have in them.

use super::KitError;
use crate::store::Table;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Hidden, Pms, SiteId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trust::{Kind, Root};

/// Version of this form: a higher one is not read. What is added are fields that a reader of this version ignores.
const VERSION: u32 = 1;
/// Most sites that are read.
const SITES: usize = 64;

/// All of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contents {
    pub(crate) version: u32,
    /// ms since 1970, by the old server's clock.
    pub(crate) made_at: i64,
    pub(crate) environment: String,
    /// Version of Halo Link.
    pub(crate) link_version: String,
    /// The latest epoch.
    pub(crate) epoch: u64,
    /// Root key of the installation, PKCS #8.
    pub(crate) link: Secret,
    pub(crate) sites: Vec<Site>,
    /// Absent from a move, which has the whole file beside it.
    #[serde(default)]
    pub(crate) tables: Vec<Table>,
    /// What is sealed in the file beside it is sealed with this key: of a move.
    #[serde(default)]
    pub(crate) seal: Option<Secret>,
    /// The private half of the key to which backups are sealed: of a kit.
    #[serde(default)]
    pub(crate) backup_key: Option<Secret>,
    /// The public half.
    #[serde(default)]
    pub(crate) backup_public: Option<Secret>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").field("made_at", &self.made_at).finish_non_exhaustive()
    }
}

/// One practice database.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Site {
    pub(crate) pms: Pms,
    pub(crate) pms_id: String,
    /// Said, so that a person finds it; what counts is the key.
    pub(crate) guid: SiteId,
    #[serde(default)]
    pub(crate) practice_name: String,
    /// Root key, PKCS #8.
    pub(crate) root: Secret,
}

/// Bytes that nobody prints; base64 in the file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) Hidden<Vec<u8>>);

impl Secret {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Secret(Hidden::new(bytes.to_vec()))
    }

    pub(crate) fn reveal(&self) -> &[u8] {
        self.0.reveal()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Hidden::new(STANDARD.encode(self.reveal()));
        serializer.serialize_str(text.reveal())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Hidden::<String>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.reveal()).map_err(serde::de::Error::custom)?;
        Ok(Secret(Hidden::new(bytes)))
    }
}

impl Contents {
    pub(crate) const VERSION: u32 = VERSION;

    pub(crate) fn to_json(&self) -> Result<Hidden<Vec<u8>>, KitError> {
        // Strings, numbers and lists of them.
        serde_json::to_vec(self).map(Hidden::new).map_err(|_| KitError::Broken("its contents"))
    }

    /// Reads and checks: every key is one, and is its identifier's.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, KitError> {
        #[derive(Deserialize)]
        struct Only {
            version: u32,
        }
        let broken = |_| KitError::Broken("its contents");
        let Only { version } = serde_json::from_slice(json).map_err(broken)?;
        if version > VERSION {
            return Err(KitError::Newer);
        }
        let contents: Contents = serde_json::from_slice(json).map_err(broken)?;
        if !model::ENVIRONMENTS.contains(&contents.environment.as_str()) {
            return Err(KitError::Broken("its environment"));
        }
        if contents.sites.len() > SITES {
            return Err(KitError::Broken("its list of databases"));
        }
        contents.link_root()?;
        for site in &contents.sites {
            let root = Root::from_pkcs8(Kind::Site, site.root.reveal());
            if !root.is_ok_and(|root| root.id() == site.guid.0) {
                return Err(KitError::Broken("a database's key"));
            }
        }
        Ok(contents)
    }

    pub(crate) fn link_root(&self) -> Result<Root, KitError> {
        Root::from_pkcs8(Kind::Link, self.link.reveal())
            .map_err(|_| KitError::Broken("the installation's key"))
    }

    /// What may be shown of it.
    pub(crate) fn about(&self) -> Result<About, KitError> {
        let pairings = self.tables.iter().find(|table| table.name == "pairing");
        let names = pairings.into_iter().flat_map(|table| table.column("name"));
        let mut integrators: Vec<String> = names.filter_map(|name| name.text().map(str::to_owned)).collect();
        integrators.sort();
        Ok(About {
            made_at: Timestamp(self.made_at).to_rfc3339(),
            environment: self.environment.clone(),
            link_version: self.link_version.clone(),
            link: self.link_root()?.id().to_string(),
            epoch: self.epoch,
            sites: self
                .sites
                .iter()
                .map(|site| SiteAbout {
                    site: site.guid,
                    pms: site.pms.display_name().to_owned(),
                    pms_id: site.pms_id.clone(),
                    practice_name: site.practice_name.clone(),
                })
                .collect(),
            integrators,
        })
    }
}

/// What is in a kit, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// RFC 3339, by the old server's clock.
    pub made_at: String,
    /// `production`, `stage` or `demo`.
    pub environment: String,
    /// Version of Halo Link that made it.
    pub link_version: String,
    /// The Link GUID.
    pub link: String,
    /// The latest epoch at that time.
    pub epoch: u64,
    /// Its databases.
    pub sites: Vec<SiteAbout>,
    /// Names of those who are paired, one for each pairing.
    pub integrators: Vec<String>,
}

/// A database in a kit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteAbout {
    /// The Halo GUID.
    pub site: SiteId,
    /// Its software.
    pub pms: String,
    /// The vendor's identifier.
    pub pms_id: String,
    /// The practice's name.
    pub practice_name: String,
}
