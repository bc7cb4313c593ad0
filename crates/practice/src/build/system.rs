//! Fills SQL Server's own views from the lists that the tables were made from.

use crate::{
    procedure::PROCEDURES,
    schema::{Base, CREATED_AT, INDEXES, Relation, SYSTEM, declared_name, id_of},
    table_type::{self, TABLE_TYPES},
    types::{Family, Type},
};
use rusqlite::{Connection, Statement, params};

/// The collation's name as SQL Server would tell it: without case, with accents, code page 1252.
const COLLATION: &str = "Latin1_General_CI_AS";

/// Name, system type, user type, length, precision, scale, whether it is text.
const TYPES: &[(&str, i64, i64, i64, i64, i64, bool)] = &[
    ("image", 34, 34, 16, 0, 0, false),
    ("text", 35, 35, 16, 0, 0, true),
    ("uniqueidentifier", 36, 36, 16, 0, 0, false),
    ("date", 40, 40, 3, 10, 0, false),
    ("time", 41, 41, 5, 16, 7, false),
    ("datetime2", 42, 42, 8, 27, 7, false),
    ("datetimeoffset", 43, 43, 10, 34, 7, false),
    ("tinyint", 48, 48, 1, 3, 0, false),
    ("smallint", 52, 52, 2, 5, 0, false),
    ("int", 56, 56, 4, 10, 0, false),
    ("smalldatetime", 58, 58, 4, 16, 0, false),
    ("real", 59, 59, 4, 24, 0, false),
    ("money", 60, 60, 8, 19, 4, false),
    ("datetime", 61, 61, 8, 23, 3, false),
    ("float", 62, 62, 8, 53, 0, false),
    ("sql_variant", 98, 98, 8016, 0, 0, false),
    ("ntext", 99, 99, 16, 0, 0, true),
    ("bit", 104, 104, 1, 1, 0, false),
    ("decimal", 106, 106, 17, 38, 38, false),
    ("numeric", 108, 108, 17, 38, 38, false),
    ("smallmoney", 122, 122, 4, 10, 4, false),
    ("bigint", 127, 127, 8, 19, 0, false),
    ("varbinary", 165, 165, 8000, 0, 0, false),
    ("varchar", 167, 167, 8000, 0, 0, true),
    ("binary", 173, 173, 8000, 0, 0, false),
    ("char", 175, 175, 8000, 0, 0, true),
    ("timestamp", 189, 189, 8, 0, 0, false),
    ("nvarchar", 231, 231, 8000, 0, 0, true),
    ("sysname", 231, 256, 256, 0, 0, true),
    ("nchar", 239, 239, 8000, 0, 0, true),
    ("xml", 241, 241, -1, 0, 0, false),
];

/// What the views say of a declared type.
struct Told {
    name: &'static str,
    system: i64,
    user: i64,
    /// In bytes; -1 for `max`.
    length: i64,
    precision: i64,
    scale: i64,
    collation: Option<&'static str>,
    /// In characters, of text only.
    characters: Option<i64>,
    number: bool,
    time: bool,
}

fn told(declared: &str) -> Told {
    let own = match table_type::of_formal(declared) {
        Some(table) => Some(("table type", 243, table.number)),
        None => table_type::is_bytes(declared).then_some((table_type::BYTES.0, 240, table_type::BYTES.1)),
    };
    if let Some((name, system, user)) = own {
        return Told {
            name,
            system,
            user,
            length: -1,
            precision: 0,
            scale: 0,
            collation: None,
            characters: None,
            number: false,
            time: false,
        };
    }
    let ty = Type::declared(declared);
    let base = declared_name(declared);
    let &(name, system, user, length, precision, scale, text) =
        TYPES.iter().find(|t| t.0.eq_ignore_ascii_case(base)).expect("our own lists name types that exist");
    let wide = if name.starts_with('n') && text { 2 } else { 1 };
    let sized = matches!(name, "char" | "varchar" | "nchar" | "nvarchar" | "binary" | "varbinary");
    let exact = matches!(name, "decimal" | "numeric");
    let length = match (sized, ty.length) {
        (false, _) => length,
        (true, 0) => -1,
        (true, n) => i64::from(n) * wide,
    };
    let (precision, scale) =
        if exact { (i64::from(ty.length), i64::from(ty.scale)) } else { (precision, scale) };
    let characters = match (name, ty.family) {
        ("text", _) => Some(2_147_483_647),
        ("sysname", _) => Some(128),
        (_, Family::Text) => Some(if length < 0 { -1 } else { length / wide }),
        _ => None,
    };
    Told {
        name: if name == "sysname" { "nvarchar" } else { name },
        system,
        user,
        length,
        precision,
        scale,
        collation: text.then_some(COLLATION),
        characters,
        number: ty.is_number() && ty.family != Family::Bit,
        time: ty.is_time(),
    }
}

