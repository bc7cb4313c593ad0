//! One Firebird server with the databases of a site.

use crate::{connect::connect, kind::Setup, session::FirebirdSession};
use database::{Engine, Failure, Login, Session};
use model::{Access, Catalogue};
use std::sync::Arc;

/// A server, not yet reached.
pub(crate) struct FirebirdEngine {
    setup: Arc<Setup>,
}

impl FirebirdEngine {
    pub(crate) fn new(setup: Setup) -> Self {
        FirebirdEngine { setup: Arc::new(setup) }
    }
}

impl Engine for FirebirdEngine {
    fn catalogues(&self) -> Vec<Catalogue> {
        self.setup.catalogues.iter().map(|(catalogue, _)| catalogue.clone()).collect()
    }

    fn connect(&self, login: &Login, catalogue: &str, access: Access) -> Result<Box<dyn Session>, Failure> {
        let name = catalogue.to_lowercase();
        let mut all = self.setup.catalogues.iter();
        let (_, path) = all.find(|(known, _)| known.name.to_lowercase() == name).ok_or(Failure::Catalogue)?;
        let attached = connect(&self.setup, login, path)?;
        Ok(Box::new(FirebirdSession::new(attached, Arc::clone(&self.setup), access)))
    }

    fn connect_own(&self, catalogue: &str) -> Option<Result<Box<dyn Session>, Failure>> {
        let own = self.setup.own.as_ref()?;
        Some(self.connect(own, catalogue, Access::ReadOnly))
    }
}
