//! What a server is, and what a login may do there.

/// What a session finds at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// For example `Microsoft SQL Server 2019`.
    pub product: String,
    /// In the server's own form, for example `15.0.2000.5`.
    pub version: String,
    /// What the login may do in the catalogue.
    pub rights: Rights,
}

/// What a login may do, as the database's own grants say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether it could change anything.
    pub writes: Writes,
    /// In the database's own words, for people: `db_datareader`, `INSERT on dbo.APPOINTMENTS`. At most 100, the ones that
    /// let it write first. Names of objects, never data.
    pub grants: Vec<String>,
}

/// Whether a login could change anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Writes {
    /// By its grants it can't.
    No,
    /// By its grants it can, or it may call procedures, and what those do is not for grants to say.
    Yes,
    /// The login may not look, or the server can't say.
    #[default]
    Unknown,
}

impl Writes {
    /// `no`, `yes`, `unknown`: as it is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Writes::No => "no",
            Writes::Yes => "yes",
            Writes::Unknown => "unknown",
        }
    }
}
