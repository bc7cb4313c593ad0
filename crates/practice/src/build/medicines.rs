//! What can be prescribed, made of which substances, and what people don't tolerate.

use super::people::pad;
use rusqlite::{Connection, params};

/// Classes, numbered from 1.
const CLASSES: &[&str] = &[
    "Penicillins", "Cephalosporins", "Non-steroidal anti-inflammatories", "ACE inhibitors", "Sulfonamides", "Opioids",
    "Statins", "Biguanides", "Beta blockers", "Beta-2 agonists", "Inhaled corticosteroids", "Antidepressants",
    "Proton pump inhibitors", "Anticoagulants", "Tetracyclines", "Macrolides", "Sulfonylureas", "SGLT2 inhibitors",
    "Insulins", "Angiotensin receptor blockers", "Calcium channel blockers", "Thyroid hormones", "Bisphosphonates",
    "Xanthine oxidase inhibitors", "Antimuscarinics", "Corticosteroids", "Oral contraceptives", "Loop diuretics",
    "Analgesics", "Antiplatelets", "Triptans", "Topical corticosteroids", "Antiretrovirals", "Trimethoprim",
    "Nicotine replacement", "Antiemetics",
];

/// Substances, numbered from 101: name and class. One that is also of another class has it in `SECOND`.
const INGREDIENTS: &[(&str, i64)] = &[
    ("Amoxicillin", 1), ("Clavulanic acid", 1), ("Flucloxacillin", 1), ("Cefalexin", 2), ("Ibuprofen", 3), ("Meloxicam", 3),
    ("Aspirin", 30), ("Perindopril", 4), ("Ramipril", 4), ("Candesartan", 20), ("Amlodipine", 21), ("Sulfamethoxazole", 5),
    ("Trimethoprim", 34), ("Codeine", 6), ("Oxycodone", 6), ("Paracetamol", 29), ("Atorvastatin", 7), ("Rosuvastatin", 7),
    ("Metformin", 8), ("Gliclazide", 17), ("Empagliflozin", 18), ("Insulin glargine", 19), ("Insulin aspart", 19),
    ("Metoprolol", 9), ("Bisoprolol", 9), ("Salbutamol", 10), ("Formoterol", 10), ("Budesonide", 11), ("Fluticasone", 11),
    ("Tiotropium", 25), ("Sertraline", 12), ("Escitalopram", 12), ("Mirtazapine", 12), ("Pantoprazole", 13),
    ("Esomeprazole", 13), ("Apixaban", 14), ("Warfarin", 14), ("Doxycycline", 15), ("Roxithromycin", 16),
    ("Levothyroxine", 22), ("Alendronate", 23), ("Allopurinol", 24), ("Prednisolone", 26), ("Levonorgestrel", 27),
    ("Ethinylestradiol", 27), ("Frusemide", 28), ("Sumatriptan", 31), ("Mometasone", 32), ("Bictegravir", 33),
    ("Emtricitabine", 33), ("Tenofovir", 33), ("Nicotine", 35), ("Metoclopramide", 36),
];
const SECOND: &[(&str, i64)] = &[("Aspirin", 3)];

/// A product: name, form and strength, substances, dose, frequency, route, quantity, unit, repeats, indication, when needed.
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) form: &'static str,
    pub(super) ingredients: &'static [&'static str],
    pub(super) dose: &'static str,
    pub(super) frequency: &'static str,
    pub(super) route: &'static str,
    pub(super) quantity: &'static str,
    pub(super) unit: &'static str,
    pub(super) repeats: i64,
    pub(super) indication: &'static str,
}

macro_rules! products {
    ($($name:literal $form:literal [$($ingredient:literal),*] $dose:literal $frequency:literal $route:literal $quantity:literal
       $unit:literal $repeats:literal $indication:literal)*) => {
        &[$(Product { name: $name, form: $form, ingredients: &[$($ingredient),*], dose: $dose, frequency: $frequency,
            route: $route, quantity: $quantity, unit: $unit, repeats: $repeats, indication: $indication }),*]
    };
}

