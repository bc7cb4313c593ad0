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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::read_date_time;

    fn local(zone: &str, at: &str) -> (String, i16) {
        let ((d, t), offset) = by_name(zone).unwrap().local(read_date_time(at.as_bytes()).unwrap());
        (crate::calendar::date_time_text(d, t), offset)
    }

    #[test]
    fn clocks_go_forward_and_back() {
        let sydney = "aus eastern standard time";
        assert_eq!(local(sydney, "2026-02-03T12:00:00").1, 660);
        assert_eq!(local(sydney, "2026-07-03T12:00:00").1, 600);
        // 4 October 2026: 02:00 to 03:00 is left out.
        assert_eq!(local(sydney, "2026-10-04T01:59:59"), ("2026-10-04T01:59:59".to_owned(), 600));
        assert_eq!(local(sydney, "2026-10-04T02:30:00"), ("2026-10-04T03:30:00".to_owned(), 660));
        assert_eq!(local(sydney, "2026-10-04T03:00:00").1, 660);
        // 5 April 2026: 02:00 to 03:00 comes twice.
        assert_eq!(local(sydney, "2026-04-05T01:59:59").1, 660);
        assert_eq!(local(sydney, "2026-04-05T02:30:00").1, 600);
        assert_eq!(local(sydney, "2026-04-05T03:00:00").1, 600);
        assert_eq!(local("E. Australia Standard Time", "2026-02-03T12:00:00").1, 600);
        assert_eq!(local("Cen. Australia Standard Time", "2026-02-03T12:00:00").1, 630);
        assert_eq!(local("AUS Central Standard Time", "2026-02-03T12:00:00").1, 570);
        assert_eq!(local("W. Australia Standard Time", "2026-02-03T12:00:00").1, 480);
        // Before 2008 summer ended in March, and began in Tasmania first.
        assert_eq!(local(sydney, "2007-04-01T12:00:00").1, 600);
        assert_eq!(local(sydney, "2007-10-10T12:00:00").1, 600);
        assert_eq!(local("Tasmania Standard Time", "2007-10-10T12:00:00").1, 660);
        assert!(by_name("Sydney").is_none());
    }

    #[test]
    fn instants_find_their_offset() {
        let zone = by_name("AUS Eastern Standard Time").unwrap();
        let at = |text: &str| zone.offset_at(ticks(read_date_time(text.as_bytes()).unwrap()));
        // 02:00 of standard time on 4 October is 16:00 of the day before at UTC.
        assert_eq!((at("2026-10-03T15:59:59"), at("2026-10-03T16:00:00")), (600, 660));
        assert_eq!((at("2026-04-04T15:59:59"), at("2026-04-04T16:00:00")), (660, 600));
    }
}
