//! Callers' values as the statement wants them: exactly, or not at all.

use crate::{
    kind::NoneCharset,
    text,
    values::{TICKS, day},
    wire::{
        blr::{Form, NONE, OCTETS, UTF8},
        info::Variable,
        row::Sent,
    },
};
use database::{
    Date, Failure, Time,
    text::{Digits, Given},
};
use model::{Parameter, ParameterType};

/// Longest text that is sent as a VARCHAR, in bytes: Firebird's own limit.
pub(crate) const VARCHAR: usize = 32_765;

/// A value that can be sent.
pub(crate) enum Bound {
    /// As it is.
    Now(Form, Sent),
    /// As a blob that must be made first.
    Blob(Vec<u8>),
}

/// What a value can't become.
type Expected = &'static str;

/// One value for one `?`.
pub(crate) fn bind(
    parameter: &Parameter,
    given: Option<&Given>,
    variable: &Variable,
    none: NoneCharset,
) -> Result<Bound, Failure> {
    let wrong = |expected: &str| Failure::Parameter {
        name: parameter.name.clone(),
        expected: format!("a value for {}: {expected}", crate::values::type_name(variable)),
    };
    if matches!(parameter.kind, ParameterType::Structured | ParameterType::Udt) {
        return Err(wrong("Firebird has no types Structured and Udt"));
    }
    let form = Form::of(variable).ok_or_else(|| wrong("write CAST(@name AS a type that Firebird 3 has)"))?;
    let Some(given) = given else { return Ok(Bound::Now(form, Sent::Null)) };
    convert(given, form, variable, none).map_err(wrong)
}

fn convert(given: &Given, form: Form, variable: &Variable, none: NoneCharset) -> Result<Bound, Expected> {
    let sent = match form {
        Form::Short(scale) => Sent::Int(whole(given, scale, i16::MIN.into(), i16::MAX.into())?),
        Form::Long(scale) => Sent::Int(whole(given, scale, i32::MIN.into(), i32::MAX.into())?),
        Form::Int64(scale) => Sent::Int(whole(given, scale, i64::MIN.into(), i64::MAX.into())?),
        Form::Int128(scale) => Sent::Int128(scaled(given, scale)?),
        Form::Float => Sent::Float(single(given)?),
        Form::Double => Sent::Double(double(given)?),
        Form::Boolean => Sent::Boolean(boolean(given)?),
        Form::Date => Sent::Int(date(given)?.into()),
        Form::Time => Sent::Int(time(given)?.into()),
        Form::Timestamp => timestamp(given)?,
        Form::Nothing => Sent::Bytes(Vec::new()),
        Form::Blob => {
            let (set, is_text) = (variable.scale as u16 & 0xFF, variable.sub_type == 1);
            let set = if is_text { set } else { OCTETS };
            return bytes(given, set, none, is_text).map(Bound::Blob);
        }
        Form::Text(_, set) | Form::Varying(_, set) => {
            let bytes = bytes(given, set, none, true)?;
            let length = u16::try_from(bytes.len()).ok().filter(|length| usize::from(*length) <= VARCHAR);
            let length = length.ok_or("at most 32765 bytes")?;
            return Ok(Bound::Now(Form::Varying(length, set), Sent::Bytes(bytes)));
        }
    };
    Ok(Bound::Now(if form == Form::Nothing { Form::Text(0, NONE) } else { form }, sent))
}

const NUMBER: Expected = "a number";

fn digits(given: &Given) -> Result<Digits, Expected> {
    let parsed = match given {
        Given::Bit(yes) => Digits::parse(if *yes { "1" } else { "0" }),
        Given::Int(n) => Digits::parse(&n.to_string()),
        Given::Decimal(digits) => Some(digits.clone()),
        // The shortest digits that mean this float: what a person would write.
        Given::Real(n) => Digits::parse(&format!("{n:e}")),
        Given::Float(n) => Digits::parse(&format!("{n:e}")),
        Given::Text(text) => Digits::parse(text.trim()),
        _ => None,
    };
    parsed.ok_or(NUMBER)
}

