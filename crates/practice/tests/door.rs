//! The engine's door: logins, access, parameters, procedures, cancelling.

mod common;

use common::{Taken, ask, command, demo, login, number, open, reader, run};
use database::{Engine, Failure, Login, Terms, Writes};
use model::{Access, CommandType, Direction, ExecutionMode, Parameter, ParameterType};
use std::time::Duration;

fn parameter(name: &str, kind: ParameterType, value: Option<&str>) -> Parameter {
    Parameter {
        name: name.into(),
        direction: Direction::Input,
        kind,
        value: value.map(Into::into),
        size: None,
        type_name: None,
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let demo = demo(5);
    for (user, password) in [("bpsrawdata", "wrong"), ("nobody", "open sesame"), ("bpsrawdata", "")] {
        let failure = demo
            .engine
            .connect(&Login { user: user.into(), password: password.into() }, "Patients", Access::ReadOnly)
            .err()
            .unwrap();
        let Failure::Sql(error) = failure else { panic!() };
        assert_eq!((error.number, error.state, error.class), (18456, 1, 14));
        assert_eq!(error.message.reveal(), &format!("Login failed for user '{user}'."));
    }
    assert!(matches!(
        demo.engine.connect(&login("bpsrawdata"), "Nope", Access::ReadOnly).err(),
        Some(Failure::Catalogue)
    ));
}

#[test]
fn a_read_only_session_and_a_read_only_login_write_nothing() {
    let demo = demo(5);
    let before = std::fs::read(demo.folder.path().join("practice.db")).unwrap();
    let limited = demo.engine.connect(&login("BPSVIEWER"), "Patients", Access::ReadWrite).unwrap();
    for mut session in [demo.session(Access::ReadOnly), limited] {
        for text in [
            "INSERT INTO APPOINTMENTS (INTERNALID) VALUES (1)",
            "UPDATE PATIENTS SET SURNAME = 'x'",
            "DELETE FROM PATIENTS",
            "DELETE FROM BPSDrugs.dbo.VACCINES",
            "EXEC BP_AddAppointment '20260203', 30000, 900, 1, 1",
        ] {
            assert_eq!(number(&run(session.as_mut(), &reader(text)).err().unwrap()), 229, "{text}");
        }
        assert_eq!(ask(session.as_mut(), "SELECT COUNT(*) AS n FROM PATIENTS").unwrap(), "[{\"n\":5}]");
    }
    assert_eq!(std::fs::read(demo.folder.path().join("practice.db")).unwrap(), before);
}

#[test]
fn writes_are_counted_and_seen_by_the_next_session() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadWrite);
    let non_query = |text: &str| command(text, ExecutionMode::NonQuery, CommandType::Text, Vec::new());
    let done =
        run(session.as_mut(), &non_query("UPDATE PATIENTS SET CITY = 'Nundah' WHERE INTERNALID IN (1, 2)"))
            .unwrap()
            .1;
    assert_eq!(done.rows_affected, Some(2));
    let done = run(session.as_mut(), &non_query("SET NOCOUNT ON; DELETE FROM PATIENTS WHERE INTERNALID = 3"))
        .unwrap()
        .1;
    assert_eq!(done.rows_affected, None);
    let mut other = open(&demo.folder.path().join("practice.db"))
        .connect(&login("bpsrawdata"), "Patients", Access::ReadOnly)
        .unwrap();
    assert_eq!(ask(other.as_mut(), "SELECT LEN(CITY) AS l, COUNT(*) AS n FROM PATIENTS WHERE CITY = 'nundah' AND INTERNALID < 3 GROUP BY CITY").unwrap(), "[{\"l\":6,\"n\":2}]");
}

