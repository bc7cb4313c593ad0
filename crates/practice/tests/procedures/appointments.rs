//! Booking, changing, moving, cancelling and arriving.

use super::*;
use common::{ask, number, reader};

/// The row of an appointment.
fn row(session: &mut DemoSession, id: i32) -> String {
    batch(
        session,
        &format!(
            "SELECT RECORDSTATUS AS st, INTERNALID AS pt, USERID AS us, LOCATIONID AS loc, APPOINTMENTDATE AS dt,
               APPOINTMENTTIME AS tm, APPOINTMENTLENGTH AS len, APPOINTMENTCODE AS code, APPOINTMENTTYPE AS ty,
               ARRIVALTIME AS arr, REASON AS rs, VIDEOURL AS v, CREATEDBY AS cb, UPDATEDBY AS ub
             FROM APPOINTMENTS WHERE RECORDID = {id}"
        ),
    )
    .remove(0)
}

/// Runs `EXEC` of the words and gives what it returned.
fn exec(session: &mut DemoSession, words: &str) -> i32 {
    let told = batch(session, &format!("SET NOCOUNT ON DECLARE @r int EXEC @r = {words} SELECT @r AS r"));
    let rows: serde_json::Value = serde_json::from_str(told.last().unwrap()).unwrap();
    assert_eq!(told.len(), 2, "{words}: {told:?}");
    i32::try_from(rows[0]["r"].as_i64().unwrap()).unwrap()
}

/// The text of the error that EXEC of the words ends with.
fn refused(session: &mut DemoSession, words: &str) -> String {
    let told = batch(session, &format!("SET NOCOUNT ON DECLARE @r int EXEC @r = {words} SELECT @r AS r"));
    assert_eq!(told.last().unwrap(), "[{\"r\":0}]", "{words}");
    told[0].clone()
}

#[test]
fn the_batch_through_halo_books_once_and_then_says_taken() {
    let (demo, mut wide) = practice();
    let mut session = demo.session(Access::ReadWrite);
    let text = "DECLARE @v int; EXEC @v = BPSPATIENTS.dbo.BP_AddAppointment @aptdate=@aptdate, @apttime=@apttime, @aptlen=@aptlen, @practitionerid=@practitionerid, @patientid=@patientid; SELECT @v AS aptid";
    let given = |time: &str, date: &str| {
        [
            ("@aptdate", VarChar, date),
            ("@apttime", Int, time),
            ("@aptlen", Int, "900"),
            ("@practitionerid", Int, "3"),
            ("@patientid", Int, "5"),
        ]
        .map(|(n, k, v)| parameter(n, k, Some(v), Direction::Input))
        .to_vec()
    };
    let mut book = |time: &str, date: &str| {
        let ask = command(text, ExecutionMode::Reader, CommandType::Text, given(time, date));
        let (taken, done) = run(session.as_mut(), &ask).unwrap();
        let row: serde_json::Value = serde_json::from_slice(&taken.json).unwrap();
        (i32::try_from(row["aptid"].as_i64().unwrap()).unwrap(), done.rows_affected)
    };
    let (id, affected) = book("32400", "20300603");
    assert!(id > 0);
    assert_eq!(affected, Some(1));
    // Taken: the same slot, one that begins within it, one that reaches into it.
    for time in ["32400", "33299", "31501"] {
        assert_eq!(book(time, "2030-06-03"), (0, Some(0)), "{time}");
    }
    for time in ["33300", "31500"] {
        assert!(book(time, "20300603").0 > id, "{time}");
    }
    assert_eq!(
        row(&mut wide, id),
        "[{\"st\":1,\"pt\":5,\"us\":3,\"loc\":1,\"dt\":\"2030-06-03T00:00:00\",\"tm\":32400,\"len\":900,\"code\":1,\"ty\":1,\"arr\":0,\"rs\":\"\",\"v\":\"\",\"cb\":0,\"ub\":0}]"
    );
}

