//! Cervical screening, pregnancies and mammograms.

use super::{
    World, conditions,
    life::Life,
    people::{midnight, pad},
};
use rusqlite::params;

/// Screening changed from smears to the five-yearly test on 1 December 2017.
const CST_SINCE: i64 = 17_501;

impl World<'_> {
    /// What lies before the book: earlier screening, pregnancies, mammograms.
    pub(super) fn women(&mut self, life: &mut Life) -> rusqlite::Result<()> {
        let age = life.age(self.today);
        if !life.female || age < 15 {
            return Ok(());
        }
        let doctor = self.staff.doctors[life.doctor];
        let screened = age >= 25 && !life.no_smears && !life.has(conditions::HYSTERECTOMY);
        if screened && self.random.chance(80) {
            // The last one lies up to five years back, an older one before it.
            let last = self.first - self.random.range(10, 1700);
            for day in [last - 1826, last] {
                let old = life.age(day);
                if (20..75).contains(&old) && day > life.from && day <= life.until {
                    self.smear(life, day, doctor)?;
                }
            }
        }
        for i in 0..life.pregnancies.len() {
            let p = life.pregnancies[i];
            let due = p.start + 280;
            let scan = due + self.random.range(-4, 5);
            let known = (p.start + 40).max(life.from);
            if known > self.today {
                continue;
            }
            let scanned = p.end.is_none_or(|end| end - p.start > 90) && self.today - p.start > 90;
            self.tables.pregnancy.execute(params![
                life.id,
                midnight(due),
                scanned.then(|| midnight(scan)),
                i64::from(scanned && scan != due),
                midnight(p.start),
                midnight(if scanned { scan - 280 } else { p.start }),
                p.end.map(midnight),
                p.outcome,
                midnight(known),
            ])?;
        }
        Ok(())
    }

    /// One screening test and its result.
    pub(super) fn smear(&mut self, life: &mut Life, day: i64, user: i64) -> rusqlite::Result<()> {
        let cst = day >= CST_SINCE;
        let bad = self.random.below(100);
        let found = |yes: bool| match (cst, yes) {
            (false, _) => "",
            (true, true) => "Detected",
            (true, false) => "Not detected",
        };
        let result = match (cst, bad) {
            (_, 5..) => "Negative",
            (false, _) => "Low grade changes",
            (true, _) => "HPV detected",
        };
        let changes = if bad < 5 { "Yes" } else { "No" };
        self.tables.smear.execute(params![
            life.id,
            user,
            midnight(day),
            pad(if cst { "CST" } else { "PAP" }, 10),
            pad(found(bad == 0), 20),
            pad(found(bad == 1), 20),
            pad(found((2..5).contains(&bad)), 20),
            pad(result, 30),
            pad(changes, 10),
            pad(if cst { "" } else { "Present" }, 10),
            "",
        ])?;
        life.last_smear = Some((day, result));
        Ok(())
    }

    /// OBSGYNDETAIL as it stands at the end.
    pub(super) fn gynaecology(&mut self, life: &Life) -> rusqlite::Result<()> {
        let age = life.age(self.today);
        if !life.female || age < 15 || life.until == i64::MIN {
            return Ok(());
        }
        let (today, random) = (self.today, &mut self.random);
        let fertile = (15..50).contains(&age) && !life.has(conditions::HYSTERECTOMY);
        let pregnancy = life.pregnancies.iter().find(|p| p.end.is_none());
        let period = match pregnancy {
            Some(p) => Some(p.start),
            None if fertile && random.chance(50) => Some(today.min(life.until) - random.range(1, 29)),
            None => None,
        };
        let feeds = life
            .pregnancies
            .iter()
            .any(|p| p.outcome == 1 && p.end.is_some_and(|end| today - end < 365 && end <= today));
        let screened = (50..75).contains(&age) && random.chance(70);
        let mammogram = screened.then(|| today.min(life.until) - random.range(20, 720));
        // Whoever had one nowhere is asked why.
        let opted_out = life.no_smears && age >= 25 && random.chance(60);
        self.tables.gynaecology.execute(params![
            life.id,
            period.map(midnight),
            life.last_smear.map(|(day, _)| midnight(day)),
            pad(life.last_smear.map_or("", |(_, result)| result), 30),
            i64::from(feeds),
            i64::from(screened),
            mammogram.map(midnight),
            pad(if screened { "Normal" } else { "" }, 20),
            i64::from(life.has(conditions::HYSTERECTOMY)),
            i64::from(opted_out),
            if opted_out { "Declined" } else { "" },
            midnight(life.from),
        ])?;
        Ok(())
    }
}
