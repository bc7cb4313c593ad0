//! Whole queries: CTEs, set operations, order and offset. Every column of a compiled query is called `c0`, `c1` …
//! inside; the caller's names travel beside it.

use super::{
    expression::{Piece, first_words},
    program::Action,
    scope::{Compiler, DEPTH, Field, Named, quote},
    select::assigns,
    spelling::FETCH,
};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, LimitClause, OffsetRows, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr,
    SetOperator, SetQuantifier, Statement, TableFactor, Value, With,
};

/// Names and types of a query's columns.
pub(super) type Columns = Vec<(String, Type)>;

impl Compiler {
    /// A query that stands as a statement: rows, an assignment, a new table, or a write with CTEs before it.
    pub(super) fn query_statement(&mut self, query: &Query) -> Result<Vec<Action>, SqlError> {
        match query.body.as_ref() {
            SetExpr::Insert(Statement::Insert(insert)) => {
                self.insert(insert, query.with.as_ref()).map(|a| vec![a])
            }
            SetExpr::Update(Statement::Update(update)) => {
                self.update(update, query.with.as_ref()).map(|a| vec![a])
            }
            SetExpr::Delete(Statement::Delete(delete)) => {
                self.delete(delete, query.with.as_ref()).map(|a| vec![a])
            }
            SetExpr::Merge(_) => Err(self.no("MERGE")),
            SetExpr::Select(select) if select.projection.iter().any(assigns) => {
                self.assigning(query, select).map(|a| vec![a])
            }
            body => {
                if let Some(into) = leftmost_into(body) {
                    let into = into.clone();
                    return self.select_into(query, &into).map(|a| vec![a]);
                }
                let (sql, columns) = self.query(query)?;
                Ok(vec![Action::Rows { sql, columns }])
            }
        }
    }

