//! The first start after a restore or a move: what came sealed with a key of its own is sealed with this server's.

use crate::{
    host::StartError,
    protect::{KeyFile, Protector},
    store::{self, StoreError},
};
use model::Hidden;
use rusqlite::{Connection, TransactionBehavior};
use std::{fs, io, path::Path};

/// The key that came with the files, in the folder `identity`; gone once everything is sealed anew.
pub const TRANSFER_KEY: &str = "transfer.key";

/// Seals everything with `own`, when there is something to. Before the store is opened, with the folder locked.
///
/// # Errors
/// When a file can't be read or written: then nothing has changed.
pub(crate) fn settle(data: &Path, own: &dyn Protector) -> Result<(), StartError> {
    let path = data.join("identity").join(TRANSFER_KEY);
    let key = match fs::read(&path) {
        Ok(key) => Hidden::new(key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let came = KeyFile::from_bytes(key.reveal())?;
    let mut connection = Connection::open(data.join("link.db")).map_err(StoreError::from)?;
    reseal(&mut connection, &came, own)?;
    drop(connection);
    fs::remove_file(&path)?;
    tracing::info!("what came from the other server is sealed with this server's own key");
    Ok(())
}

/// In one transaction, so that a start that is cut off finds it as it was, or done.
fn reseal(connection: &mut Connection, came: &dyn Protector, own: &dyn Protector) -> Result<(), StoreError> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    let t = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !store::is_sealed_with(&t, own)? {
        store::reseal(&t, came, own)?;
    }
    t.commit()?;
    // What was sealed with the key that is about to go is not to stay in the log.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
