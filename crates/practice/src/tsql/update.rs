//! UPDATE and DELETE.

use super::{
    changes::THROUGH,
    program::Action,
    scope::{Compiler, ROWID, Source, quote},
    write::Target,
};
use crate::{events::Ended, fault::fault};
use database::SqlError;
use sqlparser::ast::{
    AssignmentTarget, Delete, Expr, FromTable, Ident, ObjectName, Update, UpdateTableFromKind, With,
};
use std::ops::ControlFlow;

/// An UPDATE so far.
enum Made {
    Update { sql: String, which: String },
    Rekey(Action),
}

impl Compiler {
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
                    (
                        format!(" FROM {} AS {}", target.text, quote(&alias)),
                        format!("{}.{}", quote(&alias), target.row()),
                    )
                }
                None => (c.beside(&target, &alias, from)?, format!("{}.{}", quote(&alias), target.row())),
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
            let rekeys = sets.iter().any(|(n, _)| target.keys.iter().any(|k| k.eq_ignore_ascii_case(n)));
            if rekeys {
                return c
                    .rekey(&target, &sets, &format!("{text}{selection}{limit}"), &with, &alias)
                    .map(Made::Rekey);
            }
            let sql = if listed {
                // Of several joined rows for one row any may win, as in SQL Server.
                let values: Vec<String> =
                    sets.iter().enumerate().map(|(i, (_, v))| format!("{v} AS \"v{i}\"")).collect();
                let sets: Vec<String> = sets
                    .iter()
                    .enumerate()
                    .map(|(i, (n, _))| format!("{} = \"s\".\"v{i}\"", quote(n)))
                    .collect();
                format!(
                    "{with}UPDATE {} AS \"u\" SET {} FROM (SELECT {row} AS \"r\", {}{text}{selection}{limit}) AS \"s\" WHERE \"u\".{} = \"s\".\"r\"",
                    target.text,
                    sets.join(", "),
                    values.join(", "),
                    target.row()
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
            Ok(Made::Update { sql, which })
        })(self);
        self.scopes.clear();
        let action = made.and_then(|made| match (made, &update.output) {
            (Made::Rekey(action), None) => Ok(action),
            (Made::Rekey(_), Some(_)) => Err(self.no("OUTPUT of an UPDATE of a key")),
            (Made::Update { sql, which }, output) => match output {
                None => Ok(target.write(sql, Ended::Update)),
                Some(output) => {
                    let action = target.write(String::new(), Ended::Update);
                    self.told_change(&target, sql, &which, output, action)
                }
            },
        });
        self.ctes.truncate(known);
        action
    }

    /// An UPDATE that changes a key.
    fn rekey(
        &mut self,
        target: &Target,
        sets: &[(String, String)],
        tail: &str,
        with: &str,
        alias: &str,
    ) -> Result<Action, SqlError> {
        if alias == THROUGH {
            return Err(self.no("an UPDATE of a key through a CTE"));
        }
        let names: Vec<String> = target.columns.iter().map(|c| quote(&c.name)).collect();
        let values: Vec<String> = target
            .columns
            .iter()
            .map(|c| {
                let set = sets.iter().find(|(n, _)| *n == c.name).map(|(_, text)| text.clone());
                let set = set.map(|text| self.needed(target, &c.name, text));
                let value = set.unwrap_or_else(|| format!("{}.{}", quote(alias), quote(&c.name)));
                format!("{value} AS {}", quote(&c.name))
            })
            .collect();
        Ok(Action::Rekey {
            keep: format!(
                "CREATE TABLE temp.\"before\" AS {with}SELECT {}.{} AS \"\u{1}r\", {}{tail}",
                quote(alias),
                target.row(),
                values.join(", ")
            ),
            delete: format!(
                "DELETE FROM {} WHERE {} IN (SELECT \"\u{1}r\" FROM temp.\"before\")",
                target.text,
                target.row()
            ),
            // Of several joined rows for one row any may win.
            insert: format!(
                "INSERT INTO {} ({}) SELECT {} FROM temp.\"before\" GROUP BY \"\u{1}r\"",
                target.text,
                names.join(", "),
                names.join(", ")
            ),
            object: target.shown.clone(),
            temp: target.temp.is_some(),
        })
    }

    /// The FROM of a CTE that a write goes through, and how its rows' numbers are read.
    pub(super) fn through_cte(&mut self, name: &[Ident]) -> Result<(String, String), SqlError> {
        let (text, fields) = self.relation(name, self.line)?;
        let row = fields
            .iter()
            .find(|f| f.name == ROWID)
            .map(|f| f.text(THROUGH))
            .ok_or_else(|| self.no("a write through this CTE"))?;
        self.scopes.push(vec![Source { alias: THROUGH.to_owned(), fields, correlated: true }]);
        Ok((format!(" FROM {text} AS {}", quote(THROUGH)), row))
    }

    pub(super) fn twice(&self, column: &str) -> SqlError {
        fault(
            264,
            self.line,
            format!(
                "The column name '{column}' is specified more than once in the SET clause or column list of an INSERT. A column cannot be assigned more than one value in the same clause. Modify the clause to make sure that a column is updated only once. If this statement updates or inserts columns into a view, column aliasing can conceal the duplication in your code."
            ),
        )
    }

    pub(super) fn set(
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
                None if joined => {
                    (c.beside(&target, &alias, from)?, format!("{}.{}", quote(&alias), target.row()))
                }
                None => {
                    c.scopes.push(vec![target.source(&alias)]);
                    (
                        format!(" FROM {} AS {}", target.text, quote(&alias)),
                        format!("{}.{}", quote(&alias), target.row()),
                    )
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
                    "{with}DELETE FROM {} WHERE {} IN (SELECT {row}{text}{selection}{limit})",
                    target.text,
                    target.row()
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
}
