//! The public API: authenticates integrators, forwards to sites, renders the published JSON.
//!
//! A request goes `http` → [`body`] → [`mirror`] (intent) → [`session`] (inner TLS and gRPC to the site) → `run` (its own
//! task, which outlives a caller that may not cancel) → `answer` or [`lines`] → [`mirror`] (end).

mod answer;
pub mod body;
pub mod budget;
pub mod cloud;
pub mod config;
pub mod desktop;
pub mod error;
mod gateway;
mod http;
mod idempotency;
pub mod identity;
pub mod jobs;
mod keep_on;
pub mod keys;
pub mod lines;
mod liveness;
pub mod mirror;
mod pair;
pub mod papers;
pub mod pins;
mod presence;
mod rate;
pub mod receipts;
mod run;
pub mod serve;
pub mod session;
mod stall;
pub mod store;
mod verdict;
pub mod webhooks;
pub mod witness;

pub use gateway::{Gateway, Limits, Login, Options};
pub use http::router;
pub use keep_on::keep_on;
pub use rate::Rate;

/// As much of a text as fits into so many bytes.
fn cut(text: &str, bytes: usize) -> &str {
    let fits = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..fits.unwrap_or(0)]
}
