//! The childhood schedule and the yearly influenza vaccine.

use super::{World, life::Life, people::midnight, words};
use rusqlite::params;

/// A step of the schedule: days of age, vaccines by number, whether it is given at school or in hospital.
pub(super) struct Step {
    pub(super) days: i64,
    pub(super) vaccines: &'static [i64],
    pub(super) elsewhere: bool,
}

/// Numbers are those of the list of vaccines.
pub(super) const STEPS: &[Step] = &[
    Step { days: 1, vaccines: &[1], elsewhere: true },
    Step { days: 44, vaccines: &[3, 13, 23], elsewhere: false },
    Step { days: 124, vaccines: &[3, 13, 23], elsewhere: false },
    Step { days: 186, vaccines: &[3], elsewhere: false },
    Step { days: 368, vaccines: &[13, 16, 21], elsewhere: false },
    Step { days: 552, vaccines: &[9, 17, 36], elsewhere: false },
    Step { days: 1465, vaccines: &[5], elsewhere: false },
    Step { days: 4600, vaccines: &[6, 19], elsewhere: true },
    Step { days: 5600, vaccines: &[21], elsewhere: true },
];

pub(super) const FLU: i64 = 10;
pub(super) const FLU_JUNIOR: i64 = 11;
pub(super) const FLU_65: i64 = 12;
pub(super) const PNEUMO_20: i64 = 14;
pub(super) const PERTUSSIS: i64 = 6;
pub(super) const COVID: i64 = 33;
pub(super) const ZOSTER: i64 = 35;

/// The influenza vaccine for an age.
pub(super) fn flu(age: i64) -> i64 {
    match age {
        ..5 => FLU_JUNIOR,
        5..65 => FLU,
        _ => FLU_65,
    }
}

impl World<'_> {
    /// Writes one vaccine given.
    pub(super) fn give(
        &mut self,
        life: &Life,
        vaccine: i64,
        day: i64,
        here: bool,
        user: i64,
    ) -> rusqlite::Result<()> {
        let name = words::VACCINES[vaccine as usize - 1].0;
        let batch = if here { format!("DV{:06}", self.random.below(1_000_000)) } else { String::new() };
        // Now and then an entry was made by mistake and taken back.
        let live = i64::from(!(vaccine == FLU && self.random.chance(2)));
        self.tables.immunisation.execute(params![
            life.id,
            live,
            vaccine,
            name,
            midnight(day),
            i64::from(!here),
            super::people::pad(&batch, 12),
            user,
            midnight(day.max(life.from)),
        ])?;
        Ok(())
    }

    /// What somebody had before the two years of the book, or elsewhere; the rest is put into the diary.
    pub(super) fn past_vaccines(&mut self, life: &Life, at: u32) -> rusqlite::Result<()> {
        let start = life.from.max(self.first);
        let doctor = self.staff.doctors[life.doctor];
        if life.vaccinates && life.age(self.today) < 20 {
            for (number, step) in STEPS.iter().enumerate() {
                let day = life.born + step.days + if step.elsewhere { 0 } else { self.random.range(0, 14) };
                if day > self.today.min(life.until) {
                    // Not due yet: booked when it comes into the book.
                    if !step.elsewhere {
                        self.diary.add(day, at, super::diary::Purpose::Vaccine(number as u8));
                    }
                } else if step.elsewhere || day < start {
                    for vaccine in step.vaccines {
                        let here = !step.elsewhere && day >= life.from;
                        self.give(life, *vaccine, day, here, if here { doctor } else { 0 })?;
                    }
                } else {
                    self.diary.add(day, at, super::diary::Purpose::Vaccine(number as u8));
                }
            }
        }
        let age = life.age(self.today);
        let year = self.today / 365;
        if life.vaccinates && age >= 18 && life.from < self.first {
            // Two seasons before the book begins.
            for back in 1..3 {
                let day = self.first - back * 365 + self.random.range(0, 60);
                if day > life.from && day <= life.until && self.random.chance(if age >= 65 { 80 } else { 35 })
                {
                    let here = self.random.chance(85);
                    self.give(life, flu(life.age(day)), day, here, doctor)?;
                }
            }
        }
        // Between the springs of 2021 and 2023.
        if life.vaccinates && age >= 16 && year >= 53 {
            let start = 18_700 + self.random.range(0, 150);
            for dose in 0..3 {
                let day = start + dose * 90 + self.random.range(0, 30);
                if day <= life.until.min(self.first) && day > life.born + 4380 && self.random.chance(88) {
                    let here = day >= life.from && self.random.chance(40);
                    self.give(life, COVID, day, here, if here { doctor } else { 0 })?;
                }
            }
        }
        for (vaccine, from_age) in [(ZOSTER, 65), (PNEUMO_20, 70)] {
            let day = life.born + (from_age * 365 + 20) + self.random.range(30, 300);
            if life.vaccinates
                && day > life.from
                && day < self.first.min(life.until)
                && self.random.chance(70)
            {
                self.give(life, vaccine, day, true, doctor)?;
            }
        }
        Ok(())
    }
}
