//! Families: who lives with whom, how old, how they are reached and insured.

use super::{
    BuildOptions, World, body, conditions,
    identifiers::{ihi, medicare, pension, veteran},
    life::{Life, Pregnancy},
    words,
};
use crate::{
    calendar::{date_text, day},
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

/// A member of a family before anything else is known.
struct Member {
    born: i64,
    female: bool,
    child: bool,
}

/// What a family shares.
struct Home {
    head: i64,
    surname: &'static str,
    street: String,
    suburb: &'static str,
    postcode: &'static str,
    phone: String,
    /// First day at the practice.
    from: i64,
    doctor: usize,
    indigenous: i64,
    medicare: bool,
    expiry: String,
    fund: usize,
}

/// A person's name, age and reach, and those of whom to call for them.
pub(super) struct Face {
    pub(super) title: i64,
    pub(super) first: &'static str,
    pub(super) surname: &'static str,
    pub(super) address: String,
    pub(super) city: &'static str,
    pub(super) postcode: &'static str,
    pub(super) phone: String,
    pub(super) mobile: String,
    /// Whether the practice knows whom to call.
    pub(super) kin: bool,
    /// Whether the record was taken out.
    pub(super) removed: bool,
}

/// Who makes up a family: alone, a couple, parents and children.
fn members(random: &mut Random, today: i64) -> Vec<Member> {
    let born = |random: &mut Random, from: i64, to: i64| {
        today - random.range(from, to) * 146_097 / 400 - random.range(1, 360)
    };
    let (adults, children) = match random.below(100) {
        0..38 => (1, 0),
        38..68 => (2, 0),
        68..80 => (2, 1),
        80..90 => (2, 2),
        90..96 => (1, 1),
        _ => (1, 2),
    };
    let (young, old) = if children > 0 { (22, 50) } else { (19, 95) };
    let mut first = born(random, young, old);
    // Fewer of the very old.
    if today - first > 72 * 366 && random.chance(60) {
        first = born(random, young, 72);
    }
    let woman = random.chance(52);
    let mut all = vec![Member { born: first, female: woman, child: false }];
    if adults == 2 {
        let born = (first + random.range(-2000, 2000)).min(today - 19 * 366);
        let female = if random.chance(96) { !woman } else { woman };
        all.push(Member { born, female, child: false });
    }
    let parent = all.iter().find(|m| m.female).unwrap_or(&all[0]).born;
    let mut child = (parent + random.range(18, 40) * 365 + random.range(0, 365)).max(today - 18 * 365);
    for _ in 0..children {
        if child > today - 20 {
            // Not born yet: it came earlier.
            child = random.range((parent + 18 * 365).max(today - 1520), today - 20);
        }
        all.push(Member { born: child, female: random.chance(49), child: true });
        child += 420 + random.range(0, 1400);
    }
    // Two within a year can't be: the second one is left out then.
    if all.len() >= 2 {
        let (a, b) = (all[all.len() - 2].born, all[all.len() - 1].born);
        if all[all.len() - 2].child && (a - b).abs() < 330 {
            all.pop();
        }
    }
    all
}

impl World<'_> {
    /// Fills PATIENTS and everything that lies before the book; ids run from 1.
    pub(super) fn people(
        &mut self,
        connection: &Connection,
        options: &BuildOptions,
        step: &mut dyn FnMut(f32),
    ) -> rusqlite::Result<Vec<Life>> {
        let places = vec!["?"; 52].join(", ");
        let mut insert = connection.prepare(&format!("INSERT INTO PATIENTS VALUES ({places})"))?;
        let mut lives: Vec<Life> = Vec::with_capacity(options.patients as usize);
        let most = i64::from(options.patients);
        while (lives.len() as i64) < most {
            let head = lives.len() as i64 + 1;
            let home = self.home(head, options);
            let family = members(&mut self.random, self.today);
            let births: Vec<i64> = family.iter().filter(|m| m.child).map(|m| m.born).collect();
            let mut mother_found = false;
            let start = lives.len();
            let mut faces = Vec::new();
            for member in family.iter().take((most - head + 1) as usize) {
                let id = lives.len() as i64 + 1;
                let mother = member.female && !member.child && !mother_found;
                mother_found |= mother;
                let mut life = self.life(id, &home, member);
                if mother {
                    life.pregnancies = births
                        .iter()
                        .map(|b| Pregnancy { start: b - 275 - b % 9, end: Some(*b), outcome: 1 })
                        .collect();
                }
                self.before_birth(&mut life);
                life.settle(&mut self.random, self.today);
                let face = self.row(&mut insert, &mut life, &home)?;
                faces.push(face);
                lives.push(life);
            }
            for (i, face) in faces.iter().enumerate() {
                let kin = if i == 0 { faces.get(1) } else { faces.first() };
                self.background(&mut lives[start + i], (start + i) as u32, face, kin)?;
            }
            if lives.len() / 512 > start / 512 {
                step(lives.len() as f32 / options.patients as f32);
            }
        }
        Ok(lives)
    }

    fn home(&mut self, head: i64, options: &BuildOptions) -> Home {
        let random = &mut self.random;
        let (suburb, postcode) = random.pick(words::SUBURBS);
        Home {
            head,
            surname: random.pick(words::SURNAMES),
            street: format!(
                "{} {} {}",
                random.range(1, 240),
                random.pick(words::STREETS),
                random.pick(words::STREET_KINDS)
            ),
            suburb,
            postcode,
            phone: format!("07 5550 {:04}", random.below(10_000)),
            from: self.today - random.range(1, 5000),
            doctor: random.below(self.staff.doctors.len() as u64) as usize,
            indigenous: random.pick(&[4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 0, 1, 2, 3]),
            medicare: random.chance(96),
            expiry: format!(
                "{:02}/{}",
                random.range(1, 13),
                i64::from(options.today.year) + random.range(0, 5)
            ),
            fund: if random.chance(40) { random.range(1, 4) as usize } else { 0 },
        }
    }

    fn life(&mut self, id: i64, home: &Home, member: &Member) -> Life {
        let random = &mut self.random;
        let today = self.today;
        let from = home.from.max(member.born + random.range(8, 20)).min(today);
        let age = (today - member.born) * 400 / 146_097;
        // Most still come; some moved away, and the old die.
        let leaves = random.below(1000);
        let gone = if leaves < 60 || age >= 65 && leaves < 60 + ((age - 60) * 4) as u64 {
            Some(from.max(today - 1500) + random.range(1, 1500))
        } else {
            None
        };
        let until = gone.filter(|day| *day < today - 14 && *day > from).unwrap_or(i64::MAX);
        let has = conditions::choose(age, member.female, random);
        let mut life = Life {
            id,
            head: home.head,
            born: member.born,
            from,
            until,
            doctor: home.doctor,
            female: member.female,
            indigenous: (1..=3).contains(&home.indigenous),
            medicare: home.medicare,
            concession: false,
            veteran: age > 75 && random.chance(4),
            vaccinates: random.chance(96),
            smoking: match age {
                ..15 => 0,
                15..18 => 1,
                _ => random.pick(&[1, 1, 1, 1, 1, 1, 2, 2, 3, 0]),
            },
            conditions: has,
            allergens: Vec::new(),
            medicines: Vec::new(),
            pregnancies: Vec::new(),
            tall: random.range(950, 1040) + random.range(0, 20),
            wide: random.range(880, 1180),
            weight: 0,
            systolic: body::usual_pressure(age, has & conditions::bit(conditions::HYPERTENSION) != 0, random),
            hba1c: random.range(62, 98),
            egfr: 0,
            last_smear: None,
            no_smears: random.chance(6),
            booked: 0,
        };
        life.weight = body::first_weight(&life, today, random);
        life.egfr = if life.has(conditions::KIDNEY) {
            random.range(36, 58)
        } else {
            (118 - age * 5 / 9 + random.range(-8, 9)).max(62)
        };
        life
    }

    /// Pregnancies of women, now and before, and what does not go together with one.
    fn before_birth(&mut self, life: &mut Life) {
        let (today, random) = (self.today, &mut self.random);
        let age = life.age(today);
        let healthy =
            !life.diabetic() && !life.has(conditions::HYPERTENSION) && !life.has(conditions::TRISOMY);
        if life.female && (18..43).contains(&age) && healthy && life.until == i64::MAX {
            let free = life.pregnancies.iter().all(|p| p.end.is_some_and(|end| end < today - 400));
            if free && !life.has(conditions::HYSTERECTOMY) && random.chance(4) {
                life.pregnancies.push(Pregnancy {
                    start: today - random.range(35, 265),
                    end: None,
                    outcome: 0,
                });
            } else if free && age >= 22 && random.chance(9) {
                let end = today - random.range(420, 2500);
                let apart = life.pregnancies.iter().all(|p| p.end.is_none_or(|e| (e - end).abs() > 420));
                if apart {
                    let outcome = random.pick(&[2, 2, 2, 2, 3, 3, 4, 5, 6, 7]);
                    let length = if outcome >= 5 { random.range(150, 250) } else { random.range(42, 84) };
                    life.pregnancies.push(Pregnancy { start: end - length, end: Some(end), outcome });
                }
            }
        }
        if life.pregnancies.iter().any(|p| p.end.is_none_or(|end| end > today - 1500)) {
            // Whoever was pregnant lately takes nothing that would have been stopped for it.
            use conditions::*;
            life.conditions &=
                !(bit(HYPERTENSION) | bit(LIPIDS) | bit(TYPE_2) | bit(HYSTERECTOMY) | bit(FIBRILLATION));
        }
        life.pregnancies.sort_by_key(|p| p.start);
    }

    /// Writes the row of PATIENTS.
    fn row(
        &mut self,
        insert: &mut rusqlite::Statement<'_>,
        life: &mut Life,
        home: &Home,
    ) -> rusqlite::Result<Face> {
        let (today, random) = (self.today, &mut self.random);
        let (id, years, female) = (life.id, life.age(today), life.female);
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
        let pension_code = match years {
            67.. => random.pick(&[1, 1, 1, 3, 0]),
            18..67 => random.pick(&[0, 0, 0, 0, 0, 0, 2]),
            _ => 0,
        };
        let held = pension_code > 0;
        life.concession = pension_code == 1 || pension_code == 2 || years < 16;
        let pension_start = held.then(|| midnight(today - random.range(100, 3000)));
        let pension_expiry = held.then(|| midnight(today + random.range(30, 700)));
        // 1 active, 2 inactive, 3 deceased.
        let status = match life.until {
            i64::MAX => 1,
            _ if years >= 60 && random.chance(60) => 3,
            _ => 2,
        };
        // A few were taken out; the first ones stay, as examples name them.
        let live = i64::from(id <= 100 || !random.chance(1));
        if live == 0 {
            life.until = i64::MIN;
        }
        let mobile = if years > 12 && random.chance(92) { random.pick(words::MOBILES) } else { "" };
        let mobile = if random.chance(30) { mobile.replace(' ', "") } else { mobile.to_owned() };
        let email = if years > 14 && random.chance(70) {
            let plain: String = home.surname.chars().filter(char::is_ascii_alphabetic).collect();
            format!("{}.{}{id}@example.com", first.to_ascii_lowercase(), plain.to_ascii_lowercase())
        } else {
            String::new()
        };
        let postal =
            if random.chance(8) { format!("PO Box {}", random.range(1, 900)) } else { home.street.clone() };
        let work = if (18..70).contains(&years) && random.chance(20) {
            format!("07 7010 {:04}", random.below(10_000))
        } else {
            String::new()
        };
        let updated = match life.until {
            i64::MAX | i64::MIN => (today - random.range(0, 400)).max(life.from),
            day => day,
        };
        let fund = if home.fund > 0 { words::FUNDS[home.fund - 1] } else { "" };
        let tier = if life.chronic() >= 3 && random.chance(20) { random.range(1, 4) } else { 0 };
        let blank = |yes: bool, text: String| if yes { text } else { String::new() };
        let kin = if random.chance(85) { id } else { 0 };
        insert.execute(params![
            id,
            blank(random.chance(5), format!("EXT-{id}")),
            pad(&id.to_string(), 10),
            title,
            pad(first, 50),
            pad(random.pick(if female { words::MIDDLE_FEMALE } else { words::MIDDLE_MALE }), 30),
            pad(home.surname, 40),
            pad(if random.chance(8) { &first[..3.min(first.len())] } else { "" }, 30),
            pad(&home.street, 40),
            pad(if random.chance(6) { "Unit 2" } else { "" }, 40),
            pad(home.suburb, 40),
            home.postcode,
            pad(&postal, 40),
            pad(home.suburb, 40),
            home.postcode,
            midnight(life.born),
            sex,
            gender,
            if random.chance(30) { gender } else { 0 },
            home.indigenous,
            pad(&home.phone, 14),
            pad(&work, 14),
            pad(&mobile, 14),
            email,
            pad(&blank(life.medicare, medicare(life.head as u64)), 13),
            pad(&blank(life.medicare, (id - life.head + 1).to_string()), 1),
            pad(&blank(life.medicare, home.expiry.clone()), 10),
            pension_code,
            pad(&blank(held, pension(id as u64)), 14),
            pension_start,
            pension_expiry,
            if life.veteran { 1 + i64::from(random.chance(30)) } else { 0 },
            pad(&blank(life.veteran, veteran(id as u64)), 14),
            pad(&blank(random.chance(2), format!("SN{id:08}")), 14),
            home.fund as i64,
            fund,
            blank(home.fund > 0, format!("DEMO{id:06}")),
            (home.fund > 0).then(|| midnight(today + random.range(30, 900))),
            pad(&blank(life.medicare && random.chance(93), ihi(id as u64)), 16),
            random.pick(words::RELIGIONS),
            life.head,
            kin,
            i64::from(random.chance(85)),
            self.staff.doctors[life.doctor],
            status,
            live,
            midnight(life.from),
            random.pick(&self.staff.desk),
            midnight(updated),
            random.pick(&[10, 11, 1, 2]),
            tier,
            (tier > 0).then(|| midnight((life.from + 30).min(today))),
        ])?;
        Ok(Face {
            title,
            first,
            surname: home.surname,
            address: home.street.clone(),
            city: home.suburb,
            postcode: home.postcode,
            phone: home.phone.clone(),
            mobile,
            kin: kin != 0,
            removed: live == 0,
        })
    }
}
