//! Laboratory and imaging reports with their values.

use super::{
    World, body, conditions,
    life::Life,
    people::{midnight, pad},
};
use rusqlite::params;

/// What is ordered together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panel {
    Hba1c,
    Lipids,
    Kidneys,
    UrineAlbumin,
    Inr,
    Glucose,
    Blood,
    Thyroid,
    Liver,
    Inflammation,
    Prostate,
    Urine,
    Chest,
    Ultrasound,
}

/// LOINC code, number in BPCode (0: none), name, value, units, range.
struct Reading(&'static str, i64, &'static str, String, &'static str, &'static str);

impl Panel {
    fn name(self) -> &'static str {
        match self {
            Panel::Hba1c => "HBA1C",
            Panel::Lipids => "LIPID STUDIES",
            Panel::Kidneys => "UREA AND ELECTROLYTES",
            Panel::UrineAlbumin => "URINE ALBUMIN/CREATININE RATIO",
            Panel::Inr => "INR",
            Panel::Glucose => "GLUCOSE, FASTING",
            Panel::Blood => "FULL BLOOD EXAMINATION",
            Panel::Thyroid => "THYROID FUNCTION TEST",
            Panel::Liver => "LIVER FUNCTION TEST",
            Panel::Inflammation => "C-REACTIVE PROTEIN",
            Panel::Prostate => "PSA",
            Panel::Urine => "URINE MICROSCOPY AND CULTURE",
            Panel::Chest => "X-RAY CHEST",
            Panel::Ultrasound => "ULTRASOUND",
        }
    }
}

