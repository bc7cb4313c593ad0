//! Patients and staff.

use super::{BuildOptions, words};
use crate::{
    calendar::{date_text, day, day_number},
    random::Random,
};
use rusqlite::{Connection, params};

/// Text padded to a fixed width, as a `char` column has it.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

/// Midnight of a day, as stored.
pub(super) fn midnight(number: i64) -> String {
    day(number).map(|d| format!("{}T00:00:00", date_text(d))).unwrap_or_default()
}

/// Nine digits with a right check digit, then issue number and a first digit (9) that no card has: issued ones start with 2 to 6.
pub(crate) fn medicare(serial: u64) -> String {
    let stem = format!("9{serial:07}");
    let check: u32 = stem.bytes().zip([1, 3, 7, 9, 1, 3, 7, 9]).map(|(d, w)| u32::from(d - b'0') * w).sum();
    format!("{stem}{}1", check % 10)
}

/// Six digits, a location letter and a right check letter; numbers this low are not in use.
fn provider_number(serial: i64) -> String {
    let stem = format!("{:06}", 90 + serial % 100);
    let sum: i64 = stem.bytes().zip([3, 5, 8, 4, 2, 1]).map(|(d, w)| i64::from(d - b'0') * w).sum();
    let location = serial % 10;
    let check = b"YXWTLKJHFBA"[((sum + location * 6) % 11) as usize];
    format!("{stem}{location}{}", char::from(check))
}

pub(super) fn staff(connection: &Connection, first_day: i64) -> rusqlite::Result<()> {
    let mut user = connection.prepare("INSERT INTO USERS VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)")?;
    for &(id, title, first, last, location, status, role) in words::USERS {
        let provider = if role == 'd' { provider_number(id) } else { String::new() };
        user.execute(params![
            id,
            title as i64,
            pad(first, 40),
            pad(last, 40),
            pad(&provider, 8),
            location,
            status,
            midnight(first_day)
        ])?;
    }
    Ok(())
}

/// Fills PATIENTS; ids run from 1.
pub(super) fn patients(
    connection: &Connection,
    options: &BuildOptions,
    random: &mut Random,
    step: &mut dyn FnMut(f32),
) -> rusqlite::Result<()> {
    let today = day_number(options.today);
    let doctors: Vec<i64> = words::USERS.iter().filter(|u| u.6 == 'd' && u.5 != 2).map(|u| u.0).collect();
    let places = vec!["?"; 50].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO PATIENTS VALUES ({places})"))?;
    let mut surname = "";
    let mut home = (String::new(), "", "", String::new(), 0i64);
    for id in 1..=i64::from(options.patients) {
        // Families of up to four share a name, an address and the one who pays.
        if id == 1 || random.chance(45) || id - home.4 >= 4 {
            surname = random.pick(words::SURNAMES);
            let (suburb, postcode) = random.pick(words::SUBURBS);
            let number = random.range(1, 240);
            let street =
                format!("{number} {} {}", random.pick(words::STREETS), random.pick(words::STREET_KINDS));
            home = (street, suburb, postcode, format!("07 5550 {:04}", random.below(10_000)), id);
        }
        let head = id == home.4;
        let female = random.chance(52);
        let years = if head { random.range(19, 96) } else { random.range(0, 60) };
        let born = today - years * 365 - random.range(0, 365);
        let first = random.pick(if female { words::FEMALE } else { words::MALE });
        let title = match (female, years) {
            (true, 0..16) => 4,
            (false, 0..16) => 5,
            (true, _) => random.pick(&[2, 2, 3, 4]),
            (false, _) => 1,
        };
        let title = if random.chance(1) { 10 } else { title };
        let sex = if female { 1 } else { 2 };
        let gender = if random.chance(1) { 3 } else { sex };
        let pension = match years {
            67.. => random.pick(&[1, 1, 1, 3, 0]),
            18..67 => random.pick(&[0, 0, 0, 0, 0, 0, 2]),
            _ => 0,
        };
        let pension_no =
            if pension == 0 { String::new() } else { format!("999{:06}X", random.below(1_000_000)) };
        let pension_expiry = (pension > 0).then(|| midnight(today + random.range(30, 700)));
        let pension_start = (pension > 0).then(|| midnight(today - random.range(100, 3000)));
        let dva = if years > 75 && random.chance(3) { 1 } else { 0 };
        let dva_no = if dva == 1 { format!("QX{:06}", random.below(1_000_000)) } else { String::new() };
        let has_medicare = random.chance(96);
        let expiry =
            format!("{:02}/{}", random.range(1, 13), i64::from(options.today.year) + random.range(0, 5));
        let fund = random.pick(words::FUNDS);
        // 1 active, 2 inactive, 3 deceased; most are active.
        let status = match random.below(100) {
            0..92 => 1,
            92..98 => 2,
            _ => 3,
        };
        let record_status = if random.chance(1) { 0 } else { 1 };
        let mobile = if years > 12 && random.chance(92) { random.pick(words::MOBILES) } else { "" };
        let mobile = if random.chance(30) { mobile.replace(' ', "") } else { mobile.to_owned() };
        let email = if years > 14 && random.chance(70) {
            let plain: String = surname.chars().filter(char::is_ascii_alphabetic).collect();
            format!("{}.{}{id}@example.com", first.to_ascii_lowercase(), plain.to_ascii_lowercase())
        } else {
            String::new()
        };
        let created = midnight(today - random.range(1, 5000));
        let postal =
            if random.chance(8) { format!("PO Box {}", random.range(1, 900)) } else { home.0.clone() };
        insert.execute(params![
            id,
            "",
            pad(&id.to_string(), 10),
            title,
            pad(first, 50),
            pad(random.pick(words::MIDDLE), 30),
            pad(surname, 40),
            pad(if random.chance(8) { &first[..3.min(first.len())] } else { "" }, 30),
            pad(&home.0, 40),
            pad(if random.chance(6) { "Unit 2" } else { "" }, 40),
            pad(home.1, 40),
            home.2,
            pad(&postal, 40),
            pad(home.1, 40),
            home.2,
            midnight(born),
            sex,
            gender,
            0,
            random.pick(&[0, 4, 4, 4, 4, 4, 4, 4, 4, 1, 4, 4, 4, 4, 4, 2, 4, 4, 3, 4]),
            pad(&home.3, 14),
            pad(
                &if random.chance(15) {
                    format!("07 7010 {:04}", random.below(10_000))
                } else {
                    String::new()
                },
                14
            ),
            pad(&mobile, 14),
            email,
            pad(&if has_medicare { medicare(home.4 as u64) } else { String::new() }, 13),
            if has_medicare { (id - home.4 + 1).to_string() } else { " ".to_owned() },
            pad(if has_medicare { &expiry } else { "" }, 10),
            pension,
            pad(&pension_no, 14),
            pension_start,
            pension_expiry,
            dva,
            pad(&dva_no, 14),
            pad("", 14),
            i64::from(!fund.is_empty()),
            fund,
            if fund.is_empty() { String::new() } else { format!("DEMO{id:06}") },
            None::<String>,
            pad("", 16),
            random.pick(words::RELIGIONS),
            home.4,
            if head { 0 } else { home.4 },
            i64::from(random.chance(85)),
            random.pick(&doctors),
            status,
            record_status,
            created,
            10,
            midnight(today - random.range(0, 400)),
            random.pick(&[10, 11, 1, 2]),
        ])?;
        if id % 500 == 0 {
            step(id as f32 / options.patients as f32);
        }
    }
    Ok(())
}
