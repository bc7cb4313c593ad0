//! Where rows go that no caller sees at once: into variables, into new tables, out of a write.

use super::{
    expression::Piece,
    program::{Action, Returned, Shape, ShapeColumn},
    query::Columns,
    scope::{Compiler, quote},
    select::assigns,
};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, Ident, OutputClause, Query, Select, SelectInto, SelectItem,
    SetExpr, visit_expressions,
};
use std::ops::ControlFlow;

impl Compiler {
    /// `SELECT @a = …, @b = …`.
    pub(super) fn assigning(&mut self, query: &Query, select: &Select) -> Result<Action, SqlError> {
        let mut targets = Vec::new();
        let mut exprs = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { expr, alias } if assigns(item) => {
                    targets.push(self.variable(alias)?);
                    exprs.push(expr);
                }
                _ => {
                    return Err(fault(
                        141,
                        self.line,
                        "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.",
                    ));
                }
            }
        }
        let own = |name: &str| targets.iter().any(|at| self.variables[*at].name.eq_ignore_ascii_case(name));
        let reads_itself = exprs.iter().any(|expr| {
            visit_expressions(*expr, |e| match e {
                Expr::Identifier(i) if i.value.starts_with('@') && own(&i.value) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })
            .is_break()
        });
        if reads_itself {
            return self.running(query, select, &exprs, targets);
        }
        let mut query = query.clone();
        if let SetExpr::Select(select) = query.body.as_mut() {
            for item in &mut select.projection {
                if let SelectItem::ExprWithAlias { expr, .. } = item {
                    *item = SelectItem::UnnamedExpr(expr.clone());
                }
            }
        }
        let (sql, columns) = self.query(&query)?;
        let mut texts = Vec::new();
        for (i, ((_, from), at)) in columns.iter().zip(&targets).enumerate() {
            let to = self.variables[*at].ty;
            texts.push(self.for_variable(&Piece::new(format!("\"c{i}\""), *from), to)?);
        }
        Ok(Action::Assign { sql: format!("SELECT {} FROM ({sql})", texts.join(", ")), targets })
    }

    /// Each row sees what the row before has set: the rows are made first, in their order, then walked.
    fn running(
        &mut self,
        query: &Query,
        select: &Select,
        exprs: &[&Expr],
        targets: Vec<usize>,
    ) -> Result<Action, SqlError> {
        let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
        if grouped
            || select.having.is_some()
            || select.distinct.is_some()
            || query.fetch.is_some()
            || query.limit_clause.is_some()
        {
            return Err(self.no("a grouped SELECT that reads the variable that it sets"));
        }
        let with = match &query.with {
            Some(with) => self.with(with)?,
            None => String::new(),
        };
        let from = self.from(&select.from)?;
        let selection = match &select.selection {
            Some(test) => format!(" WHERE {}", self.predicate(test)?),
            None => String::new(),
        };
        let order_by = self.order_of(query)?;
        let terms = if order_by.is_empty() { Vec::new() } else { vec![self.order_terms(order_by)?] };
        self.running = targets.clone();
        self.lifted = Some(Vec::new());
        let mut sets = Vec::new();
        let mut made = Ok(());
        for (expr, at) in exprs.iter().zip(&targets) {
            let to = self.variables[*at].ty;
            match self.value(expr).and_then(|piece| self.for_variable(&piece, to)) {
                Ok(text) => sets.push(format!("ts_set({at}, {text})")),
                Err(error) => made = Err(error),
            }
        }
        self.running.clear();
        let lifted = self.lifted.take().unwrap_or_default();
        made?;
        let mut list: Vec<String> =
            lifted.iter().enumerate().map(|(i, (text, _))| format!("{text} AS \"k{i}\"")).collect();
        if list.is_empty() {
            list.push("1 AS \"k0\"".to_owned());
        }
        let tail = format!("{from}{selection}");
        let inner = match &select.top {
            Some(top) => self.top(top, "", &list, &tail, &terms)?,
            None if terms.is_empty() => format!("SELECT {}{tail}", list.join(", ")),
            None => format!("SELECT {}{tail} ORDER BY {}", list.join(", "), terms.join(", ")),
        };
        let head = if with.is_empty() { "WITH ".to_owned() } else { format!("{}, ", with.trim_end()) };
        let sql = format!("{head}\"q\" AS MATERIALIZED ({inner}) SELECT {} FROM \"q\"", sets.join(", "));
        Ok(Action::Running { sql, targets })
    }

    /// `SELECT … INTO #t`.
    pub(super) fn select_into(&mut self, query: &Query, into: &SelectInto) -> Result<Action, SqlError> {
        let name = match into.targets.as_slice() {
            [Expr::Identifier(name)] => name.value.clone(),
            [Expr::CompoundIdentifier(path)] => path.last().map(|i| i.value.clone()).unwrap_or_default(),
            _ => return Err(self.no("INTO")),
        };
        if !name.starts_with('#') {
            return Err(fault(262, self.line, "CREATE TABLE permission denied in database 'BPSPatients'."));
        }
        let mut query = query.clone();
        let numbered = take_identity(&mut query).map_err(|()| self.no("IDENTITY"))?;
        self.into = true;
        let made = self.query(&query);
        self.into = false;
        let (sql, columns) = made?;
        let mut shape = Shape { name, ..Shape::default() };
        for (at, (column, ty)) in columns.iter().enumerate() {
            if column.is_empty() {
                return Err(fault(
                    1038,
                    self.line,
                    "An object or column name is missing or empty. For SELECT INTO statements, verify each column has a name. For other statements, look for empty alias names. Aliases defined as \"\" or [] are not allowed. Change the alias to a valid name.",
                ));
            }
            if columns[..at].iter().any(|(c, _)| c.eq_ignore_ascii_case(column)) {
                return Err(fault(
                    2705,
                    self.line,
                    format!(
                        "Column names in each table must be unique. Column name '{column}' in table '{}' is specified more than once.",
                        shape.name
                    ),
                ));
            }
            let ty = if ty.family == Family::Null { Type::INT } else { *ty };
            shape.columns.push(ShapeColumn {
                name: column.clone(),
                ty,
                nullable: true,
                identity: None,
                default: None,
            });
        }
        if let Some((at, seed, step)) = numbered
            && let Some(column) = shape.columns.get_mut(at)
        {
            column.identity = Some((seed, step));
            column.nullable = false;
        }
        Ok(Action::Into { shape, sql, numbered: numbered.map(|(at, ..)| at) })
    }

    /// OUTPUT of an INSERT or DELETE, as the embedded engine's RETURNING: the scope holds the written row as `inserted`
    /// or `deleted`.
    pub(super) fn returning(
        &mut self,
        output: &OutputClause,
        word: &str,
    ) -> Result<(String, Returned), SqlError> {
        let (texts, returned) = self.output_list(output, &[word], true)?;
        Ok((format!(" RETURNING {}", texts.join(", ")), returned))
    }

    /// The texts of an OUTPUT, and what they give. `bare`: the embedded engine knows the row by its columns' names only.
    pub(super) fn output_list(
        &mut self,
        output: &OutputClause,
        words: &[&str],
        bare: bool,
    ) -> Result<(Vec<String>, Returned), SqlError> {
        let OutputClause::Output { select_items, into_table, .. } = output else {
            return Err(self.no("RETURNING"));
        };
        let plain = |text: String| {
            if bare { text.replace(&format!("{}.", quote(words[0])), "") } else { text }
        };
        let (mut texts, mut columns): (Vec<String>, Columns) = (Vec::new(), Vec::new());
        for item in select_items {
            let (name, expr) = match item {
                SelectItem::UnnamedExpr(expr) => (None, expr),
                SelectItem::ExprWithAlias { expr, alias } => (Some(alias.value.clone()), expr),
                SelectItem::QualifiedWildcard(kind, _) => {
                    let said = kind.to_string();
                    let said = said.trim_end_matches(".*");
                    let source =
                        self.scopes.last().into_iter().flatten().find(|s| s.alias.eq_ignore_ascii_case(said));
                    let Some(source) = source else {
                        return Err(fault(
                            107,
                            self.line,
                            format!(
                                "The column prefix '{said}' does not match with a table name or alias name used in the query."
                            ),
                        ));
                    };
                    for field in &source.fields {
                        texts.push(plain(field.text(&source.alias)));
                        columns.push((field.name.clone(), field.ty));
                    }
                    continue;
                }
                other => return Err(self.no(&format!("OUTPUT {other}"))),
            };
            let name = name.unwrap_or_else(|| match expr {
                Expr::CompoundIdentifier(path) => {
                    path.last().map(|i: &Ident| i.value.clone()).unwrap_or_default()
                }
                Expr::Identifier(i) if !i.value.starts_with('@') => i.value.clone(),
                _ => String::new(),
            });
            let piece = self.value(expr)?;
            texts.push(plain(piece.sql));
            columns.push((name, piece.ty));
        }
        let into = match into_table {
            None => None,
            Some(into) => {
                let (name, names) = match into.targets.as_slice() {
                    [Expr::Identifier(name)] => (vec![name.clone()], Vec::new()),
                    [Expr::CompoundIdentifier(path)] => (path.clone(), Vec::new()),
                    [Expr::Function(f)] => (self.parts(&f.name)?, super::insert::names_of(f)),
                    _ => return Err(self.no("OUTPUT … INTO")),
                };
                Some(self.row_into(&name, &names, &columns)?)
            }
        };
        Ok((texts, Returned { columns, into }))
    }
}

