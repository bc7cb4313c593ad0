//! What can go wrong with endpoints and the outbox. For the one who asked; no secret and no address of others in it.

use crate::{TemplateError, endpoint::ENDPOINTS};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The database.
    #[error("the outbox of webhooks {0}")]
    Store(#[from] rusqlite::Error),
    /// The work was given up, because the process stops.
    #[error("the outbox of webhooks can't be asked while the gateway stops")]
    Stopping,
    /// See there.
    #[error(transparent)]
    Url(#[from] TemplateError),
    /// An address in `url` that is never called.
    #[error(
        "the address in `url` is {0}: the one who runs this gateway must allow its network first (`webhooks.allow_networks`)"
    )]
    Target(&'static str),
    /// `{queryId}` and site events.
    #[error(
        "an endpoint for `site` can't have {{queryId}} in its `url`: such events belong to no query, make another endpoint for them"
    )]
    QueryOfSite,
    /// No source at all.
    #[error("`sources` needs at least one of `async`, `registered`, `site`")]
    NoSource,
    /// A source none of whose events is wanted.
    #[error("`sources` has `{0}`, and `events` has none that comes from there")]
    NothingOf(&'static str),
    /// As many as there may be.
    #[error("there are {ENDPOINTS} endpoints already: remove one, or let one take more events")]
    TooMany,
    /// Of the caller's own making, and too short or long.
    #[error("`secret` has from 16 to 256 printable ASCII characters without spaces")]
    BadSecret,
    /// Rotation begun twice.
    #[error(
        "there are two secrets already: finish the change with `{{\"step\":\"finish\"}}`, or take it back with `{{\"step\":\"cancel\"}}`"
    )]
    TwoAlready,
    /// Nothing to finish.
    #[error("there is one secret alone: begin the change with `{{\"step\":\"begin\"}}`")]
    OneOnly,
    /// The key file of the data folder is not the one that sealed it.
    #[error("a secret can't be opened with this gateway's key: set a new one")]
    Sealed,
}
