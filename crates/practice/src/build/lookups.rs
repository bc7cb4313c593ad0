//! Small tables that are the same in every practice.

use super::{codes, medicines, people::pad, words};
use rusqlite::{Connection, params};

/// Fills them.
pub(super) fn write(connection: &Connection) -> rusqlite::Result<()> {
    let both = |table: &str| format!("INSERT INTO {table} VALUES (?1, ?2)");
    codes::write(connection)?;
    medicines::write(connection)?;
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
    let mut fund = connection.prepare(&both("main.HEALTHFUNDS"))?;
    for (code, name) in (1i64..).zip(words::FUNDS) {
        fund.execute(params![code, name])?;
    }
    connection.execute("INSERT INTO main.YESNO VALUES (0, 'No   '), (1, 'Yes  ')", [])?;
    connection.execute("INSERT INTO main.PRACTICE VALUES (?1)", [pad("Halo Demo Family Practice", 60)])?;
    connection.execute(
        "INSERT INTO main.DEMOSITE VALUES (?1, ?2)",
        [pad(super::SITE_ID, 20), pad(super::PMS_VERSION, 20)],
    )?;
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