/// With as many digits behind the point as the column has, none lost.
fn scaled(given: &Given, scale: i8) -> Result<i128, Expected> {
    let digits = digits(given)?;
    let behind = scale.unsigned_abs();
    if digits.scale > behind {
        let beyond = 10u128.checked_pow(u32::from(digits.scale - behind)).ok_or(NUMBER)?;
        if digits.magnitude % beyond != 0 {
            return Err("a number without more digits behind the point than it has room for");
        }
    }
    digits.at_scale(behind).map(|digits| digits.signed()).ok_or("a number within its range")
}

fn whole(given: &Given, scale: i8, low: i128, high: i128) -> Result<i64, Expected> {
    let number = scaled(given, scale)?;
    let fits = (low..=high).contains(&number).then(|| i64::try_from(number).ok()).flatten();
    fits.ok_or("a number within its range")
}

fn double(given: &Given) -> Result<f64, Expected> {
    match given {
        Given::Float(n) => Ok(*n),
        Given::Real(n) => Ok(f64::from(*n)),
        Given::Text(text) => {
            let number = text.trim().parse().ok().filter(|n: &f64| n.is_finite());
            number
                .filter(|_| text.trim().starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)))
                .ok_or(NUMBER)
        }
        other => digits(other)?.to_string().parse().map_err(|_| NUMBER),
    }
}

fn single(given: &Given) -> Result<f32, Expected> {
    if let Given::Real(n) = given {
        return Ok(*n);
    }
    let number = double(given)? as f32;
    if number.is_finite() { Ok(number) } else { Err("a number within its range") }
}

