//! Read-only work: inside a transaction that is rolled back, and a proof that it was that one which was.
//!
//! Before the command a transaction is begun and a savepoint with a name nobody can guess is set. After it, rolling back to
//! that savepoint works inside that same transaction only: not when the command committed it, rolled it back, or began
//! another in its place. Then what it wrote may stand, and the answer says so.

use crate::{
    run::{self, Call, returned},
    session::{Connection, own},
};
use database::{Done, Failure, Sink, SqlError, Terms};
use model::{Command, CommandType};
use mssql_tds::connection::tds_client::TdsClient;
use rand::{RngCore, rngs::StdRng};
use std::sync::{Arc, Mutex, PoisonError};

/// Where names of savepoints come from: one for all sessions of an engine.
pub(crate) type Chance = Arc<Mutex<StdRng>>;

/// A savepoint's name: 130 random bits in 31 characters; SQL Server tells 32 apart.
fn savepoint(chance: &Chance) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut chance = chance.lock().unwrap_or_else(PoisonError::into_inner);
    let letters = (0..26).map(|_| char::from(LETTERS[(chance.next_u32() >> 27) as usize]));
    std::iter::once("halo_".to_owned()).chain(letters.map(String::from)).collect()
}

pub(crate) async fn run(
    connection: &mut Connection<'_>,
    command: &Command,
    call: Call,
    terms: &Terms,
    sink: &mut dyn Sink,
) -> Result<Done, Failure> {
    let name = savepoint(connection.chance);
    let settings = connection.terms(terms);
    connection.before(format!("{settings}BEGIN TRAN; SAVE TRAN {name}")).await?;
    let ended = run::stream(connection, command, call, sink).await;
    if connection.client.is_connection_dead() || matches!(ended, Err(Failure::Lost)) {
        // The server rolls back what a lost connection had begun; nobody can ask it any more whether it was still that.
        return Err(if might_end(command) { Failure::Escaped(None) } else { Failure::Lost });
    }
    let aborted = matches!(&ended, Err(failure) if by_server(command, connection.client, failure));
    let same = own(connection.client, format!("ROLLBACK TRAN {name}; IF @@TRANCOUNT > 0 ROLLBACK")).await;
    match (same, ended) {
        (Ok(()), ended) => ended,
        // No transaction is open any more, and the server itself has rolled it back.
        (Err(Failure::Sql(error)), ended) if aborted && error.number == NO_TRANSACTION => ended,
        (Err(Failure::Sql(_)), Err(Failure::Sql(first))) => Err(Failure::Escaped(Some(Box::new(first)))),
        (Err(Failure::Sql(_)), _) => Err(Failure::Escaped(None)),
        (Err(_), _) if might_end(command) => Err(Failure::Escaped(None)),
        (Err(_), _) => Err(Failure::Lost),
    }
}

/// `ROLLBACK` where no transaction is open.
const NO_TRANSACTION: i32 = 3903;

/// Words without which a text can't end a transaction but through a trigger or a procedure of the practice's own.
const ENDS_ITSELF: [&str; 3] = ["commit", "rollback", "exec"];

/// Whether the command could have ended the transaction by its own words.
fn might_end(command: &Command) -> bool {
    let text = command.text.reveal();
    match command.kind {
        CommandType::Text => holds(text, &ENDS_ITSELF),
        CommandType::StoredProcedure => servers_own(text),
    }
}

/// Whether a procedure is the server's own: some of those run any text that they are given.
fn servers_own(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default().trim_start_matches(['[', '"', ' ']);
    let lower = last.to_ascii_lowercase();
    lower.starts_with("sp_") || lower.starts_with("xp_")
}

/// Errors with which the server rolls a transaction back by itself, whatever the statement: deadlock victim, a snapshot
/// that was overtaken, a transaction that can't be committed at the end of its batch.
const ROLLS_BACK: [i32; 3] = [1205, 3960, 3998];

/// Words without which a text can't end a transaction, nor make a trigger that does: then an error that ended it is the
/// server's own doing. T-SQL has no way to write them otherwise but through EXEC.
const ENDS: [&str; 12] = [
    "commit", "rollback", "exec", "insert", "update", "delete", "merge", "truncate", "create", "alter",
    "drop", "tran",
];

/// Whether it must have been the server that ended the transaction, by aborting the batch with this failure.
fn by_server(command: &Command, client: &TdsClient, failure: &Failure) -> bool {
    // What comes to its own end was not aborted.
    if returned(client) {
        return false;
    }
    match failure {
        Failure::Sql(error) => explained(command, error),
        Failure::Cancelled => command.kind == CommandType::Text && harmless(command.text.reveal()),
        _ => false,
    }
}

fn explained(command: &Command, error: &SqlError) -> bool {
    let text = command.text.reveal();
    let named = ROLLS_BACK.contains(&error.number);
    (command.kind == CommandType::Text && harmless(text)) || (named && !might_end(command))
}

/// A text that can't end a transaction, whatever it means: it holds none of the words, and does not begin with the name of
/// a procedure (EXEC may be left out there).
fn harmless(text: &str) -> bool {
    let first: String = text.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    let known = ["select", "with", "declare"].iter().any(|word| first.eq_ignore_ascii_case(word));
    known && !holds(text, &ENDS)
}

fn holds(text: &str, words: &[&str]) -> bool {
    let lower = text.to_ascii_lowercase();
    words.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_savepoint_has_a_name_of_its_own_that_fits() {
        let chance: Chance = Arc::new(Mutex::new(StdRng::seed_from_u64(7)));
        let names: std::collections::HashSet<_> = (0..1000).map(|_| savepoint(&chance)).collect();
        assert_eq!(names.len(), 1000);
        assert!(
            names.iter().all(|n| n.len() == 31 && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        );
    }

    #[test]
    fn only_a_text_that_could_not_have_ended_the_transaction_is_harmless() {
        assert!(harmless("  SELECT CAST('x' AS int)"));
        assert!(harmless("WITH a AS (SELECT 1 AS n) SELECT n FROM a"));
        for text in [
            "ROLLBACK; INSERT t VALUES (1); SELECT CAST('x' AS int)",
            "SELECT 1; rollBACK",
            "SELECT 1; EXEC('COM' + 'MIT')",
            "dbo.Anything",
            "/* SELECT */ Anything",
            "[select] 1",
            "INSERT t VALUES (1)",
            "",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }
}
