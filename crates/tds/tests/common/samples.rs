//! A column of every type with the ends of its range.

use database::{Date, Time, Value};
use practice::events::ColumnType;
use uuid::Uuid;

pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) ty: ColumnType,
    pub(crate) low: Value<'static>,
    pub(crate) high: Value<'static>,
}

/// From a declaration such as `decimal(38,10)` or `nvarchar(20)`.
pub(crate) fn ty(declared: &'static str) -> ColumnType {
    let (name, rest) = declared.split_once('(').unwrap_or((declared, ""));
    let mut numbers = rest.trim_end_matches(')').split(',').map(|n| n.parse::<u32>());
    let first = numbers.next().and_then(Result::ok);
    let second = numbers.next().and_then(Result::ok);
    let mut ty = ColumnType { name, length: None, precision: 0, scale: 0 };
    match name {
        "decimal" | "numeric" => {
            ty.precision = first.unwrap() as u8;
            ty.scale = second.unwrap() as u8;
        }
        "time" | "datetime2" | "datetimeoffset" => ty.scale = first.unwrap() as u8,
        "money" | "smallmoney" => ty.scale = 4,
        _ => ty.length = first,
    }
    ty
}

const FIRST: Date = Date { year: 1, month: 1, day: 1 };
const LAST: Date = Date { year: 9999, month: 12, day: 31 };
const END: Time = Time(Time::DAY - 1);

const fn day(year: u16, month: u8, day: u8) -> Date {
    Date { year, month, day }
}

const fn at(hours: u64, minutes: u64, ticks: u64) -> Time {
    Time((hours * 3600 + minutes * 60) * Time::SECOND + ticks)
}

pub(crate) fn samples() -> Vec<Sample> {
    use Value::{Binary, Bit, Date as Day, DateTime, DateTimeOffset, Decimal, Float, Guid, Int, Real, Text};
    let all: Vec<(&'static str, Value<'static>, Value<'static>)> = vec![
        ("bit", Bit(false), Bit(true)),
        ("tinyint", Int(0), Int(255)),
        ("smallint", Int(-32_768), Int(32_767)),
        ("int", Int(i32::MIN as i64), Int(i32::MAX as i64)),
        ("bigint", Int(i64::MIN), Int(i64::MAX)),
        ("real", Real(f32::MIN), Real(f32::MIN_POSITIVE)),
        ("float", Float(f64::MIN), Float(f64::MAX)),
        ("decimal(9,2)", Decimal("-9999999.99"), Decimal("9999999.99")),
        ("numeric(19,0)", Decimal("-9999999999999999999"), Decimal("9999999999999999999")),
        ("numeric(28,10)", Decimal("-0.0000000001"), Decimal("999999999999999999.9999999999")),
        (
            "decimal(38,38)",
            Decimal("-0.99999999999999999999999999999999999999"),
            Decimal("0.99999999999999999999999999999999999999"),
        ),
        ("money", Decimal("-922337203685477.5808"), Decimal("922337203685477.5807")),
        ("smallmoney", Decimal("-214748.3648"), Decimal("214748.3647")),
        ("date", Day(FIRST), Day(LAST)),
        ("time(0)", Value::Time(Time(0)), Value::Time(at(23, 59, 59 * Time::SECOND))),
        ("time(3)", Value::Time(Time(0)), Value::Time(Time(Time::DAY - 10_000))),
        ("time(7)", Value::Time(Time(0)), Value::Time(END)),
        ("datetime2(0)", DateTime(FIRST, Time(0)), DateTime(LAST, at(23, 59, 59 * Time::SECOND))),
        ("datetime2(7)", DateTime(FIRST, Time(0)), DateTime(LAST, END)),
        ("datetimeoffset(7)", DateTimeOffset(FIRST, at(0, 0, 0), -840), DateTimeOffset(LAST, END, 600)),
        (
            "datetimeoffset(2)",
            DateTimeOffset(day(2026, 2, 3), at(9, 30, 0), 600),
            DateTimeOffset(day(2026, 2, 3), at(0, 5, 0), -210),
        ),
        (
            "datetime",
            DateTime(day(1753, 1, 1), Time(0)),
            DateTime(LAST, at(23, 59, 59 * Time::SECOND + 9_970_000)),
        ),
        ("smalldatetime", DateTime(day(1900, 1, 1), Time(0)), DateTime(day(2079, 6, 6), at(23, 59, 0))),
        (
            "uniqueidentifier",
            Guid(Uuid::nil()),
            Guid(Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff)),
        ),
        ("char(5)", Text("     "), Text("Zoë€ ")),
        ("varchar(30)", Text(""), Text("naïve “quotes” – €5")),
        ("varchar", Text(""), Text("any length in “1252”")),
        ("nchar(3)", Text("   "), Text("日本 ")),
        ("nvarchar(30)", Text(""), Text("Grüße 日本 😀")),
        ("nvarchar", Text(""), Text("any length 😀")),
        ("sysname", Text("a"), Text("BPS_Patients")),
        ("text", Text(""), Text("old text – €")),
        ("ntext", Text(""), Text("old ntext 日本")),
        ("xml", Text("<a/>"), Text("<a b=\"日\">c</a>")),
        ("sql_variant", Text(""), Text("42")),
        ("binary(4)", Binary(&[0; 4]), Binary(&[255; 4])),
        ("varbinary(16)", Binary(&[]), Binary(&[0, 1, 2, 254, 255])),
        ("varbinary", Binary(&[]), Binary(&[7; 300])),
        ("image", Binary(&[]), Binary(&[9; 20])),
        ("timestamp", Binary(&[0; 8]), Binary(&[0, 0, 0, 0, 0, 0, 7, 209])),
    ];
    all.into_iter().map(|(name, low, high)| Sample { name, ty: ty(name), low, high }).collect()
}

