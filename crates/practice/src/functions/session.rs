//! Functions that look at their session, and the few that work for the compiler alone.

use super::text;
use crate::{
    calendar::{day, day_number},
    convert::{read_any, write_moment},
    fault::{Caught, Raised},
    schema::Base,
    types::Type,
};
use database::Time;
use model::{Clock, Timestamp};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// What a statement can ask of its session.
#[derive(Default)]
pub(crate) struct State(Mutex<Facts>);

#[derive(Default)]
pub(crate) struct Facts {
    /// `@@ROWCOUNT`.
    pub(crate) rowcount: i64,
    /// `SCOPE_IDENTITY()`; `None` before the first.
    pub(crate) identity: Option<i64>,
    /// `@@IDENTITY`: of any scope.
    pub(crate) last_identity: Option<i64>,
    /// `@@ERROR`: number of the last statement's error.
    pub(crate) error: i32,
    pub(crate) trancount: i64,
    /// The transaction can only be rolled back.
    pub(crate) doomed: bool,
    pub(crate) nestlevel: u32,
    pub(crate) lock_timeout: i64,
    pub(crate) user: String,
    /// The login may only read.
    pub(crate) reader: bool,
    /// `CONTEXT_INFO()`; `None` before it is set.
    pub(crate) context: Option<Vec<u8>>,
    /// What the innermost CATCH caught.
    pub(crate) caught: Option<Caught>,
    /// Variables of a SELECT that sets them row by row.
    pub(crate) live: Vec<Value>,
    /// Next identity of temporary tables, by the engine's name of them.
    pub(crate) counters: HashMap<String, i64>,
    /// Temporary tables by name, with their numbers.
    pub(crate) temps: Vec<(String, i64)>,
}

impl State {
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that stands still while a statement runs, as SQL Server's GETDATE does.
pub(crate) struct StatementClock {
    inner: Arc<dyn Clock>,
    /// Milliseconds; `i64::MIN` when it runs freely.
    stands: AtomicI64,
}

impl StatementClock {
    pub(crate) fn new(inner: Arc<dyn Clock>) -> Self {
        StatementClock { inner, stands: AtomicI64::new(i64::MIN) }
    }

    pub(crate) fn stand(&self) {
        self.stands.store(self.inner.now().0, Ordering::Relaxed);
    }
}

impl Clock for StatementClock {
    fn now(&self) -> Timestamp {
        match self.stands.load(Ordering::Relaxed) {
            i64::MIN => self.inner.now(),
            stands => Timestamp(stands),
        }
    }
    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }
}

fn fact(facts: &Facts, what: &str) -> Value {
    let caught = |get: fn(&Caught) -> Value| facts.caught.as_ref().map_or(Value::Null, get);
    match what {
        "rowcount" => Value::Integer(facts.rowcount),
        "identity" => facts.identity.map_or(Value::Null, |id| Value::Text(id.to_string())),
        "last_identity" => facts.last_identity.map_or(Value::Null, |id| Value::Text(id.to_string())),
        "error" => Value::Integer(i64::from(facts.error)),
        "trancount" => Value::Integer(facts.trancount),
        "nestlevel" => Value::Integer(i64::from(facts.nestlevel)),
        "lock_timeout" => Value::Integer(facts.lock_timeout),
        "spid" => Value::Integer(51),
        "user" => Value::Text(facts.user.clone()),
        "reader" => Value::Integer(facts.reader.into()),
        "context" => facts.context.clone().map_or(Value::Null, Value::Blob),
        "xact_state" => Value::Integer(match (facts.trancount, facts.doomed) {
            (0, _) => 0,
            (_, true) => -1,
            _ => 1,
        }),
        "error_number" => caught(|c| Value::Integer(i64::from(c.number))),
        "error_message" => caught(|c| Value::Text(c.text.clone())),
        "error_line" => caught(|c| Value::Integer(i64::from(c.line))),
        "error_severity" => caught(|c| Value::Integer(i64::from(c.class))),
        "error_state" => caught(|c| Value::Integer(i64::from(c.state))),
        "error_procedure" => caught(|c| match c.procedure.is_empty() {
            true => Value::Null,
            false => Value::Text(c.procedure.clone()),
        }),
        _ => Value::Null,
    }
}

