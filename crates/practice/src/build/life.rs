//! What the builder remembers of a patient while it writes two years of their life.

use super::{
    conditions::{self, bit, treatment},
    medicines::{self, ALLERGENS, PRODUCTS},
};
use crate::random::Random;

/// A medicine that somebody takes: its place in the list, and the days of the first and last script.
pub(super) struct Medicine {
    pub(super) product: usize,
    pub(super) since: i64,
    pub(super) last: i64,
}

/// A pregnancy: first day of the last period, the day it ended, how it ended.
#[derive(Clone, Copy)]
pub(super) struct Pregnancy {
    pub(super) start: i64,
    pub(super) end: Option<i64>,
    pub(super) outcome: i64,
}

/// A patient. Days are numbers of days.
pub(super) struct Life {
    pub(super) id: i64,
    pub(super) head: i64,
    pub(super) born: i64,
    /// Known to the practice from this day.
    pub(super) from: i64,
    /// Comes until this day: moved away or died then.
    pub(super) until: i64,
    /// Place of the usual doctor in the list of doctors.
    pub(super) doctor: usize,
    pub(super) female: bool,
    pub(super) indigenous: bool,
    pub(super) medicare: bool,
    pub(super) concession: bool,
    pub(super) veteran: bool,
    pub(super) vaccinates: bool,
    /// Code of SMOKINGSTATUS.
    pub(super) smoking: i64,
    pub(super) conditions: u32,
    pub(super) allergens: Vec<usize>,
    pub(super) medicines: Vec<Medicine>,
    pub(super) pregnancies: Vec<Pregnancy>,
    /// Thousandths of the usual height and weight of their age.
    pub(super) tall: i64,
    pub(super) wide: i64,
    /// Adults' weight in grams.
    pub(super) weight: i64,
    pub(super) systolic: i64,
    /// Tenths of a percent.
    pub(super) hba1c: i64,
    pub(super) egfr: i64,
    pub(super) last_smear: Option<(i64, &'static str)>,
    pub(super) no_smears: bool,
    /// The day of the last appointment: nobody has two on one day.
    pub(super) booked: i64,
}

impl Life {
    pub(super) fn has(&self, condition: usize) -> bool {
        self.conditions & bit(condition) != 0
    }

    pub(super) fn diabetic(&self) -> bool {
        self.has(conditions::TYPE_1) || self.has(conditions::TYPE_2)
    }

    /// Whole years on a day.
    pub(super) fn age(&self, day: i64) -> i64 {
        (day - self.born) * 400 / 146_097
    }

    pub(super) fn comes(&self, day: i64) -> bool {
        self.from <= day && day <= self.until
    }

    pub(super) fn takes(&self, ingredient: &str) -> bool {
        self.medicines.iter().any(|m| PRODUCTS[m.product].ingredients.contains(&ingredient))
    }

    /// Lasting illnesses, which a care plan is for.
    pub(super) fn chronic(&self) -> u32 {
        use conditions::*;
        let lasting = bit(TYPE_1)
            | bit(TYPE_2)
            | bit(HYPERTENSION)
            | bit(ASTHMA)
            | bit(COPD)
            | bit(HEART)
            | bit(FIBRILLATION)
            | bit(KIDNEY)
            | bit(FAILURE)
            | bit(ARTHRITIS)
            | bit(BONES);
        (self.conditions & lasting).count_ones()
    }

    /// Whether nothing speaks against a medicine: no reaction to it, no other with the same substance, no known danger.
    pub(super) fn may_take(&self, product: usize) -> bool {
        let p = &PRODUCTS[product];
        let thinned = self.takes("Warfarin") || self.takes("Apixaban");
        let irritates = ["Aspirin", "Meloxicam", "Ibuprofen"].iter().any(|i| p.ingredients.contains(i));
        let kidneys = self.has(conditions::KIDNEY) && (irritates && !p.ingredients.contains(&"Aspirin"));
        let reacts = self.allergens.iter().any(|a| medicines::forbids(*a, product));
        let again = p.ingredients.iter().any(|i| self.takes(i));
        !(reacts || again || kidneys || irritates && thinned)
    }

    /// Chooses reactions and lasting medicines; conditions are known by now.
    pub(super) fn settle(&mut self, random: &mut Random, today: i64) {
        let age = self.age(today);
        let reacts = match age {
            ..5 => 3,
            5..40 => 10,
            _ => 18,
        };
        if random.chance(reacts) {
            self.allergens.push(random.below(ALLERGENS.len() as u64) as usize);
            if random.chance(15) {
                let other = random.below(ALLERGENS.len() as u64) as usize;
                if !self.allergens.contains(&other) {
                    self.allergens.push(other);
                }
            }
        }
        for condition in 0..conditions::CONDITIONS.len() {
            if !self.has(condition) {
                continue;
            }
            let onset = self.from.max(today - random.range(200, 5000)).min(self.until);
            let choice = random.next();
            for product in treatment(condition, choice) {
                // Who coughs from an ACE inhibitor takes another kind.
                let other = medicines::find("Candesartan 16mg Tablet");
                let ace =
                    PRODUCTS[product].ingredients.iter().any(|i| ["Perindopril", "Ramipril"].contains(i));
                let product = if ace && !self.may_take(product) { other } else { product };
                if self.may_take(product) {
                    self.medicines.push(Medicine { product, since: onset, last: onset });
                }
            }
        }
    }
}
