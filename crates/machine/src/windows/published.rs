//! The registry key that the practice's checks read.

use super::security;
use crate::published::{KEY, Published};
use std::io;
use windows_registry::{Key, LOCAL_MACHINE};

/// `HRESULT` of `ERROR_FILE_NOT_FOUND`.
const NOT_FOUND: i32 = 0x8007_0002_u32.cast_signed();

pub(crate) fn prepare() -> io::Result<()> {
    LOCAL_MACHINE.create(KEY).map_err(told)?;
    security::open_key_to_service(KEY)
}

pub(crate) fn write(published: &Published) -> io::Result<()> {
    let key = LOCAL_MACHINE.create(KEY).map_err(told)?;
    key.set_string("Environment", &published.environment).map_err(told)?;
    key.set_string("Version", &published.version).map_err(told)?;
    match &published.link {
        Some(link) => key.set_string("LinkGUID", link).map_err(told)?,
        None => absent(key.remove_value("LinkGUID"))?.unwrap_or(()),
    }
    let sites: Vec<&str> = published.sites.iter().map(String::as_str).collect();
    key.set_multi_string("HaloGUIDs", &sites).map_err(told)
}

pub(crate) fn read() -> io::Result<Option<Published>> {
    let Some(key) = absent(LOCAL_MACHINE.open(KEY))? else { return Ok(None) };
    // The installer makes the key; until the service has said which environment it is, nothing is published.
    let Some(environment) = text(&key, "Environment")? else { return Ok(None) };
    let mut sites = absent(key.get_multi_string("HaloGUIDs"))?.unwrap_or_default();
    // Reading gives an extra empty string at the end.
    sites.retain(|site| !site.is_empty());
    let version = text(&key, "Version")?.unwrap_or_default();
    Ok(Some(Published { environment, version, link: text(&key, "LinkGUID")?, sites }))
}

pub(crate) fn clear() -> io::Result<()> {
    absent(LOCAL_MACHINE.remove_tree(KEY))?;
    // The company's key goes too, unless somebody else's product is in it.
    if let Some((company, _)) = KEY.rsplit_once('\\') {
        let empty = absent(LOCAL_MACHINE.open(company))?.is_some_and(|key| {
            key.keys().is_ok_and(|mut keys| keys.next().is_none())
                && key.values().is_ok_and(|mut values| values.next().is_none())
        });
        if empty {
            absent(LOCAL_MACHINE.remove_tree(company))?;
        }
    }
    Ok(())
}

fn text(key: &Key, name: &str) -> io::Result<Option<String>> {
    absent(key.get_string(name))
}

/// Not being there is no error.
fn absent<T>(read: windows_registry::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code().0 == NOT_FOUND => Ok(None),
        Err(error) => Err(told(error)),
    }
}

/// In the words of the standard library, which knows Windows' own numbers and not HRESULTs.
fn told(error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    match error.raw_os_error() {
        Some(code) if code.cast_unsigned() >> 16 == 0x8007 => io::Error::from_raw_os_error(code & 0xffff),
        _ => error,
    }
}
