//! What an upgrade must know of the service that it removes.

use super::service::is_stopped_on_purpose;
use std::io;
use windows_registry::LOCAL_MACHINE;

/// The installer's own key (windows/halo-link.wxs), below `HKEY_LOCAL_MACHINE`: administrators alone may write there.
const KEY: &str = r"SOFTWARE\WOW6432Node\Halo Connect\Halo Link Installer";
/// 1 while an upgrade is under way that is not to start the service.
const STOPPED: &str = "Stopped";

pub(crate) fn remember_stopped() -> io::Result<()> {
    let key = LOCAL_MACHINE.create(KEY).map_err(io::Error::from)?;
    // What an upgrade left that was cut off is not this one's.
    let _ = key.remove_value(STOPPED);
    if is_stopped_on_purpose()? { key.set_u32(STOPPED, 1).map_err(io::Error::from) } else { Ok(()) }
}

pub(crate) fn was_stopped() -> bool {
    let Ok(key) = LOCAL_MACHINE.options().read().write().open(KEY) else { return false };
    let was = key.get_u32(STOPPED).is_ok_and(|stopped| stopped == 1);
    let _ = key.remove_value(STOPPED);
    was
}
