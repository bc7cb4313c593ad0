//! The public API as its callers see it: every answer is held against the published document and against a snapshot.
//!
//! Behind the router stands a site over an in-memory stream, with the real inner TLS and the real gRPC contract.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may fail as loudly as the test itself"
)]

mod approval;
mod bad_input;
mod beyond;
mod consent;
mod contract;
mod copies;
mod desktop;
mod events;
mod faults;
mod gone;
mod immediate;
mod jobs;
mod kit;
mod limits;
mod lines;
mod liveness;
mod pairing;
mod query;
mod receipts;
mod registered;
mod resume;
mod served;
mod shares;
mod sites;
mod tokens;
mod webhooks;
mod without_code;
