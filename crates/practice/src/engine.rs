//! The demo practice as a database engine.

use crate::{
    build::drugs_path,
    collation,
    fault::fault,
    functions::{self, State, StatementClock},
    login,
    schema::Base,
    session::{Canceller, DemoSession, Programs},
};
use database::{Engine, Failure, Login, Session};
use model::{Access, Catalogue, Clock, SystemClock};
use rusqlite::{
    Connection, OpenFlags,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The demo practice, opened.
pub struct DemoEngine {
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

/// Why the demo practice could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No readable demo practice at that path.
    #[error("can't open the demo practice: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Built by another version: tables and the order of indexes are not the same.
    #[error("the demo practice at {} was built by another version of this program: remove its folder, and start again to build it anew", .0.display())]
    Version(PathBuf),
}

impl DemoEngine {
    /// Opens the practice that [`crate::build`] made at `path`.
    pub fn open(path: &Path) -> Result<DemoEngine, OpenError> {
        Self::open_with_clock(path, Arc::new(SystemClock))
    }

    /// The same with another clock behind `GETDATE()`.
    pub fn open_with_clock(path: &Path, clock: Arc<dyn Clock>) -> Result<DemoEngine, OpenError> {
        let engine = DemoEngine { path: path.to_owned(), clock };
        let connection = engine.raw(true)?;
        for file in ["main", "drugs"] {
            let version: i32 =
                connection.query_row(&format!("PRAGMA {file}.user_version"), [], |r| r.get(0))?;
            if version != collation::VERSION {
                return Err(OpenError::Version(path.to_owned()));
            }
        }
        connection.query_row("SELECT COUNT(*) FROM main.PRACTICE, drugs.VAXDISEASES", [], |_| Ok(()))?;
        Ok(engine)
    }

    /// A connection to both files, not yet fenced in.
    fn raw(&self, read_only: bool) -> rusqlite::Result<Connection> {
        let mode =
            if read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
        // The attached file gets the same flags, so that read-only is so for both.
        let connection = Connection::open_with_flags(&self.path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // Waiting for another's lock is the session's, which can be cancelled; logging in waits here.
        connection.busy_timeout(Duration::from_secs(5))?;
        collation::register(&connection)?;
        let drugs = drugs_path(&self.path);
        connection.execute("ATTACH ?1 AS drugs", [drugs.to_str().unwrap_or_default()])?;
        Ok(connection)
    }

    fn session(&self, login: &Login, base: Base, access: Access) -> rusqlite::Result<Option<DemoSession>> {
        // The password is checked on a connection that can't write, whatever the session may.
        let Some(limited) = login::check(&self.raw(true)?, login.user.reveal(), login.password.reveal())?
        else {
            return Ok(None);
        };
        let read_only = limited || access == Access::ReadOnly;
        self.session_of(login.user.reveal(), base, read_only).map(Some)
    }

    fn session_of(&self, user: &str, base: Base, read_only: bool) -> rusqlite::Result<DemoSession> {
        let mut connection = self.raw(read_only)?;
        // Temporary tables are in memory, whoever made them. (`query_only` would refuse those of a reader too: what
        // keeps a reader from writing is that its files are opened read-only, and the fence.)
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.set_prepared_statement_cache_capacity(64);
        // Sorts and temporary tables are in memory: past this the statement fails with 701 and the session goes on. The
        // limit is the process's, all sessions together.
        connection.pragma_update(None, "hard_heap_limit", HEAP)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        // Without it each new parameter value makes the engine plan a kept statement anew.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        for (limit, most) in LIMITS {
            connection.set_limit(*limit, *most)?;
        }
        let clock = Arc::new(StatementClock::new(Arc::clone(&self.clock)));
        functions::register(&connection, &clock)?;
        let state = Arc::new(State::default());
        {
            let mut facts = state.facts();
            user.clone_into(&mut facts.user);
            facts.lock_timeout = -1;
            facts.reader = read_only;
        }
        functions::register_session(&connection, &state)?;
        connection.busy_timeout(Duration::ZERO)?;
        let canceller = Arc::new(Canceller::default());
        let watched = Arc::clone(&canceller);
        connection.progress_handler(2000, Some(move || watched.asked()))?;
        // The schema is read before the fence stands: afterwards nobody may look at it.
        connection.query_row("SELECT COUNT(*) FROM main.YESNO, drugs.VACCINES", [], |_| Ok(()))?;
        let making = Arc::new(AtomicBool::new(false));
        let lets = Arc::clone(&making);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            fence(&context, read_only, lets.load(Ordering::Acquire))
        }))?;
        Ok(DemoSession {
            connection,
            base,
            home: base,
            read_only,
            state,
            clock,
            canceller,
            programs: Programs::default(),
            making,
            temps: Vec::new(),
            before: Vec::new(),
            own_name: None,
            made: HashMap::new(),
            next_table: 0,
            silent: false,
            xact_abort: false,
            trying: 0,
            telling: false,
            transacted: Vec::new(),
        })
    }
}

