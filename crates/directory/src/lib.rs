//! What the platform knows of sites and integrators: names, presence, epochs. Nothing clinical.
