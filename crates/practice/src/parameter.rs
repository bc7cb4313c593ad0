//! A command's parameters as typed values.

use crate::{
    convert::{Decimal, from_parameter},
    types::Type,
};
use database::Failure;
use model::{Direction, Parameter, ParameterType};
use rusqlite::types::Value;

/// The type that a published type name means; `None` for those that the demo has not.
pub(crate) fn type_of(kind: ParameterType) -> Option<Type> {
    use ParameterType as P;
    let name = match kind {
        P::String | P::Variant => "nvarchar",
        P::DateTime2 => "datetime2",
        P::Structured | P::Udt => return None,
        P::Timestamp => "rowversion",
        other => other.name(),
    };
    Type::by_name(name)
}

/// Type and value of a parameter on its way in.
pub(crate) fn value_of(parameter: &Parameter) -> Result<(Type, Value), Failure> {
    let refuse = |expected: String| Failure::Parameter { name: parameter.name.clone(), expected };
    let mut ty = type_of(parameter.kind)
        .ok_or_else(|| refuse(format!("another type: the demo practice has no {}", parameter.kind.name())))?;
    let inward = matches!(parameter.direction, Direction::Input | Direction::InputOutput);
    if let (Some(text), "decimal" | "numeric") = (&parameter.value, ty.name) {
        // Its digits say how many it has: the published form has no precision and scale.
        ty = match Decimal::parse(text.reveal().trim()) {
            Some(number) => Type { name: ty.name, ..Type::of_digits(&number.to_string()) },
            None => ty,
        };
    }
    let value = match &parameter.value {
        Some(text) if inward => from_parameter(text.reveal(), ty)
            .ok_or_else(|| refuse(format!("{} ({})", parameter.kind.name(), ty.name)))?,
        _ => Value::Null,
    };
    Ok((ty, value))
}
