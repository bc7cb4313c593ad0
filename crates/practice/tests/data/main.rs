//! The lives of the practice hang together: checked from outside, on the built files.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod billing;
#[path = "../common/mod.rs"]
mod common;
mod keys;
mod lives;

use common::options;
use practice::build;
use rusqlite::Connection;
use std::{path::PathBuf, sync::OnceLock};

const TODAY: &str = "2026-02-03T00:00:00";

/// One practice of 1,500 for all tests of this file.
fn practice() -> Connection {
    static MADE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("practice.db");
        build(&path, &options(1500, 11), &mut |_, _| {}).unwrap();
        (folder, path)
    });
    let connection = Connection::open(path).unwrap();
    let plain = |text: &str| text.trim_end_matches(' ').to_lowercase();
    connection.create_collation("MSSQL", move |a, b| plain(a).cmp(&plain(b))).unwrap();
    connection.execute("ATTACH ?1 AS drugs", [path.with_extension("drugs").to_str().unwrap()]).unwrap();
    connection
}

fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// No row may come.
fn none(connection: &Connection, what: &str, sql: &str) {
    let mut statement = connection.prepare(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let columns = statement.column_count();
    let rows: Vec<String> = statement
        .query_map([], |row| {
            Ok((0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect::<Vec<_>>().join(" "))
        })
        .unwrap()
        .take(5)
        .map(Result::unwrap)
        .collect();
    assert!(rows.is_empty(), "{what}: {rows:?}");
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
