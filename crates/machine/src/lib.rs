//! The practice's server as its operating system has it: paths, rights, service, what is published, secrets, folders, events, facts.
//!
//! The same functions on Linux and Windows. What only Windows has is `Unsupported` on Linux, or does nothing where that is harmless.

pub mod events;
pub mod facts;
pub mod folder;
pub mod paths;
#[cfg(windows)]
pub mod pipe;
pub mod places;
pub mod published;
pub mod rights;
pub mod secrets;
pub mod service;
pub mod who;

#[cfg(windows)]
#[allow(unsafe_code, reason = "calls Windows; the one place in this workspace that may")]
mod windows;