#[test]
fn the_famous_batch_books_and_gives_the_new_id() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadWrite);
    let text = "DECLARE @id int; EXEC @id = BPSPATIENTS.dbo.BP_AddAppointment @aptdate=@aptdate, @apttime=@apttime, @aptlen=900, @practitionerid=1, @patientid=2; SELECT @id AS aptid";
    let parameters = vec![
        parameter("@aptdate", ParameterType::VarChar, Some("20270601")),
        parameter("@APTTIME", ParameterType::Int, Some("29700")),
    ];
    let (taken, done) =
        run(session.as_mut(), &command(text, ExecutionMode::Reader, CommandType::Text, parameters)).unwrap();
    assert_eq!(done.rows_affected, Some(1));
    let rows: serde_json::Value = serde_json::from_slice(&taken.json).unwrap();
    let id = rows["aptid"].as_i64().unwrap();
    let seen = ask(
        session.as_mut(),
        &format!("SELECT AppointmentDate, AppointmentTime FROM APPOINTMENTS WHERE RECORDID = {id}"),
    )
    .unwrap();
    assert_eq!(seen, "[{\"AppointmentDate\":\"2027-06-01T00:00:00\",\"AppointmentTime\":29700}]");
}

#[test]
fn a_procedure_is_found_under_each_name_and_returns() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadOnly);
    for name in [
        "BP_GetAppointmentBookUsers",
        "bp_getappointmentbookusers",
        "dbo.BP_GetAppointmentBookUsers",
        "BPSPatients.dbo.BP_GetAppointmentBookUsers",
        "[BPSPATIENTS].[dbo].[BP_GetAppointmentBookUsers]",
    ] {
        let result =
            Parameter { direction: Direction::ReturnValue, ..parameter("@r", ParameterType::Int, None) };
        let (taken, done) = run(
            session.as_mut(),
            &command(name, ExecutionMode::Reader, CommandType::StoredProcedure, vec![result]),
        )
        .unwrap();
        let names: Vec<&str> = taken.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["UserID", "Title", "Firstname", "Surname", "LocationID"]);
        assert!(taken.rows >= 8);
        assert_eq!(done.outputs[0].value.as_ref().unwrap().reveal(), "0");
    }
    for name in [
        "BP_Nope",
        "BPSDrugs.dbo.BP_GetAppointmentBookUsers",
        "x; DELETE FROM PATIENTS",
        "BP_GetPracticeLocation 1",
        "",
    ] {
        let failure = run(
            session.as_mut(),
            &command(name, ExecutionMode::Reader, CommandType::StoredProcedure, Vec::new()),
        )
        .err()
        .unwrap();
        assert!(matches!(number(&failure), 2812 | 102), "{name}: {}", number(&failure));
    }
}

#[test]
fn every_published_type_converts_or_says_which_parameter_does_not() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadOnly);
    use ParameterType as P;
    for (kind, text, json) in [
        (P::BigInt, "9223372036854775807", "9223372036854775807"),
        (P::Binary, "AP8=", "\"AP8=\""),
        (P::Bit, "true", "true"),
        (P::Char, "a ", "\"a \""),
        (P::String, "é", "\"é\""),
        (P::Date, "2026-02-03", "\"2026-02-03T00:00:00\""),
        (P::DateTime, "2026-02-03T04:05:06.007", "\"2026-02-03T04:05:06.007\""),
        (P::DateTime2, "2026-02-03 04:05:06.1234567", "\"2026-02-03T04:05:06.1234567\""),
        (P::DateTimeOffset, "2026-02-03T04:05:06+10:00", "\"2026-02-03T04:05:06+10:00\""),
        (P::Decimal, "12.3400", "12.3400"),
        (P::Float, "0.1", "0.1"),
        (P::Image, "0x00ff", "\"AP8=\""),
        (P::Int, "-5", "-5"),
        (P::Money, "1.5", "1.5000"),
        (P::NChar, "x", "\"x\""),
        (P::NText, "x", "\"x\""),
        (P::NVarChar, "x", "\"x\""),
        (P::Real, "0.1", "0.1"),
        (P::SmallDateTime, "2026-02-03 04:05:40", "\"2026-02-03T04:06:00\""),
        (P::SmallInt, "-32768", "-32768"),
        (P::SmallMoney, "-1", "-1.0000"),
        (P::Text, "x", "\"x\""),
        (P::Time, "04:05", "\"04:05:00\""),
        (P::Timestamp, "AAAAAAAAB9E=", "\"AAAAAAAAB9E=\""),
        (P::TinyInt, "255", "255"),
        (
            P::UniqueIdentifier,
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            "\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"",
        ),
        (P::VarBinary, "", "\"\""),
        (P::VarChar, "", "\"\""),
        (P::Variant, "1", "\"1\""),
        (P::Xml, "<a/>", "\"<a/>\""),
    ] {
        let ask = command(
            "SELECT @v AS v",
            ExecutionMode::Reader,
            CommandType::Text,
            vec![parameter("@v", kind, Some(text))],
        );
        let (taken, _) = run(session.as_mut(), &ask).unwrap();
        assert_eq!(String::from_utf8(taken.json).unwrap(), format!("{{\"v\":{json}}}"), "{kind:?}");
        let both = Parameter { direction: Direction::InputOutput, ..parameter("@v", kind, Some(text)) };
        let done =
            run(session.as_mut(), &command("SELECT 1", ExecutionMode::Scalar, CommandType::Text, vec![both]))
                .unwrap()
                .1;
        assert_eq!(done.outputs[0].value.as_ref().unwrap().reveal(), json.trim_matches('"'), "{kind:?}");
    }
    for (kind, text) in [
        (P::Int, "x"),
        (P::Int, "2147483648"),
        (P::TinyInt, "-1"),
        (P::Bit, "maybe"),
        (P::Date, "2026-02-30"),
        (P::Decimal, "1e"),
        (P::UniqueIdentifier, "1"),
        (P::Binary, "*"),
        (P::Float, "inf"),
        (P::SmallMoney, "9999999"),
        (P::Structured, ""),
        (P::Udt, ""),
    ] {
        let ask = command(
            "SELECT @v",
            ExecutionMode::Reader,
            CommandType::Text,
            vec![parameter("@v", kind, Some(text))],
        );
        let Err(Failure::Parameter { name, expected }) = run(session.as_mut(), &ask) else {
            panic!("{kind:?} {text}")
        };
        assert_eq!(name, "@v");
        assert!(text.is_empty() || !expected.contains(&format!("'{text}'")));
    }
}

