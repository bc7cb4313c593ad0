//! Doctors, nurses and the front desk: the thirteen of every practice, and more of them in a larger one.

use super::{
    identifiers::provider_number,
    people::{midnight, pad},
    words,
};
use crate::random::Random;
use rusqlite::{Connection, params};

/// One of the staff.
pub(super) struct User {
    pub(super) id: i64,
    pub(super) location: i64,
    /// 'd' doctor, 'n' nurse, 'r' front desk.
    pub(super) role: char,
    pub(super) works: bool,
}

/// All of the staff.
pub(super) struct Staff {
    pub(super) users: Vec<User>,
    /// Ids of the doctors who work.
    pub(super) doctors: Vec<i64>,
    pub(super) desk: Vec<i64>,
}

/// For as many patients there are the thirteen.
const PATIENTS_PER_TEAM: u32 = 5000;

/// Fills USERS.
pub(super) fn write(
    connection: &Connection,
    patients: u32,
    first_day: i64,
    random: &mut Random,
) -> rusqlite::Result<Staff> {
    let mut insert = connection.prepare("INSERT INTO USERS VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)")?;
    let mut users = Vec::new();
    let mut serial = 100;
    let mut add = |id: i64, title: usize, first: &str, last: &str, location: i64, status: i64, role: char| {
        let provider = if role == 'd' { provider_number(serial) } else { String::new() };
        serial += 1;
        users.push(User { id, location, role, works: status != 2 });
        insert.execute(params![
            id,
            title as i64,
            pad(first, 40),
            pad(last, 40),
            pad(&provider, 8),
            location,
            status,
            midnight(first_day)
        ])
    };
    for &(id, title, first, last, location, status, role) in words::USERS {
        add(id, title, first, last, location, status, role)?;
    }
    let more = patients.saturating_sub(PATIENTS_PER_TEAM).div_ceil(PATIENTS_PER_TEAM);
    for team in 0..i64::from(more) {
        for (seat, role) in "ddddddddnnrr".chars().enumerate() {
            let female = random.chance(55);
            let first = random.pick(if female { words::FEMALE } else { words::MALE });
            let title = match (role, female) {
                ('d', _) => 6,
                (_, true) => 3,
                _ => 1,
            };
            let location = 1 + (team + seat as i64) % 2;
            add(
                101 + team * 12 + seat as i64,
                title,
                first,
                random.pick(words::SURNAMES),
                location,
                1,
                role,
            )?;
        }
    }
    let ids = |role: char| users.iter().filter(|u| u.role == role && u.works).map(|u| u.id).collect();
    Ok(Staff { doctors: ids('d'), desk: ids('r'), users })
}
