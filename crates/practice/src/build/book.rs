//! The rota and three years of appointments that fill it.

use super::{BuildOptions, people::midnight, words};
use crate::{
    calendar::{day_number, weekday},
    random::Random,
};
use rusqlite::{Connection, params};

struct Session {
    user: i64,
    location: i64,
    /// 0 is Sunday.
    weekday: i64,
    start: i64,
    end: i64,
    slot: i64,
}

const MORNING: (i64, i64) = (8 * 3600 + 1800, 12 * 3600 + 1800);
const AFTERNOON: (i64, i64) = (13 * 3600 + 1800, 17 * 3600);

/// Fills SESSIONS and gives them back.
fn rota(connection: &Connection, first_day: i64, random: &mut Random) -> rusqlite::Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for &(user, _, _, _, location, status, role) in words::USERS {
        if role == 'r' || status == 2 {
            continue;
        }
        let slot = if role == 'n' { 1800 } else { 900 };
        for weekday in 1..=5 {
            for (start, end) in [MORNING, AFTERNOON] {
                if random.chance(65) {
                    let location = if random.chance(12) { 3 - location } else { location };
                    sessions.push(Session { user, location, weekday, start, end, slot });
                }
            }
        }
        if random.chance(30) {
            sessions.push(Session { user, location, weekday: 6, start: 8 * 3600, end: 12 * 3600, slot });
        }
    }
    let mut insert = connection.prepare(
        "INSERT INTO SESSIONS (USERID, LOCATIONID, DAYOFWEEK, STARTTIME, ENDTIME, LENGTH, STARTDATE, WEEKS, CYCLEWEEK)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 1)",
    )?;
    for s in &sessions {
        insert.execute(params![
            s.user,
            s.location,
            s.weekday + 1,
            s.start,
            s.end,
            s.slot,
            midnight(first_day)
        ])?;
    }
    // A room without a provider: such rows exist in real books.
    insert.execute(params![0, 1, 2, MORNING.0, MORNING.1, 900, midnight(first_day)])?;
    Ok(sessions)
}

/// Fills SESSIONS and APPOINTMENTS.
pub(super) fn book(
    connection: &Connection,
    options: &BuildOptions,
    random: &mut Random,
    step: &mut dyn FnMut(f32),
) -> rusqlite::Result<()> {
    let today = day_number(options.today);
    let (first, last) = (today - 730, today + 365);
    let sessions = rota(connection, first, random)?;
    let mut insert = connection.prepare(
        "INSERT INTO APPOINTMENTS VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, '', ?13, '', '', ?14, ?15, ?14, ?15)",
    )?;
    let patients = i64::from(options.patients);
    for day in first..=last {
        let date = midnight(day);
        // Full behind and near, thinner far ahead.
        let full = match day - today {
            ..=1 => 82,
            2..=14 => 60,
            15..=60 => 22,
            _ => 5,
        };
        for s in sessions.iter().filter(|s| s.weekday == weekday(day)) {
            let mut late = 0;
            let mut time = s.start;
            while time < s.end {
                let kind = random.pick(&[0usize, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]);
                let length = (words::TYPES[kind].1 * 60).max(s.slot);
                if !random.chance(full) || time + length > s.end {
                    time += s.slot;
                    continue;
                }
                let blocked = kind == 9 || patients == 0;
                let patient = if blocked { 0 } else { random.range(1, patients + 1) };
                late = (late + random.range(-240, 300)).clamp(0, 3000);
                let (status, arrived, seen) = if blocked || day > today {
                    (1, 0, 0)
                } else if day < today {
                    let came = time - random.range(0, 900);
                    if random.chance(4) {
                        (1, 0, 0)
                    } else {
                        (random.pick(&[6, 7, 7, 7, 5]), came, time + late)
                    }
                } else {
                    // Today stands still at noon.
                    let noon = 12 * 3600;
                    let came = time - random.range(0, 900);
                    match noon - (time + late) {
                        3600.. => (7, came, time + late),
                        1200..3600 => (random.pick(&[4, 5, 6]), came, time + late),
                        0..1200 => (3, came, time + late),
                        _ if came < noon => (2, came, 0),
                        _ => (1, 0, 0),
                    }
                };
                let booked_by = random.pick(&[10, 10, 11, 11, s.user]);
                let booked_by = if random.chance(3) { -booked_by } else { booked_by };
                let live = i64::from(!random.chance(6));
                let booked_on = midnight((day - random.range(0, 30)).min(today));
                insert.execute(params![
                    live,
                    patient,
                    s.user,
                    s.location,
                    date,
                    time,
                    length,
                    status,
                    kind as i64 + 1,
                    i64::from(random.chance(5)),
                    arrived,
                    seen,
                    if blocked { "" } else { random.pick(words::REASONS) },
                    booked_on,
                    booked_by,
                ])?;
                // A cancelled appointment leaves its slot to another.
                time += if live == 1 { length } else { 0 };
            }
        }
        if day % 30 == 0 {
            step((day - first) as f32 / (last - first) as f32);
        }
    }
    Ok(())
}
