//! From a text to a statement that the server has prepared.

use super::FirebirdSession;
use crate::{
    fault,
    wire::{info::Described, op, request},
};
use database::{Failure, Terms};
use model::Access;

/// A statement in its transaction.
pub(super) struct Prepared {
    pub(super) transaction: u32,
    pub(super) statement: u32,
    pub(super) described: Described,
}

impl FirebirdSession {
    /// Begins a transaction. The statement that comes back with it has no text yet.
    pub(super) fn begin(&mut self, access: Access, terms: &Terms) -> Result<(u32, u32), Failure> {
        let mut out = Vec::new();
        // A server that is allowed to be lazy keeps the first answer until it gives the second.
        request::allocate(&mut out, self.database);
        request::transaction(&mut out, self.database, &super::transaction::block(access, terms));
        self.channel.send(&mut out)?;
        let statement = self.channel.response()?;
        let transaction = self.channel.response()?;
        match (transaction, statement) {
            (Ok(transaction), Ok(statement)) => Ok((transaction.handle, statement.handle)),
            (Err(status), _) | (_, Err(status)) => {
                let failure = self.failure(&status);
                // The one that was made would be left open.
                self.channel.give_up();
                Err(failure)
            }
        }
    }

    /// Prepares a text and learns all of its columns and parameters.
    pub(super) fn prepare(
        &mut self,
        transaction: u32,
        statement: u32,
        text: &str,
        access: Access,
    ) -> Result<Prepared, Failure> {
        let mut out = Vec::new();
        request::prepare(&mut out, transaction, statement, text.as_bytes());
        let mut answer = self.ask(&mut out)?;
        let mut described = Described::default();
        loop {
            let more = described.feed(&answer.data).map_err(|_| {
                self.channel.give_up();
                Failure::Lost
            })?;
            let Some(items) = more else { break };
            out.clear();
            request::info(&mut out, statement, &items);
            answer = self.ask(&mut out)?;
        }
        if matches!(
            described.statement,
            op::statement::START | op::statement::COMMIT | op::statement::ROLLBACK
        ) {
            let why = "COMMIT, ROLLBACK and SET TRANSACTION are not for commands: each command has a transaction of its own";
            return Err(Failure::Sql(fault::error(-901, why.to_owned())));
        }
        // Sequences and users are outside of transactions: a read-only one would let these pass.
        let outside = matches!(described.statement, op::statement::SET_GENERATOR | op::statement::DDL);
        if access == Access::ReadOnly && outside {
            let why = "Definitions, users and sequences are not for a session that may only read".to_owned();
            return Err(Failure::Sql(fault::error(-817, why)));
        }
        Ok(Prepared { transaction, statement, described })
    }

    /// Ends the transaction: what it wrote stands, or is undone. Errors of the commit are the command's.
    pub(super) fn end(&mut self, transaction: u32, statement: u32, stands: bool) -> Result<(), Failure> {
        self.channel.ending(self.database)?;
        let mut out = Vec::new();
        request::free(&mut out, statement);
        if stands {
            request::commit(&mut out, transaction);
        } else {
            request::rollback(&mut out, transaction);
        }
        self.channel.send(&mut out)?;
        let freed = self.channel.response()?;
        let ended = self.channel.response()?;
        if let Err(status) = ended {
            let failure = self.failure(&status);
            // A transaction that failed to end lives on.
            out.clear();
            request::rollback(&mut out, transaction);
            if !stands || self.ask(&mut out).is_err() {
                self.channel.give_up();
            }
            return Err(failure);
        }
        if let Err(status) = freed {
            // Nobody needs it any more, but what the session holds is no longer known.
            let _ = self.failure(&status);
            self.channel.give_up();
        }
        Ok(())
    }
}