/// `IDENTITY(int, 1, 1) AS id` in the list of a SELECT … INTO: its place, seed and step; a number stands for it then.
fn take_identity(query: &mut Query) -> Result<Option<(usize, i64, i64)>, ()> {
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(None) };
    let found = select.projection.iter().enumerate().find_map(|(at, item)| match item {
        SelectItem::ExprWithAlias { expr: Expr::Function(f), .. }
            if f.name.to_string().eq_ignore_ascii_case("IDENTITY") =>
        {
            Some((at, f.args.clone()))
        }
        _ => None,
    });
    let Some((at, FunctionArguments::List(list))) = found else { return Ok(None) };
    let mut numbers = [1i64; 2];
    for (number, argument) in numbers.iter_mut().zip(list.args.iter().skip(1)) {
        *number = argument.to_string().parse().map_err(|_| ())?;
    }
    // A wildcard before it would hide its place.
    let hides = |i: &SelectItem| matches!(i, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    if select.projection[..at].iter().any(hides) {
        return Err(());
    }
    if let SelectItem::ExprWithAlias { expr, .. } = &mut select.projection[at] {
        *expr = Expr::value(sqlparser::ast::Value::Number("0".to_owned(), false));
    }
    Ok(Some((at, numbers[0], numbers[1])))
}