/// Fills all system views of a database.
pub(super) fn write(connection: &Connection, base: Base) -> rusqlite::Result<()> {
    for system in SYSTEM {
        connection.execute_batch(&system.relation.ddl(base.schema()))?;
    }
    schemas(connection, base)?;
    objects(connection, base)?;
    columns(connection, base)?;
    keys(connection, base)?;
    if base == Base::Patients {
        routines(connection, base)?;
    }
    types(connection, base)
}

fn insert<'c>(
    connection: &'c Connection,
    base: Base,
    table: &str,
    values: &str,
) -> rusqlite::Result<Statement<'c>> {
    connection.prepare(&format!("INSERT INTO {}.{table} VALUES ({values})", base.schema()))
}

fn schemas(connection: &Connection, base: Base) -> rusqlite::Result<()> {
    let mut schema = insert(connection, base, "sys_schemas", "?1, ?2, 1")?;
    let mut standard = insert(connection, base, "information_schema_schemata", "?1, ?2, 'dbo', 'iso_1'")?;
    for (name, id) in [("dbo", 1), ("guest", 2), ("INFORMATION_SCHEMA", 3), ("sys", 4)] {
        schema.execute(params![name, id])?;
        standard.execute(params![base.database(), name])?;
    }
    let mut database = insert(
        connection,
        base,
        "sys_databases",
        "?1, ?2, ?3, 120, ?4, 0, 'MULTI_USER', 0, 0, 'ONLINE', 3, 'SIMPLE'",
    )?;
    for (name, id) in
        [("master", 1), ("tempdb", 2), ("model", 3), ("msdb", 4), ("BPSPatients", 5), ("BPSDrugs", 6)]
    {
        database.execute(params![name, id, CREATED_AT, COLLATION])?;
    }
    Ok(())
}

/// Table, view and procedure in every list that has them.
fn objects(connection: &Connection, base: Base) -> rusqlite::Result<()> {
    let common = "?1, ?2, NULL, 1, ?3, ?4, ?5, ?6, ?6, 0, 0, 0";
    let mut lists = Vec::new();
    for table in ["sys_objects", "sys_all_objects"] {
        lists.push(insert(connection, base, table, common)?);
    }
    let mut old = insert(connection, base, "sys_sysobjects", "?1, ?2, ?4, 1, ?3, ?5, ?4")?;
    let mut put = |name: &str, id: i64, parent: i64, kind: &str, words: &str| -> rusqlite::Result<()> {
        let kind = format!("{kind:<2}");
        for list in &mut lists {
            list.execute(params![name, id, parent, kind, words, CREATED_AT])?;
        }
        old.execute(params![name, id, parent, kind, CREATED_AT])?;
        Ok(())
    };
    let mut table = insert(
        connection,
        base,
        "sys_tables",
        "?1, ?2, NULL, 1, 0, 'U ', 'USER_TABLE', ?3, ?3, 0, 0, 0, ?4, 0",
    )?;
    let mut view =
        insert(connection, base, "sys_views", "?1, ?2, NULL, 1, 0, 'V ', 'VIEW', ?3, ?3, 0, 0, 0")?;
    let mut standard = insert(connection, base, "information_schema_tables", "?1, 'dbo', ?2, ?3")?;
    let mut standard_view =
        insert(connection, base, "information_schema_views", "?1, 'dbo', ?2, NULL, 'NONE', 'NO'")?;
    for relation in base.relations() {
        let id = id_of(base, relation.name);
        if relation.view.is_some() {
            put(relation.name, id, 0, "V", "VIEW")?;
            view.execute(params![relation.name, id, CREATED_AT])?;
            standard.execute(params![base.database(), relation.name, "VIEW"])?;
            standard_view.execute(params![base.database(), relation.name])?;
        } else {
            put(relation.name, id, 0, "U", "USER_TABLE")?;
            table.execute(params![relation.name, id, CREATED_AT, relation.columns.len() as i64])?;
            standard.execute(params![base.database(), relation.name, "BASE TABLE"])?;
        }
        if relation.key().is_some() {
            let key = key_name(relation);
            put(&key, id_of(base, &key), id, "PK", "PRIMARY_KEY_CONSTRAINT")?;
        }
    }
    if base == Base::Patients {
        let mut procedure = insert(
            connection,
            base,
            "sys_procedures",
            "?1, ?2, NULL, 1, 0, 'P ', 'SQL_STORED_PROCEDURE', ?3, ?3, 0, 0, 0",
        )?;
        for p in PROCEDURES {
            put(p.name, id_of(base, p.name), 0, "P", "SQL_STORED_PROCEDURE")?;
            procedure.execute(params![p.name, id_of(base, p.name), CREATED_AT])?;
        }
    }
    Ok(())
}

