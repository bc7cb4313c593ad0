//! One connection: runs compiled batches.

mod action;
mod cancel;
mod fill;
mod invoke;
mod narrow;
mod programs;
mod raise;
mod rows;
mod run;
mod temps;
mod told;
mod transaction;
mod value;

use crate::{
    events::Transacted,
    functions::{State, StatementClock},
    schema::Base,
    tsql::{Temp, Variable},
};
pub(crate) use cancel::Canceller;
pub(crate) use programs::Programs;
pub(crate) use rows::Rows;
use rusqlite::{Connection, types::Value};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
};
pub(crate) use value::stored;

/// Temporary tables with the depth of the scope that they end with.
pub(crate) type Temps = Vec<(u32, Arc<Temp>)>;

/// A session of the demo practice.
pub struct DemoSession {
    pub(crate) connection: Connection,
    /// The current database, and the one at log-in.
    pub(crate) base: Base,
    pub(crate) home: Base,
    pub(crate) read_only: bool,
    pub(crate) state: Arc<State>,
    pub(crate) clock: Arc<StatementClock>,
    pub(crate) canceller: Arc<Canceller>,
    pub(crate) programs: Programs,
    /// Set while this crate itself makes or drops a temporary table: the fence lets it through.
    pub(crate) making: Arc<AtomicBool>,
    /// Temporary tables with the depth of the scope that they end with.
    pub(crate) temps: Temps,
    /// Temporary tables as they were when the transaction began, and at each savepoint.
    pub(crate) before: Vec<(Option<String>, Temps)>,
    /// The name that the outermost BEGIN TRANSACTION gave.
    pub(crate) own_name: Option<String>,
    /// How each table variable was made, by the engine's name of it.
    pub(crate) made: HashMap<String, String>,
    pub(crate) next_table: u64,
    /// SET options.
    pub(crate) silent: bool,
    pub(crate) xact_abort: bool,
    /// How many TRY blocks are open.
    pub(crate) trying: u32,
    /// The columns of a result set were told, and not its end yet.
    pub(crate) telling: bool,
    /// What has become of the transaction and has not been told yet.
    pub(crate) transacted: Vec<Transacted>,
}

/// What one batch or procedure has of its own.
pub(crate) struct Frame {
    values: Vec<Value>,
    variables: Vec<Variable>,
    /// Name of the procedure; empty in a batch.
    procedure: String,
    /// Whether RETURN may give a value.
    returns: bool,
    /// 0 for what the caller sent.
    depth: u32,
    /// What RETURN gave.
    status: i64,
}
