//! Random statements that mean the same in T-SQL and in SQLite, drawn from bytes: fewer and smaller bytes, simpler statement.
//!
//! Both databases get the very same text. It keeps out of what the two dialects are known to read differently: `+` on text,
//! AVG of whole numbers, a minus before a factor (T-SQL takes it after `*`), UNION beside INTERSECT without order, scalar
//! subqueries of many rows, text with capitals or spaces at its end, numbers that leave the range of an int.
#![allow(dead_code, reason = "each test file uses a part of it")]

mod value;
mod write;

/// What a column or an expression holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
}

/// Something in a FROM, with its columns.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) alias: String,
    pub(crate) columns: Vec<(String, Kind)>,
    /// A column that differs from row to row, where there is one.
    pub(crate) key: Option<String>,
}

/// Takes choices from bytes; when they are used up, the first choice.
pub(crate) struct Draw<'a> {
    bytes: &'a [u8],
    names: usize,
    /// CTEs in reach.
    ctes: Vec<Source>,
}

/// The tables that every statement finds.
pub(crate) const TABLES: &[&str] = &["[#t]", "[#u]"];

/// Their columns.
pub(crate) const COLUMNS: &[(&str, Kind)] =
    &[("id", Kind::Int), ("a", Kind::Int), ("b", Kind::Int), ("s", Kind::Text), ("r", Kind::Text)];

pub(crate) fn table(name: &str) -> Source {
    Source {
        alias: name.to_owned(),
        columns: COLUMNS.iter().map(|(n, k)| ((*n).to_owned(), *k)).collect(),
        key: Some("id".to_owned()),
    }
}

