//! Values as they come from the server, exact.

use crate::{
    text,
    wire::{
        blr::{Form, OCTETS, UTF8},
        info::Variable,
        row::Cell,
    },
};
use database::{Date, Time, Value};

/// Ticks of 100 ns in Firebird's ten-thousandth of a second.
pub(crate) const TICKS: u64 = 1000;
/// Days from 1858-11-17, Firebird's day 0, back to 0000-03-01, where the reckoning below begins.
const EPOCH: i64 = 678_881;

/// What a column's type is called.
pub(crate) fn type_name(variable: &Variable) -> &'static str {
    let exact = |plain| match (variable.sub_type, variable.scale) {
        (2, _) => "DECIMAL",
        (1, _) => "NUMERIC",
        (_, 0) => plain,
        _ => "NUMERIC",
    };
    match variable.kind {
        452 => "CHAR",
        448 => "VARCHAR",
        500 => exact("SMALLINT"),
        496 => exact("INTEGER"),
        580 => exact("BIGINT"),
        32752 => exact("INT128"),
        482 => "FLOAT",
        480 | 530 => "DOUBLE PRECISION",
        570 => "DATE",
        560 => "TIME",
        510 => "TIMESTAMP",
        520 if variable.sub_type == 1 => "BLOB SUB_TYPE TEXT",
        520 => "BLOB",
        32764 => "BOOLEAN",
        540 => "ARRAY",
        32760 | 32762 => "DECFLOAT",
        32754 | 32748 => "TIMESTAMP WITH TIME ZONE",
        32756 | 32750 => "TIME WITH TIME ZONE",
        _ => "",
    }
}

/// A day by its number.
pub(crate) fn date(day: i64) -> Option<Date> {
    // Years that begin in March have their leap day at their end.
    let days = day + EPOCH;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let day = of_year - (153 * march + 2) / 5 + 1;
    (1..=9999).contains(&year).then_some(Date { year: year as u16, month: month as u8, day: day as u8 })
}

/// The number of a day.
pub(crate) fn day(date: Date) -> i32 {
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (days - EPOCH) as i32
}

/// Text that has to be made for a row: digits, and what is not UTF-8.
#[derive(Default)]
pub(crate) struct Scratch {
    text: String,
    made: Vec<(usize, usize, usize, bool)>,
}

/// The digits of a number with `scale` of them behind the point.
pub(crate) fn decimal(number: i128, scale: i8, out: &mut String) {
    use std::fmt::Write;
    let behind = usize::from(scale.unsigned_abs());
    let start = out.len();
    // Writing to a string can't fail.
    let _ = write!(out, "{:0width$}", number.unsigned_abs(), width = behind + 1);
    if behind > 0 {
        out.insert(out.len() - behind, '.');
    }
    if number < 0 {
        out.insert(start, '-');
    }
}

/// The values of a row. Blobs are NULL here: whoever reads them puts them in. `None` for what no value can hold: a date
/// outside the years 1 to 9999.
pub(crate) fn values<'r>(
    cells: &[Cell],
    forms: &[Form],
    message: &'r [u8],
    scratch: &'r mut Scratch,
) -> Option<Vec<Value<'r>>> {
    scratch.text.clear();
    scratch.made.clear();
    let mut values = Vec::with_capacity(cells.len());
    for (i, (cell, form)) in cells.iter().zip(forms).enumerate() {
        let made = |scratch: &mut Scratch, write: &mut dyn FnMut(&mut String), number: bool| {
            let start = scratch.text.len();
            write(&mut scratch.text);
            scratch.made.push((i, start, scratch.text.len(), number));
            Value::Null
        };
        values.push(match (*cell, *form) {
            (Cell::Null | Cell::Blob(_), _) => Value::Null,
            (Cell::Int(n), Form::Boolean) => Value::Bit(n != 0),
            (Cell::Int(n), Form::Date) => Value::Date(date(n)?),
            (Cell::Int(n), Form::Short(0) | Form::Long(0) | Form::Int64(0)) => Value::Int(n),
            (Cell::Int(n), Form::Short(scale) | Form::Long(scale) | Form::Int64(scale)) => {
                made(scratch, &mut |out| decimal(n.into(), scale, out), true)
            }
            (Cell::Int(n), _) => Value::Int(n),
            (Cell::Int128(n), Form::Int128(scale)) => made(scratch, &mut |out| decimal(n, scale, out), true),
            (Cell::Int128(n), _) => made(scratch, &mut |out| decimal(n, 0, out), true),
            (Cell::Float(n), _) => Value::Real(n),
            (Cell::Double(n), _) => Value::Float(n),
            (Cell::Time(n), _) => Value::Time(time(n)),
            (Cell::Timestamp(day, n), _) => Value::DateTime(date(day.into())?, time(n)),
            (Cell::Bytes(at, length), Form::Text(_, OCTETS) | Form::Varying(_, OCTETS)) => {
                Value::Binary(&message[at..at + length])
            }
            (Cell::Bytes(at, length), form) => {
                let bytes = &message[at..at + length];
                match std::str::from_utf8(bytes) {
                    Ok(text) => Value::Text(cut(text, form)),
                    Err(_) => made(
                        scratch,
                        &mut |out| out.extend(bytes.iter().map(|b| text::windows_1252(*b))),
                        false,
                    ),
                }
            }
        });
    }
    for (i, start, end, number) in &scratch.made {
        let text = &scratch.text[*start..*end];
        values[*i] = if *number { Value::Decimal(text) } else { Value::Text(text) };
    }
    Some(values)
}

/// A `CHAR` in UTF-8 comes with room for four bytes a character: only the declared characters are its own.
fn cut(text: &str, form: Form) -> &str {
    let Form::Text(length, UTF8) = form else { return text };
    let characters = usize::from(length) / 4;
    let end = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn time(n: u32) -> Time {
    Time(u64::from(n) * TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days_are_where_the_calendar_has_them() {
        for (number, year, month, of_month) in
            [(0, 1858, 11, 17), (-678_575, 1, 1, 1), (2_973_483, 9999, 12, 31), (51_603, 2000, 2, 29)]
        {
            let known = Date { year, month, day: of_month };
            assert_eq!((date(number), i64::from(day(known))), (Some(known), number));
        }
        assert_eq!((date(-678_576), date(2_973_484)), (None, None));
    }

    proptest! {
        #[test]
        fn every_day_has_its_number(number in -678_575i64..=2_973_483) {
            let known = date(number).unwrap();
            prop_assert_eq!(i64::from(day(known)), number);
        }

        #[test]
        fn the_digits_of_a_number_are_the_number(number in any::<i64>(), scale in -18i8..=0) {
            let mut out = String::new();
            decimal(number.into(), scale, &mut out);
            let digits: String = out.chars().filter(|c| *c != '.').collect();
            prop_assert_eq!(digits.parse::<i128>().unwrap(), i128::from(number));
            let behind = out.split_once('.').map_or(0, |(_, behind)| behind.len());
            prop_assert_eq!(behind, usize::from(scale.unsigned_abs()));
            prop_assert!(!out.starts_with('.') && !out.starts_with("-."));
        }
    }
}
