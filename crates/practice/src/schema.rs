//! What the demo practice's databases hold: the one list that both the builder and the T-SQL compiler go by.

use crate::types::{Family, Type};

/// A table or view.
#[derive(Debug)]
pub(crate) struct Relation {
    /// As the database names it; compares without case. Of a system view, the embedded engine's name of it.
    pub(crate) name: &'static str,
    /// Name and declared SQL Server type of each column. A type that ends in ` key` is the integer primary key.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// For a view, its text for the embedded engine; a table has none.
    pub(crate) view: Option<&'static str>,
}

macro_rules! tables {
    ($($name:ident { $($column:ident $declared:literal),* $(,)? })*) => {
        &[$(Relation {
            name: stringify!($name),
            columns: &[$((stringify!($column), $declared)),*],
            view: None,
        }),*]
    };
}

macro_rules! views {
    ($($name:ident { $($column:ident $declared:literal),* $(,)? } $text:expr;)*) => {
        &[$(Relation {
            name: stringify!($name),
            columns: &[$((stringify!($column), $declared)),*],
            view: Some($text),
        }),*]
    };
}

/// A user's full name in words, as every view shows it: SQL over the aliases of USERS and TITLES.
macro_rules! provider {
    ($user:literal, $title:literal) => {
        concat!(
            "CASE WHEN ",
            $user,
            ".USERID IS NULL THEN '' ELSE trim(rtrim(coalesce(",
            $title,
            ".TITLE, '')) || ' ' || rtrim(",
            $user,
            ".FIRSTNAME) || ' ' || rtrim(",
            $user,
            ".SURNAME)) END"
        )
    };
}

mod billing;
mod clinical;
mod clinical_views;
mod drugs;
mod indexes;
mod names;
mod people;
mod people_views;
mod system;

pub(crate) use indexes::INDEXES;
pub(crate) use names::{CREATED_AT, declared_name, id_of};
pub(crate) use system::SYSTEM;

/// One of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// `BPSPatients`, catalogue `Patients`.
    Patients,
    /// `BPSDrugs`, catalogue `Drugs`.
    Drugs,
}

impl Base {
    /// The embedded engine's name of it.
    pub(crate) fn schema(self) -> &'static str {
        match self {
            Base::Patients => "main",
            Base::Drugs => "drugs",
        }
    }

    /// The name that stands in a three-part name.
    pub(crate) fn database(self) -> &'static str {
        match self {
            Base::Patients => "BPSPatients",
            Base::Drugs => "BPSDrugs",
        }
    }

    /// By the name of its catalogue.
    pub(crate) fn by_catalogue(name: &str) -> Option<Base> {
        [("Patients", Base::Patients), ("Drugs", Base::Drugs)]
            .into_iter()
            .find_map(|(n, base)| n.eq_ignore_ascii_case(name).then_some(base))
    }

    /// By the name that stands in a three-part name.
    pub(crate) fn by_name(name: &str) -> Option<Base> {
        [("BPSPatients", Base::Patients), ("BPSDrugs", Base::Drugs)]
            .into_iter()
            .find_map(|(n, base)| n.eq_ignore_ascii_case(name).then_some(base))
    }

    /// Its base tables.
    pub(crate) fn tables(self) -> impl Iterator<Item = &'static Relation> {
        let parts: &[&'static [Relation]] = match self {
            Base::Patients => &[people::TABLES, clinical::TABLES, billing::TABLES],
            Base::Drugs => &[drugs::TABLES],
        };
        parts.iter().copied().flatten()
    }

    /// Its views.
    pub(crate) fn views(self) -> impl Iterator<Item = &'static Relation> {
        let parts: &[&'static [Relation]] = match self {
            Base::Patients => &[people_views::VIEWS, clinical_views::VIEWS, billing::VIEWS],
            Base::Drugs => &[],
        };
        parts.iter().copied().flatten()
    }

    /// Tables and views.
    pub(crate) fn relations(self) -> impl Iterator<Item = &'static Relation> {
        self.tables().chain(self.views())
    }

    /// Finds a table or view.
    pub(crate) fn relation(self, name: &str) -> Option<&'static Relation> {
        self.relations().find(|r| r.name.eq_ignore_ascii_case(name))
    }

    /// Finds a system view such as `sys.objects` or `INFORMATION_SCHEMA.TABLES`; its `name` is the embedded engine's name
    /// of it. Both databases have the same ones.
    pub(crate) fn system(self, schema: &str, name: &str) -> Option<&'static Relation> {
        SYSTEM
            .iter()
            .find(|s| {
                s.name.eq_ignore_ascii_case(name) && s.schemas.iter().any(|n| n.eq_ignore_ascii_case(schema))
            })
            .map(|s| &s.relation)
    }
}

impl Relation {
    /// The embedded engine's `CREATE TABLE` or `CREATE VIEW`.
    pub(crate) fn ddl(&self, schema: &str) -> String {
        if let Some(text) = self.view {
            return format!("CREATE VIEW {schema}.\"{}\" AS {text}", self.name);
        }
        let columns: Vec<String> =
            self.columns.iter().map(|(name, declared)| format!("\"{name}\" {}", stored(declared))).collect();
        format!("CREATE TABLE {schema}.\"{}\" ({})", self.name, columns.join(", "))
    }

    /// The primary key's column.
    pub(crate) fn key(&self) -> Option<&'static str> {
        self.columns.iter().find_map(|(name, declared)| declared.ends_with(" key").then_some(*name))
    }
}

/// How the embedded engine keeps a declared type. Exact numbers are text: it would keep them as binary fractions.
fn stored(declared: &str) -> &'static str {
    if declared.ends_with(" key") {
        return "INTEGER PRIMARY KEY";
    }
    match Type::declared(declared).family {
        Family::Text => "TEXT COLLATE MSSQL",
        Family::Bit | Family::Int | Family::Null => "INTEGER",
        Family::Real | Family::Float => "REAL",
        Family::Binary => "BLOB",
        Family::Decimal | Family::Date | Family::DateTime | Family::Offset | Family::Time | Family::Guid => {
            "TEXT"
        }
    }
}
