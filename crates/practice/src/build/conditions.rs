//! The conditions that the practice's people have, and what each is treated with.

use super::medicines::find;
use crate::random::Random;

/// A condition.
pub(super) struct Condition {
    pub(super) name: &'static str,
    /// Where public code shows the number, that one; ours are above 900,000.
    pub(super) id: i64,
    /// Out of a thousand in each of the ages 0–17, 18–44, 45–64, 65 and over.
    pub(super) share: [u64; 4],
    /// 'f', 'm', or '*' for both.
    pub(super) sex: char,
    /// One of them is taken, each a list of products by name; empty where nothing is.
    pub(super) treatment: &'static [&'static [&'static str]],
    /// Whether it is over: an operation, for example.
    pub(super) past: bool,
}

macro_rules! conditions {
    ($($constant:ident $name:literal $id:literal $share:tt $sex:literal $past:literal [$([$($drug:literal),*]),*])*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "numbers the list below")]
        enum Order { $($constant),* }
        $(#[allow(dead_code, reason = "each condition has its constant")] pub(super) const $constant: usize = Order::$constant as usize;)*
        pub(super) const CONDITIONS: &[Condition] = &[
            $(Condition { name: $name, id: $id, share: $share, sex: $sex, past: $past, treatment: &[$(&[$($drug),*]),*] }),*
        ];
    };
}

conditions! {
    TYPE_1 "Diabetes mellitus, type 1" 776 [3, 5, 4, 3] '*' false
        [["Insulin glargine 100units/mL Injection", "Insulin aspart 100units/mL Injection"]]
    TYPE_2 "Diabetes mellitus, type 2" 778 [0, 14, 95, 190] '*' false
        [["Metformin 500mg Tablet"], ["Metformin 1000mg XR Tablet"], ["Metformin 1000mg XR Tablet", "Gliclazide 60mg MR Tablet"],
         ["Metformin 1000mg XR Tablet", "Empagliflozin 10mg Tablet"],
         ["Metformin 1000mg XR Tablet", "Empagliflozin 10mg Tablet", "Insulin glargine 100units/mL Injection"]]
    HYPERTENSION "Hypertension" 900001 [0, 25, 240, 520] '*' false
        [["Perindopril 5mg Tablet"], ["Ramipril 5mg Capsule"], ["Perindopril 5mg Tablet", "Amlodipine 5mg Tablet"],
         ["Perindopril 10mg Tablet"]]
    LIPIDS "Hyperlipidaemia" 900002 [0, 10, 160, 380] '*' false
        [["Atorvastatin 40mg Tablet"], ["Rosuvastatin 10mg Tablet"], ["Atorvastatin 20mg Tablet"]]
    ASTHMA "Asthma" 281 [95, 100, 90, 70] '*' false
        [["Salbutamol 100mcg Inhaler"], ["Salbutamol 100mcg Inhaler", "Budesonide/Formoterol 200/6mcg Inhaler"],
         ["Salbutamol 100mcg Inhaler", "Fluticasone 125mcg Inhaler"]]
    COPD "Chronic obstructive pulmonary disease" 414 [0, 0, 25, 90] '*' false
        [["Salbutamol 100mcg Inhaler", "Tiotropium 18mcg Inhaler"]]
    HEART "Ischaemic heart disease" 226 [0, 1, 25, 120] '*' false
        [["Aspirin 100mg Tablet", "Metoprolol 50mg Tablet", "Atorvastatin 40mg Tablet"]]
    FIBRILLATION "Atrial fibrillation" 900003 [0, 0, 12, 90] '*' false
        [["Apixaban 5mg Tablet", "Metoprolol 50mg Tablet"], ["Warfarin 1mg Tablet", "Metoprolol 50mg Tablet"],
         ["Warfarin 1mg Tablet"]]
    KIDNEY "Chronic kidney disease, stage 3" 900004 [0, 2, 20, 130] '*' false []
    THYROID "Hypothyroidism" 900005 [1, 15, 40, 70] 'f' false [["Levothyroxine 100mcg Tablet"], ["Levothyroxine 50mcg Tablet"]]
    REFLUX "Gastro-oesophageal reflux disease" 900006 [2, 50, 150, 230] '*' false
        [["Pantoprazole 40mg Tablet"], ["Esomeprazole 20mg Tablet"]]
    ARTHRITIS "Osteoarthritis" 900007 [0, 10, 140, 380] '*' false
        [["Paracetamol 665mg MR Tablet"], ["Paracetamol 665mg MR Tablet", "Meloxicam 7.5mg Tablet"]]
    BONES "Osteoporosis" 900008 [0, 0, 25, 170] 'f' false [["Alendronate 70mg Tablet"]]
    DEPRESSION "Depression" 900009 [8, 90, 110, 90] '*' false
        [["Sertraline 50mg Tablet"], ["Escitalopram 10mg Tablet"], ["Mirtazapine 30mg Tablet"]]
    ANXIETY "Anxiety" 900010 [20, 90, 80, 60] '*' false []
    GOUT "Gout" 900011 [0, 6, 40, 80] 'm' false [["Allopurinol 300mg Tablet"]]
    FAILURE "Heart failure" 900012 [0, 0, 4, 45] '*' false [["Frusemide 40mg Tablet", "Bisoprolol 2.5mg Tablet"]]
    HYSTERECTOMY "Hysterectomy" 4046 [0, 3, 90, 200] 'f' true []
    MIGRAINE "Migraine" 900013 [15, 80, 60, 20] '*' false [["Sumatriptan 50mg Tablet"]]
    ECZEMA "Eczema" 900014 [90, 40, 20, 20] '*' false [["Mometasone 0.1% Cream"]]
    APPENDIX "Appendicectomy" 900015 [10, 60, 90, 120] '*' true []
    LIVER "Fatty liver" 81 [0, 15, 50, 50] '*' false []
    VENTRICLE "Left ventricular hypertrophy" 2214 [0, 0, 6, 25] '*' false []
    SPLEEN "Splenectomy" 3958 [0, 2, 3, 4] '*' true []
    HIV "HIV infection" 1727 [0, 2, 2, 1] '*' false [["Bictegravir/Emtricitabine/Tenofovir Tablet"]]
    TRISOMY "Trisomy 21" 836 [1, 1, 1, 0] '*' false []
    PREMATURE "Prematurity" 2973 [60, 0, 0, 0] '*' true []
    REFUGEE "Refugee" 13154 [4, 4, 2, 1] '*' false []
}

