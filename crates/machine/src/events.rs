//! What the practice's people read in the Windows event log, under the source `Halo Link`.

/// The source's name.
pub const SOURCE: &str = "Halo Link";

/// How serious it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Information,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Error,
}

/// Writes one entry to the log `Application`. `id` is 1 to 1000: the installer names a message file that has these.
///
/// On Linux nothing is written: the journal has what the service says on stderr. A log that can't be written to stops nobody.
pub fn report(level: Level, id: u32, text: &str) {
    #[cfg(windows)]
    crate::windows::events::report(level, id, text);
    #[cfg(not(windows))]
    let _ = (level, id, text);
}
