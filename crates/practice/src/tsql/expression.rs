//! Expressions: each becomes text for the embedded engine and a type.

use super::scope::{Compiler, literal};
use crate::{
    convert::convert,
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use rusqlite::types::{Value as Stored, ValueRef};
use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DateTimeField, Expr, Query, TrimWhereField, UnaryOperator, Value,
};

/// A compiled expression.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) sql: String,
    pub(super) ty: Type,
    /// A string literal's content: it converts while compiling.
    pub(super) text: Option<String>,
}

impl Piece {
    pub(super) fn new(sql: impl Into<String>, ty: Type) -> Piece {
        Piece { sql: sql.into(), ty, text: None }
    }
}

impl Compiler {
    /// A value.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Piece, SqlError> {
        let seen = self.bare.len();
        let piece = self.deeper(|c| c.value_inner(expr))?;
        // What is grouped by may be named outside of aggregates, whole.
        if self.groups.as_ref().is_some_and(|groups| groups.contains(&piece.sql)) {
            self.bare.truncate(seen);
        }
        Ok(piece)
    }

    fn value_inner(&mut self, expr: &Expr) -> Result<Piece, SqlError> {
        match expr {
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with("@@") => {
                self.global(&ident.value)
            }
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with('@') => {
                let at = self.variable(ident)?;
                Ok(Piece::new(format!("?{}", at + 1), self.variables[at].ty))
            }
            Expr::Identifier(ident) => {
                self.column(std::slice::from_ref(ident)).map(|(sql, ty)| Piece::new(sql, ty))
            }
            Expr::CompoundIdentifier(path) => self.column(path).map(|(sql, ty)| Piece::new(sql, ty)),
            Expr::Value(value) => self.literal_value(&value.value),
            Expr::Nested(inner) => self.value(inner),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.value(expr),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                let piece = self.value(expr)?;
                match piece.ty.family {
                    Family::Int | Family::Real | Family::Float => {
                        Ok(Piece::new(format!("(- {})", piece.sql), piece.ty))
                    }
                    Family::Decimal => {
                        Ok(Piece::new(format!("ts_decimal('-', '0', {})", piece.sql), piece.ty))
                    }
                    _ => Err(fault(
                        8117,
                        self.line,
                        format!("Operand data type {} is invalid for minus operator.", piece.ty.name),
                    )),
                }
            }
            Expr::BinaryOp { left, op, right } => self.arithmetic(left, op, right),
            Expr::Cast {
                kind: kind @ (CastKind::Cast | CastKind::TryCast),
                expr,
                data_type,
                format: None,
            } => self.cast(expr, data_type, 0, *kind == CastKind::TryCast),
            Expr::Convert {
                is_try,
                expr,
                data_type: Some(data_type),
                charset: None,
                target_before_value: true,
                styles,
            } => {
                let style = match styles.as_slice() {
                    [] => 0,
                    [Expr::Value(v)] => match &v.value {
                        Value::Number(n, _) => n.parse().map_err(|_| self.no("CONVERT"))?,
                        _ => return Err(self.no("CONVERT")),
                    },
                    _ => return Err(self.no("CONVERT")),
                };
                self.cast(expr, data_type, style, *is_try)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut tests = Vec::new();
                let mut results = Vec::new();
                for when in conditions {
                    tests.push(match operand {
                        Some(operand) => {
                            let (left, right) = (self.value(operand)?, self.value(&when.condition)?);
                            self.compare(left, "=", right)?
                        }
                        None => self.predicate(&when.condition)?,
                    });
                    results.push(self.value(&when.result)?);
                }
                results.push(match else_result {
                    Some(other) => self.value(other)?,
                    None => Piece::new("NULL", Type::NULL),
                });
                let (results, ty) = self.unify(results)?;
                let (other, whens) = results.split_last().expect("an else was pushed");
                let arms: String =
                    tests.iter().zip(whens).map(|(t, r)| format!(" WHEN {t} THEN {}", r.sql)).collect();
                Ok(Piece::new(format!("(CASE{arms} ELSE {} END)", other.sql), ty))
            }
            Expr::Subquery(query) => {
                let (sql, columns) = self.nested(query)?;
                match columns.as_slice() {
                    // SQL Server raises 512 for a second row; the embedded engine would take the first.
                    [(_, ty)] => Ok(single(&sql, *ty)),
                    _ => Err(fault(
                        116,
                        self.line,
                        "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
                    )),
                }
            }
            Expr::Function(function) => self.call(function),
            Expr::Substring { expr, substring_from: Some(from), substring_for: Some(length), .. } => {
                self.named_call("SUBSTRING", &[expr.as_ref(), from.as_ref(), length.as_ref()])
            }
            Expr::Trim {
                trim_where: None | Some(TrimWhereField::Both),
                trim_what: None,
                expr,
                trim_characters: None,
            } => self.named_call("TRIM", &[expr.as_ref()]),
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.named_call("FLOOR", &[expr.as_ref()])
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.named_call("CEILING", &[expr.as_ref()])
            }
            Expr::Collate { .. } => Err(self.no("COLLATE")),
            Expr::AtTimeZone { .. } => Err(self.no("AT TIME ZONE")),
            Expr::Like { .. }
            | Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Exists { .. } => {
                Err(fault(102, self.line, "Incorrect syntax: a condition stands where a value should."))
            }
            _ => Err(self.no(&first_words(expr))),
        }
    }

    fn global(&mut self, name: &str) -> Result<Piece, SqlError> {
        match name.to_ascii_uppercase().as_str() {
            "@@ROWCOUNT" => Ok(Piece::new("ts_rowcount()", Type::INT)),
            "@@IDENTITY" => Ok(Piece::new("ts_identity()", Type::INT)),
            "@@VERSION" => Ok(Piece::new(
                "'Halo demo practice: T-SQL on an embedded engine, not Microsoft SQL Server'",
                Type::NVARCHAR,
            )),
            "@@SERVERNAME" => Ok(Piece::new("'DEMO\\BPSINSTANCE'", Type::NVARCHAR)),
            "@@TRANCOUNT" | "@@ERROR" => Ok(Piece::new("0", Type::INT)),
            _ => Err(fault(137, self.line, format!("Must declare the scalar variable \"{name}\"."))),
        }
    }

    fn literal_value(&mut self, value: &Value) -> Result<Piece, SqlError> {
        Ok(match value {
            Value::Null => Piece::new("NULL", Type::NULL),
            Value::Number(digits, false) => self.number(digits)?,
            Value::SingleQuotedString(text) => {
                Piece { sql: literal(text), ty: Type::VARCHAR, text: Some(text.clone()) }
            }
            Value::NationalStringLiteral(text) => {
                Piece { sql: literal(text), ty: Type::NVARCHAR, text: Some(text.clone()) }
            }
            Value::HexStringLiteral(hex)
                if hex.len() % 2 == 0 && hex.bytes().all(|b| b.is_ascii_hexdigit()) =>
            {
                Piece::new(format!("x'{hex}'"), Type::BINARY)
            }
            other => return Err(self.no(&first_words(other))),
        })
    }

    fn number(&mut self, digits: &str) -> Result<Piece, SqlError> {
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        if plain && let Ok(n) = digits.parse::<i64>() {
            let ty = if i32::try_from(n).is_ok() { Type::INT } else { Type::BIGINT };
            return Ok(Piece::new(n.to_string(), ty));
        }
        if digits.contains(['e', 'E']) {
            let f: f64 = digits.parse().map_err(|_| self.no(digits))?;
            return if f.is_finite() {
                Ok(Piece::new(format!("{f:e}"), Type::FLOAT))
            } else {
                Err(fault(
                    168,
                    self.line,
                    "The floating point value is out of the range of computer representation.",
                ))
            };
        }
        match crate::convert::Decimal::parse(digits) {
            Some(d) => Ok(Piece::new(literal(&d.to_string()), Type::DECIMAL)),
            None => Err(fault(
                1007,
                self.line,
                "The number is out of the range for numeric representation (maximum precision 38).",
            )),
        }
    }

    fn cast(
        &mut self,
        expr: &Expr,
        data_type: &sqlparser::ast::DataType,
        style: i64,
        attempt: bool,
    ) -> Result<Piece, SqlError> {
        let piece = self.value(expr)?;
        let to = Type::parsed(data_type).ok_or_else(|| {
            fault(243, self.line, format!("Type {data_type} is not a defined system type."))
        })?;
        let from = piece.ty;
        let allowed = from.unify(to).is_some()
            || to.family == Family::Text
            || from.family == Family::Binary && to.family == Family::Binary;
        if !allowed {
            return Err(fault(
                529,
                self.line,
                format!("Explicit conversion from data type {} to {} is not allowed.", from.name, to.name),
            ));
        }
        let function = if attempt { "ts_try_cast" } else { "ts_cast" };
        Ok(Piece::new(cast_text(function, &piece.sql, from, to, style), to))
    }

    /// The piece as a value of that type.
    pub(super) fn convert(&mut self, piece: Piece, to: Type) -> Result<Piece, SqlError> {
        if piece.ty.family == Family::Null
            || piece.ty.family == to.family
                && matches!(
                    to.family,
                    Family::Text
                        | Family::Int
                        | Family::DateTime
                        | Family::Decimal
                        | Family::Bit
                        | Family::Real
                        | Family::Float
                        | Family::Date
                        | Family::Time
                        | Family::Guid
                        | Family::Binary
                        | Family::Offset
                )
        {
            return Ok(Piece { ty: to, ..piece });
        }
        if let Some(text) = &piece.text {
            let made = convert(ValueRef::Text(text.as_bytes()), piece.ty, to, 0, false)
                .map_err(|raised| fault(raised.0, self.line, raised.1))?;
            return Ok(Piece::new(stored_literal(&made), to));
        }
        let plain_number = matches!(
            (piece.ty.family, to.family),
            (Family::Bit | Family::Int, Family::Int | Family::Real | Family::Float)
                | (Family::Real, Family::Float)
        );
        if plain_number {
            return Ok(Piece::new(
                if to.family == Family::Int { piece.sql } else { format!("CAST({} AS REAL)", piece.sql) },
                to,
            ));
        }
        Ok(Piece::new(cast_text("ts_cast", &piece.sql, piece.ty, to, 0), to))
    }

    /// All pieces as the one type they share.
    pub(super) fn unify(&mut self, pieces: Vec<Piece>) -> Result<(Vec<Piece>, Type), SqlError> {
        let mut ty = Type::NULL;
        for piece in &pieces {
            ty = ty.unify(piece.ty).ok_or_else(|| self.clash(ty, piece.ty))?;
        }
        let pieces = pieces.into_iter().map(|p| self.convert(p, ty)).collect::<Result<_, _>>()?;
        Ok((pieces, ty))
    }

    pub(super) fn clash(&self, a: Type, b: Type) -> SqlError {
        fault(206, self.line, format!("Operand type clash: {} is incompatible with {}", a.name, b.name))
    }

    fn arithmetic(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Piece, SqlError> {
        let sign = match op {
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::BitwiseAnd => "&",
            BinaryOperator::BitwiseOr => "|",
            other => return Err(self.no(&other.to_string())),
        };
        let (a, b) = (self.value(left)?, self.value(right)?);
        let text = |p: &Piece| p.ty.family == Family::Text;
        if sign == "+"
            && (text(&a) && (text(&b) || b.ty.family == Family::Null)
                || text(&b) && a.ty.family == Family::Null)
        {
            let ty = a.ty.unify(b.ty).ok_or_else(|| self.clash(a.ty, b.ty))?;
            return Ok(Piece::new(format!("({} || {})", a.sql, b.sql), Type { length: 0, ..ty }));
        }
        // A datetime and a number: days.
        if matches!(sign, "+" | "-")
            && a.ty.family == Family::DateTime
            && a.ty.name != "datetime2"
            && b.ty.family == Family::Int
        {
            let days = if sign == "-" { format!("(- {})", b.sql) } else { b.sql };
            return Ok(Piece::new(format!("ts_dateadd('day', {days}, {}, '{}')", a.sql, a.ty.name), a.ty));
        }
        let ((pieces, ty), name) = (self.unify(vec![a, b])?, sign);
        let [a, b] = pieces.as_slice() else { return Err(self.no(name)) };
        let bitwise = matches!(sign, "&" | "|");
        match ty.family {
            Family::Null => Ok(Piece::new("NULL", Type::NULL)),
            Family::Int | Family::Bit if bitwise => {
                Ok(Piece::new(format!("({} {sign} {})", a.sql, b.sql), ty))
            }
            Family::Int | Family::Real | Family::Float if !bitwise => Ok(Piece::new(
                if matches!(sign, "/" | "%") {
                    format!("ts_divide('{sign}', {}, {})", a.sql, b.sql)
                } else {
                    format!("({} {sign} {})", a.sql, b.sql)
                },
                ty,
            )),
            Family::Decimal if !bitwise => Ok(Piece::new(
                format!("ts_decimal('{sign}', {}, {})", a.sql, b.sql),
                Type { length: 0, scale: 0, ..ty },
            )),
            _ => Err(fault(
                8117,
                self.line,
                format!("Operand data type {} is invalid for the {sign} operator.", ty.name),
            )),
        }
    }

    /// A comparison of two values.
    pub(super) fn compare(&mut self, a: Piece, op: &str, b: Piece) -> Result<String, SqlError> {
        let (pieces, ty) = self.unify(vec![a, b])?;
        let [a, b] = pieces.as_slice() else { return Err(self.no(op)) };
        Ok(match ty.family {
            Family::Text => format!("({} COLLATE MSSQL {op} {})", a.sql, b.sql),
            Family::Decimal => format!("(ts_compare({}, {}) {op} 0)", a.sql, b.sql),
            Family::Offset => return Err(self.no("comparison of datetimeoffset")),
            _ => format!("({} {op} {})", a.sql, b.sql),
        })
    }

    /// A condition.
    pub(super) fn predicate(&mut self, expr: &Expr) -> Result<String, SqlError> {
        self.deeper(|c| c.predicate_inner(expr))
    }

    fn predicate_inner(&mut self, expr: &Expr) -> Result<String, SqlError> {
        let not = |negated: bool| if negated { "NOT " } else { "" };
        match expr {
            Expr::Nested(inner) => self.predicate(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(format!("(NOT {})", self.predicate(expr)?)),
            Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } => {
                Ok(format!("({} {op} {})", self.predicate(left)?, self.predicate(right)?))
            }
            Expr::BinaryOp { left, op, right } => {
                let sign = match op {
                    BinaryOperator::Eq => "=",
                    BinaryOperator::NotEq => "<>",
                    BinaryOperator::Lt => "<",
                    BinaryOperator::LtEq => "<=",
                    BinaryOperator::Gt => ">",
                    BinaryOperator::GtEq => ">=",
                    _ => return Err(self.not_a_condition()),
                };
                let (a, b) = (self.value(left)?, self.value(right)?);
                self.compare(a, sign, b)
            }
            Expr::IsNull(inner) => Ok(format!("({} IS NULL)", self.value(inner)?.sql)),
            Expr::IsNotNull(inner) => Ok(format!("({} IS NOT NULL)", self.value(inner)?.sql)),
            Expr::Between { expr, negated, low, high } => {
                let (value, low, high) = (self.value(expr)?, self.value(low)?, self.value(high)?);
                let (from, to) = (self.compare(value.clone(), ">=", low)?, self.compare(value, "<=", high)?);
                Ok(format!("({}({from} AND {to}))", not(*negated)))
            }
            Expr::InList { expr, list, negated } => {
                let mut pieces = vec![self.value(expr)?];
                for item in list {
                    pieces.push(self.value(item)?);
                }
                let (pieces, ty) = self.unify(pieces)?;
                let (first, rest) = pieces.split_first().expect("one was pushed");
                let collate = match ty.family {
                    Family::Text => " COLLATE MSSQL",
                    Family::Decimal | Family::Offset => return Err(self.no("IN")),
                    _ => "",
                };
                let rest: Vec<&str> = rest.iter().map(|p| p.sql.as_str()).collect();
                Ok(format!("({}{collate} {}IN ({}))", first.sql, not(*negated), rest.join(", ")))
            }
            Expr::InSubquery { expr, subquery, negated } => {
                let left = self.value(expr)?;
                let (sql, columns) = self.nested(subquery)?;
                let [(_, ty)] = columns.as_slice() else {
                    return Err(fault(
                        116,
                        self.line,
                        "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
                    ));
                };
                let (pieces, ty) = self.unify(vec![left, Piece::new("\"c0\"", *ty)])?;
                let [a, b] = pieces.as_slice() else { return Err(self.no("IN")) };
                let collate = match ty.family {
                    Family::Text => " COLLATE MSSQL",
                    Family::Decimal | Family::Offset => return Err(self.no("IN")),
                    _ => "",
                };
                Ok(format!("({}{collate} {}IN (SELECT {} FROM ({sql})))", a.sql, not(*negated), b.sql))
            }
            Expr::Exists { subquery, negated } => {
                let (sql, _) = self.nested(subquery)?;
                Ok(format!("({}EXISTS ({sql}))", not(*negated)))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let (value, pattern) = (self.value(expr)?, self.value(pattern)?);
                let value = self.as_text(value)?;
                let pattern = self.as_text(pattern)?;
                let escape = match escape_char {
                    Some(escape) => {
                        let escape = self.value(escape)?;
                        self.as_text(escape)?.sql
                    }
                    None => "NULL".to_owned(),
                };
                Ok(format!("({}ts_like({}, {}, {escape}))", not(*negated), value.sql, pattern.sql))
            }
            _ => Err(self.not_a_condition()),
        }
    }

    fn not_a_condition(&self) -> SqlError {
        fault(
            4145,
            self.line,
            "An expression of non-boolean type specified in a context where a condition is expected.",
        )
    }

    pub(super) fn as_text(&mut self, piece: Piece) -> Result<Piece, SqlError> {
        match piece.ty.family {
            Family::Text | Family::Null => Ok(piece),
            Family::Binary => Err(fault(8116, self.line, "Argument data type varbinary is invalid here.")),
            _ => Ok(Piece::new(cast_text("ts_cast", &piece.sql, piece.ty, Type::VARCHAR, 0), Type::VARCHAR)),
        }
    }

    /// A query inside an expression: sees the columns around it, keeps its own grouping.
    pub(super) fn nested(&mut self, query: &Query) -> Result<(String, Vec<(String, Type)>), SqlError> {
        let groups = self.groups.take();
        let bare = std::mem::take(&mut self.bare);
        let (aggregates, aggregated) = (self.aggregates, self.aggregated);
        let result = self.deeper(|c| c.query(query));
        self.groups = groups;
        self.bare = bare;
        (self.aggregates, self.aggregated) = (aggregates, aggregated);
        result
    }
}

/// A subquery that gives one value. SQL Server raises 512 for a second row; the embedded engine would take the first.
fn single(sql: &str, ty: Type) -> Piece {
    Piece::new(
        format!(
            "(CASE WHEN (SELECT COUNT(*) FROM (SELECT 1 FROM ({sql}) LIMIT 2)) > 1 THEN ts_raise(512) ELSE (SELECT \"c0\" FROM ({sql}) LIMIT 1) END)"
        ),
        ty,
    )
}

/// A call of the converting function.
pub(super) fn cast_text(function: &str, sql: &str, from: Type, to: Type, style: i64) -> String {
    format!("{function}({sql}, '{}', '{}', {}, {}, {style})", from.name, to.name, to.length, to.scale)
}

fn stored_literal(value: &Stored) -> String {
    match value {
        Stored::Null => "NULL".to_owned(),
        Stored::Integer(i) => i.to_string(),
        Stored::Real(f) => format!("{f:e}"),
        Stored::Text(text) => literal(text),
        Stored::Blob(bytes) => format!("x'{}'", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()),
    }
}

/// The start of a piece of syntax, for an error message.
pub(super) fn first_words(what: &impl std::fmt::Display) -> String {
    what.to_string().chars().take(40).collect()
}
