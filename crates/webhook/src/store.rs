//! The tables, in a database that may hold others too: with the gateway's own, so that an event is taken off the journal and
//! put into the outbox in one transaction.

use crate::error::WebhookError;
use rusqlite::{Connection, TransactionBehavior};
use std::sync::{Arc, Mutex, PoisonError};

/// Additive only: the previous version must be able to live with them.
const MIGRATIONS: &[&str] = &["
CREATE TABLE webhook_endpoints (
    id BLOB PRIMARY KEY, url TEXT NOT NULL, sources INTEGER NOT NULL, kinds INTEGER NOT NULL, enabled INTEGER NOT NULL,
    created INTEGER NOT NULL, updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE webhook_secrets (
    endpoint BLOB NOT NULL, number INTEGER NOT NULL, sealed BLOB NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (endpoint, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE webhook_deliveries (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, endpoint BLOB NOT NULL, event BLOB NOT NULL, kind TEXT NOT NULL,
    source TEXT NOT NULL, site BLOB NOT NULL, query BLOB, occurred INTEGER NOT NULL, state INTEGER NOT NULL, failure TEXT,
    tries INTEGER NOT NULL, waited INTEGER NOT NULL, due INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_pending ON webhook_deliveries (endpoint, due, number) WHERE state = 0;
CREATE INDEX webhook_by_endpoint ON webhook_deliveries (endpoint, state);
CREATE INDEX webhook_by_change ON webhook_deliveries (changed);
CREATE TABLE webhook_attempts (
    delivery INTEGER NOT NULL, number INTEGER NOT NULL, began INTEGER NOT NULL, took INTEGER NOT NULL, status INTEGER, failure TEXT,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE webhook_sites (site BLOB PRIMARY KEY, online INTEGER NOT NULL, doubted INTEGER NOT NULL) STRICT, WITHOUT ROWID;
", "
CREATE INDEX webhook_pending_by_site ON webhook_deliveries (endpoint, site) WHERE state = 0;
"];

/// Brings the tables up to date. Call it once for a database before anything else here.
///
/// # Errors
/// The database's own.
pub fn prepare(connection: &mut Connection) -> Result<(), WebhookError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The file's `user_version` is its owner's.
    transaction
        .execute_batch("CREATE TABLE IF NOT EXISTS webhook_schema (version INTEGER NOT NULL) STRICT")?;
    let done: i64 =
        transaction
            .query_row("SELECT coalesce(max(version), 0) FROM webhook_schema", [], |row| row.get(0))?;
    for (migration, version) in MIGRATIONS.iter().zip(1i64..).skip(usize::try_from(done).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
        transaction.execute("INSERT INTO webhook_schema VALUES (?1)", [version])?;
    }
    transaction.commit()?;
    Ok(())
}

/// One connection, asked on threads that may wait for a disk.
#[derive(Clone)]
pub(crate) struct Store(Arc<Mutex<Connection>>);

impl Store {
    pub(crate) fn new(mut connection: Connection) -> Result<Store, WebhookError> {
        prepare(&mut connection)?;
        Ok(Store(Arc::new(Mutex::new(connection))))
    }

    /// In one transaction, which is taken back when `work` fails.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WebhookError> + Send + 'static,
    ) -> Result<T, WebhookError> {
        let connection = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let answer = work(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        });
        asked.await.unwrap_or(Err(WebhookError::Stopping))
    }

    /// The same for what only reads: it waits for no writer.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, WebhookError> + Send + 'static,
    ) -> Result<T, WebhookError> {
        let connection = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction()?;
            work(&transaction)
        });
        asked.await.unwrap_or(Err(WebhookError::Stopping))
    }
}
