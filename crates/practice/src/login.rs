//! Database logins of the demo practice: salted, slow hashes beside the data, out of every session's reach.

use crate::build::PracticeLogin;
use aws_lc_rs::{digest, pbkdf2};
use rusqlite::{Connection, OptionalExtension, params};
use std::num::NonZeroU32;

/// The table; the T-SQL compiler does not know it and the authorizer lets no session read it.
pub(crate) const TABLE: &str = "halo_logins";

/// About 3 ms: enough for a demo whose passwords stand in its own start script.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

/// Writes the logins. The salt comes from seed and name, so that the same seed builds the same file.
pub(crate) fn store(connection: &Connection, seed: u64, logins: &[PracticeLogin]) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE {TABLE} (name TEXT PRIMARY KEY COLLATE MSSQL, salt BLOB, hash BLOB, read_only INTEGER)"
    ))?;
    for login in logins {
        let salt = digest::digest(&digest::SHA256, format!("{seed}\0{}", login.user).as_bytes());
        let hash = derive(salt.as_ref(), login.password.reveal());
        connection.execute(
            &format!("INSERT INTO {TABLE} VALUES (?1, ?2, ?3, ?4)"),
            params![login.user, salt.as_ref(), hash.as_slice(), login.read_only],
        )?;
    }
    Ok(())
}

fn derive(salt: &[u8], password: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, password.as_bytes(), &mut hash);
    hash
}

/// Whether that login may come in, and then whether it is a read-only one. A name that does not exist takes as long.
pub(crate) fn check(connection: &Connection, user: &str, password: &str) -> rusqlite::Result<Option<bool>> {
    let found: Option<(Vec<u8>, Vec<u8>, bool)> = connection
        .query_row(&format!("SELECT salt, hash, read_only FROM {TABLE} WHERE name = ?1"), [user], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (salt, hash, read_only) = found.unwrap_or_else(|| (vec![0; 32], vec![0; 32], true));
    let good = pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, password.as_bytes(), &hash).is_ok();
    Ok(good.then_some(read_only))
}
