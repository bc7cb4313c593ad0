//! Calls: procedures by name, `sp_executesql`, and prepared statements, which are `sp_executesql` with a memory.

use super::{
    run::Kept,
    teller::{Outputs, Teller},
};
use crate::{
    backend::Conversation,
    wire::{
        Owned, Table, Version, Wrong,
        rpc::{Call, Calls, Parameter, Procedure},
    },
};
use database::Value;
use practice::events::{Argument, Broken, ColumnType, Events, Transacted};
use std::collections::HashMap;

/// Most prepared statements of one session.
const MOST_PREPARED: usize = 2000;
/// And most bytes of all their texts.
const MOST_PREPARED_BYTES: usize = 32 * 1024 * 1024;

const INT: ColumnType = ColumnType { name: "int", length: None, precision: 0, scale: 0 };
const NTEXT: ColumnType = ColumnType { name: "nvarchar", length: None, precision: 0, scale: 0 };

/// Prepared statements by their handles.
#[derive(Default)]
pub(super) struct Prepared {
    statements: HashMap<i32, Statement>,
    bytes: usize,
    last: i32,
}

#[derive(Clone)]
struct Statement {
    text: String,
    /// Declarations of the parameters; empty for none.
    parameters: String,
}

impl Prepared {
    fn keep(&mut self, statement: Statement) -> Option<i32> {
        let bytes = statement.text.len() + statement.parameters.len();
        if self.statements.len() >= MOST_PREPARED || self.bytes + bytes > MOST_PREPARED_BYTES {
            return None;
        }
        self.bytes += bytes;
        self.last = self.last.checked_add(1)?;
        self.statements.insert(self.last, statement);
        Some(self.last)
    }

    fn forget(&mut self, handle: i32) -> bool {
        let Some(statement) = self.statements.remove(&handle) else { return false };
        self.bytes -= statement.text.len() + statement.parameters.len();
        true
    }
}

/// The procedures that this server runs itself.
#[derive(Clone, Copy)]
enum Own {
    Prepare,
    Execute,
    PrepareExecute,
    Unprepare,
    Reset,
    Cursor,
}

/// A procedure's plain name, and whether it is one of our own.
fn resolve(procedure: &Procedure) -> (&str, Option<Own>) {
    let name = match procedure {
        Procedure::Name(name) => name.as_str(),
        Procedure::Id(10) => "sp_executesql",
        Procedure::Id(11) => "sp_prepare",
        Procedure::Id(12) => "sp_execute",
        Procedure::Id(13) => "sp_prepexec",
        Procedure::Id(15) => "sp_unprepare",
        Procedure::Id(_) => "sp_cursor",
    };
    let plain = name.rsplit('.').next().unwrap_or(name).trim_matches(['[', ']']).to_ascii_lowercase();
    match plain.as_str() {
        "sp_executesql" => ("sp_executesql", None),
        "sp_prepare" => (name, Some(Own::Prepare)),
        "sp_execute" => (name, Some(Own::Execute)),
        "sp_prepexec" => (name, Some(Own::PrepareExecute)),
        "sp_unprepare" => (name, Some(Own::Unprepare)),
        "sp_reset_connection" => (name, Some(Own::Reset)),
        plain if plain.starts_with("sp_cursor") || plain == "sp_prepexecrpc" => (name, Some(Own::Cursor)),
        _ => (name, None),
    }
}

/// Runs the calls of a message one after the other. An error in one does not stop the next, as SQL Server has it.
pub(super) fn run_calls(
    bytes: &[u8],
    version: Version,
    conversation: &mut dyn Conversation,
    kept: &mut Kept,
    teller: &mut Teller<'_>,
) -> Result<Result<(), Broken>, Wrong> {
    let mut calls = Calls::new(bytes, version)?;
    if !calls.more() {
        return Err(Wrong::Malformed("a call without a procedure"));
    }
    for call in &mut calls {
        let call = call?;
        let names = call.parameters.iter().map(|p| p.output.then(|| p.name.clone())).collect();
        teller.begin_call(Outputs::of(names));
        let done = run_call(&call, conversation, kept, teller);
        teller.end_call();
        if done.is_err() {
            return Ok(done);
        }
    }
    Ok(Ok(()))
}

