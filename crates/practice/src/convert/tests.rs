//! Conversions that need types with a declared precision, or pairs of types that few statements have.

use super::*;

fn ty(name: &str, length: u32, scale: u32) -> Type {
    Type { length, scale, ..kind(name) }
}

fn go(value: impl Into<Value>, from: &str, to: Type, style: i64) -> Result<Value, i32> {
    let value = value.into();
    convert(ValueRef::from(&value), kind(from), to, style, false).map_err(|r| r.0)
}

fn text(value: &str, from: &str, to: Type) -> Result<Value, i32> {
    go(value.to_owned(), from, to, 0)
}

fn said(text: &str) -> Result<Value, i32> {
    Ok(Value::Text(text.to_owned()))
}

fn blob(bytes: &[u8]) -> Result<Value, i32> {
    Ok(Value::Blob(bytes.to_vec()))
}

#[test]
fn fractions_round_to_the_declared_precision() {
    let at = "2026-02-03T14:05:06.1267";
    assert_eq!(text(at, "varchar", ty("datetime2", 0, 2)), said("2026-02-03T14:05:06.13"));
    assert_eq!(text(at, "datetime2", ty("datetime2", 0, 3)), said("2026-02-03T14:05:06.127"));
    assert_eq!(text("2026-12-31T23:59:59.99", "varchar", ty("datetime2", 0, 1)), said("2027-01-01T00:00:00"));
    assert_eq!(text("23:59:59.99", "varchar", ty("time", 0, 1)), said("00:00:00"));
    assert_eq!(
        text("2026-02-03T14:05:06.55+10:00", "varchar", ty("datetimeoffset", 0, 1)),
        said("2026-02-03T14:05:06.6+10:00")
    );
    assert_eq!(text("9999-12-31T23:59:59.99", "varchar", ty("datetime2", 0, 1)), Err(242));
}

#[test]
fn text_shows_the_declared_precision() {
    let varchar = ty("varchar", 40, 0);
    assert_eq!(text("2026-02-03T14:05:06.5", "datetime2(3)", varchar), said("2026-02-03 14:05:06.500"));
    assert_eq!(text("14:05:06.5", "time(2)", varchar), said("14:05:06.50"));
    assert_eq!(
        text("2026-02-03T14:05:06+10:00", "datetimeoffset(1)", varchar),
        said("2026-02-03 14:05:06.0 +10:00")
    );
    assert_eq!(spelled(ty("datetime2", 0, 3)), "datetime2(3)");
    assert_eq!(spelled(ty("datetime", 0, 0)), "datetime");
}

#[test]
fn numbers_and_datetimes_are_days() {
    let datetime = Type::DATETIME;
    assert_eq!(go(0, "int", datetime, 0), said("1900-01-01T00:00:00"));
    assert_eq!(go(-1, "int", datetime, 0), said("1899-12-31T00:00:00"));
    assert_eq!(go(46054.5, "float", datetime, 0), said("2026-02-03T12:00:00"));
    assert_eq!(text("46054.25", "numeric", datetime), said("2026-02-03T06:00:00"));
    assert_eq!(text("-0.25", "numeric", datetime), said("1899-12-31T18:00:00"));
    assert_eq!(go(99_999_999, "int", datetime, 0), Err(8115));
    assert_eq!(go(1, "int", Type::DATE, 0), Err(529));
    assert_eq!(text("2026-02-03T11:59:59", "datetime", Type::INT), Ok(Value::Integer(46054)));
    assert_eq!(text("2026-02-03T12:00:00", "datetime", Type::INT), Ok(Value::Integer(46055)));
    assert_eq!(text("2026-02-03T06:00:00", "datetime", Type::FLOAT), Ok(Value::Real(46054.25)));
    assert_eq!(text("2026-02-03T06:00:00", "datetime", ty("decimal", 9, 3)), said("46054.250"));
    assert_eq!(text("1900-01-01T00:00:00", "datetime", Type::BIT), Ok(Value::Integer(0)));
    assert_eq!(text("2026-02-03", "date", Type::INT), Err(529));
}

