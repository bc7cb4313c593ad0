//! Parts of a moment: reading, adding, counting, cutting.

use crate::calendar::{day, day_number, days_in_month, valid, weekday};
use database::{Date, Time};

/// A day and a time of it.
pub(super) type Moment = (Date, Time);

pub(super) fn ticks((date, time): Moment) -> i128 {
    i128::from(day_number(date)) * i128::from(Time::DAY) + i128::from(time.0)
}

pub(super) fn from_ticks(total: i128) -> Option<Moment> {
    let whole = total.div_euclid(i128::from(Time::DAY));
    Some((day(i64::try_from(whole).ok()?)?, Time(total.rem_euclid(i128::from(Time::DAY)) as u64)))
}

/// Ticks of 100 ns in a part that is always as long; a nanosecond is a hundredth of one.
fn unit(part: &str) -> i128 {
    i128::from(match part {
        "week" => Time::DAY * 7,
        "hour" => Time::SECOND * 3600,
        "minute" => Time::SECOND * 60,
        "second" => Time::SECOND,
        "millisecond" => Time::SECOND / 1000,
        "microsecond" => Time::SECOND / 1_000_000,
        _ => Time::DAY,
    })
}

/// Months added; the day is the last of its month where there is no such day.
pub(super) fn add_months(date: Date, number: i64) -> Option<Date> {
    let total = (i64::from(date.year) * 12 + i64::from(date.month) - 1).checked_add(number)?;
    let (year, month) = (u16::try_from(total.div_euclid(12)).ok()?, total.rem_euclid(12) as u8 + 1);
    valid(year, month, date.day.min(days_in_month(year, month)))
}

pub(super) fn add(part: &str, number: i64, (date, time): Moment) -> Option<Moment> {
    let months = match part {
        "year" => 12,
        "quarter" => 3,
        "month" => 1,
        "nanosecond" => {
            // Less than half of a tick is nothing.
            return from_ticks(ticks((date, time)) + (i128::from(number) + 50).div_euclid(100));
        }
        _ => return from_ticks(ticks((date, time)) + unit(part) * i128::from(number)),
    };
    Some((add_months(date, number.checked_mul(months)?)?, time))
}

/// Boundaries of the part that lie between two moments.
pub(super) fn difference(part: &str, from: Moment, to: Moment) -> i128 {
    let months = |d: Date| i128::from(d.year) * 12 + i128::from(d.month) - 1;
    match part {
        "year" => i128::from(to.0.year) - i128::from(from.0.year),
        "quarter" => months(to.0) / 3 - months(from.0) / 3,
        "month" => months(to.0) - months(from.0),
        // Weeks begin on Sunday here, whatever the language.
        "week" => i128::from((day_number(to.0) + 4).div_euclid(7) - (day_number(from.0) + 4).div_euclid(7)),
        "nanosecond" => (ticks(to) - ticks(from)) * 100,
        _ => ticks(to).div_euclid(unit(part)) - ticks(from).div_euclid(unit(part)),
    }
}

fn day_of_year(d: Date) -> i64 {
    day_number(d) - day_number(Date { year: d.year, month: 1, day: 1 })
}

/// The week by ISO 8601: the first one of a year has its first Thursday.
fn iso_week(d: Date) -> i64 {
    let number = day_number(d);
    let thursday = number - (weekday(number) + 6) % 7 + 3;
    day(thursday).map_or(1, |t| day_of_year(t) / 7 + 1)
}

pub(super) fn part_of(part: &str, (date, time): Moment, offset: i16) -> i64 {
    let seconds = (time.0 / Time::SECOND) as i64;
    let fraction = (time.0 % Time::SECOND) as i64;
    match part {
        "year" => i64::from(date.year),
        "quarter" => (i64::from(date.month) - 1) / 3 + 1,
        "month" => i64::from(date.month),
        "dayofyear" => day_of_year(date) + 1,
        "day" => i64::from(date.day),
        "week" => (day_of_year(date) + weekday(day_number(Date { month: 1, day: 1, ..date }))) / 7 + 1,
        "iso_week" => iso_week(date),
        // DATEFIRST 7: Sunday is 1.
        "weekday" => weekday(day_number(date)) + 1,
        "hour" => seconds / 3600,
        "minute" => seconds / 60 % 60,
        "second" => seconds % 60,
        "millisecond" => fraction / 10_000,
        "microsecond" => fraction / 10,
        "nanosecond" => fraction * 100,
        _ => i64::from(offset),
    }
}

/// The start of the part that a moment is in.
pub(super) fn truncate(part: &str, (date, time): Moment) -> Option<Moment> {
    let back = |days: i64| day(day_number(date) - days).map(|d| (d, Time(0)));
    match part {
        "year" => Some((Date { month: 1, day: 1, ..date }, Time(0))),
        "quarter" => Some((Date { month: (date.month - 1) / 3 * 3 + 1, day: 1, ..date }, Time(0))),
        "month" => Some((Date { day: 1, ..date }, Time(0))),
        "week" => back(weekday(day_number(date))),
        "iso_week" => back((weekday(day_number(date)) + 6) % 7),
        "dayofyear" | "day" => Some((date, Time(0))),
        _ => {
            let unit = unit(part) as u64;
            Some((date, Time(time.0 / unit * unit)))
        }
    }
}
