//! Rows that go with a practice to another server: who is paired, with which login, and what the practice decided about it.
//!
//! Each table of `link.db` is either carried or left, by name: whoever adds one decides (a test asks).

use super::{Store, StoreError, pairings};
use crate::protect::Protector;
use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{Hidden, IntegratorId, SiteId};
use rusqlite::{
    Connection, Transaction, params_from_iter,
    types::{Value, ValueRef},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// What is carried, with what it is called to people; none for what they need not hear of.
const CARRIED: &[(&str, Option<&str>)] = &[
    ("pairing", Some("pairings")),
    ("consent", Some("consents")),
    ("unpaired", Some("ended pairings")),
    ("site_off", Some("switched-off databases")),
    ("approval", Some("approvals")),
    ("approval_seen", Some("approvals' numbers")),
    ("revocation", Some("lists of revoked gateways")),
    ("instance_shut", Some("shut-out gateways")),
    ("instance", None),
    ("site_binding", Some("databases")),
    ("site_said", None),
    ("meta", None),
];
/// Counters and marks of `meta` that are carried. The epoch goes beside them, and the clock's high-water mark begins anew.
const META: &[&str] = &["halted", "revision"];
/// What is made anew, or is the old server's own history.
#[cfg(test)]
const LEFT: &[&str] = &[
    "code",
    "ledger",
    "statement",
    "audit",
    "audit_device",
    "audit_more",
    "audit_values",
    "audit_chain",
    "audit_head",
    "audit_signed",
    "audit_cut",
    "audit_query",
    "statement_used",
    // Read from the database again.
    "rights",
    // Whoever waits asks again.
    "pairing_request",
    "seal",
    "consent_used",
    "job",
    "job_page",
    "schedule",
    "schedule_cut",
    "fence",
    "event_journal",
    "event",
    "recovery_kit",
    "stopped",
    "machine",
    "sqlite_sequence",
];
/// Most rows of one table that are read from a kit.
const ROWS: usize = 1_000_000;

/// Some rows of one table.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The cells of a column.
    pub(crate) fn column(&self, name: &str) -> impl Iterator<Item = &Cell> {
        let at = self.columns.iter().position(|column| column == name);
        self.rows.iter().filter_map(move |row| row.get(at?))
    }
}

/// One value. Texts and bytes may be secret: a pairing's login stands here in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Number(i64),
    Text(Hidden<String>),
    Bytes(Hidden<Vec<u8>>),
}

impl Cell {
    /// A text's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text.reveal()),
            _ => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Null(()),
    Number(i64),
    Text(String),
    Bytes { b64: String },
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Null => Written::Null(()),
            Cell::Number(number) => Written::Number(*number),
            Cell::Text(text) => return serializer.serialize_str(text.reveal()),
            Cell::Bytes(bytes) => Written::Bytes { b64: STANDARD.encode(bytes.reveal()) },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Null(()) => Cell::Null,
            Written::Number(number) => Cell::Number(number),
            Written::Text(text) => Cell::Text(Hidden::new(text)),
            Written::Bytes { b64 } => {
                let b64 = Hidden::new(b64);
                let bytes = STANDARD.decode(b64.reveal()).map_err(serde::de::Error::custom)?;
                Cell::Bytes(Hidden::new(bytes))
            }
        })
    }
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(number) => Cell::Number(number),
            ValueRef::Text(text) => Cell::Text(Hidden::new(String::from_utf8_lossy(text).into_owned())),
            ValueRef::Blob(bytes) => Cell::Bytes(Hidden::new(bytes.to_vec())),
            // No table that is carried has one.
            ValueRef::Null | ValueRef::Real(_) => Cell::Null,
        }
    }
}

/// Hashes of rows, by table: what differs has changed. Nothing can be read from them.
pub(crate) type Marks = BTreeMap<String, BTreeSet<String>>;

impl Store {
    /// All that is carried, logins in the clear, and the marks of the same moment.
    pub(crate) fn carried(&self) -> Result<(Vec<Table>, Marks), StoreError> {
        let mut tables = self.transaction(read)?;
        let marks = marks(&tables);
        for table in tables.iter_mut().filter(|table| table.name == "pairing") {
            turn_logins(table, |purpose, login| Ok(self.protector.open(purpose, login)?.into_inner()))?;
        }
        Ok((tables, marks))
    }

