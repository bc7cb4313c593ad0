//! What a batch gives while it runs, told the way SQL Server's protocol tells it: every result set, every count, every
//! message, in order.

use database::Value;

/// A type as a result set describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// SQL Server's name, for example `nvarchar`.
    pub name: &'static str,
    /// Characters of a text, bytes of a binary; `None` is `max`, and for types that have no length.
    pub length: Option<u32>,
    /// Digits of a decimal or numeric; 0 elsewhere.
    pub precision: u8,
    /// Digits behind the point of a decimal, numeric or money, and of the seconds of a time, datetime2 or datetimeoffset.
    pub scale: u8,
}

/// A column of a result set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    /// Empty when the statement gave it none.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
}

/// PRINT, RAISERROR, or an error. From class 11 it is an error. The words may quote data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// SQL Server's number; 0 for PRINT, 50000 for RAISERROR with words.
    pub number: i32,
    /// State.
    pub state: u8,
    /// Severity.
    pub class: u8,
    /// Line in the batch or procedure, from 1.
    pub line: u32,
    /// Name of the procedure in which it arose; empty in a batch.
    pub procedure: String,
    /// The words.
    pub text: String,
}

/// Which kind of statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// SELECT that gave rows.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// Any other one with a count to tell.
    Other,
}

/// What has become of the session's transaction: the outermost, the only one that is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transacted {
    /// It began.
    Begun,
    /// It was committed.
    Committed,
    /// It was rolled back, by a statement, an error or the session's end.
    RolledBack,
}

/// The one who listens wants no more: the batch ends as if cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enough;

/// Takes what a batch gives. An `Err` ends the batch as if cancelled. Blocking in it holds the batch up: back pressure.
pub trait Events {
    /// A result set begins.
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Enough>;
    /// One row of it.
    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Enough>;
    /// Whether the rest of this result set need not be read: asked after each row.
    fn enough_rows(&self) -> bool {
        false
    }
    /// A statement ended: also ends its result set. `rows` is `None` under SET NOCOUNT ON and after an error.
    fn ended(&mut self, what: Ended, rows: Option<u64>) -> Result<(), Enough>;
    /// A message. After an error the batch may go on, as SQL Server has it.
    fn message(&mut self, message: &Message) -> Result<(), Enough>;
    /// The value of an OUTPUT parameter of a call, by its place among the arguments.
    fn output(&mut self, at: usize, ty: ColumnType, value: Value<'_>) -> Result<(), Enough>;
    /// The RETURN value of a call or of an EXEC in a batch.
    fn status(&mut self, value: i32) -> Result<(), Enough>;
    /// USE: the database that is current now.
    fn database(&mut self, name: &'static str) -> Result<(), Enough>;
    /// A transaction began or ended, whoever asked for it. Told after the statement that did it, and before its end where
    /// that is told.
    fn transacted(&mut self, _: Transacted) {}
}

/// Why a batch did not run to its end. (SQL errors are messages, not this.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Cancelled, or [`Enough`] was said.
    Cancelled,
    /// The database file is gone or broken.
    Lost,
}

/// Rows that go as one argument: a table-valued parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows<'a> {
    /// Name of the table type as the caller has it, of one or two parts; empty when the caller says none.
    pub type_name: String,
    /// Types of the columns, in the table type's order.
    pub columns: Vec<ColumnType>,
    /// A value for each column.
    pub rows: Vec<Vec<Value<'a>>>,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument<'a> {
    /// With its `@`; empty when it goes by its place.
    pub name: String,
    /// The type that the caller declared.
    pub ty: ColumnType,
    /// `None` where the caller asks for the procedure's default, and where it gives rows.
    pub value: Option<Value<'a>>,
    /// Rows in place of a value.
    pub rows: Option<Rows<'a>>,
    /// Whether the caller wants the value back.
    pub output: bool,
}
