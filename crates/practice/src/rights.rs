//! What the two kinds of logins may do, in SQL Server's words: a reader is in `db_datareader`; who may write is in
//! `db_datawriter` too, and may EXECUTE.
//!
//! A reader may call procedures that only read; SQL Server would want a grant on each. It stands in no list of grants, but
//! `HAS_PERMS_BY_NAME` of the procedure tells it.

use crate::{procedure, schema::Base};

/// Number of the session's own user in `sys.database_principals`.
pub(crate) const USER_ID: i64 = 5;

/// Fixed roles of a database, and their numbers.
pub(crate) const ROLES: [(&str, i64); 10] = [
    ("public", 0),
    ("db_owner", 16384),
    ("db_accessadmin", 16385),
    ("db_securityadmin", 16386),
    ("db_ddladmin", 16387),
    ("db_backupoperator", 16389),
    ("db_datareader", 16390),
    ("db_datawriter", 16391),
    ("db_denydatareader", 16392),
    ("db_denydatawriter", 16393),
];

/// Roles of the whole server. Nobody here is in any but `public`.
const SERVER_ROLES: [&str; 9] = [
    "sysadmin",
    "securityadmin",
    "serveradmin",
    "setupadmin",
    "processadmin",
    "diskadmin",
    "dbcreator",
    "bulkadmin",
    "public",
];

const READ: [&str; 4] = [
    "CONNECT",
    "SELECT",
    "VIEW ANY COLUMN ENCRYPTION KEY DEFINITION",
    "VIEW ANY COLUMN MASTER KEY DEFINITION",
];
const WRITE: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "EXECUTE"];
/// Permissions that exist and that nobody here has.
const NOBODYS: &[&str] = &[
    "ALTER",
    "ALTER ANY ROLE",
    "ALTER ANY SCHEMA",
    "ALTER ANY USER",
    "BACKUP DATABASE",
    "BACKUP LOG",
    "CONTROL",
    "CREATE FUNCTION",
    "CREATE PROCEDURE",
    "CREATE SCHEMA",
    "CREATE TABLE",
    "CREATE TYPE",
    "CREATE VIEW",
    "IMPERSONATE",
    "REFERENCES",
    "SHOWPLAN",
    "TAKE OWNERSHIP",
    "UNMASK",
    "VIEW DATABASE STATE",
    "VIEW DEFINITION",
];
const SERVER: [&str; 2] = ["CONNECT SQL", "VIEW ANY DATABASE"];
const SERVER_NOBODYS: &[&str] = &[
    "ADMINISTER BULK OPERATIONS",
    "ALTER ANY DATABASE",
    "ALTER ANY LOGIN",
    "ALTER SERVER STATE",
    "ALTER TRACE",
    "CONTROL SERVER",
    "CREATE ANY DATABASE",
    "SHUTDOWN",
    "VIEW ANY DEFINITION",
    "VIEW SERVER STATE",
];

/// What is asked about.
enum Securable<'a> {
    Server,
    Database,
    Schema,
    /// A table or view (true), or a procedure, by its bare name.
    Object(&'a str, bool),
}

/// Whether the session's user is in that role of its database; `None` where there is no such role.
pub(crate) fn is_member(role: &str, reader: bool) -> Option<bool> {
    let (name, _) = ROLES.iter().find(|(name, _)| name.eq_ignore_ascii_case(role))?;
    Some(matches!(*name, "public" | "db_datareader") || *name == "db_datawriter" && !reader)
}

/// The same of the server's roles.
pub(crate) fn is_server_member(role: &str) -> Option<bool> {
    SERVER_ROLES.iter().find(|name| name.eq_ignore_ascii_case(role)).map(|name| *name == "public")
}

/// What the login may do in its database, for people: what lets it write first.
pub(crate) fn grants(reader: bool) -> &'static [&'static str] {
    match reader {
        true => &["db_datareader"],
        false => &["db_datawriter", "EXECUTE on the database", "db_datareader"],
    }
}

