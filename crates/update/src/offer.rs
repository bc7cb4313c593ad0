//! What the cloud says: which version is newest for a platform, and where its file is.

use crate::{Version, signature::FILE_BYTES};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The only version of the format so far. What a reader of it does not know, it passes over.
pub const METADATA_VERSION: u32 = 1;
/// Offers are at `/updates/v1/ENVIRONMENT/PLATFORM`.
pub const PATH: &str = "/updates/v1/";
/// Files are at `/updates/v1/files/NAME`.
pub const FILES: &str = "/updates/v1/files/";
/// Largest offer, bytes.
pub const OFFER_BYTES: usize = 64 * 1024;

/// The newest version for one environment and platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// [`METADATA_VERSION`].
    pub metadata_version: u32,
    /// Which version.
    pub version: Version,
    /// Name of the file, a plain one ([`is_plain`]).
    pub file: String,
    /// Its size, bytes.
    pub size: u64,
    /// Its SHA-256, lower-case hex.
    pub sha256: String,
    /// Name of the file with the signature, where that is not inside (Debian packages).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub published_at: String,
    /// For people.
    #[serde(default)]
    pub notes: String,
}

impl Offer {
    /// Reads the cloud's answer.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence. Never quotes the answer.
    pub fn parse(json: &[u8]) -> Result<Offer, &'static str> {
        #[derive(Deserialize)]
        struct Head {
            metadata_version: u32,
        }
        if json.len() > OFFER_BYTES {
            return Err("it is larger than 64 KiB");
        }
        let head: Head = serde_json::from_slice(json).map_err(|_| "it has no `metadata_version`")?;
        if head.metadata_version != METADATA_VERSION {
            return Err("it is in a format that this version does not know");
        }
        let offer: Offer = serde_json::from_slice(json).map_err(|_| "a field is missing or malformed")?;
        let names = offer.signature.iter().chain([&offer.file]);
        if !names.into_iter().all(|name| is_plain(name)) {
            return Err("a file's name is not a plain one");
        }
        if offer.size == 0 || offer.size > FILE_BYTES {
            return Err("the file is empty or larger than 256 MiB");
        }
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if offer.sha256.len() != 64 || !offer.sha256.bytes().all(hex) {
            return Err("the SHA-256 is not 64 hexadecimal digits");
        }
        Ok(offer)
    }
}

/// May this be the name of a file in the cloud's folder, and of one in ours? Letters, digits, `.`, `_`, `-`, `+`, `~`; at most 128
/// of them; no dot first.
pub fn is_plain(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"._-+~".contains(&b);
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.bytes().all(letter)
}

/// What a program was built for, as the cloud names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// An MSI.
    WindowsX64,
    /// A Debian package for amd64.
    LinuxX64,
    /// A Debian package for arm64.
    LinuxArm64,
}

impl Platform {
    /// All of them.
    pub const ALL: [Platform; 3] = [Platform::WindowsX64, Platform::LinuxX64, Platform::LinuxArm64];

    /// This program's.
    pub const fn current() -> Platform {
        if cfg!(windows) {
            Platform::WindowsX64
        } else if cfg!(target_arch = "aarch64") {
            Platform::LinuxArm64
        } else {
            Platform::LinuxX64
        }
    }

    /// As in addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Platform::WindowsX64 => "windows-x86_64",
            Platform::LinuxX64 => "linux-x86_64",
            Platform::LinuxArm64 => "linux-aarch64",
        }
    }

    /// How its files' names end.
    pub const fn ending(self) -> &'static str {
        match self {
            Platform::WindowsX64 => ".msi",
            Platform::LinuxX64 | Platform::LinuxArm64 => ".deb",
        }
    }

    /// Is the signature a file of its own?
    pub const fn detached(self) -> bool {
        !matches!(self, Platform::WindowsX64)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Platform, String> {
        let found = Platform::ALL.into_iter().find(|platform| platform.name() == text);
        found.ok_or_else(|| format!("a platform is one of {}", Platform::ALL.map(Platform::name).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn offer(change: impl FnOnce(&mut serde_json::Value)) -> Result<Offer, &'static str> {
        let mut offer = json!({
            "metadata_version": 1, "version": "26.713.2", "file": "halo-link-26.713.2.msi", "size": 5,
            "sha256": "ab".repeat(32), "published_at": "2026-07-13T00:00:00.000Z", "notes": "",
        });
        change(&mut offer);
        Offer::parse(offer.to_string().as_bytes())
    }

    #[test]
    fn an_offer_is_read_and_what_a_later_cloud_adds_is_passed_over() {
        let read = offer(|offer| offer["ring"] = json!({ "canary": true })).unwrap();
        assert_eq!((read.version.to_string().as_str(), read.size), ("26.713.2", 5));
    }

    #[test]
    fn a_wrong_offer_is_refused_for_its_reason() {
        for (field, value, why) in [
            ("metadata_version", json!(2), "format"),
            ("metadata_version", json!(null), "metadata_version"),
            ("version", json!("newest"), "malformed"),
            ("file", json!("../../etc/passwd"), "plain"),
            ("file", json!("a\\b.msi"), "plain"),
            ("signature", json!("..sig"), "plain"),
            ("size", json!(0), "256 MiB"),
            ("size", json!(FILE_BYTES + 1), "256 MiB"),
            ("size", json!(-1), "malformed"),
            ("sha256", json!("AB".repeat(32)), "SHA-256"),
            ("sha256", json!("ab"), "SHA-256"),
        ] {
            let error = offer(|offer| offer[field] = value).unwrap_err();
            assert!(error.contains(why), "{field}: {error}");
        }
        assert!(Offer::parse(b"<html>").is_err());
        assert!(Offer::parse(&vec![b' '; OFFER_BYTES + 1]).unwrap_err().contains("64 KiB"));
    }
}
