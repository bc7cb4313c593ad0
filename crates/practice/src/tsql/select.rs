//! One SELECT: its list, its grouping, its order.

use super::{
    expression::{Piece, first_words},
    query::Columns,
    scope::{Compiler, DEPTH, ROWID, Source},
};
use crate::fault::fault;
use database::SqlError;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, OrderByExpr, OrderBySort, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, Value,
};

impl Compiler {
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        distinct_later: bool,
    ) -> Result<(String, Columns), SqlError> {
        let scopes = self.scopes.len();
        let groups = self.groups.take();
        let bare = std::mem::take(&mut self.bare);
        let flags = (self.aggregates, self.aggregated, self.windows);
        let made = self.deeper(|c| c.select_inner(select, order, distinct_later));
        self.scopes.truncate(scopes);
        self.groups = groups;
        self.bare = bare;
        (self.aggregates, self.aggregated, self.windows) = flags;
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
            return Err(self.no("SELECT"));
        }
        if select.into.is_some() && !std::mem::take(&mut self.into) {
            return Err(fault(156, self.line, "Incorrect syntax near the keyword 'INTO'."));
        }
        let from = self.from(&select.from)?;
        let selection = match &select.selection {
            Some(test) => {
                (self.aggregates, self.windows) = (false, false);
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
            self.bare.clear();
            let piece = self.value(expr)?;
            if self.bare.is_empty() {
                return Err(fault(
                    164,
                    self.line,
                    "Each GROUP BY expression must contain at least one column that is not an outer reference.",
                ));
            }
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
        self.windows = true;
        let items = self.projection(&select.projection)?;
        self.windows = false;
        let listed = self.bare.len();
        let having = match &select.having {
            Some(test) => format!(" HAVING {}", self.predicate(test)?),
            None => String::new(),
        };
        self.windows = true;
        let had = self.bare.len();
        let order_terms = self.select_order(order, &items, distinct)?;
        let grouped = self.aggregated || !group_texts.is_empty() || !having.is_empty();
        if let Some(column) = self.bare.first().filter(|_| grouped) {
            let (number, place) = if listed > 0 {
                (8120, "select list")
            } else if had > 0 {
                (8121, "HAVING clause")
            } else {
                (8127, "ORDER BY clause")
            };
            return Err(fault(
                number,
                self.line,
                format!(
                    "Column '{column}' is invalid in the {place} because it is not contained in either an aggregate function or the GROUP BY clause."
                ),
            ));
        }
        let mut list = Vec::new();
        for (i, (_, piece)) in items.iter().enumerate() {
            let collate = if distinct || distinct_later { piece.collate() } else { "" };
            list.push(format!("{}{collate} AS \"c{i}\"", piece.sql));
        }
        let group = if group_texts.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {}", group_texts.join(", "))
        };
        let each = if distinct { "DISTINCT " } else { "" };
        let tail = format!("{from}{selection}{group}{having}");
        // The embedded engine takes a HAVING without groups only where an aggregate stands in the list.
        let counted = !having.is_empty() && group_texts.is_empty();
        if counted {
            list.push("COUNT(*) AS \"h\"".to_owned());
        }
        let sql = match &select.top {
            Some(top) => self.top(top, each, &list, &tail, &order_terms)?,
            None if order_terms.is_empty() => format!("SELECT {each}{}{tail}", list.join(", ")),
            None => format!("SELECT {each}{}{tail} ORDER BY {}", list.join(", "), order_terms.join(", ")),
        };
        let sql = if counted {
            let names: Vec<String> = (0..items.len()).map(|i| format!("\"c{i}\"")).collect();
            format!("SELECT {} FROM ({sql})", names.join(", "))
        } else {
            sql
        };
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
            for field in source.fields.iter().filter(|f| f.name != ROWID && f.name != DEPTH) {
                let sql = field.text(&source.alias);
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
    ) -> Result<Vec<String>, SqlError> {
        let mut terms = Vec::new();
        for term in order {
            let piece = match &term.expr {
                Expr::Identifier(ident) => {
                    let mut named = items.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&ident.value));
                    match named.next() {
                        Some((_, piece)) if named.all(|(_, other)| other.sql == piece.sql) => piece.clone(),
                        Some(_) => {
                            return Err(fault(
                                209,
                                self.line_of(ident),
                                format!("Ambiguous column name '{}'.", ident.value),
                            ));
                        }
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
            terms.push(format!("{}{}", self.sortable(&piece)?, self.direction(term)?));
        }
        Ok(terms)
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
}

fn plain(options: &sqlparser::ast::WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}

/// `SELECT @a = …`.
pub(super) fn assigns(item: &SelectItem) -> bool {
    matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.starts_with('@') && alias.quote_style.is_none())
}
