//! T-SQL, compiled for the embedded engine: parsed, resolved against the known tables, typed, and written anew. What
//! the compiler does not know is refused; no piece of the caller's text is passed on.

mod aggregate;
mod batch;
mod call;
mod expression;
mod query;
mod scope;
mod write;

use crate::{schema::Base, types::Type};
pub(crate) use batch::compile;
use database::SqlError;

/// A batch, ready to run.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    /// Parameters first, then declared variables.
    pub(crate) variables: Vec<Variable>,
}

/// A parameter or a declared variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// With its `@`; compares without case.
    pub(crate) name: String,
    pub(crate) ty: Type,
}

/// One statement.
#[derive(Debug)]
pub(crate) struct Step {
    /// Where it starts in the batch.
    pub(crate) line: u64,
    pub(crate) action: Action,
}

/// Text for the embedded engine and the variables it names: `?1` is variable 0.
pub(crate) type Text = String;

#[derive(Debug)]
pub(crate) enum Action {
    /// A result set.
    Rows { sql: Text, columns: Vec<(String, Type)> },
    /// `SELECT @a = …`: the last row's values; without a row nothing changes.
    Assign { sql: Text, targets: Vec<usize> },
    /// INSERT, UPDATE, DELETE; verb and object for the error of who may not.
    Write { sql: Text, verb: &'static str, object: &'static str },
    /// A stored procedure; `arguments` are texts that give one value.
    Call {
        procedure: String,
        database: Option<Base>,
        returned: Option<usize>,
        arguments: Vec<(Option<String>, Text)>,
    },
    /// `WAITFOR DELAY`, milliseconds.
    Wait { millis: u64 },
    /// `RETURN`, with a text that gives one value.
    Return { value: Option<Text> },
    /// `SET NOCOUNT`.
    NoCount(bool),
}

/// Compiles a batch and writes what the embedded engine would get, statement by statement. Pure: for tests and fuzzing.
/// The batch may use parameters `@p1` to `@p3` (int, nvarchar, datetime).
pub fn rewrite(text: &str) -> Result<Vec<String>, SqlError> {
    let variables = [("@p1", Type::INT), ("@p2", Type::NVARCHAR), ("@p3", Type::DATETIME)]
        .map(|(name, ty)| Variable { name: name.to_owned(), ty });
    let program = compile(text, Base::Patients, variables.to_vec(), true)?;
    Ok(program
        .steps
        .into_iter()
        .map(|step| match step.action {
            Action::Rows { sql, .. } | Action::Assign { sql, .. } | Action::Write { sql, .. } => sql,
            other => format!("{other:?}"),
        })
        .collect())
}
