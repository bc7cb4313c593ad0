//! What one visit leaves behind in the record.

use super::{
    World,
    billing::{Bill, Seen},
    body, conditions,
    diary::Purpose,
    life::Life,
    medicines::find,
    people::midnight,
    results::Panel,
    vaccines::{self, STEPS},
};
use rusqlite::params;

/// A visit about to be written.
pub(super) struct Visit<'a> {
    pub(super) at: u32,
    pub(super) purpose: Purpose,
    /// Place in the list of appointment types.
    pub(super) kind: usize,
    pub(super) day: i64,
    pub(super) date: &'a str,
    pub(super) time: i64,
    pub(super) user: i64,
    pub(super) location: i64,
    pub(super) nurse: bool,
    pub(super) bill: bool,
}

/// What was said and found, until the notes are written.
pub(super) struct Story {
    pub(super) reasons: Vec<(&'static str, i64)>,
    pub(super) finding: &'static str,
    pub(super) plan: String,
    minutes: i64,
    pub(super) injury: bool,
    measured: bool,
}

impl World<'_> {
    /// Writes the visit and everything that comes of it.
    pub(super) fn visit(&mut self, life: &mut Life, v: &Visit<'_>) -> rusqlite::Result<Bill> {
        let story = self.story(life, v)?;
        self.visits += 1;
        let id = self.visits;
        let code = match v.kind {
            6 => 5,
            7 => 13,
            _ => 1,
        };
        let notes = format!(
            "{{\\rtf1\\ansi\\deff0{{\\fonttbl{{\\f0 Arial;}}}}\\f0\\fs20 {}\\par Examination: {}\\par Plan: {}\\par}}",
            story.reasons[0].0, story.finding, story.plan
        );
        self.tables.visit.execute(params![
            id,
            life.id,
            v.user,
            v.location,
            code,
            v.date,
            v.time,
            v.time + story.minutes * 60,
            notes
        ])?;
        for (reason, number) in &story.reasons {
            self.tables.reason.execute(params![life.id, id, reason, number])?;
        }
        if !v.bill {
            return Ok(Bill { billed: false, paid: false, items: String::new() });
        }
        let seen = Seen {
            purpose: v.purpose,
            kind: v.kind,
            day: v.day,
            date: v.date,
            minutes: story.minutes,
            user: v.user,
            location: v.location,
            nurse: v.nurse,
            injury: story.injury,
        };
        self.bill(life, &seen)
    }

    /// A call or a letter that somebody wrote down without seeing the patient.
    pub(super) fn non_visit(
        &mut self,
        life: &Life,
        day: i64,
        user: i64,
        about: &str,
    ) -> rusqlite::Result<()> {
        self.visits += 1;
        let notes = format!("{{\\rtf1\\ansi\\deff0 Result of {about} discussed by phone.\\par}}");
        let date = midnight(day);
        self.tables.visit.execute(params![self.visits, life.id, user, 1, 12, date, 46_800, 46_980, notes])?;
        self.tables.reason.execute(params![life.id, self.visits, "Discussion of results", 0])?;
        Ok(())
    }