fn find<'a>(securable: Option<&'a str>, class: Option<&str>, base: Base) -> Option<Securable<'a>> {
    let class = class.map(|c| c.trim().to_ascii_uppercase());
    match (class.as_deref(), securable) {
        (None | Some("SERVER"), None) => Some(Securable::Server),
        (Some("DATABASE"), None) => Some(Securable::Database),
        (Some("DATABASE"), Some(name)) => Base::by_name(bare(name)).map(|_| Securable::Database),
        (Some("SCHEMA"), Some(name)) => bare(name).eq_ignore_ascii_case("dbo").then_some(Securable::Schema),
        (Some("OBJECT"), Some(name)) => {
            let mut parts = name.rsplit('.');
            let name = bare(parts.next()?);
            let schema = parts.next().map(bare).unwrap_or_default();
            let base = parts.next().map_or(Some(base), |database| Base::by_name(bare(database)))?;
            if !(schema.is_empty() || schema.eq_ignore_ascii_case("dbo")) {
                return None;
            }
            let table = base.relation(name).is_some();
            let known = table || base == Base::Patients && procedure::find(name).is_some();
            known.then_some(Securable::Object(name, table))
        }
        _ => None,
    }
}

fn bare(name: &str) -> &str {
    name.trim().trim_matches(['[', ']', '"'])
}

/// What the login has on it, and what there is besides that it has not.
fn permissions(on: &Securable<'_>, reader: bool) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut has, mut not) = (Vec::new(), Vec::new());
    let mut split = |list: &[&'static str], yes: bool| {
        if yes { has.extend_from_slice(list) } else { not.extend_from_slice(list) }
    };
    match on {
        Securable::Server => {
            split(&SERVER, true);
            split(SERVER_NOBODYS, false);
        }
        Securable::Database => {
            split(&READ, true);
            split(&WRITE, !reader);
            split(NOBODYS, false);
        }
        Securable::Schema => {
            split(&READ[1..2], true);
            split(&WRITE, !reader);
            split(&["ALTER", "CONTROL", "REFERENCES", "TAKE OWNERSHIP", "VIEW DEFINITION"], false);
        }
        Securable::Object(name, table) => {
            if *table {
                split(&READ[1..2], true);
                split(&WRITE[..3], !reader);
                split(&["REFERENCES"], false);
            } else {
                split(&WRITE[3..], !reader || !procedure::writes(name));
            }
            split(&["ALTER", "CONTROL", "TAKE OWNERSHIP", "VIEW DEFINITION"], false);
        }
    }
    (has, not)
}

/// `HAS_PERMS_BY_NAME`: `None` for what does not exist.
pub(crate) fn has(
    securable: Option<&str>,
    class: Option<&str>,
    permission: &str,
    base: Base,
    reader: bool,
) -> Option<bool> {
    let (has, not) = permissions(&find(securable, class, base)?, reader);
    let permission = permission.trim();
    if permission.eq_ignore_ascii_case("ANY") {
        return Some(!has.is_empty());
    }
    let among = |list: &[&str]| list.iter().any(|p| p.eq_ignore_ascii_case(permission));
    if among(&has) { Some(true) } else { among(&not).then_some(false) }
}

/// `sys.fn_my_permissions`: the entity's name as that tells it, and the permissions. `None` for what does not exist.
pub(crate) fn mine(
    securable: Option<&str>,
    class: Option<&str>,
    base: Base,
    reader: bool,
) -> Option<(String, Vec<&'static str>)> {
    let on = find(securable, class, base)?;
    let entity = match &on {
        Securable::Server => "server".to_owned(),
        Securable::Database => "database".to_owned(),
        Securable::Schema | Securable::Object(..) => securable.unwrap_or_default().to_owned(),
    };
    Some((entity, permissions(&on, reader).0))
}
