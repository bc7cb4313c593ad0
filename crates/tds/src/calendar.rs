//! Days as numbers, and the protocol's ways to write a time of day.

use database::{Date, Time};

/// Days from 1 January of year 1 to 1 January 1900, from which `datetime` counts.
pub(crate) const DAYS_TO_1900: i64 = 693_595;
/// 31 December 9999.
const LAST: i64 = 3_652_058;

/// Days since 1 January of year 1.
pub(crate) fn days(date: Date) -> i64 {
    // Years that begin in March put the leap day last.
    let (year, month) = (i64::from(date.year), i64::from(date.month));
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + i64::from(date.day) - 307
}

/// The day of that number; `None` outside the years 1 to 9999.
pub(crate) fn date(days: i64) -> Option<Date> {
    if !(0..=LAST).contains(&days) {
        return None;
    }
    let shifted = days + 306;
    let era = shifted / 146_097;
    let in_era = shifted % 146_097;
    let year_in_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 {
        (month + 3, era * 400 + year_in_era)
    } else {
        (month - 9, era * 400 + year_in_era + 1)
    };
    Some(Date {
        year: u16::try_from(year).ok()?,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
    })
}

/// That many minutes later.
pub(crate) fn shift(day: Date, time: Time, minutes: i16) -> Option<(Date, Time)> {
    const MINUTE: i64 = 60 * Time::SECOND as i64;
    let ticks = i64::try_from(time.0).ok()? + i64::from(minutes) * MINUTE;
    let day = date(days(day) + ticks.div_euclid(Time::DAY as i64))?;
    Some((day, Time(ticks.rem_euclid(Time::DAY as i64).unsigned_abs())))
}

/// Bytes of a time of that scale.
pub(crate) fn time_bytes(scale: u8) -> usize {
    match scale {
        0..=2 => 3,
        3 | 4 => 4,
        _ => 5,
    }
}

/// `datetime`'s three-hundredths of a second as ticks, in the milliseconds that SQL Server shows: .000, .003, .007.
pub(crate) fn from_thirds(thirds: u64) -> u64 {
    (thirds * 10 + 1) / 3 * (Time::SECOND / 1000)
}

/// And back, rounded.
pub(crate) fn to_thirds(time: Time) -> u64 {
    (time.0 * 3 + 50_000) / 100_000
}