#[test]
fn binary_has_the_highest_byte_first() {
    let varbinary = ty("varbinary", 30, 0);
    assert_eq!(go(258, "int", varbinary, 0), blob(&[0, 0, 1, 2]));
    assert_eq!(go(258, "int", ty("varbinary", 1, 0), 0), blob(&[2]));
    assert_eq!(go(258, "int", ty("binary", 6, 0), 0), blob(&[0, 0, 0, 0, 1, 2]));
    assert_eq!(go(-1, "bigint", varbinary, 0), blob(&[0xFF; 8]));
    assert_eq!(go(1, "bit", varbinary, 0), blob(&[1]));
    assert_eq!(go(1.0, "float", varbinary, 0), blob(&[0x3F, 0xF0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(text("1.0000", "money", varbinary), blob(&[0, 0, 0, 0, 0, 0, 0x27, 0x10]));
    assert_eq!(text("1.0", "numeric", varbinary), Err(102));
    assert_eq!(text("abc", "varchar", varbinary), blob(b"abc"));
    assert_eq!(text("é€", "varchar", varbinary), blob(&[0xE9, 0x80]));
    assert_eq!(text("ab", "nvarchar", varbinary), blob(&[0x61, 0, 0x62, 0]));
    assert_eq!(text("abcd", "varchar", ty("varbinary", 2, 0)), blob(b"ab"));
    assert_eq!(text("ab", "varchar", ty("binary", 4, 0)), blob(b"ab\0\0"));
    assert_eq!(go("0x0A1b".to_owned(), "varchar", varbinary, 1), blob(&[0x0A, 0x1B]));
    assert_eq!(go("0A1B".to_owned(), "varchar", varbinary, 2), blob(&[0x0A, 0x1B]));
    assert_eq!(go("0A1B".to_owned(), "varchar", varbinary, 1), Err(8114));
    assert_eq!(go("0A1".to_owned(), "varchar", varbinary, 2), Err(8114));
    assert_eq!(go(vec![1u8, 2], "varbinary", Type::INT, 0), Ok(Value::Integer(258)));
    assert_eq!(go(vec![9u8, 0, 0, 1, 2], "varbinary", Type::INT, 0), Ok(Value::Integer(258)));
    assert_eq!(go(vec![0xFFu8; 4], "varbinary", Type::INT, 0), Ok(Value::Integer(-1)));
    assert_eq!(go(vec![1u8], "varbinary", Type::FLOAT, 0), Err(529));
    let moment = "2026-02-03T14:05:06.007";
    let bytes = match text(moment, "datetime", varbinary) {
        Ok(Value::Blob(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(go(bytes, "varbinary", Type::DATETIME, 0), said(moment));
    let guid = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
    let bytes = text(guid, "uniqueidentifier", varbinary);
    assert_eq!(
        bytes,
        blob(&[0xFF, 0x19, 0x96, 0x6F, 0x86, 0x8B, 0x11, 0xD0, 0xB4, 0x2D, 0, 0xC0, 0x4F, 0xC9, 0x64, 0xFF])
    );
    assert_eq!(bytes.and_then(|b| go(b, "varbinary", Type::GUID, 0)), said(guid));
}

#[test]
fn an_assignment_refuses_what_a_cast_cuts() {
    let strict =
        |value: &str| convert(ValueRef::Text(value.as_bytes()), Type::VARCHAR, ty("varchar", 3, 0), 0, true);
    assert_eq!(strict("abc  ").unwrap(), Value::Text("abc".to_owned()));
    let raised = strict("abcd").unwrap_err();
    assert_eq!(
        (raised.0, raised.1.as_str()),
        (2628, "String or binary data would be truncated. Truncated value: 'abc'.")
    );
}

#[test]
fn the_matrix_has_its_holes() {
    assert!(castable(Type::INT, Type::DATETIME) && !castable(Type::INT, Type::DATETIME2));
    assert!(castable(Type::DATETIME, Type::FLOAT) && !castable(Type::DATE, Type::INT));
    assert!(castable(Type::DATETIME, Type::TIME) && !castable(Type::DATE, Type::TIME));
    assert!(castable(Type::BINARY, Type::INT) && !castable(Type::BINARY, Type::FLOAT));
    assert!(!castable(Type::GUID, Type::INT) && castable(Type::VARCHAR, Type::GUID));
}
