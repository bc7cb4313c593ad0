//! Aggregates and window functions.

use super::{expression::Piece, scope::Compiler};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{FunctionArg, FunctionArgExpr, OrderByExpr, WindowType};

impl Compiler {
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        list: &[FunctionArg],
        distinct: bool,
    ) -> Result<Piece, SqlError> {
        if !self.aggregates {
            return Err(fault(147, self.line, "An aggregate may not appear here."));
        }
        let count = if name == "COUNT_BIG" { Type::BIGINT } else { Type::INT };
        let only = match list {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name.starts_with("COUNT") && !distinct => {
                self.aggregated = true;
                return Ok(Piece::new("COUNT(*)", count));
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(only))] => only,
            _ => return Err(fault(174, self.line, format!("The {name} function requires 1 argument(s)."))),
        };
        self.aggregates = false;
        let seen = self.bare.len();
        let inner = self.value(only);
        self.bare.truncate(seen);
        self.aggregates = true;
        self.aggregated = true;
        let inner = inner?;
        let each = if distinct { "DISTINCT " } else { "" };
        if matches!(inner.ty.family, Family::Decimal | Family::Offset) {
            return Err(self.no(&format!("{name} of {}", inner.ty.name)));
        }
        let collate = if inner.ty.family == Family::Text { " COLLATE MSSQL" } else { "" };
        let sql = format!("{each}{}{collate}", inner.sql);
        match name {
            "COUNT" | "COUNT_BIG" => Ok(Piece::new(format!("COUNT({sql})"), count)),
            "MIN" | "MAX" if !matches!(inner.ty.family, Family::Bit) => {
                Ok(Piece::new(format!("{name}({sql})"), inner.ty))
            }
            "SUM" if matches!(inner.ty.family, Family::Int | Family::Float | Family::Real) => {
                let ty = match inner.ty.name {
                    "tinyint" | "smallint" => Type::INT,
                    "real" => Type::FLOAT,
                    _ => inner.ty,
                };
                Ok(Piece::new(format!("SUM({sql})"), ty))
            }
            "AVG" if inner.ty.family == Family::Int => {
                let ty = if inner.ty.name == "bigint" { Type::BIGINT } else { Type::INT };
                Ok(Piece::new(format!("(SUM({sql}) / COUNT({sql}))"), ty))
            }
            "AVG" if matches!(inner.ty.family, Family::Float | Family::Real) => {
                Ok(Piece::new(format!("AVG({sql})"), Type::FLOAT))
            }
            _ => Err(fault(
                8117,
                self.line,
                format!(
                    "Operand data type {} is invalid for {} operator.",
                    inner.ty.name,
                    name.to_ascii_lowercase()
                ),
            )),
        }
    }

    pub(super) fn window(
        &mut self,
        name: &str,
        list: &[FunctionArg],
        over: &WindowType,
    ) -> Result<Piece, SqlError> {
        let WindowType::WindowSpec(spec) = over else { return Err(self.no("OVER")) };
        if !matches!(name, "ROW_NUMBER" | "RANK" | "DENSE_RANK")
            || !list.is_empty()
            || spec.window_name.is_some()
            || spec.window_frame.is_some()
        {
            return Err(self.no(&format!("{name} OVER")));
        }
        if spec.order_by.is_empty() {
            return Err(fault(
                4112,
                self.line,
                format!("The function '{name}' must have an OVER clause with ORDER BY."),
            ));
        }
        let mut partition = Vec::new();
        for expr in &spec.partition_by {
            let piece = self.value(expr)?;
            partition.push(self.sortable(&piece)?);
        }
        let order = self.order_terms(&spec.order_by)?;
        let by = if partition.is_empty() {
            String::new()
        } else {
            format!("PARTITION BY {} ", partition.join(", "))
        };
        Ok(Piece::new(format!("{name}() OVER ({by}ORDER BY {order})"), Type::BIGINT))
    }

    pub(super) fn order_terms(&mut self, terms: &[OrderByExpr]) -> Result<String, SqlError> {
        let mut texts = Vec::new();
        for term in terms {
            let piece = self.value(&term.expr)?;
            texts.push(format!("{}{}", self.sortable(&piece)?, self.direction(term)?));
        }
        Ok(texts.join(", "))
    }

    /// A value's text where it is sorted or grouped by.
    pub(super) fn sortable(&self, piece: &Piece) -> Result<String, SqlError> {
        match piece.ty.family {
            Family::Text => Ok(format!("{} COLLATE MSSQL", piece.sql)),
            Family::Decimal | Family::Offset => {
                Err(self.no(&format!("ordering or grouping by {}", piece.ty.name)))
            }
            _ => Ok(piece.sql.clone()),
        }
    }
}