/// Products, numbered from 1001. Substances under their own names; brands are made up.
pub(super) const PRODUCTS: &[Product] = products! {
    "Metformin" "500mg Tablet" ["Metformin"] "1 tablet" "Twice a day" "Oral" "100" "Tablet" 5 "Type 2 diabetes"
    "Metformin" "1000mg XR Tablet" ["Metformin"] "1 tablet" "At night" "Oral" "60" "Tablet" 5 "Type 2 diabetes"
    "Gliclazide" "60mg MR Tablet" ["Gliclazide"] "1 tablet" "In the morning" "Oral" "60" "Tablet" 5 "Type 2 diabetes"
    "Empagliflozin" "10mg Tablet" ["Empagliflozin"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "Type 2 diabetes"
    "Insulin glargine" "100units/mL Injection" ["Insulin glargine"] "20 units" "At night" "Subcutaneous" "25" "Cartridge" 1 "Diabetes"
    "Insulin aspart" "100units/mL Injection" ["Insulin aspart"] "6 units" "Three times a day" "Subcutaneous" "25" "Cartridge" 1 "Diabetes"
    "Perindopril" "5mg Tablet" ["Perindopril"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "Hypertension"
    "Perindopril" "10mg Tablet" ["Perindopril"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "Hypertension"
    "Ramipril" "5mg Capsule" ["Ramipril"] "1 capsule" "In the morning" "Oral" "30" "Capsule" 5 "Hypertension"
    "Candesartan" "16mg Tablet" ["Candesartan"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "Hypertension"
    "Amlodipine" "5mg Tablet" ["Amlodipine"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "Hypertension"
    "Atorvastatin" "20mg Tablet" ["Atorvastatin"] "1 tablet" "At night" "Oral" "30" "Tablet" 5 "Hyperlipidaemia"
    "Atorvastatin" "40mg Tablet" ["Atorvastatin"] "1 tablet" "At night" "Oral" "30" "Tablet" 5 "Hyperlipidaemia"
    "Rosuvastatin" "10mg Tablet" ["Rosuvastatin"] "1 tablet" "At night" "Oral" "30" "Tablet" 5 "Hyperlipidaemia"
    "Salbutamol" "100mcg Inhaler" ["Salbutamol"] "1-2 puffs" "Every 4 hours" "Inhalation" "2" "Inhaler" 5 "Asthma"
    "Budesonide/Formoterol" "200/6mcg Inhaler" ["Budesonide", "Formoterol"] "2 puffs" "Twice a day" "Inhalation" "1" "Inhaler" 5 "Asthma"
    "Fluticasone" "125mcg Inhaler" ["Fluticasone"] "1 puff" "Twice a day" "Inhalation" "1" "Inhaler" 5 "Asthma"
    "Tiotropium" "18mcg Inhaler" ["Tiotropium"] "1 inhalation" "In the morning" "Inhalation" "30" "Capsule" 5 "COPD"
    "Aspirin" "100mg Tablet" ["Aspirin"] "1 tablet" "In the morning" "Oral" "112" "Tablet" 1 "Ischaemic heart disease"
    "Metoprolol" "50mg Tablet" ["Metoprolol"] "1 tablet" "Twice a day" "Oral" "100" "Tablet" 5 "Heart rate"
    "Bisoprolol" "2.5mg Tablet" ["Bisoprolol"] "1 tablet" "In the morning" "Oral" "28" "Tablet" 5 "Heart failure"
    "Apixaban" "5mg Tablet" ["Apixaban"] "1 tablet" "Twice a day" "Oral" "60" "Tablet" 5 "Atrial fibrillation"
    "Warfarin" "1mg Tablet" ["Warfarin"] "As directed" "At night" "Oral" "50" "Tablet" 2 "Atrial fibrillation"
    "Levothyroxine" "50mcg Tablet" ["Levothyroxine"] "1 tablet" "In the morning" "Oral" "200" "Tablet" 1 "Hypothyroidism"
    "Levothyroxine" "100mcg Tablet" ["Levothyroxine"] "1 tablet" "In the morning" "Oral" "200" "Tablet" 1 "Hypothyroidism"
    "Pantoprazole" "40mg Tablet" ["Pantoprazole"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "Reflux"
    "Esomeprazole" "20mg Tablet" ["Esomeprazole"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "Reflux"
    "Paracetamol" "665mg MR Tablet" ["Paracetamol"] "2 tablets" "Three times a day" "Oral" "192" "Tablet" 5 "Osteoarthritis"
    "Meloxicam" "7.5mg Tablet" ["Meloxicam"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 3 "Osteoarthritis"
    "Alendronate" "70mg Tablet" ["Alendronate"] "1 tablet" "Once a week" "Oral" "4" "Tablet" 5 "Osteoporosis"
    "Sertraline" "50mg Tablet" ["Sertraline"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "Depression"
    "Escitalopram" "10mg Tablet" ["Escitalopram"] "1 tablet" "In the morning" "Oral" "28" "Tablet" 5 "Depression"
    "Mirtazapine" "30mg Tablet" ["Mirtazapine"] "1 tablet" "At night" "Oral" "30" "Tablet" 5 "Depression"
    "Allopurinol" "300mg Tablet" ["Allopurinol"] "1 tablet" "In the morning" "Oral" "60" "Tablet" 2 "Gout"
    "Frusemide" "40mg Tablet" ["Frusemide"] "1 tablet" "In the morning" "Oral" "100" "Tablet" 1 "Heart failure"
    "Sumatriptan" "50mg Tablet" ["Sumatriptan"] "1 tablet" "When needed" "Oral" "4" "Tablet" 5 "Migraine"
    "Mometasone" "0.1% Cream" ["Mometasone"] "Apply thinly" "Once a day" "Topical" "1" "Tube" 3 "Eczema"
    "Bictegravir/Emtricitabine/Tenofovir" "Tablet" ["Bictegravir", "Emtricitabine", "Tenofovir"] "1 tablet" "In the morning" "Oral" "30" "Tablet" 5 "HIV infection"
    "Levonorgestrel/Ethinylestradiol" "150/30mcg Tablet" ["Levonorgestrel", "Ethinylestradiol"] "1 tablet" "Once a day" "Oral" "112" "Tablet" 2 "Contraception"
    "Amoxicillin" "500mg Capsule" ["Amoxicillin"] "1 capsule" "Three times a day" "Oral" "20" "Capsule" 0 "Respiratory infection"
    "Amoxicillin/Clavulanic acid" "875/125mg Tablet" ["Amoxicillin", "Clavulanic acid"] "1 tablet" "Twice a day" "Oral" "10" "Tablet" 0 "Sinusitis"
    "Amoxicillin" "250mg/5mL Syrup" ["Amoxicillin"] "5 mL" "Three times a day" "Oral" "100" "mL" 0 "Otitis media"
    "Flucloxacillin" "500mg Capsule" ["Flucloxacillin"] "1 capsule" "Four times a day" "Oral" "24" "Capsule" 0 "Skin infection"
    "Cefalexin" "500mg Capsule" ["Cefalexin"] "1 capsule" "Four times a day" "Oral" "20" "Capsule" 0 "Skin infection"
    "Doxycycline" "100mg Tablet" ["Doxycycline"] "1 tablet" "Once a day" "Oral" "7" "Tablet" 0 "Respiratory infection"
    "Roxithromycin" "300mg Tablet" ["Roxithromycin"] "1 tablet" "Once a day" "Oral" "5" "Tablet" 0 "Respiratory infection"
    "Trimethoprim" "300mg Tablet" ["Trimethoprim"] "1 tablet" "At night" "Oral" "7" "Tablet" 0 "Urinary tract infection"
    "Trimethoprim/Sulfamethoxazole" "160/800mg Tablet" ["Trimethoprim", "Sulfamethoxazole"] "1 tablet" "Twice a day" "Oral" "10" "Tablet" 0 "Infection"
    "Ibuprofen" "400mg Tablet" ["Ibuprofen"] "1 tablet" "Three times a day" "Oral" "30" "Tablet" 0 "Pain"
    "Paracetamol" "500mg Tablet" ["Paracetamol"] "2 tablets" "Every 6 hours" "Oral" "100" "Tablet" 0 "Pain"
    "Paracetamol/Codeine" "500/30mg Tablet" ["Paracetamol", "Codeine"] "1 tablet" "Every 6 hours" "Oral" "20" "Tablet" 0 "Pain"
    "Oxycodone" "5mg Tablet" ["Oxycodone"] "1 tablet" "Every 6 hours" "Oral" "10" "Tablet" 0 "Pain"
    "Prednisolone" "25mg Tablet" ["Prednisolone"] "2 tablets" "In the morning" "Oral" "10" "Tablet" 0 "Asthma"
    "Metoclopramide" "10mg Tablet" ["Metoclopramide"] "1 tablet" "Three times a day" "Oral" "25" "Tablet" 0 "Nausea"
    "Nicotine" "21mg/24h Patch" ["Nicotine"] "1 patch" "Once a day" "Transdermal" "28" "Patch" 2 "Smoking cessation"
    "Demomox" "500mg Capsule" ["Amoxicillin"] "1 capsule" "Three times a day" "Oral" "20" "Capsule" 0 "Respiratory infection"
    "Demostatin" "40mg Tablet" ["Atorvastatin"] "1 tablet" "At night" "Oral" "30" "Tablet" 5 "Hyperlipidaemia"
    "Demoprofen" "400mg Tablet" ["Ibuprofen"] "1 tablet" "Three times a day" "Oral" "30" "Tablet" 0 "Pain"
    "Demopuff" "100mcg Inhaler" ["Salbutamol"] "1-2 puffs" "Every 4 hours" "Inhalation" "2" "Inhaler" 5 "Asthma"
};

/// What people react to: kind of item (1 product, 2 substance, 3 class), its name, how they react.
pub(super) const ALLERGENS: &[(i64, &str, &str)] = &[
    (3, "Penicillins", "Rash"), (2, "Amoxicillin", "Urticaria"), (3, "Non-steroidal anti-inflammatories", "Bronchospasm"),
    (3, "ACE inhibitors", "Cough"), (3, "Sulfonamides", "Rash"), (2, "Codeine", "Nausea"), (2, "Cefalexin", "Urticaria"),
    (1, "Demomox", "Rash"), (3, "Statins", "Myalgia"), (2, "Trimethoprim", "Rash"), (3, "Penicillins", "Anaphylaxis"),
    (2, "Doxycycline", "Nausea"), (2, "Oxycodone", "Confusion"), (3, "Macrolides", "Diarrhoea"),
];

/// How people react, numbered from 1, and how badly.
pub(super) const REACTIONS: &[(&str, i64)] = &[
    ("Rash", 1), ("Urticaria", 2), ("Bronchospasm", 3), ("Cough", 1), ("Nausea", 1), ("Myalgia", 2), ("Anaphylaxis", 3),
    ("Confusion", 2), ("Diarrhoea", 1),
];

pub(super) const FIRST_PRODUCT: i64 = 1001;

/// A product's place in the list, by name and form.
pub(super) fn find(name: &str) -> usize {
    PRODUCTS
        .iter()
        .position(|p| name.strip_prefix(p.name).and_then(|rest| rest.strip_prefix(' ')) == Some(p.form))
        .expect("our own lists name products that exist")
}

fn ingredient_id(name: &str) -> i64 {
    101 + INGREDIENTS.iter().position(|(n, _)| *n == name).expect("a substance of the list") as i64
}

fn name_id(name: &str) -> i64 {
    2001 + PRODUCTS.iter().position(|p| p.name == name).expect("a product of the list") as i64
}

/// The number that a reaction's ITEMCODE holds.
pub(super) fn item_code(kind: i64, name: &str) -> i64 {
    match kind {
        1 => name_id(name),
        2 => ingredient_id(name),
        _ => 1 + CLASSES.iter().position(|c| *c == name).expect("a class of the list") as i64,
    }
}

fn classes_of<'a>(ingredient: &'a str) -> impl Iterator<Item = i64> + 'a {
    INGREDIENTS.iter().chain(SECOND).filter(move |(n, _)| *n == ingredient).map(|(_, class)| *class)
}

/// Whether somebody who does not tolerate `allergen` must not have `product`. A reaction to a product or a substance keeps
/// one from the whole class where classes cross-react: all penicillins, then.
pub(super) fn forbids(allergen: usize, product: usize) -> bool {
    let (kind, name, _) = ALLERGENS[allergen];
    let product = &PRODUCTS[product];
    let by_class = |class: i64| product.ingredients.iter().any(|i| classes_of(i).any(|c| c == class));
    let penicillin = 1;
    match kind {
        1 => {
            let own = PRODUCTS.iter().find(|p| p.name == name).map(|p| p.ingredients).unwrap_or_default();
            product.name == name
                || product.ingredients.iter().any(|i| own.contains(i))
                || own.iter().any(|i| classes_of(i).any(|c| c == penicillin)) && by_class(penicillin)
        }
        2 => {
            product.ingredients.contains(&name)
                || classes_of(name).any(|c| c == penicillin) && by_class(penicillin)
        }
        _ => by_class(item_code(kind, name)),
    }
}

/// Fills the drugs' half of `BPSDrugs`.
pub(super) fn write(connection: &Connection) -> rusqlite::Result<()> {
    let insert = |table: &str, marks: &str| connection.prepare(&format!("INSERT INTO drugs.{table} VALUES ({marks})"));
    let mut class = insert("DRUGCLASSES", "?1, ?2")?;
    for (id, name) in (1i64..).zip(CLASSES) {
        class.execute(params![id, pad(name, 60)])?;
    }
    let mut ingredient = insert("INGREDIENTS", "?1, ?2")?;
    let mut member = insert("INGREDIENT_DRUGCLASS", "?1, ?2, 1")?;
    for (name, _) in INGREDIENTS {
        ingredient.execute(params![ingredient_id(name), pad(name, 60)])?;
        for class in classes_of(name) {
            member.execute([ingredient_id(name), class])?;
        }
    }
    let mut name = insert("PRODUCTNAMES", "?1, ?2")?;
    let mut product = insert("PRODUCTS", "?1, ?2, ?3")?;
    let mut contains = insert("PRODUCT_INGREDIENT", "?1, ?2")?;
    for (i, (id, p)) in (FIRST_PRODUCT..).zip(PRODUCTS).enumerate() {
        if name_id(p.name) == 2001 + i as i64 {
            name.execute(params![name_id(p.name), pad(p.name, 60)])?;
        }
        product.execute(params![id, name_id(p.name), p.form])?;
        for i in p.ingredients {
            contains.execute([id, ingredient_id(i)])?;
        }
    }
    Ok(())
}
