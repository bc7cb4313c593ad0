//! What a visit costs and who pays: items of the Medicare Benefits Schedule, fees rounded.

use super::{World, diary::Purpose, life::Life, people::pad};
use rusqlite::params;

/// Item, words, fee in cents.
type Item = (&'static str, &'static str, i64);

const LEVEL_A: Item = ("3", "Level A consultation", 2005);
const LEVEL_B: Item = ("23", "Level B consultation", 4390);
const LEVEL_C: Item = ("36", "Level C consultation", 8490);
const LEVEL_D: Item = ("44", "Level D consultation", 12_510);
const PHONE: Item = ("91891", "Level B telephone consultation", 4390);
const VIDEO: Item = ("91800", "Level B video consultation", 4390);
const PLAN: Item = ("721", "GP management plan", 16_450);
const TEAM: Item = ("723", "Team care arrangements", 13_035);
// From 1 July 2025 one plan stands for both.
const NEW_PLAN: Item = ("965", "GP chronic condition management plan", 15_655);
const NURSE: Item = ("10997", "Nurse service, chronic disease", 1395);
const CHECK_75: Item = ("703", "Health assessment, standard", 15_700);
const CHECK_LONG: Item = ("705", "Health assessment, long", 21_660);
const CHECK_715: Item = ("715", "Aboriginal and Torres Strait Islander health assessment", 24_185);
const MENTAL_PLAN: Item = ("2715", "Mental health treatment plan", 10_420);
const MENTAL: Item = ("2713", "Mental health consultation", 8205);
const ANTENATAL: Item = ("16500", "Antenatal attendance", 5330);
const LUNGS: Item = ("11505", "Spirometry, diagnosis", 4715);
const BIOPSY: Item = ("30071", "Skin biopsy", 6045);
const INCENTIVE: Item = ("10990", "Bulk billing incentive", 795);

/// 1 July 2025.
const NEW_PLANS_SINCE: i64 = 20_270;

/// How a visit was paid.
pub(super) struct Bill {
    /// Whether there is an invoice at all.
    pub(super) billed: bool,
    /// Whether it is settled.
    pub(super) paid: bool,
    /// Items with commas between, for the appointment.
    pub(super) items: String,
}

/// What is billed for.
pub(super) struct Seen<'a> {
    pub(super) purpose: Purpose,
    pub(super) kind: usize,
    pub(super) day: i64,
    pub(super) date: &'a str,
    pub(super) minutes: i64,
    pub(super) user: i64,
    pub(super) location: i64,
    pub(super) nurse: bool,
    pub(super) injury: bool,
}

impl World<'_> {
    fn items(&mut self, life: &Life, seen: &Seen<'_>) -> Vec<Item> {
        if seen.nurse {
            // A nurse bills for those who have a plan; else it costs nothing.
            return if life.chronic() >= 2 { vec![NURSE] } else { Vec::new() };
        }
        let level = match seen.minutes {
            ..6 => LEVEL_A,
            6..20 => LEVEL_B,
            20..40 => LEVEL_C,
            _ => LEVEL_D,
        };
        match (seen.purpose, seen.kind) {
            (_, 6) => vec![PHONE],
            (Purpose::Mental, _) if self.random.chance(30) => vec![MENTAL_PLAN],
            (Purpose::Mental, _) => vec![MENTAL],
            (_, 7) => vec![VIDEO],
            (Purpose::CarePlan, _) if seen.day >= NEW_PLANS_SINCE => vec![NEW_PLAN],
            (Purpose::CarePlan, _) => vec![PLAN, TEAM],
            (Purpose::HealthCheck, _) => vec![if self.random.chance(70) { CHECK_75 } else { CHECK_LONG }],
            (Purpose::IndigenousCheck, _) => vec![CHECK_715],
            (Purpose::Antenatal, _) => vec![ANTENATAL],
            (Purpose::Asthma, _) if self.random.chance(40) => vec![level, LUNGS],
            (_, 3) => vec![level, BIOPSY],
            _ => vec![level],
        }
    }

    /// Writes INVOICES and SERVICES of one visit.
    pub(super) fn bill(&mut self, life: &Life, seen: &Seen<'_>) -> rusqlite::Result<Bill> {
        let mut items = self.items(life, seen);
        if items.is_empty() {
            return Ok(Bill { billed: false, paid: true, items: String::new() });
        }
        let child = life.age(seen.day) < 16;
        let payer = if seen.injury {
            4
        } else if life.veteran {
            3
        } else if !life.medicare {
            if self.random.chance(10) { 8 } else { 1 }
        } else if life.concession || self.random.chance(65) {
            2
        } else if child && life.head != life.id {
            5
        } else {
            1
        };
        if payer == 2 && life.concession {
            items.push(INCENTIVE);
        }
        let paid = payer != 1 || self.random.chance(92);
        // The practice asks a gap of those who pay themselves.
        let gap = if matches!(payer, 1 | 5 | 8) { 4000 } else { 0 };
        let fees: Vec<i64> =
            items.iter().enumerate().map(|(i, item)| item.2 + if i == 0 { gap } else { 0 }).collect();
        let list: Vec<&str> = items.iter().map(|i| i.0).collect();
        if self.random.chance(1) {
            // Billed to the wrong payer, reversed, and billed again.
            let wrong = if payer == 2 { 1 } else { 2 };
            self.invoice(life, seen, wrong, 0, 1)?;
            for (item, fee) in items.iter().zip(&fees) {
                self.line(seen, item, *fee, wrong, 1, 1)?;
                self.line(seen, item, -fee, wrong, 9, 1)?;
            }
        }
        self.invoice(life, seen, payer, fees.iter().sum(), 1)?;
        for (item, fee) in items.iter().zip(&fees) {
            self.line(seen, item, *fee, payer, 1, 1)?;
        }
        if self.random.below(150) == 0 {
            // A line put on by mistake: cancelled, so it does not count.
            self.line(seen, &LEVEL_C, LEVEL_C.2, payer, 1, 2)?;
        }
        Ok(Bill { billed: true, paid, items: list.join(",") })
    }

    fn invoice(
        &mut self,
        life: &Life,
        seen: &Seen<'_>,
        payer: i64,
        total: i64,
        live: i64,
    ) -> rusqlite::Result<()> {
        self.invoices += 1;
        let desk = self.random.pick(&self.staff.desk);
        self.tables.invoice.execute(params![
            self.invoices,
            seen.user,
            life.id,
            seen.location,
            seen.date,
            total,
            payer,
            i64::from(payer == 4),
            live,
            desk
        ])?;
        Ok(())
    }

    /// A line of the latest invoice.
    fn line(
        &mut self,
        seen: &Seen<'_>,
        item: &Item,
        fee: i64,
        payer: i64,
        status: i64,
        live: i64,
    ) -> rusqlite::Result<()> {
        self.tables.service.execute(params![
            self.invoices,
            seen.date,
            pad(item.0, 6),
            item.1,
            fee,
            payer,
            status,
            live
        ])?;
        Ok(())
    }
}
