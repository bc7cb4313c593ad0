//! What the practice knew of somebody before the two years of the book: history, family, habits, reactions.

use super::{
    World, body,
    conditions::{self, CONDITIONS},
    diary::Purpose,
    life::Life,
    medicines::{ALLERGENS, REACTIONS, item_code},
    people::{Face, midnight, pad},
    words,
};
use crate::calendar;
use rusqlite::params;

/// What relatives have and die of; numbers are those of conditions.
const DISEASES: &[(&str, i64)] = &[
    ("Ischaemic heart disease", 226),
    ("Diabetes mellitus, type 2", 778),
    ("Hypertension", 900_001),
    ("Asthma", 281),
    ("Carcinoma of breast", 900_101),
    ("Carcinoma of colon", 900_102),
    ("Stroke", 900_103),
    ("Depression", 900_009),
];

impl World<'_> {
    /// Writes it all, and puts what is due into the diary.
    pub(super) fn background(
        &mut self,
        life: &mut Life,
        at: u32,
        face: &Face,
        kin: Option<&Face>,
    ) -> rusqlite::Result<()> {
        self.kin(life, face, kin)?;
        if face.removed {
            return Ok(());
        }
        let doctor = self.staff.doctors[life.doctor];
        let (id, from) = (life.id, midnight(life.from));
        self.habits(life, doctor)?;
        self.family(life)?;
        for (number, condition) in CONDITIONS.iter().enumerate() {
            if !life.has(number) {
                continue;
            }
            let age = life.age(self.today).max(1);
            let years_ago = match number {
                conditions::PREMATURE | conditions::TRISOMY => 0,
                _ => self.random.range(0, age.min(20)) + i64::from(age > 3),
            };
            let onset = match number {
                conditions::PREMATURE | conditions::TRISOMY => life.born,
                _ => (self.today - years_ago.min(age - 1) * 365 - 30).max(life.born),
            };
            let year = calendar::day(onset).map_or(0, |d| i64::from(d.year));
            let status = if condition.past { 2 } else { 1 };
            let entered = midnight(onset.max(life.from).min(self.today).min(life.until));
            self.tables.history.execute(params![
                id,
                year,
                condition.name,
                condition.id,
                status,
                "",
                1,
                entered,
                doctor
            ])?;
            if self.random.chance(2) {
                // Entered twice by mistake, and one taken out.
                self.tables.history.execute(params![
                    id,
                    year,
                    condition.name,
                    condition.id,
                    status,
                    "",
                    0,
                    entered,
                    doctor
                ])?;
            }
        }
        for allergen in &life.allergens {
            let (kind, name, how) = ALLERGENS[*allergen];
            let number = REACTIONS.iter().position(|(n, _)| *n == how).expect("a reaction of the list");
            self.tables.reaction.execute(params![
                id,
                1,
                kind,
                item_code(kind, name),
                pad(name, 60),
                number as i64 + 1,
                pad(how, 40),
                REACTIONS[number].1,
                "",
                from,
                doctor
            ])?;
        }
        if life.allergens.is_empty() && self.random.chance(1) {
            // Tested since, and found to be none.
            self.tables.reaction.execute(params![
                id,
                0,
                3,
                item_code(3, "Penicillins"),
                pad("Penicillins", 60),
                1,
                pad("Rash", 40),
                1,
                "Not confirmed",
                from,
                doctor
            ])?;
        }
        for (item, per_cent) in [(1, 2), (2, 1), (3, i64::from(life.diabetic()) * 4), (5, 1), (15, 1)] {
            if self.random.chance(per_cent as u64) {
                self.tables.excluded.execute(params![id, item, from])?;
            }
        }
        self.past_vaccines(life, at)?;
        self.women(life)?;
        // What was measured last before the book begins.
        let day = self.first - self.random.range(20, 300);
        if life.comes(day) && self.random.chance(70) {
            self.measure(life, day, 36_000, doctor)?;
            if life.diabetic() {
                self.panel(life, super::results::Panel::Hba1c, day, doctor)?;
            }
        }
        self.plan_ahead(life, at);
        Ok(())
    }

    /// Next of kin, and for some a carer.
    fn kin(&mut self, life: &Life, face: &Face, kin: Option<&Face>) -> rusqlite::Result<()> {
        let from = midnight(life.from);
        let child = life.age(self.today) < 18;
        let (title, first, surname, phone, relation) = match kin {
            Some(kin) => {
                let how = if child { "Parent" } else { "Family" };
                (kin.title, kin.first, kin.surname, kin.phone.clone(), how)
            }
            None => {
                let first = self.random.pick(words::FEMALE);
                (3, first, face.surname, format!("07 5550 {:04}", self.random.below(10_000)), "Relative")
            }
        };
        let mobile = kin.map_or("", |k| k.mobile.as_str());
        if face.kin {
            self.tables.next_of_kin.execute(params![
                life.id,
                life.id,
                title,
                pad(surname, 40),
                pad(first, 50),
                pad(&face.address, 40),
                pad(face.city, 40),
                face.postcode,
                pad(&phone, 14),
                pad(mobile, 14),
                pad(relation, 30),
                from,
            ])?;
        }
        if self.has_carer(life) && !face.removed {
            self.tables.carer.execute(params![
                life.id,
                title,
                pad(surname, 40),
                pad(first, 50),
                pad(&face.address, 40),
                pad(face.city, 40),
                face.postcode,
                pad(&phone, 14),
                pad(mobile, 14),
                pad(relation, 30),
                from,
            ])?;
        }
        Ok(())
    }

    /// The very old and the disabled; the same whenever it is asked.
    fn has_carer(&self, life: &Life) -> bool {
        life.has(conditions::TRISOMY) || life.age(self.today) >= 80 && life.id % 3 == 0
    }

    /// CLINICAL and ALCOHOL.
    fn habits(&mut self, life: &Life, doctor: i64) -> rusqlite::Result<()> {
        let age = life.age(self.today);
        let carer = if self.has_carer(life) { 1 } else { 2 };
        let random = &mut self.random;
        let allergies = match (life.allergens.is_empty(), random.chance(85)) {
            (false, _) => 2,
            (true, true) => 1,
            (true, false) => 0,
        };
        let adult = age >= 18;
        let married = match age {
            ..18 => 1,
            18..30 => random.pick(&[1, 1, 1, 3, 2, 0]),
            30..70 => random.pick(&[2, 2, 2, 3, 1, 5, 4, 0]),
            _ => random.pick(&[2, 2, 6, 6, 5, 0]),
        };
        let sexuality = if adult { random.pick(&[0, 0, 0, 1, 1, 1, 1, 1, 2, 3]) } else { 0 };
        let home = match age {
            ..18 => 1,
            80.. => random.pick(&[1, 1, 1, 2, 5, 5, 7]),
            _ => random.pick(&[1, 1, 1, 1, 7, 7, 7, 3, 0]),
        };
        let home = if random.below(300) == 0 { 6 } else { home };
        let with = match (age, married) {
            (..18, _) => 2,
            (_, 2 | 3) => 1,
            _ => random.pick(&[4, 4, 2, 3, 0]),
        };
        let drinks = match age {
            ..16 => 0,
            16..18 => 1,
            _ => random.pick(&[0, 1, 1, 2, 2, 2, 2, 3, 3, 4]),
        };
        let cares = if adult && random.chance(6) { 1 } else { random.pick(&[2, 2, 2, 0]) };
        let seen = life.until.min(self.today);
        let changed = (seen - random.range(0, 500)).max(life.from);
        let recreation = random.pick(&["", "", "", "Walking", "Swimming", "Gardening", "Cricket", "Choir"]);
        let social =
            random.pick(&["", "", "", "Works full time.", "Retired.", "Shift worker.", "Volunteers."]);
        let social = if adult { social } else { "" };
        self.tables.clinical.execute(params![
            life.id,
            allergies,
            married,
            sexuality,
            social,
            home,
            with,
            carer,
            cares,
            life.smoking,
            drinks,
            recreation,
            midnight(life.from),
            doctor,
            midnight(changed),
        ])?;
        if adult {
            let (days, each) = match drinks {
                2 => (random.range(1, 3), random.range(1, 3)),
                3 => (random.range(2, 6), random.range(2, 4)),
                4 => (random.range(5, 8), random.range(4, 9)),
                _ => (0, 0),
            };
            let past = random.pick(&[0, 1, 2, 2, 3, drinks]);
            let born = calendar::day(life.born).map_or(0, |d| i64::from(d.year));
            let started = if drinks > 1 { born + random.range(16, 19) } else { 0 };
            let stopped = if drinks == 1 && past > 1 { born + random.range(18, age.max(19)) } else { 0 };
            self.tables.alcohol.execute(params![
                life.id,
                i64::from(drinks <= 1),
                days,
                each,
                past,
                started,
                stopped,
                ""
            ])?;
        }
        Ok(())
    }

    /// FAMILYHISTORY and FAMILYHISTORYDETAIL.
    fn family(&mut self, life: &Life) -> rusqlite::Result<()> {
        let age = life.age(self.today);
        let random = &mut self.random;
        if !random.chance(80) {
            return Ok(());
        }
        let adopted = i64::from(random.chance(2));
        let mut parent = |extra: i64| {
            // 0 unknown, 1 no, 2 yes.
            let alive = match (adopted, age + extra) {
                (1, _) => 0,
                (_, ..65) => 2,
                (_, 65..95) => random.pick(&[1, 2]),
                _ => 1,
            };
            let (cause, code) = if alive == 1 { random.pick(DISEASES) } else { ("", 0) };
            let died = if alive == 1 { random.range(55, 95) } else { 0 };
            (alive, died, cause, code)
        };
        let (father, mother) = (parent(30), parent(27));
        let created = midnight(life.from);
        self.tables.family.execute(params![
            life.id, adopted, father.0, mother.0, father.1, mother.1, father.2, father.3, mother.2, mother.3,
            "", created,
        ])?;
        if adopted == 0 {
            for _ in 0..self.random.pick(&[0, 0, 1, 1, 2]) {
                let (name, code) = self.random.pick(DISEASES);
                let relation =
                    if code == 900_101 { self.random.pick(&[1, 3, 7]) } else { self.random.range(1, 9) };
                self.tables.relative.execute(params![life.id, relation, name, code, "", created])?;
            }
        }
        Ok(())
    }

    /// What somebody will come for, as far as it is known when the book begins.
    fn plan_ahead(&mut self, life: &Life, at: u32) {
        let start = self.first.max(life.from);
        let (today, random) = (self.today, &mut self.random);
        let mut add = |day: i64, purpose: Purpose| {
            if day <= life.until {
                self.diary.add(day, at, purpose);
            }
        };
        let age = life.age(today);
        if life.from >= self.first {
            add(life.from, Purpose::Newcomer);
        }
        if life.diabetic() {
            add(start + random.range(0, 90), Purpose::Diabetes);
        } else if life.has(conditions::HYPERTENSION) {
            add(start + random.range(0, 180), Purpose::Pressure);
        } else if !life.medicines.is_empty() {
            add(start + random.range(0, 170), Purpose::Script);
        }
        if life.takes("Warfarin") {
            add(start + random.range(0, 28), Purpose::Inr);
        }
        if life.has(conditions::ASTHMA) {
            add(start + random.range(0, 330), Purpose::Asthma);
        }
        if life.chronic() >= 2 || life.diabetic() {
            add(start + random.range(0, 330), Purpose::CarePlan);
        }
        if life.has(conditions::DEPRESSION) || life.has(conditions::ANXIETY) {
            add(start + random.range(0, 120), Purpose::Mental);
        }
        if age >= 75 {
            add(start + random.range(0, 365), Purpose::HealthCheck);
        } else if life.indigenous {
            add(start + random.range(0, 365), Purpose::IndigenousCheck);
        }
        if life.female && (25..75).contains(&age) && !life.no_smears && !life.has(conditions::HYSTERECTOMY) {
            let due = life.last_smear.map_or(start + random.range(0, 400), |(day, _)| day + 1826);
            add(due.max(start + random.range(0, 60)).max(life.born + 25 * 366), Purpose::Smear);
        }
        for pregnancy in &life.pregnancies {
            let end = pregnancy.end.unwrap_or(pregnancy.start + 280);
            let mut day = (pregnancy.start + 56).max(start);
            while day < end - 7 {
                add(day, Purpose::Antenatal);
                day += 28;
            }
        }
        let risky = age >= 65 || life.diabetic() || life.has(conditions::ASTHMA) || age < 5;
        if life.vaccinates && random.chance(if risky { 85 } else { 25 }) && age >= 1 {
            for april in &self.aprils {
                let day = april + random.range(0, 50);
                if day >= start && day > life.born + 200 {
                    add(day, Purpose::Flu);
                }
            }
        }
    }

    /// Height, weight and pressure as they are taken; gives nothing back but rows.
    pub(super) fn measure(&mut self, life: &Life, day: i64, time: i64, user: i64) -> rusqlite::Result<()> {
        let date = midnight(day);
        let age = life.age(day);
        let centimetres = body::height(life, day) / 10;
        let tenths = (body::weight(life, day, &mut self.random) + 50) / 100;
        let mut rows = vec![(7, centimetres.to_string()), (8, body::tenths(tenths))];
        if age >= 2 {
            rows.push((9, body::tenths(body::index(centimetres, tenths))));
        } else {
            rows.push((10, body::tenths(body::head(life, day))));
        }
        if age >= 18 {
            let (systolic, diastolic) = body::pressure(life, &mut self.random);
            rows.push((3, systolic.to_string()));
            rows.push((4, diastolic.to_string()));
        }
        for (code, value) in rows {
            self.tables.observation.execute(params![life.id, user, code, date, time, value])?;
        }
        Ok(())
    }
}