impl World<'_> {
    /// Values, and whether one of them is out of its range.
    fn readings(&mut self, life: &mut Life, panel: Panel) -> (Vec<Reading>, bool) {
        let random = &mut self.random;
        let tenths = body::tenths;
        let treated = life.takes("Atorvastatin") || life.takes("Rosuvastatin");
        match panel {
            Panel::Hba1c => {
                let per_cent =
                    if life.diabetic() { body::next_hba1c(life, random) } else { random.range(48, 60) };
                // The international unit: ten times (percent less 2.15) and a bit.
                let molar = (per_cent * 1093 - 23_500 + 500) / 1000;
                let rows = vec![
                    Reading("4548-4", 1, "HbA1c", tenths(per_cent), "%", "4.0-6.0"),
                    Reading("59261-8", 19, "HbA1c (SI)", molar.to_string(), "mmol/mol", "20-42"),
                ];
                (rows, per_cent >= 70)
            }
            Panel::Lipids => {
                let low = if treated {
                    random.range(14, 27)
                } else if life.has(conditions::LIPIDS) {
                    random.range(33, 52)
                } else {
                    random.range(20, 36)
                };
                let (high, fats) = (random.range(9, 20), random.range(7, 25));
                let total = low + high + fats * 10 / 22;
                let rows = vec![
                    Reading("14647-2", 2, "Cholesterol", tenths(total), "mmol/L", "<5.5"),
                    Reading("14646-4", 3, "HDL Cholesterol", tenths(high), "mmol/L", ">1.0"),
                    Reading("39469-2", 4, "LDL Cholesterol", tenths(low), "mmol/L", "<3.5"),
                    Reading("14927-8", 5, "Triglycerides", tenths(fats), "mmol/L", "<2.0"),
                ];
                (rows, total >= 55)
            }
            Panel::Kidneys => {
                let filtered = (life.egfr + random.range(-4, 5)).max(12);
                let creatinine = if life.female { 62 } else { 78 } * 100 / filtered.min(110);
                let shown = if filtered > 90 { ">90".to_owned() } else { filtered.to_string() };
                let rows = vec![
                    Reading("2951-2", 0, "Sodium", random.range(135, 146).to_string(), "mmol/L", "135-145"),
                    Reading("2823-3", 0, "Potassium", tenths(random.range(36, 52)), "mmol/L", "3.5-5.2"),
                    Reading("14682-9", 6, "Creatinine", creatinine.to_string(), "umol/L", "45-110"),
                    Reading("62238-1", 16, "eGFR", shown, "mL/min/1.73m2", ">60"),
                ];
                (rows, filtered < 60)
            }
            Panel::UrineAlbumin => {
                let leaks = life.has(conditions::KIDNEY) || life.diabetic() && random.chance(20);
                let (ratio, albumin) = match (leaks, random.chance(40)) {
                    (true, _) => (tenths(random.range(36, 320)), random.range(35, 260).to_string()),
                    (false, true) => ("<0.5".to_owned(), "<3".to_owned()),
                    (false, false) => (tenths(random.range(6, 24)), random.range(3, 19).to_string()),
                };
                let rows = vec![
                    Reading("14957-5", 7, "Urine albumin", albumin, "mg/L", "<20"),
                    Reading("32294-1", 17, "Albumin/Creatinine ratio", ratio, "mg/mmol", "<2.5"),
                ];
                (rows, leaks)
            }
            Panel::Inr => {
                let value = random.range(17, 36);
                (
                    vec![Reading("6301-6", 12, "INR", tenths(value), "", "2.0-3.0")],
                    !(20..=30).contains(&value),
                )
            }
            Panel::Glucose => {
                let value = if life.diabetic() { random.range(62, 118) } else { random.range(42, 61) };
                (vec![Reading("14771-0", 14, "Glucose", tenths(value), "mmol/L", "3.0-6.0")], value > 60)
            }
            Panel::Blood => {
                let iron = if life.female { random.range(112, 152) } else { random.range(128, 172) };
                let rows = vec![
                    Reading("718-7", 0, "Haemoglobin", iron.to_string(), "g/L", "115-165"),
                    Reading(
                        "6690-2",
                        0,
                        "White cell count",
                        tenths(random.range(38, 118)),
                        "x10^9/L",
                        "4.0-11.0",
                    ),
                    Reading(
                        "777-3",
                        0,
                        "Platelets",
                        random.range(152, 398).to_string(),
                        "x10^9/L",
                        "150-400",
                    ),
                ];
                (rows, iron < 115)
            }
            Panel::Thyroid => {
                let odd = random.below(100);
                let value = match odd {
                    0..3 => "<0.1".to_owned(),
                    3..12 => tenths(random.range(45, 98)),
                    _ => tenths(random.range(5, 39)),
                };
                (vec![Reading("11579-0", 0, "TSH", value, "mIU/L", "0.4-4.0")], odd < 12)
            }
            Panel::Liver => {
                let fat = life.has(conditions::LIVER);
                let value = if fat { random.range(48, 120) } else { random.range(10, 40) };
                let rows = vec![
                    Reading("1742-6", 0, "ALT", value.to_string(), "U/L", "<41"),
                    Reading("14631-6", 0, "Bilirubin", random.range(4, 19).to_string(), "umol/L", "<20"),
                ];
                (rows, fat)
            }
            Panel::Inflammation => {
                let high = random.chance(35);
                let value = if high { random.range(9, 90).to_string() } else { "<1".to_owned() };
                (vec![Reading("1988-5", 0, "CRP", value, "mg/L", "<5")], high)
            }
            Panel::Prostate => {
                let value = random.range(3, 55);
                (vec![Reading("2857-1", 0, "PSA", tenths(value), "ug/L", "<4.0")], value >= 40)
            }
            Panel::Urine => {
                let grows = random.chance(50);
                let cells = if grows { random.range(60, 400).to_string() } else { "<10".to_owned() };
                let culture = if grows { "Escherichia coli" } else { "No growth" }.to_owned();
                let rows = vec![
                    Reading("30405-5", 0, "Leucocytes", cells, "x10^6/L", "<10"),
                    Reading("630-4", 0, "Culture", culture, "", ""),
                ];
                (rows, grows)
            }
            Panel::Chest | Panel::Ultrasound => (Vec::new(), random.chance(20)),
        }
    }

    /// Orders a panel on a day; the report comes some days later, if that is not after today.
    pub(super) fn panel(
        &mut self,
        life: &mut Life,
        panel: Panel,
        day: i64,
        user: i64,
    ) -> rusqlite::Result<()> {
        let collected = day + if panel == Panel::Inr { 0 } else { self.random.range(0, 4) };
        let reported = collected + i64::from(panel != Panel::Inr);
        if reported > self.today || reported > life.until {
            return Ok(());
        }
        let (readings, odd) = self.readings(life, panel);
        let checked = reported + self.random.range(0, 4);
        // One in fifty is never looked at.
        let seen = checked <= self.today && !self.random.chance(2);
        let known = life.chronic() > 0;
        let (notation, action) = match (odd, self.random.below(10)) {
            (false, 0..7) => (1, 1),
            (false, _) => (4, 1),
            (true, 0..3) => (2, 6),
            (true, 3..5) => (2, 4),
            (true, 5) => (5, 7),
            (true, 6) => (2, 2),
            (true, 7) if known => (7, 1),
            (true, _) if known => (6, 1),
            (true, _) => (3, 5),
        };
        let acted = seen && action > 1 && checked + 3 <= self.today && self.random.chance(85);
        self.reports += 1;
        let report = self.reports;
        let date = midnight(reported);
        self.tables.report.execute(params![
            report,
            life.id,
            user,
            pad(panel.name(), 60),
            midnight(collected),
            date,
            seen.then(|| midnight(checked)),
            if seen { user } else { 0 },
            acted.then(|| midnight(checked + 2)),
            if seen { notation } else { 0 },
            if seen { action } else { 0 },
            if seen && odd && self.random.chance(30) { "Discuss at next visit" } else { "" },
        ])?;
        for Reading(loinc, code, name, value, units, range) in readings {
            self.tables
                .value
                .execute(params![life.id, report, date, loinc, code, name, value, units, range])?;
        }
        if acted && (2..=4).contains(&action) && checked + 2 <= life.until {
            self.non_visit(life, checked + 2, user, panel.name())?;
        }
        Ok(())
    }
}