impl<'a> Draw<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Draw<'a> {
        Draw { bytes, names: 0, ctes: Vec::new() }
    }

    /// One of `n`.
    pub(crate) fn pick(&mut self, n: usize) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(*first) % n
    }

    pub(crate) fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.pick(of.len())]
    }

    fn chance(&mut self, of: usize) -> bool {
        self.pick(of) == of - 1
    }

    fn name(&mut self, letter: char) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }

    /// A whole SELECT statement, and whether its order is told.
    pub(crate) fn statement(&mut self) -> (String, bool) {
        let mut with = Vec::new();
        for _ in 0..self.pick(3) {
            with.push(self.cte());
        }
        let kinds = self.kinds();
        let body = self.compound(&kinds, &[], 3);
        let ordered = self.chance(2);
        let mut text = if with.is_empty() { body } else { format!("WITH {} {body}", with.join(", ")) };
        if ordered {
            // By all columns: rows that are left equal are the same.
            let start = self.pick(kinds.len());
            let terms: Vec<String> = (0..kinds.len())
                .map(|i| {
                    let at = (i + start) % kinds.len();
                    let by = if self.chance(2) { format!("x{at}") } else { (at + 1).to_string() };
                    format!("{by}{}", self.one(&["", " DESC", " ASC"]))
                })
                .collect();
            text.push_str(&format!(" ORDER BY {}", terms.join(", ")));
        }
        self.ctes.clear();
        (text, ordered)
    }

    fn kinds(&mut self) -> Vec<Kind> {
        (0..=self.pick(4)).map(|_| if self.chance(3) { Kind::Text } else { Kind::Int }).collect()
    }

    fn cte(&mut self) -> String {
        let alias = self.name('c');
        if self.chance(3) {
            let (from, to, step) = (self.pick(5), self.pick(9), self.pick(2) + 1);
            self.ctes.push(Source {
                alias: alias.clone(),
                columns: vec![("n".to_owned(), Kind::Int), ("m".to_owned(), Kind::Int)],
                key: Some("n".to_owned()),
            });
            return format!(
                "{alias}(n, m) AS (SELECT {from}, 1 UNION ALL SELECT n + {step}, m * 2 FROM {alias} WHERE n < {to})"
            );
        }
        let kinds = self.kinds();
        let body = self.compound(&kinds, &[], 2);
        let columns: Vec<(String, Kind)> =
            kinds.iter().enumerate().map(|(i, k)| (format!("x{i}"), *k)).collect();
        self.ctes.push(Source { alias: alias.clone(), columns, key: None });
        format!("{alias} AS ({body})")
    }

    /// SELECTs of those kinds, their columns named `x0`, `x1`, ….
    fn compound(&mut self, kinds: &[Kind], outer: &[Source], depth: usize) -> String {
        let mut text = self.select(kinds, outer, depth);
        let more = if depth > 1 && self.chance(3) { self.pick(3) + 1 } else { 0 };
        let intersect = self.chance(4);
        for _ in 0..more {
            let word = if intersect { "INTERSECT" } else { self.one(&["UNION", "UNION ALL", "EXCEPT"]) };
            text = format!("{text} {word} {}", self.select(kinds, outer, depth - 1));
        }
        text
    }

    fn select(&mut self, kinds: &[Kind], outer: &[Source], depth: usize) -> String {
        let (from, sources) = self.from(outer, depth);
        let mut reach = outer.to_vec();
        reach.extend(sources.iter().cloned());
        let selection = if self.chance(2) {
            format!(" WHERE {}", self.predicate(&reach, depth.saturating_sub(1), true))
        } else {
            String::new()
        };
        let list = |items: Vec<String>| -> String {
            items.iter().enumerate().map(|(i, e)| format!("{e} AS x{i}")).collect::<Vec<_>>().join(", ")
        };
        match self.pick(5) {
            3 => {
                let (keys, items, having) = self.grouped(kinds, &sources);
                let group =
                    if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
                format!("SELECT {} FROM {from}{selection}{group}{having}", list(items))
            }
            4 => {
                let items = kinds.iter().map(|k| self.window(*k, &sources)).collect();
                format!("SELECT {} FROM {from}{selection}", list(items))
            }
            plain => {
                let distinct = if plain == 2 { "DISTINCT " } else { "" };
                let items = kinds.iter().map(|k| self.value(*k, &reach, 3, depth > 1)).collect();
                format!("SELECT {distinct}{} FROM {from}{selection}", list(items))
            }
        }
    }

    /// One to three sources, joined.
    fn from(&mut self, outer: &[Source], depth: usize) -> (String, Vec<Source>) {
        let (mut text, first) = self.factor(depth);
        let mut sources = vec![first];
        let (mut commas, mut joined) = (false, false);
        let more = if outer.is_empty() { [0, 0, 1, 1, 2][self.pick(5)] } else { self.pick(2) };
        for _ in 0..more {
            let (right, source) = self.factor(depth);
            let word =
                self.one(&["JOIN", "INNER JOIN", "LEFT JOIN", "CROSS JOIN", "RIGHT JOIN", "FULL JOIN", ","]);
            // After a comma an ON sees its own side alone.
            commas |= word == "," && !joined;
            if word == "CROSS JOIN" || commas {
                let word = if commas { ", " } else { " CROSS JOIN " };
                text = format!("{text}{word}{right}");
                sources.push(source);
                continue;
            }
            joined = true;
            let word = if word == "," { "JOIN" } else { word };
            let (l, r) =
                (self.column(Kind::Int, &sources), self.column(Kind::Int, std::slice::from_ref(&source)));
            sources.push(source);
            let mut on = match (l, r) {
                (Some(l), Some(r)) => format!("{l} = {r}"),
                _ => "1 = 1".to_owned(),
            };
            if self.chance(4) {
                on = format!("{on} AND {}", self.predicate(&sources, 1, false));
            }
            text = format!("{text} {word} {right} ON {on}");
        }
        (text, sources)
    }

    fn factor(&mut self, depth: usize) -> (String, Source) {
        if depth > 1 && self.chance(6) {
            let kinds = self.kinds();
            let body = self.compound(&kinds, &[], depth - 1);
            let alias = self.name('d');
            let columns = kinds.iter().enumerate().map(|(i, k)| (format!("x{i}"), *k)).collect();
            return (format!("({body}) AS {alias}"), Source { alias, columns, key: None });
        }
        let of = self.pick(TABLES.len() + self.ctes.len());
        let alias = self.name('t');
        let (name, found) = match TABLES.get(of) {
            Some(name) => ((*name).to_owned(), table(name)),
            None => {
                let cte = self.ctes[of - TABLES.len()].clone();
                (cte.alias.clone(), cte)
            }
        };
        let word = self.one(&[" ", " AS "]);
        (format!("{name}{word}{alias}"), Source { alias, ..found })
    }
}
