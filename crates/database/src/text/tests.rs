//! What each type takes, at its ends and one step beyond.

use super::*;
use proptest::prelude::*;

fn refused(kind: ParameterType, text: &str) -> bool {
    read(kind, text).is_err()
}

#[test]
fn whole_numbers_end_where_their_types_do() {
    use ParameterType::{BigInt, Int, SmallInt, TinyInt};
    for (kind, low, high) in [
        (TinyInt, 0, 255),
        (SmallInt, -32_768, 32_767),
        (Int, i64::from(i32::MIN), i64::from(i32::MAX)),
        (BigInt, i64::MIN, i64::MAX),
    ] {
        for end in [low, high] {
            assert_eq!(read(kind, &format!(" {end} ")), Ok(Given::Int(end)));
        }
        assert!(refused(kind, &(i128::from(low) - 1).to_string()));
        assert!(refused(kind, &(i128::from(high) + 1).to_string()));
        for wrong in ["", "x", "1.5", "0x1", "1 2", "١"] {
            assert!(refused(kind, wrong), "{kind:?} {wrong}");
        }
        assert_eq!(read(kind, "5.0"), Ok(Given::Int(5)));
    }
}

#[test]
fn decimals_keep_every_digit() {
    let shown = |text: &str| Digits::parse(text).map(|d| (d.to_string(), d.precision(), d.scale));
    for (text, same, precision, scale) in [
        ("-12.3400", "-12.3400", 6, 4),
        (".5", "0.5", 1, 1),
        ("5.", "5", 1, 0),
        ("+007", "7", 1, 0),
        ("-0.00", "0.00", 2, 2),
        ("1.5e3", "1500", 4, 0),
        ("15E-3", "0.015", 3, 3),
        ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999", 38, 0),
        ("0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001", 38, 38),
    ] {
        assert_eq!(shown(text), Some((same.to_owned(), precision, scale)), "{text}");
    }
    for wrong in
        ["", ".", "-", "1e", "1e99", "1,5", "100000000000000000000000000000000000000", "NaN", "0x5", "1e-39"]
    {
        assert!(Digits::parse(wrong).is_none(), "{wrong}");
    }
    let round = |text: &str, scale| Digits::parse(text).unwrap().at_scale(scale).unwrap().to_string();
    assert_eq!(round("1.2345", 3), "1.235");
    assert_eq!(round("-1.2345", 3), "-1.235");
    assert_eq!(round("-0.4", 0), "0");
    assert_eq!(round("1", 2), "1.00");
}

#[test]
fn amounts_are_exact_to_the_ten_thousandth() {
    let shown = |kind, text: &str| match read(kind, text) {
        Ok(Given::Decimal(digits)) => digits.to_string(),
        _ => "refused".to_owned(),
    };
    let money = |text: &str| shown(ParameterType::Money, text);
    assert_eq!(money("922337203685477.5807"), "922337203685477.5807");
    assert_eq!(money("-922337203685477.5808"), "-922337203685477.5808");
    assert_eq!(money("922337203685477.5808"), "refused");
    assert_eq!(money("-$1,234.5"), "-1234.5000");
    assert_eq!(money("--1"), "refused");
    assert_eq!(shown(ParameterType::SmallMoney, "214748.3647"), "214748.3647");
    assert_eq!(shown(ParameterType::SmallMoney, "214748.3648"), "refused");
}

