//! When a practice's server is lost, copied or replaced: recovery kits, backups for them, moves.
//!
//! The running service makes kits, backups and moves, for it alone opens secrets. Restoring is done on a data folder that no service has: the
//! files are laid out there, secrets sealed with a key that comes with them, and the service's first start seals them with its own.

pub(crate) mod armor;
mod backup;
mod contents;
pub(crate) mod envelope;
mod kit;
mod moving;
pub mod passphrase;
mod restore;
mod settle;
#[cfg(test)]
mod tests;

pub use armor::ArmorError;
pub use contents::{About, SiteAbout};
pub use envelope::EnvelopeError;
pub use kit::{Kit, KitError, MadeKit};
pub use moving::{MOVE_FILE, MoveOut, Moved, moved, take as take_file, undo as undo_move};
pub use restore::{Brought, RestoreError, Restored, move_in, restore};
pub use settle::TRANSFER_KEY;

pub(crate) use backup::keep as keep_backup;
pub(crate) use envelope::Cost;
pub(crate) use kit::{Waiting, kept, make};
use moving::MARK;
pub(crate) use moving::{QUIET, out as move_out};
pub use restore::is_half_done;
pub(crate) use settle::settle;

/// Folder of backups, in the data folder.
pub(crate) const FOLDER: &str = "recovery";
/// The newest backup, in [`FOLDER`].
pub const BACKUP_FILE: &str = "backup.halo";