#[test]
fn add_takes_its_arguments_by_place_with_and_without_the_tail() {
    let (_demo, mut session) = practice();
    simple_rota(&mut session);
    let s = &mut session;
    // Without a place: that of the session, else the practitioner's own.
    let id = exec(s, "BP_AddAppointment '20300603', 32400, 900, 3, 1");
    assert!(row(s, id).contains("\"loc\":2,"), "{}", row(s, id));
    let id = exec(s, "BP_AddAppointment '20300603', 46800, 900, 3, 1, 10");
    assert!(row(s, id).contains("\"loc\":1,") && row(s, id).contains("\"cb\":10"), "{}", row(s, id));
    let id = exec(s, "BP_AddAppointment '2030-06-03', 50000, 900, 3, 0, -11, 2");
    assert!(row(s, id).contains("\"loc\":2,") && row(s, id).contains("\"cb\":-11"), "{}", row(s, id));
    let id = exec(
        s,
        "BP_AddAppointment @patientid = 1, @practitionerid = 3, @aptlen = 60, @apttime = 86340, @aptdate = '20300603'",
    );
    assert!(id > 0);
    let id = exec(
        s,
        "BP_AddAppointmentEx '20300604', 32400, 8, 900, 3, 1, 'O''Brien''s knee', DEFAULT, 1, 'https://example.com/1'",
    );
    assert!(row(s, id).ends_with(
        "\"ty\":8,\"arr\":0,\"rs\":\"O'Brien's knee\",\"v\":\"https://example.com/1\",\"cb\":0,\"ub\":0}]"
    ));
    assert_eq!(exec(s, "BP_AddAppointmentEx '2030-06-04', 32700, 1, 900, 3, 1, '', 10, 1"), 0);
    assert!(
        exec(
            s,
            "BP_AddAppointmentEx @aptdate='2030-06-05', @apttime=32700, @appointmenttype=1, @aptlen=900, @practitionerid=3, @patientid=1, @reason=NULL, @locationid=1"
        ) > 0
    );
    // Over SQL Server's protocol, by place.
    batch(s, "SET NOCOUNT OFF");
    let int = typed("int", None);
    let given = [
        argument(typed("varchar", Some(10)), Value::Text("20300606"), false),
        argument(int, Value::Int(32400), false),
        argument(int, Value::Int(900), false),
        argument(int, Value::Int(3), false),
        argument(int, Value::Int(1), false),
    ];
    let mut first = Told::default();
    s.call_procedure("dbo.BP_AddAppointment", &given, &mut first).unwrap();
    let mut second = Told::default();
    s.call_procedure("BP_AddAppointment", &given, &mut second).unwrap();
    assert_eq!(first.lines[0], "1 rows");
    assert!(first.lines[1].starts_with("status ") && first.lines[1] != "status 0", "{:?}", first.lines);
    assert_eq!(second.lines, ["0 rows", "status 0"]);
}

