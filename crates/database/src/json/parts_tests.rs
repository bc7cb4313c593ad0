//! However a value is cut into pieces, the row is the same as when it came whole.

use super::*;
use crate::Part;
use proptest::prelude::*;

fn writer() -> RowWriter {
    let columns = ["a", "b"].map(|name| Column { name: name.to_owned(), type_name: String::new() });
    RowWriter::new(&columns, RowForm::Lines)
}

fn in_parts(parts: &[Part<'_>]) -> String {
    let (mut writer, mut out) = (writer(), Vec::new());
    let whole = parts.iter().filter(|part| writer.part(**part, &mut out)).count();
    assert_eq!(whole, 1);
    String::from_utf8(out).unwrap()
}

fn whole(values: &[Value<'_>]) -> String {
    let (mut writer, mut out) = (writer(), Vec::new());
    writer.row(values, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn nothing_at_all_is_an_empty_text_and_a_missing_column_null() {
    assert_eq!(in_parts(&[Part::EndOfValue, Part::EndOfRow]), "{\"row\":{\"a\":\"\",\"b\":null}}\n");
    assert_eq!(in_parts(&[Part::EndOfRow]), "{\"row\":{\"a\":null,\"b\":null}}\n");
}

proptest! {
    #[test]
    fn text_and_bytes_may_be_cut_anywhere(
        texts in proptest::collection::vec(any::<String>(), 0..6),
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
    ) {
        let mut parts: Vec<_> = texts.iter().map(|t| Part::Text(t)).collect();
        parts.push(Part::EndOfValue);
        parts.extend(pieces.iter().map(|p| Part::Binary(p)));
        parts.extend([Part::EndOfValue, Part::EndOfRow]);
        let (text, bytes) = (texts.concat(), pieces.concat());
        prop_assert_eq!(in_parts(&parts), whole(&[Value::Text(&text), Value::Binary(&bytes)]));
        let mixed = [Part::Value(Value::Int(1)), Part::Text(&text), Part::EndOfValue, Part::EndOfRow];
        prop_assert_eq!(in_parts(&mixed), whole(&[Value::Int(1), Value::Text(&text)]));
    }
}
