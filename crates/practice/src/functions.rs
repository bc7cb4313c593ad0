//! The functions that compiled T-SQL calls inside the embedded engine.

mod dates;
mod exact;
mod like;
mod session;

use crate::{
    calendar,
    convert::{Decimal, arithmetic, convert, write_moment},
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
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

pub(crate) use exact::compare as compare_decimals;
pub(crate) use session::{Facts, State, StatementClock};

/// Registers those of the compiler's own and those that look at the session.
pub(crate) fn register_session(connection: &Connection, state: &Arc<State>) -> Result<()> {
    exact::register(connection)?;
    session::register(connection, state)
}

/// What functions know of their session.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    /// Rows of the last statement: `@@ROWCOUNT`.
    pub(crate) rowcount: AtomicI64,
    /// Key of the last inserted row: `SCOPE_IDENTITY()`; 0 before the first.
    pub(crate) identity: AtomicI64,
}

/// The practice stands in Queensland: ten hours east the year round.
pub(crate) const ZONE_MINUTES: i16 = 600;

fn ty(context: &Context<'_>, at: usize) -> Result<Type> {
    let name = context.get_raw(at).as_str().unwrap_or_default();
    Ok(Type::by_name(name).unwrap_or(Type::NVARCHAR))
}

fn cast(context: &Context<'_>, strict: bool) -> Result<std::result::Result<Value, Raised>> {
    let (from, mut to) = (ty(context, 1)?, ty(context, 2)?);
    to.length = context.get(3)?;
    to.scale = context.get(4)?;
    Ok(convert(context.get_raw(0), from, to, context.get(5)?, strict))
}

fn text<'a>(context: &'a Context<'_>, at: usize) -> Option<std::borrow::Cow<'a, str>> {
    match context.get_raw(at) {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
        ValueRef::Integer(i) => Some(i.to_string().into()),
        ValueRef::Real(f) => Some(f.to_string().into()),
        _ => None,
    }
}

/// A NULL argument gives NULL; an index that is negative raises what SQL Server does.
fn slice(context: &Context<'_>, name: &str) -> Result<Value> {
    let (Some(whole), Some(first)) = (text(context, 0), context.get::<Option<i64>>(1)?) else {
        return Ok(Value::Null);
    };
    let count = whole.chars().count() as i64;
    let wrong =
        || Raised(537, format!("Invalid length parameter passed to the {} function.", name.to_uppercase()));
    let (from, to) = match name {
        "left" if first < 0 => return Err(wrong().into()),
        "left" => (0, first),
        "right" if first < 0 => return Err(wrong().into()),
        "right" => ((count - first).max(0), count),
        _ => {
            let Some(length) = context.get::<Option<i64>>(2)? else { return Ok(Value::Null) };
            if length < 0 {
                return Err(wrong().into());
            }
            ((first - 1).max(0), first.saturating_add(length).saturating_sub(1))
        }
    };
    let (from, to) = (from.min(count) as usize, to.clamp(0, count) as usize);
    Ok(Value::Text(whole.chars().skip(from).take(to.saturating_sub(from)).collect()))
}

/// Longest text that a function makes, in characters.
const LONGEST: usize = 1024 * 1024;

