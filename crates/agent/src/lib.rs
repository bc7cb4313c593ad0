//! What happens at the site: the door, pairing, execution, the ledger and the audit.
//!
//! `store` remembers, `door` decides, `executor` runs, `jobs` is what runs without its caller, `server` answers gateways, `host` is all of it for the sites of
//! one Link, `link` connects it to Halo Cloud, `control` is how the Utility at the same server talks to it.

mod authority;
pub mod config;
pub mod consent;
pub mod control;
pub mod door;
mod enrich;
pub mod environment;
pub mod executor;
mod files;
pub mod forget;
pub mod health;
pub mod host;
mod identity;
pub mod jobs;
mod journal;
pub mod link;
mod pace;
pub mod pairing;
pub mod pms;
pub mod protect;
mod receipts;
pub mod recovery;
pub mod self_test;
pub mod server;
pub mod store;
mod untold;
mod version;

#[cfg(test)]
mod testkit;
