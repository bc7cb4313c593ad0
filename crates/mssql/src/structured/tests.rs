use super::*;
use proptest::prelude::*;

fn told(name: &str, kind: &str, size: i32, precision: u8, scale: u8, filled: bool) -> TableColumn {
    let row = [
        name,
        kind,
        &size.to_string(),
        &precision.to_string(),
        &scale.to_string(),
        if filled { "1" } else { "0" },
    ];
    column(&row.map(|cell| Some(cell.to_owned()))).unwrap()
}

fn columns_of_all_kinds() -> Vec<TableColumn> {
    vec![
        told("Id", "int", 4, 10, 0, false),
        told("Amount", "numeric", 9, 10, 2, false),
        told("Name", "nvarchar", 20, 0, 0, false),
        told("Code", "char", 3, 0, 0, false),
        told("Long", "varchar", -1, 0, 0, false),
        told("At", "datetime2", 8, 22, 2, false),
        told("Bytes", "varbinary", 4, 0, 0, false),
        told("Row", "bigint", 8, 19, 0, true),
    ]
}

fn parameter() -> Parameter {
    Parameter {
        name: "@t".into(),
        direction: Direction::Input,
        kind: ParameterType::Structured,
        value: None,
        size: None,
        type_name: Some("dbo.T".into()),
    }
}

fn read(text: &str) -> Result<TvpTableData, String> {
    table(&parameter(), text, &columns_of_all_kinds(), &SqlCollation::default()).map_err(|failure| {
        match failure {
            Failure::Parameter { name, expected } => {
                assert_eq!(name, "@t");
                expected
            }
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn rows_are_arrays_or_objects_and_each_cell_has_its_columns_own_type() {
    let one = r#"[[1, 2.5, "é😀", "ab", "x", "2026-02-03T08:15:00.126", "AAE="]]"#;
    let other = r#"[{"id":"1","AMOUNT":"2.50","name":"é😀","Code":"ab","long":"x","at":"2026-02-03 08:15:00.13","bytes":"0x0001"}]"#;
    let (one, other) = (read(one).unwrap(), read(other).unwrap());
    assert_eq!(one, other);
    assert_eq!(one.columns.len(), 8);
    assert_eq!((one.columns[1].precision, one.columns[1].scale), (Some(10), Some(2)));
    assert!(one.columns[7].flags.contains(TvpColumnFlags::DEFAULT));
    assert_eq!(one.rows[0][0], SqlType::Int(Some(1)));
    assert!(matches!(one.rows[0][2], SqlType::NVarchar(Some(_), 10)));
    assert!(matches!(one.rows[0][3], SqlType::Char(Some(_), 3)));
    assert!(matches!(one.rows[0][4], SqlType::VarcharMax(Some(_))));
    assert_eq!(one.rows[0][7], SqlType::BigInt(None));
    for (row, definition) in one.rows[0].iter().zip(&one.columns) {
        assert_eq!(std::mem::discriminant(row), std::mem::discriminant(&definition.column_type));
    }
}

#[test]
fn nulls_missing_keys_and_no_rows_are_taken() {
    assert_eq!(read("[]").unwrap().rows.len(), 0);
    let rows = read(r#"[{}, {"Id": null}, [null, null, null, null, null, null, null, null]]"#).unwrap().rows;
    assert!(rows.iter().all(|row| *row == rows[0]) && rows[0][0] == SqlType::Int(None));
}

#[test]
fn what_does_not_fit_is_told_by_row_and_column_and_never_quoted() {
    for (text, wanted) in [
        ("{}", "a JSON array of rows"),
        ("[1]", "row 1"),
        ("[[1, 2]]", "7 values"),
        (r#"[{}, {"Id": "hunter2"}]"#, "row 2, column Id: Int"),
        (r#"[{"Nothing": "hunter2"}]"#, "no column"),
        (r#"[{"Name": "hunter2hunter2"}]"#, "column Name: at most 10 characters"),
        (r#"[{"Bytes": "AAECAwQF"}]"#, "column Bytes: at most 4 bytes"),
        (r#"[{"Amount": "123456789.5"}]"#, "column Amount: decimal(10,2)"),
    ] {
        let expected = read(text).unwrap_err();
        assert!(expected.contains(wanted) && !expected.contains("hunter2"), "{text}: {expected}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader_of_tables(text in r#"(\[|\]|\{|\}|,|:|"Id"|"Name"|1|2\.5|null|"x"|"2026-02-03"| ){0,24}"#) {
        let _ = read(&text);
    }
}
