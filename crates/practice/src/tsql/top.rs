//! TOP, in all its forms, and numbers of rows.

use super::scope::Compiler;
use crate::{fault::fault, types::Type};
use database::SqlError;
use sqlparser::ast::{Expr, Top, TopQuantity, Value};

impl Compiler {
    /// The SELECT of that list and tail, cut to its TOP.
    pub(super) fn top(
        &mut self,
        top: &Top,
        each: &str,
        list: &[String],
        tail: &str,
        terms: &[String],
    ) -> Result<String, SqlError> {
        let columns = list.join(", ");
        let order = if terms.is_empty() { String::new() } else { format!(" ORDER BY {}", terms.join(", ")) };
        let count = match (&top.quantity, top.percent) {
            (Some(TopQuantity::Constant(n)), false) if i64::try_from(*n).is_ok() => n.to_string(),
            (Some(TopQuantity::Expr(expr)), false) => self.amount(expr)?,
            (Some(quantity), true) => {
                let part = match quantity {
                    TopQuantity::Constant(n) => n.to_string(),
                    TopQuantity::Expr(expr) => {
                        let piece = self.alone(expr)?;
                        self.convert(piece, Type::FLOAT)?.sql
                    }
                };
                format!("ts_percent((SELECT COUNT(*) FROM (SELECT {each}{columns}{tail})), {part})")
            }
            _ => return Err(self.no("TOP")),
        };
        if !top.with_ties {
            return Ok(format!("SELECT {each}{columns}{tail}{order} LIMIT {count}"));
        }
        if order.is_empty() {
            return Err(fault(
                1062,
                self.line,
                "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY clause.",
            ));
        }
        if !each.is_empty() {
            return Err(self.no("DISTINCT TOP … WITH TIES"));
        }
        let names: Vec<String> = (0..list.len()).map(|i| format!("\"c{i}\"")).collect();
        // A window's order can't hold another window: each term becomes a column of its own first.
        if order.contains(" OVER (") {
            let terms = terms.iter().enumerate();
            let kept: Vec<String> =
                terms.clone().map(|(i, t)| format!("{} AS \"o{i}\"", t.trim_end_matches(" DESC"))).collect();
            let ranked: Vec<String> = terms
                .map(|(i, t)| format!("\"o{i}\"{}", if t.ends_with(" DESC") { " DESC" } else { "" }))
                .collect();
            return Ok(format!(
                "SELECT {0} FROM (SELECT *, RANK() OVER (ORDER BY {1}) AS \"r\" FROM (SELECT {columns}, {2}{tail})) WHERE \"r\" <= {count} ORDER BY \"r\"",
                names.join(", "),
                ranked.join(", "),
                kept.join(", ")
            ));
        }
        Ok(format!(
            "SELECT {} FROM (SELECT {columns}, RANK() OVER ({}) AS \"r\"{tail}) WHERE \"r\" <= {count} ORDER BY \"r\"",
            names.join(", "),
            order.trim_start()
        ))
    }

    /// A number of rows: no columns in it, and never below zero, which the embedded engine takes for all.
    pub(super) fn amount(&mut self, expr: &Expr) -> Result<String, SqlError> {
        self.amount_of(expr, "top")
    }

    /// The same, for a TOP, an offset or a fetch: each has errors of its own.
    pub(super) fn amount_of(&mut self, expr: &Expr, of: &str) -> Result<String, SqlError> {
        if of != "fetch"
            && let Some(number) = plain_number(expr)
        {
            return Ok(number);
        }
        let piece = self.alone(expr)?;
        let piece = self.convert(piece, Type::BIGINT)?;
        Ok(format!("ts_rows({}, '{of}')", piece.sql))
    }

    /// A value that sees no columns.
    fn alone(&mut self, expr: &Expr) -> Result<super::expression::Piece, SqlError> {
        let scopes = std::mem::take(&mut self.scopes);
        let piece = self.value(expr);
        self.scopes = scopes;
        piece
    }
}

/// A whole number that is written down.
fn plain_number(expr: &Expr) -> Option<String> {
    let Expr::Value(v) = expr else { return None };
    match &v.value {
        Value::Number(n, _) if n.bytes().all(|b| b.is_ascii_digit()) && n.len() < 19 => Some(n.clone()),
        _ => None,
    }
}
