//! SELECT: every column of a compiled query is called `c0`, `c1` … inside; the caller's names travel beside it.

use super::{
    expression::{Piece, first_words},
    scope::{Compiler, Field, Named, Source, quote},
};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, JoinConstraint, JoinOperator, LimitClause, OrderByExpr, OrderByKind,
    OrderBySort, Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, SetQuantifier, TableAlias, TableFactor, Top, TopQuantity, Value, With,
};

/// Names and types of a query's columns.
pub(super) type Columns = Vec<(String, Type)>;

impl Compiler {
    /// A whole query with its CTEs and its order.
    pub(super) fn query(&mut self, query: &Query) -> Result<(String, Columns), SqlError> {
        if !query.locks.is_empty()
            || query.for_clause.is_some()
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
        let order = match query.order_by.as_ref().map(|o| (&o.kind, &o.interpolate)) {
            None => &[][..],
            Some((OrderByKind::Expressions(terms), None)) => terms,
            _ => return Err(self.no("ORDER BY ALL")),
        };
        let made = self.body(&query.body, order).and_then(|(mut sql, columns)| {
            sql.push_str(&self.limit(query, !order.is_empty())?);
            Ok((format!("{with}{sql}"), columns))
        });
        self.ctes.truncate(known);
        made
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
            let text = self.sortable(&Piece::new((at + 1).to_string(), columns[at].1))?;
            terms.push(format!("{text}{}", self.direction(term)?));
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
            let (pieces, ty) =
                self.unify(vec![Piece::new(inner.clone(), *x), Piece::new(inner.clone(), *y)])?;
            // The left side's collation decides which texts are the same.
            let collate = if distinct && ty.family == Family::Text { " COLLATE MSSQL" } else { "" };
            if distinct && matches!(ty.family, Family::Decimal | Family::Offset) {
                return Err(self.no(&format!("{word} of {}", ty.name)));
            }
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
    fn with(&mut self, with: &With) -> Result<String, SqlError> {
        let mut texts = Vec::new();
        for cte in &with.cte_tables {
            if cte.from.is_some() || cte.materialized.is_some() || with.recursive {
                return Err(self.no("WITH"));
            }
            let name = cte.alias.name.value.clone();
            let inner = self.fresh();
            let given: Vec<String> = cte.alias.columns.iter().map(|c| c.name.value.clone()).collect();
            let (sql, columns) = match cte.query.body.as_ref() {
                SetExpr::SetOperation {
                    left,
                    op: SetOperator::Union,
                    set_quantifier: SetQuantifier::All,
                    right,
                } if cte.query.with.is_none() && cte.query.order_by.is_none() => {
                    let (anchor, columns) = self.set_operation(left, false)?;
                    let fields = self.fields(&name, &given, &columns)?;
                    self.ctes.push(Named { name: name.clone(), inner: inner.clone(), fields });
                    let arm = match right.as_ref() {
                        SetExpr::Select(select) => self.select(select, &[], false),
                        other => self.set_operation(other, false),
                    };
                    self.ctes.pop();
                    let (arm, others) = arm?;
                    if others.len() != columns.len() {
                        return Err(fault(
                            205,
                            self.line,
                            "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
                        ));
                    }
                    if let Some(((name, a), (_, b))) = columns
                        .iter()
                        .zip(&others)
                        .find(|((_, a), (_, b))| a.family != b.family && b.family != Family::Null)
                    {
                        let _ = (a, b);
                        return Err(fault(
                            240,
                            self.line,
                            format!(
                                "Types don't match between the anchor and the recursive part in column \"{name}\"."
                            ),
                        ));
                    }
                    (format!("{anchor} UNION ALL {arm}"), columns)
                }
                _ => self.deeper(|c| c.query(&cte.query))?,
            };
            let fields = self.fields(&name, &given, &columns)?;
            let list: Vec<String> = (0..columns.len()).map(|i| format!("\"c{i}\"")).collect();
            texts.push(format!("{}({}) AS ({sql})", quote(&inner), list.join(", ")));
            self.ctes.push(Named { name, inner, fields });
        }
        Ok(format!("WITH RECURSIVE {} ", texts.join(", ")))
    }

    /// The columns of a derived table or CTE: each needs a name, no two alike.
    fn fields(&self, name: &str, given: &[String], columns: &Columns) -> Result<Vec<Field>, SqlError> {
        if !given.is_empty() && given.len() != columns.len() {
            return Err(fault(
                8158,
                self.line,
                format!("'{name}' has more columns than were specified in the column list."),
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
            fields.push(Field { name: column.clone(), inner: format!("c{i}"), ty: *ty });
        }
        Ok(fields)
    }

    fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        distinct_later: bool,
    ) -> Result<(String, Columns), SqlError> {
        let scopes = self.scopes.len();
        let groups = self.groups.take();
        let bare = std::mem::take(&mut self.bare);
        let flags = (self.aggregates, self.aggregated);
        let made = self.deeper(|c| c.select_inner(select, order, distinct_later));
        self.scopes.truncate(scopes);
        self.groups = groups;
        self.bare = bare;
        (self.aggregates, self.aggregated) = flags;
        made
    }

    fn select_inner(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        distinct_later: bool,
    ) -> Result<(String, Columns), SqlError> {
        let odd = !select.optimizer_hints.is_empty()
            || select.select_modifiers.is_some()
            || select.exclude.is_some()
            || select.into.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || !select.named_window.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some()
            || select.flavor != SelectFlavor::Standard;
        if odd {
            return Err(self.no(if select.into.is_some() { "INTO" } else { "SELECT" }));
        }
        self.scopes.push(Vec::new());
        let mut from = String::new();
        for (i, table) in select.from.iter().enumerate() {
            from.push_str(if i == 0 { " FROM " } else { " CROSS JOIN " });
            let first = self.factor(&table.relation)?;
            from.push_str(&first);
            for join in &table.joins {
                if join.global {
                    return Err(self.no("GLOBAL"));
                }
                from.push_str(&self.join(&join.join_operator, &join.relation)?);
            }
        }
        let selection = match &select.selection {
            Some(test) => {
                self.aggregates = false;
                format!(" WHERE {}", self.predicate(test)?)
            }
            None => String::new(),
        };
        let group_by = match &select.group_by {
            GroupByExpr::Expressions(list, modifiers) if modifiers.is_empty() => list,
            _ => return Err(self.no("GROUP BY")),
        };
        self.aggregates = false;
        let mut group_texts = Vec::new();
        let mut group_pieces = Vec::new();
        for expr in group_by {
            let piece = self.value(expr)?;
            group_texts.push(self.sortable(&piece)?);
            group_pieces.push(piece.sql);
        }
        self.groups = Some(group_pieces);
        self.bare.clear();
        (self.aggregates, self.aggregated) = (true, false);
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return Err(self.no("DISTINCT ON")),
        };
        let items = self.projection(&select.projection)?;
        let having = match &select.having {
            Some(test) => format!(" HAVING {}", self.predicate(test)?),
            None => String::new(),
        };
        let order = self.select_order(order, &items, distinct)?;
        let grouped = self.aggregated || !group_texts.is_empty() || !having.is_empty();
        if let Some(column) = self.bare.first().filter(|_| grouped) {
            return Err(fault(
                8120,
                self.line,
                format!(
                    "Column '{column}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause."
                ),
            ));
        }
        let mut list = Vec::new();
        for (i, (_, piece)) in items.iter().enumerate() {
            let collate = if (distinct || distinct_later) && piece.ty.family == Family::Text {
                " COLLATE MSSQL"
            } else {
                ""
            };
            if distinct && matches!(piece.ty.family, Family::Decimal | Family::Offset) {
                return Err(self.no(&format!("DISTINCT of {}", piece.ty.name)));
            }
            list.push(format!("{}{collate} AS \"c{i}\"", piece.sql));
        }
        let group = if group_texts.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {}", group_texts.join(", "))
        };
        let top = match &select.top {
            Some(top) => self.top(top)?,
            None => String::new(),
        };
        let each = if distinct { "DISTINCT " } else { "" };
        let sql = format!("SELECT {each}{}{from}{selection}{group}{having}{order}{top}", list.join(", "));
        Ok((sql, items.into_iter().map(|(name, piece)| (name, piece.ty)).collect()))
    }

