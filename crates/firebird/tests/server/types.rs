//! Every type, both ways.

use crate::kit::*;
use database::{Done, Failure, Session, Terms};
use model::{Access, Parameter, ParameterType as P};

/// What a value looks like, and what its type is called.
fn shown(session: &mut dyn Session, expression: &str) -> (String, String) {
    let (taken, _) =
        run(session, &command(&format!("select {expression} as V from RDB$DATABASE"), vec![])).unwrap();
    let value = taken.rows[0].trim_start_matches("{\"V\":").trim_end_matches('}').to_owned();
    (value, taken.columns[0].type_name.clone())
}

#[test]
fn values_come_out_exact_and_with_firebirds_own_type_names() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    for (expression, value, name) in [
        ("cast(-32768 as smallint)", "-32768", "SMALLINT"),
        ("cast(2147483647 as integer)", "2147483647", "INTEGER"),
        ("cast(-9223372036854775808 as bigint)", "-9223372036854775808", "BIGINT"),
        ("cast(99999999999999.1234 as numeric(18,4))", "99999999999999.1234", "NUMERIC"),
        ("cast(-0.05 as numeric(4,2))", "-0.05", "NUMERIC"),
        ("cast(1234567.89 as decimal(9,2))", "1234567.89", "DECIMAL"),
        ("cast(-922337203685477.5808 as decimal(18,4))", "-922337203685477.5808", "DECIMAL"),
        ("cast(1.5 as float)", "1.5", "FLOAT"),
        ("cast(0.1 as double precision)", "0.1", "DOUBLE PRECISION"),
        ("cast('0001-01-01' as date)", "\"0001-01-01T00:00:00\"", "DATE"),
        ("cast('9999-12-31' as date)", "\"9999-12-31T00:00:00\"", "DATE"),
        ("cast('23:59:59.9999' as time)", "\"23:59:59.9999\"", "TIME"),
        ("cast('2026-02-03 08:15:00.1234' as timestamp)", "\"2026-02-03T08:15:00.1234\"", "TIMESTAMP"),
        ("cast('a  ' as char(5))", "\"a    \"", "CHAR"),
        ("cast('é€' as char(3) character set utf8)", "\"é€ \"", "CHAR"),
        ("cast('a ' as varchar(5))", "\"a \"", "VARCHAR"),
        ("cast(_utf8 'Ωß€😀' as varchar(9) character set utf8)", "\"Ωß€😀\"", "VARCHAR"),
        ("true", "true", "BOOLEAN"),
        ("cast(null as boolean)", "null", "BOOLEAN"),
        ("cast(x'00FF10' as char(3) character set octets)", "\"AP8Q\"", "CHAR"),
        ("cast(_none x'4DFC6C80' as varchar(9) character set none)", "\"Mül€\"", "VARCHAR"),
        ("cast(_none x'4DC3BC' as varchar(9) character set none)", "\"Mü\"", "VARCHAR"),
        ("cast('long' as blob sub_type text)", "\"long\"", "BLOB SUB_TYPE TEXT"),
        ("cast(x'00FF10' as blob sub_type binary)", "\"AP8Q\"", "BLOB"),
    ] {
        assert_eq!(shown(session.as_mut(), expression), (value.to_owned(), name.to_owned()), "{expression}");
    }
}

#[test]
fn text_of_other_character_sets_and_blobs_come_as_they_were_written() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    assert_eq!(
        rows(
            session.as_mut(),
            "select NOTES, LEGACY_NAME, BALANCE, DATE_OF_BIRTH from PATIENTS where PATIENT_ID = 1"
        ),
        [
            r#"{"NOTES":"Allergies: none €","LEGACY_NAME":"Müller","BALANCE":-12.3456,"DATE_OF_BIRTH":"1958-11-17T00:00:00"}"#
        ]
    );
    let key = rows(session.as_mut(), "select RDB$DB_KEY from PATIENTS where PATIENT_ID = 1");
    assert_eq!(key[0].len(), r#"{"DB_KEY":"AAAAAAAAAAA="}"#.len(), "eight bytes: {}", key[0]);
}

fn back(session: &mut dyn Session, kind: &str, given: Parameter) -> Result<String, Failure> {
    let text = format!("select cast(@v as {kind}) as V from RDB$DATABASE");
    let (taken, _) = run(session, &command(&text, vec![given]))?;
    Ok(taken.rows[0].trim_start_matches("{\"V\":").trim_end_matches('}').to_owned())
}

