//! Makes the practice's two database files from a seed.

#[rustfmt::skip]
mod acute;
mod background;
mod billing;
mod body;
mod book;
mod codes;
mod complaints;
mod conditions;
mod diary;
mod identifiers;
mod letters;
mod life;
mod lookups;
#[rustfmt::skip]
mod medicines;
mod people;
mod results;
mod staff;
mod system;
mod tables;
mod vaccines;
mod visit;
mod women;
#[rustfmt::skip]
mod words;

use crate::{
    calendar::{day, day_number, valid},
    collation, login,
    random::Random,
    schema::{Base, INDEXES},
};
use database::Date;
use diary::Diary;
use model::Hidden;
use rusqlite::Connection;
use staff::Staff;
use std::path::{Path, PathBuf};
use tables::Tables;

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// How many patients; 5,000 is a middling practice. At most 1,000,000.
    pub patients: u32,
    /// The same seed, options and day give the same content.
    pub seed: u64,
    /// The day that the three years of appointments lie around: two before it, one after.
    pub today: Date,
    /// Database logins; without one nobody gets in.
    pub logins: Vec<PracticeLogin>,
}

/// The identifier that a demo practice says it has, in the table `DEMOSITE`.
pub const SITE_ID: &str = "99001";
/// The version of the practice software that it says it has, there too.
pub const PMS_VERSION: &str = "1.14.0.1000";

/// A database login of the demo practice.
#[derive(Clone, Debug)]
pub struct PracticeLogin {
    /// User name; compares without case, as SQL Server's do.
    pub user: String,
    /// Password.
    pub password: Hidden<String>,
    /// Whether the database refuses this login's writes.
    pub read_only: bool,
}

/// Why the practice could not be built. Nothing usable is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be written, or one stands there already.
    #[error("can't write the demo practice's files: {0}")]
    Io(#[from] std::io::Error),
    /// The embedded database failed.
    #[error("the embedded database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The options make no sense.
    #[error("bad option: {0}")]
    Options(&'static str),
}

/// Builds the practice at `path`, and its drug database beside it with the extension `drugs`. An existing file is an
/// error: nothing is replaced. `progress` gets a word for the step and how much of the whole is done, 0 to 1.
pub fn build(
    path: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str, f32),
) -> Result<(), BuildError> {
    let today = options.today;
    if valid(today.year, today.month, today.day).is_none() || !(1900..=9990).contains(&today.year) {
        return Err(BuildError::Options("today is not a day of the years 1900 to 9990"));
    }
    if options.patients > MOST_PATIENTS {
        return Err(BuildError::Options("more than 1,000,000 patients"));
    }
    let drugs = drugs_path(path);
    if path.exists() || drugs.exists() {
        return Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists).into());
    }
    // Under other names until whole, so that a build cut short is not taken for a practice.
    let (part, drugs_part) = (part_of(path), part_of(&drugs));
    for old in [&part, &drugs_part] {
        if old.exists() {
            std::fs::remove_file(old)?;
        }
    }
    fill(&part, &drugs_part, options, progress)?;
    std::fs::rename(&drugs_part, &drugs)?;
    std::fs::rename(&part, path)?;
    progress("ready", 1.0);
    Ok(())
}

/// Keeps a Medicare number's serial within its digits.
const MOST_PATIENTS: u32 = 1_000_000;

/// Where the drug database of the practice at `path` is.
pub(crate) fn drugs_path(path: &Path) -> PathBuf {
    path.with_extension("drugs")
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn fill(
    path: &Path,
    drugs: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str, f32),
) -> Result<(), BuildError> {
    progress("tables", 0.0);
    let mut connection = Connection::open(path)?;
    collation::register(&connection)?;
    // No journal: a build that fails leaves a file that nobody takes for whole.
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let place = drugs.to_str().ok_or(BuildError::Options("the path is not UTF-8"))?;
    connection.execute("ATTACH ?1 AS drugs", [place])?;
    connection.execute_batch("PRAGMA drugs.journal_mode = OFF; PRAGMA drugs.synchronous = OFF;")?;
    connection.execute_batch("PRAGMA main.cache_size = -65536; PRAGMA temp_store = FILE;")?;
    let transaction = connection.transaction()?;
    for base in [Base::Patients, Base::Drugs] {
        for table in base.tables() {
            transaction.execute_batch(&table.ddl(base.schema()))?;
        }
    }
    lookups::write(&transaction)?;
    World::new(&transaction, options)?.run(&transaction, options, progress)?;
    progress("indexes and views", 0.8);
    for base in [Base::Patients, Base::Drugs] {
        for index in INDEXES.iter().filter(|i| i.base == base) {
            let (schema, columns) = (base.schema(), index.columns.join(", "));
            let text = format!("CREATE INDEX {schema}.{} ON {} ({columns})", index.name(), index.table);
            transaction.execute_batch(&text)?;
        }
        for view in base.views() {
            transaction.execute_batch(&view.ddl(base.schema()))?;
        }
        system::write(&transaction, base)?;
    }
    progress("logins", 0.95);
    login::store(&transaction, options.seed, &options.logins)?;
    // A thousand rows of each index tell the planner enough.
    for file in ["main", "drugs"] {
        transaction.pragma_update(Some(file), "user_version", collation::VERSION)?;
    }
    transaction.execute_batch("PRAGMA analysis_limit = 1000; ANALYZE main; ANALYZE drugs;")?;
    transaction.commit()?;
    // Readers and a writer at once, from here on.
    connection.execute_batch("PRAGMA main.journal_mode = WAL; PRAGMA drugs.journal_mode = WAL;")?;
    connection.execute("DETACH drugs", [])?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// Everything at hand while lives are written: where to, when, by whom, and the next numbers.
struct World<'c> {
    tables: Tables<'c>,
    random: Random,
    staff: Staff,
    diary: Diary,
    /// First day of the book, today, and its last day.
    first: i64,
    today: i64,
    last: i64,
    /// First days of April within the book.
    aprils: Vec<i64>,
    visits: i64,
    invoices: i64,
    reports: i64,
}

impl<'c> World<'c> {
    fn new(connection: &'c Connection, options: &BuildOptions) -> rusqlite::Result<Self> {
        let today = day_number(options.today);
        let (first, last) = (today - 730, today + 365);
        let mut random = Random::new(options.seed);
        let staff = staff::write(connection, options.patients, first, &mut random)?;
        let aprils = (first..=last).filter(|n| day(*n).is_some_and(|d| d.month == 4 && d.day == 1)).collect();
        Ok(World {
            tables: Tables::new(connection)?,
            random,
            diary: Diary::new(first, last, staff.doctors.len()),
            staff,
            first,
            today,
            last,
            aprils,
            visits: 0,
            invoices: 0,
            reports: 0,
        })
    }

    fn run(
        mut self,
        connection: &Connection,
        options: &BuildOptions,
        progress: &mut dyn FnMut(&str, f32),
    ) -> rusqlite::Result<()> {
        let mut lives =
            self.people(connection, options, &mut |part| progress("patients", 0.05 + part * 0.2))?;
        self.book(connection, options, &mut lives, &mut |part| progress("appointments", 0.25 + part * 0.5))?;
        progress("records", 0.76);
        self.close(&lives)
    }
}