/// Most memory of the embedded engine, in bytes.
const HEAP: i64 = 768 * 1024 * 1024;

/// What a statement may do at most, whatever the compiler wrote.
const LIMITS: &[(Limit, i32)] = &[
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 16 * 1024 * 1024),
    // A value of 64 MB and its row pass.
    (Limit::SQLITE_LIMIT_LENGTH, 80 * 1024 * 1024),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 1000),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 500),
    (Limit::SQLITE_LIMIT_COLUMN, 2000),
    (Limit::SQLITE_LIMIT_ATTACHED, 1),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
];

/// The second lock behind the compiler: no way out of the two files, none to the logins or the schema, and no write
/// where none is allowed. `making`: this crate itself makes a temporary table.
fn fence(context: &AuthContext<'_>, read_only: bool, making: bool) -> Authorization {
    let open = |table: &str| {
        !table.eq_ignore_ascii_case(login::TABLE) && !table.to_ascii_lowercase().starts_with("sqlite_")
    };
    let temporary = context.database_name == Some("temp");
    let allowed = match context.action {
        _ if making && (temporary || context.database_name.is_none()) => true,
        AuthAction::Select
        | AuthAction::Recursive
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. } => true,
        AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
        AuthAction::Read { table_name, .. } => open(table_name),
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => (temporary || !read_only) && open(table_name),
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

impl DemoEngine {
    /// Logs in as a client of SQL Server's own protocol does: `database` is `BPSPatients` (the default), `BPSDrugs`, or a
    /// catalogue's name. A wrong login is error 18456, an unknown database 4060.
    pub fn log_in(
        &self,
        login: &Login,
        database: Option<&str>,
        access: Access,
    ) -> Result<DemoSession, Failure> {
        let name = database.filter(|d| !d.is_empty()).unwrap_or("BPSPatients");
        let base = Base::by_name(name).or_else(|| Base::by_catalogue(name)).ok_or_else(|| {
            Failure::Sql(fault(
                4060,
                1,
                format!("Cannot open database \"{name}\" requested by the login. The login failed."),
            ))
        })?;
        match self.session(login, base, access) {
            Ok(Some(session)) => Ok(session),
            Ok(None) => {
                let user = login.user.reveal();
                Err(Failure::Sql(fault(18456, 1, format!("Login failed for user '{user}'."))))
            }
            Err(_) => Err(Failure::Lost),
        }
    }
}

impl Engine for DemoEngine {
    fn catalogues(&self) -> Vec<Catalogue> {
        vec![
            Catalogue { name: "Patients".to_owned(), is_default: true },
            Catalogue { name: "Drugs".to_owned(), is_default: false },
        ]
    }

    fn connect(&self, login: &Login, catalogue: &str, access: Access) -> Result<Box<dyn Session>, Failure> {
        let base = Base::by_catalogue(catalogue).ok_or(Failure::Catalogue)?;
        Ok(Box::new(self.log_in(login, Some(base.database()), access)?))
    }

    fn connect_own(&self, catalogue: &str) -> Option<Result<Box<dyn Session>, Failure>> {
        // The files are Link's own: it needs no login to look at them.
        let connect = || {
            let base = Base::by_catalogue(catalogue).ok_or(Failure::Catalogue)?;
            let session = self.session_of("halo_link", base, true).map_err(|_| Failure::Lost)?;
            Ok(Box::new(session) as Box<dyn Session>)
        };
        Some(connect())
    }
}
