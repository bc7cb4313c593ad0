//! Subscription keys: shown once, kept as SHA-256, compared in constant time, two per name for rotation.

use crate::store::{Store, StoreError};
use model::{Clock, Hidden, Timestamp};
use rand::RngCore;
use rusqlite::params;
use sha2::{Digest, Sha256};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use subtle::ConstantTimeEq;

/// A name may have this many keys at once: the one in use and the one that replaces it.
const PER_NAME: i64 = 2;
/// Longest key that is looked at.
const KEY_BYTES: usize = 256;
/// How long a key added or removed by another process may stay unseen.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// Guessed keys must not turn into a read of the database each.
const READ_EVERY: Duration = Duration::from_millis(200);

/// Why a key could not be added.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Two keys carry the name already.
    #[error("there are two keys of this name already: remove the older one first")]
    TwoAlready,
    /// Empty, or over 100 characters.
    #[error("a key's name has from 1 to 100 characters")]
    BadName,
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One key, as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Names the key in `key remove`.
    pub id: i64,
    /// Who uses it.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
}

/// Makes a key and stores its hash. The key itself is known to the caller alone.
pub fn add(
    store: &Store,
    name: &str,
    rng: &mut dyn RngCore,
    now: Timestamp,
) -> Result<Hidden<String>, KeyError> {
    if name.is_empty() || name.chars().count() > 100 {
        return Err(KeyError::BadName);
    }
    let mut secret = [0; 32];
    rng.fill_bytes(&mut secret);
    let key = Hidden::new(secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let added = store
        .lock()
        .execute(
            "INSERT INTO subscription_keys (name, hash, created) SELECT ?1, ?2, ?3
             WHERE (SELECT count(*) FROM subscription_keys WHERE name = ?1) < ?4",
            params![name, hash(key.reveal().as_bytes()), now.0, PER_NAME],
        )
        .map_err(StoreError::from)?;
    if added == 0 { Err(KeyError::TwoAlready) } else { Ok(key) }
}

/// All keys, oldest first.
pub fn list(store: &Store) -> Result<Vec<KeyInfo>, StoreError> {
    let connection = store.lock();
    let mut statement = connection.prepare("SELECT id, name, created FROM subscription_keys ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(KeyInfo { id: row.get(0)?, name: row.get(1)?, created: Timestamp(row.get(2)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes one; whether it was there.
pub fn remove(store: &Store, id: i64) -> Result<bool, StoreError> {
    Ok(store.lock().execute("DELETE FROM subscription_keys WHERE id = ?1", params![id])? == 1)
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Checks keys against a copy in memory, which follows the database within five seconds.
pub struct Keys {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    cached: RwLock<Cached>,
}

struct Cached {
    read_at: Option<Duration>,
    keys: Vec<Known>,
}

/// Hash and whose.
type Known = ([u8; 32], KeyOwner);

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    /// The key's number, as in [`KeyInfo`].
    pub id: i64,
    /// Who uses it.
    pub name: Arc<str>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Over the store's keys.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Keys { store, clock, cached: RwLock::new(Cached { read_at: None, keys: Vec::new() }) }
    }

    /// Whom the key belongs to; `None` for a key that is not ours.
    pub fn check(&self, key: &[u8]) -> Result<Option<KeyOwner>, StoreError> {
        if key.len() > KEY_BYTES {
            return Ok(None);
        }
        let digest = hash(key);
        let now = self.clock.monotonic();
        {
            let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
            if cached.read_at.is_some_and(|at| now.saturating_sub(at) < FRESH_FOR)
                && let Some(owner) = find(&cached.keys, &digest)
            {
                return Ok(Some(owner));
            }
        }
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        if cached.read_at.is_none_or(|at| now.saturating_sub(at) >= READ_EVERY) {
            cached.keys = self.read()?;
            cached.read_at = Some(now);
        }
        Ok(find(&cached.keys, &digest))
    }

    fn read(&self) -> Result<Vec<Known>, StoreError> {
        let connection = self.store.lock();
        let mut statement = connection.prepare_cached("SELECT hash, id, name FROM subscription_keys")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, KeyOwner { id: row.get(1)?, name: row.get::<_, String>(2)?.into() }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Looks at every key, so that time does not tell which one was near.
fn find(keys: &[Known], digest: &[u8; 32]) -> Option<KeyOwner> {
    let mut found = None;
    for (hash, owner) in keys {
        if bool::from(hash.ct_eq(digest)) {
            found = Some(owner.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::SystemClock;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn a_key_is_known_by_its_hash_and_rotates_in_two_steps() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let keys = Keys::new(Arc::clone(&store), Arc::new(SystemClock));
        let mut rng = StdRng::seed_from_u64(1);
        let first = add(&store, "clinic app", &mut rng, Timestamp(1)).unwrap();
        let second = add(&store, "clinic app", &mut rng, Timestamp(2)).unwrap();
        assert!(matches!(add(&store, "clinic app", &mut rng, Timestamp(3)), Err(KeyError::TwoAlready)));
        let known = [&first, &second].map(|key| keys.check(key.reveal().as_bytes()).unwrap().unwrap());
        assert!(known.iter().all(|owner| &*owner.name == "clinic app"));
        assert_ne!(known[0].id, known[1].id, "each is counted for itself");
        assert_eq!(keys.check(b"").unwrap(), None);
        assert_eq!(keys.check(&vec![b'a'; 1000]).unwrap(), None);
        let file = std::fs::read(store.path()).unwrap();
        assert!(!file.windows(64).any(|w| w == first.reveal().as_bytes()), "only the hash is on disk");
        assert!(remove(&store, list(&store).unwrap()[0].id).unwrap());
        let fresh = Keys::new(store, Arc::new(SystemClock));
        assert_eq!(fresh.check(first.reveal().as_bytes()).unwrap(), None);
    }
}
