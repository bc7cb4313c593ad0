//! Versions: `YY.MMDD.build`, compared as numbers.

use std::{fmt, str::FromStr};

/// A calendar version, `YY.MMDD.build`: `26.713.10445` and `26.0713.10445` are the same one. A fourth part is read when it is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Year without its century.
    pub year: u32,
    /// Month and day: 713 is the 13th of July.
    pub day: u32,
    /// Rises with every build.
    pub build: u32,
}

/// Text that is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers with dots between, like 26.713.10445")]
pub struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let mut parts = text.split('.').map(|part| {
            // Not `parse` alone: it would take a plus sign.
            let digits = !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse::<u32>().map_err(|_| NoVersion) } else { Err(NoVersion) }
        });
        let mut next = || parts.next().unwrap_or(Err(NoVersion));
        let version = Version { year: next()?, day: next()?, build: next()? };
        match (parts.next(), parts.next()) {
            (None | Some(Ok(0)), None) => Ok(version),
            _ => Err(NoVersion),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.year, self.day, self.build)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_compare_as_numbers_and_not_as_text() {
        assert!(version("26.713.10445") > version("26.713.9999"));
        assert!(version("26.1101.1") > version("26.930.1"));
        assert!(version("100.1.1") > version("26.1231.99999"));
        assert_eq!(version("26.0713.10445.0"), version("26.713.10445"));
        assert_eq!(version("0.1.0").to_string(), "0.1.0");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.",
            "1.2.x",
            "1.2.-3",
            "1.2.+3",
            "1.2.3.4",
            "1.2.3.0.0",
            "1.2.9999999999",
            " 1.2.3",
        ] {
            assert_eq!(bad.parse::<Version>(), Err(NoVersion), "{bad}");
        }
    }
}
