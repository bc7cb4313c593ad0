//! Pairing: a code made at the site, and the proof by both ends that they know it.

mod code;
mod transcript;

pub use code::{Code, CodeError, MAX_CODE_TEXT_BYTES, SECRET_BYTES};
pub use transcript::{Role, Transcript, VERSION, check, prove};
