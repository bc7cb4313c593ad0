//! INSERT, UPDATE and DELETE on base tables.

use super::{
    Action,
    expression::{Piece, cast_text},
    query::fields_of,
    scope::{Compiler, Source, quote},
};
use crate::{
    fault::fault,
    schema::{Base, Relation},
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{
    AssignmentTarget, Delete, FromTable, Insert, ObjectName, SetExpr, TableFactor, TableObject,
    TableWithJoins, Update,
};

impl Compiler {
    /// A table that can be written.
    fn target(&mut self, name: &ObjectName) -> Result<(Base, &'static Relation), SqlError> {
        let parts = self.parts(name)?;
        let line = parts.last().map(|p| self.line_of(p)).unwrap_or(self.line);
        let found = self.place(&parts).and_then(|(base, name)| Some((base, base.relation(&name)?)));
        let (base, relation) = found.ok_or_else(|| {
            let whole: Vec<&str> = parts.iter().map(|p| p.value.as_str()).collect();
            fault(208, line, format!("Invalid object name '{}'.", whole.join(".")))
        })?;
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
        Ok((base, relation))
    }

    fn plain_table(&mut self, table: &TableWithJoins) -> Result<(Base, &'static Relation), SqlError> {
        match &table.relation {
            TableFactor::Table {
                name,
                alias: None,
                args: None,
                with_hints,
                version: None,
                sample: None,
                json_path: None,
                partitions,
                index_hints,
                ..
            } if table.joins.is_empty()
                && with_hints.is_empty()
                && partitions.is_empty()
                && index_hints.is_empty() =>
            {
                self.target(name)
            }
            _ => Err(self.no("a join or alias in a write")),
        }
    }

    fn source_of(relation: &'static Relation) -> Source {
        Source { alias: relation.name.to_owned(), fields: fields_of(relation) }
    }

    /// A value as a column takes it: too long a text is refused, `char` is padded.
    fn assigned(&mut self, piece: Piece, to: Type) -> Result<String, SqlError> {
        if piece.ty.family == Family::Null {
            return Ok("NULL".to_owned());
        }
        if piece.ty.unify(to).is_none() && to.family != Family::Text {
            return Err(self.clash(piece.ty, to));
        }
        Ok(cast_text("ts_assign", &piece.sql, piece.ty, to, 0))
    }

    pub(super) fn insert(&mut self, insert: &Insert) -> Result<Action, SqlError> {
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
            || insert.output.is_some()
            || insert.replace_into
            || insert.priority.is_some()
            || insert.insert_alias.is_some()
            || insert.settings.is_some()
            || insert.format_clause.is_some()
            || insert.multi_table_insert_type.is_some();
        let (TableObject::TableName(name), Some(source), false) = (&insert.table, &insert.source, odd) else {
            return Err(self.no("INSERT"));
        };
        let (base, relation) = self.target(name)?;
        let mut columns = Vec::new();
        for column in &insert.columns {
            let parts = self.parts(column)?;
            let [column] = parts.as_slice() else { return Err(self.no("INSERT")) };
            let found = relation.columns.iter().find(|(n, _)| n.eq_ignore_ascii_case(&column.value));
            let found = found.ok_or_else(|| {
                fault(207, self.line_of(column), format!("Invalid column name '{}'.", column.value))
            })?;
            if columns.contains(found) {
                return Err(fault(
                    264,
                    self.line,
                    format!(
                        "The column name '{}' is specified more than once in the SET clause or column list of an INSERT.",
                        found.0
                    ),
                ));
            }
            columns.push(*found);
        }
        if columns.is_empty() {
            columns = relation.columns.to_vec();
        }
        let types: Vec<Type> = columns.iter().map(|(_, declared)| Type::declared(declared)).collect();
        let count = |given: usize| {
            fault(
                if given < types.len() { 109 } else { 110 },
                0,
                "The number of columns in the INSERT statement does not match the number of values specified.",
            )
        };
        let plain_values = source.with.is_none()
            && source.order_by.is_none()
            && source.limit_clause.is_none()
            && source.fetch.is_none();
        let rows = match source.body.as_ref() {
            SetExpr::Values(values) if plain_values && !values.explicit_row => {
                let mut rows = Vec::new();
                for row in &values.rows {
                    if row.content.len() != types.len() {
                        return Err(SqlError { line: self.line as u32, ..count(row.content.len()) });
                    }
                    let mut texts = Vec::new();
                    for (expr, to) in row.content.iter().zip(&types) {
                        let piece = self.value(expr)?;
                        texts.push(self.assigned(piece, *to)?);
                    }
                    rows.push(format!("({})", texts.join(", ")));
                }
                format!("VALUES {}", rows.join(", "))
            }
            _ => {
                let (sql, made) = self.nested(source)?;
                if made.len() != types.len() {
                    return Err(SqlError { line: self.line as u32, ..count(made.len()) });
                }
                let mut texts = Vec::new();
                for (i, ((_, from), to)) in made.iter().zip(&types).enumerate() {
                    texts.push(self.assigned(Piece::new(format!("\"c{i}\""), *from), *to)?);
                }
                format!("SELECT {} FROM ({sql})", texts.join(", "))
            }
        };
        let names: Vec<String> = columns.iter().map(|(n, _)| quote(n)).collect();
        let sql = format!(
            "INSERT INTO {}.{} ({}) {rows}",
            quote(base.schema()),
            quote(relation.name),
            names.join(", ")
        );
        Ok(Action::Write { sql, verb: "INSERT", object: relation.name })
    }

    pub(super) fn update(&mut self, update: &Update) -> Result<Action, SqlError> {
        let odd = !update.optimizer_hints.is_empty()
            || update.from.is_some()
            || update.returning.is_some()
            || update.output.is_some()
            || update.or.is_some()
            || !update.order_by.is_empty()
            || update.limit.is_some();
        if odd {
            return Err(self.no("UPDATE … FROM"));
        }
        let (base, relation) = self.plain_table(&update.table)?;
        self.scopes.push(vec![Self::source_of(relation)]);
        let made = (|c: &mut Self| {
            let mut sets: Vec<(&str, String)> = Vec::new();
            for assignment in &update.assignments {
                let AssignmentTarget::ColumnName(name) = &assignment.target else { return Err(c.no("SET")) };
                let parts = c.parts(name)?;
                let [column] = parts.as_slice() else { return Err(c.no("SET")) };
                let found = relation.columns.iter().find(|(n, _)| n.eq_ignore_ascii_case(&column.value));
                let (name, declared) = found.ok_or_else(|| {
                    fault(207, c.line_of(column), format!("Invalid column name '{}'.", column.value))
                })?;
                if sets.iter().any(|(n, _)| n == name) {
                    return Err(fault(
                        264,
                        c.line,
                        format!(
                            "The column name '{name}' is specified more than once in the SET clause or column list of an INSERT."
                        ),
                    ));
                }
                let piece = c.value(&assignment.value)?;
                sets.push((name, c.assigned(piece, Type::declared(declared))?));
            }
            let selection = match &update.selection {
                Some(test) => format!(" WHERE {}", c.predicate(test)?),
                None => String::new(),
            };
            let sets: Vec<String> = sets.iter().map(|(n, v)| format!("{} = {v}", quote(n))).collect();
            let name = quote(relation.name);
            Ok(format!("UPDATE {}.{name} AS {name} SET {}{selection}", quote(base.schema()), sets.join(", ")))
        })(self);
        self.scopes.pop();
        Ok(Action::Write { sql: made?, verb: "UPDATE", object: relation.name })
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Result<Action, SqlError> {
        let odd = !delete.optimizer_hints.is_empty()
            || !delete.tables.is_empty()
            || delete.using.is_some()
            || delete.returning.is_some()
            || delete.output.is_some()
            || !delete.order_by.is_empty()
            || delete.limit.is_some();
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let ([table], false) = (from.as_slice(), odd) else { return Err(self.no("DELETE … FROM")) };
        let (base, relation) = self.plain_table(table)?;
        self.scopes.push(vec![Self::source_of(relation)]);
        let selection = match &delete.selection {
            Some(test) => self.predicate(test).map(|test| format!(" WHERE {test}")),
            None => Ok(String::new()),
        };
        self.scopes.pop();
        let name = quote(relation.name);
        let sql = format!("DELETE FROM {}.{name} AS {name}{}", quote(base.schema()), selection?);
        Ok(Action::Write { sql, verb: "DELETE", object: relation.name })
    }
}
