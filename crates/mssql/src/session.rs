//! One connection: runs one command at a time on the caller's own thread.
//!
//! The future of a command is driven to its end by `block_on`; it is never dropped midway, because the driver would then
//! look healthy and give the next command this one's answer. Where it can't come to its end (a sink that panics), the mark
//! that a command runs stays, and everybody after finds the connection lost.

use crate::{
    cancel::Canceller,
    describe,
    error::{FATAL, failure},
    parameter,
    read_only::{self, Chance},
    run::{self, Call},
    structured::{self, Tables},
};
use database::{Cancel, Description, Dialect, Done, Failure, Session, Sink, SqlError, Terms};
use model::{Access, Command, CommandType};
use mssql_tds::{
    connection::tds_client::{ExecuteOptions, TdsClient},
    core::CancelHandle,
};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Runtime;

/// Longest wait for the small statements that Link adds of its own, in seconds.
pub(crate) const OWN_PATIENCE: u32 = 15;

pub(crate) struct MssqlSession {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    client: TdsClient,
    access: Access,
    canceller: Arc<Canceller>,
    /// A command runs, or ran and never came to its end.
    busy: bool,
    /// Nobody may use the connection any more.
    dead: bool,
    /// The terms that the server was told, the default ones after a reset; `None` when it may not have heard.
    told: Option<Terms>,
    chance: Chance,
    tables: Tables,
}

impl Drop for MssqlSession {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait: a session may be dropped on a thread that must not block.
            runtime.shutdown_background();
        }
    }
}

impl MssqlSession {
    pub(crate) fn new(runtime: Runtime, client: TdsClient, access: Access, chance: Chance) -> Self {
        MssqlSession {
            runtime: Some(runtime),
            client,
            access,
            canceller: Arc::default(),
            busy: false,
            dead: false,
            told: Some(Terms::default()),
            chance,
            tables: Tables::default(),
        }
    }

    /// Runs `work` as the session's one command.
    fn alone<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.usable()?;
        let cancel = self.canceller.begin().ok_or(Failure::Cancelled)?;
        self.busy = true;
        let runtime = self.runtime.as_ref().expect("only drop takes it");
        let client = &mut self.client;
        let mut connection = Connection {
            client,
            cancel: &cancel,
            access: self.access,
            told: &mut self.told,
            chance: &self.chance,
            tables: &mut self.tables,
        };
        let result = runtime.block_on(work(&mut connection));
        self.busy = false;
        self.canceller.end();
        match &result {
            Err(Failure::Lost | Failure::Unproven | Failure::Escaped(_)) => self.give_up(),
            Err(Failure::Sql(error)) if error.class >= FATAL => self.give_up(),
            _ => {}
        }
        self.put_down();
        result
    }

    fn usable(&mut self) -> Result<(), Failure> {
        if self.busy {
            self.give_up();
        }
        if self.dead || self.client.is_connection_dead() { Err(Failure::Lost) } else { Ok(()) }
    }

    fn give_up(&mut self) {
        self.dead = true;
        self.client.mark_connection_dead();
    }

    /// A transaction that a command left open would hold its locks for as long as the session waits for its next user.
    fn put_down(&mut self) {
        if self.dead || self.client.is_connection_dead() || !self.client.has_active_transaction() {
            return;
        }
        let runtime = self.runtime.as_ref().expect("only drop takes it");
        let done = runtime.block_on(own(&mut self.client, "IF @@TRANCOUNT > 0 ROLLBACK".to_owned()));
        if done.is_err() {
            self.give_up();
        }
    }
}

/// What a command has in hand while it runs.
pub(crate) struct Connection<'a> {
    pub(crate) client: &'a mut TdsClient,
    pub(crate) cancel: &'a CancelHandle,
    pub(crate) access: Access,
    told: &'a mut Option<Terms>,
    pub(crate) chance: &'a Chance,
    pub(crate) tables: &'a mut Tables,
}

