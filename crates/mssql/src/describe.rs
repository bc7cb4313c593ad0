//! What the server is, and what the login may do, as its own grants say.

use crate::{session::Connection, structured::ask};
use database::{Description, Failure, Rights, Writes};

/// Most grants that are told.
const GRANTS: usize = 100;

/// Runs one question; one that the server does not let this login ask has no answer.
async fn maybe(
    connection: &mut Connection<'_>,
    text: &str,
) -> Result<Option<Vec<Vec<Option<String>>>>, Failure> {
    match ask(connection, text.to_owned(), Vec::new()).await {
        Ok(rows) => Ok(Some(rows)),
        Err(Failure::Sql(error)) if error.class < crate::error::FATAL => Ok(None),
        Err(failure) => Err(failure),
    }
}

pub(crate) async fn describe(connection: &mut Connection<'_>) -> Result<Description, Failure> {
    let (product, version) = product(connection).await?;
    Ok(Description { product, version, rights: rights(connection).await? })
}

async fn product(connection: &mut Connection<'_>) -> Result<(String, String), Failure> {
    let asked = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), @@VERSION";
    let rows = match maybe(connection, asked).await? {
        Some(rows) => rows,
        None => maybe(connection, "SELECT CAST(NULL AS nvarchar(128)), @@VERSION").await?.unwrap_or_default(),
    };
    let mut row = rows.into_iter().next().unwrap_or_default().into_iter();
    let (version, words) = (row.next().flatten(), row.next().flatten().unwrap_or_default());
    // `Microsoft SQL Server 2019 (RTM-CU22) … - 15.0.4322.2 (X64) …`
    let product: String =
        words.split(['(', '\n', '\r']).next().unwrap_or_default().trim().chars().take(128).collect();
    let told = words
        .split_whitespace()
        .find(|word| word.split('.').count() == 4 && word.starts_with(|c: char| c.is_ascii_digit()));
    let version = version.or_else(|| told.map(str::to_owned)).unwrap_or_default();
    let product = match (product.is_empty(), product.split(" - ").next()) {
        (false, Some(name)) => name.trim().to_owned(),
        _ => "Microsoft SQL Server".to_owned(),
    };
    Ok((product, version))
}

/// Roles whose members may change something.
const ROLES: [&str; 5] = ["db_owner", "db_datawriter", "db_ddladmin", "db_securityadmin", "db_accessadmin"];
/// Rights on the whole database that let it change something, or run what may.
const WRITES: [&str; 6] = ["INSERT", "UPDATE", "DELETE", "ALTER", "EXECUTE", "CONTROL"];

const OBJECTS: &str = "SELECT DISTINCT p.permission_name, s.name, o.name
  FROM sys.database_permissions p
  JOIN sys.database_principals r ON r.principal_id = p.grantee_principal_id
  JOIN sys.objects o ON p.class = 1 AND o.object_id = p.major_id
  JOIN sys.schemas s ON s.schema_id = o.schema_id
  WHERE p.state IN ('G', 'W') AND o.is_ms_shipped = 0
    AND (r.name = USER_NAME() OR r.name = 'public' OR IS_MEMBER(r.name) = 1)";

const SCHEMAS: &str = "SELECT DISTINCT p.permission_name, s.name
  FROM sys.database_permissions p
  JOIN sys.database_principals r ON r.principal_id = p.grantee_principal_id
  JOIN sys.schemas s ON p.class = 3 AND s.schema_id = p.major_id
  WHERE p.state IN ('G', 'W') AND (r.name = USER_NAME() OR r.name = 'public' OR IS_MEMBER(r.name) = 1)";

/// Those on the database as a whole beside the ones that are asked for by name above.
const DATABASE: &str = "SELECT DISTINCT p.permission_name
  FROM sys.database_permissions p
  JOIN sys.database_principals r ON r.principal_id = p.grantee_principal_id
  WHERE p.class = 0 AND p.state IN ('G', 'W')
    AND p.permission_name NOT IN ('INSERT', 'UPDATE', 'DELETE', 'ALTER', 'EXECUTE', 'CONTROL', 'SELECT', 'CONNECT')
    AND (r.name = USER_NAME() OR r.name = 'public' OR IS_MEMBER(r.name) = 1)";

/// Whoever owns something needs no grant on it.
const OWN_SCHEMAS: &str = "SELECT 'OWNER', s.name
  FROM sys.schemas s JOIN sys.database_principals r ON r.principal_id = s.principal_id
  WHERE r.name = USER_NAME() OR IS_MEMBER(r.name) = 1";
const OWN_OBJECTS: &str = "SELECT 'OWNER', s.name, o.name
  FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
  JOIN sys.database_principals r ON r.principal_id = o.principal_id
  WHERE o.is_ms_shipped = 0 AND (r.name = USER_NAME() OR IS_MEMBER(r.name) = 1)";

/// Rights with which nothing can be changed.
fn only_reads(right: &str) -> bool {
    right.starts_with("VIEW ") || matches!(right, "SELECT" | "REFERENCES" | "SHOWPLAN" | "UNMASK")
}

async fn rights(connection: &mut Connection<'_>) -> Result<Rights, Failure> {
    let mut unknown = false;
    let mut writing: Vec<String> = Vec::new();
    let mut reading: Vec<String> = Vec::new();
    // Each question apart: a server that does not know one of them can still answer the others.
    let mut facts: Vec<(String, String, bool)> =
        vec![("sysadmin".to_owned(), "SELECT IS_SRVROLEMEMBER('sysadmin')".to_owned(), true)];
    facts.extend(ROLES.iter().map(|role| ((*role).to_owned(), format!("SELECT IS_MEMBER('{role}')"), true)));
    facts.push(("db_datareader".to_owned(), "SELECT IS_MEMBER('db_datareader')".to_owned(), false));
    for right in WRITES.iter().chain(&["SELECT"]) {
        let text = format!("SELECT HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', '{right}')");
        facts.push((format!("{right} on the whole database"), text, *right != "SELECT"));
    }
    for (grant, text, writes) in facts {
        let answer =
            maybe(connection, &text).await?.and_then(|rows| rows.into_iter().next()?.into_iter().next()?);
        match answer.as_deref() {
            Some("1" | "true") if writes => writing.push(grant),
            Some("1" | "true") => reading.push(grant),
            Some(_) => {}
            None => unknown |= writes,
        }
    }
    let lists = [
        (OBJECTS, "on "),
        (SCHEMAS, "on schema "),
        (DATABASE, "on the whole database"),
        (OWN_SCHEMAS, "of schema "),
        (OWN_OBJECTS, "of "),
    ];
    for (text, of) in lists {
        match maybe(connection, text).await? {
            Some(rows) => {
                for row in rows {
                    let mut parts = row.into_iter().flatten();
                    let right = parts.next().unwrap_or_default();
                    let grant = format!("{right} {of}{}", parts.collect::<Vec<_>>().join("."));
                    let reads = only_reads(&right);
                    if reads { reading.push(grant) } else { writing.push(grant) }
                }
            }
            None => unknown = true,
        }
    }
    let writes = match (writing.is_empty(), unknown) {
        (false, _) => Writes::Yes,
        (true, true) => Writes::Unknown,
        (true, false) => Writes::No,
    };
    writing.extend(reading);
    writing.truncate(GRANTS);
    Ok(Rights { writes, grants: writing })
}
