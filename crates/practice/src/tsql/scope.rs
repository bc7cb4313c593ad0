//! Which tables and columns a name can mean at a place in a query.

use super::{
    batch::Setting,
    program::{Shape, Temp, Variable},
};
use crate::{
    fault::{fault, unsupported},
    schema::Base,
    types::Type,
};
use database::SqlError;
use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};
use std::sync::Arc;

/// A column of something in a FROM.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// As the caller names it.
    pub(super) name: String,
    /// How the embedded engine has it.
    pub(super) inner: Inner,
    pub(super) ty: Type,
}

/// Where a column's value is.
#[derive(Clone, Debug)]
pub(super) enum Inner {
    /// A column of the source, by the engine's name.
    Column(String),
    /// A text of its own.
    Text(String),
}

impl From<&str> for Inner {
    fn from(name: &str) -> Inner {
        Inner::Column(name.to_owned())
    }
}

/// Names, that no caller can write, of the hidden columns: the row's number, and the depth of a recursion.
pub(super) const ROWID: &str = "\u{1}rowid";
pub(super) const DEPTH: &str = "\u{1}depth";

impl Field {
    /// How the embedded engine reads it from the source of that alias.
    pub(super) fn text(&self, alias: &str) -> String {
        match &self.inner {
            Inner::Text(text) => text.clone(),
            Inner::Column(name) => format!("{}.{}", quote(alias), quote(name)),
        }
    }
}

/// Something in a FROM.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) alias: String,
    pub(super) fields: Vec<Field>,
    /// Whether the caller gave the alias, rather than the table its name.
    pub(super) correlated: bool,
}

/// A common table expression in reach.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) inner: String,
    pub(super) fields: Vec<Field>,
}

/// The compiler of one batch.
pub(super) struct Compiler {
    pub(super) base: Base,
    pub(super) variables: Vec<Variable>,
    /// Temporary tables and table variables in reach.
    pub(super) temps: Vec<Arc<Temp>>,
    /// Table variables of this batch.
    pub(super) declared: Vec<(Arc<Temp>, Shape)>,
    /// Innermost last.
    pub(super) scopes: Vec<Vec<Source>>,
    pub(super) ctes: Vec<Named>,
    /// Texts of the GROUP BY in force; `None` outside of a grouped query.
    pub(super) groups: Option<Vec<String>>,
    /// Columns seen outside of any aggregate and of the GROUP BY.
    pub(super) bare: Vec<String>,
    /// Columns of outer queries that have been seen: the number of their scope, their text, their name.
    pub(super) outer: Vec<(usize, String, String)>,
    /// Whether an aggregate may stand here, and whether one stood.
    pub(super) aggregates: bool,
    pub(super) aggregated: bool,
    /// Whether a window function may stand here.
    pub(super) windows: bool,
    /// Variables that are read row by row, as they stand then.
    pub(super) running: Vec<usize>,
    /// Whether the next SELECT may have an INTO.
    pub(super) into: bool,
    /// Where the tables since the last comma of the innermost FROM begin.
    pub(super) group_start: usize,
    /// Numbers of FETCH NEXT, and the TOP of a write, which the parser has no place for.
    pub(super) fetches: Vec<Expr>,
    pub(super) top_of_write: Option<Expr>,
    /// `OPTION (MAXRECURSION n)`; 0 is no limit.
    pub(super) max_recursion: u32,
    /// Columns of the innermost FROM that an outer text reads by number: set while it is compiled.
    pub(super) lifted: Option<Vec<(String, Type)>>,
    pub(super) depth: u32,
    /// Line of the statement.
    pub(super) line: u64,
    pub(super) next_name: u32,
    pub(super) next_table: u64,
}

/// Deeper than any sensible query, and safe on a thread's stack.
const DEEPEST: u32 = 200;

