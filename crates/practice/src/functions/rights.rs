//! Functions that tell what the session's login may do.

use super::{State, session::json_string, text};
use crate::{rights, schema::Base};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
};
use std::sync::Arc;

/// Every name that is asked is a name of the schema, or no name at all.
fn base(c: &Context<'_>, at: usize) -> Base {
    text(c, at).and_then(|name| Base::by_name(&name)).unwrap_or(Base::Patients)
}

pub(super) fn register(connection: &Connection, state: &Arc<State>) -> Result<()> {
    let changing = FunctionFlags::SQLITE_UTF8;
    let own = Arc::clone(state);
    connection.create_scalar_function("ts_member", 2, changing, move |c| {
        let facts = own.facts();
        let of_another =
            text(c, 1).is_some_and(|user| !user.eq_ignore_ascii_case(&facts.user) && user != "dbo");
        Ok(text(c, 0).filter(|_| !of_another).and_then(|role| rights::is_member(&role, facts.reader)))
    })?;
    let own = Arc::clone(state);
    connection.create_scalar_function("ts_server_member", 2, changing, move |c| {
        let of_another = text(c, 1).is_some_and(|user| !user.eq_ignore_ascii_case(&own.facts().user));
        Ok(text(c, 0).filter(|_| !of_another).and_then(|role| rights::is_server_member(&role)))
    })?;
    let own = Arc::clone(state);
    connection.create_scalar_function("ts_has_perms", 4, changing, move |c| {
        let Some(permission) = text(c, 2) else { return Ok(None) };
        let reader = own.facts().reader;
        Ok(rights::has(text(c, 0).as_deref(), text(c, 1).as_deref(), &permission, base(c, 3), reader))
    })?;
    let own = Arc::clone(state);
    connection.create_scalar_function("ts_permissions", 3, changing, move |c| {
        let reader = own.facts().reader;
        let mine = rights::mine(text(c, 0).as_deref(), text(c, 1).as_deref(), base(c, 2), reader);
        let (entity, list) = mine.unwrap_or_default();
        let entity = json_string(&entity);
        let rows: Vec<String> = list.iter().map(|p| format!("[{entity},\"\",{}]", json_string(p))).collect();
        Ok(format!("[{}]", rows.join(",")))
    })
}
