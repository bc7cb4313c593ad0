//! What comes by post and what has to be remembered: letters, tasks, messages, documents of the national record.

use super::{
    World, conditions,
    life::Life,
    people::{midnight, pad},
};
use rusqlite::params;

const SPECIALISTS: &[(&str, &str)] = &[
    ("Dermatology", "Lesion reviewed, benign. No follow-up."),
    ("Orthopaedics", "Conservative treatment. Review if no better."),
    ("ENT", "Audiometry normal."),
    ("Gastroenterology", "Gastroscopy: mild gastritis. Continue treatment."),
    ("General surgery", "For elective repair. Placed on the waiting list."),
    ("Physiotherapy", "Exercise programme begun, good progress."),
    ("Emergency department", "Seen and discharged the same day. GP to review."),
];

const TASKS: &[&str] =
    &["Recall for review", "Repeat blood test", "Phone with results", "Send referral", "Check report"];

const MESSAGES: &[(&str, &str)] = &[
    ("Please call", "Patient asked to be called back about results."),
    ("Script request", "Asks for a repeat script; next appointment is booked."),
    ("Form to sign", "Form left at the front desk."),
    ("Pharmacy rang", "Pharmacy rang about a dose."),
];

impl World<'_> {
    /// A letter that comes some weeks after a visit.
    pub(super) fn letter(&mut self, life: &Life, day: i64, user: i64) -> rusqlite::Result<()> {
        let (subject, detail) = if life.has(conditions::HEART) || life.has(conditions::FIBRILLATION) {
            ("Cardiology", "Stable. Continue present medication, review in twelve months.")
        } else {
            self.random.pick(SPECIALISTS)
        };
        let wait = self.random.range(12, 60);
        self.post(life, day + wait, user, "Specialist letter", subject, detail)
    }

    /// A yearly report of a diabetic's eyes or feet.
    pub(super) fn diabetic_letter(&mut self, life: &Life, day: i64, user: i64) -> rusqlite::Result<()> {
        let (subject, detail) = if self.random.chance(60) {
            ("Optometry: diabetic eye check", "No diabetic retinopathy. Review in twelve months.")
        } else {
            ("Podiatry: diabetic foot check", "Pulses and sensation normal. Low risk.")
        };
        let wait = self.random.range(5, 40);
        self.post(life, day + wait, user, "Allied health", subject, detail)
    }

    /// A letter on a day, if that is not after today.
    pub(super) fn post(
        &mut self,
        life: &Life,
        day: i64,
        user: i64,
        category: &str,
        subject: &str,
        detail: &str,
    ) -> rusqlite::Result<()> {
        if day > self.today || day > life.until {
            return Ok(());
        }
        let checked = day + self.random.range(0, 5);
        let seen = checked <= self.today && !self.random.chance(3);
        let action = self.random.pick(&[1, 1, 1, 1, 6, 4]);
        let acted = seen && action > 1 && checked + 4 <= self.today && self.random.chance(80);
        self.tables.letter.execute(params![
            life.id,
            user,
            if seen { user } else { 0 },
            midnight(day),
            seen.then(|| midnight(checked)),
            acted.then(|| midnight(checked + 3)),
            pad(category, 40),
            pad(subject, 80),
            detail,
            "",
            if seen { self.random.pick(&[1, 3, 4, 7]) } else { 0 },
            if seen { action } else { 0 },
        ])?;
        Ok(())
    }

    /// A task for later, done by now or not.
    pub(super) fn task(&mut self, life: &Life, day: i64, user: i64) -> rusqlite::Result<()> {
        let text = self.random.pick(TASKS);
        self.task_named(life, day, user, text)
    }

    pub(super) fn task_named(
        &mut self,
        life: &Life,
        day: i64,
        user: i64,
        text: &str,
    ) -> rusqlite::Result<()> {
        let due = day + self.random.range(14, 180);
        let performed = due - self.random.range(-10, 10);
        let done = performed <= self.today.min(life.until) && self.random.chance(85);
        self.tables.task.execute(params![
            life.id,
            user,
            midnight(day),
            midnight(due),
            done.then(|| midnight(performed)),
            text,
            ""
        ])?;
        Ok(())
    }

    /// A message of the front desk to a doctor.
    pub(super) fn message(&mut self, life: &Life, day: i64, user: i64) -> rusqlite::Result<()> {
        let (subject, text) = self.random.pick(MESSAGES);
        let from = self.random.pick(&self.staff.desk);
        let read = day + self.random.range(0, 3);
        self.tables.message.execute(params![
            user,
            life.id,
            subject,
            text,
            midnight(day),
            (read <= self.today).then(|| midnight(read)),
            from
        ])?;
        Ok(())
    }

    /// A document of My Health Record: 0 downloaded, 1 a health summary uploaded, 2 an event uploaded.
    pub(super) fn document(&mut self, life: &Life, day: i64, user: i64, kind: i64) -> rusqlite::Result<()> {
        if life.medicare {
            self.tables.document.execute(params![life.id, user, kind, midnight(day)])?;
        }
        Ok(())
    }
}
