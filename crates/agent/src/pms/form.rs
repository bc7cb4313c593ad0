//! A PMS file as it is written. What is wrong with a word is said by the word's own type, so that the error has its line.

use super::PmsFile;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Pms;
use serde::Deserialize;

/// Longest name of a catalogue or a database, in bytes.
const NAME_BYTES: usize = 256;
/// Longest statement, in bytes.
const SQL_BYTES: usize = 8 * 1024;
/// Most catalogues; the outer leg carries no more.
const CATALOGUES: usize = 16;
/// Most entries of any other list.
const ENTRIES: usize = 32;
/// In place of a name: any.
const ANY: &str = "*";

/// One database of a practice software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// As integrators name it.
    pub name: String,
    /// As the server names it, where the practice has not chosen another name.
    pub database: String,
    /// Used when a command names none.
    pub default: bool,
}

/// One question to the database; its answer is the first column of the first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Where it is asked; `None` for the default catalogue.
    pub catalogue: Option<String>,
    /// In the database's own dialect.
    pub sql: String,
}

/// Where the database says whose it is. Each is asked by itself, so that one that fails leaves the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The vendor's identifier of the practice.
    pub pms_id: Option<Query>,
    /// The practice's name.
    pub practice_name: Option<Query>,
    /// Version of the software.
    pub pms_version: Option<Query>,
}

impl Facts {
    /// All of them by their names.
    pub fn all(&self) -> [(&'static str, Option<&Query>); 3] {
        [
            ("pms_id", self.pms_id.as_ref()),
            ("practice_name", self.practice_name.as_ref()),
            ("pms_version", self.pms_version.as_ref()),
        ]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    name: Name,
    kinds: Vec<Name>,
    #[serde(default)]
    catalogue: Vec<CatalogueForm>,
    detect: Option<QueryForm>,
    #[serde(default)]
    facts: FactsForm,
    #[serde(default)]
    vendor: Vendor,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueForm {
    name: Name,
    database: Name,
    #[serde(default)]
    default: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryForm {
    catalogue: Option<Name>,
    sql: Sql,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactsForm {
    pms_id: Option<QueryForm>,
    practice_name: Option<QueryForm>,
    pms_version: Option<QueryForm>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vendor {
    #[serde(default)]
    approval_keys: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fit = (1..=NAME_BYTES).contains(&text.len())
            && text.trim() == text
            && !text.chars().any(char::is_control);
        if fit {
            Ok(Name(text))
        } else {
            Err(format!("a name has 1 to {NAME_BYTES} bytes, no blanks around it and no control characters"))
        }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Sql(String);

impl TryFrom<String> for Sql {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fit = !text.trim().is_empty() && text.len() <= SQL_BYTES;
        if fit { Ok(Sql(text)) } else { Err(format!("sql has 1 to {SQL_BYTES} bytes")) }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Key(Vec<u8>);

impl TryFrom<String> for Key {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let der = STANDARD.decode(text.trim()).map_err(|_| "a key is base64")?;
        let wrong = "a key is the public-key info (SubjectPublicKeyInfo, DER) of a P-256 key, uncompressed";
        if trust::is_p256_spki(&der) { Ok(Key(der)) } else { Err(wrong) }
    }
}

impl Form {
    /// What no word can tell of itself.
    pub(super) fn checked(self, file: &str) -> Result<PmsFile, String> {
        let pms = match self.name.0.as_str() {
            ANY => None,
            name => Some(
                Pms::from_type_name(name)
                    .ok_or_else(|| format!("name is BestPractice, Zedmed, D4w, or {ANY} for any software"))?,
            ),
        };
        if self.kinds.is_empty() || self.kinds.len() > ENTRIES {
            return Err(format!("kinds names 1 to {ENTRIES} kinds of database, or {ANY} for all"));
        }
        let any = self.kinds.iter().any(|kind| kind.0 == ANY);
        let kinds = if any { Vec::new() } else { self.kinds.into_iter().map(|kind| kind.0).collect() };
        if self.catalogue.len() > CATALOGUES {
            return Err(format!("more than {CATALOGUES} catalogues"));
        }
        let mut catalogues: Vec<Catalogue> = Vec::new();
        for CatalogueForm { name, database, default } in self.catalogue {
            if catalogues.iter().any(|other| other.name.eq_ignore_ascii_case(&name.0)) {
                return Err(format!("catalogue {} stands twice", name.0));
            }
            catalogues.push(Catalogue { name: name.0, database: database.0, default });
        }
        if !catalogues.is_empty() && catalogues.iter().filter(|c| c.default).count() != 1 {
            return Err("one catalogue, and one alone, has default = true".to_owned());
        }
        let known = |query: Option<QueryForm>| match query {
            None => Ok(None),
            Some(QueryForm { catalogue: Some(name), .. })
                if !catalogues.iter().any(|c| c.name.eq_ignore_ascii_case(&name.0)) =>
            {
                Err(format!("a query names catalogue {}, which is not one of [[catalogue]]", name.0))
            }
            Some(QueryForm { catalogue, sql }) => {
                Ok(Some(Query { catalogue: catalogue.map(|name| name.0), sql: sql.0 }))
            }
        };
        if self.vendor.approval_keys.len() > ENTRIES {
            return Err(format!("more than {ENTRIES} approval keys"));
        }
        Ok(PmsFile {
            file: file.to_owned(),
            pms,
            kinds,
            detect: known(self.detect)?,
            facts: Facts {
                pms_id: known(self.facts.pms_id)?,
                practice_name: known(self.facts.practice_name)?,
                pms_version: known(self.facts.pms_version)?,
            },
            catalogues,
            approval_keys: self.vendor.approval_keys.into_iter().map(|key| key.0).collect(),
        })
    }
}
