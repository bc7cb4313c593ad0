//! Aggregates and window functions.

use super::{
    arithmetic::{average_type, fitted, sum_type},
    expression::Piece,
    scope::Compiler,
};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, OrderByExpr,
    WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

const AGGREGATES: &[&str] =
    &["COUNT", "COUNT_BIG", "SUM", "MIN", "MAX", "AVG", "STDEV", "STDEVP", "VAR", "VARP", "STRING_AGG"];

/// Functions that only a window has.
const RANKING: &[&str] = &[
    "ROW_NUMBER",
    "RANK",
    "DENSE_RANK",
    "NTILE",
    "PERCENT_RANK",
    "CUME_DIST",
    "LAG",
    "LEAD",
    "FIRST_VALUE",
    "LAST_VALUE",
];

impl Compiler {
    /// An aggregate or a window function; `None` for any other function.
    pub(super) fn grouping_call(&mut self, function: &Function) -> Result<Option<Piece>, SqlError> {
        let parts = self.parts(&function.name)?;
        let [name] = parts.as_slice() else { return Ok(None) };
        let line = self.line_of(name);
        let name = name.value.to_ascii_uppercase();
        let (aggregate, ranking) = (AGGREGATES.contains(&name.as_str()), RANKING.contains(&name.as_str()));
        if !aggregate && !ranking {
            return Ok(None);
        }
        let before = std::mem::replace(&mut self.line, line);
        let made = self.grouped(&name, function, ranking);
        self.line = before;
        made.map(Some)
    }

    fn grouped(&mut self, name: &str, function: &Function, ranking: bool) -> Result<Piece, SqlError> {
        let odd = function.uses_odbc_syntax
            || function.parameters != FunctionArguments::None
            || function.filter.is_some()
            || function.null_treatment.is_some()
            || !function.within_group.is_empty() && name != "STRING_AGG";
        if odd {
            return Err(self.no(name));
        }
        let (list, distinct) = match &function.args {
            FunctionArguments::List(list) if list.clauses.is_empty() => {
                (list.args.as_slice(), list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
            }
            _ => return Err(self.no(name)),
        };
        match &function.over {
            Some(WindowType::WindowSpec(spec)) => {
                if distinct {
                    return Err(fault(
                        10759,
                        self.line,
                        "Use of DISTINCT is not allowed with the OVER clause.",
                    ));
                }
                self.window(name, list, spec)
            }
            Some(WindowType::NamedWindow(_)) => Err(self.no("OVER with a window's name")),
            None if ranking => Err(fault(
                10753,
                self.line,
                format!("The function '{}' must have an OVER clause.", name.to_ascii_lowercase()),
            )),
            None if name == "STRING_AGG" => self.string_agg(list, &function.within_group),
            None => {
                if !self.aggregates {
                    return Err(fault(
                        147,
                        self.line,
                        "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference.",
                    ));
                }
                let argument = self.argument(name, list, distinct)?;
                self.aggregated = true;
                self.aggregate(name, argument, distinct, "")
            }
        }
    }

    /// The one argument of an aggregate; `None` is `*`. Columns in it need not be grouped by.
    fn argument(
        &mut self,
        name: &str,
        list: &[FunctionArg],
        distinct: bool,
    ) -> Result<Option<Piece>, SqlError> {
        let only = match list {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name.starts_with("COUNT") && !distinct => {
                return Ok(None);
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(only))] => only,
            _ => {
                return Err(fault(
                    174,
                    self.line,
                    format!("The {} function requires 1 argument(s).", name.to_ascii_lowercase()),
                ));
            }
        };
        self.inside(only).map(Some)
    }

