//! What comes back in parameters.

use crate::rows::Row;
use database::{Failure, Output, Value, json::text_of};
use model::{Command, Direction, Hidden, Parameter, ParameterType};
use mssql_tds::{connection::tds_client::TdsClient, query::result::ReturnValue};

/// The values of output, inputOutput and returnValue parameters, in the command's order.
pub(crate) fn collect(client: &TdsClient, command: &Command) -> Result<Vec<Output>, Failure> {
    let none = Vec::new();
    let values = client.retrieve_output_params().map_err(crate::error::failure)?.unwrap_or(&none);
    let wanted = command.parameters.iter().enumerate().filter(|(_, p)| p.direction != Direction::Input);
    let output = |(at, parameter): (usize, &Parameter)| {
        let value = match parameter.direction {
            Direction::ReturnValue => {
                client.get_return_status().map(|status| Hidden::new(status.to_string()))
            }
            _ => values
                .iter()
                .find(|v| same(&v.param_name, &parameter.name))
                .and_then(|v| told(v, parameter.kind)),
        };
        Output { parameter: at, kind: parameter.kind, value }
    };
    Ok(wanted.map(output).collect())
}

fn same(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.strip_prefix('@').unwrap_or(name).to_ascii_lowercase();
    bare(one) == bare(other)
}

fn told(value: &ReturnValue, kind: ParameterType) -> Option<Hidden<String>> {
    let mut row = Row::new(1);
    row.put(value.value.clone());
    let value = match (row.last(), kind) {
        (Value::Null, _) => return None,
        // The driver sends a bit as an integer of one byte, and gets it back as one.
        (Value::Int(n), ParameterType::Bit) => Value::Bit(n != 0),
        (value, _) => value,
    };
    let mut text = String::new();
    text_of(&value, &mut text);
    Some(Hidden::new(text))
}
