//! Calls of functions of dates and times.

use super::Call;
use crate::{
    convert::{precision, spelled},
    fault::fault,
    tsql::{expression::Piece, scope::Compiler},
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{Expr, Value};

/// Names of parts of a date, as DATEADD and its kin take them.
fn date_part(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "year" | "yy" | "yyyy" => "year",
        "quarter" | "qq" | "q" => "quarter",
        "month" | "mm" | "m" => "month",
        "dayofyear" | "dy" | "y" => "dayofyear",
        "day" | "dd" | "d" => "day",
        "week" | "wk" | "ww" => "week",
        "weekday" | "dw" | "w" => "weekday",
        "hour" | "hh" => "hour",
        "minute" | "mi" | "n" => "minute",
        "second" | "ss" | "s" => "second",
        "millisecond" | "ms" => "millisecond",
        "microsecond" | "mcs" => "microsecond",
        "nanosecond" | "ns" => "nanosecond",
        "tzoffset" | "tz" => "tzoffset",
        "iso_week" | "isowk" | "isoww" => "iso_week",
        _ => return None,
    })
}

/// Whether a function's first argument is the name of a part.
pub(super) fn takes_part(name: &str) -> bool {
    matches!(name, "DATEADD" | "DATEDIFF" | "DATEDIFF_BIG" | "DATEPART" | "DATENAME" | "DATETRUNC")
}

/// Whether a part is one of the clock's.
fn of_clock(part: &str) -> bool {
    matches!(part, "hour" | "minute" | "second" | "millisecond" | "microsecond" | "nanosecond")
}

impl Compiler {
    /// A value as some kind of date and time: text as one of `text`'s type, a number as days since 1900.
    fn moment(&mut self, piece: Piece, text: Type, at: usize, name: &str) -> Result<Piece, SqlError> {
        match piece.ty.family {
            Family::Text | Family::Null => self.cast_to(piece, text),
            _ if piece.ty.is_time() => Ok(piece),
            _ if piece.ty.is_number() => self.cast_to(piece, Type::DATETIME),
            _ => Err(self.wrong_type(piece.ty, at, name)),
        }
    }

