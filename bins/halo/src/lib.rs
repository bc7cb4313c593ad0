//! A developer's side of Halo Connect: starts the whole system on one machine and talks to its public API.
//!
//! The library serves the `halo` program, the whole-way tests and the benchmarks alike: all of them run the same
//! three programs in the same way.

pub mod demo;
pub mod http;
pub mod practice;
pub mod system;
pub mod vendor;