/// Registers all of them on a connection.
pub(crate) fn register(connection: &Connection, shared: &Arc<Shared>) -> Result<()> {
    let pure =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let changing = FunctionFlags::SQLITE_UTF8;
    connection
        .create_scalar_function("ts_cast", 6, pure, |c| cast(c, false)?.map_err(rusqlite::Error::from))?;
    connection
        .create_scalar_function("ts_assign", 6, pure, |c| cast(c, true)?.map_err(rusqlite::Error::from))?;
    connection
        .create_scalar_function("ts_try_cast", 6, pure, |c| Ok(cast(c, false)?.unwrap_or(Value::Null)))?;
    connection.create_scalar_function("ts_raise", 1, changing, |_| -> Result<Value> {
        Err(Raised(512, "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.".to_owned()).into())
    })?;
    connection.create_scalar_function("ts_amount", 1, pure, |c| match c.get_raw(0) {
        ValueRef::Integer(n) if n >= 0 => Ok(n),
        _ => Err(Raised(1060, "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer that is not negative.".to_owned()).into()),
    })?;
    connection.create_scalar_function("ts_divide", 3, pure, |c| {
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
    })?;
    let decimals = |c: &Context<'_>, at: usize| -> Result<Option<(Decimal, Decimal)>> {
        let (Some(a), Some(b)) = (text(c, at), text(c, at + 1)) else { return Ok(None) };
        let bad = || Raised(8114, "Error converting data type varchar to numeric.".to_owned());
        Ok(Some((Decimal::parse(&a).ok_or_else(bad)?, Decimal::parse(&b).ok_or_else(bad)?)))
    };
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
    })?;
    connection.create_scalar_function("ts_like", 3, pure, |c| {
        let (Some(value), Some(pattern)) = (text(c, 0), text(c, 1)) else { return Ok(None) };
        let escape = text(c, 2).and_then(|e| e.chars().next());
        Ok(Some(like::matches(&value, &pattern, escape)))
    })?;
    for name in ["left", "right", "substring"] {
        let count = if name == "substring" { 3 } else { 2 };
        connection
            .create_scalar_function(format!("ts_{name}").as_str(), count, pure, move |c| slice(c, name))?;
    }
    connection.create_scalar_function("ts_upper", 1, pure, |c| Ok(text(c, 0).map(|t| t.to_uppercase())))?;
    connection.create_scalar_function("ts_lower", 1, pure, |c| Ok(text(c, 0).map(|t| t.to_lowercase())))?;
    connection.create_scalar_function("ts_reverse", 1, pure, |c| {
        Ok(text(c, 0).map(|t| t.chars().rev().collect::<String>()))
    })?;
    connection.create_scalar_function("ts_replicate", 2, pure, |c| {
        let (Some(t), Some(n)) = (text(c, 0), c.get::<Option<i64>>(1)?) else { return Ok(None) };
        let n = usize::try_from(n).unwrap_or(0).min(LONGEST / t.len().max(1));
        Ok((c.get::<i64>(1)? >= 0).then(|| t.repeat(n)))
    })?;
    connection.create_scalar_function("ts_replace", 3, pure, |c| {
        let (Some(t), Some(from), Some(to)) = (text(c, 0), text(c, 1), text(c, 2)) else { return Ok(None) };
        if from.is_empty() {
            return Ok(Some(t.into_owned()));
        }
        let made = like::replace(&t, &from, &to);
        if made.len() > 16 * LONGEST {
            Err(Raised(8152, "String or binary data would be truncated.".to_owned()).into())
        } else {
            Ok(Some(made))
        }
    })?;
    connection.create_scalar_function("ts_charindex", 3, pure, |c| {
        let (Some(what), Some(within), Some(start)) = (text(c, 0), text(c, 1), c.get::<Option<i64>>(2)?)
        else {
            return Ok(None);
        };
        Ok(Some(like::position(&what, &within, start)))
    })?;
    connection.create_scalar_function("ts_char", 1, pure, |c| {
        Ok(c.get::<Option<i64>>(0)?
            .and_then(|n| u8::try_from(n).ok())
            .filter(|n| (1..128).contains(n))
            .map(|n| char::from(n).to_string()))
    })?;
    connection.create_scalar_function("ts_ascii", 1, pure, |c| {
        Ok(text(c, 0)
            .and_then(|t| t.chars().next())
            .map(|ch| i64::from(u32::from(ch).min(63 + u32::from(ch.is_ascii()) * 192))))
    })?;
    connection
        .create_scalar_function("ts_floor", 1, pure, |c| Ok(c.get::<Option<f64>>(0)?.map(f64::floor)))?;
    connection
        .create_scalar_function("ts_ceiling", 1, pure, |c| Ok(c.get::<Option<f64>>(0)?.map(f64::ceil)))?;
    dates::register(connection, pure)?;
    let own = Arc::clone(shared);
    connection.create_scalar_function("ts_now", 2, changing, move |c| {
        let to = ty(c, 0)?;
        let offset = if c.get::<i64>(1)? == 1 { 0 } else { ZONE_MINUTES };
        let millis = own.clock.now().0 + i64::from(offset) * 60_000;
        let day = calendar::day(millis.div_euclid(86_400_000));
        let time = Time(millis.rem_euclid(86_400_000) as u64 * 10_000);
        Ok(day.and_then(|d| write_moment(d, time, offset, to)))
    })?;
    let own = Arc::clone(shared);
    connection.create_scalar_function("ts_rowcount", 0, changing, move |_| {
        Ok(own.rowcount.load(Ordering::Relaxed))
    })?;
    let own = Arc::clone(shared);
    connection.create_scalar_function("ts_identity", 0, changing, move |_| {
        Ok(Some(own.identity.load(Ordering::Relaxed)).filter(|id| *id != 0))
    })?;
    connection.create_scalar_function("ts_newid", 0, changing, |_| {
        let mut bytes = [0u8; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Raised(8630, "No randomness to be had.".to_owned()))?;
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string())
    })?;
    Ok(())
}
