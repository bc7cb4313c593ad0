//! What a login may do in a database.

use crate::session::FirebirdSession;
use database::{Description, Failure, Rights, Writes};

/// Most grants that are told.
const GRANTS: usize = 100;

const SERVER: &str = "select RDB$GET_CONTEXT('SYSTEM', 'ENGINE_VERSION'), trim(current_user), trim(current_role), \
    (select first 1 trim(RDB$OWNER_NAME) from RDB$RELATIONS where RDB$RELATION_NAME = 'RDB$DATABASE') \
    from RDB$DATABASE";

/// What the login has itself, what everybody has, and what the roles have that it took on or could take on. What concerns
/// the system's own tables says nothing of the practice's.
const PRIVILEGES: &str = "select trim(p.RDB$PRIVILEGE), p.RDB$OBJECT_TYPE, trim(p.RDB$RELATION_NAME), \
    trim(p.RDB$USER), p.RDB$USER_TYPE from RDB$USER_PRIVILEGES p \
    where (p.RDB$USER_TYPE = 8 and p.RDB$USER in (current_user, 'PUBLIC') \
        or p.RDB$USER_TYPE = 13 and (p.RDB$USER = current_role or p.RDB$USER in (select m.RDB$RELATION_NAME \
        from RDB$USER_PRIVILEGES m where m.RDB$PRIVILEGE = 'M' and m.RDB$USER in (current_user, 'PUBLIC')))) \
    and p.RDB$RELATION_NAME not starting 'RDB$' and p.RDB$RELATION_NAME not starting 'MON$' \
    and p.RDB$RELATION_NAME not starting 'SEC$' \
    and (p.RDB$RELATION_NAME not starting 'SQL$' or p.RDB$PRIVILEGE in ('C', 'L', 'O')) \
    order by 3, 1";

/// What the server is, and what this login may do.
pub(crate) fn describe(session: &mut FirebirdSession) -> Result<Description, Failure> {
    let server = session.query(SERVER, &[])?;
    let field = |at: usize| server.first().and_then(|row| row.get(at)?.clone()).unwrap_or_default();
    let (version, user, role, owner) = (field(0), field(1), field(2), field(3));
    let short: Vec<_> = version.split('.').take(2).collect();
    let product = format!("Firebird {}", short.join("."));
    let mut grants: Vec<(bool, String)> = Vec::new();
    if user == "SYSDBA" || role == "RDB$ADMIN" || user == owner {
        let all = if user == owner { "owner of the database" } else { "administrator" };
        grants.push((true, all.to_owned()));
    }
    for row in session.query(PRIVILEGES, &[])? {
        if let [Some(letter), Some(object), Some(name), Some(grantee), Some(kind)] = row.as_slice() {
            let from = match kind.as_str() {
                "13" => format!(" (role {grantee})"),
                _ if grantee == "PUBLIC" => " (everybody)".to_owned(),
                _ => String::new(),
            };
            let (writes, verb) = privilege(letter, object);
            grants.push((writes, format!("{verb} on {name}{from}")));
        }
    }
    // The ones that let it write first.
    grants.sort_by_key(|(writes, _)| !writes);
    let writes = if grants.iter().any(|(writes, _)| *writes) { Writes::Yes } else { Writes::No };
    let grants = grants.into_iter().take(GRANTS).map(|(_, grant)| grant).collect();
    Ok(Description { product, version, rights: Rights { writes, grants } })
}

/// Whether a privilege lets its owner change anything, and its name.
fn privilege(letter: &str, object: &str) -> (bool, String) {
    let verb = match letter {
        "S" => return (false, "SELECT".to_owned()),
        "R" => return (false, "REFERENCES".to_owned()),
        "M" => return (false, "MEMBER".to_owned()),
        // Of an exception it is nothing; of a sequence it moves it on.
        "G" if object != "14" => return (false, "USAGE".to_owned()),
        "G" => "USAGE",
        "I" => "INSERT",
        "U" => "UPDATE",
        "D" => "DELETE",
        "X" => "EXECUTE",
        "C" => "CREATE",
        "L" => "ALTER",
        "O" => "DROP",
        other => other,
    };
    (true, verb.to_owned())
}
