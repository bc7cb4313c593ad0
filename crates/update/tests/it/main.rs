//! Updates from outside: files signed by the tools that publishers use, and a cloud that lies.
#![expect(clippy::unwrap_used, reason = "a test and its helpers may panic")]
#![cfg(target_os = "linux")]

mod cloud;
mod kit;
mod runs;
mod signatures;
