//! One connection to one database: commands, each in a transaction of its own.

mod blob;
mod query;
mod rows;
mod run;
mod statement;
mod transaction;

pub(crate) use run::Plan;

use crate::{
    channel::{Channel, now},
    connect::Attached,
    fault,
    kind::Setup,
    rights,
    wire::{request, status::Status},
};
use database::{Cancel, Description, Done, Failure, Session, Sink, Terms};
use model::{Access, Command};
use std::{sync::Arc, time::Duration};

/// How long a server may take to give a sign of life, or to close.
const ALIVE: Duration = Duration::from_secs(10);

/// A session.
pub(crate) struct FirebirdSession {
    channel: Channel,
    pub(crate) setup: Arc<Setup>,
    access: Access,
    /// The server's number of the database.
    database: u32,
    /// Of the protocol.
    pub(crate) version: u32,
}

impl FirebirdSession {
    pub(crate) fn new(attached: Attached, setup: Arc<Setup>, access: Access) -> Self {
        FirebirdSession {
            channel: attached.channel,
            setup,
            access,
            database: attached.database,
            version: attached.version,
        }
    }

    /// What the server said went wrong. Of a connection that goes away nobody knows what was done.
    fn failure(&mut self, status: &Status) -> Failure {
        if fault::is_gone(status) {
            self.channel.give_up();
            return Failure::Lost;
        }
        if status.has(fault::CANCELLED) {
            self.channel.stopped();
        }
        fault::failure(status, self.channel.is_asked())
    }

    /// The command is over, however it ended: the server has heard what it was told and nothing is left of it.
    fn over(&mut self) {
        if !self.channel.is_lost() {
            // If it fails, the channel knows that it is lost.
            let _ = self.channel.ending(self.database);
        }
        self.channel.finish();
    }

    /// Sends a request and reads its answer.
    fn ask(&mut self, out: &mut [u8]) -> Result<crate::wire::reply::Response, Failure> {
        self.channel.send(out)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<crate::wire::reply::Response, Failure> {
        self.channel.response()?.map_err(|status| self.failure(&status))
    }
}

impl Session for FirebirdSession {
    fn run(&mut self, command: &Command, terms: &Terms, sink: &mut dyn Sink) -> Result<Done, Failure> {
        self.command(command, terms, sink)
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        self.channel.half()
    }

    fn ping(&mut self) -> Result<(), Failure> {
        self.channel.until(Some(now() + ALIVE));
        let mut out = Vec::new();
        request::ping(&mut out);
        let answer = self.ask(&mut out).map(|_| ()).map_err(|_| Failure::Lost);
        self.channel.until(None);
        answer
    }

    fn reset(&mut self) -> Result<(), Failure> {
        // A command's transaction ended with it. Whether the session has context variables only the monitoring tables
        // know, and to ask those makes the server stop at every connection of the practice.
        if self.channel.is_lost() { Err(Failure::Lost) } else { Ok(()) }
    }

    fn describe(&mut self) -> Result<Description, Failure> {
        self.channel.begin()?;
        let described = rights::describe(self);
        self.over();
        described
    }
}

impl Drop for FirebirdSession {
    fn drop(&mut self) {
        // The server frees what it holds for us at once instead of when it notices; no answer is waited for.
        let mut out = Vec::new();
        request::detach(&mut out, self.database);
        let _ = self.channel.send(&mut out);
    }
}
