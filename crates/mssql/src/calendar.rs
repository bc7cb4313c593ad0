//! Days as SQL Server counts them, and as people do.

use database::{Date, Time};

/// Days from 0001-01-01 to 1900-01-01, from which `datetime` counts.
pub(crate) const TO_1900: i32 = 693_595;
/// 9999-12-31.
pub(crate) const LAST_DAY: i32 = 3_652_058;

/// The day that is `days` after 0001-01-01. A count outside of the years 1 to 9999 (no server sends one) gets the nearest.
pub(crate) fn date(days: i32) -> Date {
    // Counted from 0000-03-01, so that a leap day ends its year.
    let n = days.clamp(0, LAST_DAY) as u32 + 306;
    let era = n / 146_097;
    let day = n % 146_097;
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let wrapped = month >= 10;
    Date {
        year: (era * 400 + year + u32::from(wrapped)) as u16,
        month: if wrapped { month - 9 } else { month + 3 } as u8,
        day: (of_year - (153 * month + 2) / 5 + 1) as u8,
    }
}

/// Days from 0001-01-01.
pub(crate) fn days(date: Date) -> i32 {
    let early = date.month <= 2;
    let year = i32::from(date.year) - i32::from(early);
    let month = i32::from(date.month) + if early { 9 } else { -3 };
    let of_year = (153 * month + 2) / 5 + i32::from(date.day) - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 306
}

/// `datetime`: three-hundredths of a second, told in whole milliseconds as every driver does.
pub(crate) fn from_thirds(thirds: u32) -> Time {
    Time((u64::from(thirds) * 10 + 1) / 3 * (Time::SECOND / 1000))
}

/// A moment in units of `unit` ticks, rounded half up, as days and units since midnight.
pub(crate) fn rounded(days: i32, time: Time, units_per_second: u64) -> (i32, u64) {
    let units = (time.0 * units_per_second + Time::SECOND / 2) / Time::SECOND;
    let day = 86_400 * units_per_second;
    if units >= day { (days + 1, units - day) } else { (days, units) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days_are_counted_as_the_server_does() {
        let day = |year, month, day| Date { year, month, day };
        for (date_, count) in [
            (day(1, 1, 1), 0),
            (day(1900, 1, 1), TO_1900),
            (day(2000, 2, 29), 730_178),
            (day(2079, 6, 6), TO_1900 + 65_535),
            (day(9999, 12, 31), LAST_DAY),
        ] {
            assert_eq!(days(date_), count);
            assert_eq!(date(count), date_);
        }
    }

    #[test]
    fn thirds_are_told_in_milliseconds() {
        let told: Vec<_> = (0..4).map(|n| from_thirds(n).0 / 10_000).collect();
        assert_eq!(told, [0, 3, 7, 10]);
        assert_eq!(from_thirds(300 * 86_400 - 1).0, Time::DAY - 30_000);
    }

    proptest! {
        #[test]
        fn every_day_counts_back_to_itself(n in 0..=LAST_DAY) {
            prop_assert_eq!(days(date(n)), n);
        }

        #[test]
        fn a_third_of_a_hundredth_rounds_to_itself(n in 0..300u32 * 86_400) {
            prop_assert_eq!(rounded(5, from_thirds(n), 300), (5, u64::from(n)));
        }
    }
}
