//! Calls that ask about the server and its databases. The answers are the demo's own: those of a small server that
//! says what it is.

use super::Call;
use crate::{
    rights,
    schema::Base,
    table_type,
    tsql::{
        expression::Piece,
        scope::{Compiler, literal},
    },
    types::{Family, Type},
};
use database::SqlError;

/// A database's number, as a small server would give it: the first four are SQL Server's own.
fn database_id(base: Base) -> i64 {
    if base.schema() == "main" { 5 } else { 6 }
}

fn database_name(base: Base) -> &'static str {
    if base.schema() == "main" { "BPSPatients" } else { "BPSDrugs" }
}

/// SQL Server's own databases by number.
const OWN: [&str; 4] = ["master", "tempdb", "model", "msdb"];

fn id_by_name(name: &str) -> Option<i64> {
    let own = OWN.iter().position(|n| n.eq_ignore_ascii_case(name)).map(|at| at as i64 + 1);
    own.or_else(|| Base::by_name(name).map(database_id))
}

/// Numbers of system types in `sys.types`.
const TYPES: [(i64, &str); 28] = [
    (34, "image"),
    (35, "text"),
    (36, "uniqueidentifier"),
    (40, "date"),
    (41, "time"),
    (42, "datetime2"),
    (43, "datetimeoffset"),
    (48, "tinyint"),
    (52, "smallint"),
    (56, "int"),
    (58, "smalldatetime"),
    (59, "real"),
    (60, "money"),
    (61, "datetime"),
    (62, "float"),
    (98, "sql_variant"),
    (99, "ntext"),
    (104, "bit"),
    (106, "decimal"),
    (108, "numeric"),
    (122, "smallmoney"),
    (127, "bigint"),
    (165, "varbinary"),
    (167, "varchar"),
    (173, "binary"),
    (175, "char"),
    (231, "nvarchar"),
    (239, "nchar"),
];

fn words(text: &str) -> Piece {
    Piece::new(literal(text), Type { length: 128, ..Type::NVARCHAR })
}

fn number(n: i64) -> Piece {
    Piece::new(n.to_string(), Type::INT)
}

fn nothing(ty: Type) -> Piece {
    Piece::new("NULL", ty)
}

fn server_property(name: &str) -> Piece {
    match name.to_ascii_lowercase().as_str() {
        "productversion" => words("13.0.0.0"),
        "productmajorversion" => words("13"),
        "productminorversion" | "productbuild" => words("0"),
        "productlevel" => words("RTM"),
        "edition" => words("Halo demo practice (Express Edition)"),
        "engineedition" => number(4),
        "collation" => words("Latin1_General_CI_AS"),
        "servername" => words("DEMO\\BPSINSTANCE"),
        "instancename" => words("BPSINSTANCE"),
        "machinename" | "computernamephysicalnetbios" => words("DEMO"),
        "sqlcharsetname" => words("iso_1"),
        "issingleuser"
        | "isclustered"
        | "ishadrenabled"
        | "isfulltextinstalled"
        | "islocaldb"
        | "isintegratedsecurityonly"
        | "isxtpsupported"
        | "ispolybaseinstalled" => number(0),
        _ => nothing(Type::NVARCHAR),
    }
}

fn database_property(base: Option<Base>, name: &str) -> Piece {
    if base.is_none() {
        return nothing(Type::NVARCHAR);
    }
    match name.to_ascii_lowercase().as_str() {
        "status" => words("ONLINE"),
        "collation" => words("Latin1_General_CI_AS"),
        "recovery" => words("SIMPLE"),
        "updateability" => words("READ_WRITE"),
        "useraccess" => words("MULTI_USER"),
        "version" => number(852),
        "isautoclose" | "isautoshrink" | "isinstandby" | "isfulltextenabled" => number(0),
        _ => nothing(Type::NVARCHAR),
    }
}

impl Compiler {
    /// What a literal text says; these functions are answered while compiling.
    fn word<'a>(&self, call: &'a Call<'_>, at: usize) -> Result<&'a str, SqlError> {
        call.pieces[at].text.as_deref().ok_or_else(|| self.no(&format!("{} of an expression", call.name)))
    }

