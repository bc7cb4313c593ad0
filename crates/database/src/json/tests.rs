//! Written rows read back with serde_json as what was put in.

use super::*;
use proptest::prelude::*;

fn columns(names: &[&str]) -> Vec<Column> {
    names.iter().map(|n| Column { name: (*n).to_owned(), type_name: "int".to_owned() }).collect()
}

fn one(value: Value<'_>) -> String {
    let mut out = Vec::new();
    RowWriter::new(&columns(&["v"]), RowForm::Array).row(&[value], &mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("{\"v\":").unwrap().strip_suffix('}').unwrap().to_owned()
}

#[test]
fn both_forms_are_as_the_contract_has_them() {
    let mut array = Vec::new();
    let mut writer = RowWriter::new(&columns(&["a", "", "a"]), RowForm::Array);
    writer.row(&[Value::Int(1), Value::Null, Value::Bit(true)], &mut array);
    writer.row(&[Value::Int(-2), Value::Text("x "), Value::Bit(false)], &mut array);
    assert_eq!(
        String::from_utf8(array).unwrap(),
        r#"{"a":1,"Column1":null,"a_1":true},{"a":-2,"Column1":"x ","a_1":false}"#
    );
    let mut lines = Vec::new();
    let mut writer = RowWriter::new(&columns(&["a"]), RowForm::Lines);
    writer.row(&[Value::Int(1)], &mut lines);
    writer.row(&[Value::Int(2)], &mut lines);
    assert_eq!(String::from_utf8(lines).unwrap(), "{\"row\":{\"a\":1}}\n{\"row\":{\"a\":2}}\n");
    let mut none = Vec::new();
    RowWriter::new(&[], RowForm::Lines).row(&[], &mut none);
    assert_eq!(none, b"{\"row\":{}}\n");
}

#[test]
fn each_kind_has_its_published_text() {
    let date = Date { year: 2026, month: 2, day: 3 };
    let guid = uuid::Uuid::from_u128(0xABCDEF00_1122_3344_5566_778899AABBCC);
    for (value, json) in [
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (Value::Decimal("-12.3400"), "-12.3400"),
        (Value::Decimal(".5"), "0.5"),
        (Value::Decimal("-.5"), "-0.5"),
        (Value::Decimal("+1"), "1"),
        (Value::Decimal("007.10"), "7.10"),
        (Value::Decimal("000"), "0"),
        (Value::Decimal("5."), "5"),
        (Value::Decimal("1E+3"), "1e+3"),
        (Value::Decimal("."), "\".\""),
        (Value::Decimal(""), "\"\""),
        (Value::Decimal("1,5"), "\"1,5\""),
        (Value::Decimal("12345678901234567890123456789012345678"), "12345678901234567890123456789012345678"),
        (Value::Real(0.1), "0.1"),
        (Value::Float(0.1), "0.1"),
        (Value::Float(1.0), "1"),
        (Value::Float(1e300), "1e300"),
        (Value::Float(f64::NAN), "null"),
        (Value::Real(f32::INFINITY), "null"),
        (Value::Date(date), "\"2026-02-03T00:00:00\""),
        (Value::DateTime(date, Time(0)), "\"2026-02-03T00:00:00\""),
        (Value::DateTime(date, Time(Time::DAY - 1)), "\"2026-02-03T23:59:59.9999999\""),
        (Value::DateTime(date, Time(45_296 * Time::SECOND + 1_230_000)), "\"2026-02-03T12:34:56.123\""),
        (Value::DateTimeOffset(date, Time(0), 600), "\"2026-02-03T00:00:00+10:00\""),
        (Value::DateTimeOffset(date, Time(0), -210), "\"2026-02-03T00:00:00-03:30\""),
        (Value::Time(Time(1)), "\"00:00:00.0000001\""),
        (Value::Time(Time(29_700 * Time::SECOND)), "\"08:15:00\""),
        (Value::Guid(guid), "\"abcdef00-1122-3344-5566-778899aabbcc\""),
        (Value::Binary(b"\x00\xff\x10\x80"), "\"AP8QgA==\""),
        (Value::Binary(b""), "\"\""),
        (Value::Text("Smith     "), "\"Smith     \""),
        (Value::Text("a\"b\\c\n\u{1}\u{7f}é🐨"), "\"a\\\"b\\\\c\\n\\u0001\u{7f}é🐨\""),
    ] {
        assert_eq!(one(value), json, "{value:?}");
        let mut text = String::new();
        text_of(&value, &mut text);
        match value {
            Value::Text(t) => assert_eq!(text, t),
            _ => assert_eq!(text, json.trim_matches('"')),
        }
    }
    let mut text = String::new();
    text_of(&Value::Null, &mut text);
    assert!(text.is_empty());
}

#[test]
fn a_made_name_passes_over_one_that_the_database_gave() {
    assert_eq!(unique_names(["a", "a", "a_1", "a"].into_iter()), ["a", "a_2", "a_1", "a_3"]);
    assert_eq!(unique_names(["", "Column1", ""].into_iter()), ["Column2", "Column1", "Column3"]);
    assert_eq!(unique_names(["A", "a"].into_iter()), ["A", "a"]);
}

#[test]
fn ten_mixed_columns_are_written_fast_enough_to_print() {
    let date = Date { year: 2026, month: 2, day: 3 };
    let row = [
        Value::Int(12_345),
        Value::Text("Papadopoulos"),
        Value::Text("12 Jacaranda St                         "),
        Value::DateTime(date, Time(0)),
        Value::Decimal("12.3400"),
        Value::Bit(true),
        Value::Float(0.1),
        Value::Null,
        Value::Int(29_700),
        Value::Text("0491 570 006"),
    ];
    let names = ["Id", "Surname", "Address1", "DOB", "Fee", "Active", "Score", "Note", "Time", "Mobile"];
    let mut writer = RowWriter::new(&columns(&names), RowForm::Lines);
    let mut out = Vec::with_capacity(1 << 20);
    let start = model::Clock::monotonic(&model::SystemClock);
    let rows = 300_000;
    for _ in 0..rows {
        if out.len() > 1_000_000 {
            out.clear();
        }
        writer.row(&row, &mut out);
    }
    let took = model::Clock::monotonic(&model::SystemClock) - start;
    println!("{:.0} rows/s", f64::from(rows) / took.as_secs_f64());
}

proptest! {
    #[test]
    fn any_text_reads_back(text in any::<String>()) {
        prop_assert_eq!(serde_json::from_str::<String>(&one(Value::Text(&text))).unwrap(), text);
    }

    #[test]
    fn any_bytes_of_control_and_quotes_read_back(bytes in proptest::collection::vec(0u8..128, 0..64)) {
        let text = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(serde_json::from_str::<String>(&one(Value::Text(&text))).unwrap(), text);
    }

    #[test]
    fn any_finite_float_reads_back_bit_for_bit(f in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
        prop_assert_eq!(one(Value::Float(f)).parse::<f64>().unwrap().to_bits(), f.to_bits());
        prop_assert!(serde_json::from_str::<serde_json::Value>(&one(Value::Float(f))).unwrap().is_number());
    }

    #[test]
    fn any_real_reads_back_as_real(f in any::<f32>().prop_filter("finite", |f| f.is_finite())) {
        prop_assert_eq!(one(Value::Real(f)).parse::<f32>().unwrap().to_bits(), f.to_bits());
    }

    #[test]
    fn any_decimal_text_gives_valid_json(text in "[+-]?[0-9]{0,40}\\.?[0-9]{0,10}([eE][+-]?[0-9]{0,2})?") {
        let json: Box<serde_json::value::RawValue> = serde_json::from_str(&one(Value::Decimal(&text))).unwrap();
        let digits = |s: &str| s.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>();
        if !json.get().starts_with('"') {
            let kept = digits(json.get());
            prop_assert!(digits(&text).ends_with(&kept[usize::from(kept.first() == Some(&b'0'))..]));
        }
    }

    #[test]
    fn names_come_out_unique_and_first_ones_unchanged(names in proptest::collection::vec("(a|b|Column[12]|a_[12]|a_1_1|)", 0..12)) {
        let made = unique_names(names.iter().map(String::as_str));
        prop_assert_eq!(made.len(), names.len());
        let set: std::collections::HashSet<_> = made.iter().collect();
        prop_assert_eq!(set.len(), made.len());
        for (i, name) in names.iter().enumerate() {
            if !name.is_empty() && !names[..i].contains(name) {
                prop_assert_eq!(&made[i], name);
            } else {
                prop_assert!(!names.contains(&made[i]), "made {} is a given name", made[i]);
            }
        }
        let mut out = Vec::new();
        let columns: Vec<_> = names.iter().map(|n| Column { name: n.clone(), type_name: String::new() }).collect();
        RowWriter::new(&columns, RowForm::Array).row(&vec![Value::Null; names.len()], &mut out);
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(object.len(), names.len());
    }
}