#[test]
fn parameters_of_every_published_type_arrive_as_they_were_given() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    for (published, given, kind, value) in [
        (P::TinyInt, "255", "smallint", "255"),
        (P::SmallInt, "-32768", "smallint", "-32768"),
        (P::Int, "2147483647", "integer", "2147483647"),
        (P::BigInt, "-9223372036854775808", "bigint", "-9223372036854775808"),
        (P::Decimal, "99999999999999.1234", "numeric(18,4)", "99999999999999.1234"),
        (P::Decimal, "-0.01", "numeric(4,2)", "-0.01"),
        (P::Money, "$1,234.5", "decimal(9,2)", "1234.50"),
        (P::SmallMoney, "-1.25", "numeric(9,4)", "-1.2500"),
        (P::Float, "12.1", "numeric(9,2)", "12.10"),
        (P::Float, "0.1", "double precision", "0.1"),
        (P::Real, "1.5", "float", "1.5"),
        (P::Bit, "true", "boolean", "true"),
        (P::Bit, "1", "smallint", "1"),
        (P::Date, "2026-02-03", "date", "\"2026-02-03T00:00:00\""),
        (P::Date, "0001-01-01", "timestamp", "\"0001-01-01T00:00:00\""),
        (P::DateTime, "2026-02-03T00:00:00", "date", "\"2026-02-03T00:00:00\""),
        (P::DateTime, "2026-02-03T08:15:00.123", "timestamp", "\"2026-02-03T08:15:00.123\""),
        (P::DateTime2, "9999-12-31T23:59:59.9999999", "timestamp", "\"9999-12-31T23:59:59.9999\""),
        (P::SmallDateTime, "2026-02-03T08:15:00", "timestamp", "\"2026-02-03T08:15:00\""),
        (P::Time, "23:59:59.12345", "time", "\"23:59:59.1235\""),
        (P::NVarChar, "12.5", "numeric(9,2)", "12.50"),
        (P::NVarChar, "2026-02-03", "date", "\"2026-02-03T00:00:00\""),
        (P::NVarChar, "2026-02-03 08:15", "timestamp", "\"2026-02-03T08:15:00\""),
        (P::NVarChar, "08:15", "time", "\"08:15:00\""),
        (P::NVarChar, "TRUE", "boolean", "true"),
        (P::NVarChar, "it's €😀", "varchar(20) character set utf8", "\"it's €😀\""),
        (P::Char, "a ", "char(3)", "\"a  \""),
        (P::VarChar, "Mül€", "varchar(9) character set none", "\"Mül€\""),
        (P::Text, "long", "blob sub_type text", "\"long\""),
        (P::NText, "€", "blob sub_type text character set utf8", "\"€\""),
        (P::Xml, "<a/>", "varchar(9)", "\"<a/>\""),
        (P::Variant, "x", "varchar(9)", "\"x\""),
        (P::String, "x", "varchar(9)", "\"x\""),
        (P::Int, "12", "varchar(9)", "\"12\""),
        (P::Binary, "AP8Q", "char(3) character set octets", "\"AP8Q\""),
        (P::VarBinary, "0x00FF10", "blob sub_type binary", "\"AP8Q\""),
        (P::Image, "AP8Q", "blob sub_type binary", "\"AP8Q\""),
        (P::Timestamp, "AAAAAAAAB9E=", "char(8) character set octets", "\"AAAAAAAAB9E=\""),
        (
            P::UniqueIdentifier,
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "varchar(36)",
            "\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"",
        ),
        (
            P::UniqueIdentifier,
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "char(16) character set octets",
            "\"b5YZ/4uG0BG0LQDAT8lk/w==\"",
        ),
        (P::DateTimeOffset, "2026-02-03T08:15:00+10:00", "varchar(40)", "\"2026-02-03 08:15:00 +10:00\""),
    ] {
        let made = back(session.as_mut(), kind, parameter("@v", published, given));
        assert_eq!(made, Ok(value.to_owned()), "{published:?} {given} as {kind}");
    }
    for kind in ["smallint", "numeric(18,4)", "date", "varchar(3)", "blob sub_type text", "boolean"] {
        assert_eq!(back(session.as_mut(), kind, null("@v", P::Int)), Ok("null".to_owned()), "{kind}");
    }
}

