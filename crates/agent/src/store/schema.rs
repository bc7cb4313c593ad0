//! The shape of `link.db`.
//!
//! What a version adds in tables of its own is no step: an older version, put back, does not see them and works on. A
//! step changes what is there, and an older version refuses the file from then on.

use super::StoreError;
use rusqlite::Connection;

/// Step n brings a file from version n to n + 1.
const STEPS: &[&str] = &["
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE code (
        site BLOB NOT NULL, name TEXT NOT NULL,
        secret BLOB NOT NULL,            -- sealed
        integrator_name TEXT NOT NULL, read_only INTEGER NOT NULL,
        made_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0, used_at INTEGER,
        PRIMARY KEY (site, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE pairing (
        site BLOB NOT NULL, integrator BLOB NOT NULL,
        name TEXT NOT NULL, root_spki BLOB NOT NULL,
        read_only INTEGER NOT NULL, is_on INTEGER NOT NULL DEFAULT 1,
        paired_at INTEGER NOT NULL,
        login BLOB NOT NULL,             -- sealed
        revision INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE instance (              -- highest certificate serial seen of each gateway instance
        site BLOB NOT NULL, integrator BLOB NOT NULL, name TEXT NOT NULL, serial INTEGER NOT NULL,
        PRIMARY KEY (site, integrator, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE ledger (
        site BLOB NOT NULL, integrator BLOB NOT NULL, query BLOB NOT NULL,
        read_only INTEGER NOT NULL, started_at INTEGER NOT NULL,
        ended BLOB, sealed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (site, integrator, query)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ledger_age ON ledger (started_at);

    CREATE TABLE statement (sha256 BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, what TEXT NOT NULL,
        site BLOB NOT NULL, integrator BLOB, instance TEXT, query BLOB,
        access TEXT, catalogue TEXT, sha256 BLOB,
        status TEXT, effect TEXT, rows INTEGER, bytes INTEGER, ms INTEGER
    ) STRICT;
"];

/// Made where they are missing, at every start.
const ADDED: &str = "
    CREATE TABLE IF NOT EXISTS rights (  -- what a pairing's login may do by the database's own grants
        site BLOB NOT NULL, integrator BLOB NOT NULL,
        revision INTEGER NOT NULL,       -- of the pairing: of an older login it says nothing
        writes TEXT NOT NULL,            -- yes, no, unknown
        grants TEXT NOT NULL,            -- JSON list
        read_at INTEGER NOT NULL,
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE IF NOT EXISTS site_binding (key TEXT PRIMARY KEY, pms_id TEXT NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE IF NOT EXISTS site_said (
        site BLOB PRIMARY KEY, practice_name TEXT, pms_version TEXT, at INTEGER, other_pms_id TEXT
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE IF NOT EXISTS seal (    -- a sealed value: it opens with the key that sealed all others
        one INTEGER PRIMARY KEY CHECK (one = 1),
        canary BLOB NOT NULL,
        whence TEXT NOT NULL,            -- file, dpapi, systemd
        refused INTEGER NOT NULL         -- the last start had another key
    ) STRICT;

    CREATE TABLE IF NOT EXISTS audit_device (  -- beside lines that a desktop application caused
        audit INTEGER PRIMARY KEY, device TEXT NOT NULL
    ) STRICT;

    CREATE TABLE IF NOT EXISTS site_off (site BLOB PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE IF NOT EXISTS consent ( -- beside the pairing, which says whether it is on and what its access is
        site BLOB NOT NULL, integrator BLOB NOT NULL,
        terms TEXT,                      -- JSON; those of the pairing where there are none
        revoked INTEGER NOT NULL DEFAULT 0,  -- the revision that the pairing has since then; 1: whatever it is
        expired INTEGER NOT NULL DEFAULT 0,
        changed_at INTEGER, changed_by TEXT,
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS consent_used (  -- of the present minute and day
        site BLOB NOT NULL, integrator BLOB NOT NULL,
        minute INTEGER NOT NULL, queries INTEGER NOT NULL,
        day INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS approval (  -- the PMS vendor's, beside the pairing
        site BLOB NOT NULL, integrator BLOB NOT NULL,
        document BLOB NOT NULL,          -- as signed
        over INTEGER NOT NULL DEFAULT 0, -- it was seen to count no more
        since INTEGER NOT NULL,
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS approval_seen (  -- stays when the pairing goes: a lower serial is never taken again
        site BLOB NOT NULL, integrator BLOB NOT NULL, serial INTEGER NOT NULL,
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS pairing_request (  -- of integrators that have no code
        site BLOB NOT NULL, integrator BLOB NOT NULL, root_spki BLOB NOT NULL,
        name TEXT NOT NULL,
        state INTEGER NOT NULL,          -- 0 waits, 1 approved, 2 denied, 3 paired
        read_only INTEGER NOT NULL DEFAULT 0,
        asked_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
        decided_by TEXT,
        approval BLOB,                   -- the vendor's, as it was shown
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS revocation (  -- the newest word of an integrator about its own gateways
        integrator BLOB PRIMARY KEY, root_spki BLOB NOT NULL, document BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS instance_shut (  -- gateways that the practice shut out
        site BLOB NOT NULL, integrator BLOB NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, by_whom TEXT NOT NULL,
        PRIMARY KEY (site, integrator, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS unpaired (  -- so that whoever asks again is told
        site BLOB NOT NULL, integrator BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS audit_more (  -- beside a line of the audit
        id INTEGER PRIMARY KEY,
        done_by TEXT,                    -- the operating system's user
        detail TEXT,                     -- what was changed, JSON
        parameters BLOB                  -- sealed
    ) STRICT;
    CREATE TABLE IF NOT EXISTS audit_values (  -- beside sealed parameters
        id INTEGER PRIMARY KEY,          -- of the line
        hash BLOB NOT NULL,              -- that the line holds
        sealed BLOB NOT NULL             -- SHA-256 of the parameters as they are sealed now
    ) STRICT;

    CREATE TABLE IF NOT EXISTS audit_chain (  -- beside a line of the audit
        id INTEGER PRIMARY KEY,          -- of the line
        site BLOB NOT NULL, number INTEGER NOT NULL,
        chain BLOB NOT NULL              -- what holds it and all before it
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS audit_chain_number ON audit_chain (site, number);
    CREATE TABLE IF NOT EXISTS audit_head (  -- of the newest line of each site
        site BLOB PRIMARY KEY, number INTEGER NOT NULL, chain BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS audit_cut (   -- lines up to there were removed: older than the practice keeps
        site BLOB PRIMARY KEY, number INTEGER NOT NULL, chain BLOB NOT NULL,
        line INTEGER NOT NULL,           -- the highest id
        head BLOB NOT NULL               -- the signed head of that number
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS audit_signed (  -- the newest head that was signed for this
        site BLOB PRIMARY KEY, head BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS audit_query (
        bucket INTEGER NOT NULL, query BLOB NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (bucket, query, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS statement_used (sha256 BLOB PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS audit_at ON audit (at);
    CREATE INDEX IF NOT EXISTS audit_who ON audit (integrator, at) WHERE integrator IS NOT NULL;
    CREATE TABLE IF NOT EXISTS recovery_kit (  -- the newest that was made
        one INTEGER PRIMARY KEY CHECK (one = 1),
        made_at INTEGER NOT NULL, made_by TEXT,
        public BLOB NOT NULL,            -- backups are sealed to it; its other half is in the kit alone
        marks TEXT NOT NULL,             -- JSON: hashes of what is in the kit
        backed_marks TEXT, backed_at INTEGER  -- of the newest backup
    ) STRICT;
    CREATE TABLE IF NOT EXISTS stopped ( -- another server may be the real one: nothing is served
        one INTEGER PRIMARY KEY CHECK (one = 1),
        why TEXT NOT NULL,               -- older-epoch, doubled-epoch, other-machine
        epoch INTEGER NOT NULL,          -- with which it was stopped; starts do not raise it any more
        stored INTEGER,                  -- that Halo Cloud has seen
        at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS machine ( -- a hash of what tells this server from others
        one INTEGER PRIMARY KEY CHECK (one = 1), print BLOB NOT NULL
    ) STRICT;

    CREATE TABLE IF NOT EXISTS job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        site BLOB NOT NULL, integrator BLOB NOT NULL, query BLOB NOT NULL,
        kind INTEGER NOT NULL, state INTEGER NOT NULL,  -- as in the contract
        digest BLOB NOT NULL, instance TEXT NOT NULL,
        read_only INTEGER NOT NULL,      -- asked for, or all that was allowed
        request BLOB,                    -- sealed; gone once it will never run again
        revision INTEGER NOT NULL DEFAULT 1,
        queue_ms INTEGER NOT NULL, keep_ms INTEGER NOT NULL,
        taken_at INTEGER NOT NULL, began_at INTEGER, answered_at INTEGER, ended_at INTEGER,
        cancel INTEGER NOT NULL DEFAULT 0,
        attempt INTEGER NOT NULL DEFAULT 0,
        key BLOB, columns BLOB,          -- of the attempt whose pages are kept; sealed
        ended BLOB,                      -- sealed
        expired INTEGER NOT NULL DEFAULT 0,
        UNIQUE (site, integrator, query)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS job_by_state ON job (state, expired, ended_at);
    CREATE INDEX IF NOT EXISTS job_by_owner ON job (site, integrator, expired, state);
    CREATE TABLE IF NOT EXISTS job_page (
        job INTEGER NOT NULL, number INTEGER NOT NULL, first_row INTEGER NOT NULL,
        rows INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (job, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS schedule (  -- beside a job that runs more than once
        job INTEGER PRIMARY KEY, frequency_ms INTEGER NOT NULL, duration_ms INTEGER NOT NULL,
        name BLOB NOT NULL,              -- sealed
        last_run INTEGER,                -- the newest that began or was left out
        running INTEGER NOT NULL DEFAULT 0,
        succeeded INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, changes INTEGER NOT NULL DEFAULT 0,
        last_succeeded_at INTEGER, last_failed_at INTEGER, last_run_ms INTEGER NOT NULL DEFAULT 0,
        bytes_sum INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
        hash BLOB,                       -- of the newest good result
        error BLOB                       -- of the newest run, when it failed; sealed
    ) STRICT;

    CREATE TABLE IF NOT EXISTS fence (   -- ids that no job is taken under any more, although none ever was
        site BLOB NOT NULL, integrator BLOB NOT NULL, query BLOB NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (site, integrator, query)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS fence_age ON fence (site, integrator, at);
    CREATE TABLE IF NOT EXISTS schedule_cut (  -- beside a schedule whose newest runs were all cut off by the process's end
        job INTEGER PRIMARY KEY, times INTEGER NOT NULL,
        until INTEGER NOT NULL           -- no run begins before
    ) STRICT;

    CREATE TABLE IF NOT EXISTS event_journal (
        site BLOB NOT NULL, integrator BLOB NOT NULL, journal BLOB NOT NULL, head INTEGER NOT NULL, chain BLOB NOT NULL,
        PRIMARY KEY (site, integrator)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS event (
        site BLOB NOT NULL, integrator BLOB NOT NULL, number INTEGER NOT NULL,
        kind INTEGER NOT NULL, query BLOB NOT NULL, job_kind INTEGER NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL,
        chain BLOB NOT NULL, local_at INTEGER NOT NULL,
        PRIMARY KEY (site, integrator, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS event_age ON event (local_at);
";

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done =
        usize::try_from(version).ok().filter(|v| *v <= STEPS.len()).ok_or(StoreError::Newer(version))?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.execute_batch(ADDED)?;
    transaction.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_this_version_opened_is_still_one_for_the_version_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, 1, "the number that the version before knows");
        // As the version before writes a pairing: it names no column that it does not know.
        let pair = "INSERT INTO pairing (site, integrator, name, root_spki, read_only, paired_at, login)
                    VALUES (x'01', x'02', 'Acme', x'03', 1, 0, x'04')";
        assert_eq!(connection.execute(pair, []).unwrap(), 1);
    }
}