    /// The marks alone: nothing is opened for them.
    pub(crate) fn marks(&self) -> Result<Marks, StoreError> {
        Ok(marks(&self.transaction(read)?))
    }
}

/// Puts carried rows into a new file's tables, logins sealed by `protector`. Tables and columns that this version does not know are left out:
/// their names.
pub(crate) fn put(
    t: &Transaction<'_>,
    mut tables: Vec<Table>,
    protector: &dyn Protector,
) -> Result<Vec<String>, StoreError> {
    let mut left = Vec::new();
    for table in &mut tables {
        if !CARRIED.iter().any(|(name, _)| *name == table.name) {
            left.push(table.name.clone());
            continue;
        }
        if table.rows.len() > ROWS {
            return Err(StoreError::Broken("a table of the kit"));
        }
        if table.name == "pairing" {
            turn_logins(table, |purpose, login| Ok(protector.seal(purpose, login)?))?;
        }
        let known = columns(t, &table.name)?;
        let (places, names): (Vec<usize>, Vec<&str>) = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, name)| known.contains(*name))
            .map(|(at, name)| (at, name.as_str()))
            .unzip();
        left.extend(
            table
                .columns
                .iter()
                .filter(|name| !known.contains(*name))
                .map(|name| format!("{}.{name}", table.name)),
        );
        // Names are those of the file's own schema by now: nothing of the kit's own words is in the statement.
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!("INSERT OR REPLACE INTO {} ({}) VALUES ({marks})", table.name, names.join(", "));
        let mut statement = t.prepare(&sql)?;
        for row in &table.rows {
            let cell = |at: &usize| row.get(*at).map(value).ok_or(StoreError::Broken("a row of the kit"));
            let values = places.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
            if table.name != "meta" || meta_is_carried(&values) {
                statement.execute(params_from_iter(values))?;
            }
        }
    }
    Ok(left)
}

/// What differs between two moments, in words: `2 pairings, 1 consents`. Empty when nothing does.
pub(crate) fn changed(before: &Marks, now: &Marks) -> Vec<String> {
    let none = BTreeSet::new();
    let of = |(table, word): &(&str, Option<&str>)| {
        let (before, now) = (before.get(*table).unwrap_or(&none), now.get(*table).unwrap_or(&none));
        // A changed row is one that is gone and one that is new.
        let count = before.difference(now).count().max(now.difference(before).count());
        word.filter(|_| count > 0).map(|word| format!("{count} {word}"))
    };
    CARRIED.iter().filter_map(of).collect()
}

fn meta_is_carried(values: &[Value]) -> bool {
    values.iter().any(|value| matches!(value, Value::Text(name) if META.contains(&name.as_str())))
}

fn read(t: &Transaction<'_>) -> Result<Vec<Table>, StoreError> {
    let mut tables = Vec::new();
    for (name, _) in CARRIED {
        let mut statement = t.prepare(&format!("SELECT * FROM {name}"))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut found = statement.query([])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let mut cells = Vec::with_capacity(columns.len());
            for at in 0..columns.len() {
                cells.push(Cell::from(row.get_ref(at)?));
            }
            rows.push(cells);
        }
        if *name == "meta" {
            rows.retain(|row| row.iter().any(|cell| cell.text().is_some_and(|name| META.contains(&name))));
        }
        tables.push(Table { name: (*name).to_owned(), columns, rows });
    }
    Ok(tables)
}

/// Of rows as they are in the file or in a kit: of a login counts only whether there is one.
pub(crate) fn marks(tables: &[Table]) -> Marks {
    // What a certificate's serial or a database's own words are changes by itself, and is no decision of anybody's.
    let told = |table: &&Table| CARRIED.iter().any(|(name, word)| *name == table.name && word.is_some());
    let of = |table: &Table| {
        // Sealed anew a login is the same one: that it is another shows in the pairing's revision.
        let login = table.columns.iter().position(|column| table.name == "pairing" && column == "login");
        table.rows.iter().map(|row| mark(row, login)).collect()
    };
    tables.iter().filter(told).map(|table| (table.name.clone(), of(table))).collect()
}