    /// A value inside an aggregate.
    fn inside(&mut self, expr: &Expr) -> Result<Piece, SqlError> {
        let windows = std::mem::replace(&mut self.windows, false);
        let aggregates = std::mem::replace(&mut self.aggregates, false);
        let (seen, outer) = (self.bare.len(), self.outer.len());
        let inner = self.value(expr).map_err(|error| {
            if error.number == 147 {
                fault(
                    130,
                    self.line,
                    "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.",
                )
            } else {
                error
            }
        });
        // Of outer columns alone it would be the outer query's aggregate.
        let elsewhere = self.outer.len() > outer && self.bare.len() == seen;
        self.bare.truncate(seen);
        (self.aggregates, self.windows) = (aggregates, windows);
        if elsewhere && inner.is_ok() {
            return Err(self.no("an aggregate of an outer query's column"));
        }
        inner
    }

    /// `over` is empty, or ` OVER (…)`.
    fn aggregate(
        &mut self,
        name: &str,
        argument: Option<Piece>,
        distinct: bool,
        over: &str,
    ) -> Result<Piece, SqlError> {
        let count = if name == "COUNT_BIG" { Type::BIGINT } else { Type::INT };
        let Some(inner) = argument else { return Ok(Piece::new(format!("COUNT(*){over}"), count)) };
        let each = if distinct { "DISTINCT " } else { "" };
        let sql = format!("{each}{}{}", inner.sql, inner.collate());
        let ty = inner.ty;
        let number = matches!(ty.family, Family::Int | Family::Float | Family::Real);
        Ok(match name {
            "COUNT" | "COUNT_BIG" => Piece::new(format!("COUNT({sql}){over}"), count),
            "MIN" | "MAX" if !matches!(ty.family, Family::Bit | Family::Null) => {
                Piece::new(format!("{name}({sql}){over}"), ty)
            }
            "SUM" if ty.family == Family::Decimal => {
                Piece::new(format!("ts_sum({each}{}){over}", inner.sql), sum_type(ty))
            }
            "AVG" if ty.family == Family::Decimal => {
                let average = average_type(ty);
                let function = if average.name == "money" { "ts_avg_money" } else { "ts_avg" };
                Piece::new(format!("{function}({each}{}){over}", inner.sql), average)
            }
            "SUM" if number => {
                let ty = match ty.name {
                    "tinyint" | "smallint" => Type::INT,
                    "real" => Type::FLOAT,
                    _ => ty,
                };
                let sum = format!("SUM({sql}){over}");
                Piece::new(if ty.family == Family::Int { fitted(&sum, ty) } else { sum }, ty)
            }
            "AVG" if ty.family == Family::Int => {
                let whole = if ty.name == "bigint" { Type::BIGINT } else { Type::INT };
                Piece::new(format!("(SUM({sql}){over} / COUNT({sql}){over})"), whole)
            }
            "AVG" if number => Piece::new(format!("AVG({sql}){over}"), Type::FLOAT),
            "STDEV" | "STDEVP" | "VAR" | "VARP" if number || ty.family == Family::Decimal => {
                let value = self.convert(inner, Type::FLOAT)?;
                Piece::new(
                    format!("ts_{}({each}{}){over}", name.to_ascii_lowercase(), value.sql),
                    Type::FLOAT,
                )
            }
            _ => {
                return Err(fault(
                    8117,
                    self.line,
                    format!(
                        "Operand data type {} is invalid for {} operator.",
                        if ty.family == Family::Null { "NULL" } else { ty.name },
                        name.to_ascii_lowercase()
                    ),
                ));
            }
        })
    }