/// `sys.columns` and `sys.all_columns`, which say the same.
struct ColumnLists<'c>([Statement<'c>; 2]);

impl<'c> ColumnLists<'c> {
    fn new(connection: &'c Connection, base: Base) -> rusqlite::Result<Self> {
        let marks = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, 0, 0";
        Ok(ColumnLists([
            insert(connection, base, "sys_columns", marks)?,
            insert(connection, base, "sys_all_columns", marks)?,
        ]))
    }

    /// Column `number` of the object `id`.
    fn put(
        &mut self,
        id: i64,
        number: i64,
        name: &str,
        t: &Told,
        nullable: bool,
        identity: bool,
    ) -> rusqlite::Result<()> {
        for list in &mut self.0 {
            list.execute(params![
                id,
                name,
                number,
                t.system,
                t.user,
                t.length,
                t.precision,
                t.scale,
                t.collation,
                nullable,
                identity,
            ])?;
        }
        Ok(())
    }
}

fn columns(connection: &Connection, base: Base) -> rusqlite::Result<()> {
    let mut lists = ColumnLists::new(connection, base)?;
    let mut standard = insert(
        connection,
        base,
        "information_schema_columns",
        "?1, 'dbo', ?2, ?3, ?4, NULL, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, NULL, NULL, ?13, NULL, NULL, ?14, NULL, NULL, NULL",
    )?;
    let mut old = insert(connection, base, "sys_syscolumns", "?1, ?2, ?3, ?4, ?5, ?6, ?7")?;
    for relation in base.relations() {
        let id = id_of(base, relation.name);
        for (number, (name, declared)) in (1i64..).zip(relation.columns) {
            let t = told(declared);
            let key = declared.ends_with(" key");
            let nullable = i64::from(!key);
            lists.put(id, number, name, &t, !key, key && numbered(relation))?;
            standard.execute(params![
                base.database(),
                relation.name,
                name,
                number,
                if key { "NO" } else { "YES" },
                t.name,
                t.characters,
                t.characters.map(|_| t.characters_bytes()),
                t.number.then_some(t.precision),
                t.number.then_some(10),
                t.number.then_some(t.scale),
                t.time.then_some(t.scale),
                t.collation.map(|_| "iso_1"),
                t.collation,
            ])?;
            old.execute(params![name, id, t.system, t.user, t.length, number, nullable])?;
        }
    }
    Ok(())
}

impl Told {
    fn characters_bytes(&self) -> i64 {
        match self.characters {
            Some(2_147_483_647) => 2_147_483_647,
            _ => self.length,
        }
    }
}

/// Whether the database numbers a table's rows itself; code lists bring their numbers.
fn numbered(relation: &Relation) -> bool {
    let key = relation.key().unwrap_or_default();
    relation.view.is_none() && !key.ends_with("CODE") && relation.columns.len() > 3
}

fn key_name(relation: &Relation) -> String {
    format!("PK_{}", relation.name)
}

