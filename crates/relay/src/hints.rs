//! Hints on their way from a Link to the gateways of the integrators that it names. Who listens is known here; nothing is kept.

use crate::{Shared, gateway::Standing, presence::LinkConnection};
use model::IntegratorId;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, Weak},
};
use tunnel::Hint;

/// Gateways that are connected now, by integrator.
#[derive(Default)]
pub(crate) struct Listeners(RwLock<HashMap<IntegratorId, Vec<Weak<Standing>>>>);

/// One of them, for as long as it lives.
pub(crate) struct Listening {
    shared: Arc<Shared>,
    integrator: IntegratorId,
    standing: Weak<Standing>,
}

impl Listeners {
    pub(crate) fn enter(
        shared: &Arc<Shared>,
        integrator: IntegratorId,
        standing: &Arc<Standing>,
    ) -> Listening {
        let standing = Arc::downgrade(standing);
        let mut all = shared.listeners.0.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(integrator).or_default().push(standing.clone());
        Listening { shared: shared.clone(), integrator, standing }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut all = self.shared.listeners.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(gateways) = all.get_mut(&self.integrator) {
            gateways.retain(|one| !one.ptr_eq(&self.standing));
            if gateways.is_empty() {
                all.remove(&self.integrator);
            }
        }
    }
}

/// Passes on what a Link said. A Link speaks for the sites of its own connection and for no others.
pub(crate) fn pass_on(shared: &Shared, connection: &LinkConnection, hints: &[Hint]) {
    let all = shared.listeners.0.read().unwrap_or_else(PoisonError::into_inner);
    for hint in hints {
        let own = connection.sites.iter().any(|(site, _)| *site == hint.site);
        let gateways = hint.integrator.filter(|_| own).and_then(|integrator| all.get(&integrator));
        for gateway in gateways.into_iter().flatten().filter_map(Weak::upgrade) {
            gateway.hint(hint.site);
        }
    }
}
