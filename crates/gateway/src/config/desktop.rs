//! `[desktop]`: what desktop applications may.

use super::limits::{checked, rate};
use crate::{desktop::DesktopSettings, gateway::Limits, rate::Rate};
use serde::Deserialize;

const TABLE: &str = "desktop.";
/// More are no list of one's own pages.
const ORIGINS: usize = 100;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    enabled: Option<bool>,
    token_minutes: Option<u32>,
    #[serde(default)]
    origins: Vec<String>,
    requests_per_second: Option<u32>,
    burst: Option<u32>,
}

impl File {
    pub(super) fn read(&self) -> Result<DesktopSettings, String> {
        let default = DesktopSettings::default();
        let minutes = checked(TABLE, "token_minutes", self.token_minutes, 1..=DesktopSettings::MOST_MINUTES)?;
        if self.origins.len() > ORIGINS {
            return Err(format!("`desktop.origins` has at most {ORIGINS} of them"));
        }
        for text in &self.origins {
            check_origin(text).map_err(|why| format!("`desktop.origins`: {text:?} {why}"))?;
        }
        Ok(DesktopSettings {
            enabled: self.enabled.unwrap_or(default.enabled),
            token_minutes: minutes.unwrap_or(default.token_minutes),
            origins: self.origins.clone(),
        })
    }

    pub(super) fn rate(&self) -> Result<Option<Rate>, String> {
        rate(TABLE, self.requests_per_second, self.burst, Limits::default().device_rate)
    }
}

/// As a browser sends it: scheme, host, perhaps a port, all in lower case.
fn check_origin(text: &str) -> Result<(), &'static str> {
    if text == "*" || text == "null" {
        return Err("is every page there is: name yours");
    }
    let (scheme, host) =
        text.split_once("://").ok_or("is no origin: write it as `https://app.example.com`")?;
    let scheme_fits =
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase() || b"+-.".contains(&b));
    let host_fits = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b));
    if scheme_fits && host_fits {
        Ok(())
    } else {
        Err(
            "is no origin as a browser sends it: scheme, host and perhaps a port, in lower case, nothing after them",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(DesktopSettings, Option<Rate>), String> {
        let file = toml::from_str::<File>(text).map_err(|error| error.message().to_owned())?;
        Ok((file.read()?, file.rate()?))
    }

    #[test]
    fn nothing_said_is_on_for_15_minutes_and_for_no_web_page() {
        let (settings, rate) = read("").unwrap();
        assert_eq!(settings, DesktopSettings { enabled: true, token_minutes: 15, origins: Vec::new() });
        assert_eq!(rate, Some(Rate { per_second: 25, burst: 100 }));
        assert_eq!(read("requests_per_second = 0").unwrap().1, None);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (line, named) in [
            ("token_minutes = 0", "desktop.token_minutes"),
            ("token_minutes = 61", "from 1 to 60"),
            ("origins = [\"*\"]", "name yours"),
            ("origins = [\"null\"]", "name yours"),
            ("origins = [\"app.example.com\"]", "no origin"),
            ("origins = [\"https://app.example.com/\"]", "nothing after"),
            ("origins = [\"https://App.example.com\"]", "lower case"),
            ("origins = [\"https://a.example, https://b.example\"]", "no origin"),
            ("tokens = 5", "unknown field"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
        let good =
            read("origins = [\"https://app.example.com\", \"tauri://localhost\", \"http://127.0.0.1:5173\"]");
        assert_eq!(good.unwrap().0.origins.len(), 3);
    }
}
