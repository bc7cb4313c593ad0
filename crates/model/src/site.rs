//! What is known of a site outside of it: names, version, catalogues, presence. Nothing clinical.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// A kind of practice-management software. The published API has two spellings of the same three names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pms {
    /// Bp Premier on SQL Server.
    BestPractice,
    /// Zedmed on Firebird.
    Zedmed,
    /// D4W.
    D4w,
}

impl Pms {
    /// `pmsType`: `BestPractice`, `Zedmed`, `D4w`.
    pub fn type_name(self) -> &'static str {
        match self {
            Pms::BestPractice => "BestPractice",
            Pms::Zedmed => "Zedmed",
            Pms::D4w => "D4w",
        }
    }

    /// `practiceManagementName`: `Best Practice`, `Zedmed`, `D4w`.
    pub fn display_name(self) -> &'static str {
        match self {
            Pms::BestPractice => "Best Practice",
            Pms::Zedmed => "Zedmed",
            Pms::D4w => "D4w",
        }
    }

    /// Finds one by its display name, exactly as published.
    pub fn from_display_name(name: &str) -> Option<Self> {
        [Pms::BestPractice, Pms::Zedmed, Pms::D4w].into_iter().find(|p| p.display_name() == name)
    }

    /// Finds one by its `pmsType`.
    pub fn from_type_name(name: &str) -> Option<Self> {
        [Pms::BestPractice, Pms::Zedmed, Pms::D4w].into_iter().find(|p| p.type_name() == name)
    }
}

/// Whether a site can be reached now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Availability {
    /// Its Link is connected.
    Online,
    /// Its Link closed the connection.
    Offline,
    /// Its Link fell silent (the published rule: two minutes) without closing.
    Unreachable,
}

/// A site's life on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SiteStatus {
    /// Known, never yet online.
    Initialising,
    /// In use.
    Active,
    /// Taken off by the practice.
    Removed,
    /// Its Link was uninstalled.
    Uninstalled,
}

/// One database within a practice-management system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalogue {
    /// The same for all sites of a PMS, for example `Patients`.
    pub name: String,
    /// Used when a command names none.
    pub is_default: bool,
}

/// What a site says of itself. Source: its Link, at connect and when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteFacts {
    /// Which software.
    pub pms: Pms,
    /// The vendor's identifier of the practice, for example the Bp Site ID.
    pub pms_id: String,
    /// The practice's name.
    pub practice_name: String,
    /// Version of the practice-management software.
    pub pms_version: String,
    /// Version of Halo Link, CalVer.
    pub link_version: String,
    /// Databases, one of them the default.
    pub catalogues: Vec<Catalogue>,
    /// When this was last read from the practice's database; `None` when it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enriched_at: Option<Timestamp>,
}
