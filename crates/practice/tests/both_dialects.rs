//! A statement that is valid in T-SQL and in the embedded engine's own dialect means the same before and after the compiler.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;
mod grammar;

use common::{Demo, demo, login};
use database::Value;
use grammar::{COLUMNS, Draw, TABLES};
use model::Access;
use practice::{
    DemoSession,
    events::{ColumnType, Ended, Enough, Events, Message, ResultColumn},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{TestError, TestRunner},
};
use rusqlite::{Connection, types::ValueRef};
use std::{cell::RefCell, fmt::Write};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Null,
    Int(i64),
    Text(String),
}

/// Takes the rows of one statement, or its error.
#[derive(Default)]
struct Taken {
    rows: Vec<Vec<Cell>>,
    count: Option<u64>,
    error: Option<String>,
}

impl Events for Taken {
    fn columns(&mut self, _: &[ResultColumn]) -> Result<(), Enough> {
        Ok(())
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Enough> {
        let cell = |value: &Value<'_>| match value {
            Value::Null => Cell::Null,
            Value::Int(i) => Cell::Int(*i),
            Value::Text(text) => Cell::Text((*text).to_owned()),
            other => Cell::Text(format!("{other:?}")),
        };
        self.rows.push(values.iter().map(cell).collect());
        Ok(())
    }
    fn ended(&mut self, _: Ended, rows: Option<u64>) -> Result<(), Enough> {
        self.count = rows.or(self.count);
        Ok(())
    }
    fn message(&mut self, message: &Message) -> Result<(), Enough> {
        if message.class > 10 {
            self.error.get_or_insert_with(|| format!("{} {}", message.number, message.text));
        }
        Ok(())
    }
    fn output(&mut self, _: usize, _: ColumnType, _: Value<'_>) -> Result<(), Enough> {
        Ok(())
    }
    fn status(&mut self, _: i32) -> Result<(), Enough> {
        Ok(())
    }
    fn database(&mut self, _: &'static str) -> Result<(), Enough> {
        Ok(())
    }
}

/// Both databases with the same tables.
struct Pair {
    _demo: Demo,
    ours: RefCell<DemoSession>,
    theirs: Connection,
}

impl Pair {
    fn new() -> Pair {
        let demo = demo(1);
        let ours = demo.engine.log_in(&login("bpsrawdata"), None, Access::ReadOnly).unwrap();
        Pair { _demo: demo, ours: RefCell::new(ours), theirs: Connection::open_in_memory().unwrap() }
    }

    /// Runs a statement here; a refusal is a failure of the test.
    fn ours(&self, text: &str) -> Result<Taken, TestCaseError> {
        let mut taken = Taken::default();
        self.ours
            .borrow_mut()
            .batch(text, &mut taken)
            .map_err(|e| TestCaseError::fail(format!("{e:?}: {text}")))?;
        match taken.error {
            None => Ok(taken),
            Some(error) => Err(TestCaseError::fail(format!("ours {error}\n{text}"))),
        }
    }

    fn theirs(&self, text: &str) -> Result<Vec<Vec<Cell>>, TestCaseError> {
        let told = |e: rusqlite::Error| TestCaseError::fail(format!("theirs {e}\n{text}"));
        let mut statement = self.theirs.prepare(text).map_err(told)?;
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(told)? {
            let cells = (0..width).map(|i| match row.get_ref_unwrap(i) {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(i) => Cell::Int(i),
                ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                other => Cell::Text(format!("{other:?}")),
            });
            all.push(cells.collect());
        }
        Ok(all)
    }

