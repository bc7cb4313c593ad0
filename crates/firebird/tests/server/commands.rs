//! Statements, parameters by name, procedures, errors.

use crate::kit::*;
use database::{Dialect, Failure};
use model::{Access, Direction, ParameterType as P};

#[test]
fn parameters_stand_wherever_their_name_stands() {
    let Some(server) = server() else { return };
    let mut session = server.session("reader", Access::ReadOnly);
    let text = "select FAMILY_NAME from PATIENTS -- not @this\n where DATE_OF_BIRTH = @dob and '@dob' <> '' \
        or DATE_OF_BIRTH = @DOB and SEX = @sex order by 1";
    let given = vec![
        parameter("@sex", P::Char, "M"),
        parameter("dob", P::DateTime, "2001-02-28T00:00:00"),
        parameter("@unused", P::Int, "1"),
    ];
    let (taken, _) = run(session.as_mut(), &command(text, given)).unwrap();
    assert_eq!(taken.rows, [r#"{"FAMILY_NAME":"Quillfeather"}"#]);
    let (taken, _) = run(
        session.as_mut(),
        &command(
            "execute block (a integer = @a, b varchar(10) = @b) returns (c varchar(30)) as begin c = a || '@a' || b; suspend; end",
            vec![parameter("@b", P::NVarChar, "x"), parameter("@a", P::Int, "7")],
        ),
    )
    .unwrap();
    assert_eq!(taken.rows, [r#"{"C":"7@ax"}"#]);
    let unknown = run(session.as_mut(), &command("select @a from RDB$DATABASE", vec![]));
    assert!(matches!(unknown, Err(Failure::Parameter { name, .. }) if name == "@a"));
}

#[test]
fn changes_stand_when_a_command_ends_well_and_are_counted() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let counted = |session: &mut dyn database::Session, text: &str| {
        run(session, &command(text, vec![])).unwrap().1.rows_affected
    };
    assert_eq!(counted(session.as_mut(), "update PATIENTS set BALANCE = BALANCE + 1"), Some(3));
    assert_eq!(counted(session.as_mut(), "delete from APPOINTMENTS where FEE > 1000"), Some(0));
    let insert =
        "insert into PATIENTS (PATIENT_ID, FAMILY_NAME) values (9, 'New') returning PATIENT_ID, BALANCE";
    let (taken, done) =
        run(session.as_mut(), &command(insert, vec![output("@balance", P::Decimal, Direction::Output)]))
            .unwrap();
    assert_eq!(
        (taken.rows, done.rows_affected),
        (vec![r#"{"PATIENT_ID":9,"BALANCE":0.0000}"#.to_owned()], Some(1))
    );
    assert_eq!(done.outputs[0].value.as_ref().map(|v| v.reveal().as_str()), Some("0.0000"));
    let mut other = server.session("reader", Access::ReadOnly);
    assert_eq!(
        rows(other.as_mut(), "select BALANCE from PATIENTS where PATIENT_ID = 3"),
        [r#"{"BALANCE":1.0000}"#]
    );
    let (taken, done) = run(
        session.as_mut(),
        &command("update PATIENTS set SEX = 'X' where PATIENT_ID = 77 returning SEX", vec![]),
    )
    .unwrap();
    assert_eq!(done.rows_affected, Some(0));
    assert!(taken.rows.len() <= 1, "{:?}", taken.rows);
    // What fails leaves nothing behind.
    error(session.as_mut(), "execute block as begin update PATIENTS set SEX = 'Z'; exception E_NO_SLOT; end");
    assert_eq!(rows(other.as_mut(), "select count(*) as N from PATIENTS where SEX = 'Z'"), [r#"{"N":0}"#]);
    assert_eq!(counted(session.as_mut(), "recreate table FRESH (N integer)"), None);
    assert_eq!(counted(session.as_mut(), "insert into FRESH values (1)"), Some(1));
}

#[test]
fn procedures_take_parameters_by_name_and_give_values_by_name() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let given = |time: &str| {
        vec![
            output("@RETURN_VALUE", P::Int, Direction::ReturnValue),
            parameter("@p_time", P::Time, time),
            parameter("P_FEE", P::Money, "82.5"),
            parameter("@P_Date", P::Date, "2026-12-01"),
            parameter("@p_doctor", P::Int, "1"),
            parameter("@p_patient", P::Int, "2"),
            output("@status", P::NVarChar, Direction::Output),
            output("@appointment_id", P::Int, Direction::Output),
        ]
    };
    let (taken, done) = run(session.as_mut(), &call("book", given("09:15"))).unwrap();
    let values: Vec<_> =
        done.outputs.iter().map(|o| (o.parameter, o.value.as_ref().map(|v| v.reveal().clone()))).collect();
    let id = values[2].1.clone().unwrap();
    assert_eq!(values[..2], [(0, None), (6, Some("booked".to_owned()))]);
    assert_eq!(taken.rows, [format!(r#"{{"APPOINTMENT_ID":{id},"STATUS":"booked"}}"#)]);
    let stands = format!("select FEE from APPOINTMENTS where APPOINTMENT_ID = {id}");
    assert_eq!(rows(session.as_mut(), &stands), [r#"{"FEE":82.50}"#]);
    match run(session.as_mut(), &call("BOOK", given("07:15"))) {
        Err(Failure::Sql(error)) => {
            assert_eq!((error.number, error.dialect), (-836, Dialect::Fbsql));
            assert!(error.message.reveal().contains("There is no such slot"), "{}", error.message.reveal());
            assert!(error.line > 0);
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    let (taken, _) =
        run(session.as_mut(), &call("PATIENTS_BORN", vec![parameter("@p_from", P::Date, "1900-01-01")]))
            .unwrap();
    assert_eq!(taken.rows.len(), 2, "a default stands in for what is left out at the end");
    let (taken, done) = run(
        session.as_mut(),
        &call(
            "PATIENTS_BORN",
            vec![
                parameter("@p_from", P::Date, "2000-01-01"),
                parameter("@p_to", P::Date, "2010-01-01"),
                output("@family_name", P::NVarChar, Direction::Output),
            ],
        ),
    )
    .unwrap();
    assert_eq!(taken.rows.len(), 1);
    assert_eq!(done.outputs[0].value.as_ref().map(|v| v.reveal().as_str()), Some("Quillfeather"));
    for (name, given, wrong) in [
        ("BOOK", vec![parameter("@other", P::Int, "1")], "@other"),
        ("BOOK", vec![parameter("@p_doctor", P::Int, "1")], "@P_PATIENT"),
        ("BOOK", vec![parameter("@p_doctor", P::Int, "1"), parameter("P_DOCTOR", P::Int, "1")], "P_DOCTOR"),
    ] {
        let refused = run(session.as_mut(), &call(name, given));
        assert!(matches!(&refused, Err(Failure::Parameter { name, .. }) if name == wrong), "{wrong}");
    }
    for (name, number) in [("NOWHERE", -204), ("BOOK; drop table PATIENTS", -204)] {
        let refused = run(session.as_mut(), &call(name, vec![]));
        assert!(matches!(&refused, Err(Failure::Sql(error)) if error.number == number), "{name}");
    }
}

#[test]
fn errors_have_firebirds_sql_code_and_words() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    for (text, number, line, words) in [
        ("select\nfrom", -104, 2, "from"),
        ("select 1 from\n\nPATIENTS where where", -104, 3, "where"),
        ("select NOPE from PATIENTS", -206, 1, "NOPE"),
        ("select 1 from", -104, 1, "ends too early"),
        ("select 1 from NOPE", -204, 1, "NOPE"),
        ("insert into PATIENTS (PATIENT_ID, FAMILY_NAME) values (1, 'Twice')", -803, 0, "PATIENT_ID"),
        (
            "insert into APPOINTMENTS values (7, 99, 1, 1, '2026-01-01', '09:00', 1)",
            -530,
            0,
            "FK_APPOINTMENT_PATIENT",
        ),
        ("insert into PATIENTS (PATIENT_ID) values (8)", -625, 0, "FAMILY_NAME"),
        ("update APPOINTMENTS set FEE = -1", -297, 0, "CK_FEE"),
        ("select cast('abc' as integer) from RDB$DATABASE", -413, 0, "abc"),
        ("select 1/0 from RDB$DATABASE", -802, 0, "zero"),
        ("select cast('abcdef' as varchar(3)) from RDB$DATABASE", -802, 0, "cut"),
        ("select (select PATIENT_ID from PATIENTS) from RDB$DATABASE", -811, 0, "one row"),
        ("select ? from RDB$DATABASE", -804, 0, ""),
        ("commit", -901, 0, "transaction of its own"),
        ("rollback", -901, 0, "transaction of its own"),
        ("set transaction read write", -901, 0, "transaction of its own"),
    ] {
        let given = if text.contains('?') { vec![parameter("@a", P::Int, "1")] } else { vec![] };
        match run(session.as_mut(), &command(text, given)) {
            Err(Failure::Sql(error)) => {
                let message = error.message.reveal();
                assert_eq!((error.number, error.line), (number, line), "{text}: {message}");
                assert!(message.contains(words), "{text}: {message}");
            }
            other => panic!("{text}: {:?}", other.map(|_| ())),
        }
    }
    let mut nobody = server.session("NOBODY", Access::ReadOnly);
    let refused = error(nobody.as_mut(), "select * from PATIENTS");
    assert_eq!(refused.number, -551);
    assert!(
        refused.message.reveal().contains("No permission for SELECT access"),
        "{}",
        refused.message.reveal()
    );
    assert_eq!(
        rows(session.as_mut(), "select 1 as ONE from RDB$DATABASE"),
        [r#"{"ONE":1}"#],
        "the session goes on"
    );
}

#[test]
fn questions_take_the_parameters_in_their_order_and_packages_have_procedures() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let text = "select FAMILY_NAME from PATIENTS where PATIENT_ID between ? and ? order by 1 desc";
    let given = vec![parameter("first", P::Int, "1"), parameter("last", P::Int, "2")];
    let (taken, _) = run(session.as_mut(), &command(text, given)).unwrap();
    assert_eq!(taken.rows, [r#"{"FAMILY_NAME":"Quillfeather"}"#, r#"{"FAMILY_NAME":"Müller"}"#]);
    for text in [
        "create package DIARY as begin procedure TWICE (N integer) returns (M integer); end",
        "create package body DIARY as begin procedure TWICE (N integer) returns (M integer) as begin M = N * 2; end end",
        "create procedure \"Mixed Case\" returns (\"out\" varchar(3)) as begin \"out\" = 'yes'; end",
    ] {
        run(session.as_mut(), &command(text, vec![])).unwrap();
    }
    let given = vec![parameter("@n", P::Int, "21"), output("@m", P::Int, Direction::Output)];
    let (_, done) = run(session.as_mut(), &call("diary.twice", given)).unwrap();
    assert_eq!(done.outputs[0].value.as_ref().map(|v| v.reveal().as_str()), Some("42"));
    let (taken, _) = run(session.as_mut(), &call("\"Mixed Case\"", vec![])).unwrap();
    assert_eq!(taken.rows, [r#"{"out":"yes"}"#]);
}