/// The last part of a written name and its database, brackets taken off.
fn named(text: &str, base: &str) -> Option<(String, String, Option<String>)> {
    let parts: Vec<String> =
        text.split('.').map(|p| p.trim().trim_matches(['[', ']', '"']).to_owned()).collect();
    match parts.as_slice() {
        [name] => Some((base.to_owned(), name.clone(), None)),
        [schema, name] => Some((base.to_owned(), name.clone(), Some(schema.clone()))),
        [database, schema, name] => Some((database.clone(), name.clone(), Some(schema.clone()))),
        _ => None,
    }
}

fn object_id(facts: &Facts, c: &Context<'_>) -> Option<i64> {
    let asked = text(c, 0)?;
    let kind = text(c, 1).map(|k| k.trim().to_ascii_uppercase());
    let base = text(c, 2)?;
    let (database, name, schema) = named(&asked, &base)?;
    if name.starts_with('#') {
        let there = database.eq_ignore_ascii_case("tempdb");
        return facts
            .temps
            .iter()
            .rev()
            .find(|(n, _)| there && n.eq_ignore_ascii_case(&name))
            .map(|(_, id)| *id);
    }
    if schema.is_some_and(|s| !s.is_empty() && !s.eq_ignore_ascii_case("dbo")) {
        return None;
    }
    let base = Base::by_name(&database)?;
    let is = match base.relation(&name) {
        Some(relation) if relation.view.is_some() => "V",
        Some(_) => "U",
        None => "P",
    };
    if kind.is_some_and(|k| k != is) {
        return None;
    }
    base.object_id(&name)
}

/// The span between two datetimes, or a datetime and a span: both told from 1 January 1900.
fn moments(c: &Context<'_>, sign: i128) -> Result<Option<String>> {
    let (Some(a), Some(b)) = (text(c, 0), text(c, 1)) else { return Ok(None) };
    let day_ticks = i128::from(Time::DAY);
    let ticks = |t: &str| {
        read_any(t.as_bytes(), Type::DATETIME)
            .map(|(d, t, _)| i128::from(day_number(d)) * day_ticks + i128::from(t.0))
    };
    let overflow =
        || Raised(8115, "Arithmetic overflow error converting expression to data type datetime.".to_owned());
    let (Some(a), Some(b)) = (ticks(&a), ticks(&b)) else { return Err(overflow().into()) };
    let epoch = i128::from(day_number(database::Date { year: 1900, month: 1, day: 1 })) * day_ticks;
    let made = a + sign * (b - epoch);
    let whole = i64::try_from(made.div_euclid(day_ticks)).map_err(|_| overflow())?;
    let rest = Time(made.rem_euclid(day_ticks) as u64);
    let made = day(whole).and_then(|d| write_moment(d, rest, 0, Type::DATETIME));
    Ok(Some(made.ok_or_else(overflow)?))
}

