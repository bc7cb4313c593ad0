//! Parameters: every published type both ways, sizes, directions, large values, and what is refused.

use super::common::{both, input, number, output, outputs, procedure, rows, run, site, with};
use database::Failure;
use model::{Command, Direction, Parameter, ParameterType as P};

/// Low and high ends of a type as texts, how they come back, and the type's name on the server.
const ENDS: &[(P, &str, &str, &str, &str, &str)] = &[
    (
        P::BigInt,
        "-9223372036854775808",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775807",
        "bigint",
    ),
    (P::Binary, "AA==", "AAH/", "AA==", "AAH/", "binary"),
    (P::Bit, "false", "1", "false", "true", "bit"),
    (P::Char, "", "é", " ", "é", "char"),
    (P::String, "", "naïve 😀", "", "naïve 😀", "nvarchar"),
    (P::Date, "0001-01-01", "9999-12-31", "0001-01-01T00:00:00", "9999-12-31T00:00:00", "date"),
    (
        P::DateTime,
        "1753-01-01",
        "9999-12-31 23:59:59.997",
        "1753-01-01T00:00:00",
        "9999-12-31T23:59:59.997",
        "datetime",
    ),
    (
        P::DateTime2,
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59.9999999",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59.9999999",
        "datetime2",
    ),
    (
        P::DateTimeOffset,
        "0001-01-01T14:00:00+14:00",
        "9999-12-31T09:59:59.9999999-14:00",
        "0001-01-01T14:00:00+14:00",
        "9999-12-31T09:59:59.9999999-14:00",
        "datetimeoffset",
    ),
    (
        P::Decimal,
        "-99999999999999999999999999999999999999",
        "0.1234567890",
        "-99999999999999999999999999999999999999",
        "0.1234567890",
        "decimal",
    ),
    (P::Float, "-2.25", "1.7976931348623157e308", "-2.25", "1.7976931348623157e308", "float"),
    (P::Image, "", "AP8=", "", "AP8=", "varbinary"),
    (P::Int, "-2147483648", "2147483647", "-2147483648", "2147483647", "int"),
    (
        P::Money,
        "-922337203685477.5808",
        "922337203685477.5807",
        "-922337203685477.5808",
        "922337203685477.5807",
        "money",
    ),
    (P::NChar, "", "日", " ", "日", "nchar"),
    (P::NText, "", "日本", "", "日本", "nvarchar"),
    (P::NVarChar, "", "Grüße 日本 😀", "", "Grüße 日本 😀", "nvarchar"),
    (P::Real, "-1.5", "0.1", "-1.5", "0.1", "real"),
    (
        P::SmallDateTime,
        "1900-01-01",
        "2079-06-06T23:59",
        "1900-01-01T00:00:00",
        "2079-06-06T23:59:00",
        "smalldatetime",
    ),
    (P::SmallInt, "-32768", "32767", "-32768", "32767", "smallint"),
    (P::SmallMoney, "-214748.3648", "214748.3647", "-214748.3648", "214748.3647", "smallmoney"),
    (P::Text, "", "long é", "", "long é", "varchar"),
    (P::Time, "00:00:00", "23:59:59.9999999", "00:00:00", "23:59:59.9999999", "time"),
    (P::Timestamp, "AAAAAAAAAAE=", "//////////8=", "AAAAAAAAAAE=", "//////////8=", "binary"),
    (P::TinyInt, "0", "255", "0", "255", "tinyint"),
    (
        P::UniqueIdentifier,
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "uniqueidentifier",
    ),
    (P::VarBinary, "", "AAH/", "", "AAH/", "varbinary"),
    (P::VarChar, "", "O'Brien, Zoë", "", "O'Brien, Zoë", "varchar"),
    (P::Variant, "x", "any 日", "x", "any 日", "sql_variant"),
    (P::Xml, "<a/>", "<a b=\"日\">c</a>", "<a/>", "<a b=\"日\">c</a>", "xml"),
];

