//! The public API as its callers see it: every answer is held against the published document and against a snapshot.
//!
//! Behind the router stands a site over an in-memory stream, with the real inner TLS and the real gRPC contract.

mod bad_input;
mod contract;
mod gone;
mod immediate;
mod kit;
mod lines;
mod pairing;
mod query;
mod served;
mod sites;
