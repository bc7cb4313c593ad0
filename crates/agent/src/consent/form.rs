//! How terms are written: JSON on the control socket, TOML or JSON in files. Read once, and typed from then on.

use super::{Approval, Budgets, Catalogues, Desktop, Detail, Statements, Terms};
use model::{Access, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// Most catalogues that are named.
const CATALOGUES: usize = 64;
/// Longest name of one, bytes.
const NAME_BYTES: usize = 128;
/// Most approved statements.
const APPROVED: usize = 2_000;
/// Largest budget.
const MOST: u64 = 1_000_000_000_000_000;

/// What is wrong with terms as they were written: names the member and says what it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Terms as people write them. As a change, what is absent stays as it is; as a whole, nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Form {
    /// `read-only` or `read-write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// `never`, a day (it counts to the day's end, UTC), or RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// `all`, or a list of names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogues: Option<Names>,
    /// `any` or `approved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<String>,
    /// SHA-256 of each approved statement, hexadecimal, as the audit shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<Vec<String>>,
    /// To be added to those; of a change alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve: Option<Vec<String>>,
    /// To be taken out of those; of a change alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdraw: Option<Vec<String>>,
    /// Whether FHIR may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fhir: Option<bool>,
    /// `off`, `approved` or `any`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desktop: Option<String>,
    /// Whether a hosted gateway may ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosted: Option<bool>,
    /// `names` or `values`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<String>,
    /// A number, or `none`: no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries_per_minute: Option<Most>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_day: Option<Most>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<Most>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<Most>,
}

/// All, or some by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Names {
    /// `all`.
    Word(String),
    /// These.
    List(Vec<String>),
}

/// A bound, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Most {
    /// So much.
    Number(u64),
    /// `none`.
    Word(String),
}

impl Form {
    /// Reads a file's text: JSON when it begins with a brace, else TOML.
    ///
    /// # Errors
    /// Where the text is malformed, or names something that terms do not have.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text.trim_start().starts_with('{') {
            true => serde_json::from_str(text).map_err(|error| Invalid(error.to_string())),
            false => toml::from_str(text).map_err(|error| Invalid(error.to_string())),
        }
    }

    /// As TOML, which [`Form::parse`] reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Form::default()
    }
}

impl From<&Terms> for Form {
    fn from(terms: &Terms) -> Self {
        let most = |most: Option<u64>| Some(most.map_or_else(|| Most::Word("none".to_owned()), Most::Number));
        let word = |word: &str| Some(word.to_owned());
        Form {
            access: word(match terms.access {
                Access::ReadOnly => "read-only",
                Access::ReadWrite => "read-write",
            }),
            expires: Some(terms.expires.map_or_else(|| "never".to_owned(), Timestamp::to_rfc3339)),
            catalogues: Some(match &terms.catalogues {
                Catalogues::All => Names::Word("all".to_owned()),
                Catalogues::Only(names) => Names::List(names.clone()),
            }),
            statements: word(match terms.statements {
                Statements::Any => "any",
                Statements::Approved => "approved",
            }),
            approved: Some(terms.approved.iter().map(|approval| hex(&approval.0)).collect()),
            approve: None,
            withdraw: None,
            fhir: Some(terms.fhir),
            desktop: word(match terms.desktop {
                Desktop::Off => "off",
                Desktop::Approved => "approved",
                Desktop::Any => "any",
            }),
            hosted: Some(terms.hosted),
            audit: word(match terms.audit {
                Detail::Names => "names",
                Detail::Values => "values",
            }),
            queries_per_minute: most(terms.budgets.queries_per_minute),
            rows_per_day: most(terms.budgets.rows_per_day),
            bytes_per_day: most(terms.budgets.bytes_per_day),
            at_once: most(terms.budgets.at_once),
        }
    }
}