#[test]
fn the_ends_of_every_type_and_null_go_in_and_come_out_of_a_statement() {
    let site = site();
    let mut session = site.writer();
    assert_eq!(ENDS.len(), 30, "all but Structured and Udt");
    for (kind, low, high, low_back, high_back, type_name) in ENDS {
        for (value, back) in [(Some(*low), Some(*low_back)), (Some(*high), Some(*high_back)), (None, None)] {
            let command = with("SELECT @p AS p", vec![input("@p", *kind, value)]);
            let mut taken = super::common::Taken::default();
            session.run(&command, &database::Terms::default(), &mut taken).unwrap();
            let told: serde_json::Value = serde_json::from_str(&taken.told[1]).unwrap();
            let told = match &told["p"] {
                serde_json::Value::Null => None,
                serde_json::Value::String(text) => Some(text.clone()),
                _ => Some(taken.told[1].trim_start_matches("{\"p\":").trim_end_matches('}').to_owned()),
            };
            assert_eq!(told.as_deref(), back, "{kind:?}");
            // The demo practice has no type of its own for a variant.
            if *kind != P::Variant || taken.types[0] != "nvarchar" {
                assert_eq!(taken.types[0], *type_name, "{kind:?}");
            }
        }
    }
}

#[test]
fn the_ends_of_every_type_and_null_come_back_in_outputs() {
    let site = site();
    let mut session = site.writer();
    for (kind, low, high, low_back, high_back, _) in ENDS {
        for (value, back) in [(Some(*low), *low_back), (Some(*high), *high_back), (None, "-")] {
            let command = with("SELECT 1 AS one", vec![both("@p", *kind, value)]);
            let (_, done) = run(&mut *session, &command).unwrap();
            // What is of a fixed length has room for any when no size says how much.
            let back = if matches!(kind, P::Char | P::NChar) { value.unwrap_or("-") } else { back };
            assert_eq!(outputs(&done), [back], "{kind:?}");
            assert_eq!(done.outputs[0].kind, *kind);
        }
        // Set by the statement.
        if !matches!(kind, P::Xml | P::Variant) {
            let command = with("SET @o = @i", vec![input("@i", *kind, Some(high)), output("@o", *kind)]);
            let (_, done) = run(&mut *session, &command).unwrap();
            let given = outputs(&done).remove(0);
            assert_eq!(given.trim_end(), *high_back, "{kind:?}");
            assert_eq!(done.outputs[0].parameter, 1);
        }
    }
}

