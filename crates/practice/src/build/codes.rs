//! Code lists as rows: table, width of its words, and the words by number. What the public code shows is as it shows it; the
//! rest is ours, as `docs/demo-practice.md` says.

use super::people::pad;
use crate::schema::Base;
use rusqlite::{Connection, params};

type List = (&'static str, usize, &'static [(i64, &'static str)]);

const LISTS: &[List] = &[
    ("SEX", 10, &[(0, ""), (1, "Female"), (2, "Male")]),
    ("GENDER", 20, &[(0, ""), (1, "Female"), (2, "Male"), (3, "Non-binary")]),
    ("PRONOUN", 20, &[(0, ""), (1, "She/Her"), (2, "He/Him"), (3, "They/Them")]),
    (
        "ETHNICITY",
        50,
        &[
            (0, ""),
            (1, "Aboriginal"),
            (2, "Torres Strait Islander"),
            (3, "Aboriginal/Torres Strait Islander"),
            (4, "Non Indigenous"),
        ],
    ),
    (
        "PENSIONTYPES",
        40,
        &[
            (0, ""),
            (1, "Pensioner Concession Card"),
            (2, "Health Care Card"),
            (3, "Commonwealth Seniors Health Card"),
        ],
    ),
    ("DVATYPES", 20, &[(0, ""), (1, "Gold"), (2, "White")]),
    ("PATIENTSTATUS", 12, &[(1, "Active"), (2, "Inactive"), (3, "Deceased")]),
    (
        "MARITALSTATUS",
        30,
        &[
            (0, ""),
            (1, "Single"),
            (2, "Married"),
            (3, "De facto"),
            (4, "Separated"),
            (5, "Divorced"),
            (6, "Widowed"),
        ],
    ),
    ("SEXUALITY", 30, &[(0, ""), (1, "Heterosexual"), (2, "Homosexual"), (3, "Bisexual"), (4, "Other")]),
    ("SMOKINGSTATUS", 20, &[(0, ""), (1, "Non smoker"), (2, "Ex smoker"), (3, "Smoker")]),
    ("ALCOHOLSTATUS", 20, &[(0, ""), (1, "Nil"), (2, "Occasional"), (3, "Moderate"), (4, "Heavy")]),
    (
        "ACCOMODATION",
        30,
        &[
            (0, ""),
            (1, "Own home"),
            (2, "Relative's home"),
            (3, "Other private house"),
            (4, "Hostel"),
            (5, "Nursing home (RACF)"),
            (6, "Homeless"),
            (7, "Rental home"),
        ],
    ),
    ("LIVESWITH", 20, &[(0, ""), (1, "Spouse"), (2, "Relative"), (3, "Friend"), (4, "Alone")]),
    ("KNOWNALLERGIES", 20, &[(0, "Not recorded"), (1, "Nil known"), (2, "Recorded")]),
    (
        "RELATIONS",
        20,
        &[
            (1, "Mother"),
            (2, "Father"),
            (3, "Sister"),
            (4, "Brother"),
            (5, "Daughter"),
            (6, "Son"),
            (7, "Grandmother"),
            (8, "Grandfather"),
        ],
    ),
    (
        "VISITTYPES",
        20,
        &[
            (1, "Surgery"),
            (2, "Home"),
            (3, "Hospital"),
            (4, "RACF"),
            (5, "Telephone"),
            (6, "SMS"),
            (7, "Email"),
            (8, "Locum Service"),
            (9, "Out of Office"),
            (10, "Other"),
            (11, "Hostel"),
            (12, "Non Visit"),
            (13, "Telehealth"),
        ],
    ),
    (
        "OBSERVATIONCODES",
        30,
        &[
            (1, "Temperature"),
            (2, "Pulse"),
            (3, "BP systolic"),
            (4, "BP diastolic"),
            (6, "BSL"),
            (7, "Height"),
            (8, "Weight"),
            (9, "BMI"),
            (10, "Head circumference"),
            (17, "Waist"),
            (18, "Hip"),
            (21, "Waist-hip ratio"),
            (26, "Diabetes risk"),
        ],
    ),
    (
        "NOTATIONS",
        30,
        &[
            (0, ""),
            (1, "Normal"),
            (2, "Abnormal"),
            (3, "Stable"),
            (4, "Acceptable"),
            (5, "Unacceptable"),
            (6, "Being treated"),
            (7, "Under specialist care"),
        ],
    ),
    (
        "ACTIONCODES",
        30,
        &[
            (0, ""),
            (1, "No action"),
            (2, "Reception to advise"),
            (3, "Nurse to advise"),
            (4, "Doctor to advise"),
            (5, "Send routine reminder"),
            (6, "Non-urgent appointment"),
            (7, "Urgent appointment"),
        ],
    ),
    (
        "PREGNANCYOUTCOMES",
        30,
        &[
            (0, ""),
            (1, "Live birth"),
            (2, "Miscarriage"),
            (3, "Termination"),
            (4, "Ectopic"),
            (5, "IUFD"),
            (6, "Stillbirth"),
            (7, "Hydatidiform mole"),
        ],
    ),
    (
        "PAYERS",
        30,
        &[
            (0, "Unknown"),
            (1, "Private (patient)"),
            (2, "Bulk bill"),
            (3, "DVA"),
            (4, "WorkCover"),
            (5, "Private (head of family)"),
            (8, "Private (other)"),
        ],
    ),
];

/// Fills them.
pub(super) fn write(connection: &Connection) -> rusqlite::Result<()> {
    for (table, width, rows) in LISTS {
        debug_assert!(Base::Patients.relation(table).is_some(), "{table}");
        let mut insert = connection.prepare(&format!("INSERT INTO main.{table} VALUES (?1, ?2)"))?;
        for (code, word) in *rows {
            insert.execute(params![code, pad(word, *width)])?;
        }
    }
    Ok(())
}