#[test]
fn days_and_times_are_read_in_every_language_alike() {
    let day = |year, month, day| Date { year, month, day };
    let at = |h: u64, m: u64, s: u64, ticks| Time(((h * 60 + m) * 60 + s) * Time::SECOND + ticks);
    let third = day(2026, 2, 3);
    for (text, date, time, offset) in [
        ("2026-02-03", third, Time(0), None),
        ("20260203", third, Time(0), None),
        ("2026/02/03 8:15", third, at(8, 15, 0, 0), None),
        ("2026-02-03T08:15:00.1234567", third, at(8, 15, 0, 1_234_567), None),
        ("2026-02-03T08:15:00.123456789Z", third, at(8, 15, 0, 1_234_567), Some(0)),
        ("2026-02-03 08:15:00.5 -03:30", third, at(8, 15, 0, 5_000_000), Some(-210)),
        ("0001-01-01T00:00:00+14:00", FIRST_DAY, Time(0), Some(840)),
        ("9999-12-31T23:59:59.9999999", moment::LAST, Time(Time::DAY - 1), None),
        ("2024-02-29", day(2024, 2, 29), Time(0), None),
    ] {
        assert_eq!(moment::read(text), Some(Moment { date, time, offset }), "{text}");
    }
    for wrong in [
        "",
        "03/02/2026",
        "3 Feb 2026",
        "2026-02-30",
        "2025-02-29",
        "2026-13-01",
        "0000-01-01",
        "2026-02-03T24:00",
        "2026-02-03T08",
        "2026-02-03T08:60",
        "2026-02-03T08:15:00+15:00",
        "2026-02-03X08:15",
        "2026-02-03T08:15:00.x",
        "２０２６-02-03",
        "2026-2-3",
    ] {
        assert!(moment::read(wrong).is_none(), "{wrong}");
    }
    assert!(refused(ParameterType::DateTime, "1752-12-31"));
    assert!(refused(ParameterType::SmallDateTime, "2079-06-07"));
    for kind in [ParameterType::DateTime, ParameterType::DateTime2, ParameterType::SmallDateTime] {
        assert!(read(kind, "2026-02-03T08:15:00").is_ok());
        for offset in ["Z", "+10:00", "-00:00"] {
            assert!(refused(kind, &format!("2026-02-03T08:15:00{offset}")), "{kind:?} {offset}");
        }
    }
    assert!(read(ParameterType::Date, "2026-02-03T00:00:00.000Z").is_ok(), "a day, as JavaScript writes it");
    assert!(
        refused(ParameterType::Date, "2026-02-02T14:00:00Z")
            && refused(ParameterType::Date, "2026-02-03T00:00:00+10:00")
    );
    assert_eq!(read(ParameterType::Time, "23:59:59.9999999"), Ok(Given::Time(Time(Time::DAY - 1))));
    assert_eq!(read(ParameterType::Time, "2026-02-03T08:15:00"), Ok(Given::Time(at(8, 15, 0, 0))));
}

const FIRST_DAY: Date = Date { year: 1, month: 1, day: 1 };

#[test]
fn the_other_kinds() {
    use ParameterType as P;
    for (text, bit) in [("true", true), ("False", false), ("1", true), ("0", false), ("7", true)] {
        assert_eq!(read(P::Bit, text), Ok(Given::Bit(bit)));
    }
    assert!(refused(P::Bit, "yes"));
    assert_eq!(read(P::VarBinary, "AP8="), Ok(Given::Binary(vec![0, 255])));
    assert_eq!(read(P::Image, "0x00fF"), Ok(Given::Binary(vec![0, 255])));
    assert_eq!(read(P::Binary, ""), Ok(Given::Binary(vec![])));
    assert!(refused(P::VarBinary, "0xf") && refused(P::VarBinary, "not base64!"));
    assert!(refused(P::Timestamp, "0x010203040506070809"));
    assert_eq!(read(P::NVarChar, " x "), Ok(Given::Text(" x ".to_owned())));
    assert!(read(P::UniqueIdentifier, "{6F9619FF-8B86-D011-B42D-00C04FC964FF}").is_ok());
    assert_eq!(read(P::Real, "3.4e38"), Ok(Given::Real(3.4e38)));
    assert!(refused(P::Real, "3.5e38") && refused(P::Float, "inf") && refused(P::Float, "1e309"));
    for kind in P::ALL {
        let long = "9".repeat(SHORT + 1);
        let text = matches!(
            kind,
            P::Char
                | P::NChar
                | P::VarChar
                | P::NVarChar
                | P::String
                | P::Text
                | P::NText
                | P::Variant
                | P::Xml
        );
        assert_eq!(refused(kind, &long), !text, "{kind:?}");
    }
}

proptest! {
    #[test]
    fn a_decimal_reads_back_what_it_shows(negative: bool, magnitude in 0u128..10u128.pow(38), scale in 0u8..=38) {
        let digits = Digits { negative: negative && magnitude > 0, magnitude, scale };
        prop_assert_eq!(Digits::parse(&digits.to_string()), Some(digits));
    }

    #[test]
    fn no_text_breaks_the_reader(text in any::<String>(), index in 0usize..32) {
        let _ = read(ParameterType::ALL[index], &text);
    }

    #[test]
    fn nearly_right_texts_do_not_break_it(text in "[-+0-9eE.:T Z/$,]{0,40}", index in 0usize..32) {
        let _ = read(ParameterType::ALL[index], &text);
    }
}
