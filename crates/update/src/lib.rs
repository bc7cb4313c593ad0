//! Signed updates: what is newest, whether it is genuine, and how it gets installed.
//!
//! [`Updater`] does all of it; [`Record`] is what it leaves behind for the doctor; [`signature_of`] says who signed a file.
//! Formats, refusals and what comes later are in `docs/updates.md`.

mod fetch;
mod offer;
mod package;
mod pause;
mod policy;
mod record;
mod refusal;
mod signature;
mod store;
mod updater;
mod version;

pub use fetch::Cloud;
pub use offer::{FILES, METADATA_VERSION, OFFER_BYTES, Offer, PATH, Platform, is_plain};
pub use package::{Deb, Ended, Installed, Msi, NotInstalled, Package, Run, SystemRun};
pub use pause::Tried;
pub use policy::{Decision, Newest, Policy};
pub use record::Record;
pub use refusal::Refusal;
pub use signature::{
    FILE_BYTES, PublisherError, Publishers, SIGNATURE_BYTES, SignatureError, Signer, detached_signature_of,
    installer_version, installer_version_of, sha256, signature_of, verify, verify_detached,
};
pub use store::Machine;
pub use updater::{Outcome, Step, Updater};
pub use version::{NoVersion, Version};
