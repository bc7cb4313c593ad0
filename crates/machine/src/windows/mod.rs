//! The Windows half: thin, one file per face, and every call into Windows that no library wraps.

pub(crate) mod events;
pub(crate) mod facts;
pub(crate) mod pipe;
pub(crate) mod places;
pub(crate) mod published;
pub(crate) mod secrets;
pub(crate) mod security;
pub(crate) mod service;
pub(crate) mod upgrade;

use std::{ffi::OsStr, os::windows::ffi::OsStrExt};

/// Text as Windows wants it: UTF-16, ended by a zero.
fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}
