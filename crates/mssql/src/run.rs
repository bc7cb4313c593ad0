//! Sends a command and streams what comes back.

use crate::{
    error::{FATAL, failure},
    output, rows,
    session::Connection,
};
use database::{Done, Failure, Sink};
use model::Command;
use mssql_tds::{
    connection::tds_client::{ExecuteOptions, StatementResult},
    core::TdsResult,
    error::Error,
    message::parameters::rpc_parameters::RpcParameter,
};

/// What is sent.
pub(crate) enum Call {
    /// Through `sp_executesql`, parameters or none: what the text sets, uses and makes ends with it.
    Text(String, Vec<RpcParameter>),
    /// By its own name.
    Procedure(String, Vec<RpcParameter>),
}

/// Why reading stopped early.
pub(crate) enum Cut {
    /// The sink wants no more.
    Stopped,
    /// The driver's error.
    Driver(Error),
}

impl From<Error> for Cut {
    fn from(error: Error) -> Cut {
        Cut::Driver(error)
    }
}

impl From<database::Stopped> for Cut {
    fn from(_: database::Stopped) -> Cut {
        Cut::Stopped
    }
}

async fn start(connection: &mut Connection<'_>, call: Call) -> TdsResult<StatementResult> {
    let options = ExecuteOptions::new().cancel(connection.cancel);
    match call {
        Call::Text(text, parameters) => {
            connection.client.execute_sp_executesql(text, parameters, options).await
        }
        Call::Procedure(name, parameters) => {
            connection.client.execute_stored_procedure(name, None, Some(parameters), options).await
        }
    }
}

/// Runs the call to its end.
pub(crate) async fn stream(
    connection: &mut Connection<'_>,
    command: &Command,
    call: Call,
    sink: &mut dyn Sink,
) -> Result<Done, Failure> {
    let rows_affected = simple(connection, call, sink).await?;
    let outputs = output::collect(connection.client, command)?;
    Ok(Done { rows_affected, outputs })
}

/// Runs a call to its end: the rows that it inserted, updated or deleted.
pub(crate) async fn simple(
    connection: &mut Connection<'_>,
    call: Call,
    sink: &mut dyn Sink,
) -> Result<Option<i64>, Failure> {
    let mut affected: Option<i64> = None;
    let mut next = start(connection, call).await;
    loop {
        // The driver keeps all that the server says meanwhile: what nobody asks for is not kept.
        drop(connection.client.take_info_messages());
        match next.map_err(|error| broken(connection, failure(error)))? {
            StatementResult::End => break,
            StatementResult::NoRows { rows_affected: Some(n) } => {
                let n = i64::try_from(n).unwrap_or(i64::MAX);
                affected = Some(affected.unwrap_or(0).saturating_add(n));
            }
            StatementResult::NoRows { rows_affected: None } => {}
            StatementResult::Rows => match rows::pass(connection.client, sink).await {
                Ok(()) => {}
                Err(Cut::Driver(error)) => return Err(broken(connection, failure(error))),
                Err(Cut::Stopped) => return Err(stop(connection).await),
            },
        }
        next = connection.client.advance().await;
    }
    Ok(affected)
}

/// An error after which the connection broke says nothing of what came behind it in the same batch.
fn broken(connection: &Connection<'_>, failure: Failure) -> Failure {
    match failure {
        Failure::Sql(error) if error.class < FATAL && connection.client.is_connection_dead() => Failure::Lost,
        failure => failure,
    }
}

/// The sink has left: the server is told to stop, and has to say that it did.
async fn stop(connection: &mut Connection<'_>) -> Failure {
    connection.cancel.cancel();
    // A command whose last byte had come already has nothing to stop.
    let _ = connection.client.close_query().await;
    Failure::Cancelled
}
