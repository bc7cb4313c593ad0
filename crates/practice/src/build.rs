//! Makes the practice's two database files from a seed.

mod book;
mod people;
#[rustfmt::skip]
mod words;

use crate::{
    calendar::{day_number, valid},
    collation, login,
    random::Random,
    schema::{Base, VIEWS},
};
use database::Date;
use model::Hidden;
use people::pad;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

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
    let transaction = connection.transaction()?;
    for base in [Base::Patients, Base::Drugs] {
        for table in base.tables() {
            transaction.execute_batch(&table.ddl(base.schema()))?;
        }
    }
    let mut random = Random::new(options.seed);
    let first_day = day_number(options.today) - 730;
    lookups(&transaction)?;
    people::staff(&transaction, first_day)?;
    people::patients(&transaction, options, &mut random, &mut |part| {
        progress("patients", 0.05 + part * 0.3)
    })?;
    book::book(&transaction, options, &mut random, &mut |part| progress("appointments", 0.35 + part * 0.5))?;
    progress("indexes and views", 0.85);
    transaction.execute_batch(INDEXES)?;
    for view in VIEWS {
        transaction.execute_batch(&view.ddl(Base::Patients.schema()))?;
    }
    login::store(&transaction, options.seed, &options.logins)?;
    transaction.execute_batch("ANALYZE main")?;
    transaction.commit()?;
    // Readers and a writer at once, from here on.
    connection.execute_batch("PRAGMA main.journal_mode = WAL; PRAGMA drugs.journal_mode = WAL;")?;
    connection.execute("DETACH drugs", [])?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

const INDEXES: &str = "
    CREATE INDEX main.APPOINTMENTS_DATE ON APPOINTMENTS (APPOINTMENTDATE, USERID, APPOINTMENTTIME);
    CREATE INDEX main.APPOINTMENTS_PATIENT ON APPOINTMENTS (INTERNALID);
    CREATE INDEX main.PATIENTS_SURNAME ON PATIENTS (SURNAME, FIRSTNAME);
    CREATE INDEX main.PATIENTS_DOB ON PATIENTS (DOB);
    CREATE INDEX drugs.VACCINE_DISEASE_VACCINE ON VACCINE_DISEASE (VACCINEID);";

fn lookups(connection: &Connection) -> rusqlite::Result<()> {
    let both = |table: &str| format!("INSERT INTO {table} VALUES (?1, ?2)");
    let mut title = connection.prepare(&both("main.TITLES"))?;
    for (code, word) in words::TITLES.iter().enumerate() {
        title.execute(params![code as i64, pad(word, 30)])?;
    }
    let mut status = connection.prepare(&both("main.APPOINTMENTCODES"))?;
    for (code, word) in (1i64..).zip(words::STATUSES) {
        status.execute(params![code, pad(word, 20)])?;
    }
    let mut kind = connection.prepare(&both("main.APPOINTMENTTYPES"))?;
    for (code, (word, _)) in (1i64..).zip(words::TYPES) {
        kind.execute(params![code, word])?;
    }
    connection.execute("INSERT INTO main.YESNO VALUES (0, 'No   '), (1, 'Yes  ')", [])?;
    connection.execute("INSERT INTO main.PRACTICE VALUES (?1)", [pad("Halo Demo Family Practice", 60)])?;
    let mut location =
        connection.prepare("INSERT INTO main.LOCATIONS VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (id, name, street, city, postcode, phone) in [
        (1, "Main Surgery", "12 Jacaranda St", "Paddington", "4064", "07 5550 0001"),
        (2, "Riverside Rooms", "3/88 Oxley Rd", "Toowong", "4066", "07 5550 0002"),
    ] {
        location.execute(params![
            id,
            pad(name, 60),
            pad(street, 40),
            pad("", 40),
            pad(city, 40),
            postcode,
            pad(phone, 14)
        ])?;
    }
    let mut number = connection.prepare("INSERT INTO main.Numbers VALUES (?1)")?;
    for n in 0..1000 {
        number.execute([n])?;
    }
    let mut disease = connection.prepare(&both("drugs.VAXDISEASES"))?;
    for (code, name) in words::DISEASES {
        disease.execute(params![code, pad(name, 30)])?;
    }
    let mut vaccine = connection.prepare("INSERT INTO drugs.VACCINES VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut link = connection.prepare(&both("drugs.VACCINE_DISEASE"))?;
    for (id, (name, childhood, diseases)) in (1i64..).zip(words::VACCINES) {
        vaccine.execute(params![id, name, pad(&format!("D{id:03}"), 6), childhood, ""])?;
        for disease in *diseases {
            link.execute(params![id, disease])?;
        }
    }
    Ok(())
}