#[test]
fn tables_and_bytes_of_the_practices_own_types_go_in_as_json_and_base64() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadOnly);
    let table = |text: Option<&str>| Parameter {
        type_name: Some("dbo.DEMO_IdList".to_owned()),
        ..parameter("@rows", ParameterType::Structured, text)
    };
    let text = "SELECT r.ID, r.NAME FROM @rows AS r WHERE r.ID > @least ORDER BY r.ID";
    let least = || parameter("@least", ParameterType::Int, Some("1"));
    for rows in [
        r#"[[3, "Zoë"], [1, "one"], ["2", null]]"#,
        r#"[{"name": "Zoë", "id": 3}, {"ID": 2}, {"ID": 1, "NAME": "one"}]"#,
    ] {
        let ask = command(text, ExecutionMode::Reader, CommandType::Text, vec![table(Some(rows)), least()]);
        let (taken, _) = run(session.as_mut(), &ask).unwrap();
        let told = String::from_utf8(taken.json).unwrap();
        assert_eq!(told, r#"{"ID":2,"NAME":null},{"ID":3,"NAME":"Zoë"}"#);
        let call = command(
            "DEMO_List",
            ExecutionMode::Scalar,
            CommandType::StoredProcedure,
            vec![
                table(Some(rows)),
                Parameter {
                    direction: Direction::ReturnValue,
                    ..parameter("@count", ParameterType::Int, None)
                },
            ],
        );
        let (taken, done) = run(session.as_mut(), &call).unwrap();
        assert_eq!(taken.json, br#"{"ID":1}"#);
        assert_eq!(done.outputs[0].value.as_ref().unwrap().reveal(), "3");
    }
    for none in [Some("[]"), None] {
        let ask = command(text, ExecutionMode::Reader, CommandType::Text, vec![table(none), least()]);
        assert_eq!(run(session.as_mut(), &ask).unwrap().0.rows, 0);
    }
    for (wrong, is_parameter) in [
        ("no JSON", true),
        ("{}", true),
        (r#"[[1]]"#, true),
        (r#"[{"other": 1}]"#, true),
        (r#"[[[1], 2]]"#, true),
        (r#"[["x", null]]"#, false),
        (r#"[[null, "x"]]"#, false),
    ] {
        let ask = command(text, ExecutionMode::Reader, CommandType::Text, vec![table(Some(wrong)), least()]);
        match run(session.as_mut(), &ask).err() {
            Some(Failure::Parameter { name, .. }) => assert!(is_parameter && name == "@rows", "{wrong}"),
            Some(Failure::Sql(_)) => assert!(!is_parameter, "{wrong}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
    let bytes = Parameter {
        type_name: Some("DEMO_Bytes".to_owned()),
        ..parameter("@bytes", ParameterType::Udt, Some("AP8="))
    };
    let call = command("DEMO_EchoBytes", ExecutionMode::Reader, CommandType::StoredProcedure, vec![bytes]);
    let (taken, _) = run(session.as_mut(), &call).unwrap();
    assert_eq!(taken.json, br#"{"Bytes":"AP8=","Size":2}"#);
}

#[test]
fn a_parameter_longer_than_its_size_is_cut() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadOnly);
    use ParameterType as P;
    for (kind, size, text, json) in [
        (P::VarChar, 3, "abcdef", "\"abc\""),
        (P::NVarChar, 6, "abcdef", "\"abc\""),
        (P::NVarChar, 3, "😀", "\"\""),
        (P::String, 100, "abcdef", "\"abcdef\""),
        (P::VarBinary, 2, "AQIDBA==", "\"AQI=\""),
        (P::Int, 1, "1000", "1000"),
        (P::NVarChar, 20_000, "abcdef", "\"abcdef\""),
    ] {
        let given = Parameter {
            size: Some(size),
            direction: Direction::InputOutput,
            ..parameter("@v", kind, Some(text))
        };
        let ask = command("SELECT @v AS v", ExecutionMode::Reader, CommandType::Text, vec![given]);
        let (taken, done) = run(session.as_mut(), &ask).unwrap();
        assert_eq!(String::from_utf8(taken.json).unwrap(), format!("{{\"v\":{json}}}"), "{kind:?} {size}");
        assert_eq!(done.outputs[0].value.as_ref().unwrap().reveal(), json.trim_matches('"'));
    }
    // What comes back has no more room either.
    let back =
        Parameter { size: Some(4), direction: Direction::Output, ..parameter("@v", P::NVarChar, None) };
    let ask = command("SET @v = N'abcdef'", ExecutionMode::NonQuery, CommandType::Text, vec![back]);
    let (_, done) = run(session.as_mut(), &ask).unwrap();
    assert_eq!(done.outputs[0].value.as_ref().unwrap().reveal(), "ab");
}

#[test]
fn what_a_login_may_do_is_told_as_its_permissions_are() {
    let demo = demo(5);
    for (user, access, writes) in [
        ("bpsrawdata", Access::ReadWrite, Writes::Yes),
        ("bpsrawdata", Access::ReadOnly, Writes::No),
        ("bpsviewer", Access::ReadWrite, Writes::No),
    ] {
        let mut session = demo.engine.connect(&login(user), "Patients", access).unwrap();
        let told = session.describe().unwrap();
        assert_eq!(told.rights.writes, writes);
        let asked =
            "SELECT IS_MEMBER('db_datawriter') AS w, HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'EXECUTE') AS e";
        let may = i32::from(writes == Writes::Yes);
        assert_eq!(ask(session.as_mut(), asked).unwrap(), format!("[{{\"w\":{may},\"e\":{may}}}]"));
        assert_eq!(told.rights.grants.contains(&"db_datawriter".to_owned()), writes == Writes::Yes);
        assert!(told.rights.grants.contains(&"db_datareader".to_owned()));
    }
}

#[test]
fn a_cancel_ends_a_long_query_and_a_wait_but_not_the_next_command() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadOnly);
    for text in [
        "SELECT COUNT(*) FROM Numbers a, Numbers b, Numbers c WHERE a.N + b.N + c.N = -1",
        "WAITFOR DELAY '0:0:30'",
    ] {
        let canceller = session.canceller();
        let thread = std::thread::spawn(move || {
            let (_keep, never) = std::sync::mpsc::channel::<()>();
            let _ = never.recv_timeout(Duration::from_millis(100));
            canceller.cancel();
        });
        assert_eq!(run(session.as_mut(), &reader(text)).err(), Some(Failure::Cancelled));
        thread.join().unwrap();
        assert!(ask(session.as_mut(), "SELECT 1").is_ok());
    }
    session.canceller().cancel();
    assert_eq!(
        run(session.as_mut(), &reader("SELECT 1")).err(),
        Some(Failure::Cancelled),
        "asked before it began"
    );
    assert!(ask(session.as_mut(), "SELECT 1").is_ok());
    let mut sink = Taken { stop_after: Some(3), ..Taken::default() };
    assert_eq!(
        session.run(&reader("SELECT N FROM Numbers"), &Terms::default(), &mut sink).err(),
        Some(Failure::Cancelled)
    );
    assert_eq!(sink.rows, 3);
    session.ping().unwrap();
}

#[test]
fn modes_give_rows_or_a_value_or_a_count() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadOnly);
    let text = "SELECT N, N FROM Numbers ORDER BY N DESC";
    let (taken, _) =
        run(session.as_mut(), &command(text, ExecutionMode::Scalar, CommandType::Text, vec![])).unwrap();
    assert_eq!((taken.json.as_slice(), taken.columns.len()), (b"{\"N\":999}".as_slice(), 1));
    let (taken, done) =
        run(session.as_mut(), &command(text, ExecutionMode::NonQuery, CommandType::Text, vec![])).unwrap();
    assert_eq!((taken.rows, taken.columns.len(), done.rows_affected), (0, 0, None));
    let mut drugs = demo.engine.connect(&login("bpsrawdata"), "drugs", Access::ReadOnly).unwrap();
    assert_eq!(
        ask(drugs.as_mut(), "SELECT DISEASECODE FROM VAXDISEASES WHERE DISEASENAME = 'Measles'").unwrap(),
        "[{\"DISEASECODE\":9}]"
    );
    assert_eq!(number(&ask(drugs.as_mut(), "SELECT 1 FROM PATIENTS").err().unwrap()), 208);
}

#[test]
fn a_million_rows_come_fast() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadOnly);
    let text = "SELECT TOP 1000000 a.RECORDID, n.N, a.APPOINTMENTDATE, a.APPOINTMENTTIME, a.APPOINTMENTLENGTH, a.APPOINTMENTTYPE, a.CREATED, a.REASON, a.CREATEDBY, y.YESNOWORD FROM APPOINTMENTS a JOIN YESNO y ON y.YESNOCODE = a.URGENT CROSS JOIN Numbers n";
    let start = model::Clock::monotonic(&model::SystemClock);
    let (taken, _) = run(session.as_mut(), &reader(text)).unwrap();
    let took = model::Clock::monotonic(&model::SystemClock) - start;
    assert_eq!(taken.rows, 1_000_000);
    println!(
        "{:.0} rows/s, {} MB of JSON",
        taken.rows as f64 / took.as_secs_f64(),
        taken.json.len() / 1_000_000
    );
}

#[test]
fn every_view_shows_rows_with_words_for_codes() {
    let demo = demo(200);
    let mut session = demo.session(Access::ReadOnly);
    for (text, wanted) in [
        (
            "SELECT TOP 1 * FROM BPS_Patients WHERE Sex = 'female' AND StatusText = 'Active' AND UsualDoctor LIKE 'Dr %'",
            "\"StatusText\":\"Active\"",
        ),
        ("SELECT TOP 1 * FROM bps_users WHERE UserID = 2", "\"Firstname\":\"Ivor"),
        ("SELECT TOP 1 * FROM BPS_Sessions WHERE Provider = ''", "\"Day\":\"Monday\""),
        (
            "SELECT TOP 1 * FROM BPS_Appointments WHERE AppointmentDate = '20260203' AND Status = 'Booked' AND InternalID > 0 ORDER BY AppointmentTime",
            "\"AppointmentDate\":\"2026-02-03T00:00:00\"",
        ),
        (
            "SELECT TOP 1 * FROM dbo.BPS_Appointments WHERE AppointmentDate < GETDATE() AND ConsultationTime > 0",
            "\"Provider\":\"",
        ),
    ] {
        let rows = ask(session.as_mut(), text).unwrap();
        assert!(rows.contains(wanted), "{text}: {rows}");
    }
}
