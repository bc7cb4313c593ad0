//! The environments. Each has a cloud, Links and gateways of its own, and nothing of one ever meets what is of another.

/// Their names, as configurations and the wire have them.
pub const ENVIRONMENTS: [&str; 3] = ["production", "stage", "demo"];

/// What a configuration means that says nothing of it.
pub const DEFAULT: &str = "production";