    fn string_agg(&mut self, list: &[FunctionArg], within: &[OrderByExpr]) -> Result<Piece, SqlError> {
        let [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(by)),
        ] = list
        else {
            return Err(fault(174, self.line, "The string_agg function requires 2 argument(s)."));
        };
        if !self.aggregates {
            return Err(fault(147, self.line, "An aggregate may not appear here."));
        }
        let value = self.inside(value)?;
        let by = self.inside(by)?;
        let ty = if value.ty.name.starts_with('n') || value.ty.family != Family::Text {
            Type::NVARCHAR
        } else {
            Type::VARCHAR
        };
        let (value, by) = (self.as_text(value)?, self.as_text(by)?);
        let mut order = String::new();
        if !within.is_empty() {
            let mut terms = Vec::new();
            for term in within {
                let piece = self.inside(&term.expr)?;
                terms.push(format!("{}{}", self.sortable(&piece)?, self.direction(term)?));
            }
            order = format!(" ORDER BY {}", terms.join(", "));
        }
        self.aggregated = true;
        Ok(Piece::new(format!("group_concat({}, {}{order})", value.sql, by.sql), ty))
    }

    fn window(&mut self, name: &str, list: &[FunctionArg], spec: &WindowSpec) -> Result<Piece, SqlError> {
        if !self.windows {
            return Err(fault(
                4108,
                self.line,
                "Windowed functions can only appear in the SELECT or ORDER BY clauses.",
            ));
        }
        if spec.window_name.is_some() {
            return Err(self.no("OVER with a window's name"));
        }
        let ranking = RANKING.contains(&name);
        if ranking && spec.order_by.is_empty() {
            return Err(fault(
                4112,
                self.line,
                format!("The function '{name}' must have an OVER clause with ORDER BY."),
            ));
        }
        let framed = !ranking || matches!(name, "FIRST_VALUE" | "LAST_VALUE");
        let over = self.over(spec, framed, name)?;
        self.windows = false;
        let made = self.windowed(name, list, &over);
        self.windows = true;
        made
    }

    fn windowed(&mut self, name: &str, list: &[FunctionArg], over: &str) -> Result<Piece, SqlError> {
        if AGGREGATES.contains(&name) {
            if name == "STRING_AGG" {
                return Err(self.no("STRING_AGG OVER"));
            }
            // Aggregates of the group may stand inside.
            let argument = match list {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(only))] => Some(self.value(only)?),
                other => self.argument(name, other, false)?,
            };
            return self.aggregate(name, argument, false, over);
        }
        let mut arguments = Vec::new();
        for argument in list {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(self.value(expr)?),
                _ => return Err(self.no(name)),
            }
        }
        let wrong = |wanted: &str| {
            fault(
                174,
                self.line,
                format!("The {} function requires {wanted} argument(s).", name.to_ascii_lowercase()),
            )
        };
        match (name, arguments.len()) {
            ("ROW_NUMBER" | "RANK" | "DENSE_RANK", 0) => {
                Ok(Piece::new(format!("{name}(){over}"), Type::BIGINT))
            }
            ("PERCENT_RANK" | "CUME_DIST", 0) => Ok(Piece::new(format!("{name}(){over}"), Type::FLOAT)),
            ("NTILE", 1) => {
                let n = self.convert(arguments.remove(0), Type::BIGINT)?;
                Ok(Piece::new(format!("NTILE({}){over}", n.sql), Type::BIGINT))
            }
            ("FIRST_VALUE" | "LAST_VALUE", 1) => {
                Ok(Piece::new(format!("{name}({}){over}", arguments[0].sql), arguments[0].ty))
            }
            ("LAG" | "LEAD", 1..=3) => {
                let ty = arguments[0].ty;
                let mut texts = vec![arguments[0].sql.clone()];
                if let Some(by) = arguments.get(1).cloned() {
                    texts.push(self.convert(by, Type::INT)?.sql);
                }
                if let Some(other) = arguments.get(2).cloned() {
                    // It takes the column's type, cut where it is longer.
                    texts.push(self.for_variable(&other, ty)?);
                }
                Ok(Piece::new(format!("{name}({}){over}", texts.join(", ")), ty))
            }
            ("LAG" | "LEAD", _) => Err(wrong("1 to 3")),
            ("NTILE" | "FIRST_VALUE" | "LAST_VALUE", _) => Err(wrong("1")),
            _ => Err(wrong("0")),
        }
    }

    fn over(&mut self, spec: &WindowSpec, framed: bool, name: &str) -> Result<String, SqlError> {
        let mut parts = Vec::new();
        if !spec.partition_by.is_empty() {
            let mut texts = Vec::new();
            for expr in &spec.partition_by {
                let piece = self.value(expr)?;
                texts.push(self.sortable(&piece)?);
            }
            parts.push(format!("PARTITION BY {}", texts.join(", ")));
        }
        if !spec.order_by.is_empty() {
            for term in &spec.order_by {
                if matches!(&term.expr, Expr::Value(v) if matches!(v.value, sqlparser::ast::Value::Number(..)))
                {
                    return Err(fault(
                        5308,
                        self.line,
                        "Windowed functions, aggregates and NEXT VALUE FOR functions do not support integer indices as ORDER BY clause expressions.",
                    ));
                }
            }
            parts.push(format!("ORDER BY {}", self.order_terms(&spec.order_by)?));
        }
        if let Some(frame) = &spec.window_frame {
            if !framed || spec.order_by.is_empty() {
                return Err(fault(
                    10752,
                    self.line,
                    format!("The function '{name}' may not have a window frame."),
                ));
            }
            parts.push(self.frame(frame)?);
        }
        Ok(format!(" OVER ({})", parts.join(" ")))
    }

    fn frame(&self, frame: &WindowFrame) -> Result<String, SqlError> {
        let bound = |bound: &WindowFrameBound| -> Result<String, SqlError> {
            let number = |expr: &Expr| match expr {
                Expr::Value(v) => match &v.value {
                    sqlparser::ast::Value::Number(n, _) if n.bytes().all(|b| b.is_ascii_digit()) => {
                        Ok(n.clone())
                    }
                    _ => Err(self.no("a window frame's bound that is no number")),
                },
                _ => Err(self.no("a window frame's bound that is no number")),
            };
            let bounded = |expr: &Expr| {
                if frame.units == WindowFrameUnits::Range {
                    return Err(fault(
                        4194,
                        self.line,
                        "RANGE is only supported with UNBOUNDED and CURRENT ROW window frame delimiters.",
                    ));
                }
                number(expr)
            };
            Ok(match bound {
                WindowFrameBound::CurrentRow => "CURRENT ROW".to_owned(),
                WindowFrameBound::Preceding(None) => "UNBOUNDED PRECEDING".to_owned(),
                WindowFrameBound::Following(None) => "UNBOUNDED FOLLOWING".to_owned(),
                WindowFrameBound::Preceding(Some(n)) => format!("{} PRECEDING", bounded(n)?),
                WindowFrameBound::Following(Some(n)) => format!("{} FOLLOWING", bounded(n)?),
            })
        };
        let units = match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => return Err(self.no("GROUPS")),
        };
        let start = bound(&frame.start_bound)?;
        Ok(match &frame.end_bound {
            Some(end) => format!("{units} BETWEEN {start} AND {}", bound(end)?),
            None => format!("{units} {start}"),
        })
    }

    pub(super) fn order_terms(&mut self, terms: &[OrderByExpr]) -> Result<String, SqlError> {
        let mut texts = Vec::new();
        for term in terms {
            let piece = self.value(&term.expr)?;
            texts.push(format!("{}{}", self.sortable(&piece)?, self.direction(term)?));
        }
        Ok(texts.join(", "))
    }

    /// A value's text where it is sorted or grouped by.
    pub(super) fn sortable(&self, piece: &Piece) -> Result<String, SqlError> {
        if matches!(piece.ty.name, "text" | "ntext" | "image" | "xml") {
            return Err(fault(
                306,
                self.line,
                "The text, ntext, and image data types cannot be compared or sorted, except when using IS NULL or LIKE operator.",
            ));
        }
        // The embedded engine takes a bare number for a position.
        let number = piece.sql.bytes().all(|b| b.is_ascii_digit() || b"-+() ".contains(&b));
        let sql = if number { format!("({} + 0)", piece.sql) } else { piece.sql.clone() };
        Ok(format!("{sql}{}", piece.collate()))
    }
}
