//! Where a secret or practice data may be, and which document says so. Everywhere else it is a leak.

/// Label of what, a part of the path below the system's folder.
pub(crate) const ALLOWED: &[(&str, &str)] = &[
    // docs/site.md, "The door": the audit keeps a statement's text; its owner is the practice.
    ("statement", "/link/link.db"),
    // docs/api.md: the name of a registered query is the integrator's, in clear at its own gateway.
    ("registered name", "/gateway/gateway.db"),
    // docs/webhooks.md: an endpoint's address; what is in it is the integrator's own.
    ("webhook address", "/gateway/gateway.db"),
    // docs/site.md, "Files", and docs/ARCHITECTURE.md, "Where state lives": each key in its own file.
    ("link root", "/link/identity/link.root"),
    ("site root", "/link/identity/site-"),
    ("sealing key", "/link/identity/seal.key"),
    ("integrator root", "/gateway/integrator-root.key"),
    ("desktop key", "/gateway/desktop-tokens.keys"),
    ("webhook key", "/gateway/webhooks.key"),
    // docs/engines.md: Link's own login, where the practice gives it one; the demo's is the integrator's too.
    ("database password", "/config/link.toml"),
    // The integrator's own settings, and the demo's notes of what it made.
    ("database password", "/config/gateway.toml"),
    ("database password", "/kept.json"),
    ("subscription key", "/kept.json"),
];

/// The practice's database itself.
pub(crate) const DATABASE: &str = "/practice/";

/// What the search must find, or it would find nothing else either.
pub(crate) const EXPECTED: &[(&str, &str)] = &[
    ("statement", "/link/link.db"),
    ("registered name", "/gateway/gateway.db"),
    ("link root", "/link/identity/link.root"),
    ("site root", "/link/identity/site-"),
    ("sealing key", "/link/identity/seal.key"),
    ("integrator root", "/gateway/integrator-root.key"),
    ("desktop key", "/gateway/desktop-tokens.keys"),
    ("webhook key", "/gateway/webhooks.key"),
    ("database password", "/config/gateway.toml"),
    ("subscription key", "/kept.json"),
];
