//! INSERT, from values, queries and calls.

use super::{
    expression::Piece,
    program::{Action, ShapeColumn},
    query::Columns,
    scope::{Compiler, literal, quote},
    write::Target,
};
use crate::{events::Ended, fault::fault};
use database::SqlError;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Insert, Query, SetExpr,
    TableObject, With,
};

impl Compiler {
    /// The columns that an INSERT names, as places in the table.
    pub(super) fn named(&self, target: &Target, names: &[Ident]) -> Result<Vec<usize>, SqlError> {
        if names.is_empty() {
            return Ok((0..target.columns.len()).filter(|i| target.columns[*i].identity.is_none()).collect());
        }
        let mut places = Vec::new();
        for name in names {
            let at = target.columns.iter().position(|c| c.name.eq_ignore_ascii_case(&name.value));
            let at = at.ok_or_else(|| {
                fault(207, self.line_of(name), format!("Invalid column name '{}'.", name.value))
            })?;
            if places.contains(&at) {
                return Err(self.twice(&target.columns[at].name));
            }
            if target.columns[at].identity.is_some() && !target.identity_insert {
                return Err(fault(
                    544,
                    self.line,
                    format!(
                        "Cannot insert explicit value for identity column in table '{}' when IDENTITY_INSERT is set to OFF.",
                        target.shown
                    ),
                ));
            }
            places.push(at);
        }
        Ok(places)
    }

    /// What the columns get that an INSERT leaves out: names and texts.
    pub(super) fn left_out(&self, target: &Target, places: &[usize]) -> Vec<(String, String)> {
        let mut list = Vec::new();
        for (at, column) in target.columns.iter().enumerate() {
            if places.contains(&at) {
                continue;
            }
            if let (Some((seed, step)), Some(inner)) = (column.identity, &target.temp) {
                list.push((column.name.clone(), format!("ts_next({}, {seed}, {step})", literal(inner))));
            } else if let Some(default) = &column.default {
                list.push((column.name.clone(), default.clone()));
            }
        }
        list
    }

    pub(super) fn insert_names(&self, insert: &Insert) -> Result<Vec<Ident>, SqlError> {
        insert
            .columns
            .iter()
            .map(|column| match self.parts(column)?.as_slice() {
                [only] => Ok(only.clone()),
                _ => Err(self.no("INSERT")),
            })
            .collect()
    }

    pub(super) fn insert(&mut self, insert: &Insert, with: Option<&With>) -> Result<Action, SqlError> {
        let odd = !insert.optimizer_hints.is_empty()
            || insert.or.is_some()
            || insert.ignore
            || insert.table_alias.is_some()
            || insert.overwrite
            || !insert.assignments.is_empty()
            || insert.partitioned.is_some()
            || !insert.after_columns.is_empty()
            || insert.has_table_keyword
            || insert.on.is_some()
            || insert.returning.is_some()
            || insert.replace_into
            || insert.priority.is_some()
            || insert.insert_alias.is_some()
            || insert.settings.is_some()
            || insert.format_clause.is_some()
            || insert.multi_table_insert_type.is_some();
        let (TableObject::TableName(name), false) = (&insert.table, odd) else {
            return Err(self.no("INSERT"));
        };
        let known = self.ctes.len();
        let with = self.with_text(with)?;
        let parts = self.parts(name)?;
        let target = self.target(&parts)?;
        let names = self.insert_names(insert)?;
        let places = self.named(&target, &names)?;
        let extra = self.left_out(&target, &places);
        let mut columns: Vec<String> = places.iter().map(|at| quote(&target.columns[*at].name)).collect();
        columns.extend(extra.iter().map(|(name, _)| quote(name)));
        let limit = self.write_limit()?;
        let rows = match &insert.source {
            Some(source) => {
                let rows = self.insert_rows(source, &target, &places, &extra, !names.is_empty())?;
                match limit {
                    Some(limit) if rows.starts_with(" SELECT") => format!("{rows}{limit}"),
                    Some(_) => return Err(self.no("INSERT TOP of VALUES")),
                    None => rows,
                }
            }
            None if columns.len() == extra.len() && extra.is_empty() => " DEFAULT VALUES".to_owned(),
            None => {
                // DEFAULT VALUES: every column that has no default is null.
                let mut cells = vec!["NULL".to_owned(); places.len()];
                cells.extend(extra.iter().map(|(_, text)| text.clone()));
                for (cell, at) in cells.iter_mut().zip(&places) {
                    if let Some(default) = &target.columns[*at].default {
                        cell.clone_from(default);
                    }
                }
                format!(" VALUES ({})", cells.join(", "))
            }
        };
        self.ctes.truncate(known);
        let list = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        let mut sql = format!("{with}INSERT INTO {}{list}{rows}", target.text);
        let mut action = target.write(String::new(), Ended::Insert);
        let made = match &insert.output {
            None => None,
            Some(output) => {
                self.scopes.push(vec![target.source("inserted")]);
                let made = self.returning(output, "inserted");
                self.scopes.pop();
                Some(made?)
            }
        };
        if let Action::Write { sql: text, returned, .. } = &mut action {
            if let Some((tail, rows)) = made {
                sql.push_str(&tail);
                *returned = Some(rows);
            }
            *text = sql;
        }
        Ok(action)
    }

