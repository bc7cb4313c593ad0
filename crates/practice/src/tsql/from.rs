//! FROM: tables, joins, derived tables, table functions.

use super::{
    expression::first_words,
    scope::{Compiler, Field, Source, quote},
};
use crate::{fault::fault, schema::Relation, types::Type};
use database::SqlError;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, JoinConstraint, JoinOperator, Query, SetExpr, TableAlias,
    TableFactor, TableFunctionArgs, TableWithJoins,
};

/// Table hints that change no answer here.
const HINTS: &[&str] = &[
    "NOLOCK",
    "READUNCOMMITTED",
    "READCOMMITTED",
    "READCOMMITTEDLOCK",
    "REPEATABLEREAD",
    "SERIALIZABLE",
    "HOLDLOCK",
    "ROWLOCK",
    "PAGLOCK",
    "TABLOCK",
    "TABLOCKX",
    "UPDLOCK",
    "XLOCK",
    "NOWAIT",
    "READPAST",
    "FORCESEEK",
    "FORCESCAN",
    "NOEXPAND",
    "KEEPIDENTITY",
    "KEEPDEFAULTS",
    "SNAPSHOT",
];

impl Compiler {
    /// All of a FROM, with its word; opens a scope that the caller closes.
    pub(super) fn from(&mut self, tables: &[TableWithJoins]) -> Result<String, SqlError> {
        let outer = self.group_start;
        let made = self.tables_of(tables);
        self.group_start = outer;
        made
    }

    fn tables_of(&mut self, tables: &[TableWithJoins]) -> Result<String, SqlError> {
        self.scopes.push(Vec::new());
        let mut from = String::new();
        for (i, table) in tables.iter().enumerate() {
            from.push_str(if i == 0 { " FROM " } else { " CROSS JOIN " });
            // The comma binds weakest: what an outer join after it leaves open is its own side only.
            self.group_start = self.scopes.last().map_or(0, Vec::len);
            let apart = i > 0 && table.joins.iter().any(|j| reaches_left(&j.join_operator));
            if apart {
                from.push('(');
            }
            from.push_str(&self.factor(&table.relation)?);
            for join in &table.joins {
                if join.global {
                    return Err(self.no("GLOBAL"));
                }
                from.push_str(&self.join(&join.join_operator, &join.relation)?);
            }
            if apart {
                from.push(')');
            }
        }
        Ok(from)
    }

    fn join(&mut self, operator: &JoinOperator, relation: &TableFactor) -> Result<String, SqlError> {
        let (word, constraint) = match operator {
            JoinOperator::Join(c) | JoinOperator::Inner(c) => (" JOIN ", c),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (" LEFT JOIN ", c),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (" RIGHT JOIN ", c),
            JoinOperator::FullOuter(c) => (" FULL JOIN ", c),
            JoinOperator::CrossJoin(JoinConstraint::None) => {
                return Ok(format!(" CROSS JOIN {}", self.factor(relation)?));
            }
            JoinOperator::CrossApply => return self.apply(relation, false),
            JoinOperator::OuterApply => return self.apply(relation, true),
            _ => return Err(self.no("JOIN")),
        };
        let table = self.factor(relation)?;
        let JoinConstraint::On(test) = constraint else { return Err(self.no("JOIN without ON")) };
        let aggregates = std::mem::replace(&mut self.aggregates, false);
        // Tables before the last comma are out of its sight.
        let (start, depth) = (self.group_start, self.scopes.len());
        let all = self.scopes.last_mut().map(std::mem::take).unwrap_or_default();
        if let Some(scope) = self.scopes.last_mut() {
            scope.extend_from_slice(&all[start.min(all.len())..]);
        }
        let test = self.predicate(test);
        self.group_start = start;
        if let Some(scope) = self.scopes.get_mut(depth - 1) {
            *scope = all;
        }
        let test = test?;
        self.aggregates = aggregates;
        Ok(format!("{word}{table} ON {test}"))
    }

