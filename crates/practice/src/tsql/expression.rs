//! Expressions: each becomes text for the embedded engine and a type.

use super::scope::{Compiler, literal};
use crate::{
    convert::{castable, convert, spelled},
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use rusqlite::types::{Value as Stored, ValueRef};
use sqlparser::ast::{
    CastKind, CeilFloorKind, DateTimeField, Expr, Query, TrimWhereField, UnaryOperator, Value,
};

/// Longest text of one piece, in bytes: literals of that size pass.
const LONGEST: usize = 24 * 1024 * 1024;

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

    /// The clause with which such values are compared, sorted and grouped.
    pub(super) fn collate(&self) -> &'static str {
        self.ty.collate()
    }
}

impl Compiler {
    /// A value.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Piece, SqlError> {
        let seen = self.bare.len();
        let piece = self.deeper(|c| c.value_inner(expr))?;
        self.bounded_text(&piece.sql)?;
        // What is grouped by may be named outside of aggregates, whole.
        if self.groups.as_ref().is_some_and(|groups| groups.contains(&piece.sql)) {
            self.bare.truncate(seen);
        }
        Ok(piece)
    }

    /// Some forms write a piece twice: nested, they would double it at each level.
    pub(super) fn bounded_text(&self, text: &str) -> Result<(), SqlError> {
        if text.len() > LONGEST { Err(super::batch::too_complex(self.line)) } else { Ok(()) }
    }

    fn value_inner(&mut self, expr: &Expr) -> Result<Piece, SqlError> {
        match expr {
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with("@@") => {
                self.global(&ident.value)
            }
            Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with('@') => {
                let at = self.variable(ident)?;
                let text =
                    if self.running.contains(&at) { format!("ts_get({at})") } else { format!("?{}", at + 1) };
                Ok(Piece::new(text, self.variables[at].ty))
            }
            Expr::Identifier(ident)
                if ident.quote_style.is_none()
                    && matches!(
                        ident.value.to_ascii_uppercase().as_str(),
                        "SYSTEM_USER" | "SESSION_USER" | "CURRENT_USER" | "USER"
                    ) =>
            {
                Ok(Piece::new("ts_state('user')", Type { length: 128, ..Type::NVARCHAR }))
            }
            Expr::Identifier(ident)
                if ident.quote_style.is_none()
                    && super::cut::is_reserved(Some(&ident.value.to_ascii_uppercase())) =>
            {
                Err(fault(
                    156,
                    self.line_of(ident),
                    format!("Incorrect syntax near the keyword '{}'.", ident.value),
                ))
            }
            Expr::Identifier(ident) => {
                self.column(std::slice::from_ref(ident)).map(|(sql, ty)| Piece::new(sql, ty))
            }
            Expr::CompoundIdentifier(path) if path.last().is_some_and(|i| i.value == super::scope::DEPTH) => {
                let (sql, ty) = self.column(path)?;
                Ok(Piece::new(format!("ts_depth({sql}, {})", self.max_recursion), ty))
            }
            Expr::CompoundIdentifier(path) => self.column(path).map(|(sql, ty)| Piece::new(sql, ty)),
            Expr::Value(value) => self.literal_value(&value.value),
            Expr::Nested(inner) => self.value(inner),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.value(expr),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                let piece = self.value(expr)?;
                self.negative(piece)
            }
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr } => {
                let piece = self.value(expr)?;
                self.complement(piece)
            }
            Expr::BinaryOp { left, op, right } => self.arithmetic(left, op, right),
            Expr::Cast {
                kind: kind @ (CastKind::Cast | CastKind::TryCast),
                expr,
                data_type,
                format: None,
            } => self.cast(expr, data_type, -1, *kind == CastKind::TryCast),
            Expr::Convert {
                is_try,
                expr,
                data_type: Some(data_type),
                charset: None,
                target_before_value: true,
                styles,
            } => {
                let style = match styles.as_slice() {
                    [] => -1,
                    [Expr::Value(v)] => match &v.value {
                        Value::Number(n, _) => n.parse().map_err(|_| self.no("CONVERT"))?,
                        _ => return Err(self.no("CONVERT with a style that is no number")),
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
                if results.iter().all(|r| r.ty.family == Family::Null) {
                    return Err(fault(
                        8133,
                        self.line,
                        "At least one of the result expressions in a CASE specification must be an expression other than the NULL constant.",
                    ));
                }
                let (results, ty) = self.unify(results)?;
                let (other, whens) = results.split_last().expect("an else was pushed");
                let arms: String =
                    tests.iter().zip(whens).map(|(t, r)| format!(" WHEN {t} THEN {}", r.sql)).collect();
                Ok(Piece::new(format!("(CASE{arms} ELSE {} END)", other.sql), ty))
            }
            Expr::Subquery(query) => {
                self.check_inner_order(query)?;
                let (sql, columns) = self.nested(query)?;
                match columns.as_slice() {
                    // SQL Server raises 512 for a second row; the embedded engine would take the first.
                    [(_, ty)] => Ok(Piece::new(format!("(SELECT ts_only(\"c0\") FROM ({sql}))"), *ty)),
                    _ => Err(self.one_column()),
                }
            }
            Expr::Function(function) => {
                if let Some(piece) = self.grouping_call(function)? {
                    return Ok(piece);
                }
                match self.session_call(function)? {
                    Some(piece) => Ok(piece),
                    None => self.call(function),
                }
            }
            Expr::Substring { substring_for: None, .. } | Expr::Substring { substring_from: None, .. } => {
                Err(fault(174, self.line, "The substring function requires 3 argument(s)."))
            }
            Expr::Substring { expr, substring_from: Some(from), substring_for: Some(length), .. } => {
                self.named_call("SUBSTRING", &[expr.as_ref(), from.as_ref(), length.as_ref()])
            }
            Expr::Trim {
                trim_where: None | Some(TrimWhereField::Both),
                trim_what: None,
                expr,
                trim_characters: None,
            } => self.named_call("TRIM", &[expr.as_ref()]),
            Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let side = match trim_where {
                    Some(TrimWhereField::Leading) => "leading",
                    Some(TrimWhereField::Trailing) => "trailing",
                    _ => "both",
                };
                self.trim_call(side, trim_what.as_deref(), expr)
            }
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.named_call("FLOOR", &[expr.as_ref()])
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.named_call("CEILING", &[expr.as_ref()])
            }
            Expr::Collate { expr, collation } => {
                let piece = self.value(expr)?;
                if !matches!(piece.ty.family, Family::Text | Family::Null) {
                    return Err(fault(
                        447,
                        self.line,
                        format!("Expression type {} is invalid for COLLATE clause.", piece.ty.name),
                    ));
                }
                let name = collation.to_string();
                let sensitive = if is_default_collation(&name) {
                    false
                } else if name.to_ascii_uppercase().ends_with("_CS_AS")
                    || name.to_ascii_uppercase().ends_with("_BIN")
                    || name.to_ascii_uppercase().ends_with("_BIN2")
                {
                    true
                } else {
                    return Err(self.no(&format!("COLLATE {name}")));
                };
                Ok(Piece { ty: Type { sensitive, ..piece.ty }, ..piece })
            }
            Expr::AtTimeZone { timestamp, time_zone } => self.at_time_zone(timestamp, time_zone),
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
        let state = |what: &str, ty: Type| Ok(Piece::new(format!("ts_state('{what}')"), ty));
        match name.to_ascii_uppercase().as_str() {
            "@@ROWCOUNT" => state("rowcount", Type::INT),
            "@@IDENTITY" => state("last_identity", Type { length: 38, ..Type::DECIMAL }),
            "@@TRANCOUNT" => state("trancount", Type::INT),
            "@@ERROR" => state("error", Type::INT),
            "@@NESTLEVEL" => state("nestlevel", Type::INT),
            "@@SPID" => state("spid", Type::by_name("smallint").unwrap_or(Type::INT)),
            "@@LOCK_TIMEOUT" => state("lock_timeout", Type::INT),
            "@@FETCH_STATUS" => Ok(Piece::new("-1", Type::INT)),
            "@@CURSOR_ROWS" | "@@OPTIONS" | "@@TEXTSIZE" | "@@LANGID" | "@@PROCID" => Err(self.no(name)),
            "@@DATEFIRST" => Ok(Piece::new("7", Type::by_name("tinyint").unwrap_or(Type::INT))),
            "@@LANGUAGE" => Ok(Piece::new("'British'", Type::NVARCHAR)),
            "@@MAX_PRECISION" => Ok(Piece::new("38", Type::by_name("tinyint").unwrap_or(Type::INT))),
            "@@MICROSOFTVERSION" => Ok(Piece::new("218103808", Type::INT)),
            "@@VERSION" => Ok(Piece::new(
                "'Halo demo practice: T-SQL on an embedded engine, not Microsoft SQL Server'",
                Type::NVARCHAR,
            )),
            "@@SERVERNAME" => Ok(Piece::new("'DEMO\\BPSINSTANCE'", Type::NVARCHAR)),
            "@@SERVICENAME" => Ok(Piece::new("'BPSINSTANCE'", Type::NVARCHAR)),
            _ => Err(fault(137, self.line, format!("Must declare the scalar variable \"{name}\"."))),
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
        if !castable(from, to) {
            return Err(fault(
                529,
                self.line,
                format!("Explicit conversion from data type {} to {} is not allowed.", from.name, to.name),
            ));
        }
        // Style 0 as written is style 100 for dates; none at all is the default of the type.
        let style = match style {
            -1 => 0,
            0 if from.is_time() => 100,
            style => style,
        };
        let function = if attempt { "ts_try_cast" } else { "ts_cast" };
        Ok(Piece::new(cast_text(function, &piece.sql, from, to, style), to))
    }

    /// Whether SQL Server converts of itself where a value is assigned.
    pub(super) fn castable(&self, from: Type, to: Type) -> bool {
        use Family as F;
        match (from.family, to.family) {
            (F::Binary, F::Text) | (F::Text, F::Binary) => false,
            (_, F::Text) => true,
            (F::Date, F::Time) | (F::Time, F::Date) => false,
            _ if from.is_time() && to.is_time() => true,
            (F::Int | F::Bit | F::Decimal, F::Binary) | (F::Binary, F::Int | F::Bit) => true,
            (F::Int | F::Bit | F::Decimal | F::Float | F::Real, F::DateTime) => {
                matches!(to.name, "datetime" | "smalldatetime")
            }
            _ => false,
        }
    }

    /// The piece as a value of that type.
    pub(super) fn convert(&mut self, piece: Piece, to: Type) -> Result<Piece, SqlError> {
        let same = piece.ty.family == to.family
            && match to.family {
                Family::Decimal => (piece.ty.length, piece.ty.scale) == (to.length, to.scale),
                // A longer char is padded.
                Family::Text => !matches!(to.name, "char" | "nchar") || piece.ty.length == to.length,
                Family::DateTime => !matches!(to.name, "smalldatetime"),
                _ => true,
            };
        if piece.ty.family == Family::Null || same {
            return Ok(Piece { ty: to, ..piece });
        }
        if let Some(text) = &piece.text {
            // What does not convert is an error of the row that meets it, not of the batch.
            if let Ok(made) = convert(ValueRef::Text(text.as_bytes()), piece.ty, to, 0, false) {
                return Ok(Piece::new(stored_literal(&made), to));
            }
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
        let flags = (self.aggregates, self.aggregated, self.windows);
        let reached = self.outer.len();
        let result = self.deeper(|c| c.query(query));
        self.groups = groups;
        self.bare = bare;
        // What it read of the query around it counts there as read outside of any aggregate.
        if let (Some(own), Some(groups)) = (self.scopes.len().checked_sub(1), &self.groups) {
            for (scope, text, name) in &self.outer[reached..] {
                if *scope == own && !groups.contains(text) {
                    self.bare.push(name.clone());
                }
            }
        }
        (self.aggregates, self.aggregated, self.windows) = flags;
        result
    }
}

/// A call of the converting function.
pub(crate) fn cast_text(function: &str, sql: &str, from: Type, to: Type, style: i64) -> String {
    format!("{function}({sql}, '{}', '{}', {}, {}, {style})", spelled(from), to.name, to.length, to.scale)
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

/// A collation that is the demo's own under another name.
pub(super) fn is_default_collation(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name == "DATABASE_DEFAULT" || name == "CATALOG_DEFAULT" || name.ends_with("_CI_AS")
}