impl Terms {
    /// These terms with a change.
    ///
    /// # Errors
    /// What is wrong with the change; then nothing is changed.
    pub fn with(mut self, change: &Form) -> Result<Self, Invalid> {
        let Form { access, expires, catalogues, statements, approved, .. } = change;
        if let Some(word) = access {
            self.access =
                one_of("access", word, [("read-only", Access::ReadOnly), ("read-write", Access::ReadWrite)])?;
        }
        if let Some(text) = expires {
            self.expires = until(text)?;
        }
        if let Some(names) = catalogues {
            self.catalogues = which(names)?;
        }
        if let Some(word) = statements {
            let words = [("any", Statements::Any), ("approved", Statements::Approved)];
            self.statements = one_of("statements", word, words)?;
        }
        if let Some(list) = approved {
            self.approved = list.iter().map(|text| approval(text)).collect::<Result<BTreeSet<_>, _>>()?;
        }
        for text in change.approve.iter().flatten() {
            self.approved.insert(approval(text)?);
        }
        for text in change.withdraw.iter().flatten() {
            self.approved.remove(&approval(text)?);
        }
        if self.approved.len() > APPROVED {
            return Err(Invalid(format!("`approved` has at most {APPROVED} statements")));
        }
        self.fhir = change.fhir.unwrap_or(self.fhir);
        self.hosted = change.hosted.unwrap_or(self.hosted);
        if let Some(word) = &change.desktop {
            let words = [("off", Desktop::Off), ("approved", Desktop::Approved), ("any", Desktop::Any)];
            self.desktop = one_of("desktop", word, words)?;
        }
        if let Some(word) = &change.audit {
            self.audit = one_of("audit", word, [("names", Detail::Names), ("values", Detail::Values)])?;
        }
        let Budgets { queries_per_minute, rows_per_day, bytes_per_day, at_once } = &mut self.budgets;
        for (name, wanted, budget) in [
            ("queries_per_minute", &change.queries_per_minute, queries_per_minute),
            ("rows_per_day", &change.rows_per_day, rows_per_day),
            ("bytes_per_day", &change.bytes_per_day, bytes_per_day),
            ("at_once", &change.at_once, at_once),
        ] {
            if let Some(wanted) = wanted {
                *budget = most(name, wanted)?;
            }
        }
        Ok(self)
    }
}

fn one_of<T: Copy, const N: usize>(name: &str, word: &str, words: [(&str, T); N]) -> Result<T, Invalid> {
    let found = words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let known = words.map(|(known, _)| format!("`{known}`")).join(" or ");
        Invalid(format!("`{name}` must be {known}"))
    })
}

fn until(text: &str) -> Result<Option<Timestamp>, Invalid> {
    if text == "never" {
        return Ok(None);
    }
    let day =
        || Timestamp::parse(&format!("{text}T00:00:00Z")).map(|day| day.plus(Duration::from_secs(86_400)));
    let at = Timestamp::parse(text).or_else(day);
    at.map(Some).ok_or_else(|| {
        Invalid(
            "`expires` must be `never`, a day (2027-01-31) or a time (2027-01-31T17:00:00+10:00)".to_owned(),
        )
    })
}

fn which(names: &Names) -> Result<Catalogues, Invalid> {
    match names {
        Names::Word(word) if word == "all" => Ok(Catalogues::All),
        Names::List(names) if !names.is_empty() && names.len() <= CATALOGUES => {
            let mut only: Vec<String> = Vec::with_capacity(names.len());
            for name in names {
                if name.trim().is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
                    return Err(Invalid(format!(
                        "a name in `catalogues` must have 1 to {NAME_BYTES} bytes of text"
                    )));
                }
                if !only.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    only.push(name.clone());
                }
            }
            Ok(Catalogues::Only(only))
        }
        _ => Err(Invalid(format!("`catalogues` must be `all` or a list of 1 to {CATALOGUES} names"))),
    }
}

fn most(name: &str, wanted: &Most) -> Result<Option<u64>, Invalid> {
    match wanted {
        Most::Word(word) if word == "none" => Ok(None),
        Most::Number(number) if (1..=MOST).contains(number) => Ok(Some(*number)),
        _ => Err(Invalid(format!(
            "`{name}` must be a number from 1 to {MOST}, or `none` for no bound; to keep an integrator out, suspend it"
        ))),
    }
}

fn approval(text: &str) -> Result<Approval, Invalid> {
    let wrong =
        || Invalid("what is approved is named by 64 hexadecimal digits, as `audit show` has them".to_owned());
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(Approval(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