    fn story(&mut self, life: &mut Life, v: &Visit<'_>) -> rusqlite::Result<Story> {
        let in_room = !matches!(v.kind, 6 | 7);
        let mut story = Story {
            reasons: Vec::new(),
            finding: "Well.",
            plan: "Review as needed.".to_owned(),
            minutes: if matches!(v.kind, 1 | 2 | 3 | 5) {
                self.random.range(20, 38)
            } else {
                self.random.range(7, 19)
            },
            injury: false,
            measured: false,
        };
        let (day, user, at) = (v.day, v.user, v.at);
        let again = |world: &mut Self, from: i64, to: i64| {
            let next = day + world.random.range(from, to);
            world.diary.add(next, at, v.purpose);
        };
        match v.purpose {
            Purpose::Vaccine(step) => {
                for vaccine in STEPS[step as usize].vaccines {
                    self.give(life, *vaccine, day, true, user)?;
                }
                self.take(life, v, &mut story)?;
                story.reasons.push(("Childhood immunisation", 0));
                story.plan = "Vaccines given, observed for 15 minutes.".to_owned();
            }
            Purpose::Flu => {
                self.give(life, vaccines::flu(life.age(day)), day, true, user)?;
                story.reasons.push(("Influenza immunisation", 0));
                story.plan = "Vaccine given.".to_owned();
                story.minutes = self.random.range(4, 9);
            }
            Purpose::Diabetes => {
                self.take(life, v, &mut story)?;
                let sugar = self.random.range(55, 125);
                self.observe(life, v, 6, &body::tenths(sugar))?;
                self.waist(life, v)?;
                self.panel(life, Panel::Hba1c, day, user)?;
                if self.random.chance(35) {
                    self.panel(life, Panel::Lipids, day, user)?;
                    self.panel(life, Panel::Kidneys, day, user)?;
                    self.panel(life, Panel::UrineAlbumin, day, user)?;
                    self.diabetic_letter(life, day, user)?;
                    story.reasons.push(("Diabetes cycle of care", 0));
                } else {
                    story.reasons.push(("Diabetes review", 0));
                }
                if self.random.chance(30) {
                    story.reasons.push(("Diabetic foot check", 0));
                }
                renew(life, day);
                again(self, 84, 125);
                story.plan = "HbA1c ordered, continue treatment, review in three months.".to_owned();
            }
            Purpose::Pressure => {
                self.take(life, v, &mut story)?;
                if self.random.chance(35) {
                    self.panel(life, Panel::Kidneys, day, user)?;
                    self.panel(life, Panel::Lipids, day, user)?;
                }
                renew(life, day);
                again(self, 150, 215);
                story.reasons.push(("Hypertension review", 900_001));
                story.plan = "Continue treatment, review in six months.".to_owned();
            }
            Purpose::Inr => {
                self.panel(life, Panel::Inr, day, user)?;
                again(self, 21, 36);
                story.reasons.push(("INR monitoring", 900_003));
                story.plan = "Dose unchanged.".to_owned();
                story.minutes = 5;
            }
            Purpose::Asthma => {
                self.asthma_plan(life, v)?;
                renew(life, day);
                again(self, 330, 400);
                story.reasons.push(("Asthma review", 281));
                story.finding = "Chest clear, technique good.";
                story.plan = "Written asthma action plan updated.".to_owned();
            }
            Purpose::CarePlan => {
                self.take(life, v, &mut story)?;
                self.document(life, day, user, 1)?;
                self.task_named(life, day, user, "Care plan review")?;
                renew(life, day);
                again(self, 366, 410);
                story.reasons.push(("GP management plan", 0));
                story.plan = "Goals agreed, copy given to patient.".to_owned();
            }
            Purpose::Smear => {
                self.smear(life, day, user)?;
                again(self, 1826, 1840);
                story.reasons.push(("Cervical screening test", 0));
                story.plan = "Result by letter, next test in five years.".to_owned();
            }
            Purpose::Antenatal => {
                self.take(life, v, &mut story)?;
                let weeks =
                    life.pregnancies.iter().rev().find(|p| p.start < day).map_or(0, |p| (day - p.start) / 7);
                if weeks < 14 {
                    self.panel(life, Panel::Ultrasound, day, user)?;
                    self.panel(life, Panel::Blood, day, user)?;
                }
                if (28..32).contains(&weeks) {
                    self.give(life, vaccines::PERTUSSIS, day, true, user)?;
                }
                story.reasons.push(("Antenatal visit", 0));
                story.plan = format!("{weeks} weeks. Fetal movements felt. Next visit in four weeks.");
                if weeks < 18 {
                    story.plan = format!("{weeks} weeks. Next visit in four weeks.");
                }
            }
            Purpose::HealthCheck | Purpose::IndigenousCheck => {
                self.take(life, v, &mut story)?;
                self.waist(life, v)?;
                if life.age(day) >= 18 {
                    for panel in [Panel::Blood, Panel::Kidneys, Panel::Lipids] {
                        self.panel(life, panel, day, user)?;
                    }
                }
                if life.age(day) >= 40 && !life.diabetic() {
                    let risk = self.random.range(4, 22);
                    self.observe(life, v, 26, &risk.to_string())?;
                }
                self.document(life, day, user, 1)?;
                again(self, 366, 400);
                story.reasons.push(("Health assessment", 0));
                story.plan = "Assessment done, summary uploaded.".to_owned();
            }
            Purpose::Newcomer => {
                self.take(life, v, &mut story)?;
                self.document(life, day, user, 0)?;
                if life.age(day) > 1 {
                    let wait = self.random.range(5, 30);
                    self.post(
                        life,
                        day + wait,
                        user,
                        "Health summary",
                        "Summary from former practice",
                        "History attached.",
                    )?;
                    story.reasons.push(("New patient", 0));
                } else {
                    story.reasons.push(("Newborn check", 0));
                }
                story.plan = "History taken, records requested.".to_owned();
            }
            Purpose::Mental => {
                renew(life, day);
                again(self, 80, 150);
                story.reasons.push((
                    "Mental health review",
                    if life.has(conditions::DEPRESSION) { 900_009 } else { 900_010 },
                ));
                story.finding = "Mood stable, no thoughts of self-harm.";
                story.plan = "Continue, review in three months.".to_owned();
            }
            Purpose::Script => {
                renew(life, day);
                again(self, 140, 185);
                story.reasons.push(("Prescription renewal", 0));
                story.minutes = self.random.range(4, 10);
                story.plan = "Scripts given.".to_owned();
            }
            Purpose::Results => {
                story.reasons.push(("Results", 0));
                story.plan = "Results explained.".to_owned();
            }
            Purpose::Dressing => {
                story.reasons.push(("Wound dressing", 0));
                story.finding = "Wound clean.";
                story.plan = "Dressing changed, again in three days.".to_owned();
            }
            Purpose::Acute if v.kind == 3 => {
                story.reasons.push(("Skin biopsy", 0));
                story.finding = "Pigmented lesion of 6 mm.";
                story.plan = "Punch biopsy under local anaesthetic, sutures out in seven days.".to_owned();
                self.diary.add(day + 7, at, Purpose::Dressing);
            }
            Purpose::Acute => self.complaint(life, v, &mut story)?,
        }
        if !v.nurse {
            self.along(life, v, &mut story, in_room)?;
        }
        Ok(story)
    }

