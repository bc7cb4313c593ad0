//! T-SQL, compiled for the embedded engine: parsed, resolved against the known tables, typed, and written anew. What
//! the compiler does not know is refused; no piece of the caller's text is passed on.

mod aggregate;
mod apply;
mod arithmetic;
mod batch;
mod call;
mod changes;
mod cut;
mod declare;
mod execute;
mod expression;
mod from;
mod insert;
mod literal;
mod output;
mod predicate;
mod program;
mod query;
mod raise;
mod scope;
mod select;
mod session_call;
mod settings;
mod spelling;
mod statement;
mod table;
mod top;
mod update;
mod write;
mod xml;

use crate::{schema::Base, types::Type};
pub(crate) use batch::{Setting, WHEN_IT_RUNS, compile, late, parameters};
pub(crate) use cut::Slice;
use database::SqlError;
pub(crate) use expression::cast_text;
pub(crate) use program::{
    Action, Level, Node, Program, Returned, Shape, ShapeColumn, Shown, Temp, Text, Unit, Variable, What,
};
pub(crate) use statement::Formal;

/// Compiles a batch and writes what the embedded engine would get, statement by statement. Pure: for tests and fuzzing.
/// The batch may use parameters `@p1` to `@p3` (int, nvarchar, datetime).
pub fn rewrite(text: &str) -> Result<Vec<String>, SqlError> {
    let variables = [("@p1", Type::INT), ("@p2", Type::NVARCHAR), ("@p3", Type::DATETIME)]
        .map(|(name, ty)| Variable { name: name.to_owned(), ty });
    let setting = Setting { base: Base::Patients, temps: &[], next_table: 0 };
    let program = compile(text, &setting, variables.to_vec(), true)?;
    let mut texts = Vec::new();
    program.each(&mut |action| {
        texts.push(match action {
            Action::Rows { sql, .. } | Action::Assign { sql, .. } | Action::Write { sql, .. } => sql.clone(),
            other => format!("{other:?}"),
        });
    });
    Ok(texts)
}
