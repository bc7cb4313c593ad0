//! Tells a session's events as tokens.
//!
//! DONE says whether more follows, which is known only when it does: each is held back until the next thing comes.

use super::turn::Turn;
use crate::{
    answer::{
        Put,
        cell::{Unfit, cell},
        kind::{Kind, put_value},
        packets::Packets,
        tokens::{
            Change, Done, DoneKind, command, put_b_varchar, put_change, put_columns, put_done, put_message,
            put_row, put_user_type,
        },
    },
    wire::Version,
};
use database::Value;
use practice::events::{ColumnType, Ended, Enough, Events, Message, ResultColumn, Transacted};

/// Where the values of OUTPUT parameters go.
#[derive(Default)]
pub(super) struct Outputs {
    /// The client's names of its parameters; `None` where it wants nothing back.
    names: Vec<Option<String>>,
    /// What to add to the engine's place to get the client's.
    pub(super) shift: isize,
    /// Values by place, in the protocol's form.
    values: Vec<(usize, Vec<u8>)>,
}

impl Outputs {
    /// For a call with these parameters.
    pub(super) fn of(names: Vec<Option<String>>) -> Outputs {
        Outputs { names, ..Outputs::default() }
    }
}

/// The session's transaction as its client knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Transaction {
    /// Of the last one that began: no two of a connection have the same.
    number: u64,
    open: bool,
}

impl Transaction {
    /// Whether one is open.
    pub(super) fn is_open(self) -> bool {
        self.open
    }
}

/// Tells what one request gives.
pub(super) struct Teller<'a> {
    pub(super) packets: &'a mut Packets,
    turn: &'a Turn,
    version: Version,
    database: &'static str,
    transaction: Transaction,
    kinds: Vec<Kind>,
    held: Option<Done>,
    /// An error has been told that no DONE has marked yet.
    failed: bool,
    /// Whether this server itself stopped the session, and has said why.
    stopped: bool,
    /// Inside a call.
    calling: bool,
    status: Option<i32>,
    pub(super) outputs: Outputs,
}

impl<'a> Teller<'a> {
    pub(super) fn new(
        packets: &'a mut Packets,
        turn: &'a Turn,
        version: Version,
        database: &'static str,
        transaction: Transaction,
    ) -> Teller<'a> {
        Teller {
            packets,
            turn,
            version,
            database,
            transaction,
            kinds: Vec::new(),
            held: None,
            failed: false,
            stopped: false,
            calling: false,
            status: None,
            outputs: Outputs::default(),
        }
    }

    /// What is held back goes out: something follows.
    pub(super) fn more(&mut self) {
        if let Some(done) = self.held.take() {
            put_done(&done, true, self.version, self.packets);
        }
    }

    pub(super) fn hold(&mut self, mut done: Done) {
        self.more();
        done.error |= std::mem::take(&mut self.failed);
        self.held = Some(done);
    }

    pub(super) fn change(&mut self, change: &Change<'_>) {
        self.more();
        put_change(change, self.packets);
    }

    pub(super) fn say(&mut self, message: &Message) {
        self.more();
        self.failed |= message.class > 10;
        put_message(message, self.version, self.packets);
    }

    pub(super) fn error(&mut self, number: i32, class: u8, text: impl Into<String>) {
        let text = text.into();
        self.say(&Message { number, state: 1, class, line: 1, procedure: String::new(), text });
    }

    /// The transaction as it is after what was told.
    pub(super) fn transaction(&self) -> Transaction {
        self.transaction
    }

    /// Whether an error was told since the last DONE.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the session's end is explained already: the client asked for it, or was told the reason.
    pub(super) fn is_explained(&self) -> bool {
        self.stopped || self.turn.asked() || self.packets.is_gone()
    }

    pub(super) fn begin_call(&mut self, outputs: Outputs) {
        (self.calling, self.status, self.outputs) = (true, None, outputs);
    }

    pub(super) fn set_status(&mut self, value: i32) {
        self.status = Some(value);
    }

    /// Status, outputs and the end of a call, in this order.
    pub(super) fn end_call(&mut self) {
        self.more();
        if let Some(status) = self.status.take() {
            self.packets.u8(0x79);
            self.packets.put(&status.to_le_bytes());
        }
        self.outputs.values.sort_by_key(|(at, _)| *at);
        for (_, token) in std::mem::take(&mut self.outputs.values) {
            self.packets.put(&token);
        }
        self.calling = false;
        self.hold(Done::plain(DoneKind::Procedure));
    }

    /// Ends the answer with an acknowledgement of ATTENTION, or without.
    pub(super) fn finish(mut self, attention: bool) {
        if attention {
            self.more();
            let done = Done { attention: true, ..Done::plain(DoneKind::Batch) };
            put_done(&done, false, self.version, self.packets);
        } else {
            if self.held.is_none() || self.failed {
                self.hold(Done::plain(DoneKind::Batch));
            }
            if let Some(done) = self.held.take() {
                put_done(&done, false, self.version, self.packets);
            }
        }
        self.packets.finish();
    }

    fn go_on(&self) -> Result<(), Enough> {
        if self.turn.asked() || self.packets.is_gone() { Err(Enough) } else { Ok(()) }
    }

    /// One output value, at the client's place.
    pub(super) fn give_output(&mut self, at: usize, ty: &ColumnType, value: &Value<'_>) -> Result<(), Unfit> {
        let Some(Some(name)) = self.outputs.names.get(at) else { return Ok(()) };
        let mut token = Vec::new();
        token.u8(0xAC);
        // At most 2,100 parameters.
        token.u16(at as u16);
        put_b_varchar(name, 128, &mut token);
        token.u8(0x01);
        put_user_type(0, self.version, &mut token);
        token.u16(0);
        put_value(ty, value, self.version, &mut token)?;
        self.outputs.values.push((at, token));
        Ok(())
    }

    fn unfit(&mut self, ty: &str) -> Enough {
        self.stopped = true;
        self.error(8115, 16, format!("Arithmetic overflow error converting expression to data type {ty}."));
        Enough
    }
}

