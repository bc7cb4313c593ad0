//! What people come for without an appointment made long before.

use super::results::Panel;

/// A reason, what is found, what helps, what is ordered, for which ages, for whom.
pub(super) struct Complaint {
    pub(super) reason: &'static str,
    pub(super) finding: &'static str,
    pub(super) medicines: &'static [&'static str],
    /// In how many of a hundred one of them is prescribed.
    pub(super) often: u64,
    pub(super) panels: &'static [Panel],
    pub(super) fever: bool,
    pub(super) ages: (i64, i64),
    /// 'f', 'm', or '*' for both.
    pub(super) sex: char,
    /// Out of a hundred times that it could be this, how often it is.
    pub(super) common: u64,
}

macro_rules! complaints {
    ($($reason:literal $finding:literal [$($medicine:literal),*] $often:literal [$($panel:ident),*] $fever:literal $ages:tt $sex:literal $common:literal)*) => {
        &[$(Complaint { reason: $reason, finding: $finding, medicines: &[$($medicine),*], often: $often,
            panels: &[$(Panel::$panel),*], fever: $fever, ages: $ages, sex: $sex, common: $common }),*]
    };
}

pub(super) const COMPLAINTS: &[Complaint] = complaints! {
    "Upper respiratory tract infection" "Throat red, chest clear." [] 0 [] true (0, 120) '*' 100
    "Acute bronchitis" "Scattered wheeze, no crackles." ["Amoxicillin 500mg Capsule", "Doxycycline 100mg Tablet", "Roxithromycin 300mg Tablet", "Demomox 500mg Capsule"] 60 [] true (14, 120) '*' 60
    "Pneumonia" "Crackles right base." ["Amoxicillin 500mg Capsule", "Doxycycline 100mg Tablet"] 95 [Chest, Blood, Inflammation] true (14, 120) '*' 12
    "Otitis media" "Left drum red and bulging." ["Amoxicillin 250mg/5mL Syrup"] 70 [] true (0, 11) '*' 100
    "Viral illness" "Alert, well hydrated." [] 0 [] true (0, 16) '*' 100
    "Gastroenteritis" "Abdomen soft." ["Metoclopramide 10mg Tablet"] 30 [] false (18, 120) '*' 45
    "Urinary tract infection" "Urine: leucocytes and nitrite." ["Trimethoprim 300mg Tablet", "Cefalexin 500mg Capsule", "Trimethoprim/Sulfamethoxazole 160/800mg Tablet"] 85 [Urine] false (16, 120) 'f' 100
    "Cellulitis" "Warm red area of the lower leg." ["Flucloxacillin 500mg Capsule", "Cefalexin 500mg Capsule"] 90 [] true (16, 120) '*' 35
    "Low back pain" "No red flags, straight leg raise normal." ["Ibuprofen 400mg Tablet", "Paracetamol 500mg Tablet", "Paracetamol/Codeine 500/30mg Tablet"] 50 [] false (18, 120) '*' 100
    "Knee pain" "Tender medial joint line." ["Paracetamol 500mg Tablet", "Demoprofen 400mg Tablet"] 40 [] false (18, 120) '*' 100
    "Ankle sprain" "Swollen, no bony tenderness." ["Ibuprofen 400mg Tablet"] 30 [] false (12, 80) '*' 35
    "Fractured wrist" "Plaster checked." ["Oxycodone 5mg Tablet", "Paracetamol/Codeine 500/30mg Tablet"] 40 [] false (18, 120) '*' 8
    "Headache" "Neurological examination normal." ["Paracetamol 500mg Tablet"] 30 [] false (12, 90) '*' 55
    "Tiredness" "Examination normal." [] 0 [Blood, Thyroid, Glucose] false (14, 120) '*' 100
    "Check-up" "Well." [] 0 [Lipids, Glucose, Liver] false (35, 120) '*' 100
    "Skin check" "No suspicious lesions." [] 0 [] false (25, 120) '*' 100
    "Rash" "Fine red rash of the trunk." ["Mometasone 0.1% Cream"] 40 [] false (0, 120) '*' 50
    "Abdominal pain" "Mild epigastric tenderness." [] 0 [Liver, Ultrasound] false (16, 120) '*' 45
    "Insomnia" "Sleep hygiene discussed." [] 0 [] false (18, 120) '*' 40
    "Contraception" "BP normal, no contraindication." ["Levonorgestrel/Ethinylestradiol 150/30mcg Tablet"] 80 [] false (16, 38) 'f' 100
    "Menopausal symptoms" "Options discussed." [] 0 [] false (46, 60) 'f' 60
    "Prostate check" "Discussed benefits and harms." [] 0 [Prostate] false (50, 75) 'm' 60
    "Medical certificate" "Fit for work from Monday." [] 0 [] false (16, 66) '*' 100
    "Work injury" "Laceration of the hand, cleaned and closed." ["Paracetamol 500mg Tablet"] 20 [] false (18, 66) '*' 15
    "Referral" "Referral written." [] 0 [] false (0, 120) '*' 60
    "Constipation" "Abdomen soft, diet discussed." [] 0 [] false (1, 120) '*' 25
};
