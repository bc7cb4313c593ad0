//! A command's parameters as the driver sends them.

mod name;
mod sized;
mod typed;

use database::{Failure, text};
use model::{Command, Direction, Parameter, ParameterType};
use mssql_tds::{
    datatypes::{sql_udt::UdtTypeName, sqltypes::SqlType},
    message::parameters::rpc_parameters::{RpcParameter, StatusFlags},
    token::tokens::SqlCollation,
};
pub(crate) use name::{TypeName, wire_name};
pub(crate) use typed::{Typed, typed};

/// A parameter, ready but for what only the server knows.
pub(crate) enum Prepared {
    /// As it is sent.
    Ready(RpcParameter),
    /// A table: its type's columns are the server's to say.
    Table {
        /// Index into the command's parameters.
        at: usize,
        name: String,
        type_name: TypeName,
    },
}

/// Checks and converts every parameter that is sent.
///
/// # Errors
/// [`Failure::Parameter`]; nothing was sent.
pub(crate) fn prepare(command: &Command, collation: &SqlCollation) -> Result<Vec<Prepared>, Failure> {
    let sent = command.parameters.iter().enumerate().filter(|(_, p)| p.direction != Direction::ReturnValue);
    sent.map(|(at, parameter)| one(at, parameter, collation)).collect()
}

fn one(at: usize, parameter: &Parameter, collation: &SqlCollation) -> Result<Prepared, Failure> {
    let refused = |expected: &str| refused(parameter, expected);
    let name = wire_name(&parameter.name).ok_or_else(|| {
        refused("a name such as @patientId: at most 127 letters, digits and signs _ # $ @ of ASCII")
    })?;
    let out = parameter.direction != Direction::Input;
    let status = if out { StatusFlags::BY_REF_VALUE } else { StatusFlags::NONE };
    let type_name = || {
        let given = parameter.type_name.as_deref().and_then(TypeName::read);
        given.ok_or_else(|| refused("typeName: the name of the database's own type, such as dbo.IdList"))
    };
    let value = match parameter.kind {
        ParameterType::Structured if out => {
            return Err(refused("Structured: tables travel one way, direction input"));
        }
        ParameterType::Structured => return Ok(Prepared::Table { at, name, type_name: type_name()? }),
        ParameterType::Udt => {
            let type_name = type_name()?;
            let bytes = match (&parameter.value, parameter.direction) {
                (Some(text), Direction::Input | Direction::InputOutput) => {
                    Some(text::binary(text.reveal()).ok_or_else(|| refused("Udt: bytes in base64"))?)
                }
                _ => None,
            };
            let udt = UdtTypeName::new(None, type_name.schema, type_name.name);
            Typed { value: SqlType::Udt(udt, bytes), metadata: None }
        }
        _ => typed(parameter, text::given(parameter)?, collation)?,
    };
    let sent = RpcParameter::new(Some(name), status, value.value);
    Ok(Prepared::Ready(match value.metadata {
        Some(metadata) => sent.with_type_metadata(metadata),
        None => sent,
    }))
}

/// What is wrong with a parameter.
pub(crate) fn refused(parameter: &Parameter, expected: &str) -> Failure {
    Failure::Parameter { name: parameter.name.clone(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests;