/// Which conditions somebody of that age and sex has.
pub(super) fn choose(age: i64, female: bool, random: &mut Random) -> u32 {
    let group = match age {
        ..18 => 0,
        18..45 => 1,
        45..65 => 2,
        _ => 3,
    };
    let mut has = 0u32;
    for (i, condition) in CONDITIONS.iter().enumerate() {
        // The one sex has some of them far more often, or alone.
        let fits = match condition.sex {
            'f' => female || i != HYSTERECTOMY && random.chance(15),
            'm' => !female || random.chance(20),
            _ => true,
        };
        let mut share = condition.share[group];
        if has & bit(TYPE_2) != 0 {
            share = match i {
                HYPERTENSION | LIPIDS => share + 250,
                KIDNEY => share * 2,
                _ => share,
            };
        }
        if random.below(1000) < share && fits {
            has |= bit(i);
        }
    }
    if has & bit(TYPE_1) != 0 {
        has &= !bit(TYPE_2);
    }
    if has & bit(COPD) != 0 {
        has &= !bit(ASTHMA);
    }
    has
}

/// A condition's place in a set.
pub(super) const fn bit(condition: usize) -> u32 {
    1 << condition
}

/// Products that treat it, by number in the list of products; `choice` picks among the ways to treat.
pub(super) fn treatment(condition: usize, choice: u64) -> impl Iterator<Item = usize> {
    let ways = CONDITIONS[condition].treatment;
    let way = if ways.is_empty() { &[][..] } else { ways[(choice % ways.len() as u64) as usize] };
    way.iter().map(|name| find(name))
}