fn boolean(given: &Given) -> Result<bool, Expected> {
    match given {
        Given::Bit(yes) => Ok(*yes),
        Given::Int(0) => Ok(false),
        Given::Int(1) => Ok(true),
        Given::Text(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Given::Text(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("true or false"),
    }
}

/// A text that is a day, a time, or both.
fn read(text: &str, kind: ParameterType) -> Option<Given> {
    database::text::read(kind, text).ok()
}

fn date(given: &Given) -> Result<i32, Expected> {
    match given {
        Given::Date(date) => Ok(day(*date)),
        Given::DateTime(date, Time(0)) => Ok(day(*date)),
        Given::Text(text) => match read(text, ParameterType::DateTime2) {
            Some(read) => date(&read),
            None => Err("a day such as 2026-02-03"),
        },
        _ => Err("a day without a time of day"),
    }
}

/// Firebird's steps are a ten-thousandth of a second: rounded to the nearest, never into the next day.
fn steps(time: Time) -> u32 {
    const LAST: u64 = Time::DAY / TICKS - 1;
    ((time.0 + TICKS / 2) / TICKS).min(LAST) as u32
}

fn time(given: &Given) -> Result<u32, Expected> {
    match given {
        Given::Time(time) => Ok(steps(*time)),
        Given::Text(text) => match read(text, ParameterType::Time) {
            // A whole moment is no time of day.
            Some(Given::Time(time)) if !text.trim().contains(['-', 'T', ' ']) => Ok(steps(time)),
            _ => Err("a time of day such as 08:15:00.1234"),
        },
        _ => Err("a time of day without a day"),
    }
}

fn timestamp(given: &Given) -> Result<Sent, Expected> {
    let at = |date: Date, time: Time| Sent::Timestamp(day(date), steps(time));
    match given {
        Given::Date(date) => Ok(at(*date, Time(0))),
        Given::DateTime(date, time) => Ok(at(*date, *time)),
        Given::Text(text) if !text.contains(['Z', 'z', '+']) => match read(text, ParameterType::DateTime2) {
            Some(Given::DateTime(date, time)) => Ok(at(date, time)),
            _ => Err("a day and time such as 2026-02-03T08:15:00.1234"),
        },
        _ => Err("a day and time such as 2026-02-03T08:15:00.1234, without an offset"),
    }
}

/// As bytes in a character set. `is_text`: the target is text, not a blob of bytes.
fn bytes(given: &Given, set: u16, none: NoneCharset, is_text: bool) -> Result<Vec<u8>, Expected> {
    match given {
        Given::Binary(bytes) if !is_text || set == OCTETS => Ok(bytes.clone()),
        Given::Binary(_) => Err("text, not bytes"),
        // Firebird's UUIDs have the bytes in the order of their digits.
        Given::Guid(guid) if !is_text || set == OCTETS => Ok(guid.as_bytes().to_vec()),
        other => {
            let text = words(other);
            match (set, none) {
                (NONE, NoneCharset::Windows1252) => text::encode(&text)
                    .ok_or("text with characters of Windows-1252 alone (see `none_charset`)"),
                _ => Ok(text.into_bytes()),
            }
        }
    }
}

/// As people write it.
fn words(given: &Given) -> String {
    let date = |d: &Date| format!("{:04}-{:02}-{:02}", d.year, d.month, d.day);
    let time = |t: &Time| {
        let steps = steps(*t);
        let seconds = steps / 10_000;
        let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        if steps.is_multiple_of(10_000) { clock } else { format!("{clock}.{:04}", steps % 10_000) }
    };
    match given {
        Given::Bit(yes) => (if *yes { "true" } else { "false" }).to_owned(),
        Given::Int(n) => n.to_string(),
        Given::Decimal(digits) => digits.to_string(),
        Given::Real(n) => n.to_string(),
        Given::Float(n) => n.to_string(),
        Given::Date(d) => date(d),
        Given::Time(t) => time(t),
        Given::DateTime(d, t) => format!("{} {}", date(d), time(t)),
        Given::DateTimeOffset(d, t, offset) => {
            let sign = if *offset < 0 { '-' } else { '+' };
            let minutes = offset.unsigned_abs();
            format!("{} {} {sign}{:02}:{:02}", date(d), time(t), minutes / 60, minutes % 60)
        }
        Given::Guid(guid) => guid.to_string(),
        Given::Text(text) => text.clone(),
        Given::Binary(_) => String::new(),
    }
}

/// The character set in which a text blob with this one travels: as the connection has it, or as it is.
pub(crate) fn blob_set(variable: &Variable) -> u16 {
    match variable.scale as u16 & 0xFF {
        set @ (NONE | OCTETS) => set,
        _ => UTF8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now(given: &Given, form: Form, kind: u32) -> Result<Sent, Expected> {
        let variable = Variable { kind, ..Variable::default() };
        match convert(given, form, &variable, NoneCharset::Windows1252)? {
            Bound::Now(_, sent) => Ok(sent),
            Bound::Blob(_) => Err("a blob"),
        }
    }

    proptest! {
        #[test]
        fn every_number_that_a_column_can_hold_goes_back_in_as_it_came_out(n in any::<i64>(), scale in -18i8..=0) {
            let mut text = String::new();
            crate::values::decimal(n.into(), scale, &mut text);
            let digits = Digits::parse(&text).unwrap();
            for given in [Given::Decimal(digits), Given::Text(format!(" {text}0 "))] {
                // A whole number with a zero behind it is another number.
                if scale < 0 || matches!(given, Given::Decimal(_)) {
                    prop_assert_eq!(now(&given, Form::Int64(scale), 580), Ok(Sent::Int(n)));
                }
            }
        }

        #[test]
        fn a_digit_that_has_no_room_is_never_dropped(n in -9_000_000i64..9_000_000, digit in 1u8..=9) {
            let digits = Digits::parse(&format!("{n}.05{digit}")).unwrap();
            prop_assert!(now(&Given::Decimal(digits), Form::Int64(-2), 580).is_err());
        }

        #[test]
        fn any_text_reads_as_every_type_or_is_refused(text in any::<String>()) {
            for (form, kind) in [(Form::Short(-2), 500), (Form::Double, 480), (Form::Float, 482), (Form::Date, 570), (Form::Time, 560),
                (Form::Timestamp, 510), (Form::Boolean, 32764), (Form::Int128(-3), 32752), (Form::Varying(9, NONE), 448), (Form::Varying(9, UTF8), 448)] {
                let _ = now(&Given::Text(text.clone()), form, kind);
            }
        }
    }

    #[test]
    fn the_last_moment_of_a_day_is_not_rounded_into_the_next() {
        let last = Time(Time::DAY - 1);
        assert_eq!(now(&Given::Time(last), Form::Time, 560), Ok(Sent::Int(863_999_999)));
        assert_eq!(now(&Given::Time(Time(1_499)), Form::Time, 560), Ok(Sent::Int(1)));
        assert_eq!(now(&Given::Time(Time(1_500)), Form::Time, 560), Ok(Sent::Int(2)));
    }
}