    /// What happens at many a visit whatever it is for.
    fn along(
        &mut self,
        life: &mut Life,
        v: &Visit<'_>,
        story: &mut Story,
        in_room: bool,
    ) -> rusqlite::Result<()> {
        let (day, user) = (v.day, v.user);
        if in_room && !story.measured {
            if life.age(day) >= 18 && self.random.chance(30) {
                self.pressure_only(life, v)?;
            } else if life.age(day) < 18 && self.random.chance(35) {
                self.measure(life, day, v.time + 120, user)?;
            }
        }
        if life.smoking == 3 && self.random.chance(20) {
            story.reasons.push(("Smoking cessation advice", 0));
            let patch = find("Nicotine 21mg/24h Patch");
            if self.random.chance(20) && life.may_take(patch) {
                self.prescribe(life, patch, v)?;
            }
        }
        if self.random.chance(6) {
            self.letter(life, day, user)?;
        }
        if self.random.chance(3) {
            self.task(life, day, user)?;
        }
        if self.random.chance(2) {
            self.message(life, day, user)?;
        }
        if self.random.chance(3) {
            self.document(life, day, user, 2)?;
        }
        Ok(())
    }

    /// Takes all measures, once in a visit.
    fn take(&mut self, life: &mut Life, v: &Visit<'_>, story: &mut Story) -> rusqlite::Result<()> {
        if !story.measured && !matches!(v.kind, 6 | 7) {
            story.measured = true;
            if life.age(v.day) >= 20 {
                life.weight = (life.weight + self.random.range(-900, 1000)).max(38_000);
            }
            self.measure(life, v.day, v.time + 120, v.user)?;
        }
        Ok(())
    }

    pub(super) fn observe(
        &mut self,
        life: &Life,
        v: &Visit<'_>,
        code: i64,
        value: &str,
    ) -> rusqlite::Result<()> {
        self.tables.observation.execute(params![life.id, v.user, code, v.date, v.time + 120, value])?;
        Ok(())
    }

    fn pressure_only(&mut self, life: &Life, v: &Visit<'_>) -> rusqlite::Result<()> {
        let (systolic, diastolic) = body::pressure(life, &mut self.random);
        self.observe(life, v, 3, &systolic.to_string())?;
        self.observe(life, v, 4, &diastolic.to_string())
    }

    /// Waist, hip and their ratio.
    fn waist(&mut self, life: &Life, v: &Visit<'_>) -> rusqlite::Result<()> {
        if life.age(v.day) < 18 {
            return Ok(());
        }
        let waist = 40 + life.weight / 1800 + self.random.range(0, 8);
        let hip = waist + self.random.range(-4, 14);
        self.observe(life, v, 17, &waist.to_string())?;
        self.observe(life, v, 18, &hip.to_string())?;
        self.observe(life, v, 21, &format!("{}.{:02}", waist / hip, waist * 100 / hip % 100))
    }

    fn asthma_plan(&mut self, life: &Life, v: &Visit<'_>) -> rusqlite::Result<()> {
        let best = (body::height(life, v.day) - 900).max(100) / 2 / 10 * 10 + 20;
        self.tables.asthma.execute(params![
            life.id,
            v.user,
            v.date,
            best,
            "Salbutamol 2 puffs when needed.",
            format!(
                "PEFR below {}: salbutamol 4 puffs every four hours, double the preventer.",
                best * 8 / 10
            ),
            format!("PEFR below {}: see a doctor the same day.", best * 6 / 10),
            "Call 000. Salbutamol 4 puffs, wait 4 minutes, 4 puffs again.",
            "Salbutamol 2 puffs ten minutes before.",
        ])?;
        Ok(())
    }
}

/// New scripts for everything that somebody takes.
fn renew(life: &mut Life, day: i64) {
    for medicine in &mut life.medicines {
        medicine.last = medicine.last.max(day);
    }
}