    pub(super) fn insert_rows(
        &mut self,
        source: &Query,
        target: &Target,
        places: &[usize],
        extra: &[(String, String)],
        listed: bool,
    ) -> Result<String, SqlError> {
        let line = u32::try_from(self.line).unwrap_or(0);
        let count = |given: usize| {
            let (number, words) = if given < places.len() {
                (
                    109,
                    "There are more columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
                )
            } else {
                (
                    110,
                    "There are fewer columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
                )
            };
            SqlError { line, ..fault(number, 0, words) }
        };
        let plain_values = source.with.is_none()
            && source.order_by.is_none()
            && source.limit_clause.is_none()
            && source.fetch.is_none();
        if let SetExpr::Values(values) = source.body.as_ref()
            && plain_values
            && !values.explicit_row
        {
            let width = values.rows.first().map_or(0, |r| r.content.len());
            if values.rows.iter().any(|r| r.content.len() != width) {
                return Err(SqlError {
                    line,
                    ..fault(
                        10709,
                        0,
                        "The number of columns for each row in a table value constructor must be the same.",
                    )
                });
            }
            let mut cells: Vec<Vec<Option<Piece>>> = Vec::new();
            for row in &values.rows {
                if row.content.len() != places.len() {
                    return Err(if !listed {
                        SqlError {
                            line,
                            ..fault(
                                213,
                                0,
                                "Column name or number of supplied values does not match table definition.",
                            )
                        }
                    } else {
                        count(row.content.len())
                    });
                }
                let mut pieces = Vec::new();
                for expr in &row.content {
                    let is_default = matches!(expr, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("DEFAULT"));
                    pieces.push(if is_default { None } else { Some(self.value(expr)?) });
                }
                cells.push(pieces);
            }
            // Several rows are one table first: each of its columns has one type.
            if cells.len() > 1 {
                for at in 0..places.len() {
                    let given: Vec<Piece> = cells.iter().filter_map(|row| row[at].clone()).collect();
                    let mut unified = self.unify(given)?.0.into_iter();
                    for row in &mut cells {
                        if row[at].is_some() {
                            row[at] = unified.next();
                        }
                    }
                }
            }
            let mut rows = Vec::new();
            for pieces in cells {
                let mut texts = Vec::new();
                for (piece, at) in pieces.into_iter().zip(places) {
                    let column = &target.columns[*at];
                    texts.push(match piece {
                        None => column.default.clone().unwrap_or_else(|| "NULL".to_owned()),
                        Some(piece) => self.kept_ahead(target, column, piece)?,
                    });
                }
                texts.extend(extra.iter().map(|(_, text)| text.clone()));
                rows.push(format!("({})", texts.join(", ")));
            }
            return Ok(format!(" VALUES {}", rows.join(", ")));
        }
        let (sql, made) = self.nested(source)?;
        if made.len() != places.len() {
            let (number, words) = if made.len() < places.len() {
                (
                    120,
                    "The select list for the INSERT statement contains fewer items than the insert list. The number of SELECT values must match the number of INSERT columns.",
                )
            } else {
                (
                    121,
                    "The select list for the INSERT statement contains more items than the insert list. The number of SELECT values must match the number of INSERT columns.",
                )
            };
            return Err(SqlError { line, ..fault(number, 0, words) });
        }
        let mut texts = Vec::new();
        for (i, ((_, from), at)) in made.iter().zip(places).enumerate() {
            let piece = Piece::new(format!("\"c{i}\""), *from);
            texts.push(self.kept_ahead(target, &target.columns[*at], piece)?);
        }
        texts.extend(extra.iter().map(|(_, text)| text.clone()));
        Ok(format!(" SELECT {} FROM ({sql})", texts.join(", ")))
    }