impl Connection<'_> {
    /// Runs a statement of Link's own before the command; whoever cancels the command cancels this.
    pub(crate) async fn before(&mut self, text: String) -> Result<(), Failure> {
        let options = ExecuteOptions::new().timeout_secs(OWN_PATIENCE).cancel(self.cancel);
        let done = small(self.client, text, options).await;
        if done.is_err() {
            *self.told = None;
        }
        done
    }

    /// The settings that tell the server the terms, when they are others than it was told; empty when not.
    pub(crate) fn terms(&mut self, terms: &Terms) -> String {
        let mut text = String::new();
        if self.told.is_none_or(|told| told.lock_wait != terms.lock_wait) {
            let millis = match terms.lock_wait {
                Some(wait) => i64::from(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)),
                None => -1,
            };
            text.push_str(&format!("SET LOCK_TIMEOUT {millis}; "));
        }
        if self.told.is_none_or(|told| told.gives_way != terms.gives_way) {
            let priority = if terms.gives_way { "LOW" } else { "NORMAL" };
            text.push_str(&format!("SET DEADLOCK_PRIORITY {priority}; "));
        }
        *self.told = Some(*terms);
        text
    }
}

/// Runs a statement of Link's own, to its end, without a canceller.
pub(crate) async fn own(client: &mut TdsClient, text: String) -> Result<(), Failure> {
    small(client, text, ExecuteOptions::new().timeout_secs(OWN_PATIENCE)).await
}

async fn small(client: &mut TdsClient, text: String, options: ExecuteOptions<'_>) -> Result<(), Failure> {
    client.execute(text, options).await.map_err(failure)?;
    client.close_query().await.map_err(failure)
}

/// Longest name of a procedure, UTF-16 units: server, database, schema and procedure, each with brackets.
const NAME: usize = 523;

/// A text that was sent as a procedure's name would be no name to the driver, and no connection to us.
fn procedure_name(command: &Command) -> Result<(), Failure> {
    let name = command.text.reveal().trim();
    if command.kind == CommandType::Text || name.encode_utf16().take(NAME + 1).count() <= NAME {
        return Ok(());
    }
    let message = "Could not find stored procedure: the name is longer than a name can be. A text goes with type \"text\".";
    Err(Failure::Sql(SqlError {
        dialect: Dialect::Mssql,
        number: 2812,
        state: 62,
        class: 16,
        line: 0,
        message: message.to_owned().into(),
    }))
}

impl Session for MssqlSession {
    fn run(&mut self, command: &Command, terms: &Terms, sink: &mut dyn Sink) -> Result<Done, Failure> {
        // What is wrong with a parameter is told before anything is sent.
        let collation = self.client.get_collation();
        let prepared = parameter::prepare(command, &collation)?;
        procedure_name(command)?;
        self.alone(async |connection| {
            let parameters = structured::fill(prepared, command, connection).await?;
            let text = command.text.reveal().clone();
            let call = match command.kind {
                CommandType::Text => Call::Text(text, parameters),
                CommandType::StoredProcedure => Call::Procedure(text.trim().to_owned(), parameters),
            };
            match connection.access {
                Access::ReadOnly => read_only::run(connection, command, call, terms, sink).await,
                Access::ReadWrite => {
                    let settings = connection.terms(terms);
                    if !settings.is_empty() {
                        connection.before(settings).await?;
                    }
                    run::stream(connection, command, call, sink).await
                }
            }
        })
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.canceller) as Arc<dyn Cancel>
    }

    fn ping(&mut self) -> Result<(), Failure> {
        self.usable()?;
        self.busy = true;
        let runtime = self.runtime.as_ref().expect("only drop takes it");
        let client = &mut self.client;
        let answer = runtime.block_on(async {
            let most = Duration::from_secs(OWN_PATIENCE.into());
            tokio::time::timeout(most, own(client, "SELECT 1".to_owned())).await
        });
        self.busy = false;
        if !matches!(answer, Ok(Ok(()))) {
            self.give_up();
            return Err(Failure::Lost);
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Failure> {
        self.usable()?;
        self.put_down();
        self.usable()?;
        // Rides on the next request, whichever it is; the driver checks that the server acknowledges it.
        self.client.prepare_reset_connection(false);
        self.told = Some(Terms::default());
        self.tables.clear();
        Ok(())
    }

    fn describe(&mut self) -> Result<Description, Failure> {
        self.alone(async |connection| describe::describe(connection).await)
    }
}
