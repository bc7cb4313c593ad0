//! What INSERT, UPDATE and DELETE share: the table that is written, found and described.

use super::{
    expression::{Piece, cast_text},
    program::{Action, ShapeColumn},
    scope::{Compiler, Field, Source, literal, quote},
};
use crate::{
    events::Ended,
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{Ident, TableFactor, TableWithJoins, With};

/// A table that a statement writes.
pub(super) struct Target {
    /// As the embedded engine names it.
    pub(super) text: String,
    /// As errors name it.
    pub(super) shown: String,
    /// The engine's name of a temporary one.
    pub(super) temp: Option<String>,
    pub(super) columns: Vec<ShapeColumn>,
    /// A base table whose key the engine counts.
    pub(super) keyed: bool,
    /// SET IDENTITY_INSERT is on.
    pub(super) identity_insert: bool,
    /// Columns of its keys.
    pub(super) keys: Vec<String>,
}

/// How the embedded engine calls a row's own number in a table with these columns: a caller's column may have one of
/// its names. (No table has all three: its CREATE is refused.)
pub(super) fn row_number<'n>(columns: impl Iterator<Item = &'n str> + Clone) -> &'static str {
    let taken = |name: &str| columns.clone().any(|c| c.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name)).unwrap_or("rowid")
}

impl Target {
    /// The row's own number.
    pub(super) fn row(&self) -> &'static str {
        row_number(self.columns.iter().map(|c| c.name.as_str()))
    }

    pub(super) fn source(&self, alias: &str) -> Source {
        let field = |c: &ShapeColumn| Field { name: c.name.clone(), inner: c.name.as_str().into(), ty: c.ty };
        Source { alias: alias.to_owned(), fields: self.columns.iter().map(field).collect(), correlated: true }
    }

    pub(super) fn write(&self, sql: String, verb: Ended) -> Action {
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
    pub(super) fn target(&mut self, parts: &[Ident]) -> Result<Target, SqlError> {
        if let Some(temp) = self.temp_of(parts) {
            if temp.readonly {
                return Err(fault(
                    10_700,
                    self.line,
                    format!(
                        "The table-valued parameter \"{}\" is READONLY and cannot be modified.",
                        temp.name
                    ),
                ));
            }
            return Ok(Target {
                text: format!("temp.{}", quote(&temp.inner)),
                shown: temp.name.clone(),
                temp: Some(temp.inner.clone()),
                columns: temp.columns.clone(),
                keyed: false,
                identity_insert: temp.identity_insert,
                keys: temp.keys.clone(),
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
            keys: relation
                .columns
                .iter()
                .filter(|(_, declared)| declared.ends_with(" key"))
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            keyed: relation.columns.iter().any(|(_, declared)| declared.ends_with(" key")),
        })
    }

    /// The FROM of a write; a table that it does not name stands beside the others.
    pub(super) fn beside(
        &mut self,
        target: &Target,
        alias: &str,
        tables: &[TableWithJoins],
    ) -> Result<String, SqlError> {
        let text = self.from(tables)?;
        let scope = self.scopes.last_mut().expect("the FROM opened its scope");
        if scope.iter().any(|s| s.alias.eq_ignore_ascii_case(alias)) {
            return Ok(text);
        }
        scope.push(target.source(alias));
        Ok(format!("{text} CROSS JOIN {} AS {}", target.text, quote(alias)))
    }

    /// A value that a lasting table's key takes: never NULL, for which the embedded engine would count on.
    pub(super) fn needed(&self, target: &Target, column: &str, text: String) -> String {
        let key = target.temp.is_none() && target.keys.iter().any(|k| k == column);
        if key { format!("ts_key({text}, {})", literal(&target.shown)) } else { text }
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

    pub(super) fn with_text(&mut self, with: Option<&With>) -> Result<String, SqlError> {
        with.map_or(Ok(String::new()), |with| self.with(with))
    }

    /// The name that a write names its table by, and the last part or alias of it.
    pub(super) fn written(&mut self, factor: &TableFactor) -> Result<(Vec<Ident>, String), SqlError> {
        match factor {
            TableFactor::Table {
                name,
                alias: None,
                args: None,
                version: None,
                sample: None,
                json_path: None,
                ..
            } => {
                let parts = self.parts(name)?;
                let said = parts.last().map(|p| p.value.clone()).unwrap_or_default();
                Ok((parts, said))
            }
            _ => Err(self.no("an alias in a write")),
        }
    }

    /// The table that a write means, given its FROM: an alias there, or a table named there.
    pub(super) fn among(
        &mut self,
        name: &[Ident],
        said: &str,
        from: &[TableWithJoins],
    ) -> Result<(Target, String), SqlError> {
        if from.is_empty() {
            return Ok((self.target(name)?, said.to_owned()));
        }
        let factors =
            from.iter().flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
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
            // Its FROM does not name it: the two are joined by the WHERE alone.
            None => Ok((self.target(name)?, said.to_owned())),
        }
    }
}