pub(crate) fn register(connection: &Connection, state: &Arc<State>) -> Result<()> {
    let pure =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let changing = FunctionFlags::SQLITE_UTF8;
    let own = Arc::clone(state);
    // System views ask it too, and those take only what is innocuous: it looks, and changes nothing.
    connection.create_scalar_function(
        "ts_state",
        1,
        changing | FunctionFlags::SQLITE_INNOCUOUS,
        move |c| Ok(fact(&own.facts(), c.get_raw(0).as_str().unwrap_or_default())),
    )?;
    let own = Arc::clone(state);
    connection.create_scalar_function("ts_get", 1, changing, move |c| {
        let at = usize::try_from(c.get::<i64>(0)?).unwrap_or(usize::MAX);
        Ok(own.facts().live.get(at).cloned().unwrap_or(Value::Null))
    })?;
    let own = Arc::clone(state);
    connection.create_scalar_function("ts_set", 2, changing, move |c| {
        let at = usize::try_from(c.get::<i64>(0)?).unwrap_or(usize::MAX);
        let value = crate::convert::owned(c.get_raw(1));
        if let Some(place) = own.facts().live.get_mut(at) {
            *place = value;
        }
        Ok(0)
    })?;
    let own = Arc::clone(state);
    connection.create_scalar_function("ts_next", 3, changing, move |c| {
        let inner: String = c.get(0)?;
        let (seed, step): (i64, i64) = (c.get(1)?, c.get(2)?);
        let mut facts = own.facts();
        let next = facts.counters.entry(inner).or_insert(seed);
        let given = *next;
        *next = given.saturating_add(step);
        facts.identity = Some(given);
        facts.last_identity = Some(given);
        Ok(given)
    })?;
    let own = Arc::clone(state);
    connection.create_scalar_function("ts_given", 4, changing, move |c| {
        let inner: String = c.get(0)?;
        let (given, seed, step): (Option<i64>, i64, i64) = (c.get(1)?, c.get(2)?, c.get(3)?);
        if let Some(given) = given {
            let mut facts = own.facts();
            let next = facts.counters.entry(inner).or_insert(seed);
            *next = if step > 0 {
                (*next).max(given.saturating_add(step))
            } else {
                (*next).min(given.saturating_add(step))
            };
            (facts.identity, facts.last_identity) = (Some(given), Some(given));
        }
        Ok(given)
    })?;
    connection.create_scalar_function("ts_key", 2, pure, |c| match c.get_raw(0) {
        ValueRef::Null => {
            let table = text(c, 1).unwrap_or_default();
            Err(Raised(515, format!("Cannot insert the value NULL into the key of table 'BPSPatients.dbo.{table}'; column does not allow nulls.")).into())
        }
        value => Ok(crate::convert::owned(value)),
    })?;
    connection.create_scalar_function("ts_depth", 2, pure, |c| {
        let (depth, most): (i64, i64) = (c.get(0)?, c.get(1)?);
        if most > 0 && depth >= most {
            return Err(Raised(530, format!("The statement terminated. The maximum recursion {most} has been exhausted before statement completion.")).into());
        }
        Ok(depth + 1)
    })?;
    connection.create_scalar_function("ts_unxml", 1, pure, |c| {
        Ok(text(c, 0).map(|t| {
            t.replace("&lt;", "<").replace("&gt;", ">").replace("&#x0D;", "\r").replace("&amp;", "&")
        }))
    })?;
    for (name, sign) in [("ts_between", -1i128), ("ts_together", 1)] {
        connection.create_scalar_function(name, 2, pure, move |c| moments(c, sign))?;
    }
    let own = Arc::clone(state);
    connection
        .create_scalar_function("ts_object_id", 3, changing, move |c| Ok(object_id(&own.facts(), c)))?;
    connection.create_scalar_function("ts_object_name", 2, pure, |c| {
        let (Some(id), Some(base)) = (c.get::<Option<i64>>(0)?, text(c, 1)) else { return Ok(None) };
        Ok(Base::by_name(&base).and_then(|b| b.object_name(id)))
    })?;
    connection.create_scalar_function("ts_rows", 2, pure, |c| {
        let of = c.get_raw(1).as_str().unwrap_or_default();
        match (c.get_raw(0), of) {
            (ValueRef::Integer(0), "fetch") => {
                Err(Raised(10744, "The number of rows provided for a FETCH clause must be greater then zero.".to_owned()).into())
            }
            (ValueRef::Integer(n), _) if n >= 0 => Ok(n),
            (_, "offset") => {
                Err(Raised(10742, "The offset specified in a OFFSET clause may not be negative.".to_owned()).into())
            }
            (_, "fetch") => {
                Err(Raised(10744, "The number of rows provided for a FETCH clause must be greater then zero.".to_owned()).into())
            }
            (ValueRef::Null, _) => {
                Err(Raised(1060, "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.".to_owned()).into())
            }
            _ => Err(Raised(1014, "A TOP or FETCH clause contains an invalid value.".to_owned()).into()),
        }
    })?;
    connection.create_scalar_function("ts_percent", 2, pure, |c| {
        let (count, part): (i64, f64) = (c.get(0)?, c.get(1)?);
        if !(0.0..=100.0).contains(&part) {
            return Err(Raised(1031, "Percent values must be between 0 and 100.".to_owned()).into());
        }
        Ok((count as f64 * part / 100.0).ceil() as i64)
    })?;
    connection.create_scalar_function("ts_add_days", 3, pure, |c| {
        let (Some(from), Some(days)) = (text(c, 0), c.get::<Option<f64>>(1)?) else { return Ok(None) };
        let ty = Type::by_name(c.get_raw(2).as_str().unwrap_or_default()).unwrap_or(Type::DATETIME);
        let overflow = || {
            Raised(8115, format!("Arithmetic overflow error converting expression to data type {}.", ty.name))
        };
        let (date, time, _) = read_any(from.as_bytes(), ty).ok_or_else(overflow)?;
        if days.abs() > 4_000_000.0 {
            return Err(overflow().into());
        }
        let ticks = i128::from(day_number(date)) * i128::from(Time::DAY)
            + i128::from(time.0)
            + (days * Time::DAY as f64).round() as i128;
        let whole = i64::try_from(ticks.div_euclid(i128::from(Time::DAY))).map_err(|_| overflow())?;
        let rest = Time(ticks.rem_euclid(i128::from(Time::DAY)) as u64);
        let made = day(whole).and_then(|d| write_moment(d, rest, 0, ty));
        Ok(Some(made.ok_or_else(overflow)?))
    })?;
    connection.create_scalar_function("ts_xml", 1, pure, |c| {
        Ok(text(c, 0).map(|t| {
            let mut out = String::with_capacity(t.len());
            for ch in t.chars() {
                match ch {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '\r' => out.push_str("&#x0D;"),
                    ch if u32::from(ch) < 32 && !matches!(ch, '\n' | '\t') => {
                        out.push_str(&format!("&#x{:02X};", u32::from(ch)));
                    }
                    ch => out.push(ch),
                }
            }
            out
        }))
    })?;
    connection.create_scalar_function("ts_split", 2, pure, |c| {
        let (Some(whole), Some(by)) = (text(c, 0), text(c, 1)) else { return Ok("[]".to_owned()) };
        let mut letters = by.chars();
        let (Some(by), None) = (letters.next(), letters.next()) else {
            return Err(Raised(
                214,
                "Procedure expects parameter 'separator' of type 'nchar(1)/nvarchar(1)'.".to_owned(),
            )
            .into());
        };
        let parts: Vec<String> = whole.split(by).map(json_string).collect();
        Ok(format!("[{}]", parts.join(",")))
    })?;
    connection.create_scalar_function("ts_series", 3, pure, |c| {
        let (ValueRef::Integer(from), ValueRef::Integer(to), ValueRef::Integer(step)) =
            (c.get_raw(0), c.get_raw(1), c.get_raw(2))
        else {
            return Ok("[]".to_owned());
        };
        let count = if step == 0 { i64::MAX } else { (to.saturating_sub(from)) / step };
        if step == 0 || count > 1_000_000 {
            return Err(Raised(
                4199,
                "Argument value 0 or too small is invalid for argument 3 of generate_series function."
                    .to_owned(),
            )
            .into());
        }
        let mut out = String::from("[");
        for i in 0..=count {
            if count < 0 {
                break;
            }
            if i > 0 {
                out.push(',');
            }
            out.push_str(&(from + i * step).to_string());
        }
        out.push(']');
        Ok(out)
    })
}

pub(super) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' | '\\' => {
                out.push('\\');
                out.push(ch);
            }
            ch if u32::from(ch) < 32 => out.push_str(&format!("\\u{:04x}", u32::from(ch))),
            ch => out.push(ch),
        }
    }
    out.push('"');
    out
}