    fn projection(&mut self, projection: &[SelectItem]) -> Result<Vec<(String, Piece)>, SqlError> {
        let mut items = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = match expr {
                        Expr::Identifier(ident) if !ident.value.starts_with('@') => ident.value.clone(),
                        Expr::CompoundIdentifier(path) => {
                            path.last().map(|i| i.value.clone()).unwrap_or_default()
                        }
                        _ => String::new(),
                    };
                    items.push((name, self.value(expr)?));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push((alias.value.clone(), self.value(expr)?))
                }
                SelectItem::Wildcard(options) if plain(options) => self.all_of(None, &mut items)?,
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                    if plain(options) =>
                {
                    let parts = self.parts(name)?;
                    let last = parts.last().map(|p| p.value.clone()).unwrap_or_default();
                    self.all_of(Some(&last), &mut items)?;
                }
                other => return Err(self.no(&first_words(other))),
            }
        }
        Ok(items)
    }

    fn all_of(&mut self, of: Option<&str>, items: &mut Vec<(String, Piece)>) -> Result<(), SqlError> {
        let sources = self.scopes.last().cloned().unwrap_or_default();
        let chosen: Vec<&Source> =
            sources.iter().filter(|s| of.is_none_or(|of| of.eq_ignore_ascii_case(&s.alias))).collect();
        if chosen.is_empty() {
            return Err(match of {
                Some(of) => fault(
                    107,
                    self.line,
                    format!(
                        "The column prefix '{of}' does not match with a table name or alias name used in the query."
                    ),
                ),
                None => fault(263, self.line, "Must specify table to select from."),
            });
        }
        for source in chosen {
            for field in &source.fields {
                let sql = format!("{}.{}", quote(&source.alias), quote(&field.inner));
                if !self.groups.as_ref().is_some_and(|g| g.contains(&sql)) {
                    self.bare.push(format!("{}.{}", source.alias, field.name));
                }
                items.push((field.name.clone(), Piece::new(sql, field.ty)));
            }
        }
        Ok(())
    }

    fn select_order(
        &mut self,
        order: &[OrderByExpr],
        items: &[(String, Piece)],
        distinct: bool,
    ) -> Result<String, SqlError> {
        let mut terms = Vec::new();
        for term in order {
            let piece = match &term.expr {
                Expr::Identifier(ident) => {
                    match items.iter().find(|(name, _)| name.eq_ignore_ascii_case(&ident.value)) {
                        Some((_, piece)) => piece.clone(),
                        None => self.value(&term.expr)?,
                    }
                }
                Expr::Value(value) => match &value.value {
                    Value::Number(n, _) => {
                        let at = n
                            .parse::<usize>()
                            .ok()
                            .and_then(|n| n.checked_sub(1))
                            .filter(|n| *n < items.len());
                        let at = at.ok_or_else(|| fault(108, self.line, format!("The ORDER BY position number {n} is out of range of the number of items in the select list.")))?;
                        items[at].1.clone()
                    }
                    _ => {
                        return Err(fault(
                            408,
                            self.line,
                            "A constant expression was encountered in the ORDER BY list.",
                        ));
                    }
                },
                expr => self.value(expr)?,
            };
            if distinct && !items.iter().any(|(_, item)| item.sql == piece.sql) {
                return Err(fault(
                    145,
                    self.line,
                    "ORDER BY items must appear in the select list if SELECT DISTINCT is specified.",
                ));
            }
            // A bare number would be taken for a position.
            let sql = if piece.sql.bytes().all(|b| b.is_ascii_digit()) {
                format!("({} + 0)", piece.sql)
            } else {
                piece.sql.clone()
            };
            terms.push(format!("{}{}", self.sortable(&Piece { sql, ..piece })?, self.direction(term)?));
        }
        Ok(if terms.is_empty() { String::new() } else { format!(" ORDER BY {}", terms.join(", ")) })
    }

    pub(super) fn direction(&self, term: &OrderByExpr) -> Result<&'static str, SqlError> {
        if term.options.nulls_first.is_some() || term.with_fill.is_some() {
            return Err(self.no("NULLS"));
        }
        match &term.options.sort {
            None | Some(OrderBySort::Asc) => Ok(""),
            Some(OrderBySort::Desc) => Ok(" DESC"),
            Some(OrderBySort::Using(_)) => Err(self.no("USING")),
        }
    }

    fn top(&mut self, top: &Top) -> Result<String, SqlError> {
        if top.percent || top.with_ties {
            return Err(self.no(if top.percent { "PERCENT" } else { "WITH TIES" }));
        }
        match &top.quantity {
            Some(TopQuantity::Constant(n)) if i64::try_from(*n).is_ok() => Ok(format!(" LIMIT {n}")),
            Some(TopQuantity::Expr(expr)) => Ok(format!(" LIMIT {}", self.amount(expr)?)),
            _ => Err(self.no("TOP")),
        }
    }

    /// A number of rows: no columns in it, and never below zero, which the embedded engine takes for all.
    fn amount(&mut self, expr: &Expr) -> Result<String, SqlError> {
        let scopes = std::mem::take(&mut self.scopes);
        let piece = self.value(expr);
        self.scopes = scopes;
        let piece = self.convert(piece?, Type::BIGINT)?;
        Ok(format!("ts_amount({})", piece.sql))
    }

    fn limit(&mut self, query: &Query, ordered: bool) -> Result<String, SqlError> {
        let offset = match &query.limit_clause {
            None => None,
            Some(LimitClause::LimitOffset { limit: None, offset: Some(offset), limit_by })
                if limit_by.is_empty() =>
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
            return Err(self.no("OFFSET without ORDER BY"));
        };
        let offset = self.amount(offset)?;
        let count = match fetch {
            Some(count) => self.amount(count)?,
            None => "-1".to_owned(),
        };
        Ok(format!(" LIMIT {count} OFFSET {offset}"))
    }

    fn join(&mut self, operator: &JoinOperator, relation: &TableFactor) -> Result<String, SqlError> {
        let (word, constraint) = match operator {
            JoinOperator::Join(c) | JoinOperator::Inner(c) => (" JOIN ", c),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (" LEFT JOIN ", c),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (" RIGHT JOIN ", c),
            JoinOperator::FullOuter(c) => (" FULL JOIN ", c),
            JoinOperator::CrossJoin(JoinConstraint::None) => {
                return Ok(format!(" CROSS JOIN {}", self.factor(relation)?));
            }
            JoinOperator::CrossApply | JoinOperator::OuterApply => return Err(self.no("APPLY")),
            _ => return Err(self.no("JOIN")),
        };
        let table = self.factor(relation)?;
        let JoinConstraint::On(test) = constraint else { return Err(self.no("JOIN without ON")) };
        let aggregates = std::mem::replace(&mut self.aggregates, false);
        let test = self.predicate(test)?;
        self.aggregates = aggregates;
        Ok(format!("{word}{table} ON {test}"))
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<String, SqlError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if partitions.is_empty() && index_hints.is_empty() => {
                for hint in with_hints {
                    match hint {
                        Expr::Identifier(word)
                            if matches!(
                                word.value.to_ascii_uppercase().as_str(),
                                "NOLOCK" | "READUNCOMMITTED" | "READCOMMITTED" | "ROWLOCK" | "READPAST"
                            ) => {}
                        other => return Err(self.no(&first_words(other))),
                    }
                }
                let parts = self.parts(name)?;
                let last = parts.last().map(|p| (p.value.clone(), self.line_of(p))).unwrap_or_default();
                let (text, fields) = self.relation(&parts, last.1)?;
                let alias = self.alias(alias.as_ref(), &last.0)?;
                self.add(Source { alias: alias.clone(), fields })?;
                Ok(format!("{text} AS {}", quote(&alias)))
            }
            TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None } => {
                // A derived table does not see its neighbours.
                let hidden = self.scopes.pop().unwrap_or_default();
                let made = self.nested(subquery);
                self.scopes.push(hidden);
                let (sql, columns) = made?;
                let given: Vec<String> = alias.columns.iter().map(|c| c.name.value.clone()).collect();
                let name = alias.name.value.clone();
                let fields = self.fields(&name, &given, &columns)?;
                self.add(Source { alias: name.clone(), fields })?;
                Ok(format!("({sql}) AS {}", quote(&name)))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                let mut text = self.deeper(|c| c.factor(&table_with_joins.relation))?;
                for join in &table_with_joins.joins {
                    text.push_str(&self.join(&join.join_operator, &join.relation)?);
                }
                Ok(format!("({text})"))
            }
            other => Err(self.no(&first_words(other))),
        }
    }

    fn alias(&self, alias: Option<&TableAlias>, name: &str) -> Result<String, SqlError> {
        match alias {
            None => Ok(name.to_owned()),
            Some(alias) if alias.columns.is_empty() && alias.at.is_none() => Ok(alias.name.value.clone()),
            Some(alias) => Err(self.no(&alias.name.value)),
        }
    }

    fn add(&mut self, source: Source) -> Result<(), SqlError> {
        let scope = self.scopes.last_mut().expect("a SELECT pushed its scope");
        if scope.iter().any(|s| s.alias.eq_ignore_ascii_case(&source.alias)) {
            return Err(fault(
                1013,
                self.line,
                format!(
                    "The objects \"{0}\" and \"{0}\" in the FROM clause have the same exposed names. Use correlation names to distinguish them.",
                    source.alias
                ),
            ));
        }
        scope.push(source);
        Ok(())
    }

    /// A table, view or CTE by name.
    fn relation(
        &mut self,
        parts: &[sqlparser::ast::Ident],
        line: u64,
    ) -> Result<(String, Vec<Field>), SqlError> {
        if let [only] = parts
            && let Some(cte) = self.ctes.iter().rev().find(|c| c.name.eq_ignore_ascii_case(&only.value))
        {
            return Ok((quote(&cte.inner), cte.fields.clone()));
        }
        let found = self.place(parts).and_then(|(base, name)| Some((base, base.relation(&name)?)));
        let Some((base, relation)) = found else {
            let whole: Vec<&str> = parts.iter().map(|p| p.value.as_str()).collect();
            return Err(fault(208, line, format!("Invalid object name '{}'.", whole.join("."))));
        };
        Ok((format!("{}.{}", quote(base.schema()), quote(relation.name)), fields_of(relation)))
    }
}

/// A relation's columns as a statement may name them.
pub(super) fn fields_of(relation: &crate::schema::Relation) -> Vec<Field> {
    let field = |name: &str, declared: &str| Field {
        name: name.to_owned(),
        inner: name.to_owned(),
        ty: Type::declared(declared),
    };
    relation.columns.iter().map(|(name, declared)| field(name, declared)).collect()
}

fn plain(options: &sqlparser::ast::WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}
