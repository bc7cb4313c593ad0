//! The name of a device that runs a desktop application, as its integrator chose it.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A device's name: 1 to 128 visible ASCII characters, so that it fits a header, a path and a log line as it is. Compared as it is
/// written.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(Arc<str>);

/// A text that names no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDevice;

impl fmt::Display for BadDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a device's name has 1 to {} visible ASCII characters and no spaces", DeviceId::BYTES)
    }
}

impl std::error::Error for BadDevice {}

impl DeviceId {
    /// Longest name.
    pub const BYTES: usize = 128;

    /// Reads one.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters.
    pub fn parse(text: &str) -> Result<Self, BadDevice> {
        let fits = (1..=Self::BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(DeviceId(text.into())) } else { Err(BadDevice) }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeviceId {
    type Error = BadDevice;

    fn try_from(text: String) -> Result<Self, BadDevice> {
        DeviceId::parse(&text)
    }
}

impl From<DeviceId> for String {
    fn from(device: DeviceId) -> String {
        device.as_str().to_owned()
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is written into logs, audit lines and headers: nothing that could begin a new line there gets in.
    #[test]
    fn a_device_has_a_name_that_can_stand_anywhere() {
        for good in ["a", "example-device-123", "DESKTOP-7F3A\\anna", "{8f0e}", &"x".repeat(128)] {
            assert_eq!(DeviceId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "two words", "line\nbreak", "tab\t", "\u{e4}", "nul\0", &"x".repeat(129)] {
            assert_eq!(DeviceId::parse(bad), Err(BadDevice), "{bad:?}");
        }
    }
}