/// The hash of a row; of the value at `sealed` only whether there is one.
fn mark(row: &[Cell], sealed: Option<usize>) -> String {
    let mut hash = Context::new(&SHA256);
    for (at, cell) in row.iter().enumerate() {
        let number;
        let (kind, bytes): (u8, &[u8]) = match cell {
            Cell::Bytes(bytes) if sealed == Some(at) => (u8::from(bytes.reveal().is_empty()), &[]),
            Cell::Null => (2, &[]),
            Cell::Number(value) => {
                number = value.to_be_bytes();
                (3, &number)
            }
            Cell::Text(text) => (4, text.reveal().as_bytes()),
            Cell::Bytes(bytes) => (5, bytes.reveal()),
        };
        hash.update(&[kind]);
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    hash.finish().as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens or seals each pairing's login; one that was erased stays empty.
fn turn_logins(
    table: &mut Table,
    turn: impl Fn(&str, &[u8]) -> Result<Vec<u8>, StoreError>,
) -> Result<(), StoreError> {
    let broken = || StoreError::Broken("a pairing");
    let at = |name: &str| table.columns.iter().position(|column| column == name).ok_or_else(broken);
    let (site, integrator, login) = (at("site")?, at("integrator")?, at("login")?);
    for row in &mut table.rows {
        let bytes = |at: usize| match row.get(at) {
            Some(Cell::Bytes(bytes)) => Ok(bytes.reveal().as_slice()),
            _ => Err(broken()),
        };
        let site = SiteId::from_slice(bytes(site)?).ok_or_else(broken)?;
        let integrator = IntegratorId::from_slice(bytes(integrator)?).ok_or_else(broken)?;
        let before = bytes(login)?;
        if !before.is_empty() {
            let turned = turn(&pairings::purpose(site, integrator), before)?;
            row[login] = Cell::Bytes(Hidden::new(turned));
        }
    }
    Ok(())
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(number) => Value::Integer(*number),
        Cell::Text(text) => Value::Text(text.reveal().clone()),
        Cell::Bytes(bytes) => Value::Blob(bytes.reveal().clone()),
    }
}

/// The columns that a table has in this file.
fn columns(t: &Connection, table: &str) -> Result<BTreeSet<String>, StoreError> {
    let mut statement = t.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Bench;
    use model::Access;

    /// Whoever adds a table decides whether a practice has it again on its next server.
    #[test]
    fn every_table_is_either_carried_or_left() {
        let bench = Bench::new();
        let tables: Vec<String> = bench
            .door()
            .store()
            .transaction(|t| {
                let mut statement = t.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
                let names = statement.query_map([], |row| row.get(0))?;
                Ok(names.collect::<Result<_, _>>()?)
            })
            .unwrap();
        for table in &tables {
            let carried = CARRIED.iter().any(|(name, _)| name == table);
            assert!(
                carried != LEFT.contains(&table.as_str()),
                "{table}: say in store/carried.rs whether it is carried"
            );
        }
        for (name, _) in CARRIED {
            assert!(tables.iter().any(|table| table == name), "{name} is no table");
        }
    }

    #[test]
    fn what_changed_is_counted_by_what_it_is() {
        let bench = Bench::new();
        let before = bench.door().store().marks().unwrap();
        assert!(changed(&before, &before).is_empty());
        bench.pair(Access::ReadOnly);
        bench.door().switch_site(bench.site, false).unwrap();
        let now = bench.door().store().marks().unwrap();
        let said = changed(&before, &now);
        assert!(
            said.contains(&"1 pairings".to_owned()) && said.contains(&"1 switched-off databases".to_owned()),
            "{said:?}"
        );
        bench.door().check(&bench.peer(), bench.site).unwrap_err();
        assert_eq!(bench.door().store().marks().unwrap(), now, "a new certificate is no change");
    }

    #[test]
    fn a_login_is_not_in_the_debug_form_of_what_is_carried() {
        let bench = Bench::new();
        bench.pair(Access::ReadOnly);
        let (tables, _) = bench.door().store().carried().unwrap();
        let json = serde_json::to_string(&tables).unwrap();
        let again: Vec<Table> = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), json);
        assert!(!format!("{tables:?} {:?}", tables[0].rows).contains("password"));
    }
}