    /// A value as its column takes it; one that the caller gives for an identity moves the next one on.
    pub(super) fn kept_ahead(
        &mut self,
        target: &Target,
        column: &ShapeColumn,
        piece: Piece,
    ) -> Result<String, SqlError> {
        let text = self.assigned(piece, column.ty)?;
        Ok(match (column.identity, &target.temp) {
            (Some((seed, step)), Some(inner)) => {
                format!("ts_given({}, {text}, {seed}, {step})", literal(inner))
            }
            _ => self.needed(target, &column.name, text),
        })
    }

    /// The INSERT that puts one row of a call's result (`?1` …) into a table.
    pub(super) fn fill(&mut self, head: &Insert, call: Action) -> Result<Action, SqlError> {
        let TableObject::TableName(name) = &head.table else { return Err(self.no("INSERT")) };
        let parts = self.parts(name)?;
        let names = self.insert_names(head)?;
        let target = self.target(&parts)?;
        let places = self.named(&target, &names)?;
        let sql = self.one_row(&target, &places);
        Ok(Action::Fill {
            sql,
            types: places.iter().map(|at| target.columns[*at].ty).collect(),
            object: target.shown,
            temp: target.temp.is_some(),
            call: Box::new(call),
        })
    }

    pub(super) fn one_row(&self, target: &Target, places: &[usize]) -> String {
        let extra = self.left_out(target, places);
        let mut columns: Vec<String> = places.iter().map(|at| quote(&target.columns[*at].name)).collect();
        columns.extend(extra.iter().map(|(name, _)| quote(name)));
        let mut cells: Vec<String> = (1..=places.len()).map(|i| format!("?{i}")).collect();
        cells.extend(extra.into_iter().map(|(_, text)| text));
        format!("INSERT INTO {} ({}) VALUES ({})", target.text, columns.join(", "), cells.join(", "))
    }

    /// The INSERT for OUTPUT … INTO.
    pub(super) fn row_into(
        &mut self,
        name: &[Ident],
        names: &[Ident],
        given: &Columns,
    ) -> Result<String, SqlError> {
        let target = self.target(name)?;
        let places = self.named(&target, names)?;
        if places.len() != given.len() {
            return Err(fault(
                213,
                self.line,
                "Column name or number of supplied values does not match table definition.",
            ));
        }
        let mut sql = self.one_row(&target, &places);
        for (i, ((_, from), at)) in given.iter().zip(&places).enumerate().rev() {
            let text = self.assigned(Piece::new(format!("?{}", i + 1), *from), target.columns[*at].ty)?;
            sql = sql.replace(&format!("?{}", i + 1), &text.replace('?', "\u{1}"));
        }
        Ok(sql.replace('\u{1}', "?"))
    }
}

/// The plain names among a function's arguments: `@t (a, b)` of OUTPUT … INTO reads like a call.
pub(super) fn names_of(function: &Function) -> Vec<Ident> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args
        .iter()
        .filter_map(|a| match a {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(i))) => Some(i.clone()),
            _ => None,
        })
        .collect()
}
