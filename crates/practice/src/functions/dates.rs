//! Functions of dates and times.

use super::{
    parts::{Moment, add, add_months, difference, from_ticks, part_of, ticks, truncate},
    text, ty, unsupported, zone,
};
use crate::{
    calendar::{date_text, day_number, days_in_month, time_text, valid, weekday},
    convert::{month_name, offset_minutes, precision, read_exact, write_moment},
    fault::Raised,
    types::{Family, Type},
};
use database::{Date, Time};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::ValueRef,
};

/// The moment of an argument and of the type that the one after it names, with its offset.
fn moment(context: &Context<'_>, at: usize) -> Result<Option<(Moment, i16)>> {
    let ValueRef::Text(text) = context.get_raw(at) else { return Ok(None) };
    let (date, time, offset) = read_exact(text, ty(context, at + 1)?).ok_or_else(|| {
        Raised(241, "Conversion failed when converting date and/or time from character string.".to_owned())
    })?;
    Ok(Some(((date, time), offset)))
}

/// The same instant at UTC.
fn instant((at, offset): (Moment, i16)) -> i128 {
    ticks(at) - i128::from(offset) * 60 * i128::from(Time::SECOND)
}

fn minute_ticks(minutes: i16) -> i128 {
    i128::from(minutes) * 60 * i128::from(Time::SECOND)
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// English name of a day.
pub(super) fn day_name(date: Date) -> &'static str {
    DAYS[weekday(day_number(date)) as usize]
}

fn date_overflow(name: &str) -> Raised {
    Raised(517, format!("Adding a value to a '{name}' column caused an overflow."))
}

fn date_add(c: &Context<'_>) -> Result<Option<String>> {
    let (Some(part), Some(number), Some((from, offset))) =
        (text(c, 0), c.get::<Option<i64>>(1)?, moment(c, 2)?)
    else {
        return Ok(None);
    };
    let to = ty(c, 3)?;
    let number = i32::try_from(number).map_err(|_| {
        Raised(8115, "Arithmetic overflow error converting expression to data type int.".to_owned())
    })?;
    let made = add(&part, i64::from(number), from);
    // A time of day goes round.
    let made = if to.family == Family::Time {
        made.and_then(|(_, t)| write_moment(from.0, t, 0, to))
    } else {
        made.and_then(|(d, t)| write_moment(d, t, offset, to))
    };
    Ok(Some(made.ok_or_else(|| date_overflow(to.name))?))
}

fn date_diff(c: &Context<'_>) -> Result<Option<i64>> {
    let (Some(part), Some(from), Some(to)) = (text(c, 0), moment(c, 1)?, moment(c, 3)?) else {
        return Ok(None);
    };
    let big = c.len() > 5;
    let at = |m| from_ticks(instant(m)).unwrap_or(m.0);
    let n = difference(&part, at(from), at(to));
    let fits = if big { i64::try_from(n).ok() } else { i32::try_from(n).ok().map(i64::from) };
    let name = if big { "datediff_big" } else { "datediff" };
    fits.map(Some).ok_or_else(|| {
        Raised(535, format!("The {name} function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use {name} with a less precise datepart.")).into()
    })
}

fn offset_text(minutes: i16) -> String {
    let plain = minutes.unsigned_abs();
    format!("{}{:02}:{:02}", if minutes < 0 { '-' } else { '+' }, plain / 60, plain % 60)
}

fn date_name(c: &Context<'_>) -> Result<Option<String>> {
    let (Some(part), Some((of, offset))) = (text(c, 0), moment(c, 1)?) else { return Ok(None) };
    Ok(Some(match part.as_ref() {
        "month" => month_name(of.0.month).to_owned(),
        "weekday" => day_name(of.0).to_owned(),
        "tzoffset" => offset_text(offset),
        part => part_of(part, of, offset).to_string(),
    }))
}

fn end_of_month(c: &Context<'_>) -> Result<Option<String>> {
    let Some(((date, _), _)) = moment(c, 0)? else { return Ok(None) };
    let months = c.get::<Option<i64>>(2)?.unwrap_or(0);
    let made = add_months(Date { day: 1, ..date }, months).ok_or_else(|| date_overflow("date"))?;
    Ok(Some(date_text(Date { day: days_in_month(made.year, made.month), ..made })))
}

/// A time of a type from its numbers: hour, minute, second, and a fraction in units of the type's precision.
fn clock(numbers: [i64; 4], digits: u32) -> Option<Time> {
    let [h, m, s, f] = numbers;
    let limit = 10i64.pow(digits);
    let fits =
        (0..24).contains(&h) && (0..60).contains(&m) && (0..60).contains(&s) && (0..limit).contains(&f);
    fits.then(|| {
        let ticks = f as u64 * 10u64.pow(7 - digits);
        Time((h * 3600 + m * 60 + s) as u64 * Time::SECOND + ticks)
    })
}

