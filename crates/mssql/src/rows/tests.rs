use super::{Row, text::*};
use database::Value;
use mssql_tds::{
    datatypes::{
        column_values::{ColumnValues, SqlDateTime2, SqlDateTimeOffset, SqlMoney, SqlTime, SqlXml},
        sql_string::EncodingType,
    },
    token::tokens::SqlCollation,
};
use proptest::prelude::*;

fn decoded(bytes: &[u8], encoding: EncodingType) -> String {
    let mut out = "before ".to_owned();
    push_text(bytes, encoding, &mut out);
    out.split_off("before ".len())
}

fn in_pieces(bytes: &[u8], size: usize, encoding: EncodingType) -> String {
    let mut pieces = Pieces::new(encoding);
    let mut out = String::new();
    let mut take = |text: &str| -> Result<(), ()> {
        out.push_str(text);
        Ok(())
    };
    for chunk in bytes.chunks(size) {
        pieces.feed(chunk, false, &mut take).unwrap();
    }
    pieces.feed(&[], true, &mut take).unwrap();
    out
}

#[test]
fn malformed_bytes_of_any_encoding_become_a_sign_and_no_panic() {
    assert_eq!(decoded(b"a\xFF\xC3", EncodingType::Utf8), "a\u{FFFD}\u{FFFD}");
    // Half a surrogate, an odd byte at the end.
    assert_eq!(decoded(&[0x3D, 0xD8, b'a', 0], EncodingType::Utf16), "\u{FFFD}a");
    assert_eq!(decoded(&[b'a', 0, b'b'], EncodingType::Utf16), "a\u{FFFD}");
    let xml = ColumnValues::Xml(SqlXml { bytes: vec![0xFF, 0xFE, b'<', 0, 0x3D, 0xD8, b'x'] });
    let mut row = Row::new(1);
    row.put(xml);
    assert_eq!(row.last(), Value::Text("<\u{FFFD}"));
    let mut row = Row::new(1);
    row.put(ColumnValues::Json(mssql_tds::datatypes::sql_json::SqlJson::new(vec![b'[', 0xFF, b']'])));
    assert_eq!(row.last(), Value::Text("[\u{FFFD}]"));
}

#[test]
fn code_pages_are_told_apart() {
    let page =
        |info, sort_id| EncodingType::LcidBased(SqlCollation { info, sort_id, ..SqlCollation::default() });
    // Latin1_General_CI_AS; Greek_CI_AS; SQL_Latin1_General_CP850_CI_AS.
    assert_eq!(decoded(b"Zo\xEB \x80", page(0x00D0_0409, 0)), "Zoë €");
    assert_eq!(decoded(b"\xD9", page(0x00D0_0408, 0)), "Ω");
    assert_eq!(decoded(b"\x82", page(0x00D0_0409, 42)), "é");
}

#[test]
fn exact_numbers_keep_their_digits_and_moments_their_local_time() {
    let mut row = Row::new(1);
    let mut last = |value| {
        row.clear();
        row.put(value);
        let mut text = String::new();
        database::json::text_of(&row.last(), &mut text);
        text
    };
    let money = |amount: i64| ColumnValues::Money(SqlMoney::from((amount as i32, (amount >> 32) as i32)));
    assert_eq!(last(money(i64::MIN)), "-922337203685477.5808");
    assert_eq!(last(money(-1)), "-0.0001");
    assert_eq!(last(money(i64::MAX)), "922337203685477.5807");
    let offset = |days, ticks, minutes| {
        let time = SqlTime { time_nanoseconds: ticks, scale: 7 };
        ColumnValues::DateTimeOffset(SqlDateTimeOffset {
            datetime2: SqlDateTime2 { days, time },
            offset: minutes,
        })
    };
    assert_eq!(last(offset(0, 0, 840)), "0001-01-01T14:00:00+14:00");
    assert_eq!(last(offset(1, 0, -30)), "0001-01-01T23:30:00-00:30");
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader_of_text(bytes in prop::collection::vec(any::<u8>(), 0..200), sort_id: u8, info: u32) {
        let collation = SqlCollation { info, sort_id, ..SqlCollation::default() };
        for encoding in [EncodingType::Utf8, EncodingType::Utf16, EncodingType::DelayedSet, EncodingType::LcidBased(collation)] {
            let _ = decoded(&bytes, encoding);
        }
    }

    #[test]
    fn text_in_pieces_is_the_same_text(text in any::<String>(), size in 1usize..9) {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        prop_assert_eq!(&decoded(&wide, EncodingType::Utf16), &text);
        prop_assert_eq!(&in_pieces(&wide, size, EncodingType::Utf16), &text);
        prop_assert_eq!(&decoded(text.as_bytes(), EncodingType::Utf8), &text);
        prop_assert_eq!(&in_pieces(text.as_bytes(), size, EncodingType::Utf8), &text);
    }
}
