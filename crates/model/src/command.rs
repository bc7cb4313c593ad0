//! A command as the published API has it: text, mode, type, parameters. Names on the wire are the published ones.

use crate::Hidden;
use serde::{Deserialize, Serialize};

/// What comes back: rows, a count, or the first value of the first row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExecutionMode {
    /// Rows.
    #[default]
    Reader,
    /// The number of rows affected.
    NonQuery,
    /// First column of the first row.
    Scalar,
}

/// How `text` is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandType {
    /// A statement or batch.
    #[default]
    Text,
    /// The name of a stored procedure.
    StoredProcedure,
}

/// Which way a parameter travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// To the database (the default when a caller leaves `direction` out).
    #[default]
    Input,
    /// From the database.
    Output,
    /// Both ways.
    InputOutput,
    /// The procedure's integer RETURN.
    ReturnValue,
}

/// What a paired integrator, or one command, may do. Link enforces it; it is never derived from the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// The engine is told to refuse writes.
    #[default]
    ReadOnly,
    /// Whatever the database login may do.
    ReadWrite,
}

macro_rules! parameter_types {
    ($($name:ident),* $(,)?) => {
        /// The published type names of a parameter (SQL Server client names), 32 of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the names are SQL Server's own")]
        pub enum ParameterType { $($name),* }

        impl ParameterType {
            /// All of them, in published order.
            pub const ALL: [ParameterType; 32] = [$(ParameterType::$name),*];

            /// The published name.
            pub fn name(self) -> &'static str {
                match self { $(ParameterType::$name => stringify!($name)),* }
            }

            /// Finds a type by its published name (exact case, as the contract has it).
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(ParameterType::$name),)* _ => None }
            }
        }
    };
}

parameter_types!(
    BigInt,
    Binary,
    Bit,
    Char,
    String,
    Date,
    DateTime,
    DateTime2,
    DateTimeOffset,
    Decimal,
    Float,
    Image,
    Int,
    Money,
    NChar,
    NText,
    NVarChar,
    Real,
    SmallDateTime,
    SmallInt,
    SmallMoney,
    Structured,
    Text,
    Time,
    Timestamp,
    TinyInt,
    Udt,
    UniqueIdentifier,
    VarBinary,
    VarChar,
    Variant,
    Xml,
);

/// One parameter of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// With its `@`, as the caller wrote it.
    pub name: String,
    /// Default: input.
    pub direction: Direction,
    /// Default: `NVarChar`, the type that a string literal would have.
    pub kind: ParameterType,
    /// Text form of the value; `None` is NULL. Default: NULL.
    pub value: Option<Hidden<String>>,
    /// Largest size in bytes, where the caller gave one.
    pub size: Option<u32>,
    /// Name of the database's own type, for `Structured` and `Udt`, for example `dbo.IdList` (an extension: `typeName`).
    pub type_name: Option<String>,
}

/// One command, checked against the limits, not yet against any database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// SQL text, or the name of a stored procedure.
    pub text: Hidden<String>,
    /// Which of [`ExecutionMode`].
    pub mode: ExecutionMode,
    /// Which of [`CommandType`].
    pub kind: CommandType,
    /// In the caller's order.
    pub parameters: Vec<Parameter>,
    /// The catalogue to run in; `None` is the site's default.
    pub catalogue: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_type_name_reads_back() {
        for kind in ParameterType::ALL {
            assert_eq!(ParameterType::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        }
        assert_eq!(ParameterType::from_name("int"), None);
    }
}
