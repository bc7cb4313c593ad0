//! The functions that compiled T-SQL calls inside the embedded engine.

mod cast;
mod codes;
mod dates;
mod exact;
mod format;
mod like;
mod md5;
mod numbers;
mod parts;
mod rights;
mod session;
mod text;
mod zone;

use crate::{
    calendar,
    convert::{kind, write_moment},
    fault::Raised,
    types::Type,
};
use database::Time;
use model::Clock;
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};
use std::sync::Arc;

pub(crate) use exact::compare as compare_decimals;
pub(crate) use session::{Facts, State, StatementClock};

/// Registers those of the compiler's own and those that look at the session.
pub(crate) fn register_session(connection: &Connection, state: &Arc<State>) -> Result<()> {
    exact::register(connection)?;
    rights::register(connection, state)?;
    session::register(connection, state)
}

/// The practice stands in Queensland: ten hours east the year round.
pub(crate) const ZONE_MINUTES: i16 = 600;

/// The type that an argument names.
fn ty(context: &Context<'_>, at: usize) -> Result<Type> {
    Ok(kind(context.get_raw(at).as_str().unwrap_or_default()))
}

/// What a function can't answer as SQL Server would, refused by name while it runs.
fn unsupported(what: &str) -> Raised {
    Raised(102, format!("Incorrect syntax near '{what}': the demo practice does not support it."))
}

fn text<'a>(context: &'a Context<'_>, at: usize) -> Option<std::borrow::Cow<'a, str>> {
    match context.get_raw(at) {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
        ValueRef::Integer(i) => Some(i.to_string().into()),
        ValueRef::Real(f) => Some(f.to_string().into()),
        _ => None,
    }
}

/// Registers those that look at nothing but their arguments, and at the clock.
pub(crate) fn register(connection: &Connection, clock: &Arc<StatementClock>) -> Result<()> {
    let pure =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let changing = FunctionFlags::SQLITE_UTF8;
    cast::register(connection, pure)?;
    text::register(connection, pure)?;
    codes::register(connection, pure)?;
    numbers::register(connection, pure)?;
    dates::register(connection, pure)?;
    format::register(connection, pure)?;
    connection.create_scalar_function("ts_no_json", 0, changing, |_| -> Result<Value> {
        Err(Raised(13609, "JSON text is not properly formatted.".to_owned()).into())
    })?;
    connection.create_scalar_function("ts_like", 4, pure, |c| {
        let (Some(value), Some(pattern)) = (text(c, 0), text(c, 1)) else { return Ok(None) };
        let escape = text(c, 2).and_then(|e| e.chars().next());
        Ok(Some(like::matches(&value, &pattern, escape, c.get(3)?)))
    })?;
    let clock = Arc::clone(clock);
    connection.create_scalar_function("ts_now", 2, changing, move |c| {
        let to = ty(c, 0)?;
        let offset = if c.get::<i64>(1)? == 1 { 0 } else { ZONE_MINUTES };
        let millis = clock.now().0 + i64::from(offset) * 60_000;
        let day = calendar::day(millis.div_euclid(86_400_000));
        let time = Time(millis.rem_euclid(86_400_000) as u64 * 10_000);
        Ok(day.and_then(|d| write_moment(d, time, offset, to)))
    })
}
