//! Types that the practice has made for itself: tables that go as one argument, and one that SQL Server would have from an
//! assembly, whose values are bytes.

use crate::{
    tsql::{Shape, ShapeColumn, Temp},
    types::Type,
};

/// A table type.
#[derive(Debug)]
pub(crate) struct TableType {
    pub(crate) name: &'static str,
    /// Name, declared type, and whether it may be NULL.
    pub(crate) columns: &'static [(&'static str, &'static str, bool)],
    /// In `sys.types`.
    pub(crate) number: i64,
}

/// All of them.
pub(crate) const TABLE_TYPES: &[TableType] = &[TableType {
    name: "DEMO_IdList",
    columns: &[("ID", "int", false), ("NAME", "nvarchar(50)", true)],
    number: 257,
}];

/// The type of bytes, and its number in `sys.types`.
pub(crate) const BYTES: (&str, i64) = ("DEMO_Bytes", 258);

/// The last part of a name of one or two parts.
fn last(name: &str) -> Option<&str> {
    let bare = |part: &str| part.trim().trim_matches(['[', ']', '"']).to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some((schema, last)) => matches!(bare(schema).as_str(), "dbo" | "").then_some(last),
        None => Some(name),
    }
    .map(|part| part.trim().trim_matches(['[', ']', '"']))
}

/// Finds a table type by a name of one or two parts.
pub(crate) fn find(name: &str) -> Option<&'static TableType> {
    let name = last(name)?;
    TABLE_TYPES.iter().find(|t| t.name.eq_ignore_ascii_case(name))
}

/// Whether a name of one or two parts is that of the type of bytes.
pub(crate) fn is_bytes(name: &str) -> bool {
    last(name).is_some_and(|name| name.eq_ignore_ascii_case(BYTES.0))
}

/// The table type of a procedure's parameter, as this crate's own lists declare it.
pub(crate) fn of_formal(declared: &str) -> Option<&'static TableType> {
    find(declared.strip_suffix(" readonly")?)
}

impl TableType {
    fn shape_columns(&self) -> Vec<ShapeColumn> {
        let column = |(name, declared, nullable): &(&str, &str, bool)| ShapeColumn {
            name: (*name).to_owned(),
            ty: Type::declared(declared),
            nullable: *nullable,
            identity: None,
            default: None,
        };
        self.columns.iter().map(column).collect()
    }

    /// A table variable of this type, to be made.
    pub(crate) fn shape(&self, name: &str) -> Shape {
        Shape { name: name.to_owned(), columns: self.shape_columns(), ..Shape::default() }
    }

    /// The same under the embedded engine's name of it.
    pub(crate) fn temp(&'static self, name: &str, inner: String, readonly: bool) -> Temp {
        Temp {
            name: name.to_owned(),
            inner,
            columns: self.shape_columns(),
            identity_insert: false,
            keys: Vec::new(),
            of: Some(self),
            readonly,
        }
    }
}