impl Events for Teller<'_> {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Enough> {
        self.more();
        self.kinds = columns.iter().map(|c| Kind::of(&c.ty, self.version)).collect();
        put_columns(columns, &self.kinds, self.version, self.packets);
        self.go_on()
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Enough> {
        let mut cells = Vec::with_capacity(values.len());
        for (kind, value) in self.kinds.iter().zip(values) {
            match cell(*kind, value) {
                Ok(made) => cells.push(made),
                Err(Unfit) => return Err(self.unfit("of its column")),
            }
        }
        put_row(&self.kinds, &cells, self.version, self.packets);
        self.go_on()
    }

    fn ended(&mut self, what: Ended, rows: Option<u64>) -> Result<(), Enough> {
        let kind = if self.calling { DoneKind::Inside } else { DoneKind::Batch };
        self.hold(Done { command: command(what), rows, ..Done::plain(kind) });
        self.go_on()
    }

    fn message(&mut self, message: &Message) -> Result<(), Enough> {
        self.say(message);
        self.go_on()
    }

    fn output(&mut self, at: usize, ty: ColumnType, value: Value<'_>) -> Result<(), Enough> {
        let Some(at) = at.checked_add_signed(self.outputs.shift) else { return Ok(()) };
        match self.give_output(at, &ty, &value) {
            Ok(()) => self.go_on(),
            Err(Unfit) => Err(self.unfit(ty.name)),
        }
    }

    fn status(&mut self, value: i32) -> Result<(), Enough> {
        if self.calling {
            self.status = Some(value);
        } else {
            // An EXEC in a batch.
            self.more();
            self.packets.u8(0x79);
            self.packets.put(&value.to_le_bytes());
            self.hold(Done::plain(DoneKind::Procedure));
        }
        self.go_on()
    }

    fn database(&mut self, name: &'static str) -> Result<(), Enough> {
        self.change(&Change::Database { new: name, old: self.database });
        self.database = name;
        self.say(&changed_database(name));
        self.go_on()
    }

    fn transacted(&mut self, what: Transacted) {
        let Transaction { number, open } = self.transaction;
        match what {
            Transacted::Begun => {
                self.transaction = Transaction { number: number + 1, open: true };
                self.change(&Change::Begun(number + 1));
            }
            Transacted::Committed | Transacted::RolledBack if open => {
                self.transaction.open = false;
                let committed = what == Transacted::Committed;
                self.change(&if committed { Change::Committed(number) } else { Change::RolledBack(number) });
            }
            Transacted::Committed | Transacted::RolledBack => {}
        }
    }
}

/// What SQL Server says at each change of the database.
pub(super) fn changed_database(name: &str) -> Message {
    Message {
        number: 5701,
        state: 2,
        class: 0,
        line: 1,
        procedure: String::new(),
        text: format!("Changed database context to '{name}'."),
    }
}