/// Days from 1 January of year 1, counted the long way.
fn days(date: Date) -> i64 {
    let leap = |y: u16| y.is_multiple_of(4) && !y.is_multiple_of(100) || y.is_multiple_of(400);
    let years: i64 = (1..date.year).map(|y| if leap(y) { 366 } else { 365 }).sum();
    let lengths = [31, if leap(date.year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + lengths[..usize::from(date.month) - 1].iter().sum::<i64>() + i64::from(date.day) - 1
}

/// A value in words that every client's values can be put into: times in ticks of 100 ns, days from year 1 or, for the
/// old types, from 1900.
pub(crate) fn canonical(sample: &Sample, value: &Value<'_>) -> String {
    const MINUTE: i64 = 60 * Time::SECOND as i64;
    let to_1900 = days(day(1900, 1, 1));
    match (sample.ty.name, *value) {
        (_, Value::Null) => "null".to_owned(),
        (_, Value::Bit(b)) => b.to_string(),
        (_, Value::Int(i)) => i.to_string(),
        (_, Value::Real(f)) => f.to_string(),
        (_, Value::Float(f)) => f.to_string(),
        (_, Value::Decimal(text) | Value::Text(text)) => text.to_owned(),
        (_, Value::Date(d)) => format!("day {}", days(d)),
        (_, Value::Time(t)) => format!("time {}", t.0),
        ("datetime", Value::DateTime(d, t)) => {
            format!("day {} thirds {}", days(d) - to_1900, (t.0 * 3 + 50_000) / 100_000)
        }
        ("smalldatetime", Value::DateTime(d, t)) => {
            format!("day {} minutes {}", days(d) - to_1900, t.0 / MINUTE as u64)
        }
        (_, Value::DateTime(d, t)) => format!("day {} time {}", days(d), t.0),
        (_, Value::DateTimeOffset(d, t, minutes)) => {
            let ticks = days(d) * Time::DAY as i64 + t.0 as i64 - i64::from(minutes) * MINUTE;
            let whole = Time::DAY as i64;
            format!("day {} time {} offset {minutes}", ticks.div_euclid(whole), ticks.rem_euclid(whole))
        }
        (_, Value::Guid(g)) => g.to_string(),
        (_, Value::Binary(b)) => format!("{b:?}"),
    }
}

/// What all clients should see of `types`: row by row, column by column.
pub(crate) fn expected() -> Vec<Vec<String>> {
    let samples = samples();
    let row =
        |pick: &dyn Fn(&Sample) -> Value<'static>| samples.iter().map(|s| canonical(s, &pick(s))).collect();
    vec![row(&|s| s.low), row(&|s| s.high), row(&|_| Value::Null)]
}
