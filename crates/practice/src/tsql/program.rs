//! A compiled batch: a tree of statements that the session walks.

use super::cut::Slice;
use crate::{events::Ended, schema::Base, table_type::TableType, types::Type};
use database::SqlError;
use std::sync::Arc;

/// A batch, ready to run.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) body: Vec<Node>,
    /// Parameters first, then declared variables.
    pub(crate) variables: Vec<Variable>,
    /// Table variables: they exist from the batch's start to its end.
    pub(crate) tables: Vec<(Arc<Temp>, Shape)>,
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
pub(crate) struct Node {
    /// Where it starts in the batch.
    pub(crate) line: u64,
    pub(crate) what: What,
}

/// What a statement is.
#[derive(Debug)]
pub(crate) enum What {
    Do(Unit),
    Block(Vec<Node>),
    If { test: Unit, then: Box<Node>, or: Option<Box<Node>> },
    While { test: Unit, body: Box<Node> },
    Try { body: Vec<Node>, catch: Vec<Node> },
    Break,
    Continue,
}

/// A statement or condition: compiled, or kept until it runs because it names a table that does not exist yet.
#[derive(Debug)]
pub(crate) enum Unit {
    Ready(Vec<Action>),
    Late { slice: Slice, test: bool },
}

/// Text for the embedded engine and the variables it names: `?1` is variable 0.
pub(crate) type Text = String;

/// Names and types of a result set's columns.
pub(crate) type Shown = Vec<(String, Type)>;

/// A temporary table or table variable that exists.
#[derive(Clone, Debug)]
pub(crate) struct Temp {
    /// `#name` or `@name`; compares without case.
    pub(crate) name: String,
    /// The embedded engine's name of it, in its schema `temp`.
    pub(crate) inner: String,
    pub(crate) columns: Vec<ShapeColumn>,
    /// SET IDENTITY_INSERT is on for it.
    pub(crate) identity_insert: bool,
    /// Columns of its keys and unique indexes.
    pub(crate) keys: Vec<String>,
    /// The table type that it was declared by.
    pub(crate) of: Option<&'static TableType>,
    /// It came as an argument, and can't be written.
    pub(crate) readonly: bool,
}

impl Shape {
    /// Columns that some key names.
    pub(crate) fn key_columns(&self) -> Vec<String> {
        self.keys.iter().flat_map(|(_, names)| names.iter().cloned()).collect()
    }
}

/// A temporary table to be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) columns: Vec<ShapeColumn>,
    /// Primary key (true) and unique constraints.
    pub(crate) keys: Vec<(bool, Vec<String>)>,
    /// Conditions for the embedded engine.
    pub(crate) checks: Vec<Text>,
}

#[derive(Clone, Debug)]
pub(crate) struct ShapeColumn {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) nullable: bool,
    /// Seed and step.
    pub(crate) identity: Option<(i64, i64)>,
    /// What a row gets that gives no value.
    pub(crate) default: Option<Text>,
}

/// A value given to a procedure.
#[derive(Debug)]
pub(crate) struct Given {
    /// Its formal name, where the caller says it.
    pub(crate) formal: Option<String>,
    /// A text that gives one value, and its type; `None` asks for the default.
    pub(crate) value: Option<(Text, Type)>,
    /// A table variable in place of a value.
    pub(crate) table: Option<Arc<Temp>>,
    /// The variable that takes the value back.
    pub(crate) output: Option<usize>,
}

/// Rows that a write gives back.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) columns: Shown,
    /// The text that puts one such row (`?1` …) into a table, for OUTPUT … INTO.
    pub(crate) into: Option<Text>,
}

/// How much a message weighs: from a number, a text, or what was caught.
#[derive(Debug)]
pub(crate) enum Level {
    Raise { severity: Text, state: Text },
    Throw { number: Text, state: Text },
}