#[test]
fn a_value_that_would_lose_anything_is_refused_and_never_quoted() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    for (published, given, kind) in [
        (P::Int, "32768", "smallint"),
        (P::Decimal, "1.005", "numeric(9,2)"),
        (P::Decimal, "92233720368547758.08", "bigint"),
        (P::BigInt, "9223372036854775807", "numeric(18,2)"),
        (P::NVarChar, "twelve", "integer"),
        (P::Float, "1e300", "float"),
        (P::DateTime, "2026-02-03T08:15:00", "date"),
        (P::DateTimeOffset, "2026-02-03T08:15:00+10:00", "timestamp"),
        (P::Int, "2", "boolean"),
        (P::VarChar, "Ω", "varchar(9) character set none"),
        (P::Binary, "AP8Q", "varchar(9)"),
        (P::Int, "x", "integer"),
        (P::Structured, "[]", "integer"),
        (P::Udt, "AP8Q", "integer"),
        (P::DateTime2, "2026-02-03T08:15:00", "time"),
    ] {
        match back(session.as_mut(), kind, parameter("@v", published, given)) {
            Err(Failure::Parameter { name, expected }) => {
                assert_eq!(name, "@v");
                assert!(!expected.contains(given) || given == "x" || given == "2", "{expected}");
            }
            other => panic!("{published:?} {given} as {kind}: {other:?}"),
        }
    }
    let long = "x".repeat(32_766);
    let refused = back(session.as_mut(), "varchar(10)", parameter("@v", P::NVarChar, &long));
    assert!(matches!(refused, Err(Failure::Parameter { .. })));
    assert_eq!(
        rows(session.as_mut(), "select 1 as ONE from RDB$DATABASE"),
        [r#"{"ONE":1}"#],
        "the session goes on"
    );
}

#[test]
fn more_columns_than_one_answer_describes_all_come() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    let columns: Vec<_> = (0..1200).map(|i| format!("{i} as A_COLUMN_WITH_A_LONG_NAME_{i}")).collect();
    let found = rows(session.as_mut(), &format!("select {} from RDB$DATABASE", columns.join(", ")));
    assert!(found[0].ends_with("\"A_COLUMN_WITH_A_LONG_NAME_1199\":1199}"));
    let names: Vec<_> = (0..600).map(|i| format!("cast(@p as integer) + {i}")).collect();
    let text = format!("select {} from RDB$DATABASE", names.join(", "));
    let (taken, _) = run(session.as_mut(), &command(&text, vec![parameter("@p", P::Int, "1")])).unwrap();
    assert!(taken.rows[0].ends_with(":600}"));
}

#[test]
fn blobs_larger_than_a_piece_come_in_parts_and_go_in_whole() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let text: String =
        (0..60_000).map(|i| if i % 7 == 0 { 'é' } else { char::from(b'a' + (i % 26) as u8) }).collect();
    let done = run(
        session.as_mut(),
        &command(
            "update PATIENTS set NOTES = @n, PHOTO = @p where PATIENT_ID = 2",
            vec![
                parameter("@n", P::NText, &text),
                parameter("@p", P::Image, &format!("0x{}", "00FF".repeat(100_000))),
            ],
        ),
    );
    assert_eq!(done.unwrap().1, Done { rows_affected: Some(1), outputs: vec![] });
    let (taken, _) = run(
        session.as_mut(),
        &command("select PATIENT_ID, NOTES, SEX, PHOTO, BALANCE from PATIENTS order by 1", vec![]),
    )
    .unwrap();
    assert!(taken.parts > 6);
    let all: Vec<serde_json::Value> =
        taken.rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(all[1]["NOTES"], text);
    let photo =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, all[1]["PHOTO"].as_str().unwrap());
    assert_eq!(photo.unwrap(), [0, 255].repeat(100_000));
    assert_eq!((&all[1]["SEX"], &all[1]["PATIENT_ID"]), (&"M".into(), &2.into()));
    assert_eq!((&all[0]["NOTES"], &all[2]["NOTES"]), (&"Allergies: none €".into(), &serde_json::Value::Null));
    let mut count = Taken { enough_after: Some(1), ..Taken::default() };
    session
        .run(
            &command("select PHOTO from PATIENTS where PATIENT_ID = 2", vec![]),
            &Terms::default(),
            &mut count,
        )
        .unwrap();
    assert_eq!(count.rows.len(), 1);
}