    /// Makes the tables anew with those rows.
    fn fill(&self, rows: &[Row]) -> Result<(), TestCaseError> {
        let columns: Vec<String> = COLUMNS
            .iter()
            .map(|(name, kind)| {
                let ty = if *kind == grammar::Kind::Int { "int" } else { "varchar(200)" };
                format!("{name} {ty} NULL")
            })
            .collect();
        for table in TABLES {
            let both = format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({})", columns.join(", "));
            self.ours(&both)?;
            self.theirs.execute_batch(&both).unwrap();
        }
        // One sign only, and no digits: what of these sorts first, the dialects do not agree on.
        const WORDS: &[&str] = &["a", "b", "ab", "ba", "", "abc", "x", "a_b", "zz"];
        let text = |at: Option<u8>| match at {
            Some(at) => format!("'{}'", WORDS[usize::from(at) % WORDS.len()]),
            None => "NULL".to_owned(),
        };
        let number = |n: Option<i8>| n.map_or("NULL".to_owned(), |n| n.to_string());
        let mut lists = [String::new(), String::new()];
        for (id, (second, a, b, s, r)) in rows.iter().enumerate() {
            let list = &mut lists[usize::from(*second)];
            let comma = if list.is_empty() { "" } else { ", " };
            write!(list, "{comma}({id}, {}, {}, {}, {})", number(*a), number(*b), text(*s), text(*r))
                .unwrap();
        }
        for (table, list) in TABLES.iter().zip(&lists).filter(|(_, list)| !list.is_empty()) {
            let insert = format!("INSERT INTO {table} VALUES {list}");
            self.ours(&insert)?;
            self.theirs.execute_batch(&insert).unwrap();
        }
        Ok(())
    }

    fn same_rows(&self, text: &str, ordered: bool) -> Result<usize, TestCaseError> {
        let (mut ours, mut theirs) = (self.ours(text)?.rows, self.theirs(text)?);
        if !ordered {
            ours.sort();
            theirs.sort();
        }
        let count = theirs.len();
        prop_assert_eq!(ours, theirs, "{}", text);
        Ok(count)
    }
}

/// Which table, then the columns after `id`; text as a number of a word.
type Row = (bool, Option<i8>, Option<i8>, Option<u8>, Option<u8>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let number = || prop::option::weighted(0.8, -4i8..=6);
    let text = || prop::option::weighted(0.8, 0u8..9);
    vec((any::<bool>(), number(), number(), text(), text()), 0..14)
}

fn cases(name: &str, most: u32) -> ProptestConfig {
    let given = std::env::var(name).ok().and_then(|n| n.parse().ok());
    ProptestConfig { max_shrink_iters: 3000, ..ProptestConfig::with_cases(given.unwrap_or(most)) }
}

#[test]
fn a_query_of_both_dialects_keeps_its_rows() {
    let pair = Pair::new();
    let (asked, found) = (RefCell::new(0), RefCell::new(0));
    let strategy = (rows(), vec(vec(any::<u8>(), 0..160), 3));
    let mut runner = TestRunner::new(cases("DIALECT_CASES", 500));
    runner
        .run(&strategy, |(rows, queries)| {
            pair.fill(&rows)?;
            for bytes in &queries {
                let (text, ordered) = Draw::new(bytes).statement();
                let count = pair.same_rows(&text, ordered)?;
                *asked.borrow_mut() += 1;
                *found.borrow_mut() += usize::from(count > 0);
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{}", told(&e)));
    let (asked, found) = (asked.into_inner(), found.into_inner());
    // Queries that find nothing would agree on everything.
    assert!(found * 2 > asked, "{found} of {asked} queries found rows");
}

#[test]
fn a_write_of_both_dialects_leaves_the_same_rows() {
    let pair = Pair::new();
    let strategy = (rows(), vec(vec(any::<u8>(), 0..100), 4));
    let mut runner = TestRunner::new(cases("DIALECT_CASES", 300));
    runner
        .run(&strategy, |(rows, writes)| {
            pair.fill(&rows)?;
            for bytes in &writes {
                let text = Draw::new(bytes).write();
                let ours = pair.ours(&text)?;
                let changed = pair
                    .theirs
                    .execute(&text, [])
                    .map_err(|e| TestCaseError::fail(format!("theirs {e}\n{text}")))?;
                prop_assert_eq!(ours.count, Some(changed as u64), "{}", text);
                for table in TABLES {
                    pair.same_rows(&format!("SELECT * FROM {table}"), false)
                        .map_err(|e| TestCaseError::fail(format!("after {text}\n{e}")))?;
                }
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{}", told(&e)));
}

/// A failure with its input on one line each.
fn told<T: std::fmt::Debug>(error: &TestError<T>) -> String {
    match error {
        TestError::Fail(why, input) => format!("{why}\n{input:?}"),
        TestError::Abort(why) => why.to_string(),
    }
}