#[test]
fn a_decimal_keeps_its_digits_and_comes_back_with_ten_behind_the_point_or_more() {
    let site = site();
    let mut session = site.writer();
    let command = with(
        "SET @o = 12.5; SET @b = 2.123456789012",
        vec![output("@o", P::Decimal), both("@b", P::Decimal, Some("1.123456789012"))],
    );
    let (_, done) = run(&mut *session, &command).unwrap();
    assert_eq!(outputs(&done), ["12.5000000000", "2.123456789012"]);
    let command = with("SELECT @d AS d", vec![input("@d", P::Decimal, Some("12.3400"))]);
    assert_eq!(run(&mut *session, &command).unwrap().0[1], r#"{"d":12.3400}"#);
}

#[test]
fn a_procedure_is_called_by_name_with_inputs_outputs_and_its_return_value() {
    let site = site();
    let mut session = site.writer();
    let status = Parameter { direction: Direction::ReturnValue, ..input("@RETURN_VALUE", P::Int, None) };
    let command = procedure(
        "dbo.DEMO_Echo",
        vec![
            output("@twice", P::Money),
            status,
            // Without its sign, and in another order than the procedure's.
            input("number", P::Int, Some("-21")),
            input("@money", P::Money, Some("1.25")),
            input("@text", P::NVarChar, Some("o'brien Ω")),
            output("@upper", P::NVarChar),
            output("@Doubled", P::Int),
        ],
    );
    let (told, done) = run(&mut *session, &command).unwrap();
    assert_eq!(told, ["Number,Text,Money", r#"{"Number":-21,"Text":"o'brien Ω","Money":1.2500}"#]);
    assert_eq!(outputs(&done), ["2.5000", "7", "O'BRIEN Ω", "-42"]);
    let places: Vec<_> = done.outputs.iter().map(|o| o.parameter).collect();
    assert_eq!(places, [0, 1, 5, 6]);
    let missing = procedure("DEMO_Echo", vec![]);
    assert_eq!(number(run(&mut *session, &missing)), 201);
}

#[test]
fn twenty_megabytes_travel_in_out_and_both_ways() {
    let site = site();
    let mut session = site.writer();
    let long = "naïve Ω ".repeat(20 * 1024 * 1024 / 10);
    let command = procedure(
        "DEMO_Echo",
        vec![
            input("@number", P::Int, Some("1")),
            input("@text", P::NVarChar, Some(&long)),
            input("@money", P::Money, Some("1")),
            output("@upper", P::NVarChar),
        ],
    );
    let (_, done) = run(&mut *session, &command).unwrap();
    assert!(outputs(&done)[0] == long.to_uppercase());
    let both_ways = with("SET @b = @b + N'!'", vec![both("@b", P::NVarChar, Some(&long))]);
    let (_, done) = run(&mut *session, &both_ways).unwrap();
    assert!(outputs(&done)[0].len() == long.len() + 1);
    // Past the 8,000 bytes and 4,000 characters where others fail, as narrow text and bytes too.
    for (kind, value) in
        [(P::VarChar, "y".repeat(9000)), (P::VarBinary, "QUJD".repeat(9000)), (P::Text, "z".repeat(9000))]
    {
        let (_, done) =
            run(&mut *session, &with("SELECT 1 AS a", vec![both("@b", kind, Some(&value))])).unwrap();
        assert!(outputs(&done)[0] == value, "{kind:?}");
    }
}

fn sized(mut parameter: Parameter, size: u32) -> Parameter {
    parameter.size = Some(size);
    parameter
}

#[test]
fn a_size_cuts_what_is_longer_at_whole_characters_and_declares_what_comes_back() {
    let site = site();
    let mut session = site.writer();
    for (kind, value, size, back) in [
        (P::VarChar, "abcdef", 3, "abc"),
        (P::VarChar, "éàü", 2, "éà"),
        (P::NVarChar, "abcdef", 6, "abc"),
        (P::NVarChar, "ab😀", 6, "ab"),
        (P::NVarChar, "ab", 60, "ab"),
        (P::String, "abcdef", 7, "abc"),
        (P::Char, "ab", 4, "ab  "),
        (P::NChar, "ab", 8, "ab  "),
        (P::VarBinary, "AAECAwQ=", 2, "AAE="),
        (P::Binary, "AAE=", 4, "AAEAAA=="),
        (P::VarChar, "abcdef", 20_000, "abcdef"),
        (P::VarChar, "abcdef", 0, "abcdef"),
        (P::VarChar, "abcdef", u32::MAX, "abcdef"),
    ] {
        let command = with("SELECT 1 AS a", vec![sized(both("@p", kind, Some(value)), size)]);
        let (_, done) = run(&mut *session, &command).unwrap();
        assert_eq!(outputs(&done), [back], "{kind:?} {value} {size}");
    }
    let command = with("SET @o = 'abcdefghij'", vec![sized(output("@o", P::VarChar), 4)]);
    assert_eq!(outputs(&run(&mut *session, &command).unwrap().1), ["abcd"]);
}

fn refused(command: &Command) -> (String, String) {
    let site = site();
    let mut session = site.writer();
    match run(&mut *session, command) {
        Err(Failure::Parameter { name, expected }) => {
            // Nothing was sent, and the session goes on.
            assert_eq!(rows(&mut *session, "SELECT 1 AS a"), [r#"{"a":1}"#]);
            (name, expected)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_type_can_not_hold_is_refused_by_name_and_never_quoted() {
    let (name, expected) = refused(&with("SELECT @n", vec![input("@n", P::Int, Some("hunter2"))]));
    assert!(name == "@n" && expected.starts_with("Int:") && !expected.contains("hunter2"));
    refused(&with("SELECT @n", vec![input("@n", P::DateTime, Some("9999-12-31T23:59:59.999"))]));
    refused(&with("SELECT @n", vec![input("@n", P::SmallDateTime, Some("2079-06-06T23:59:45"))]));
    refused(&with("SELECT @n", vec![input("@n", P::DateTimeOffset, Some("0001-01-01T00:00:00+14:00"))]));
    refused(&with("SELECT @n", vec![input("@n", P::Variant, Some(&"x".repeat(4001)))]));
    refused(&with("SELECT 1", vec![input("@n int; DROP TABLE PATIENTS; --", P::Int, Some("1"))]));
    refused(&with("SELECT 1", vec![input("@naïve", P::Int, Some("1"))]));
    refused(&with("SELECT 1", vec![input("@t", P::Structured, Some("[]"))]));
    refused(&with(
        "SELECT 1",
        vec![Parameter { type_name: Some("a]b".into()), ..input("@t", P::Udt, None) }],
    ));
    refused(&with(
        "SELECT 1",
        vec![Parameter { type_name: Some("dbo.T".into()), ..both("@t", P::Structured, None) }],
    ));
}
