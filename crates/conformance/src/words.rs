//! What is said differently in each SQL, and what an engine does not have at all.

mod firebird;
mod tsql;

pub use firebird::Firebird;
use model::{Command, ParameterType};
pub use tsql::Tsql;

/// A way to write a row.
pub struct Write {
    /// What it is, for messages.
    pub what: &'static str,
    /// The command that writes the row `id`.
    pub command: Command,
    /// What enforced read-only makes of it with a login that may write.
    pub under_read_only: Written,
}

/// What enforced read-only makes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Nothing is written, whatever the command is told.
    Never,
    /// It gets out, and `Failure::Escaped` is what is said.
    EscapesAndIsTold,
}

/// Something that one command could leave behind for the next.
pub struct Left {
    /// What it is, for messages.
    pub what: &'static str,
    /// Leaves it. May fail.
    pub leave: String,
    /// Looks for it.
    pub look: String,
    /// What is seen where nobody has left it, as JSON.
    pub clean: serde_json::Value,
}

/// One SQL's way of saying things. The scratch table has rows with a whole number each, its ids.
pub trait Words {
    /// One row of these expressions, each under a name (empty: under none).
    fn select(&self, items: &[(&str, &str)]) -> String;
    /// Whether columns may go without a name.
    fn nameless_columns(&self) -> bool;
    /// Expressions at the ends of the types and between, and what row JSON has for each.
    fn ends(&self) -> Vec<(&'static str, &'static str)>;
    /// NULLs of all types.
    fn nulls(&self) -> Vec<&'static str>;
    /// A text literal, as a type that keeps spaces at its end.
    fn literal(&self, text: &str) -> String;
    /// Three result sets of one column each: `A` without rows, `B` with 2 and 3, `C` with `x`. `None` where a command has one.
    fn sets(&self) -> Option<&'static str>;
    /// One result set without rows, with the columns `A` and `B`.
    fn empty(&self) -> &'static str;
    /// `count` rows with the column `N` from 1 on, in order.
    fn many(&self, count: u32) -> String;
    /// Rows without end.
    fn endless(&self) -> &'static str;
    /// Works for minutes and gives nothing meanwhile.
    fn silent(&self) -> &'static str;
    /// One row with one text of so many `x`.
    fn long(&self, bytes: usize) -> String;
    /// How long `@p` is, as `N`, when it is a long text.
    fn length_of_parameter(&self) -> &'static str;
    /// A row with the column `P`: the parameter `@p` of this type. `None` where the engine has no such type.
    fn echo(&self, kind: ParameterType) -> Option<String>;
    /// For each published type a text and what row JSON makes of it.
    fn samples(&self) -> Vec<(ParameterType, &'static str, &'static str)>;
    /// Writes the row `id`.
    fn insert(&self, id: i64) -> String;
    /// Changes rows of these ids.
    fn update(&self, from: i64, to: i64) -> String;
    /// A row with the column `N`: how many rows have this id.
    fn count(&self, id: i64) -> String;
    /// All ways to write the row `id` that anybody could think of.
    fn writes(&self, id: i64) -> Vec<Write>;
    /// What could be left behind, and that a reset clears.
    fn left(&self) -> Vec<Left>;
    /// Statements that fail, and the number of each; the last of them after it has given rows.
    fn errors(&self) -> Vec<(&'static str, i32)>;
    /// The number of a refused login.
    fn login_failed(&self) -> i32;
    /// A row with the column `D`, which differs between catalogues.
    fn which_catalogue(&self) -> &'static str;
    /// A procedure that gives a row and returns values, and what its outputs are by the parameters' places.
    fn procedure(&self) -> (Command, Vec<(usize, Option<&'static str>)>);
    /// The number that somebody gets who waited too long for a lock.
    fn lock_timeout(&self) -> Option<i32>;
    /// Begins a transaction that holds the row `id`'s lock, and waits with it for some seconds. `None` where a reader
    /// never waits for a writer.
    fn hold_lock(&self, id: i64) -> Option<String>;
}
