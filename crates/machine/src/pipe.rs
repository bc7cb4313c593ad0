//! Named pipes that administrators, the system and the service alone may open, and that are spoken to only where one of them holds them.

pub use crate::windows::pipe::{client, connect, serve};
