//! Writes that the embedded engine has no form for: those that tell what a row was before, those of the first rows
//! only, and those through a CTE.

use super::{
    program::Action,
    scope::{Compiler, ROWID, quote},
    write::Target,
};
use crate::fault::fault;
use database::SqlError;
use sqlparser::ast::{Cte, Expr, Ident, OutputClause, Query, Select, SelectItem, SetExpr, TableFactor, With};

/// Alias, that no caller can write, of the rows of a write through a CTE.
pub(super) const THROUGH: &str = "\u{1}through";

impl Compiler {
    /// ` LIMIT n` of a write that has a TOP.
    pub(super) fn write_limit(&mut self) -> Result<Option<String>, SqlError> {
        match self.top_of_write.take() {
            Some(expr) => Ok(Some(format!(" LIMIT {}", self.amount(&expr)?))),
            None => Ok(None),
        }
    }

    /// The CTE that a write names as its table, with its base table; the caller's WITH then shows each row's number.
    pub(super) fn through<'w>(
        &self,
        with: Option<&'w With>,
        name: &[Ident],
    ) -> Result<Option<(&'w Cte, Vec<Ident>)>, SqlError> {
        let (Some(with), [name]) = (with, name) else { return Ok(None) };
        let Some(cte) = with.cte_tables.iter().find(|c| c.alias.name.value.eq_ignore_ascii_case(&name.value))
        else {
            return Ok(None);
        };
        let refused = || {
            fault(
                4405,
                self.line,
                format!(
                    "View or function '{}' is not updatable because the modification affects multiple base tables.",
                    name.value
                ),
            )
        };
        let SetExpr::Select(select) = cte.query.body.as_ref() else { return Err(refused()) };
        let [from] = select.from.as_slice() else { return Err(refused()) };
        let grouped =
            !matches!(&select.group_by, sqlparser::ast::GroupByExpr::Expressions(l, _) if l.is_empty());
        if !from.joins.is_empty() || select.distinct.is_some() || grouped || !cte.alias.columns.is_empty() {
            return Err(refused());
        }
        match &from.relation {
            TableFactor::Table { name, args: None, .. } => Ok(Some((cte, self.parts(name)?))),
            _ => Err(refused()),
        }
    }

    /// The WITH whose named CTE also shows its rows' numbers.
    pub(super) fn with_rows(with: &With, cte: &Cte) -> With {
        let mut with = with.clone();
        for one in &mut with.cte_tables {
            if one.alias.name == cte.alias.name
                && let Query { body, .. } = one.query.as_mut()
                && let SetExpr::Select(select) = body.as_mut()
            {
                let select: &mut Select = select;
                select.projection.push(SelectItem::ExprWithAlias {
                    expr: Expr::Identifier(Ident::new(ROWID)),
                    alias: Ident::new(ROWID),
                });
            }
        }
        with
    }

    /// An UPDATE that tells both what was and what is: the rows are kept as they were, then changed, then read again.
    pub(super) fn told_change(
        &mut self,
        target: &Target,
        sql: String,
        which: &str,
        output: &OutputClause,
        action: Action,
    ) -> Result<Action, SqlError> {
        let names: Vec<String> = target.columns.iter().map(|c| quote(&c.name)).collect();
        let row = target.row();
        let keep = format!(
            "CREATE TABLE temp.\"before\" AS SELECT {row} AS \"\u{1}r\", {} FROM {} WHERE {row} IN ({which})",
            names.join(", "),
            target.text
        );
        self.scopes.push(vec![target.source("inserted"), target.source("deleted")]);
        let made = self.output_list(output, &["inserted", "deleted"], false);
        self.scopes.pop();
        let (texts, returned) = made?;
        let tell = format!(
            "SELECT {} FROM temp.\"before\" AS \"deleted\" JOIN {} AS \"inserted\" ON \"inserted\".{row} = \"deleted\".\"\u{1}r\" ORDER BY \"\u{1}r\"",
            texts.join(", "),
            target.text
        );
        let Action::Write { verb, object, temp, keyed, .. } = action else { return Ok(action) };
        Ok(Action::Change {
            keep,
            tell,
            write: Box::new(Action::Write { sql, verb, object, temp, keyed, returned: None }),
            returned,
        })
    }
}
