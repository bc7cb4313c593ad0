//! APPLY, VALUES and table functions. The embedded engine has no lateral joins, but a table function of it may read
//! the tables before it: the inner rows travel as one JSON array and are taken apart again.

use super::{
    expression::Piece,
    scope::{Compiler, Field, Inner, Source, quote},
};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{
    FunctionArg, FunctionArgExpr, ObjectName, TableAlias, TableFactor, TableFunctionArgs, Values,
};

impl Compiler {
    pub(super) fn apply(&mut self, factor: &TableFactor, outer: bool) -> Result<String, SqlError> {
        let word = if outer { " LEFT JOIN " } else { " JOIN " };
        match factor {
            TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None } => {
                let (sql, columns) = self.derived(subquery)?;
                let given: Vec<String> = alias.columns.iter().map(|c| c.name.value.clone()).collect();
                let name = alias.name.value.clone();
                let fields = self.fields(&name, &given, &columns)?;
                let packed: Vec<String> = columns
                    .iter()
                    .enumerate()
                    .map(|(i, (_, ty))| packed(&format!("\"c{i}\""), *ty))
                    .collect();
                let rows = format!("SELECT json_group_array(json_array({})) FROM ({sql})", packed.join(", "));
                self.unpack(word, &rows, &name, fields)
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                let text = self.table_function(name, args, alias.as_ref())?;
                Ok(format!("{word}{text} ON 1"))
            }
            // APPLY to a plain table is a join.
            other => {
                let text = self.factor(other)?;
                Ok(format!("{word}{text} ON 1"))
            }
        }
    }

    /// A JSON array of rows as a source whose columns are taken out of it.
    fn unpack(&mut self, word: &str, rows: &str, name: &str, fields: Vec<Field>) -> Result<String, SqlError> {
        let alias = self.fresh();
        let fields = fields
            .into_iter()
            .enumerate()
            .map(|(i, f)| Field {
                inner: Inner::Text(unpacked(&format!("{}.value", quote(&alias)), i, f.ty)),
                ..f
            })
            .collect();
        self.add(Source { alias: name.to_owned(), fields, correlated: true })?;
        Ok(format!("{word}json_each(({rows})) AS {} ON 1", quote(&alias)))
    }

    /// `(VALUES (1, 'a'), (2, 'b'))`: the columns' types are those that all rows share.
    pub(super) fn values(&mut self, values: &Values) -> Result<(String, Vec<(String, Type)>), SqlError> {
        let width = values.rows.first().map_or(0, |r| r.content.len());
        let mut columns: Vec<Vec<Piece>> = vec![Vec::new(); width];
        for row in &values.rows {
            if row.content.len() != width {
                return Err(fault(
                    10709,
                    self.line,
                    "The number of columns for each row in a table value constructor must be the same.",
                ));
            }
            for (column, expr) in columns.iter_mut().zip(&row.content) {
                column.push(self.value(expr)?);
            }
        }
        let mut typed = Vec::new();
        for column in columns {
            typed.push(self.unify(column)?);
        }
        let rows: Vec<String> = (0..values.rows.len())
            .map(|r| {
                let cells: Vec<String> = typed
                    .iter()
                    .enumerate()
                    .map(|(i, (pieces, _))| format!("{} AS \"c{i}\"", pieces[r].sql))
                    .collect();
                format!("SELECT {}", cells.join(", "))
            })
            .collect();
        // The embedded engine takes any number of VALUES, but only some hundred SELECTs in one compound.
        let sql = if rows.len() < 100 {
            rows.join(" UNION ALL ")
        } else {
            let rows: Vec<String> = (0..values.rows.len())
                .map(|r| {
                    let cells: Vec<&str> = typed.iter().map(|(p, _)| p[r].sql.as_str()).collect();
                    format!("({})", cells.join(", "))
                })
                .collect();
            let names: Vec<String> = (0..width).map(|i| format!("\"column{}\" AS \"c{i}\"", i + 1)).collect();
            format!("SELECT {} FROM (VALUES {})", names.join(", "), rows.join(", "))
        };
        Ok((sql, typed.into_iter().map(|(_, ty)| (String::new(), ty)).collect()))
    }

    /// STRING_SPLIT and GENERATE_SERIES.
    pub(super) fn table_function(
        &mut self,
        name: &ObjectName,
        args: &TableFunctionArgs,
        alias: Option<&TableAlias>,
    ) -> Result<String, SqlError> {
        let shown = name.to_string();
        let mut pieces = Vec::new();
        for argument in &args.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => pieces.push(self.value(expr)?),
                _ => return Err(self.no(&shown)),
            }
        }
        let given: Vec<String> =
            alias.map(|a| a.columns.iter().map(|c| c.name.value.clone()).collect()).unwrap_or_default();
        let alias = alias.map_or_else(|| shown.clone(), |a| a.name.value.clone());
        let inner = self.fresh();
        let (call, columns) = match shown.to_ascii_uppercase().as_str() {
            "STRING_SPLIT" if matches!(pieces.len(), 2 | 3) => {
                let ordinal = match pieces.get(2).map(|p| p.sql.as_str()) {
                    None | Some("0") => false,
                    Some("1") => true,
                    _ => return Err(self.no("STRING_SPLIT with a changing third argument")),
                };
                let ty = if pieces[0].ty.name.starts_with('n') { Type::NVARCHAR } else { Type::VARCHAR };
                let text = self.as_text(pieces[0].clone())?;
                let by = self.as_text(pieces[1].clone())?;
                let mut columns =
                    vec![("value".to_owned(), ty, Inner::Text(format!("{}.value", quote(&inner))))];
                if ordinal {
                    columns.push((
                        "ordinal".to_owned(),
                        Type::BIGINT,
                        Inner::Text(format!("({}.key + 1)", quote(&inner))),
                    ));
                }
                (format!("json_each(ts_split({}, {}))", text.sql, by.sql), columns)
            }
            "GENERATE_SERIES" if matches!(pieces.len(), 2 | 3) => {
                let mut numbers = Vec::new();
                for piece in pieces {
                    if piece.ty.family != Family::Int {
                        return Err(self.no("GENERATE_SERIES of anything but whole numbers"));
                    }
                    numbers.push(piece.sql);
                }
                if numbers.len() == 2 {
                    numbers.push(format!("CASE WHEN {} <= {} THEN 1 ELSE -1 END", numbers[0], numbers[1]));
                }
                let value = Inner::Text(format!("{}.value", quote(&inner)));
                (
                    format!("json_each(ts_series({}))", numbers.join(", ")),
                    vec![("value".to_owned(), Type::INT, value)],
                )
            }
            "SYS.FN_MY_PERMISSIONS" | "FN_MY_PERMISSIONS" if pieces.len() == 2 => {
                let mut texts = Vec::new();
                for piece in pieces {
                    texts.push(self.as_text(piece)?.sql);
                }
                let base = super::scope::literal(self.base.database());
                let column = |at: usize, name: &str, length: u32| {
                    let value = Inner::Text(format!("json_extract({}.value, '$[{at}]')", quote(&inner)));
                    (name.to_owned(), Type { length, ..Type::NVARCHAR }, value)
                };
                let columns = vec![
                    column(0, "entity_name", 128),
                    column(1, "subentity_name", 128),
                    column(2, "permission_name", 60),
                ];
                (format!("json_each(ts_permissions({}, {base}))", texts.join(", ")), columns)
            }
            _ => return Err(fault(208, self.line, format!("Invalid object name '{shown}'."))),
        };
        if given.len() > columns.len() {
            return Err(fault(
                8158,
                self.line,
                format!("'{alias}' has more columns than were specified in the column list."),
            ));
        }
        let fields = columns
            .into_iter()
            .enumerate()
            .map(|(i, (name, ty, inner))| Field { name: given.get(i).cloned().unwrap_or(name), inner, ty })
            .collect();
        self.add(Source { alias, fields, correlated: true })?;
        Ok(format!("{call} AS {}", quote(&inner)))
    }
}

/// A value on its way into JSON: what JSON can't carry exactly goes as text.
fn packed(sql: &str, ty: Type) -> String {
    match ty.family {
        // Both functions make something of NULL.
        Family::Binary => format!("CASE WHEN {sql} IS NULL THEN NULL ELSE hex({sql}) END"),
        Family::Real | Family::Float => {
            format!("CASE WHEN {sql} IS NULL THEN NULL ELSE printf('%!.17g', {sql}) END")
        }
        _ => sql.to_owned(),
    }
}

fn unpacked(value: &str, at: usize, ty: Type) -> String {
    let taken = format!("({value} ->> '$[{at}]')");
    match ty.family {
        Family::Binary => format!("unhex({taken})"),
        Family::Real | Family::Float => format!("CAST({taken} AS REAL)"),
        _ => taken,
    }
}
