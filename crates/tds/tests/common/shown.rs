//! The clients' values in the words of `samples::canonical`.

use mssql_tds::datatypes::column_values::{ColumnValues, SqlTime};
use tiberius::ColumnData;

pub(crate) fn mssql(value: ColumnValues) -> String {
    let ticks = |t: &SqlTime| t.time_nanoseconds;
    match value {
        ColumnValues::Null => "null".to_owned(),
        ColumnValues::TinyInt(v) => v.to_string(),
        ColumnValues::SmallInt(v) => v.to_string(),
        ColumnValues::Int(v) => v.to_string(),
        ColumnValues::BigInt(v) => v.to_string(),
        ColumnValues::Real(v) => v.to_string(),
        ColumnValues::Float(v) => v.to_string(),
        ColumnValues::Decimal(v) | ColumnValues::Numeric(v) => v.to_string(),
        ColumnValues::Bit(v) => v.to_string(),
        ColumnValues::String(v) => v.to_utf8_string(),
        ColumnValues::DateTime(v) => format!("day {} thirds {}", v.days, v.time),
        ColumnValues::Date(v) => format!("day {}", v.get_days()),
        ColumnValues::Time(v) => format!("time {}", ticks(&v)),
        ColumnValues::DateTime2(v) => format!("day {} time {}", v.days, ticks(&v.time)),
        ColumnValues::DateTimeOffset(v) => {
            let utc = &v.datetime2;
            format!("day {} time {} offset {}", utc.days, ticks(&utc.time), v.offset)
        }
        ColumnValues::SmallDateTime(v) => format!("day {} minutes {}", v.days, v.time),
        ColumnValues::SmallMoney(v) => money(v.int_val.into()),
        ColumnValues::Money(v) => money(i64::from(v.msb_part) << 32 | i64::from(v.lsb_part as u32)),
        ColumnValues::Bytes(v) => format!("{v:?}"),
        ColumnValues::Xml(v) => v.as_string(),
        ColumnValues::Uuid(v) => v.to_string(),
        other => panic!("{other:?}"),
    }
}

fn money(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    format!("{sign}{}.{:04}", amount / 10_000, amount % 10_000)
}

pub(crate) fn tiberius(data: ColumnData<'_>, ty: &str) -> String {
    let all = match data {
        ColumnData::Bit(v) => v.map(|v| v.to_string()),
        ColumnData::U8(v) => v.map(|v| v.to_string()),
        ColumnData::I16(v) => v.map(|v| v.to_string()),
        ColumnData::I32(v) => v.map(|v| v.to_string()),
        ColumnData::I64(v) => v.map(|v| v.to_string()),
        ColumnData::F32(v) => v.map(|v| v.to_string()),
        // It reads money as a float.
        ColumnData::F64(v) if ty.ends_with("money") => v.map(|v| format!("{v:.4}")),
        ColumnData::F64(v) => v.map(|v| v.to_string()),
        ColumnData::String(v) => v.map(|v| v.into_owned()),
        ColumnData::Guid(v) => v.map(|v| v.to_string()),
        ColumnData::Binary(v) => v.map(|v| format!("{v:?}")),
        ColumnData::Numeric(v) => v.map(|v| {
            let digits = format!("{:0width$}", v.value().unsigned_abs(), width = usize::from(v.scale()) + 1);
            let (whole, part) = digits.split_at(digits.len() - usize::from(v.scale()));
            let sign = if v.value() < 0 { "-" } else { "" };
            if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
        }),
        ColumnData::Xml(v) => v.map(|v| v.to_string()),
        ColumnData::DateTime(v) => v.map(|v| format!("day {} thirds {}", v.days(), v.seconds_fragments())),
        ColumnData::SmallDateTime(v) => {
            v.map(|v| format!("day {} minutes {}", v.days(), v.seconds_fragments()))
        }
        ColumnData::Time(v) => v.map(|v| format!("time {}", ticks(v))),
        ColumnData::Date(v) => v.map(|v| format!("day {}", v.days())),
        ColumnData::DateTime2(v) => v.map(|v| format!("day {} time {}", v.date().days(), ticks(v.time()))),
        ColumnData::DateTimeOffset(v) => v.map(|v| {
            let utc = v.datetime2();
            format!("day {} time {} offset {}", utc.date().days(), ticks(utc.time()), v.offset())
        }),
    };
    all.unwrap_or_else(|| "null".to_owned())
}

fn ticks(time: tiberius::time::Time) -> u64 {
    time.increments() * 10u64.pow(7 - u32::from(time.scale()))
}
