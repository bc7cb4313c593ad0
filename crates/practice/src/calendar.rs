//! Days, times and their one text form, which sorts as time does: `2026-02-03T04:05:06[.1234567]`, fraction without
//! trailing zeros.

use database::{Date, Time};

/// Days since 1970-01-01.
pub(crate) fn day_number(date: Date) -> i64 {
    // Years that start in March make the leap day the last one of its year.
    let (year, month) = (i64::from(date.year), i64::from(date.month));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + i64::from(date.day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The day with that number; `None` outside years 1 to 9999.
pub(crate) fn day(number: i64) -> Option<Date> {
    let z = number.checked_add(719_468)?;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (1..=9999).contains(&year).then_some(Date { year: year as u16, month: month as u8, day: day as u8 })
}

/// Days of a month; 0 for a month that is none.
pub(crate) fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

/// A day, if it is one.
pub(crate) fn valid(year: u16, month: u8, day: u8) -> Option<Date> {
    ((1..=9999).contains(&year) && day >= 1 && day <= days_in_month(year, month)).then_some(Date {
        year,
        month,
        day,
    })
}

/// 0 is Sunday.
pub(crate) fn weekday(number: i64) -> i64 {
    (number + 4).rem_euclid(7)
}

/// `2026-02-03`.
pub(crate) fn date_text(d: Date) -> String {
    format!("{:04}-{:02}-{:02}", d.year, d.month, d.day)
}

/// `04:05:06[.1234567]`.
pub(crate) fn time_text(t: Time) -> String {
    let seconds = t.0 / Time::SECOND;
    let fraction = t.0 % Time::SECOND;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        text.push_str(format!(".{fraction:07}").trim_end_matches('0'));
    }
    text
}

/// `2026-02-03T04:05:06[.1234567]`.
pub(crate) fn date_time_text(d: Date, t: Time) -> String {
    format!("{}T{}", date_text(d), time_text(t))
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}

/// Reads the stored form of a day, alone or before a time.
pub(crate) fn read_date(text: &[u8]) -> Option<Date> {
    match text {
        [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => {
            valid(number(year)? as u16, number(&[*m1, *m2])? as u8, number(&[*d1, *d2])? as u8)
        }
        _ => None,
    }
}

/// Reads the stored form of a time.
pub(crate) fn read_time(text: &[u8]) -> Option<Time> {
    let (whole, fraction) = match text {
        whole if whole.len() == 8 => (whole, &[][..]),
        _ if text.len() > 9 && text.len() <= 16 && text[8] == b'.' => (&text[..8], &text[9..]),
        _ => return None,
    };
    if whole[2] != b':' || whole[5] != b':' {
        return None;
    }
    let (h, m, s) = (number(&whole[..2])?, number(&whole[3..5])?, number(&whole[6..])?);
    let ticks = number(fraction)? * 10u64.pow(7 - fraction.len() as u32);
    (h < 24 && m < 60 && s < 60).then_some(Time((h * 3600 + m * 60 + s) * Time::SECOND + ticks))
}

/// Reads the stored form of a day with a time; a day alone is its midnight.
pub(crate) fn read_date_time(text: &[u8]) -> Option<(Date, Time)> {
    if text.len() == 10 {
        return Some((read_date(text)?, Time(0)));
    }
    if text.len() < 19 || text[10] != b'T' {
        return None;
    }
    Some((read_date(&text[..10])?, read_time(&text[11..])?))
}

/// Reads `2026-02-03T04:05:06+10:00`.
pub(crate) fn read_offset(text: &[u8]) -> Option<(Date, Time, i16)> {
    let at = text.len().checked_sub(6)?;
    let (local, offset) = text.split_at(at);
    let sign = match offset[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let minutes = number(&offset[1..3])? * 60 + number(&offset[4..6])?;
    let (d, t) = read_date_time(local)?;
    (offset[3] == b':' && minutes <= 14 * 60).then_some((d, t, sign * minutes as i16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_their_numbers_agree_over_all_years() {
        let first = day_number(Date { year: 1, month: 1, day: 1 });
        let last = day_number(Date { year: 9999, month: 12, day: 31 });
        assert_eq!(day_number(Date { year: 1970, month: 1, day: 1 }), 0);
        assert_eq!(last - first, 3_652_058);
        for n in (first..=last).step_by(17) {
            let d = day(n).unwrap();
            assert_eq!(day_number(d), n);
            assert_eq!(read_date(date_text(d).as_bytes()), Some(d));
        }
        assert_eq!((day(first - 1), day(last + 1), day(i64::MAX)), (None, None, None));
        assert_eq!(weekday(day_number(Date { year: 2026, month: 2, day: 3 })), 2, "a Tuesday");
    }

    #[test]
    fn times_read_back() {
        for ticks in [0, 1, 10, 12_345_670, Time::DAY - 1, 29_700 * Time::SECOND] {
            assert_eq!(read_time(time_text(Time(ticks)).as_bytes()), Some(Time(ticks)));
        }
        assert_eq!(read_time(b"24:00:00"), None);
        assert_eq!(read_date_time(b"2026-02-30T00:00:00"), None);
        assert!(read_offset(b"2026-02-03T00:00:00+10:00").is_some());
    }
}
