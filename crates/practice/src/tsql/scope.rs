//! Which tables and columns a name can mean at a place in a query.

use super::Variable;
use crate::{
    fault::{fault, unsupported},
    schema::Base,
    types::Type,
};
use database::SqlError;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

/// A column of something in a FROM.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// As the caller names it.
    pub(super) name: String,
    /// As the embedded engine names it.
    pub(super) inner: String,
    pub(super) ty: Type,
}

/// Something in a FROM.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) alias: String,
    pub(super) fields: Vec<Field>,
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
    /// Innermost last.
    pub(super) scopes: Vec<Vec<Source>>,
    pub(super) ctes: Vec<Named>,
    /// Texts of the GROUP BY in force; `None` outside of a grouped query.
    pub(super) groups: Option<Vec<String>>,
    /// Columns seen outside of any aggregate and of the GROUP BY.
    pub(super) bare: Vec<String>,
    /// Whether an aggregate may stand here, and whether one stood.
    pub(super) aggregates: bool,
    pub(super) aggregated: bool,
    pub(super) depth: u32,
    /// Line of the statement.
    pub(super) line: u64,
    pub(super) next_name: u32,
}

/// Deeper than any sensible query, and safe on a thread's stack.
const DEEPEST: u32 = 200;

impl Compiler {
    pub(super) fn new(base: Base, variables: Vec<Variable>) -> Self {
        Compiler {
            base,
            variables,
            scopes: Vec::new(),
            ctes: Vec::new(),
            groups: None,
            bare: Vec::new(),
            aggregates: false,
            aggregated: false,
            depth: 0,
            line: 1,
            next_name: 0,
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
            let text = format!("{}.{}", quote(&source.alias), quote(&field.inner));
            let ty = field.ty;
            if depth == 0 {
                self.bare.push(format!("{}.{}", source.alias, field.name));
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