#[derive(Debug)]
pub(crate) enum Action {
    /// A result set.
    Rows {
        sql: Text,
        columns: Shown,
    },
    /// `SELECT @a = …`: the last row's values; without a row nothing changes. `counts`: it sets @@ROWCOUNT.
    Assign {
        sql: Text,
        targets: Vec<usize>,
    },
    /// `SELECT @a = @a + …`: row after row, each seeing what the one before has set.
    Running {
        sql: Text,
        targets: Vec<usize>,
    },
    /// A condition: gives 1 or 0.
    Test {
        sql: Text,
    },
    /// INSERT, UPDATE, DELETE; verb and object for the error of who may not.
    Write {
        sql: Text,
        verb: Ended,
        object: String,
        temp: bool,
        keyed: Option<bool>,
        returned: Option<Returned>,
    },
    /// An UPDATE that tells rows as they were and as they are: keep them, write, tell.
    Change {
        keep: Text,
        tell: Text,
        write: Box<Action>,
        returned: Returned,
    },
    /// An UPDATE of a key, whose new values may be another row's old ones: the new rows are worked out, the old ones taken
    /// out, the new ones put in.
    Rekey {
        keep: Text,
        delete: Text,
        insert: Text,
        object: String,
        temp: bool,
    },
    /// `SELECT … INTO #t`; the text gives the rows. `numbered`: the column that counts itself.
    Into {
        shape: Shape,
        sql: Text,
        numbered: Option<usize>,
    },
    /// `CREATE TABLE #t`.
    Create {
        shape: Shape,
    },
    /// `DROP TABLE #t`.
    Drop {
        name: String,
        if_exists: bool,
    },
    /// `CREATE INDEX` on a temporary table.
    Index {
        table: String,
        unique: bool,
        columns: Vec<(String, bool)>,
    },
    /// `TRUNCATE TABLE #t`, `ALTER TABLE #t ADD`.
    Truncate {
        name: String,
    },
    Alter {
        name: String,
        column: ShapeColumn,
    },
    /// A stored procedure, by name or by a variable that holds the name;
    /// `written` is the name as the caller wrote it.
    Call {
        procedure: String,
        written: String,
        named_by: Option<usize>,
        database: Option<Base>,
        returned: Option<usize>,
        given: Vec<Given>,
    },
    /// `EXEC ('…')`: a text that gives the batch.
    Execute {
        sql: Text,
    },
    /// `INSERT … EXEC`: the text puts one row (`?1` …) in.
    Fill {
        sql: Text,
        types: Vec<Type>,
        object: String,
        temp: bool,
        call: Box<Action>,
    },
    /// `WAITFOR DELAY`: a text that gives milliseconds.
    Wait {
        sql: Text,
    },
    /// `RETURN`, with a text that gives one value.
    Return {
        value: Option<Text>,
    },
    /// `SET NOCOUNT`, `SET XACT_ABORT`, `SET LOCK_TIMEOUT`, `SET ROWCOUNT`, `USE`.
    NoCount(bool),
    XactAbort(bool),
    LockTimeout(i64),
    /// `SET CONTEXT_INFO`: a text that gives the bytes.
    Context {
        sql: Text,
    },
    /// `SET IDENTITY_INSERT #t ON`.
    IdentityInsert {
        table: String,
        on: bool,
    },
    Use(Base),
    /// An error that is the caller's when the statement runs.
    Fail(SqlError),
    /// A SET that changes nothing here.
    Nothing,
    /// Transactions. A name is a text that gives it.
    Begin {
        name: Option<Text>,
    },
    Commit,
    Rollback {
        name: Option<Text>,
    },
    Save {
        name: Text,
    },
    /// `PRINT`.
    Print {
        sql: Text,
    },
    /// `RAISERROR` or `THROW` with words; `arguments` go into the words' places.
    Raise {
        words: Text,
        words_type: Type,
        arguments: Vec<(Text, Type)>,
        level: Level,
    },
    /// `THROW` in a CATCH.
    Rethrow,
}

impl Program {
    /// Calls `seen` with every compiled action.
    pub(crate) fn each(&self, seen: &mut dyn FnMut(&Action)) {
        nodes(&self.body, seen);
    }
}

fn nodes(list: &[Node], seen: &mut dyn FnMut(&Action)) {
    for node in list {
        one(node, seen);
    }
}

fn one(node: &Node, seen: &mut dyn FnMut(&Action)) {
    let mut unit = |unit: &Unit| {
        if let Unit::Ready(actions) = unit {
            actions.iter().for_each(&mut *seen);
        }
    };
    match &node.what {
        What::Do(u) => unit(u),
        What::Block(list) => nodes(list, seen),
        What::If { test, then, or } => {
            unit(test);
            one(then, seen);
            if let Some(or) = or {
                one(or, seen);
            }
        }
        What::While { test, body } => {
            unit(test);
            one(body, seen);
        }
        What::Try { body, catch } => {
            nodes(body, seen);
            nodes(catch, seen);
        }
        What::Break | What::Continue => {}
    }
}
