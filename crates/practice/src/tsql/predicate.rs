//! Conditions and comparisons.

use super::{expression::Piece, scope::Compiler};
use crate::fault::fault;
use database::SqlError;
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

impl Compiler {
    /// A comparison of two values.
    pub(super) fn compare(&mut self, a: Piece, op: &str, b: Piece) -> Result<String, SqlError> {
        let (pieces, ty) = self.unify(vec![a, b])?;
        let [a, b] = pieces.as_slice() else { return Err(self.no(op)) };
        let collate = ty.collate();
        Ok(format!("({}{collate} {op} {})", a.sql, b.sql))
    }

    /// A condition.
    pub(super) fn predicate(&mut self, expr: &Expr) -> Result<String, SqlError> {
        let text = self.deeper(|c| c.predicate_inner(expr))?;
        self.bounded_text(&text)?;
        Ok(text)
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
                    BinaryOperator::Custom(op) if op == "!<" => ">=",
                    BinaryOperator::Custom(op) if op == "!>" => "<=",
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
                let collate = ty.collate();
                let rest: Vec<&str> = rest.iter().map(|p| p.sql.as_str()).collect();
                Ok(format!("({}{collate} {}IN ({}))", first.sql, not(*negated), rest.join(", ")))
            }
            Expr::InSubquery { expr, subquery, negated } => {
                let left = self.value(expr)?;
                let (sql, columns) = self.nested(subquery)?;
                let [(_, ty)] = columns.as_slice() else { return Err(self.one_column()) };
                let (pieces, ty) = self.unify(vec![left, Piece::new("\"c0\"", *ty)])?;
                let [a, b] = pieces.as_slice() else { return Err(self.no("IN")) };
                let collate = ty.collate();
                Ok(format!("({}{collate} {}IN (SELECT {} FROM ({sql})))", a.sql, not(*negated), b.sql))
            }
            Expr::Exists { subquery, negated } => {
                let (sql, _) = self.nested(subquery)?;
                Ok(format!("({}EXISTS ({sql}))", not(*negated)))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let (value, pattern) = (self.value(expr)?, self.value(pattern)?);
                if value.ty.sensitive || pattern.ty.sensitive {
                    return Err(self.no("LIKE with a COLLATE that tells cases apart"));
                }
                // Spaces at the end count where either side is Unicode.
                let unicode = i32::from(value.ty.name.starts_with('n') || pattern.ty.name.starts_with('n'));
                let value = self.as_text(value)?;
                let pattern = self.as_text(pattern)?;
                let escape = match escape_char {
                    Some(escape) => {
                        let escape = self.value(escape)?;
                        self.as_text(escape)?.sql
                    }
                    None => "NULL".to_owned(),
                };
                Ok(format!("({}ts_like({}, {}, {escape}, {unicode}))", not(*negated), value.sql, pattern.sql))
            }
            Expr::AnyOp { left, compare_op, right, .. } => self.quantified(left, compare_op, right, false),
            Expr::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, true),
            Expr::IsDistinctFrom(a, b) | Expr::IsNotDistinctFrom(a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                let op = if matches!(expr, Expr::IsDistinctFrom(..)) { "IS NOT" } else { "IS" };
                self.compare(a, op, b)
            }
            _ => Err(self.not_a_condition()),
        }
    }

    /// `x > ALL (SELECT …)` and `x = ANY (SELECT …)`, with their unknowns.
    fn quantified(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        all: bool,
    ) -> Result<String, SqlError> {
        let sign = match op {
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            _ => return Err(self.not_a_condition()),
        };
        let query = match right {
            Expr::Subquery(query) => query,
            Expr::Nested(inner) => match inner.as_ref() {
                Expr::Subquery(query) => query,
                _ => return Err(self.no("ALL or ANY of a list")),
            },
            _ => return Err(self.no("ALL or ANY of a list")),
        };
        let value = self.value(left)?;
        let (sql, columns) = self.nested(query)?;
        let [(_, ty)] = columns.as_slice() else { return Err(self.one_column()) };
        let test = self.compare(value, sign, Piece::new("\"c0\"", *ty))?;
        let (first, answers) = if all { (format!("NOT {test}"), (0, 1)) } else { (test.clone(), (1, 0)) };
        Ok(format!(
            "(CASE WHEN EXISTS (SELECT 1 FROM ({sql}) WHERE {first}) THEN {} WHEN EXISTS (SELECT 1 FROM ({sql}) WHERE {test} IS NULL) THEN NULL ELSE {} END)",
            answers.0, answers.1
        ))
    }

    fn not_a_condition(&self) -> SqlError {
        fault(
            4145,
            self.line,
            "An expression of non-boolean type specified in a context where a condition is expected.",
        )
    }

    pub(super) fn one_column(&self) -> SqlError {
        fault(
            116,
            self.line,
            "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
        )
    }
}