impl Compiler {
    pub(super) fn new(setting: &Setting<'_>, variables: Vec<Variable>) -> Self {
        Compiler {
            base: setting.base,
            variables,
            temps: setting.temps.to_vec(),
            declared: Vec::new(),
            scopes: Vec::new(),
            ctes: Vec::new(),
            groups: None,
            bare: Vec::new(),
            outer: Vec::new(),
            aggregates: false,
            aggregated: false,
            windows: false,
            running: Vec::new(),
            into: false,
            group_start: 0,
            fetches: Vec::new(),
            top_of_write: None,
            max_recursion: 100,
            lifted: None,
            depth: 0,
            line: 1,
            next_name: 0,
            next_table: setting.next_table,
        }
    }

    /// A new statement: nothing of the one before is left, also when that one failed.
    pub(super) fn begin(&mut self, line: u64) {
        self.scopes.clear();
        self.ctes.clear();
        self.groups = None;
        self.bare.clear();
        self.outer.clear();
        (self.aggregates, self.aggregated, self.windows) = (false, false, false);
        self.running.clear();
        self.into = false;
        self.fetches.clear();
        self.top_of_write = None;
        self.max_recursion = 100;
        self.lifted = None;
        self.depth = 0;
        self.line = line;
    }

    /// The embedded engine's name of a new table variable.
    pub(super) fn fresh_table(&mut self) -> String {
        self.next_table += 1;
        format!("v{}", self.next_table)
    }

    /// The temporary table or table variable of that name.
    pub(super) fn temp_of(&self, parts: &[Ident]) -> Option<Arc<Temp>> {
        let name = match parts {
            [name] => name,
            [database, _, name] if database.value.eq_ignore_ascii_case("tempdb") => name,
            _ => return None,
        };
        if !name.value.starts_with(['#', '@']) {
            return None;
        }
        self.temps.iter().rev().find(|t| t.name.eq_ignore_ascii_case(&name.value)).cloned()
    }