/// DATEFROMPARTS and its kin: the type first, then its numbers.
fn from_parts(c: &Context<'_>) -> Result<Option<String>> {
    let to = ty(c, 0)?;
    let mut n = Vec::with_capacity(c.len());
    for at in 1..c.len() {
        match c.get::<Option<i64>>(at)? {
            Some(number) => n.push(number),
            None => return Ok(None),
        }
    }
    let date = |n: &[i64]| {
        let [y, m, d] = *n else { return None };
        valid(u16::try_from(y).ok()?, u8::try_from(m).ok()?, u8::try_from(d).ok()?)
    };
    let digits = precision(to);
    let made = match (to.name, n.as_slice()) {
        ("date", n) => date(n).map(date_text),
        ("time", &[h, m, s, f]) => clock([h, m, s, f], digits).map(time_text),
        ("smalldatetime", &[_, _, _, h, m]) => {
            date(&n[..3]).zip(clock([h, m, 0, 0], 0)).and_then(|(d, t)| write_moment(d, t, 0, to))
        }
        (_, &[_, _, _, h, m, s, f]) => {
            date(&n[..3]).zip(clock([h, m, s, f], digits)).and_then(|(d, t)| write_moment(d, t, 0, to))
        }
        (_, &[_, _, _, h, m, s, f, oh, om]) => {
            let sound = (-14..=14).contains(&oh) && (-59..=59).contains(&om) && oh * om >= 0;
            let offset = oh.saturating_mul(60).saturating_add(om);
            date(&n[..3])
                .zip(clock([h, m, s, f], digits))
                .filter(|_| sound && offset.abs() <= 14 * 60)
                .and_then(|(d, t)| write_moment(d, t, offset as i16, to))
        }
        _ => None,
    };
    made.map(Some).ok_or_else(|| {
        Raised(
            289,
            format!(
                "Cannot construct data type {}, some of the arguments have values which are not valid.",
                to.name
            ),
        )
        .into()
    })
}

/// An offset as text or as minutes.
fn offset_of(c: &Context<'_>, at: usize, function: &str) -> Result<Option<i16>> {
    let made = match c.get_raw(at) {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(n) => i16::try_from(n).ok().filter(|n| (-840..=840).contains(n)),
        _ => offset_minutes(text(c, at).unwrap_or_default().trim_matches(' ')),
    };
    made.map(Some).ok_or_else(|| {
        Raised(9812, format!("The timezone provided to builtin function {function} is invalid.")).into()
    })
}

/// A moment with an offset, moved so that it is the same instant at another offset.
fn moved(at: (Moment, i16), offset: i16, to: Type) -> Result<Option<String>> {
    let local = from_ticks(instant(at) + minute_ticks(offset));
    let made = local.and_then(|(d, t)| write_moment(d, t, offset, to));
    Ok(Some(made.ok_or_else(|| {
        Raised(9813, "The timezone provided to builtin function switchoffset would cause the datetimeoffset to overflow the range of valid date range in either UTC or local time.".to_owned())
    })?))
}

/// AT TIME ZONE: a local time gets its zone's offset; a time with an offset moves there.
fn at_zone(c: &Context<'_>) -> Result<Option<String>> {
    let (Some(at), Some(name)) = (moment(c, 0)?, text(c, 2)) else { return Ok(None) };
    let from = ty(c, 1)?;
    let zone = zone::by_name(&name).ok_or_else(|| {
        // Windows calls its zones so; of these only Australia's are here.
        if name.trim_end_matches(' ').to_ascii_lowercase().ends_with(" standard time") {
            unsupported(&format!("AT TIME ZONE {name}"))
        } else {
            Raised(
                9820,
                format!("The time zone parameter '{name}' provided to AT TIME ZONE clause is invalid."),
            )
        }
    })?;
    let digits = if from.name == "datetime" { 3 } else { precision(from) };
    let to = Type { scale: digits, ..Type::OFFSET };
    if from.family == Family::Offset {
        let offset = zone.offset_at(instant(at));
        return moved(at, offset, to);
    }
    let (local, offset) = zone.local(at.0);
    Ok(write_moment(local.0, local.1, offset, to))
}

pub(super) fn register(connection: &Connection, pure: FunctionFlags) -> Result<()> {
    connection.create_scalar_function("ts_dateadd", 4, pure, |c| date_add(c))?;
    connection.create_scalar_function("ts_datediff", 5, pure, |c| date_diff(c))?;
    connection.create_scalar_function("ts_datediff", 6, pure, |c| date_diff(c))?;
    connection.create_scalar_function("ts_datepart", 3, pure, |c| {
        let (Some(part), Some((of, offset))) = (text(c, 0), moment(c, 1)?) else { return Ok(None) };
        Ok(Some(part_of(&part, of, offset)))
    })?;
    connection.create_scalar_function("ts_datename", 3, pure, |c| date_name(c))?;
    connection.create_scalar_function("ts_eomonth", 3, pure, |c| end_of_month(c))?;
    connection.create_scalar_function("ts_fromparts", -1, pure, |c| from_parts(c))?;
    connection.create_scalar_function("ts_switchoffset", 3, pure, |c| {
        let (Some(at), Some(offset)) = (moment(c, 0)?, offset_of(c, 2, "switchoffset")?) else {
            return Ok(None);
        };
        moved(at, offset, ty(c, 1)?)
    })?;
    connection.create_scalar_function("ts_todatetimeoffset", 4, pure, |c| {
        let (Some(((d, t), _)), Some(offset)) = (moment(c, 0)?, offset_of(c, 2, "todatetimeoffset")?) else {
            return Ok(None);
        };
        Ok(write_moment(d, t, offset, ty(c, 3)?))
    })?;
    connection.create_scalar_function("ts_datetrunc", 3, pure, |c| {
        let (Some(part), Some((at, offset))) = (text(c, 0), moment(c, 1)?) else { return Ok(None) };
        let to = ty(c, 2)?;
        let made = truncate(&part, at).and_then(|(d, t)| write_moment(d, t, offset, to));
        made.map(Some).ok_or_else(|| date_overflow(to.name).into())
    })?;
    connection.create_scalar_function("ts_at_zone", 3, pure, |c| at_zone(c))
}
