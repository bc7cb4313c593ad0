//! The engine: makes sessions.

use crate::{
    error::failure,
    read_only::Chance,
    session::MssqlSession,
    settings::{Own, Settings},
};
use database::{Engine, Failure, Login, Session};
use model::{Access, Catalogue};
use mssql_tds::connection_provider::tds_connection_provider::TdsConnectionProvider;
use rand::{SeedableRng, rngs::StdRng};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Connecting, logging in and finding a named instance, all together.
const OVERALL: Duration = Duration::from_secs(40);

/// One SQL Server and its databases.
pub struct MssqlEngine {
    settings: Settings,
    chance: Chance,
}

impl MssqlEngine {
    /// Does not look for the server. Takes the system's randomness for the names that read-only transactions get.
    pub fn new(settings: Settings) -> Self {
        Self::with_chance(settings, StdRng::from_os_rng())
    }

    /// The same with another source of randomness.
    pub fn with_chance(settings: Settings, chance: StdRng) -> Self {
        MssqlEngine { settings, chance: Arc::new(Mutex::new(chance)) }
    }

    fn open(&self, login: &Own, catalogue: &str, access: Access) -> Result<Box<dyn Session>, Failure> {
        let database = self.settings.database(catalogue).ok_or(Failure::Catalogue)?;
        let context = self.settings.context(login, database);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|_| Failure::Lost)?;
        let connected = runtime.block_on(async {
            let provider = TdsConnectionProvider::new();
            tokio::time::timeout(OVERALL, provider.create_client(context, self.settings.server(), None)).await
        });
        let client = match connected {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => {
                runtime.shutdown_background();
                return Err(failure(error));
            }
            Err(_) => {
                runtime.shutdown_background();
                return Err(Failure::Lost);
            }
        };
        Ok(Box::new(MssqlSession::new(runtime, client, access, Arc::clone(&self.chance))))
    }
}

impl Engine for MssqlEngine {
    fn catalogues(&self) -> Vec<Catalogue> {
        self.settings.catalogues.iter().map(|(catalogue, _)| catalogue.clone()).collect()
    }

    fn connect(&self, login: &Login, catalogue: &str, access: Access) -> Result<Box<dyn Session>, Failure> {
        self.open(&Own::Sql(login.clone()), catalogue, access)
    }

    fn connect_own(&self, catalogue: &str) -> Option<Result<Box<dyn Session>, Failure>> {
        let own = self.settings.own.as_ref()?;
        Some(self.open(own, catalogue, Access::ReadOnly))
    }
}