    pub(super) fn system_call(&mut self, call: &mut Call<'_>) -> Result<Option<Piece>, SqlError> {
        Ok(Some(match call.name {
            "DB_NAME" => {
                self.arity(call, 0, 1)?;
                let Some(id) = call.pieces.first().cloned() else {
                    return Ok(Some(words(database_name(self.base))));
                };
                let id = self.int(id)?;
                let all: String = OWN
                    .iter()
                    .enumerate()
                    .map(|(at, name)| format!(" WHEN {} THEN '{name}'", at + 1))
                    .collect();
                let sql =
                    format!("(CASE {}{all} WHEN 5 THEN 'BPSPatients' WHEN 6 THEN 'BPSDrugs' END)", id.sql);
                Piece::new(sql, Type { length: 128, ..Type::NVARCHAR })
            }
            "DB_ID" => {
                self.arity(call, 0, 1)?;
                if call.pieces.is_empty() {
                    return Ok(Some(number(database_id(self.base))));
                }
                id_by_name(self.word(call, 0)?).map_or_else(|| nothing(Type::INT), number)
            }
            "HAS_DBACCESS" => {
                self.arity(call, 1, 1)?;
                id_by_name(self.word(call, 0)?).map_or_else(|| nothing(Type::INT), |_| number(1))
            }
            "SCHEMA_NAME" => {
                self.arity(call, 0, 1)?;
                let Some(id) = call.pieces.first().cloned() else { return Ok(Some(words("dbo"))) };
                let id = self.int(id)?;
                let sql = format!(
                    "(CASE {} WHEN 1 THEN 'dbo' WHEN 2 THEN 'guest' WHEN 3 THEN 'INFORMATION_SCHEMA' WHEN 4 THEN 'sys' END)",
                    id.sql
                );
                Piece::new(sql, Type { length: 128, ..Type::NVARCHAR })
            }
            "SCHEMA_ID" => {
                self.arity(call, 0, 1)?;
                if call.pieces.is_empty() {
                    return Ok(Some(number(1)));
                }
                match self.word(call, 0)?.to_ascii_lowercase().as_str() {
                    "dbo" => number(1),
                    "guest" => number(2),
                    "information_schema" => number(3),
                    "sys" => number(4),
                    _ => nothing(Type::INT),
                }
            }
            "TYPE_NAME" => {
                self.arity(call, 1, 1)?;
                let id = self.int(call.pieces[0].clone())?;
                let all: String = TYPES.iter().map(|(n, name)| format!(" WHEN {n} THEN '{name}'")).collect();
                Piece::new(format!("(CASE {}{all} END)", id.sql), Type { length: 128, ..Type::NVARCHAR })
            }
            "TYPE_ID" => {
                self.arity(call, 1, 1)?;
                let name = self.word(call, 0)?;
                let own = table_type::find(name).map(|t| t.number);
                let own = own.or_else(|| table_type::is_bytes(name).then_some(table_type::BYTES.1));
                let found = TYPES.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(n, _)| *n);
                found.or(own).map_or_else(|| nothing(Type::INT), number)
            }
            "SERVERPROPERTY" => {
                self.arity(call, 1, 1)?;
                server_property(self.word(call, 0)?)
            }
            "DATABASEPROPERTYEX" => {
                self.arity(call, 2, 2)?;
                let base = if call.pieces[0].sql == literal(database_name(self.base))
                    && call.pieces[0].ty.family == Family::Text
                {
                    Some(self.base)
                } else {
                    Base::by_name(self.word(call, 0)?)
                };
                database_property(base, self.word(call, 1)?)
            }
            "IS_MEMBER" => {
                self.arity(call, 1, 1)?;
                let role = self.as_text(call.pieces[0].clone())?;
                Piece::new(format!("ts_member({}, NULL)", role.sql), Type::INT)
            }
            "IS_ROLEMEMBER" | "IS_SRVROLEMEMBER" => {
                self.arity(call, 1, 2)?;
                let name = if call.name == "IS_ROLEMEMBER" { "ts_member" } else { "ts_server_member" };
                let texts = self.texts(call)?;
                let user = texts.get(1).map_or("NULL", String::as_str);
                Piece::new(format!("{name}({}, {user})", texts[0]), Type::INT)
            }
            "HAS_PERMS_BY_NAME" => {
                self.arity(call, 3, 5)?;
                if call.pieces.len() > 3 {
                    return Err(self.no("HAS_PERMS_BY_NAME of columns"));
                }
                let base = literal(self.base.database());
                Piece::new(format!("ts_has_perms({}, {base})", self.texts(call)?.join(", ")), Type::INT)
            }
            "DATABASE_PRINCIPAL_ID" | "USER_ID" => {
                self.arity(call, 0, 1)?;
                let Some(name) = call.pieces.first().cloned() else {
                    return Ok(Some(number(rights::USER_ID)));
                };
                let name = self.as_text(name)?;
                let roles: String = rights::ROLES
                    .iter()
                    .chain(&[("dbo", 1), ("guest", 2), ("INFORMATION_SCHEMA", 3), ("sys", 4)])
                    .map(|(name, id)| format!(" WHEN {} THEN {id}", literal(&name.to_lowercase())))
                    .collect();
                let sql = format!(
                    "(CASE lower({}) WHEN lower(ts_state('user')) THEN {}{roles} END)",
                    name.sql,
                    rights::USER_ID
                );
                Piece::new(sql, Type::INT)
            }
            // Known to SQL Server, and refused by their names.
            "CHECKSUM"
            | "BINARY_CHECKSUM"
            | "PARSENAME"
            | "JSON_MODIFY"
            | "COMPRESS"
            | "DECOMPRESS"
            | "PARSE"
            | "TRY_PARSE"
            | "PWDCOMPARE"
            | "PWDENCRYPT"
            | "CONNECTIONPROPERTY"
            | "COLUMNPROPERTY"
            | "OBJECTPROPERTY"
            | "SQL_VARIANT_PROPERTY"
            | "CURRENT_TIMEZONE"
            | "DATE_BUCKET" => {
                return Err(self.no(call.name));
            }
            _ => return Ok(None),
        }))
    }
}
