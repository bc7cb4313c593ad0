//! What a body measures: growing children, adults who keep their height, pressures and blood sugars that drift.

use super::life::Life;
use crate::random::Random;

/// Months of age, then millimetres and grams of a girl, of a boy.
const GROWTH: &[(i64, i64, i64, i64, i64)] = &[
    (0, 495, 3300, 500, 3400),
    (2, 570, 5100, 585, 5600),
    (4, 620, 6400, 640, 7000),
    (6, 655, 7300, 675, 7900),
    (12, 740, 9000, 757, 9600),
    (18, 807, 10_200, 823, 10_900),
    (24, 863, 11_500, 877, 12_200),
    (36, 951, 13_900, 961, 14_300),
    (48, 1027, 16_100, 1033, 16_300),
    (60, 1094, 18_200, 1100, 18_300),
    (84, 1215, 22_900, 1220, 23_000),
    (120, 1385, 32_500, 1380, 31_500),
    (144, 1510, 41_500, 1490, 40_000),
    (168, 1600, 50_000, 1635, 51_000),
    (192, 1625, 54_500, 1735, 61_000),
    (216, 1632, 57_000, 1762, 67_000),
];

/// Between the rows of the table; its last row lasts.
fn growth(life: &Life, day: i64) -> (i64, i64) {
    let days = (day - life.born).max(0);
    let of = |row: &(i64, i64, i64, i64, i64)| if life.female { (row.1, row.2) } else { (row.3, row.4) };
    let starts = |row: &(i64, i64, i64, i64, i64)| row.0 * 3044 / 100;
    let after = GROWTH.iter().position(|row| starts(row) > days);
    let Some(after) = after else { return of(&GROWTH[GROWTH.len() - 1]) };
    let (a, b) = (&GROWTH[after - 1], &GROWTH[after]);
    let (whole, part) = (starts(b) - starts(a), days - starts(a));
    let between = |x: i64, y: i64| x + (y - x) * part / whole;
    (between(of(a).0, of(b).0), between(of(a).1, of(b).1))
}

/// Millimetres.
pub(super) fn height(life: &Life, day: i64) -> i64 {
    growth(life, day).0 * life.tall / 1000
}

/// Grams; of an adult, what is remembered, with what a meal weighs.
pub(super) fn weight(life: &Life, day: i64, random: &mut Random) -> i64 {
    if life.age(day) < 20 {
        growth(life, day).1 * life.wide / 1000
    } else {
        life.weight + random.range(-700, 700)
    }
}

/// What an adult weighs at the start, of a body mass index that fits.
pub(super) fn first_weight(life: &Life, today: i64, random: &mut Random) -> i64 {
    let index = if life.has(super::conditions::TYPE_2) {
        random.range(260, 400)
    } else {
        (random.range(190, 330) + random.range(200, 350)) / 2
    };
    let height = height(life, today);
    index * height * height / 10_000
}

/// Body mass index in tenths, from what was written down: centimetres and tenths of a kilogram.
pub(super) fn index(centimetres: i64, tenths: i64) -> i64 {
    (tenths * 10_000 + centimetres * centimetres / 2) / (centimetres * centimetres)
}

/// Head's circumference of a child under two, in millimetres.
pub(super) fn head(life: &Life, day: i64) -> i64 {
    let days = (day - life.born).clamp(0, 730);
    let usual = if days < 180 { 345 + days * 85 / 180 } else { 430 + (days - 180) * 50 / 550 };
    usual * (900 + life.tall / 10) / 1000
}

/// Systolic and diastolic pressure.
pub(super) fn pressure(life: &Life, random: &mut Random) -> (i64, i64) {
    let systolic = life.systolic + random.range(-9, 10);
    (systolic, systolic * 6 / 10 + random.range(-4, 5))
}

/// The pressure that somebody of that age tends to.
pub(super) fn usual_pressure(age: i64, hypertension: bool, random: &mut Random) -> i64 {
    let usual = match age {
        ..18 => 95 + age,
        18..45 => 116,
        45..65 => 124,
        _ => 131,
    };
    usual + random.range(-8, 9) + if hypertension { 12 } else { 0 }
}

/// Blood sugar's long-term value moves a little towards what treatment reaches.
pub(super) fn next_hba1c(life: &mut Life, random: &mut Random) -> i64 {
    let goal = 66 + life.wide % 18;
    life.hba1c = (life.hba1c + (goal - life.hba1c) / 4 + random.range(-3, 4)).clamp(52, 132);
    life.hba1c
}

/// Tenths as text.
pub(super) fn tenths(value: i64) -> String {
    format!("{}.{}", value / 10, value % 10)
}
