//! DATEADD, DATEDIFF, DATEPART, DATENAME, DATEFROMPARTS.

use super::{text, ty};
use crate::{
    calendar::{date_text, day, day_number, days_in_month, valid, weekday},
    convert::{read_any, write_moment},
    fault::Raised,
};
use database::{Date, Time};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
};

type Moment = (Date, Time);

fn moment(context: &Context<'_>, at: usize) -> Result<Option<Moment>> {
    let Some(text) = text(context, at) else { return Ok(None) };
    let from = ty(context, at + 1)?;
    let (date, time, _) = read_any(text.as_bytes(), from).ok_or_else(|| {
        Raised(241, "Conversion failed when converting date and/or time from character string.".to_owned())
    })?;
    Ok(Some((date, time)))
}

fn ticks((date, time): Moment) -> i128 {
    i128::from(day_number(date)) * i128::from(Time::DAY) + i128::from(time.0)
}

fn add(part: &str, number: i64, (date, time): Moment) -> Option<Moment> {
    let months = |n: i64| {
        let total = i64::from(date.year) * 12 + i64::from(date.month) - 1 + n;
        let (year, month) = (u16::try_from(total.div_euclid(12)).ok()?, total.rem_euclid(12) as u8 + 1);
        let last = days_in_month(year, month);
        Some((valid(year, month, date.day.min(last))?, time))
    };
    let unit: i128 = match part {
        "year" => return months(number.checked_mul(12)?),
        "quarter" => return months(number.checked_mul(3)?),
        "month" => return months(number),
        "week" => i128::from(Time::DAY) * 7,
        "hour" => i128::from(Time::SECOND) * 3600,
        "minute" => i128::from(Time::SECOND) * 60,
        "second" => i128::from(Time::SECOND),
        "millisecond" => i128::from(Time::SECOND) / 1000,
        _ => i128::from(Time::DAY),
    };
    let total = ticks((date, time)) + unit * i128::from(number);
    let whole = total.div_euclid(i128::from(Time::DAY));
    Some((day(i64::try_from(whole).ok()?)?, Time(total.rem_euclid(i128::from(Time::DAY)) as u64)))
}

/// Boundaries of the part that lie between two moments.
fn difference(part: &str, from: Moment, to: Moment) -> i128 {
    let months = |d: Date| i128::from(d.year) * 12 + i128::from(d.month) - 1;
    let count = |unit: u64| ticks(to).div_euclid(i128::from(unit)) - ticks(from).div_euclid(i128::from(unit));
    match part {
        "year" => i128::from(to.0.year) - i128::from(from.0.year),
        "quarter" => months(to.0) / 3 - months(from.0) / 3,
        "month" => months(to.0) - months(from.0),
        // Weeks begin on Sunday here, whatever the language.
        "week" => i128::from((day_number(to.0) + 4).div_euclid(7) - (day_number(from.0) + 4).div_euclid(7)),
        "hour" => count(Time::SECOND * 3600),
        "minute" => count(Time::SECOND * 60),
        "second" => count(Time::SECOND),
        "millisecond" => count(Time::SECOND / 1000),
        _ => count(Time::DAY),
    }
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fn part_of(part: &str, (date, time): Moment) -> i64 {
    let seconds = (time.0 / Time::SECOND) as i64;
    let of_year = |d: Date| day_number(d) - day_number(Date { year: d.year, month: 1, day: 1 });
    match part {
        "year" => i64::from(date.year),
        "quarter" => (i64::from(date.month) - 1) / 3 + 1,
        "month" => i64::from(date.month),
        "dayofyear" => of_year(date) + 1,
        "day" => i64::from(date.day),
        "week" => (of_year(date) + weekday(day_number(Date { year: date.year, month: 1, day: 1 }))) / 7 + 1,
        // DATEFIRST 7: Sunday is 1.
        "weekday" => weekday(day_number(date)) + 1,
        "hour" => seconds / 3600,
        "minute" => seconds / 60 % 60,
        "second" => seconds % 60,
        _ => (time.0 % Time::SECOND / 10_000) as i64,
    }
}

pub(super) fn register(connection: &Connection, pure: FunctionFlags) -> Result<()> {
    connection.create_scalar_function("ts_dateadd", 4, pure, |c| {
        let (Some(part), Some(number), Some(from)) = (text(c, 0), c.get::<Option<i64>>(1)?, moment(c, 2)?)
        else {
            return Ok(None);
        };
        let to = ty(c, 3)?;
        let made = add(&part, number, from).and_then(|(d, t)| write_moment(d, t, 0, to));
        made.map(Some).ok_or_else(|| {
            Raised(517, format!("Adding a value to a '{}' column caused an overflow.", to.name)).into()
        })
    })?;
    connection.create_scalar_function("ts_datediff", 5, pure, |c| {
        let (Some(part), Some(from), Some(to)) = (text(c, 0), moment(c, 1)?, moment(c, 3)?) else { return Ok(None) };
        let overflow = || Raised(535, "The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart.".to_owned());
        Ok(Some(i64::from(i32::try_from(difference(&part, from, to)).map_err(|_| overflow())?)))
    })?;
    connection.create_scalar_function("ts_datepart", 3, pure, |c| {
        let (Some(part), Some(of)) = (text(c, 0), moment(c, 1)?) else { return Ok(None) };
        Ok(Some(part_of(&part, of)))
    })?;
    connection.create_scalar_function("ts_datename", 3, pure, |c| {
        let (Some(part), Some(of)) = (text(c, 0), moment(c, 1)?) else { return Ok(None) };
        Ok(Some(match part.as_ref() {
            "month" => crate::convert::month_name(of.0.month).to_owned(),
            "weekday" => DAYS[weekday(day_number(of.0)) as usize].to_owned(),
            part => part_of(part, of).to_string(),
        }))
    })?;
    connection.create_scalar_function("ts_datefromparts", 3, pure, |c| {
        let (Some(y), Some(m), Some(d)) =
            (c.get::<Option<i64>>(0)?, c.get::<Option<i64>>(1)?, c.get::<Option<i64>>(2)?)
        else {
            return Ok(None);
        };
        let made = (|| valid(u16::try_from(y).ok()?, u8::try_from(m).ok()?, u8::try_from(d).ok()?))();
        made.map(|d| Some(date_text(d))).ok_or_else(|| {
            Raised(
                289,
                "Cannot construct data type date, some of the arguments have values which are not valid."
                    .to_owned(),
            )
            .into()
        })
    })
}
