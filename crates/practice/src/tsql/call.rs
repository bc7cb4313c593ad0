//! Scalar functions.

use super::{
    expression::{Piece, cast_text},
    scope::Compiler,
};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

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
        _ => return None,
    })
}

impl Compiler {
    pub(super) fn call(&mut self, function: &Function) -> Result<Piece, SqlError> {
        let parts = self.parts(&function.name)?;
        let [name] = parts.as_slice() else { return Err(self.no(&function.name.to_string())) };
        let line = self.line_of(name);
        let name = name.value.to_ascii_uppercase();
        let odd = function.uses_odbc_syntax
            || function.parameters != FunctionArguments::None
            || !function.within_group.is_empty()
            || function.filter.is_some()
            || function.null_treatment.is_some();
        if odd {
            return Err(self.no(&name));
        }
        let (list, distinct) = match &function.args {
            FunctionArguments::None => (&[][..], false),
            FunctionArguments::List(list) if list.clauses.is_empty() => {
                (list.args.as_slice(), list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
            }
            _ => return Err(self.no(&name)),
        };
        if let Some(over) = &function.over {
            return self.window(&name, list, over);
        }
        if matches!(name.as_str(), "COUNT" | "COUNT_BIG" | "SUM" | "MIN" | "MAX" | "AVG") {
            return self.aggregate(&name, list, distinct);
        }
        let mut arguments = Vec::with_capacity(list.len());
        for argument in list {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if !distinct => arguments.push(expr),
                _ => return Err(self.no(&name)),
            }
        }
        let before = self.line;
        self.line = line;
        let made = self.named_call(&name, &arguments);
        self.line = before;
        made
    }

