//! Tables and types of the database's own as parameters.

use super::common::{input, procedure, run, site, with};
use database::{Failure, Session};
use model::{Parameter, ParameterType as P};

fn table(type_name: &str, value: Option<&str>) -> Parameter {
    Parameter { type_name: Some(type_name.to_owned()), ..input("@rows", P::Structured, value) }
}

fn listed(session: &mut dyn Session, value: Option<&str>) -> Vec<String> {
    run(session, &procedure("DEMO_List", vec![table("dbo.DEMO_IdList", value)])).unwrap().0
}

#[test]
fn a_table_goes_to_a_procedure_as_arrays_as_objects_empty_and_as_null() {
    let site = site();
    for mut session in [site.writer(), site.reader()] {
        let told = listed(
            &mut *session,
            Some(r#"[[3, "Zoë 😀"], {"name": null, "id": "-1"}, {"ID": 2147483647, "Name": ""}]"#),
        );
        assert_eq!(
            told,
            [
                "ID,NAME",
                r#"{"ID":-1,"NAME":null}"#,
                r#"{"ID":3,"NAME":"Zoë 😀"}"#,
                r#"{"ID":2147483647,"NAME":""}"#,
                "Rows,Named,Total",
                r#"{"Rows":3,"Named":2,"Total":2147483649}"#
            ]
        );
        for none in [Some("[]"), None] {
            assert_eq!(listed(&mut *session, none)[2], r#"{"Rows":0,"Named":0,"Total":null}"#);
        }
        // What a session knows of the type is asked again after a reset.
        session.reset().unwrap();
        let many: Vec<_> = (0..20_000).map(|n| format!("[{n}, \"one of many\"]")).collect();
        let told = listed(&mut *session, Some(&format!("[{}]", many.join(","))));
        assert_eq!(told.last().unwrap(), r#"{"Rows":20000,"Named":20000,"Total":199990000}"#);
    }
}

#[test]
fn a_statement_reads_the_table_that_it_is_given_beside_other_parameters() {
    let site = site();
    let mut session = site.writer();
    for type_name in ["DEMO_IdList", "[dbo].[DEMO_IdList]", "dbo.demo_idlist"] {
        let command = with(
            "SELECT r.ID, r.NAME FROM @rows AS r WHERE r.ID > @least ORDER BY r.ID",
            vec![
                input("@least", P::Int, Some("1")),
                table(type_name, Some(r#"[[1, "one"], [2, null], [7, "seven"]]"#)),
            ],
        );
        let (told, _) = run(&mut *session, &command).unwrap();
        assert_eq!(told[1..], [r#"{"ID":2,"NAME":null}"#, r#"{"ID":7,"NAME":"seven"}"#]);
    }
}

#[test]
fn an_unknown_type_and_a_row_that_does_not_fit_are_refused_by_name() {
    let site = site();
    let mut session = site.writer();
    for (type_name, value) in [
        ("dbo.Nowhere", "[]"),
        ("other.DEMO_IdList", "[]"),
        ("dbo.DEMO_IdList", "[[1]]"),
        ("dbo.DEMO_IdList", r#"[["hunter2", "x"]]"#),
    ] {
        let ended = run(&mut *session, &procedure("DEMO_List", vec![table(type_name, Some(value))]));
        let Err(Failure::Parameter { name, expected }) = ended else {
            panic!("{type_name} {value}: {ended:?}")
        };
        assert!(name == "@rows" && !expected.contains("hunter2"), "{expected}");
    }
    assert_eq!(listed(&mut *session, Some("[[1, null]]"))[1], r#"{"ID":1,"NAME":null}"#);
}

#[test]
fn a_value_of_the_databases_own_type_goes_in_as_bytes() {
    let site = site();
    let mut session = site.writer();
    let own = |value: Option<&str>| Parameter {
        type_name: Some("dbo.DEMO_Bytes".into()),
        ..input("@bytes", P::Udt, value)
    };
    for (value, back) in [(Some("0x0001ff"), "AAH/"), (Some(""), "\"\""), (None, "null")] {
        let (told, _) = run(&mut *session, &procedure("DEMO_EchoBytes", vec![own(value)])).unwrap();
        assert!(told[1].contains(back), "{told:?}");
    }
}
