//! Conversions and the arithmetic of decimals, as functions of the embedded engine.

use super::{text, ty};
use crate::{
    convert::{Decimal, arithmetic, convert},
    fault::Raised,
};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};

fn cast(context: &Context<'_>, strict: bool) -> Result<std::result::Result<Value, Raised>> {
    let value = context.get_raw(0);
    if matches!(value, ValueRef::Null) {
        return Ok(Ok(Value::Null));
    }
    let (from, mut to) = (ty(context, 1)?, ty(context, 2)?);
    to.length = context.get(3)?;
    to.scale = context.get(4)?;
    Ok(convert(value, from, to, context.get(5)?, strict))
}

fn decimals(c: &Context<'_>, at: usize) -> Result<Option<(Decimal, Decimal)>> {
    let (Some(a), Some(b)) = (text(c, at), text(c, at + 1)) else { return Ok(None) };
    let bad = || Raised(8114, "Error converting data type varchar to numeric.".to_owned());
    Ok(Some((Decimal::parse(&a).ok_or_else(bad)?, Decimal::parse(&b).ok_or_else(bad)?)))
}

fn divide(c: &Context<'_>) -> Result<Value> {
    let zero = || Raised(8134, "Divide by zero error encountered.".to_owned());
    let modulo = c.get_raw(0).as_str().ok() == Some("%");
    Ok(match (c.get_raw(1), c.get_raw(2)) {
        (ValueRef::Null, _) | (_, ValueRef::Null) => Value::Null,
        (_, ValueRef::Integer(0)) => return Err(zero().into()),
        (ValueRef::Integer(a), ValueRef::Integer(b)) => {
            Value::Integer(if modulo { a.wrapping_rem(b) } else { a.wrapping_div(b) })
        }
        _ => {
            let (a, b): (f64, f64) = (c.get(1)?, c.get(2)?);
            if b == 0.0 {
                return Err(zero().into());
            }
            Value::Real(if modulo { a % b } else { a / b })
        }
    })
}

pub(super) fn register(connection: &Connection, pure: FunctionFlags) -> Result<()> {
    connection
        .create_scalar_function("ts_cast", 6, pure, |c| cast(c, false)?.map_err(rusqlite::Error::from))?;
    connection
        .create_scalar_function("ts_assign", 6, pure, |c| cast(c, true)?.map_err(rusqlite::Error::from))?;
    connection.create_scalar_function("ts_try_cast", 6, pure, |c| {
        match cast(c, false)? {
            // What no value of the type converts to is an error in an attempt too.
            Err(raised @ Raised(102 | 281 | 529 | 9809, _)) => Err(raised.into()),
            done => Ok(done.unwrap_or(Value::Null)),
        }
    })?;
    connection.create_scalar_function("ts_divide", 3, pure, |c| divide(c))?;
    connection.create_scalar_function("ts_decimal", 3, pure, move |c| {
        let Some((a, b)) = decimals(c, 1)? else { return Ok(Value::Null) };
        let op = text(c, 0).unwrap_or_default();
        Ok(Value::Text(arithmetic(&op, a, b)?.to_string()))
    })?;
    connection.create_scalar_function("ts_compare", 2, pure, move |c| {
        let Some((a, b)) = decimals(c, 0)? else { return Ok(None) };
        let overflow = || {
            Raised(8115, "Arithmetic overflow error converting expression to data type numeric.".to_owned())
        };
        Ok(Some(a.compare(b).ok_or_else(overflow)? as i64))
    })
}
