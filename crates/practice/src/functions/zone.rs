//! The time zones of Australia, by the names that Windows gives them.

use super::parts::{Moment, from_ticks, ticks};
use crate::calendar::{day_number, days_in_month, weekday};
use database::{Date, Time};

/// When a zone's clocks go forward and back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Summer {
    Never,
    /// October to April; up to 2007 from the last Sunday of October to the last of March.
    South,
    /// As the others, but from the first Sunday of October before 2008 too.
    Tasmania,
}

/// A time zone.
#[derive(Clone, Copy)]
pub(super) struct Zone {
    minutes: i16,
    summer: Summer,
}

/// The zone of that name, without regard to case.
pub(super) fn by_name(name: &str) -> Option<Zone> {
    let zones = [
        ("UTC", 0, Summer::Never),
        ("AUS Eastern Standard Time", 600, Summer::South),
        ("E. Australia Standard Time", 600, Summer::Never),
        ("Tasmania Standard Time", 600, Summer::Tasmania),
        ("Cen. Australia Standard Time", 570, Summer::South),
        ("AUS Central Standard Time", 570, Summer::Never),
        ("W. Australia Standard Time", 480, Summer::Never),
    ];
    let name = name.trim_end_matches(' ');
    zones
        .into_iter()
        .find(|(own, ..)| own.eq_ignore_ascii_case(name))
        .map(|(_, minutes, summer)| Zone { minutes, summer })
}

const HOUR: i128 = Time::SECOND as i128 * 3600;

/// 02:00 of the first, or the last, Sunday of a month.
fn sunday(year: u16, month: u8, last: bool) -> i128 {
    let day = if last {
        let end = Date { year, month, day: days_in_month(year, month) };
        day_number(end) - weekday(day_number(end))
    } else {
        let start = Date { year, month, day: 1 };
        day_number(start) + (7 - weekday(day_number(start))) % 7
    };
    i128::from(day) * i128::from(Time::DAY) + 2 * HOUR
}

impl Zone {
    /// In the year of a moment: the end of one summer and the start of the next, both in standard time.
    fn turns(self, year: u16) -> (i128, i128) {
        let old = year < 2008;
        let end = if old { sunday(year, 3, true) } else { sunday(year, 4, false) };
        let start = sunday(year, 10, old && self.summer == Summer::South);
        (end, start)
    }

    /// Whether it is summer at a moment of standard time.
    fn is_summer(self, standard: i128) -> bool {
        if self.summer == Summer::Never {
            return false;
        }
        let year = from_ticks(standard).map_or(1, |(d, _)| d.year);
        let (end, start) = self.turns(year);
        standard < end || standard >= start
    }

    /// The offset at an instant of UTC.
    pub(super) fn offset_at(self, instant: i128) -> i16 {
        let standard = instant + i128::from(self.minutes) * HOUR / 60;
        self.minutes + if self.is_summer(standard) { 60 } else { 0 }
    }

    /// What a local time means. One that the clocks leave out is an hour later; one that they pass twice is taken to be
    /// standard time.
    pub(super) fn local(self, at: Moment) -> (Moment, i16) {
        let local = ticks(at);
        let as_standard = self.is_summer(local);
        let as_summer = self.is_summer(local - HOUR);
        match (as_standard, as_summer) {
            (true, true) => (at, self.minutes + 60),
            // The hour left out: summer has begun by standard time, but no summer clock shows it.
            (true, false) => (from_ticks(local + HOUR).unwrap_or(at), self.minutes + 60),
            _ => (at, self.minutes),
        }
    }
}
