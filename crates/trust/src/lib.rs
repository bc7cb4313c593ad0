//! Identities as small certificate authorities, Halo GUIDs, inner TLS, challenges and the pairing proof.