#[test]
fn what_is_not_there_is_0_and_what_can_not_be_is_an_error() {
    let (_demo, mut session) = practice();
    let s = &mut session;
    batch(s, "UPDATE PATIENTS SET RECORDSTATUS = 0 WHERE INTERNALID = 6");
    for words in [
        "BP_AddAppointment '20300603', 32400, 900, 99, 1",
        "BP_AddAppointment '20300603', 32400, 900, 7, 1",
        "BP_AddAppointment '20300603', 32400, 900, 3, 999999",
        "BP_AddAppointment '20300603', 32400, 900, 3, 6",
        "BP_AddAppointment '20300603', 32400, 900, 3, NULL",
        "BP_UpdateAppointment 99999999, 1, 900, ''",
        "BP_MoveAppointment 99999999, '20300603', 32400, 3, 1",
        "BP_CancelAppointment 99999999",
        "BP_ArriveAppointment NULL",
    ] {
        assert_eq!(exec(s, words), 0, "{words}");
    }
    for words in [
        "BP_AddAppointment '20300603', -1, 900, 3, 1",
        "BP_AddAppointment '20300603', 86400, 900, 3, 1",
        "BP_AddAppointment '20300603', 32400, 0, 3, 1",
        "BP_AddAppointment '20300603', 32400, -900, 3, 1",
        "BP_AddAppointment '20300603', 85501, 900, 3, 1",
        "BP_AddAppointment '20300603', 32400, 2147483647, 3, 1",
        "BP_AddAppointment '20300603', 2147483647, 2147483647, 3, 1",
        "BP_AddAppointment '20300603', NULL, 900, 3, 1",
        "BP_AddAppointment NULL, 32400, 900, 3, 1",
        "BP_AddAppointmentEx '20300603', 32400, 99, 900, 3, 1, '', 0, 1",
        "BP_AddAppointmentEx '20300603', 32400, NULL, 900, 3, 1, '', 0, 1",
        "BP_AddAppointmentEx '20300603', 86400, 1, 900, 3, 1, '', 0, 1",
        "BP_UpdateAppointment 1, 99, 900, ''",
        "BP_UpdateAppointment 1, 1, 0, ''",
        "BP_MoveAppointment 1, '20300603', 86400, 3, 1",
    ] {
        let told = refused(s, words);
        assert!(told.starts_with("error 50000 "), "{words}: {told}");
    }
    assert_eq!(
        batch(s, "EXEC BP_AddAppointmentEx '2030-06-31', 32400, 1, 900, 3, 1, '', 0, 1")[0],
        "error 241 state 1 in BP_AddAppointmentEx: Conversion failed when converting date and/or time from character string."
    );
    assert!(batch(s, "EXEC BP_AddAppointment 'tomorrow', 32400, 900, 3, 1")[0].starts_with("error 8114 "));
    assert!(batch(s, "EXEC BP_AddAppointment '20300603', 32400, 900, 3")[0].starts_with("error 201 "));
    assert_eq!(
        batch(s, "SELECT COUNT(*) AS n FROM APPOINTMENTS WHERE APPOINTMENTDATE = '20300603'")[0],
        "[{\"n\":0}]"
    );
}

#[test]
fn an_appointment_changes_moves_and_frees_what_it_leaves() {
    let (_demo, mut session) = practice();
    let s = &mut session;
    let a = exec(s, "BP_AddAppointment '20300603', 32400, 900, 3, 1");
    let b = exec(s, "BP_AddAppointment '20300603', 33300, 900, 3, 2");
    // No longer than up to the next.
    assert_eq!(exec(s, &format!("BP_UpdateAppointment {a}, 2, 901, 'Longer'")), 0);
    assert!(row(s, a).contains("\"len\":900,\"code\":1,\"ty\":1,"));
    assert_eq!(
        exec(s, &format!("BP_UpdateAppointment @aptid={b}, @apttype=2, @aptlen=1800, @reason='Longer'")),
        1
    );
    assert!(row(s, b).contains("\"len\":1800,\"code\":1,\"ty\":2,\"arr\":0,\"rs\":\"Longer\""));
    assert_eq!(exec(s, &format!("BP_UpdateAppointment {a}, 1, 600, ''")), 1);
    // To where the other is: no. Within itself: yes. To another day, user and place: yes.
    assert_eq!(exec(s, &format!("BP_MoveAppointment {a}, '20300603', 34000, 3, 1")), 0);
    assert_eq!(exec(s, &format!("BP_MoveAppointment {a}, '20300603', 32700, 3, 1")), 1);
    assert_eq!(exec(s, &format!("BP_MoveAppointment {a}, '2030-06-04', 34000, 1, 2, 10")), 1);
    let seen = row(s, a);
    assert!(
        seen.starts_with(
            "[{\"st\":1,\"pt\":1,\"us\":1,\"loc\":2,\"dt\":\"2030-06-04T00:00:00\",\"tm\":34000,\"len\":600,"
        ),
        "{seen}"
    );
    assert!(seen.ends_with("\"cb\":0,\"ub\":10}]"), "{seen}");
    assert_eq!(exec(s, &format!("BP_MoveAppointment {a}, '20300604', 86000, 1, 2")), 0, "past midnight");
    assert_eq!(exec(s, &format!("BP_MoveAppointment {a}, '20300604', 36000, 99, 2")), 0, "nobody's");
    // What it left is free again.
    assert!(exec(s, "BP_AddAppointment '20300603', 32400, 900, 3, 5") > 0);
    // Cancelled once; then it is gone and its time is free.
    assert_eq!(exec(s, &format!("BP_CancelAppointment {b}, 11")), 1);
    assert_eq!(exec(s, &format!("BP_CancelAppointment @aptid = {b}, @loginid = 0")), 0);
    assert!(row(s, b).starts_with("[{\"st\":0,") && row(s, b).ends_with("\"ub\":11}]"));
    for words in [
        "BP_UpdateAppointment {b}, 1, 900, ''",
        "BP_MoveAppointment {b}, '20300606', 900, 3, 1",
        "BP_ArriveAppointment {b}",
    ] {
        assert_eq!(exec(s, &words.replace("{b}", &b.to_string())), 0, "{words}");
    }
    assert!(exec(s, "BP_AddAppointment '20300603', 33300, 1800, 3, 5") > 0);
}

