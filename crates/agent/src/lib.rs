//! What happens at the site: the door, pairing, execution, the ledger and the audit.

pub mod door;
pub mod executor;
mod files;
mod journal;
pub mod protect;
pub mod store;

#[cfg(test)]
mod testkit;
