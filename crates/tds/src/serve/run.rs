//! One request of an admitted client, run on its session.

use super::{
    calls::{Prepared, run_calls},
    session::Client,
    teller::{Teller, Transaction as Open},
};
use crate::{
    answer::tokens::{Change, Done, DoneKind},
    backend::Conversation,
    wire::{
        Message as Packed, Wrong,
        packet::{Reset, kind},
        request::{self, Transaction},
    },
};
use database::Value;
use practice::events::{Broken, ColumnType, Ended, Enough, Events, Message, ResultColumn, Transacted};

/// Whether the connection lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Listen,
    Close,
}

/// What a client has made that this server keeps for it.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) prepared: Prepared,
    pub(super) transaction: Open,
}

/// Runs a request and answers it.
pub(super) fn run(
    client: &mut Client<'_>,
    conversation: &mut dyn Conversation,
    kept: &mut Kept,
    message: &Packed,
) -> Next {
    let (database, transaction) = (conversation.database(), kept.transaction);
    let mut teller = Teller::new(&mut *client.packets, client.turn, client.version, database, transaction);
    let wanted = match message.reset {
        Reset::No => false,
        Reset::All => true,
        // The session can't forget all but its transaction: with one open, all is kept.
        Reset::KeepTransaction => !kept.transaction.is_open(),
    };
    if wanted {
        let before = conversation.database();
        conversation.reset();
        kept.prepared = Prepared::default();
        teller.transacted(Transacted::RolledBack);
        let now = conversation.database();
        if now != before {
            let _ = teller.database(now);
        }
    }
    if message.reset != Reset::No {
        teller.change(&Change::Reset);
    }
    let mut next = Next::Listen;
    let done = if message.ignored {
        // The client took its request back while it was sending it.
        teller.hold(Done { error: true, ..Done::plain(DoneKind::Batch) });
        Ok(Ok(()))
    } else {
        match message.kind {
            kind::BATCH => request::batch(&message.bytes, client.version)
                .map(|text| conversation.batch(&text, &mut teller)),
            kind::RPC => run_calls(&message.bytes, client.version, conversation, kept, &mut teller),
            kind::TRANSACTION => request::transaction(&message.bytes, client.version)
                .map(|request| transact(&request, conversation, &mut teller)),
            kind::BULK => Err(Wrong::Unsupported("bulk load")),
            _ => Err(Wrong::Malformed("a message of a kind that does not belong here")),
        }
    };
    match done {
        Ok(Ok(())) => {}
        Ok(Err(Broken::Cancelled)) if teller.is_explained() => {}
        Ok(Err(Broken::Cancelled)) => {
            teller.error(3617, 16, "The statement was stopped by the server.");
        }
        Ok(Err(Broken::Lost)) => {
            teller.error(596, 21, "Cannot continue the execution: the demo practice's files are gone.");
            next = Next::Close;
        }
        Err(wrong) => next = tell_wrong(&wrong, &mut teller),
    }
    let attention = client.turn.end();
    if attention {
        // The request to stop may have come when the session had just ended by itself: an empty batch swallows it.
        let _ = conversation.batch("", &mut Quiet(&mut teller));
    }
    kept.transaction = teller.transaction();
    teller.finish(attention);
    next
}

/// A bad message as an error. After one that is not the protocol nothing can be trusted.
pub(super) fn tell_wrong(wrong: &Wrong, teller: &mut Teller<'_>) -> Next {
    match wrong {
        Wrong::Malformed(what) => {
            teller.error(
                4002,
                20,
                format!("The incoming tabular data stream (TDS) protocol stream is incorrect: {what}."),
            );
            return Next::Close;
        }
        Wrong::TooLong => teller.error(
            701,
            17,
            "There is insufficient memory for this request: the demo practice takes statements of up to 4 MB and calls of up to 160 MB.",
        ),
        Wrong::Parameter { parameter, name, what } => teller.error(
            8009,
            16,
            format!(
                "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is incorrect. Parameter {parameter} (\"{name}\"): {what}."
            ),
        ),
        Wrong::Unsupported(what) => {
            teller.error(40_514, 16, format!("'{what}' is not supported by the demo practice."));
        }
    }
    Next::Listen
}

/// A transaction request, as the T-SQL that it stands for.
fn transact(
    request: &Transaction,
    conversation: &mut dyn Conversation,
    teller: &mut Teller<'_>,
) -> Result<(), Broken> {
    let begin = |isolation: &Option<&str>, name: &str| {
        let level = isolation.map(|i| format!("SET TRANSACTION ISOLATION LEVEL {i}; ")).unwrap_or_default();
        format!("{level}BEGIN TRANSACTION{}", bracketed(name))
    };
    let (text, next) = match request {
        Transaction::Begin { isolation, name } => (begin(isolation, name), false),
        Transaction::Commit { name, next } => (format!("COMMIT TRANSACTION{}", bracketed(name)), *next),
        Transaction::Rollback { name, next } => (format!("ROLLBACK TRANSACTION{}", bracketed(name)), *next),
        Transaction::Save { name } => (format!("SAVE TRANSACTION{}", bracketed(name)), false),
    };
    conversation.batch(&text, &mut Quiet(teller))?;
    if next && !teller.has_failed() && !teller.transaction().is_open() {
        conversation.batch("BEGIN TRANSACTION", &mut Quiet(teller))?;
    }
    Ok(())
}

fn bracketed(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" [{}]", name.replace(']', "]]")) }
}

/// Passes messages on and nothing else: the end of a transaction request is one DONE.
struct Quiet<'a, 'b>(&'a mut Teller<'b>);

impl Events for Quiet<'_, '_> {
    fn columns(&mut self, _: &[ResultColumn]) -> Result<(), Enough> {
        Ok(())
    }
    fn row(&mut self, _: &[Value<'_>]) -> Result<(), Enough> {
        Ok(())
    }
    fn ended(&mut self, _: Ended, _: Option<u64>) -> Result<(), Enough> {
        Ok(())
    }
    fn message(&mut self, message: &Message) -> Result<(), Enough> {
        self.0.message(message)
    }
    fn output(&mut self, _: usize, _: ColumnType, _: Value<'_>) -> Result<(), Enough> {
        Ok(())
    }
    fn status(&mut self, _: i32) -> Result<(), Enough> {
        Ok(())
    }
    fn database(&mut self, name: &'static str) -> Result<(), Enough> {
        self.0.database(name)
    }
    fn transacted(&mut self, what: Transacted) {
        self.0.transacted(what);
    }
}
