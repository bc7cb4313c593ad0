//! The public API: authenticates integrators, forwards to sites, renders the published JSON.