    /// A whole query with its CTEs and its order.
    pub(super) fn query(&mut self, query: &Query) -> Result<(String, Columns), SqlError> {
        if !query.locks.is_empty()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(self.no("FOR"));
        }
        let known = self.ctes.len();
        let with = match &query.with {
            Some(with) => self.with(with)?,
            None => String::new(),
        };
        let order = self.order_of(query)?;
        let made = self.body(&query.body, order).and_then(|(mut sql, columns)| {
            sql.push_str(&self.limit(query, !order.is_empty())?);
            match &query.for_clause {
                Some(clause) => self.for_clause(clause, &sql, &columns, &with),
                None => Ok((format!("{with}{sql}"), columns)),
            }
        });
        self.ctes.truncate(known);
        made
    }

    pub(super) fn order_of<'q>(&self, query: &'q Query) -> Result<&'q [OrderByExpr], SqlError> {
        match query.order_by.as_ref().map(|o| (&o.kind, &o.interpolate)) {
            None => Ok(&[]),
            Some((OrderByKind::Expressions(terms), None)) => Ok(terms),
            _ => Err(self.no("ORDER BY ALL")),
        }
    }

    fn body(&mut self, body: &SetExpr, order: &[OrderByExpr]) -> Result<(String, Columns), SqlError> {
        match body {
            SetExpr::Select(select) => self.select(select, order, false),
            SetExpr::Query(query) => {
                let (sql, columns) = self.deeper(|c| c.query(query))?;
                let order = self.outer_order(order, &columns)?;
                Ok((format!("SELECT * FROM ({sql}){order}"), columns))
            }
            SetExpr::SetOperation { .. } => {
                let (sql, columns) = self.set_operation(body, false)?;
                let order = self.outer_order(order, &columns)?;
                Ok((format!("{sql}{order}"), columns))
            }
            other => Err(self.no(&first_words(other))),
        }
    }

    /// ORDER BY of a compound: positions and the columns' names.
    fn outer_order(&mut self, order: &[OrderByExpr], columns: &Columns) -> Result<String, SqlError> {
        let mut terms = Vec::new();
        for term in order {
            let at = match &term.expr {
                Expr::Identifier(ident) => {
                    columns.iter().position(|(name, _)| name.eq_ignore_ascii_case(&ident.value))
                }
                Expr::Value(value) => match &value.value {
                    Value::Number(n, _) => {
                        n.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < columns.len())
                    }
                    _ => None,
                },
                _ => None,
            };
            let at = at.ok_or_else(|| fault(104, self.line, "ORDER BY items must appear in the select list if the statement contains a UNION, INTERSECT or EXCEPT operator."))?;
            let (place, collate) = (at + 1, columns[at].1.collate());
            terms.push(format!("{place}{collate}{}", self.direction(term)?));
        }
        Ok(if terms.is_empty() { String::new() } else { format!(" ORDER BY {}", terms.join(", ")) })
    }

    fn set_operation(&mut self, body: &SetExpr, distinct: bool) -> Result<(String, Columns), SqlError> {
        let SetExpr::SetOperation { left, op, set_quantifier, right } = body else {
            return match body {
                SetExpr::Select(select) => {
                    let (sql, columns) = self.select(select, &[], distinct)?;
                    Ok((format!("SELECT * FROM ({sql})"), columns))
                }
                SetExpr::Query(query) => {
                    let (sql, columns) = self.deeper(|c| c.query(query))?;
                    Ok((format!("SELECT * FROM ({sql})"), columns))
                }
                other => Err(self.no(&first_words(other))),
            };
        };
        let word = match (op, set_quantifier) {
            (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
            (SetOperator::Union, SetQuantifier::None) => "UNION",
            (SetOperator::Except, SetQuantifier::None) => "EXCEPT",
            (SetOperator::Intersect, SetQuantifier::None) => "INTERSECT",
            _ => return Err(self.no(&op.to_string())),
        };
        let distinct = distinct || word != "UNION ALL";
        let (a, names) = self.deeper(|c| c.set_operation(left, distinct))?;
        let (b, others) = self.deeper(|c| c.set_operation(right, distinct))?;
        if names.len() != others.len() {
            return Err(fault(
                205,
                self.line,
                "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
            ));
        }
        let mut columns = Vec::new();
        let (mut left_list, mut right_list) = (Vec::new(), Vec::new());
        for (i, ((name, x), (_, y))) in names.iter().zip(&others).enumerate() {
            let inner = format!("\"c{i}\"");
            let both = vec![Piece::new(inner.clone(), *x), Piece::new(inner.clone(), *y)];
            let (pieces, ty) = self.unify(both)?;
            // The left side's collation decides which texts are the same.
            let collate = if distinct { ty.collate() } else { "" };
            left_list.push(format!("{}{collate} AS {inner}", pieces[0].sql));
            right_list.push(format!("{}{collate} AS {inner}", pieces[1].sql));
            columns.push((name.clone(), ty));
        }
        let sql = format!(
            "SELECT {} FROM ({a}) {word} SELECT {} FROM ({b})",
            left_list.join(", "),
            right_list.join(", ")
        );
        Ok((sql, columns))
    }

    /// WITH: a CTE that names itself is recursive, as T-SQL has it without saying so.
    pub(super) fn with(&mut self, with: &With) -> Result<String, SqlError> {
        let mut texts = Vec::new();
        for cte in &with.cte_tables {
            if cte.from.is_some() || cte.materialized.is_some() || with.recursive {
                return Err(self.no("WITH"));
            }
            let name = cte.alias.name.value.clone();
            let inner = self.fresh();
            let given: Vec<String> = cte.alias.columns.iter().map(|c| c.name.value.clone()).collect();
            let mut hidden = false;
            let (sql, columns) = match cte.query.body.as_ref() {
                SetExpr::SetOperation {
                    left,
                    op: SetOperator::Union,
                    set_quantifier: SetQuantifier::All,
                    right,
                } if cte.query.with.is_none() && cte.query.order_by.is_none() => {
                    let (anchor, columns) = self.set_operation(left, false)?;
                    let mut fields = self.fields(&name, &given, &columns)?;
                    // How deep each row is, counted for MAXRECURSION where no caller can see it.
                    let at = columns.len();
                    let depth = Field {
                        name: DEPTH.to_owned(),
                        inner: format!("c{at}").as_str().into(),
                        ty: Type::BIGINT,
                    };
                    fields.push(depth);
                    self.ctes.push(Named { name: name.clone(), inner: inner.clone(), fields });
                    let arm = self.arm(right, &name);
                    self.ctes.pop();
                    let (arm, others, recursive) = arm?;
                    if others.len() != columns.len() {
                        return Err(fault(
                            205,
                            self.line,
                            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
                        ));
                    }
                    if recursive
                        && let Some(((name, _), _)) =
                            columns.iter().zip(&others).find(|((_, a), (_, b))| differ(*a, *b))
                    {
                        return Err(fault(
                            240,
                            self.line,
                            format!(
                                "Types don't match between the anchor and the recursive part in column \"{name}\" of recursive query \"{}\".",
                                cte.alias.name.value
                            ),
                        ));
                    }
                    if recursive {
                        hidden = true;
                        let names: Vec<String> = (0..at).map(|i| format!("\"c{i}\"")).collect();
                        (
                            format!(
                                "SELECT {}, 0 AS \"c{at}\" FROM ({anchor}) UNION ALL {arm}",
                                names.join(", ")
                            ),
                            columns,
                        )
                    } else {
                        // It names itself nowhere: a plain UNION ALL.
                        let known = self.ctes.len();
                        let made = self.deeper(|c| c.query(&cte.query))?;
                        self.ctes.truncate(known);
                        made
                    }
                }
                _ => {
                    self.check_inner_order(&cte.query)?;
                    self.deeper(|c| c.query(&cte.query))?
                }
            };
            let fields = self.fields(&name, &given, &columns)?;
            let width = columns.len() + usize::from(hidden);
            let list: Vec<String> = (0..width).map(|i| format!("\"c{i}\"")).collect();
            texts.push(format!("{}({}) AS ({sql})", quote(&inner), list.join(", ")));
            self.ctes.push(Named { name, inner, fields });
        }
        Ok(format!("WITH RECURSIVE {} ", texts.join(", ")))
    }

    /// The part of a CTE that may name the CTE: its text with one more column, the row's depth; its own columns; and
    /// whether it does name it.
    fn arm(&mut self, arm: &SetExpr, name: &str) -> Result<(String, Columns, bool), SqlError> {
        if let SetExpr::Select(select) = arm {
            let from = select
                .from
                .iter()
                .flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
            let mut alias = None;
            for factor in from {
                if let TableFactor::Table { name: table, alias: given, args: None, .. } = factor
                    && let [part] = self.parts(table)?.as_slice()
                    && part.value.eq_ignore_ascii_case(name)
                {
                    alias = Some(given.as_ref().map_or_else(|| part.clone(), |a| a.name.clone()));
                }
            }
            if let Some(alias) = alias {
                let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(l, _) if l.is_empty());
                if grouped || select.distinct.is_some() || select.top.is_some() {
                    return Err(fault(
                        460,
                        self.line,
                        format!(
                            "DISTINCT, TOP or GROUP BY is not allowed in the recursive part of a recursive common table expression '{name}'."
                        ),
                    ));
                }
                let mut select = select.clone();
                select.projection.push(SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![
                    Ident::new(alias.value),
                    Ident::new(DEPTH),
                ])));
                let (sql, mut columns) = self.select(&select, &[], false)?;
                columns.pop();
                return Ok((sql, columns, true));
            }
        }
        let (sql, columns) = self.set_operation(arm, false)?;
        Ok((sql, columns, false))
    }

    /// The columns of a derived table or CTE: each needs a name, no two alike.
    pub(super) fn fields(
        &self,
        name: &str,
        given: &[String],
        columns: &Columns,
    ) -> Result<Vec<Field>, SqlError> {
        if !given.is_empty() && given.len() != columns.len() {
            let (number, word) = if columns.len() > given.len() { (8158, "more") } else { (8159, "fewer") };
            return Err(fault(
                number,
                self.line,
                format!("'{name}' has {word} columns than were specified in the column list."),
            ));
        }
        let mut fields: Vec<Field> = Vec::new();
        for (i, (own, ty)) in columns.iter().enumerate() {
            let column = given.get(i).unwrap_or(own);
            if column.is_empty() {
                return Err(fault(
                    8155,
                    self.line,
                    format!("No column name was specified for column {} of '{name}'.", i + 1),
                ));
            }
            if fields.iter().any(|f| f.name.eq_ignore_ascii_case(column)) {
                return Err(fault(
                    8156,
                    self.line,
                    format!("The column '{column}' was specified multiple times for '{name}'."),
                ));
            }
            fields.push(Field { name: column.clone(), inner: format!("c{i}").as_str().into(), ty: *ty });
        }
        Ok(fields)
    }

    fn limit(&mut self, query: &Query, ordered: bool) -> Result<String, SqlError> {
        let offset = match &query.limit_clause {
            None => None,
            Some(LimitClause::LimitOffset { limit: None, offset: Some(offset), limit_by })
                if limit_by.is_empty() && offset.rows != OffsetRows::None =>
            {
                Some(&offset.value)
            }
            _ => return Err(self.no("LIMIT")),
        };
        let fetch = match &query.fetch {
            None => None,
            Some(fetch) if !fetch.with_ties && !fetch.percent && fetch.quantity.is_some() => {
                fetch.quantity.as_ref()
            }
            _ => return Err(self.no("FETCH")),
        };
        if offset.is_none() && fetch.is_none() {
            return Ok(String::new());
        }
        let with_top = matches!(query.body.as_ref(), SetExpr::Select(s) if s.top.is_some());
        let Some(offset) = offset.filter(|_| ordered && !with_top) else {
            let what = if offset.is_some() { "OFFSET" } else { "FETCH" };
            return Err(fault(102, self.line, format!("Incorrect syntax near '{what}'.")));
        };
        let offset = self.amount_of(offset, "offset")?;
        let count = match fetch {
            Some(count) => {
                let kept = match count {
                    Expr::Value(v) => match &v.value {
                        Value::SingleQuotedString(text) => text
                            .strip_prefix(FETCH)
                            .and_then(|at| at.parse::<usize>().ok())
                            .and_then(|at| self.fetches.get(at).cloned()),
                        _ => None,
                    },
                    _ => None,
                };
                self.amount_of(kept.as_ref().unwrap_or(count), "fetch")?
            }
            None => "-1".to_owned(),
        };
        Ok(format!(" LIMIT {count} OFFSET {offset}"))
    }
}

/// Whether SQL Server takes two types for different in a recursion. An unknown length is taken to fit.
fn differ(a: Type, b: Type) -> bool {
    if b.family == Family::Null {
        return false;
    }
    let lengths = a.family == Family::Text && a.length > 0 && b.length > 0 && a.length != b.length;
    let digits = a.family == Family::Decimal && (a.length, a.scale) != (b.length, b.scale);
    a.family != b.family || a.name != b.name || lengths || digits
}

/// The INTO of a query's first SELECT.
fn leftmost_into(body: &SetExpr) -> Option<&sqlparser::ast::SelectInto> {
    match body {
        SetExpr::Select(select) => select.into.as_ref(),
        SetExpr::SetOperation { left, .. } => leftmost_into(left),
        _ => None,
    }
}
