//! Read-only work: inside a transaction that is rolled back, and a proof that it was that one which was.
//!
//! Before the command a transaction is begun and a savepoint with a name nobody can guess is set. After it, rolling back to
//! that savepoint works inside that same transaction only: not when the command committed it, rolled it back, or began
//! another in its place. Then what it wrote may stand, and the answer says so.

mod suspect;

use crate::{
    run::{self, Call},
    session::{Connection, own},
};
use database::{Done, Failure, Sink, SqlError, Terms};
use model::{Command, CommandType};
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
    // The driver keeps a status until the next one comes: only another one is this command's for certain.
    let status = connection.client.get_return_status();
    let ended = run::stream(connection, command, call, sink).await;
    if connection.client.is_connection_dead() || matches!(ended, Err(Failure::Lost)) {
        // The server rolls back what a lost connection had begun; nobody can ask it any more whether it was still that.
        return Err(if might_end(command) { Failure::Unproven } else { Failure::Lost });
    }
    let returned = connection.client.get_return_status().is_some_and(|now| status != Some(now));
    // What comes to its own end was not aborted.
    let aborted = !returned && matches!(&ended, Err(failure) if by_server(command, failure));
    let same = own(connection.client, format!("ROLLBACK TRAN {name}; IF @@TRANCOUNT > 0 ROLLBACK")).await;
    match (same, ended) {
        (Ok(()), ended) => ended,
        // No transaction is open any more, and the server itself has rolled it back.
        (Err(Failure::Sql(error)), ended) if aborted && error.number == NO_TRANSACTION => ended,
        (Err(Failure::Sql(_)), Err(Failure::Sql(first))) => Err(Failure::Escaped(Some(Box::new(first)))),
        (Err(Failure::Sql(_)), _) => Err(Failure::Escaped(None)),
        (Err(_), _) if might_end(command) => Err(Failure::Unproven),
        (Err(_), _) => Err(Failure::Lost),
    }
}

/// `ROLLBACK` where no transaction is open.
const NO_TRANSACTION: i32 = 3903;

/// Errors with which the server rolls a transaction back by itself, whatever the statement: deadlock victim, a snapshot
/// that was overtaken, a transaction that can't be committed at the end of its batch.
const ROLLS_BACK: [i32; 3] = [1205, 3960, 3998];

/// Whether it must have been the server that ended the transaction, by aborting the batch with this failure.
fn by_server(command: &Command, failure: &Failure) -> bool {
    match failure {
        Failure::Sql(error) => explained(command, error),
        Failure::Cancelled => command.kind == CommandType::Text && suspect::harmless(command.text.reveal()),
        _ => false,
    }
}

fn explained(command: &Command, error: &SqlError) -> bool {
    let harmless = command.kind == CommandType::Text && suspect::harmless(command.text.reveal());
    harmless || (ROLLS_BACK.contains(&error.number) && !might_end(command))
}

/// Whether the command could have ended the transaction by its own words.
fn might_end(command: &Command) -> bool {
    match command.kind {
        CommandType::Text => suspect::might_end(command.text.reveal()),
        CommandType::StoredProcedure => suspect::runs_any_text(command.text.reveal()),
    }
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
}
