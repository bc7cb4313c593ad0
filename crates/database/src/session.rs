//! Engines and their sessions.

use crate::{Description, Failure, Sink};
use model::{Access, Catalogue, Command, Hidden, ParameterType};
use std::{sync::Arc, time::Duration};

/// A database login as the PMS vendor issued it to one integrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: Hidden<String>,
    /// Password.
    pub password: Hidden<String>,
}

/// One practice-management database system: makes sessions.
pub trait Engine: Send + Sync + 'static {
    /// Its databases, one of them the default.
    fn catalogues(&self) -> Vec<Catalogue>;

    /// Logs in to one catalogue (a name from [`Engine::catalogues`]; names compare without case).
    /// With [`Access::ReadOnly`] the engine itself refuses every write of this session, as far as it can: its page in
    /// `docs/engines.md` says how far that is.
    ///
    /// # Errors
    /// [`Failure::Sql`] for a refused login, [`Failure::Catalogue`], [`Failure::Lost`] when the server can't be reached.
    fn connect(&self, login: &Login, catalogue: &str, access: Access) -> Result<Box<dyn Session>, Failure>;

    /// The same as Link itself, read-only, with the login of the engine's own settings: for what a site says of itself.
    /// `None` when the settings have no such login.
    ///
    /// # Errors
    /// As [`Engine::connect`].
    fn connect_own(&self, catalogue: &str) -> Option<Result<Box<dyn Session>, Failure>>;
}

/// One connection of one login to one catalogue, for one user: it is never handed to another, whatever [`Session::reset`]
/// says. Runs one command at a time.
pub trait Session: Send {
    /// Runs a command to its end. Every result set goes to `sink` as the database yields it, whatever the command's mode:
    /// which of them anybody wants is the sink's to say. The first error of the database ends up in [`Failure::Sql`];
    /// what the batch does after it is still read to its end.
    ///
    /// # Errors
    /// [`Failure`].
    fn run(&mut self, command: &Command, terms: &Terms, sink: &mut dyn Sink) -> Result<Done, Failure>;

    /// Makes the command that runs now, or the next one if none runs yet, end with [`Failure::Cancelled`]; from any thread.
    fn canceller(&self) -> Arc<dyn Cancel>;

    /// A cheap round trip: whether the connection still lives.
    ///
    /// # Errors
    /// [`Failure::Lost`].
    fn ping(&mut self) -> Result<(), Failure>;

    /// Between two commands of the session's user: what the first left behind (temporary table, `SET`, open transaction,
    /// context) is not seen by the second, as far as that costs the server nothing; the engine's page says what stays. An
    /// engine may put the round trip off to the next command, if that command can't run without it.
    ///
    /// # Errors
    /// Then the session must be closed.
    fn reset(&mut self) -> Result<(), Failure>;

    /// What the server is, and what this login may do in this catalogue.
    ///
    /// # Errors
    /// As [`Session::run`].
    fn describe(&mut self) -> Result<Description, Failure>;
}

/// On which terms a command runs: how much it may stand in the way of the practice's own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Longest wait for a lock that somebody else holds; `None` leaves the database's own rule.
    pub lock_wait: Option<Duration>,
    /// Of two commands that wait for one another, this one gives way.
    pub gives_way: bool,
}

/// Cancels from another thread.
pub trait Cancel: Send + Sync {
    /// Asks once; the command's own end says whether it worked.
    fn cancel(&self);
}

/// How a command ended well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// Rows inserted, updated or deleted; `None` when the database gave no count.
    pub rows_affected: Option<i64>,
    /// Output, inputOutput and returnValue parameters, in the command's order.
    pub outputs: Vec<Output>,
}

/// The value that came back in one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Index into the command's parameters.
    pub parameter: usize,
    /// The declared type.
    pub kind: ParameterType,
    /// Text as in row JSON without quotes; `None` is NULL.
    pub value: Option<Hidden<String>>,
}