#[test]
fn who_arrives_waits_since_now() {
    let (demo, mut session) = practice();
    let s = &mut session;
    let id = exec(s, "BP_AddAppointment '20300603', 32400, 900, 3, 1");
    let mut narrow = demo.session(Access::ReadWrite);
    let text = id.to_string();
    let given = [("@aptid", Int, Some(text.as_str()))];
    assert_eq!(call(narrow.as_mut(), "BP_ArriveAppointment", &given).unwrap(), ("[]".into(), 1, Some(1)));
    assert!(row(s, id).contains("\"code\":2,\"ty\":1,\"arr\":43200,"), "{}", row(s, id));
    assert_eq!(call(narrow.as_mut(), "BPSPatients.dbo.BP_ArriveAppointment", &given).unwrap().1, 0, "once");
    let seen = ask(
        narrow.as_mut(),
        "SELECT RTRIM(Status) AS s, ArrivalTime AS t FROM BPS_Appointments WHERE AppointmentDate = '20300603'",
    );
    assert_eq!(seen.unwrap(), "[{\"s\":\"Waiting\",\"t\":43200}]");
}

#[test]
fn nothing_is_written_where_nothing_may_be() {
    let (demo, mut session) = practice();
    let taken = exec(&mut session, "BP_AddAppointment '20300603', 32400, 900, 3, 1");
    let mut viewer = demo.session(Access::ReadOnly);
    for text in [
        // Also where it would have been refused as taken.
        "EXEC BP_AddAppointment '20300603', 32400, 900, 3, 1",
        "EXEC BP_AddAppointmentEx '20300603', 50000, 1, 900, 3, 1, '', 0, 1",
        "EXEC BP_CancelAppointment 1",
        "EXEC BP_ArriveAppointment 1",
        "EXEC BP_MoveAppointment 1, '20300603', 50000, 3, 1",
        "EXEC BP_UpdateAppointment 1, 1, 900, ''",
        "EXEC BP_UpdatePatientEmail 1, 'x@example.com'",
        "EXEC BP_SetEmergencyContact 1, 0, 'A', 'B', '', '', '', '', '', ''",
        "EXEC BP_AddMessage 1, 'a', 'b'",
    ] {
        let failure = run(viewer.as_mut(), &reader(text)).err().unwrap();
        assert_eq!(number(&failure), 229, "{text}");
    }
    assert!(row(&mut session, taken).starts_with("[{\"st\":1,"));
}

#[test]
fn a_callers_transaction_takes_the_booking_with_it() {
    let (_demo, mut session) = practice();
    let told = batch(
        &mut session,
        "SET NOCOUNT ON
         DECLARE @id int, @again int
         BEGIN TRANSACTION
         EXEC @id = BP_AddAppointment '20300603', 32400, 900, 3, 1
         EXEC @again = BP_AddAppointment '20300603', 32400, 900, 3, 1
         SELECT IIF(@id > 0, 1, 0) AS booked, @again AS again, @@TRANCOUNT AS open_
         ROLLBACK
         EXEC @again = BP_IsAppointmentBooked 3, '20300603', 32400
         SELECT @again AS booked, @@TRANCOUNT AS open_",
    );
    assert_eq!(told[2], "[{\"booked\":1,\"again\":0,\"open_\":1}]", "{told:?}");
    assert_eq!(told[4], "[{\"booked\":0,\"open_\":0}]", "{told:?}");
}
