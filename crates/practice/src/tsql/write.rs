//! INSERT, UPDATE and DELETE on base tables, temporary tables and table variables.

use super::{
    expression::{Piece, cast_text},
    program::{Action, ShapeColumn},
    query::Columns,
    changes::THROUGH,
    scope::{Compiler, Field, ROWID, Source, literal, quote},
};
use crate::{
    events::Ended,
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use std::ops::ControlFlow;
use sqlparser::ast::{
    AssignmentTarget, Delete, Expr, FromTable, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    Insert, ObjectName, Query, SetExpr, TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind, With,
};

/// A table that a statement writes.
pub(super) struct Target {
    /// As the embedded engine names it.
    pub(super) text: String,
    /// As errors name it.
    shown: String,
    /// The engine's name of a temporary one.
    temp: Option<String>,
    pub(super) columns: Vec<ShapeColumn>,
    /// A base table whose key the engine counts.
    keyed: bool,
    /// SET IDENTITY_INSERT is on.
    identity_insert: bool,
}

impl Target {
    pub(super) fn source(&self, alias: &str) -> Source {
        let field = |c: &ShapeColumn| Field { name: c.name.clone(), inner: c.name.as_str().into(), ty: c.ty };
        Source { alias: alias.to_owned(), fields: self.columns.iter().map(field).collect(), correlated: true }
    }

    fn write(&self, sql: String, verb: Ended) -> Action {
        Action::Write {
            sql,
            verb,
            object: self.shown.clone(),
            temp: self.temp.is_some(),
            keyed: (verb == Ended::Insert).then_some(self.keyed),
            returned: None,
        }
    }
}

impl Compiler {
    /// A table that can be written.
    fn target(&mut self, parts: &[Ident]) -> Result<Target, SqlError> {
        if let Some(temp) = self.temp_of(parts) {
            return Ok(Target {
                text: format!("temp.{}", quote(&temp.inner)),
                shown: temp.name.clone(),
                temp: Some(temp.inner.clone()),
                columns: temp.columns.clone(),
                keyed: false,
                identity_insert: temp.identity_insert,
            });
        }
        let line = parts.last().map_or(self.line, |p| self.line_of(p));
        if self.system(parts).is_some() {
            return Err(fault(259, line, "Ad hoc updates to system catalogs are not allowed."));
        }
        let found = self.place(parts).and_then(|(base, name)| Some((base, base.relation(&name)?)));
        let (base, relation) = found.ok_or_else(|| self.invalid_object(parts))?;
        if relation.view.is_some() {
            return Err(fault(
                4405,
                line,
                format!(
                    "View or function '{}' is not updatable because the modification affects multiple base tables.",
                    relation.name
                ),
            ));
        }
        let columns = relation
            .columns
            .iter()
            .map(|(name, declared)| ShapeColumn {
                name: (*name).to_owned(),
                ty: Type::declared(declared),
                nullable: true,
                identity: None,
                default: None,
            })
            .collect();
        Ok(Target {
            text: format!("{}.{}", quote(base.schema()), quote(relation.name)),
            shown: relation.name.to_owned(),
            temp: None,
            columns,
            identity_insert: false,
            keyed: relation.columns.iter().any(|(_, declared)| declared.ends_with(" key")),
        })
    }

    /// A value as a column takes it: too long a text is refused, `char` is padded.
    pub(super) fn assigned(&mut self, piece: Piece, to: Type) -> Result<String, SqlError> {
        if piece.ty.family == Family::Null {
            return Ok("NULL".to_owned());
        }
        if piece.ty.unify(to).is_none() && !self.castable(piece.ty, to) {
            return Err(self.clash(piece.ty, to));
        }
        Ok(cast_text("ts_assign", &piece.sql, piece.ty, to, 0))
    }

    fn with_text(&mut self, with: Option<&With>) -> Result<String, SqlError> {
        with.map_or(Ok(String::new()), |with| self.with(with))
    }

    /// The columns that an INSERT names, as places in the table.
    fn named(&self, target: &Target, names: &[Ident]) -> Result<Vec<usize>, SqlError> {
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
    fn left_out(&self, target: &Target, places: &[usize]) -> Vec<(String, String)> {
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

    fn insert_names(&self, insert: &Insert) -> Result<Vec<Ident>, SqlError> {
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

    fn insert_rows(
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
                (109, "There are more columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.")
            } else {
                (110, "There are fewer columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.")
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
                    ..fault(10709, 0, "The number of columns for each row in a table value constructor must be the same.")
                });
            }
            let mut rows = Vec::new();
            for row in &values.rows {
                if row.content.len() != places.len() {
                    return Err(if !listed {
                        SqlError {
                            line,
                            ..fault(213, 0, "Column name or number of supplied values does not match table definition.")
                        }
                    } else {
                        count(row.content.len())
                    });
                }
                let mut texts = Vec::new();
                for (expr, at) in row.content.iter().zip(places) {
                    let column = &target.columns[*at];
                    let is_default = matches!(expr, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("DEFAULT"));
                    texts.push(if is_default {
                        column.default.clone().unwrap_or_else(|| "NULL".to_owned())
                    } else {
                        let piece = self.value(expr)?;
                        self.kept_ahead(target, column, piece)?
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
                (120, "The select list for the INSERT statement contains fewer items than the insert list. The number of SELECT values must match the number of INSERT columns.")
            } else {
                (121, "The select list for the INSERT statement contains more items than the insert list. The number of SELECT values must match the number of INSERT columns.")
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
    fn kept_ahead(&mut self, target: &Target, column: &ShapeColumn, piece: Piece) -> Result<String, SqlError> {
        let text = self.assigned(piece, column.ty)?;
        Ok(match (column.identity, &target.temp) {
            (Some((seed, step)), Some(inner)) => {
                format!("ts_given({}, {text}, {seed}, {step})", literal(inner))
            }
            _ => text,
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

    fn one_row(&self, target: &Target, places: &[usize]) -> String {
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

    pub(super) fn update(&mut self, update: &Update, with: Option<&With>) -> Result<Action, SqlError> {
        let odd = !update.optimizer_hints.is_empty()
            || update.returning.is_some()
            || update.or.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some()
            || !update.table.joins.is_empty();
        if odd {
            return Err(self.no("UPDATE"));
        }
        let known = self.ctes.len();
        let limit = self.write_limit()?;
        let from = match &update.from {
            None => &[][..],
            Some(UpdateTableFromKind::AfterSet(from)) => from,
            Some(UpdateTableFromKind::BeforeSet(_)) => return Err(self.no("UPDATE FROM … SET")),
        };
        let (name, said) = self.written(&update.table.relation)?;
        let through = if from.is_empty() { self.through(with, &name)? } else { None };
        let (with, target, alias) = match (&through, with) {
            (Some((cte, base)), Some(with)) => {
                let text = self.with(&Self::with_rows(with, cte))?;
                (text, self.target(base)?, THROUGH.to_owned())
            }
            (_, with) => {
                let text = self.with_text(with)?;
                let (target, alias) = self.among(&name, &said, from)?;
                (text, target, alias)
            }
        };
        // A plain UPDATE changes its table row by row; any other works its rows out first.
        let looks = update.assignments.iter().any(|a| {
            sqlparser::ast::visit_expressions(&a.value, |e| match e {
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
            .is_break()
        });
        // (One whose new values look at other rows too: it must see all as they were.)
        let listed = through.is_some() || !from.is_empty() || limit.is_some() || looks;
        let made = (|c: &mut Self| {
            let (text, row) = match &through {
                Some(_) => c.through_cte(&name)?,
                None if from.is_empty() => {
                    c.scopes.push(vec![target.source(&alias)]);
                    (format!(" FROM {} AS {}", target.text, quote(&alias)), format!("{}.rowid", quote(&alias)))
                }
                None => (c.from(from)?, format!("{}.rowid", quote(&alias))),
            };
            let selection = match &update.selection {
                Some(test) => format!(" WHERE {}", c.predicate(test)?),
                None => String::new(),
            };
            let mut sets: Vec<(String, String)> = Vec::new();
            for assignment in &update.assignments {
                let AssignmentTarget::ColumnName(name) = &assignment.target else { return Err(c.no("SET")) };
                let (at, text) = c.set(&target, &said, &alias, name, &assignment.value)?;
                let column = &target.columns[at];
                if sets.iter().any(|(n, _)| *n == column.name) {
                    return Err(c.twice(&column.name));
                }
                sets.push((column.name.clone(), text));
            }
            let limit = limit.as_deref().unwrap_or_default();
            let which = format!("{with}SELECT {row}{text}{selection}{limit}");
            let sql = if listed {
                // Of several joined rows for one row any may win, as in SQL Server.
                let values: Vec<String> =
                    sets.iter().enumerate().map(|(i, (_, v))| format!("{v} AS \"v{i}\"")).collect();
                let sets: Vec<String> =
                    sets.iter().enumerate().map(|(i, (n, _))| format!("{} = \"s\".\"v{i}\"", quote(n))).collect();
                format!(
                    "{with}UPDATE {} AS \"u\" SET {} FROM (SELECT {row} AS \"r\", {}{text}{selection}{limit}) AS \"s\" WHERE \"u\".rowid = \"s\".\"r\"",
                    target.text,
                    sets.join(", "),
                    values.join(", ")
                )
            } else {
                let sets: Vec<String> = sets.iter().map(|(n, v)| format!("{} = {v}", quote(n))).collect();
                format!(
                    "{with}UPDATE {} AS {} SET {}{selection}",
                    target.text,
                    quote(&alias),
                    sets.join(", ")
                )
            };
            Ok((sql, which))
        })(self);
        self.scopes.clear();
        let action = made.and_then(|(sql, which)| match &update.output {
            None => Ok(target.write(sql, Ended::Update)),
            Some(output) => {
                let action = target.write(String::new(), Ended::Update);
                self.told_change(&target, sql, &which, output, action)
            }
        });
        self.ctes.truncate(known);
        action
    }

    /// The FROM of a CTE that a write goes through, and how its rows' numbers are read.
    fn through_cte(&mut self, name: &[Ident]) -> Result<(String, String), SqlError> {
        let (text, fields) = self.relation(name, self.line)?;
        let row = fields
            .iter()
            .find(|f| f.name == ROWID)
            .map(|f| f.text(THROUGH))
            .unwrap_or_else(|| format!("{}.rowid", quote(THROUGH)));
        self.scopes.push(vec![Source { alias: THROUGH.to_owned(), fields, correlated: true }]);
        Ok((format!(" FROM {text} AS {}", quote(THROUGH)), row))
    }

    fn twice(&self, column: &str) -> SqlError {
        fault(
            264,
            self.line,
            format!(
                "The column name '{column}' is specified more than once in the SET clause or column list of an INSERT. A column cannot be assigned more than one value in the same clause. Modify the clause to make sure that a column is updated only once. If this statement updates or inserts columns into a view, column aliasing can conceal the duplication in your code."
            ),
        )
    }

    fn set(
        &mut self,
        target: &Target,
        said: &str,
        alias: &str,
        name: &ObjectName,
        value: &Expr,
    ) -> Result<(usize, String), SqlError> {
        let parts = self.parts(name)?;
        let (column, qualifier) = parts.split_last().expect("a parsed name has parts");
        if column.value.starts_with('@') && column.quote_style.is_none() {
            return Err(self.no("UPDATE … SET @variable"));
        }
        let own = qualifier.last().is_none_or(|q| {
            [said, alias, target.shown.as_str()].iter().any(|n| q.value.eq_ignore_ascii_case(n))
        });
        if !own {
            return Err(fault(
                4104,
                self.line_of(column),
                format!("The multi-part identifier \"{name}\" could not be bound."),
            ));
        }
        let at = target.columns.iter().position(|c| c.name.eq_ignore_ascii_case(&column.value));
        let at = at.ok_or_else(|| {
            fault(207, self.line_of(column), format!("Invalid column name '{}'.", column.value))
        })?;
        if target.columns[at].identity.is_some() {
            return Err(fault(
                8102,
                self.line,
                format!("Cannot update identity column '{}'.", target.columns[at].name),
            ));
        }
        let is_default = matches!(value, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("DEFAULT"));
        let text = if is_default {
            target.columns[at].default.clone().unwrap_or_else(|| "NULL".to_owned())
        } else {
            let piece = self.value(value)?;
            self.assigned(piece, target.columns[at].ty)?
        };
        Ok((at, text))
    }

    pub(super) fn delete(&mut self, delete: &Delete, with: Option<&With>) -> Result<Action, SqlError> {
        let odd = !delete.optimizer_hints.is_empty()
            || delete.using.is_some()
            || delete.returning.is_some()
            || !delete.order_by.is_empty()
            || delete.limit.is_some();
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        if odd || from.is_empty() {
            return Err(self.no("DELETE"));
        }
        let known = self.ctes.len();
        let limit = self.write_limit()?;
        let (name, said, joined) = match delete.tables.as_slice() {
            [] => {
                let [table] = from.as_slice() else { return Err(self.no("DELETE from several tables")) };
                if !table.joins.is_empty() {
                    return Err(fault(156, self.line, "Incorrect syntax near the keyword 'JOIN'."));
                }
                let (name, said) = self.written(&table.relation)?;
                (name, said, false)
            }
            [name] => {
                let parts = self.parts(name)?;
                let said = parts.last().map(|p| p.value.clone()).unwrap_or_default();
                (parts, said, true)
            }
            _ => return Err(self.no("DELETE of several tables")),
        };
        let through = if joined { None } else { self.through(with, &name)? };
        let (with, target, alias) = match (&through, with) {
            (Some((cte, base)), Some(with)) => {
                let text = self.with(&Self::with_rows(with, cte))?;
                (text, self.target(base)?, THROUGH.to_owned())
            }
            (_, with) => {
                let text = self.with_text(with)?;
                let among = if joined { from } else { &[][..] };
                let (target, alias) = self.among(&name, &said, among)?;
                (text, target, alias)
            }
        };
        let made = (|c: &mut Self| {
            let (text, row) = match &through {
                Some(_) => c.through_cte(&name)?,
                None if joined => (c.from(from)?, format!("{}.rowid", quote(&alias))),
                None => {
                    c.scopes.push(vec![target.source(&alias)]);
                    (format!(" FROM {} AS {}", target.text, quote(&alias)), format!("{}.rowid", quote(&alias)))
                }
            };
            let selection = match &delete.selection {
                Some(test) => format!(" WHERE {}", c.predicate(test)?),
                None => String::new(),
            };
            let listed = through.is_some() || joined || limit.is_some();
            let limit = limit.as_deref().unwrap_or_default();
            Ok(if listed {
                format!(
                    "{with}DELETE FROM {} WHERE rowid IN (SELECT {row}{text}{selection}{limit})",
                    target.text
                )
            } else {
                format!("{with}DELETE FROM {} AS {}{selection}", target.text, quote(&alias))
            })
        })(self);
        self.scopes.clear();
        let mut sql = made?;
        self.ctes.truncate(known);
        let mut rows = None;
        if let Some(output) = &delete.output {
            self.scopes.push(vec![target.source("deleted")]);
            let made = self.returning(output, "deleted");
            self.scopes.pop();
            let (tail, returned) = made?;
            sql.push_str(&tail);
            rows = Some(returned);
        }
        let mut action = target.write(sql, Ended::Delete);
        if let Action::Write { returned, .. } = &mut action {
            *returned = rows;
        }
        Ok(action)
    }

    /// The name that a write names its table by, and the last part or alias of it.
    fn written(&mut self, factor: &TableFactor) -> Result<(Vec<Ident>, String), SqlError> {
        match factor {
            TableFactor::Table { name, alias: None, args: None, version: None, sample: None, json_path: None, .. } => {
                let parts = self.parts(name)?;
                let said = parts.last().map(|p| p.value.clone()).unwrap_or_default();
                Ok((parts, said))
            }
            _ => Err(self.no("an alias in a write")),
        }
    }

    /// The table that a write means, given its FROM: an alias there, or a table named there.
    fn among(
        &mut self,
        name: &[Ident],
        said: &str,
        from: &[TableWithJoins],
    ) -> Result<(Target, String), SqlError> {
        if from.is_empty() {
            return Ok((self.target(name)?, said.to_owned()));
        }
        let factors = from.iter().flat_map(|t| {
            std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation))
        });
        let mut by_name = None;
        for factor in factors {
            let TableFactor::Table { name: full, alias, .. } = factor else { continue };
            let parts = self.parts(full)?;
            let last = parts.last().map(|p| p.value.clone()).unwrap_or_default();
            match alias {
                Some(alias) if alias.name.value.eq_ignore_ascii_case(said) => {
                    return Ok((self.target(&parts)?, alias.name.value.clone()));
                }
                None if last.eq_ignore_ascii_case(said) => return Ok((self.target(&parts)?, last)),
                Some(alias) if last.eq_ignore_ascii_case(said) => {
                    by_name = Some((parts, alias.name.value.clone()));
                }
                _ => {}
            }
        }
        match by_name {
            Some((parts, alias)) => Ok((self.target(&parts)?, alias)),
            None => {
                self.target(name)?;
                Err(self.no("a write of a table that its FROM does not name"))
            }
        }
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
