//! A visit that nobody planned: what it is, what is ordered, what is prescribed.

use super::{
    World,
    acute::COMPLAINTS,
    body, conditions,
    diary::Purpose,
    life::{Life, Medicine},
    medicines::{FIRST_PRODUCT, PRODUCTS, find},
    people::pad,
    visit::{Story, Visit},
};
use rusqlite::params;

impl World<'_> {
    /// What somebody comes for who did not plan to.
    pub(super) fn complaint(
        &mut self,
        life: &mut Life,
        v: &Visit<'_>,
        story: &mut Story,
    ) -> rusqlite::Result<()> {
        let age = life.age(v.day);
        let fits = |i: usize| {
            let c = &COMPLAINTS[i];
            (c.ages.0..=c.ages.1).contains(&age) && (c.sex == '*' || (c.sex == 'f') == life.female)
        };
        let mut choice = 0;
        for _ in 0..12 {
            let i = self.random.below(COMPLAINTS.len() as u64) as usize;
            if fits(i) && self.random.chance(COMPLAINTS[i].common) {
                choice = i;
                break;
            }
        }
        let c = &COMPLAINTS[choice];
        story.reasons.push((c.reason, 0));
        story.finding = c.finding;
        story.injury = c.reason == "Work injury";
        if !matches!(v.kind, 6 | 7) && c.fever {
            let heat = self.random.range(366, 392);
            self.observe(life, v, 1, &body::tenths(heat))?;
            let pulse = self.random.range(68, 112) + (18 - age.min(18)) * 2;
            self.observe(life, v, 2, &pulse.to_string())?;
        }
        for panel in c.panels {
            self.panel(life, *panel, v.day, v.user)?;
        }
        if !c.panels.is_empty() {
            let wait = self.random.range(5, 14);
            if self.random.chance(60) {
                self.diary.add(v.day + wait, v.at, Purpose::Results);
            }
        }
        if self.random.chance(c.often) {
            let start = self.random.below(c.medicines.len() as u64) as usize;
            let ways = (0..c.medicines.len()).map(|i| find(c.medicines[(start + i) % c.medicines.len()]));
            // None of them for whom nothing is safe.
            let expecting = life
                .pregnancies
                .iter()
                .any(|p| p.end.is_none_or(|end| end >= v.day) && p.start - 30 <= v.day);
            let harmful =
                ["Doxycycline", "Ibuprofen", "Trimethoprim", "Levonorgestrel", "Codeine", "Oxycodone"];
            let safe = |p: &usize| {
                life.may_take(*p)
                    && !(expecting && PRODUCTS[*p].ingredients.iter().any(|i| harmful.contains(i)))
            };
            if let Some(product) = ways.into_iter().find(safe) {
                story.plan = format!("{} {} prescribed.", PRODUCTS[product].name, PRODUCTS[product].form);
                if c.reason == "Contraception" {
                    let first = life.medicines.is_empty();
                    life.medicines.push(Medicine { product, since: v.day, last: v.day });
                    if first && !life.diabetic() && !life.has(conditions::HYPERTENSION) {
                        self.diary.add(v.day + 170, v.at, Purpose::Script);
                    }
                } else {
                    self.prescribe(life, product, v)?;
                }
            }
        }
        Ok(())
    }

    /// A short course.
    pub(super) fn prescribe(&mut self, life: &Life, product: usize, v: &Visit<'_>) -> rusqlite::Result<()> {
        let live = i64::from(v.day > self.today - 60);
        self.medicine(life, product, v.user, v.date, v.date, 2, live)
    }

    /// A row of CURRENTRX.
    #[allow(clippy::too_many_arguments, reason = "one row's columns")]
    pub(super) fn medicine(
        &mut self,
        life: &Life,
        product: usize,
        user: i64,
        first: &str,
        last: &str,
        status: i64,
        live: i64,
    ) -> rusqlite::Result<()> {
        let p = &PRODUCTS[product];
        let when_needed = matches!(p.frequency, "When needed" | "Every 4 hours" | "Every 6 hours");
        self.tables.rx.execute(params![
            life.id,
            user,
            FIRST_PRODUCT + product as i64,
            pad(&format!("{} {}", p.name, p.form), 100),
            pad(p.dose, 40),
            pad(p.frequency, 40),
            i64::from(when_needed),
            pad(p.route, 20),
            p.quantity,
            pad(p.unit, 20),
            p.repeats,
            p.indication,
            first,
            last,
            status,
            live,
        ])?;
        Ok(())
    }
}
