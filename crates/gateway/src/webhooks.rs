//! Notifications to the integrator's own endpoints: the room `webhook` with this gateway's database, roots and rules.

use crate::{
    identity,
    store::{self, StoreError},
};
use model::{Clock, Hidden};
use rand::{
    SeedableRng, TryRngCore,
    rngs::{OsRng, StdRng},
};
use std::{io, path::Path, sync::Arc};
use webhook::{KEY_BYTES, Options, Policy, Resolver, Sealer, SystemResolver, Transport, Webhooks};

/// The key that shuts the secrets of endpoints. Without it they have to be set anew.
pub const KEY_FILE: &str = "webhooks.key";

/// What the one who runs a gateway may set, and tests.
pub struct WebhookSettings {
    /// Roots that endpoints' certificates are checked against; `None`: nothing can be sent.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Which addresses may be called.
    pub policy: Policy,
    /// Names to addresses.
    pub resolver: Arc<dyn Resolver>,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        WebhookSettings {
            tls: None,
            policy: Policy::default(),
            resolver: Arc::new(SystemResolver::default()),
        }
    }
}

/// Opens endpoints and outbox in the gateway's database.
pub(crate) fn open(
    data: &Path,
    settings: WebhookSettings,
    clock: Arc<dyn Clock>,
) -> Result<Webhooks, StoreError> {
    let connection = store::connect(&data.join(store::FILE))?;
    let (sealer, rng) = sealer(data).map_err(|error| StoreError::file(KEY_FILE, &error))?;
    let transport = Transport {
        tls: settings.tls,
        policy: settings.policy,
        resolver: settings.resolver,
        within: webhook::ATTEMPT_WITHIN,
    };
    Webhooks::new(connection, Options { clock, rng: Box::new(rng), sealer, transport })
        .map_err(|error| StoreError::other(&error))
}

fn sealer(data: &Path) -> io::Result<(Sealer, StdRng)> {
    let rng = StdRng::try_from_os_rng().map_err(io::Error::other)?;
    let key = identity::read_or_make(data, KEY_FILE, || {
        let mut key = [0; KEY_BYTES];
        OsRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
        Ok(Hidden::new(key.to_vec()))
    })?;
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the file is damaged: it has to have 32 bytes");
    Ok((Sealer::new(key.reveal()).ok_or_else(wrong)?, rng))
}