    /// Refuses a part that a function has not at all, or not of that type.
    fn refuse_part(&self, part: &str, name: &str, ty: Type) -> Result<(), SqlError> {
        let lower = name.to_ascii_lowercase();
        let never = match name {
            "DATEADD" | "DATEDIFF" | "DATEDIFF_BIG" => matches!(part, "tzoffset" | "iso_week"),
            "DATETRUNC" => matches!(part, "tzoffset" | "weekday" | "nanosecond"),
            _ => false,
        };
        if never {
            return Err(fault(
                9806,
                self.line,
                format!("The datepart {part} is not supported by date function {lower}."),
            ));
        }
        let fine = matches!(part, "microsecond" | "nanosecond");
        let wrong = match ty.family {
            _ if name.starts_with("DATEDIFF") => false,
            Family::Date => of_clock(part) || part == "tzoffset",
            Family::Time => !of_clock(part),
            Family::DateTime if ty.name != "datetime2" => {
                part == "tzoffset" || matches!(name, "DATEADD" | "DATETRUNC") && fine
            }
            _ => false,
        };
        if wrong {
            return Err(fault(
                9810,
                self.line,
                format!(
                    "The datepart {part} is not supported by date function {lower} for data type {}.",
                    ty.name
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn date_part_call(&mut self, name: &str, arguments: &[&Expr]) -> Result<Piece, SqlError> {
        let count = if matches!(name, "DATEPART" | "DATENAME" | "DATETRUNC") { 2 } else { 3 };
        if arguments.len() != count {
            return Err(self.wrong_count(name, count, count));
        }
        let lower = name.to_ascii_lowercase();
        let Some(Expr::Identifier(word)) = arguments.first() else {
            return Err(fault(1023, self.line, format!("Invalid parameter 1 specified for {lower}.")));
        };
        let part = date_part(&word.value).ok_or_else(|| {
            fault(155, self.line_of(word), format!("'{}' is not a recognized {lower} option.", word.value))
        })?;
        let first = self.value(arguments[1])?;
        match name {
            "DATEADD" => {
                let number = self.int(first)?;
                let date = self.value(arguments[2])?;
                // Text is a datetime here, and a datetime2 elsewhere.
                let date = self.moment(date, Type::DATETIME, 3, name)?;
                self.refuse_part(part, name, date.ty)?;
                Ok(Piece::new(
                    format!("ts_dateadd('{part}', {}, {}, '{}')", number.sql, date.sql, spelled(date.ty)),
                    date.ty,
                ))
            }
            "DATEDIFF" | "DATEDIFF_BIG" => {
                let to = self.value(arguments[2])?;
                let from = self.moment(first, Type::OFFSET, 2, name)?;
                let to = self.moment(to, Type::OFFSET, 3, name)?;
                self.refuse_part(part, name, from.ty)?;
                let big = name == "DATEDIFF_BIG";
                Ok(Piece::new(
                    format!(
                        "ts_datediff('{part}', {}, '{}', {}, '{}'{})",
                        from.sql,
                        spelled(from.ty),
                        to.sql,
                        spelled(to.ty),
                        if big { ", 1" } else { "" }
                    ),
                    if big { Type::BIGINT } else { Type::INT },
                ))
            }
            _ => {
                let text = if part == "tzoffset" { Type::OFFSET } else { Type::DATETIME2 };
                let date = self.moment(first, text, 2, name)?;
                self.refuse_part(part, name, date.ty)?;
                let ty = match name {
                    "DATEPART" => Type::INT,
                    "DATENAME" => Type { length: 30, ..Type::NVARCHAR },
                    _ => date.ty,
                };
                Ok(Piece::new(format!("ts_{lower}('{part}', {}, '{}')", date.sql, spelled(date.ty)), ty))
            }
        }
    }

    /// `value AT TIME ZONE zone`.
    pub(in crate::tsql) fn at_time_zone(&mut self, value: &Expr, zone: &Expr) -> Result<Piece, SqlError> {
        let value = self.value(value)?;
        let zone = self.value(zone)?;
        let zone = self.as_text(zone)?;
        if !matches!(value.ty.family, Family::DateTime | Family::Offset) {
            return Err(self.wrong_type(value.ty, 1, "AT TIME ZONE"));
        }
        let scale = if value.ty.name == "datetime2" || value.ty.family == Family::Offset {
            value.ty.scale
        } else {
            precision(value.ty)
        };
        Ok(Piece::new(
            format!("ts_at_zone({}, '{}', {})", value.sql, spelled(value.ty), zone.sql),
            Type { scale, ..Type::OFFSET },
        ))
    }

    /// The last argument of a function that takes a precision: a literal from 0 to 7.
    fn precision_argument(&mut self, call: &mut Call<'_>, name: &str) -> Result<u32, SqlError> {
        call.pieces.pop();
        let written = match call.written.last() {
            Some(Expr::Value(value)) => match &value.value {
                Value::Number(digits, _) => digits.parse::<u32>().ok(),
                _ => None,
            },
            _ => None,
        };
        written.filter(|n| *n <= 7).ok_or_else(|| {
            fault(
                10760,
                self.line,
                format!("Scale argument is not valid. Valid expressions for data type {name} scale argument are integer constants and integer constant expressions."),
            )
        })
    }

    fn parts_call(&mut self, call: &mut Call<'_>, ty: Type, count: usize) -> Result<Piece, SqlError> {
        self.arity(call, count, count)?;
        let precise = matches!(ty.name, "time" | "datetime2" | "datetimeoffset");
        let ty = if precise { Type { scale: self.precision_argument(call, ty.name)?, ..ty } } else { ty };
        // Until types carry their precision a declared one below seven would be lost.
        let name = if precise { format!("{}({})", ty.name, ty.scale) } else { ty.name.to_owned() };
        let numbers = self.ints(call, 0)?;
        Ok(Piece::new(format!("ts_fromparts('{name}', {})", numbers.join(", ")), ty))
    }

    pub(super) fn date_call(&mut self, call: &mut Call<'_>) -> Result<Option<Piece>, SqlError> {
        let now = |kind: &str, utc: u8, ty: Type| Piece::new(format!("ts_now('{kind}', {utc})"), ty);
        Ok(Some(match call.name {
            "GETDATE" | "CURRENT_TIMESTAMP" | "GETUTCDATE" | "SYSDATETIME" | "SYSUTCDATETIME"
            | "SYSDATETIMEOFFSET" => {
                self.arity(call, 0, 0)?;
                match call.name {
                    "GETUTCDATE" => now("datetime", 1, Type::DATETIME),
                    "SYSDATETIME" => now("datetime2", 0, Type::DATETIME2),
                    "SYSUTCDATETIME" => now("datetime2", 1, Type::DATETIME2),
                    "SYSDATETIMEOFFSET" => now("datetimeoffset", 0, Type::OFFSET),
                    _ => now("datetime", 0, Type::DATETIME),
                }
            }
            "YEAR" | "MONTH" | "DAY" => {
                self.arity(call, 1, 1)?;
                let date = self.moment(call.pieces[0].clone(), Type::DATETIME2, 1, call.name)?;
                let part = call.name.to_ascii_lowercase();
                self.refuse_part(&part, "DATEPART", date.ty)?;
                Piece::new(format!("ts_datepart('{part}', {}, '{}')", date.sql, spelled(date.ty)), Type::INT)
            }
            "EOMONTH" => {
                self.arity(call, 1, 2)?;
                let date = self.moment(call.pieces[0].clone(), Type::DATETIME2, 1, call.name)?;
                if date.ty.family == Family::Time {
                    return Err(self.wrong_type(date.ty, 1, call.name));
                }
                let months =
                    if call.pieces.len() == 2 { self.ints(call, 1)?.remove(0) } else { "0".to_owned() };
                Piece::new(format!("ts_eomonth({}, '{}', {months})", date.sql, spelled(date.ty)), Type::DATE)
            }
            "DATEFROMPARTS" => self.parts_call(call, Type::DATE, 3)?,
            "DATETIMEFROMPARTS" => self.parts_call(call, Type::DATETIME, 7)?,
            "SMALLDATETIMEFROMPARTS" => {
                let ty = Type { name: "smalldatetime", ..Type::DATETIME };
                self.parts_call(call, ty, 5)?
            }
            "TIMEFROMPARTS" => self.parts_call(call, Type::TIME, 5)?,
            "DATETIME2FROMPARTS" => self.parts_call(call, Type::DATETIME2, 8)?,
            "DATETIMEOFFSETFROMPARTS" => self.parts_call(call, Type::OFFSET, 10)?,
            "SWITCHOFFSET" | "TODATETIMEOFFSET" => {
                self.arity(call, 2, 2)?;
                let switch = call.name == "SWITCHOFFSET";
                let given = call.pieces[0].clone();
                let date = if switch {
                    self.cast_to(given, Type::OFFSET)?
                } else {
                    self.moment(given, Type::DATETIME2, 1, call.name)?
                };
                let zone = call.pieces[1].clone();
                let zone = if zone.ty.family == Family::Text { zone } else { self.int(zone)? };
                let name = spelled(date.ty);
                if switch {
                    Piece::new(format!("ts_switchoffset({}, '{name}', {})", date.sql, zone.sql), date.ty)
                } else {
                    let scale = if date.ty.name == "datetime2" { date.ty.scale } else { precision(date.ty) };
                    let ty = Type { scale, ..Type::OFFSET };
                    let to = spelled(ty);
                    Piece::new(
                        format!("ts_todatetimeoffset({}, '{name}', {}, '{to}')", date.sql, zone.sql),
                        ty,
                    )
                }
            }
            _ => return Ok(None),
        }))
    }
}
