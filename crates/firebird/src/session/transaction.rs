//! The transaction that each command has for itself.

use database::Terms;
use model::Access;

const VERSION: u8 = 3;
const CONCURRENCY: u8 = 2;
const WAIT: u8 = 6;
const NO_WAIT: u8 = 7;
const READ: u8 = 8;
const WRITE: u8 = 9;
const READ_COMMITTED: u8 = 15;
const RECORD_VERSION: u8 = 17;
const LOCK_TIMEOUT: u8 = 21;

/// Its description. A reader sees one moment and holds nobody up; a writer sees what others committed, and waits for them
/// as long as the terms say.
pub(super) fn block(access: Access, terms: &Terms) -> Vec<u8> {
    let mut block = match access {
        Access::ReadOnly => vec![VERSION, READ, CONCURRENCY],
        Access::ReadWrite => vec![VERSION, WRITE, READ_COMMITTED, RECORD_VERSION],
    };
    match terms.lock_wait {
        None => block.push(WAIT),
        Some(wait) if wait.is_zero() => block.push(NO_WAIT),
        Some(wait) => {
            // Whole seconds are what Firebird knows: never shorter than asked for.
            let seconds = wait.as_millis().div_ceil(1000).clamp(1, 32_767) as u32;
            block.extend([WAIT, LOCK_TIMEOUT, 4]);
            block.extend(seconds.to_le_bytes());
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_wait_for_a_lock_is_given_in_seconds_and_none_is_none() {
        let block = |wait| super::block(Access::ReadOnly, &Terms { lock_wait: wait, gives_way: false });
        assert!(block(None).ends_with(&[CONCURRENCY, WAIT]));
        assert!(block(Some(Duration::ZERO)).ends_with(&[NO_WAIT]));
        assert!(block(Some(Duration::from_millis(1500))).ends_with(&[WAIT, LOCK_TIMEOUT, 4, 2, 0, 0, 0]));
        assert!(block(Some(Duration::from_secs(1 << 40))).ends_with(&[0xFF, 0x7F, 0, 0]));
    }
}