/// Keys and indexes.
fn keys(connection: &Connection, base: Base) -> rusqlite::Result<()> {
    let mut key = insert(
        connection,
        base,
        "sys_key_constraints",
        "?1, ?2, NULL, 1, ?3, 'PK', 'PRIMARY_KEY_CONSTRAINT', ?4, ?4, 0, 1, 0",
    )?;
    let mut constraint = insert(
        connection,
        base,
        "information_schema_table_constraints",
        "?1, 'dbo', ?2, ?1, 'dbo', ?3, 'PRIMARY KEY', 'NO', 'NO'",
    )?;
    let mut usage = insert(
        connection,
        base,
        "information_schema_key_column_usage",
        "?1, 'dbo', ?2, ?1, 'dbo', ?3, ?4, 1",
    )?;
    let mut index = insert(connection, base, "sys_indexes", "?1, ?2, ?3, ?4, ?5, ?6, ?6, 0, 0")?;
    let mut column = insert(connection, base, "sys_index_columns", "?1, ?2, ?3, ?4, ?3, 0, 0")?;
    for relation in base.tables() {
        let id = id_of(base, relation.name);
        let place =
            |name: &str| relation.columns.iter().position(|(n, _)| *n == name).map_or(0, |p| p as i64 + 1);
        match relation.key() {
            Some(name) => {
                let own = key_name(relation);
                key.execute(params![own, id_of(base, &own), id, CREATED_AT])?;
                constraint.execute(params![base.database(), own, relation.name])?;
                usage.execute(params![base.database(), own, relation.name, name])?;
                index.execute(params![id, own, 1, 1, "CLUSTERED", 1])?;
                column.execute(params![id, 1, 1, place(name)])?;
            }
            None => {
                index.execute(params![id, None::<String>, 0, 0, "HEAP", 0])?;
            }
        }
        let others = INDEXES.iter().filter(|i| i.base == base && i.table == relation.name);
        for (number, other) in (2i64..).zip(others) {
            index.execute(params![id, other.name(), number, 2, "NONCLUSTERED", 0])?;
            for (ordinal, name) in (1i64..).zip(other.columns) {
                column.execute(params![id, number, ordinal, place(name)])?;
            }
        }
    }
    Ok(())
}

/// Procedures and their parameters.
fn routines(connection: &Connection, base: Base) -> rusqlite::Result<()> {
    let mut routine = insert(
        connection,
        base,
        "information_schema_routines",
        "?1, 'dbo', ?2, ?1, 'dbo', ?2, 'PROCEDURE', NULL, NULL, ?3, ?3",
    )?;
    let mut standard = insert(
        connection,
        base,
        "information_schema_parameters",
        "?1, 'dbo', ?2, ?3, ?10, 'NO', ?4, ?5, ?6, ?7, ?8, ?9",
    )?;
    let mut parameter =
        insert(connection, base, "sys_parameters", "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?10, ?9")?;
    for procedure in PROCEDURES {
        let id = id_of(base, procedure.name);
        routine.execute(params![base.database(), procedure.name, CREATED_AT])?;
        for (number, (name, declared, default)) in (1i64..).zip(procedure.parameters) {
            let (declared, output) = match declared.strip_suffix(" output") {
                Some(declared) => (declared, true),
                None => (*declared, false),
            };
            let t = told(declared);
            standard.execute(params![
                base.database(),
                procedure.name,
                number,
                name,
                t.name,
                t.characters,
                t.number.then_some(t.precision),
                t.number.then_some(t.scale),
                t.time.then_some(t.scale),
                if output { "INOUT" } else { "IN" },
            ])?;
            parameter.execute(params![
                id,
                name,
                number,
                t.system,
                t.user,
                t.length,
                t.precision,
                t.scale,
                i64::from(default.is_some()),
                i64::from(output),
            ])?;
        }
    }
    Ok(())
}

fn types(connection: &Connection, base: Base) -> rusqlite::Result<()> {
    let mut insert =
        insert(connection, base, "sys_types", "?1, ?2, ?3, 4, NULL, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, 0, 0")?;
    for &(name, system, user, length, precision, scale, text) in TYPES {
        let nullable = i64::from(name != "sysname" && name != "timestamp");
        insert.execute(params![
            name,
            system,
            user,
            length,
            precision,
            scale,
            text.then_some(COLLATION),
            nullable
        ])?;
    }
    drop(insert);
    if base == Base::Patients { own_types(connection, base) } else { Ok(()) }
}

/// The practice's own: table types with their columns, and the one whose values are bytes.
fn own_types(connection: &Connection, base: Base) -> rusqlite::Result<()> {
    let own = "?1, ?2, ?3, 1, NULL, -1, 0, 0, NULL, ?4, 1, ?5, 0, 0, ?6";
    let mut plain = insert(connection, base, "sys_types", own)?;
    plain.execute(params![table_type::BYTES.0, 240, table_type::BYTES.1, 1, 1, 0])?;
    let mut table = insert(connection, base, "sys_table_types", &format!("{own}, ?7, 0"))?;
    let mut lists = ColumnLists::new(connection, base)?;
    for ty in TABLE_TYPES {
        let id = id_of(base, &format!("TT_{}", ty.name));
        plain.execute(params![ty.name, 243, ty.number, 0, 0, 1])?;
        table.execute(params![ty.name, 243, ty.number, 0, 0, 1, id])?;
        for (number, (name, declared, nullable)) in (1i64..).zip(ty.columns) {
            let t = told(declared);
            lists.put(id, number, name, &t, *nullable, false)?;
        }
    }
    Ok(())
}