fn run_call(
    call: &Call,
    conversation: &mut dyn Conversation,
    kept: &mut Kept,
    teller: &mut Teller<'_>,
) -> Result<(), Broken> {
    let (name, own) = resolve(&call.procedure);
    let given = &call.parameters;
    let Some(own) = own else {
        let arguments: Vec<_> = given.iter().map(argument).collect();
        return conversation.call(name, &arguments, teller);
    };
    let handle = given.first().map(|p| &p.value);
    match own {
        Own::Prepare => {
            let Some(statement) = statement(given) else { return expected(teller, "sp_prepare") };
            if give_handle(kept, statement, teller) {
                teller.set_status(0);
            }
        }
        Own::PrepareExecute => {
            let Some(statement) = statement(given) else { return expected(teller, "sp_prepexec") };
            if give_handle(kept, statement.clone(), teller) {
                // The engine sees statement and declarations as its first two, and no handle.
                teller.outputs.shift = 1;
                return execute(&statement, &given[3..], conversation, teller);
            }
        }
        Own::Execute => {
            let Some(Owned::Int(handle)) = handle else { return expected(teller, "sp_execute") };
            let found = i32::try_from(*handle).ok().and_then(|h| kept.prepared.statements.get(&h));
            let Some(statement) = found else { return unknown_handle(teller, *handle) };
            teller.outputs.shift = -1;
            return execute(statement, &given[1..], conversation, teller);
        }
        Own::Unprepare => {
            let Some(Owned::Int(handle)) = handle else { return expected(teller, "sp_unprepare") };
            if i32::try_from(*handle).is_ok_and(|h| kept.prepared.forget(h)) {
                teller.set_status(0);
            } else {
                return unknown_handle(teller, *handle);
            }
        }
        Own::Reset => {
            conversation.reset();
            kept.prepared = Prepared::default();
            teller.transacted(Transacted::RolledBack);
            teller.set_status(0);
        }
        Own::Cursor => {
            teller.error(
                40_514,
                16,
                format!("'{name}' (a server cursor) is not supported by the demo practice: run the statement without a cursor."),
            );
        }
    }
    Ok(())
}

fn argument(parameter: &Parameter) -> Argument<'_> {
    Argument {
        name: parameter.name.clone(),
        ty: parameter.ty,
        value: (!parameter.default && parameter.table.is_none()).then(|| parameter.value.view()),
        rows: parameter.table.as_ref().filter(|_| !parameter.default).map(Table::view),
        output: parameter.output,
    }
}

/// From the arguments of sp_prepare and sp_prepexec: handle, declarations, statement.
fn statement(given: &[Parameter]) -> Option<Statement> {
    let [_, parameters, text, ..] = given else { return None };
    let parameters = match &parameters.value {
        Owned::Text(parameters) => parameters.clone(),
        Owned::Null => String::new(),
        _ => return None,
    };
    let Owned::Text(text) = &text.value else { return None };
    Some(Statement { text: text.clone(), parameters })
}

/// Keeps a statement and gives its handle back in the first parameter.
fn give_handle(kept: &mut Kept, statement: Statement, teller: &mut Teller<'_>) -> bool {
    let Some(handle) = kept.prepared.keep(statement) else {
        teller.error(701, 17, "There is insufficient memory: too many prepared statements.");
        return false;
    };
    teller.give_output(0, &INT, &Value::Int(handle.into())).is_ok()
}

/// Runs a kept statement as `sp_executesql` does.
fn execute(
    statement: &Statement,
    values: &[Parameter],
    conversation: &mut dyn Conversation,
    teller: &mut Teller<'_>,
) -> Result<(), Broken> {
    let text = |words| Argument {
        name: String::new(),
        ty: NTEXT,
        value: Some(Value::Text(words)),
        rows: None,
        output: false,
    };
    let mut arguments = vec![text(statement.text.as_str())];
    if !(statement.parameters.is_empty() && values.is_empty()) {
        arguments.push(text(statement.parameters.as_str()));
    }
    arguments.extend(values.iter().map(argument));
    conversation.call("sp_executesql", &arguments, teller)
}

fn expected(teller: &mut Teller<'_>, procedure: &str) -> Result<(), Broken> {
    teller.error(
        214,
        16,
        format!("Procedure expects parameters of other types: {procedure} got what it can't use."),
    );
    Ok(())
}

fn unknown_handle(teller: &mut Teller<'_>, handle: i64) -> Result<(), Broken> {
    teller.error(8179, 16, format!("Could not find prepared statement with handle {handle}."));
    Ok(())
}