    pub(super) fn factor(&mut self, factor: &TableFactor) -> Result<String, SqlError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if partitions.is_empty() && index_hints.is_empty() && args.as_ref().is_none_or(hints_only) => {
                self.hints(with_hints)?;
                let parts = self.parts(name)?;
                let last = parts.last().map(|p| (p.value.clone(), self.line_of(p))).unwrap_or_default();
                let (text, fields) = self.relation(&parts, last.1)?;
                let correlated = alias.is_some();
                let alias = self.alias(alias.as_ref(), &last.0)?;
                self.add(Source { alias: alias.clone(), fields, correlated })?;
                Ok(format!("{text} AS {}", quote(&alias)))
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                self.table_function(name, args, alias.as_ref())
            }
            TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None } => {
                // A derived table does not see its neighbours.
                let hidden = self.scopes.pop().unwrap_or_default();
                let made = self.derived(subquery);
                self.scopes.push(hidden);
                let (sql, columns) = made?;
                let given: Vec<String> = alias.columns.iter().map(|c| c.name.value.clone()).collect();
                let name = alias.name.value.clone();
                let fields = self.fields(&name, &given, &columns)?;
                self.add(Source { alias: name.clone(), fields, correlated: true })?;
                Ok(format!("({sql}) AS {}", quote(&name)))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                let mut text = self.deeper(|c| c.factor(&table_with_joins.relation))?;
                for join in &table_with_joins.joins {
                    text.push_str(&self.join(&join.join_operator, &join.relation)?);
                }
                Ok(format!("({text})"))
            }
            other => Err(self.no(&first_words(other))),
        }
    }

    /// A query in a FROM: VALUES is allowed too, ORDER BY only where it says which rows.
    pub(super) fn derived(&mut self, query: &Query) -> Result<(String, Vec<(String, Type)>), SqlError> {
        if let SetExpr::Values(values) = query.body.as_ref()
            && query.with.is_none()
            && query.order_by.is_none()
        {
            return self.values(values);
        }
        self.check_inner_order(query)?;
        self.nested(query)
    }

    /// SQL Server wants no ORDER BY in a derived table that picks no rows by it.
    pub(super) fn check_inner_order(&self, query: &Query) -> Result<(), SqlError> {
        let picks = query.fetch.is_some()
            || query.limit_clause.is_some()
            || query.for_clause.is_some()
            || matches!(query.body.as_ref(), SetExpr::Select(s) if s.top.is_some());
        if query.order_by.is_some() && !picks {
            return Err(fault(
                1033,
                self.line,
                "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and common table expressions, unless TOP, OFFSET or FOR XML is also specified.",
            ));
        }
        Ok(())
    }

    fn hints(&self, hints: &[Expr]) -> Result<(), SqlError> {
        for hint in hints {
            let text = match hint {
                Expr::Identifier(word) => word.value.to_ascii_uppercase(),
                Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("INDEX") => continue,
                other => return Err(self.no(&first_words(other))),
            };
            if !HINTS.contains(&text.as_str()) {
                return Err(self.no(&text));
            }
        }
        Ok(())
    }

    pub(super) fn alias(&self, alias: Option<&TableAlias>, name: &str) -> Result<String, SqlError> {
        match alias {
            None => Ok(name.to_owned()),
            // `t (NOLOCK)`: a hint without its WITH reads like a column list.
            Some(alias)
                if alias.at.is_none()
                    && alias.columns.iter().all(|c| {
                        c.data_type.is_none() && HINTS.contains(&c.name.value.to_ascii_uppercase().as_str())
                    }) =>
            {
                Ok(alias.name.value.clone())
            }
            Some(alias) => Err(self.no(&alias.name.value)),
        }
    }

    pub(super) fn add(&mut self, source: Source) -> Result<(), SqlError> {
        let scope = self.scopes.last_mut().expect("a SELECT pushed its scope");
        if scope.iter().any(|s| s.alias.eq_ignore_ascii_case(&source.alias)) {
            if source.correlated {
                return Err(fault(
                    1011,
                    self.line,
                    format!(
                        "The correlation name '{}' is specified multiple times in a FROM clause.",
                        source.alias
                    ),
                ));
            }
            return Err(fault(
                1013,
                self.line,
                format!(
                    "The objects \"{0}\" and \"{0}\" in the FROM clause have the same exposed names. Use correlation names to distinguish them.",
                    source.alias
                ),
            ));
        }
        scope.push(source);
        Ok(())
    }

    /// A table, view, temporary table or CTE by name: its text and its columns.
    pub(super) fn relation(&mut self, parts: &[Ident], line: u64) -> Result<(String, Vec<Field>), SqlError> {
        if let [only] = parts
            && let Some(cte) = self.ctes.iter().rev().find(|c| c.name.eq_ignore_ascii_case(&only.value))
        {
            return Ok((quote(&cte.inner), cte.fields.clone()));
        }
        if let Some(temp) = self.temp_of(parts) {
            let fields = temp
                .columns
                .iter()
                .map(|c| Field { name: c.name.clone(), inner: c.name.as_str().into(), ty: c.ty })
                .collect();
            return Ok((format!("temp.{}", quote(&temp.inner)), fields));
        }
        if let [database, schema, name] = parts
            && database.value.eq_ignore_ascii_case("tempdb")
            && crate::schema::Base::Patients.system(&schema.value, &name.value).is_some()
        {
            return Err(
                self.no("tempdb's views (OBJECT_ID('tempdb..#t') tells whether a temporary table is there)")
            );
        }
        if let Some((base, relation)) = self
            .system(parts)
            .or_else(|| self.place(parts).and_then(|(base, name)| Some((base, base.relation(&name)?))))
        {
            return Ok((format!("{}.{}", quote(base.schema()), quote(relation.name)), fields_of(relation)));
        }
        let mut error = self.invalid_object(parts);
        error.line = u32::try_from(line).unwrap_or(0);
        Err(error)
    }

    /// A view of the system's own schemas.
    pub(super) fn system(&self, parts: &[Ident]) -> Option<(crate::schema::Base, &'static Relation)> {
        use crate::schema::Base;
        let (database, schema, name) = match parts {
            [name] => (None, "dbo", name),
            [schema, name] => (None, schema.value.as_str(), name),
            [database, schema, name] => (Some(&database.value), schema.value.as_str(), name),
            _ => return None,
        };
        let base = match database {
            None => self.base,
            Some(d) if d.eq_ignore_ascii_case("master") => self.base,
            Some(d) => Base::by_name(d)?,
        };
        let schema = if schema.is_empty() { "dbo" } else { schema };
        base.system(schema, &name.value).map(|r| (base, r))
    }
}

/// A join that keeps rows of its right side which have none on the left.
fn reaches_left(operator: &JoinOperator) -> bool {
    matches!(operator, JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_))
}

/// `t (NOLOCK)` reads like a call.
fn hints_only(args: &TableFunctionArgs) -> bool {
    !args.args.is_empty()
        && args.args.iter().all(|a| {
            matches!(a, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(i)))
                if HINTS.contains(&i.value.to_ascii_uppercase().as_str()))
        })
}

/// A relation's columns as a statement may name them.
pub(super) fn fields_of(relation: &Relation) -> Vec<Field> {
    let field = |name: &str, declared: &str| Field {
        name: name.to_owned(),
        inner: name.into(),
        ty: Type::declared(declared),
    };
    relation.columns.iter().map(|(name, declared)| field(name, declared)).collect()
}
