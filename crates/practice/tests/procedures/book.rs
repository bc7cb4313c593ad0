//! Reading the book: free slots, who is away, what is booked.

use super::*;

fn times(list: &[i64]) -> String {
    let rows: Vec<String> =
        list.iter().map(|t| format!("{{\"AppointmentTime\":{t},\"AppointmentLength\":900}}")).collect();
    format!("[{}]; status 0", rows.join(","))
}

#[test]
fn free_slots_are_what_the_rota_has_less_what_is_booked() {
    let (_demo, mut session) = practice();
    simple_rota(&mut session);
    let session = &mut session;
    assert_eq!(free(session, MONDAY), times(&[32400, 33300, 34200, 35100]));
    // A long one takes two slots; one that begins between two slots takes both.
    batch(session, "EXEC BP_AddAppointment '20300603', 33300, 1800, 3, 1");
    assert_eq!(free(session, MONDAY), times(&[32400, 35100]));
    batch(session, "EXEC BP_AddAppointment '20300610', 33000, 600, 3, 1");
    assert_eq!(free(session, "20300610"), times(&[34200, 35100]));
    // One before the session reaches into it.
    batch(session, "EXEC BP_AddAppointment '20300617', 30600, 1860, 3, 1");
    assert_eq!(free(session, "2030-06-17"), times(&[33300, 34200, 35100]));
    // Another's appointment and a cancelled one are in nobody's way.
    batch(session, "EXEC BP_AddAppointment '20300624', 32400, 3600, 1, 1");
    let taken = "DECLARE @id int EXEC @id = BP_AddAppointment '20300624', 32400, 3600, 3, 1 ";
    assert_eq!(free(session, "20300624").matches("900").count(), 4);
    batch(session, &format!("{taken} EXEC BP_CancelAppointment @id"));
    assert_eq!(free(session, "20300624").matches("AppointmentTime").count(), 4);
    // All taken is no error.
    batch(session, taken);
    assert_eq!(free(session, "20300624"), "[]; status 0");
}

#[test]
fn who_has_no_session_that_day_is_away_and_who_is_unknown_is_told_so() {
    let (demo, mut session) = practice();
    simple_rota(&mut session);
    for date in ["20300604", "20251201", "19000101"] {
        assert_eq!(
            free(&mut session, date),
            "error 50000 state 1 in BP_GetFreeAppointments: Dr Penelope Banksia is away on that date.; status 0"
        );
    }
    let mut narrow = demo.session(Access::ReadOnly);
    let failure = call(
        narrow.as_mut(),
        "BPSPATIENTS.dbo.BP_GetFreeAppointments",
        &[("@userid", Int, Some("3")), ("@aptdate", Date, Some("2030-06-04"))],
    )
    .unwrap_err();
    let Failure::Sql(error) = failure else { panic!() };
    assert_eq!((error.number, error.class), (50000, 16));
    for id in ["7", "0", "99"] {
        let told = batch(&mut session, &format!("EXEC BP_GetFreeAppointments {id}, '{MONDAY}'"));
        assert!(told[0].contains(&format!("User {id} is not")), "{told:?}");
    }
}

#[test]
fn sessions_begin_end_and_recur_as_their_row_says() {
    let (_demo, mut session) = practice();
    let session = &mut session;
    let mut with = |columns: &str, values: &str, days: &[(&str, bool)]| {
        simple_rota(session);
        let set = format!("UPDATE SESSIONS SET {columns} WHERE USERID = 3 AND {values}");
        batch(session, &set);
        for (day, works) in days {
            assert_eq!(free(session, day).contains("AppointmentTime"), *works, "{set}: {day}");
        }
    };
    with(
        "STARTDATE = '20300610', ENDDATE = '20300617'",
        "1 = 1",
        &[("20300603", false), ("20300610", true), ("20300617", true), ("20300624", false)],
    );
    with("STARTDATE = NULL, WEEKS = NULL", "1 = 1", &[("20300603", true), ("20000103", true)]);
    // Every second week; the cycle's date is in its first week, whichever day it is.
    with(
        "WEEKS = 2, CYCLEWEEK = 1, CYCLEDATE = '20300605'",
        "1 = 1",
        &[
            ("20300603", true),
            ("20300610", false),
            ("20300617", true),
            ("20300527", false),
            ("20300520", true),
        ],
    );
    with(
        "WEEKS = 3, CYCLEWEEK = 3, CYCLEDATE = '20300603'",
        "1 = 1",
        &[("20300603", false), ("20300610", false), ("20300617", true), ("20300527", true)],
    );
}

#[test]
fn a_moment_within_an_appointment_is_booked() {
    let (demo, mut session) = practice();
    batch(&mut session, "EXEC BP_AddAppointment '20300603', 32400, 900, 3, 1");
    let mut narrow = demo.session(Access::ReadOnly);
    for (user, date, time, booked) in [
        ("3", "2030-06-03T00:00:00", "32400", 1),
        ("3", "2030-06-03T15:30:00", "33299", 1),
        ("3", "2030-06-03T00:00:00", "33300", 0),
        ("3", "2030-06-03T00:00:00", "32399", 0),
        ("1", "2030-06-03T00:00:00", "32400", 0),
        ("3", "2030-06-04T00:00:00", "32400", 0),
    ] {
        let given =
            [("@userid", Int, Some(user)), ("@APTDATE", DateTime, Some(date)), ("@apttime", Int, Some(time))];
        assert_eq!(
            call(narrow.as_mut(), "BP_IsAppointmentBooked", &given).unwrap(),
            ("[]".to_owned(), booked, None),
            "{user} {date} {time}"
        );
    }
}

#[test]
fn a_patients_appointments_come_in_order_past_and_future_but_not_the_cancelled() {
    let (_demo, mut session) = practice();
    let told = batch(
        &mut session,
        "SET NOCOUNT ON
         DELETE FROM APPOINTMENTS WHERE INTERNALID = 4
         DECLARE @a int, @b int, @c int
         EXEC @b = BP_AddAppointmentEx '20300603', 33300, 2, 1800, 3, 4, 'Knee', 10, 1
         EXEC @a = BP_AddAppointment '20200106', 33300, 900, 1, 4
         EXEC @c = BP_AddAppointment '20300603', 32400, 900, 3, 4
         EXEC BP_CancelAppointment @c, 10
         EXEC BP_GetPatientAppointments @patientid = 4",
    );
    let rows: serde_json::Value = serde_json::from_str(&told[4]).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{told:?}");
    let names: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 7);
    assert_eq!(
        (&rows[0]["AppointmentDate"], &rows[1]["AppointmentType"]),
        (&"2020-01-06T00:00:00".into(), &2.into())
    );
    assert_eq!(rows[1]["UserSurname"], format!("{:<40}", "Banksia"));
    assert_eq!(rows[1]["UserTitle"], format!("{:<30}", "Dr"));
    assert_eq!(batch(&mut session, "EXEC BP_GetPatientAppointments 0")[0], "[]");
}

#[test]
fn staff_and_places_come_as_before() {
    let (_demo, mut session) = practice();
    for (name, wanted) in [
        ("BP_GetAppointmentBookUsers", "\"Surname\":\"Findacure"),
        ("BP_GetAllUsers", "\"UserID\":2000000002"),
        ("BP_GetAllSessions", "\"CycleDate\":null"),
        ("BP_GetPracticeLocation 1", "\"POSTCODE\":\"4064\""),
    ] {
        assert!(batch(&mut session, name)[0].contains(wanted), "{name}");
    }
}
