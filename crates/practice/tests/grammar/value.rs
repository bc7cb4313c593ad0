//! Values, conditions, groups and windows.

use super::{Draw, Kind, Source, TABLES, table};

impl Draw<'_> {
    /// A column of that kind.
    pub(super) fn column(&mut self, kind: Kind, sources: &[Source]) -> Option<String> {
        let all: Vec<String> = sources
            .iter()
            .flat_map(|s| {
                s.columns.iter().filter(|(_, k)| *k == kind).map(|(c, _)| format!("{}.{c}", s.alias))
            })
            .collect();
        if all.is_empty() { None } else { Some(all[self.pick(all.len())].clone()) }
    }

    fn text_literal(&mut self) -> String {
        format!("'{}'", self.one(&["", "a", "b", "ab", "ba", "x", "its", "a_b", "zz"]))
    }

    fn leaf(&mut self, kind: Kind, sources: &[Source]) -> String {
        if self.pick(3) < 2
            && let Some(column) = self.column(kind, sources)
        {
            return column;
        }
        match kind {
            Kind::Text => self.text_literal(),
            Kind::Int => self.one(&["0", "1", "2", "3", "7", "(-1)", "(-5)"]).to_owned(),
        }
    }

    /// A value without a window or an aggregate. `nested`: a subquery may stand in it.
    pub(super) fn value(&mut self, kind: Kind, sources: &[Source], depth: usize, nested: bool) -> String {
        if depth == 0 {
            return self.leaf(kind, sources);
        }
        let value = |d: &mut Self| d.value(kind, sources, depth - 1, nested);
        match self.pick(if nested { 11 } else { 10 }) {
            0..=2 => self.leaf(kind, sources),
            3 => {
                let test = self.predicate(sources, depth - 1, nested);
                let (then, other) = (value(self), self.one(&["", "NULL", "value"]));
                let other = match other {
                    "" => String::new(),
                    "NULL" => " ELSE NULL".to_owned(),
                    _ => format!(" ELSE {}", value(self)),
                };
                format!("CASE WHEN {test} THEN {then}{other} END")
            }
            4 => {
                let of = self.value(Kind::Int, sources, depth - 1, nested);
                let (a, b, c) = (value(self), value(self), value(self));
                format!("CASE {of} WHEN 1 THEN {a} WHEN (-1) THEN {b} ELSE {c} END")
            }
            5 => format!("COALESCE({}, {})", value(self), value(self)),
            6 => format!("NULLIF({}, {})", value(self), value(self)),
            7 => {
                let test = self.predicate(sources, depth - 1, nested);
                format!("IIF({test}, {}, {})", value(self), value(self))
            }
            8 | 9 if kind == Kind::Text => {
                let text = value(self);
                match self.pick(6) {
                    0 | 1 => format!("LOWER({text})"),
                    2 => format!("SUBSTRING({text}, {}, {})", self.pick(3) + 1, self.pick(4)),
                    3 => format!("REPLACE({text}, 'a', 'b')"),
                    4 => format!("CONCAT({text}, 'b')"),
                    5 => format!("LTRIM({text})"),
                    _ => {
                        let number = self.value(Kind::Int, sources, depth - 1, nested);
                        format!("CAST({number} AS varchar(20))")
                    }
                }
            }
            8 => match self.pick(5) {
                0 => format!("ABS({})", value(self)),
                1 => format!("({} / {})", value(self), self.one(&["1", "2", "(-3)"])),
                2 => format!("({} % {})", value(self), self.one(&["2", "3", "(-3)"])),
                3 => format!("(- {})", value(self)),
                _ => format!("CAST({} AS int)", value(self)),
            },
            // Without parentheses: both read the same precedence.
            9 => {
                let (a, b, c) = (value(self), value(self), self.one(&["1", "2", "3"]));
                let op = self.one(&["+", "-"]);
                match self.pick(4) {
                    0 => format!("{a} {op} {b}"),
                    1 => format!("({a} {op} {b} * {c})"),
                    2 => format!("({a} * {c} {op} {b} / {c})"),
                    _ => format!("({a} {op} {b} {op} {c})"),
                }
            }
            _ => self.scalar(kind, sources),
        }
    }

    /// A subquery of one row.
    fn scalar(&mut self, kind: Kind, sources: &[Source]) -> String {
        let (name, source) = self.inner();
        let function = match kind {
            Kind::Text => self.one(&["MIN", "MAX"]),
            Kind::Int => self.one(&["COUNT", "MAX", "SUM", "MIN"]),
        };
        let own = std::slice::from_ref(&source);
        let argument = self.value(kind, own, 1, false);
        let mut reach = sources.to_vec();
        reach.push(source.clone());
        let test = self.predicate(&reach, 1, false);
        format!("(SELECT {function}({argument}) FROM {name} {} WHERE {test})", source.alias)
    }

    fn inner(&mut self) -> (&'static str, Source) {
        let name = TABLES[self.pick(TABLES.len())];
        (name, Source { alias: self.name('i'), ..table(name) })
    }

    /// A condition.
    pub(super) fn predicate(&mut self, sources: &[Source], depth: usize, nested: bool) -> String {
        if depth > 0 {
            let inner = |d: &mut Self| d.predicate(sources, depth - 1, nested);
            match self.pick(6) {
                2 => return format!("{} AND {}", inner(self), inner(self)),
                3 => return format!("({} OR {})", inner(self), inner(self)),
                4 => return format!("({} OR {} AND {})", inner(self), inner(self), inner(self)),
                5 => return format!("NOT ({})", inner(self)),
                _ => {}
            }
        }
        let kind = if self.chance(4) { Kind::Text } else { Kind::Int };
        let value = |d: &mut Self| d.value(kind, sources, depth.min(2), nested);
        match self.pick(if nested { 9 } else { 7 }) {
            0 | 1 => {
                let op = self.one(&["=", "<>", "<", "<=", ">", ">=", "!="]);
                format!("{} {op} {}", value(self), value(self))
            }
            2 => format!("{} IS {}", value(self), self.one(&["NULL", "NOT NULL"])),
            3 => {
                let not = self.one(&["", "NOT "]);
                let (x, a, b) = (value(self), self.leaf(kind, sources), self.leaf(kind, sources));
                format!("{x} {not}IN ({a}, {b}{})", self.one(&["", ", NULL"]))
            }
            4 => {
                let not = self.one(&["", "NOT "]);
                format!(
                    "{} {not}BETWEEN {} AND {}",
                    value(self),
                    self.leaf(kind, sources),
                    self.leaf(kind, sources)
                )
            }
            5 => {
                let text = self.leaf(Kind::Text, sources);
                let pattern = self.one(&["'a%'", "'%b'", "'_'", "'%'", "''", "'%a_'", "'a'", "NULL"]);
                format!("{text} {}LIKE {pattern}", self.one(&["", "NOT "]))
            }
            6 => {
                let op = self.one(&["= NULL", "IS NOT DISTINCT FROM", "IS DISTINCT FROM"]);
                let x = value(self);
                if op.ends_with("NULL") { format!("{x} {op}") } else { format!("{x} {op} {}", value(self)) }
            }
            7 => {
                let (name, source) = self.inner();
                let column = self.value(kind, std::slice::from_ref(&source), 1, false);
                let mut reach = sources.to_vec();
                reach.push(source.clone());
                let x = value(self);
                let test = self.predicate(&reach, 1, false);
                let not = self.one(&["", "NOT "]);
                format!("{x} {not}IN (SELECT {column} FROM {name} {} WHERE {test})", source.alias)
            }
            _ => {
                let (name, source) = self.inner();
                let alias = source.alias.clone();
                let mut reach = sources.to_vec();
                reach.push(source);
                let test = self.predicate(&reach, 1, false);
                let list = self.one(&["1", "*", "NULL"]);
                format!("{}EXISTS (SELECT {list} FROM {name} {alias} WHERE {test})", self.one(&["", "NOT "]))
            }
        }
    }

    fn aggregate(&mut self, kind: Kind, sources: &[Source]) -> String {
        let distinct = self.one(&["", "", "DISTINCT "]);
        match kind {
            Kind::Text => {
                let of = self.value(kind, sources, 1, false);
                format!("{}({of})", self.one(&["MIN", "MAX"]))
            }
            Kind::Int => match self.pick(5) {
                0 => "COUNT(*)".to_owned(),
                1 => {
                    let counted = if self.chance(2) { Kind::Text } else { Kind::Int };
                    format!("COUNT({distinct}{})", self.value(counted, sources, 1, false))
                }
                2 => format!("SUM({distinct}{})", self.value(kind, sources, 2, false)),
                n => format!("{}({})", ["MIN", "MAX"][n - 3], self.value(kind, sources, 2, false)),
            },
        }
    }

    /// Keys, list and HAVING of a grouped SELECT.
    pub(super) fn grouped(
        &mut self,
        kinds: &[Kind],
        sources: &[Source],
    ) -> (Vec<String>, Vec<String>, String) {
        let mut keys: Vec<(String, Kind)> = Vec::new();
        for _ in 0..self.pick(3) {
            let kind = if self.chance(3) { Kind::Text } else { Kind::Int };
            let Some(column) = self.column(kind, sources) else { continue };
            let key = match (kind, self.pick(4)) {
                (Kind::Int, 3) => format!("{column} % 2"),
                (Kind::Text, 3) => format!("LOWER({column})"),
                _ => column,
            };
            if !keys.iter().any(|(k, _)| *k == key) {
                keys.push((key, kind));
            }
        }
        let mut items = Vec::new();
        for kind in kinds {
            let fitting: Vec<String> =
                keys.iter().filter(|(_, k)| k == kind).map(|(k, _)| k.clone()).collect();
            let key = (!fitting.is_empty()).then(|| fitting[self.pick(fitting.len())].clone());
            items.push(match (self.pick(4), key) {
                (0 | 1, Some(key)) => key,
                (2, Some(key)) => format!("COALESCE({key}, {})", self.aggregate(*kind, sources)),
                (3, _) => {
                    let test = self.aggregate(Kind::Int, sources);
                    format!("CASE WHEN {test} > 1 THEN {} END", self.aggregate(*kind, sources))
                }
                _ => self.aggregate(*kind, sources),
            });
        }
        let having = match self.pick(3) {
            2 => {
                let op = self.one(&[">", "<=", "<>"]);
                format!(" HAVING {} {op} {}", self.aggregate(Kind::Int, sources), self.pick(3))
            }
            // Without a group there must be one aggregate at least.
            _ if keys.is_empty() => " HAVING COUNT(*) >= 0".to_owned(),
            _ => String::new(),
        };
        (keys.into_iter().map(|(k, _)| k).collect(), items, having)
    }

    /// A value over a window; a plain one where the rows have no total order.
    pub(super) fn window(&mut self, kind: Kind, sources: &[Source]) -> String {
        let keys: Option<Vec<String>> =
            sources.iter().map(|s| s.key.as_ref().map(|k| format!("{}.{k}", s.alias))).collect();
        let (Some(keys), false) = (keys, self.chance(4)) else { return self.value(kind, sources, 2, false) };
        let partition = if self.chance(2) {
            format!("PARTITION BY {} ", self.value_of_columns(sources))
        } else {
            String::new()
        };
        let first = match self.pick(3) {
            1 => format!("{}, ", self.value_of_columns(sources)),
            2 => format!("{} DESC, ", self.value_of_columns(sources)),
            _ => String::new(),
        };
        let total = format!("{partition}ORDER BY {first}{}", keys.join(", "));
        let of = self.value(kind, sources, 1, false);
        let frame = self.one(&[
            "",
            " ROWS UNBOUNDED PRECEDING",
            " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        ]);
        match (kind, self.pick(8)) {
            (_, 0) => format!("{}({of}) OVER ({total})", self.one(&["LAG", "LEAD"])),
            (_, 1) => format!("{}({of}) OVER ({total}{frame})", self.one(&["FIRST_VALUE", "LAST_VALUE"])),
            (_, 2) | (Kind::Text, _) => {
                format!("{}({of}) OVER ({total}{frame})", self.one(&["MIN", "MAX"]))
            }
            (_, 3) => format!("ROW_NUMBER() OVER ({total})"),
            (_, 4) => {
                let by = self.value_of_columns(sources);
                format!("{}() OVER ({partition}ORDER BY {by})", self.one(&["RANK", "DENSE_RANK"]))
            }
            (_, 5) => format!("NTILE({}) OVER ({total})", self.pick(3) + 1),
            (_, 6) => {
                // Ties share a running sum.
                let by = self.value_of_columns(sources);
                format!("{}({of}) OVER ({partition}ORDER BY {by})", self.one(&["SUM", "COUNT"]))
            }
            _ => format!("{}({of}) OVER ({total}{frame})", self.one(&["SUM", "COUNT"])),
        }
    }

    /// A value that is no constant: T-SQL sorts and partitions by nothing else.
    fn value_of_columns(&mut self, sources: &[Source]) -> String {
        let column = self
            .column(Kind::Int, sources)
            .or_else(|| self.column(Kind::Text, sources))
            .unwrap_or_else(|| "NULL".to_owned());
        match self.pick(3) {
            2 => format!("COALESCE({column}, {column})"),
            _ => column,
        }
    }
}