    /// A call by name with plain arguments.
    pub(super) fn named_call(&mut self, name: &str, arguments: &[&Expr]) -> Result<Piece, SqlError> {
        if matches!(name, "DATEADD" | "DATEDIFF" | "DATEPART" | "DATENAME") {
            return self.date_call(name, arguments);
        }
        if name == "IIF" {
            let [test, yes, no] = arguments else { return Err(self.count(name, 3)) };
            let test = self.predicate(test)?;
            let results = vec![self.value(yes)?, self.value(no)?];
            let (results, ty) = self.unify(results)?;
            return Ok(Piece::new(
                format!("(CASE WHEN {test} THEN {} ELSE {} END)", results[0].sql, results[1].sql),
                ty,
            ));
        }
        let mut pieces = arguments.iter().map(|a| self.value(a)).collect::<Result<Vec<_>, _>>()?;
        let wanted = match name {
            "GETDATE" | "SYSDATETIME" | "GETUTCDATE" | "SYSUTCDATETIME" | "CURRENT_TIMESTAMP"
            | "SYSDATETIMEOFFSET" | "NEWID" | "SCOPE_IDENTITY" => Some(0),
            "LEN" | "LTRIM" | "RTRIM" | "TRIM" | "UPPER" | "LOWER" | "REVERSE" | "ABS" | "CEILING"
            | "FLOOR" | "YEAR" | "MONTH" | "DAY" | "CHAR" | "ASCII" | "SPACE" | "DATALENGTH" => Some(1),
            "ISNULL" | "LEFT" | "RIGHT" | "NULLIF" | "REPLICATE" => Some(2),
            "SUBSTRING" | "REPLACE" | "DATEFROMPARTS" => Some(3),
            _ => None,
        };
        if let Some(wanted) = wanted.filter(|n| *n != pieces.len()) {
            return Err(self.count(name, wanted));
        }
        match name {
            "GETDATE" | "CURRENT_TIMESTAMP" => Ok(Piece::new("ts_now('datetime', 0)", Type::DATETIME)),
            "GETUTCDATE" => Ok(Piece::new("ts_now('datetime', 1)", Type::DATETIME)),
            "SYSDATETIME" => Ok(Piece::new("ts_now('datetime2', 0)", Type::DATETIME2)),
            "SYSUTCDATETIME" => Ok(Piece::new("ts_now('datetime2', 1)", Type::DATETIME2)),
            "SYSDATETIMEOFFSET" => Ok(Piece::new("ts_now('datetimeoffset', 0)", Type::OFFSET)),
            "NEWID" => Ok(Piece::new("ts_newid()", Type::GUID)),
            "SCOPE_IDENTITY" => Ok(Piece::new("ts_identity()", Type::INT)),
            "DB_NAME" if pieces.is_empty() => Ok(Piece::new(
                if self.base.schema() == "main" { "'BPSPatients'" } else { "'BPSDrugs'" },
                Type::NVARCHAR,
            )),
            "ISNULL" => {
                let second = pieces.pop().expect("counted above");
                let first = pieces.pop().expect("counted above");
                let ty = if first.ty.family == Family::Null { second.ty } else { first.ty };
                if first.ty.unify(second.ty).is_none() {
                    return Err(self.clash(first.ty, second.ty));
                }
                // The first one's type is the result's: a number's default may need a cut, a text's a conversion.
                let second = if ty.family == second.ty.family {
                    second
                } else if second.text.is_some() {
                    self.convert(second, ty)?
                } else {
                    Piece::new(cast_text("ts_cast", &second.sql, second.ty, ty, 0), ty)
                };
                Ok(Piece::new(format!("ifnull({}, {})", first.sql, second.sql), ty))
            }
            "COALESCE" if pieces.len() >= 2 => {
                let (pieces, ty) = self.unify(pieces)?;
                let all: Vec<&str> = pieces.iter().map(|p| p.sql.as_str()).collect();
                Ok(Piece::new(format!("coalesce({})", all.join(", ")), ty))
            }
            "NULLIF" => {
                let (first, second) = (pieces[0].clone(), pieces[1].clone());
                let ty = first.ty;
                let sql = first.sql.clone();
                let same = self.compare(first, "=", second)?;
                Ok(Piece::new(format!("(CASE WHEN {same} THEN NULL ELSE {sql} END)"), ty))
            }
            "CONCAT" if pieces.len() >= 2 => {
                let mut texts = Vec::new();
                for piece in pieces {
                    texts.push(format!("ifnull({}, '')", self.as_text(piece)?.sql));
                }
                Ok(Piece::new(format!("({})", texts.join(" || ")), Type::NVARCHAR))
            }
            "LEN" => Ok(Piece::new(format!("length(rtrim({}, ' '))", self.text(pieces, 0)?.sql), Type::INT)),
            "DATALENGTH" if pieces[0].ty.family == Family::Text && !pieces[0].ty.name.starts_with('n') => {
                Ok(Piece::new(format!("length({})", pieces[0].sql), Type::INT))
            }
            "LTRIM" | "RTRIM" | "TRIM" => {
                let piece = self.text(pieces, 0)?;
                let ty = Type {
                    name: if piece.ty.name.starts_with('n') { "nvarchar" } else { "varchar" },
                    ..piece.ty
                };
                Ok(Piece::new(format!("{}({}, ' ')", name.to_ascii_lowercase(), piece.sql), ty))
            }
            "UPPER" | "LOWER" | "REVERSE" => {
                let piece = self.text(pieces, 0)?;
                Ok(Piece::new(format!("ts_{}({})", name.to_ascii_lowercase(), piece.sql), piece.ty))
            }
            "LEFT" | "RIGHT" | "SUBSTRING" | "REPLICATE" => {
                let numbers: Vec<String> = pieces[1..]
                    .iter()
                    .cloned()
                    .map(|p| self.convert(p, Type::INT).map(|p| p.sql))
                    .collect::<Result<_, _>>()?;
                let piece = self.text(pieces, 0)?;
                let ty = Type {
                    length: 0,
                    name: if piece.ty.name.starts_with('n') { "nvarchar" } else { "varchar" },
                    ..piece.ty
                };
                Ok(Piece::new(
                    format!("ts_{}({}, {})", name.to_ascii_lowercase(), piece.sql, numbers.join(", ")),
                    ty,
                ))
            }
            "SPACE" => {
                let n = self.convert(pieces.remove(0), Type::INT)?;
                Ok(Piece::new(format!("ts_replicate(' ', {})", n.sql), Type::VARCHAR))
            }
            "REPLACE" => {
                let texts = pieces
                    .into_iter()
                    .map(|p| self.as_text(p).map(|p| p.sql))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Piece::new(format!("ts_replace({})", texts.join(", ")), Type::VARCHAR))
            }
            "CHARINDEX" if matches!(pieces.len(), 2 | 3) => {
                let start = if pieces.len() == 3 {
                    self.convert(pieces.remove(2), Type::INT)?.sql
                } else {
                    "1".to_owned()
                };
                let texts = pieces
                    .into_iter()
                    .map(|p| self.as_text(p).map(|p| p.sql))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Piece::new(format!("ts_charindex({}, {start})", texts.join(", ")), Type::INT))
            }
            "CHAR" => Ok(Piece::new(
                format!("ts_char({})", self.convert(pieces.remove(0), Type::INT)?.sql),
                Type::VARCHAR,
            )),
            "ASCII" => Ok(Piece::new(format!("ts_ascii({})", self.text(pieces, 0)?.sql), Type::INT)),
            "ABS" | "CEILING" | "FLOOR" => {
                let piece = pieces.remove(0);
                match piece.ty.family {
                    Family::Int if name != "ABS" => Ok(piece),
                    Family::Int | Family::Float | Family::Real => {
                        let plain = if name == "ABS" {
                            "abs"
                        } else if name == "FLOOR" {
                            "ts_floor"
                        } else {
                            "ts_ceiling"
                        };
                        Ok(Piece::new(format!("{plain}({})", piece.sql), piece.ty))
                    }
                    _ => Err(fault(
                        8116,
                        self.line,
                        format!(
                            "Argument data type {} is invalid for argument 1 of {} function.",
                            piece.ty.name,
                            name.to_ascii_lowercase()
                        ),
                    )),
                }
            }
            "YEAR" | "MONTH" | "DAY" => {
                let date = self.moment(pieces.remove(0))?;
                Ok(Piece::new(
                    format!("ts_datepart('{}', {}, '{}')", name.to_ascii_lowercase(), date.sql, date.ty.name),
                    Type::INT,
                ))
            }
            "DATEFROMPARTS" => {
                let numbers = pieces
                    .into_iter()
                    .map(|p| self.convert(p, Type::INT).map(|p| p.sql))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Piece::new(format!("ts_datefromparts({})", numbers.join(", ")), Type::DATE))
            }
            _ => Err(fault(195, self.line, format!("'{name}' is not a recognized built-in function name."))),
        }
    }

    fn count(&self, name: &str, wanted: usize) -> SqlError {
        fault(
            174,
            self.line,
            format!("The {} function requires {wanted} argument(s).", name.to_ascii_lowercase()),
        )
    }

    fn text(&mut self, mut pieces: Vec<Piece>, at: usize) -> Result<Piece, SqlError> {
        self.as_text(pieces.swap_remove(at))
    }

    /// A value as some kind of date and time: text is read as datetime2.
    fn moment(&mut self, piece: Piece) -> Result<Piece, SqlError> {
        match piece.ty.family {
            Family::Text | Family::Null => self.convert(piece, Type::DATETIME),
            Family::Date | Family::DateTime | Family::Time => Ok(piece),
            _ => {
                Err(fault(8116, self.line, format!("Argument data type {} is invalid here.", piece.ty.name)))
            }
        }
    }

    fn date_call(&mut self, name: &str, arguments: &[&Expr]) -> Result<Piece, SqlError> {
        let part = match arguments.first() {
            Some(Expr::Identifier(word)) => {
                let line = self.line_of(word);
                date_part(&word.value).ok_or_else(|| {
                    fault(
                        155,
                        line,
                        format!("'{}' is not a recognized {} option.", word.value, name.to_ascii_lowercase()),
                    )
                })?
            }
            _ => {
                return Err(fault(
                    1023,
                    self.line,
                    format!("Invalid parameter 1 specified for {}.", name.to_ascii_lowercase()),
                ));
            }
        };
        match (name, &arguments[1..]) {
            ("DATEADD", [number, date]) => {
                let number = self.value(number)?;
                let number =
                    Piece::new(cast_text("ts_cast", &number.sql, number.ty, Type::INT, 0), Type::INT);
                let date = self.value(date)?;
                let date = self.moment(date)?;
                Ok(Piece::new(
                    format!("ts_dateadd('{part}', {}, {}, '{}')", number.sql, date.sql, date.ty.name),
                    date.ty,
                ))
            }
            ("DATEDIFF", [from, to]) => {
                let (from, to) = (self.value(from)?, self.value(to)?);
                let (from, to) = (self.moment(from)?, self.moment(to)?);
                Ok(Piece::new(
                    format!(
                        "ts_datediff('{part}', {}, '{}', {}, '{}')",
                        from.sql, from.ty.name, to.sql, to.ty.name
                    ),
                    Type::INT,
                ))
            }
            ("DATEPART" | "DATENAME", [date]) => {
                let date = self.value(date)?;
                let date = self.moment(date)?;
                let ty = if name == "DATEPART" { Type::INT } else { Type::NVARCHAR };
                Ok(Piece::new(
                    format!("ts_{}('{part}', {}, '{}')", name.to_ascii_lowercase(), date.sql, date.ty.name),
                    ty,
                ))
            }
            _ => Err(self.count(name, if name.len() == 8 && name != "DATEDIFF" { 2 } else { 3 })),
        }
    }
}