    /// A column of a temporary table as that names it.
    pub(super) fn temp_column(&self, temp: &Temp, name: &str) -> Result<String, SqlError> {
        temp.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)).map(|c| c.name.clone()).ok_or_else(
            || {
                fault(
                    1911,
                    self.line,
                    format!("Column name '{name}' does not exist in the target table or view."),
                )
            },
        )
    }

    /// 208, or 1087 for a table variable.
    pub(super) fn invalid_object(&self, parts: &[Ident]) -> SqlError {
        let line = parts.last().map_or(self.line, |p| self.line_of(p));
        if let [only] = parts
            && only.value.starts_with('@')
        {
            return fault(1087, line, format!("Must declare the table variable \"{}\".", only.value));
        }
        let whole: Vec<&str> = parts.iter().map(|p| p.value.as_str()).collect();
        fault(208, line, format!("Invalid object name '{}'.", whole.join(".")))
    }

    /// The database and bare name of a procedure; `sp_…` ones are in every database and schema.
    pub(super) fn place_of_procedure(&self, parts: &[Ident]) -> Option<(Base, String)> {
        match parts {
            [.., schema, name]
                if schema.value.eq_ignore_ascii_case("sys")
                    && name.value.to_ascii_lowercase().starts_with("sp_") =>
            {
                Some((self.base, name.value.clone()))
            }
            [database, _, name]
                if name.value.to_ascii_lowercase().starts_with("sp_")
                    && database.value.eq_ignore_ascii_case("master") =>
            {
                Some((self.base, name.value.clone()))
            }
            _ => self.place(parts),
        }
    }

    pub(super) fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if self.depth >= DEEPEST {
            return Err(fault(
                191,
                self.line,
                "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries.",
            ));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub(super) fn no(&self, what: &str) -> SqlError {
        unsupported(self.line, what)
    }

    pub(super) fn line_of(&self, ident: &Ident) -> u64 {
        if ident.span.start.line > 0 { ident.span.start.line } else { self.line }
    }

    pub(super) fn fresh(&mut self) -> String {
        self.next_name += 1;
        format!("t{}", self.next_name)
    }

    /// Index of a variable.
    pub(super) fn variable(&self, ident: &Ident) -> Result<usize, SqlError> {
        self.variables.iter().position(|v| v.name.eq_ignore_ascii_case(&ident.value)).ok_or_else(|| {
            fault(137, self.line_of(ident), format!("Must declare the scalar variable \"{}\".", ident.value))
        })
    }

    /// Parts of an object's name; functions as parts are not T-SQL.
    pub(super) fn parts(&self, name: &ObjectName) -> Result<Vec<Ident>, SqlError> {
        name.0
            .iter()
            .map(|part| match part {
                ObjectNamePart::Identifier(ident) => Ok(ident.clone()),
                ObjectNamePart::Function(_) => Err(self.no("(")),
            })
            .collect()
    }

    /// The database and bare name that `[server.]database.schema.name` means; `None` when there is no such database or schema.
    pub(super) fn place(&self, parts: &[Ident]) -> Option<(Base, String)> {
        let dbo = |schema: &Ident| schema.value.eq_ignore_ascii_case("dbo") || schema.value.is_empty();
        match parts {
            [name] => Some((self.base, name.value.clone())),
            [schema, name] if dbo(schema) => Some((self.base, name.value.clone())),
            [database, schema, name] if dbo(schema) => {
                Some((Base::by_name(&database.value)?, name.value.clone()))
            }
            _ => None,
        }
    }

    /// Finds a column; emits its text.
    pub(super) fn column(&mut self, path: &[Ident]) -> Result<(String, Type), SqlError> {
        let (last, qualifier) = path.split_last().expect("a parsed name has parts");
        if qualifier.len() > 3 {
            return Err(self.no(&last.value));
        }
        if let Some(table) = qualifier.last().filter(|q| q.value.starts_with('@') && q.quote_style.is_none())
        {
            return Err(fault(
                137,
                self.line_of(table),
                format!("Must declare the scalar variable \"{}\".", table.value),
            ));
        }
        if last.value == ROWID
            && let Some([source]) = self.scopes.last().map(Vec::as_slice)
        {
            let row = super::write::row_number(source.fields.iter().map(|f| f.name.as_str()));
            return Ok((format!("{}.{row}", quote(&source.alias)), Type::BIGINT));
        }
        for (depth, scope) in self.scopes.iter().rev().enumerate() {
            let mut found = scope
                .iter()
                .filter(|s| qualifier.last().is_none_or(|q| q.value.eq_ignore_ascii_case(&s.alias)))
                .flat_map(|s| {
                    s.fields.iter().filter(|f| f.name.eq_ignore_ascii_case(&last.value)).map(move |f| (s, f))
                });
            let Some((source, field)) = found.next() else { continue };
            if found.next().is_some() {
                return Err(fault(
                    209,
                    self.line_of(last),
                    format!("Ambiguous column name '{}'.", last.value),
                ));
            }
            let mut text = field.text(&source.alias);
            let ty = field.ty;
            if depth + 1 == self.scopes.len()
                && let Some(lifted) = &mut self.lifted
            {
                // An outer text reads what this one lists.
                let at = lifted.iter().position(|(t, _)| *t == text).unwrap_or_else(|| {
                    lifted.push((text.clone(), ty));
                    lifted.len() - 1
                });
                text = format!("\"q\".\"k{at}\"");
                return Ok((text, ty));
            }
            if depth == 0 {
                self.bare.push(format!("{}.{}", source.alias, field.name));
            } else {
                self.outer.push((
                    self.scopes.len() - 1 - depth,
                    text.clone(),
                    format!("{}.{}", source.alias, field.name),
                ));
            }
            return Ok((text, ty));
        }
        let line = self.line_of(last);
        let known = qualifier.is_empty()
            || self
                .scopes
                .iter()
                .flatten()
                .any(|s| qualifier.last().is_some_and(|q| q.value.eq_ignore_ascii_case(&s.alias)));
        if known {
            return Err(fault(207, line, format!("Invalid column name '{}'.", last.value)));
        }
        let whole: Vec<&str> = path.iter().map(|p| p.value.as_str()).collect();
        Err(fault(
            4104,
            line,
            format!("The multi-part identifier \"{}\" could not be bound.", whole.join(".")),
        ))
    }
}

/// An identifier for the embedded engine.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal for the embedded engine. It has no way to write U+0000 in one; T-SQL has no use for it either.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}
