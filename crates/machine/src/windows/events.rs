//! The event log.

use super::wide;
use crate::events::{Level, SOURCE};
use std::ptr::{null, null_mut};
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};

pub(crate) fn report(level: Level, id: u32, text: &str) {
    let (source, text) = (wide(SOURCE), wide(text));
    let kind = match level {
        Level::Information => EVENTLOG_INFORMATION_TYPE,
        Level::Warning => EVENTLOG_WARNING_TYPE,
        Level::Error => EVENTLOG_ERROR_TYPE,
    };
    // SAFETY: both texts end with a zero and live until the calls return; the handle is closed once.
    unsafe {
        let log = RegisterEventSourceW(null(), source.as_ptr());
        if log.is_null() {
            return;
        }
        let strings = [text.as_ptr()];
        ReportEventW(log, kind, 0, id, null_mut(), 1, 0, strings.as_ptr(), null());
        DeregisterEventSource(log);
    }
}
