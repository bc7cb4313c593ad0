//! Read-only, locks, cancelling, what is left behind, what a login may do.

use crate::kit::*;
use database::{Failure, Session, Terms, Writes};
use model::Access;
use std::time::{Duration, Instant};

/// What a session that is read-only may not do, by a login that may do everything.
#[test]
fn a_read_only_session_of_the_owner_changes_nothing() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    for text in [
        "update PATIENTS set BALANCE = 0",
        "insert into CLINICS values (9, 'x', '08:00', '09:00')",
        "delete from APPOINTMENTS",
        "update PATIENTS set BALANCE = 0 where PATIENT_ID = 1 returning BALANCE",
        "merge into CLINICS c using CLINICS d on c.CLINIC_ID = d.CLINIC_ID when matched then update set NAME = 'x'",
        "update or insert into CLINICS values (1, 'x', '08:00', '09:00')",
        "create table T (N integer)",
        "drop table APPOINTMENTS",
        "alter table PATIENTS add X integer",
        "grant select on PATIENTS to NOBODY",
        "execute procedure BOOK(1, 1, '2026-12-24', '09:00', 1)",
        "execute procedure TOUCH_ALONE(1)",
        "execute block as begin update PATIENTS set BALANCE = 0; end",
        "execute block as begin in autonomous transaction do update PATIENTS set BALANCE = 0; end",
        "execute block as begin execute statement 'update PATIENTS set BALANCE = 0'; end",
        "execute block as begin execute statement 'update PATIENTS set BALANCE = 0' with autonomous transaction; end",
        "execute block as begin execute statement 'commit'; end",
        "set generator S_APPOINTMENT to 5",
        "execute block as begin execute statement 'drop table APPOINTMENTS'; end",
        "alter sequence S_APPOINTMENT restart with 5",
        "select * from PATIENTS with lock",
        "create user EVIL password 'evil'",
        "alter user READER password 'evil'",
        "comment on table PATIENTS is 'x'",
        "execute block as begin execute statement 'select * from PATIENTS with lock'; end",
    ] {
        let ended = run(session.as_mut(), &command(text, vec![]));
        assert!(matches!(ended, Err(Failure::Sql(_))), "{text}");
    }
    // Firebird makes users when a transaction is committed, and this one never is.
    let hidden = "execute block as begin execute statement 'create user EVIL password ''evil'''; end";
    run(session.as_mut(), &command(hidden, vec![])).unwrap();
    let users = "select count(*) as N from SEC$USERS where SEC$USER_NAME = 'EVIL'";
    assert_eq!(rows(session.as_mut(), users), [r#"{"N":0}"#]);
    let mut owner = server.owner();
    assert_eq!(
        rows(
            owner.as_mut(),
            "select sum(BALANCE) as B, (select count(*) from APPOINTMENTS) as A, (select count(*) from CLINICS) as C from PATIENTS"
        ),
        [r#"{"B":99999999999986.7778,"A":2,"C":2}"#]
    );
}

/// Also what Firebird lets through: here so that a change is noticed, and `docs/engines/firebird.md` told of it.
#[test]
fn what_a_read_only_transaction_lets_through_is_what_the_documents_say() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    let external = format!(
        "execute block as begin execute statement 'update PATIENTS set BALANCE = 7' on external data source '127.0.0.1/{}:patients' as user 'SYSDBA' password '{PASSWORD}'; end",
        server.port()
    );
    let alone = external.replace("; end", " with autonomous transaction; end");
    for text in [external.as_str(), alone.as_str()] {
        let refused = error(session.as_mut(), text);
        assert!(refused.message.reveal().contains("read-only transaction"), "{}", refused.message.reveal());
    }
    for text in [
        "select next value for S_APPOINTMENT as N from RDB$DATABASE",
        "select RDB$SET_CONTEXT('USER_SESSION', 'a', 'b') as N from RDB$DATABASE",
        "insert into SCRATCH values (1)",
        "insert into SCRATCH_KEPT values (1)",
        "execute block as begin execute statement 'create user EVIL password ''evil''' with autonomous transaction; end",
    ] {
        run(session.as_mut(), &command(text, vec![])).unwrap();
    }
    assert_eq!(
        rows(
            server.owner().as_mut(),
            "select sum(BALANCE) as B, gen_id(S_APPOINTMENT, 0) as G from PATIENTS group by 2"
        ),
        [r#"{"B":99999999999986.7778,"G":1001}"#]
    );
}

/// A query that runs for minutes if nobody stops it.
const LONG: &str =
    "select count(*) from RDB$FIELDS a, RDB$FIELDS b, RDB$FIELDS c, RDB$FIELDS d, RDB$FIELDS e";

#[test]
fn a_command_that_is_cancelled_ends_and_the_session_goes_on() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    let canceller = session.canceller();
    let asked = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        canceller.cancel();
        Instant::now()
    });
    assert_eq!(run(session.as_mut(), &command(LONG, vec![])).map(|_| ()), Err(Failure::Cancelled));
    let took = asked.join().unwrap().elapsed();
    assert!(took < Duration::from_secs(30));
    assert_eq!(rows(session.as_mut(), "select 1 as ONE from RDB$DATABASE"), [r#"{"ONE":1}"#]);
    session.canceller().cancel();
    assert_eq!(
        run(session.as_mut(), &command(LONG, vec![])).map(|_| ()),
        Err(Failure::Cancelled),
        "asked before it began"
    );
    session.ping().unwrap();
}

#[test]
fn a_writer_that_is_cancelled_leaves_nothing() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let canceller = session.canceller();
    let asked = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        canceller.cancel();
    });
    let text = "execute block as declare n integer = 0; begin update PATIENTS set SEX = 'Q'; while (1 = 1) do n = mod(n + 1, 1000); end";
    assert_eq!(run(session.as_mut(), &command(text, vec![])).map(|_| ()), Err(Failure::Cancelled));
    asked.join().unwrap();
    assert_eq!(rows(session.as_mut(), "select count(*) as N from PATIENTS where SEX = 'Q'"), [r#"{"N":0}"#]);
}

#[test]
fn two_hundred_racing_cancels_never_reach_the_next_command() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut cancelled = 0;
    for _ in 0..200 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wait = Duration::from_micros((seed >> 33) % 4000);
        let canceller = session.canceller();
        let (begin, begun) = std::sync::mpsc::channel::<()>();
        let asked = std::thread::spawn(move || {
            let _ = begun.recv();
            std::thread::sleep(wait);
            canceller.cancel();
        });
        begin.send(()).unwrap();
        let text = "select count(*) as N from RDB$FIELDS a, RDB$FIELDS b where a.RDB$FIELD_LENGTH > @n";
        let given = vec![parameter("@n", model::ParameterType::Int, "0")];
        match run(session.as_mut(), &command(text, given)) {
            Ok((taken, _)) => assert_eq!(taken.rows.len(), 1),
            Err(Failure::Cancelled) => cancelled += 1,
            Err(other) => panic!("{other:?}"),
        }
        asked.join().unwrap();
        // One that came after the end means the next command, by contract: that one takes it.
        let next = run(session.as_mut(), &command("select 1 as ONE from RDB$DATABASE", vec![]));
        if next.is_err() {
            assert_eq!(next.map(|_| ()), Err(Failure::Cancelled));
        }
        assert_eq!(rows(session.as_mut(), "select 2 as TWO from RDB$DATABASE"), [r#"{"TWO":2}"#]);
    }
    assert!(cancelled > 0, "some came in time");
}

#[test]
fn a_sink_that_stops_ends_a_long_cursor_at_once() {
    let Some(server) = server() else { return };
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let mut session = server.session("SYSDBA", access);
        let text = "select a.RDB$FIELD_NAME from RDB$FIELDS a, RDB$FIELDS b, RDB$FIELDS c, RDB$FIELDS d";
        let mut taken = Taken { stop_after: Some(100), ..Taken::default() };
        let ended = session.run(&command(text, vec![]), &Terms::default(), &mut taken);
        assert_eq!((ended, taken.rows.len()), (Err(Failure::Cancelled), 100));
        assert_eq!(rows(session.as_mut(), "select 1 as ONE from RDB$DATABASE"), [r#"{"ONE":1}"#]);
    }
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    let text = "select a.RDB$FIELD_NAME from RDB$FIELDS a, RDB$FIELDS b, RDB$FIELDS c, RDB$FIELDS d";
    let mut taken = Taken { enough_after: Some(5), ..Taken::default() };
    session.run(&command(text, vec![]), &Terms::default(), &mut taken).unwrap();
    assert_eq!(taken.rows.len(), 5);
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for_as_long_as_the_terms_say() {
    let Some(server) = server() else { return };
    let mut holder = server.owner();
    let stop = holder.canceller();
    let holding = std::thread::spawn(move || {
        let text = "execute block as declare n integer = 0; begin update PATIENTS set SEX = 'Q' where PATIENT_ID = 1; while (1 = 1) do n = mod(n + 1, 1000); end";
        run(holder.as_mut(), &command(text, vec![])).map(|_| ())
    });
    let mut other = server.owner();
    let terms = |wait: u64| Terms { lock_wait: Some(Duration::from_secs(wait)), gives_way: false };
    let update = command("update PATIENTS set SEX = 'W' where PATIENT_ID = 1", vec![]);
    // Until the other one holds it, it succeeds.
    let begun = Instant::now();
    let refused = loop {
        match other.run(&update, &terms(0), &mut Taken::default()) {
            Err(Failure::Sql(error)) => break error,
            other => assert!(other.is_ok() && begun.elapsed() < Duration::from_secs(30)),
        }
    };
    assert_eq!(refused.number, -913, "{}", refused.message.reveal());
    let begun = Instant::now();
    match other.run(&update, &terms(2), &mut Taken::default()) {
        Err(Failure::Sql(error)) => assert_eq!(error.number, -913, "{}", error.message.reveal()),
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() >= Duration::from_millis(900));
    // Readers are not held up.
    let mut reader = server.session("reader", Access::ReadOnly);
    assert_eq!(rows(reader.as_mut(), "select count(*) as N from PATIENTS"), [r#"{"N":3}"#]);
    stop.cancel();
    assert_eq!(holding.join().unwrap(), Err(Failure::Cancelled));
}

#[test]
fn what_a_command_leaves_in_its_session_no_other_session_sees() {
    let Some(server) = server() else { return };
    let session = || server.session("SYSDBA", Access::ReadWrite);
    let (mut one, mut other) = (session(), session());
    let make = "create global temporary table KEPT (N integer) on commit preserve rows";
    run(one.as_mut(), &command(make, vec![])).unwrap();
    run(one.as_mut(), &command("insert into KEPT values (1)", vec![])).unwrap();
    rows(one.as_mut(), "select RDB$SET_CONTEXT('USER_SESSION', 'a', 'b') as N from RDB$DATABASE");
    rows(one.as_mut(), "select RDB$SET_CONTEXT('USER_TRANSACTION', 'a', 'b') as N from RDB$DATABASE");
    let left = "select RDB$GET_CONTEXT('USER_SESSION', 'a') as S, RDB$GET_CONTEXT('USER_TRANSACTION', 'a') as T, \
        (select count(*) from KEPT) as K from RDB$DATABASE";
    for session in [&mut one, &mut other] {
        session.reset().unwrap();
    }
    assert_eq!(rows(other.as_mut(), left), [r#"{"S":null,"T":null,"K":0}"#]);
    // Known and documented: it stays for the session's own user, as with Firebird's own drivers.
    assert_eq!(rows(one.as_mut(), left), [r#"{"S":"b","T":null,"K":1}"#]);
}

#[test]
fn a_session_says_what_its_login_may_do() {
    let Some(server) = server() else { return };
    let told = |user: &str| {
        let mut session: Box<dyn Session> = server.session(user, Access::ReadOnly);
        session.describe().unwrap()
    };
    let reader = told("reader");
    assert_eq!((reader.product.as_str(), reader.rights.writes), ("Firebird 3.0", Writes::No));
    assert!(reader.version.starts_with("3.0."));
    assert!(reader.rights.grants.contains(&"SELECT on PATIENTS".to_owned()));
    assert!(reader.rights.grants.contains(&"SELECT on DOCTORS (role HALO)".to_owned()));
    let writer = told("WRITER");
    assert_eq!(writer.rights.writes, Writes::Yes);
    assert_eq!(writer.rights.grants[0], "DELETE on PATIENTS");
    assert_eq!(told("caller").rights.writes, Writes::Yes);
    assert_eq!(told("nobody").rights, database::Rights { writes: Writes::No, grants: vec![] });
    run(server.owner().as_mut(), &command("grant create table to NOBODY", vec![])).unwrap();
    let maker = told("nobody").rights;
    assert_eq!((maker.writes, maker.grants), (Writes::Yes, vec!["CREATE on SQL$TABLES".to_owned()]));
    assert_eq!(told("sysdba").rights.writes, Writes::Yes);
    let mut own = server.engine().connect_own("patients").unwrap().unwrap();
    assert_eq!(rows(own.as_mut(), "select trim(current_user) as U from RDB$DATABASE"), [r#"{"U":"READER"}"#]);
}

#[test]
fn a_role_is_taken_on_and_a_server_that_does_not_encrypt_is_refused_unless_the_settings_allow_it() {
    let Some(server) = server_with("WireCrypt = Disabled\n") else { return };
    let connect = |more: &str| {
        let session =
            server.engine_with(more).connect(&login("reader", PASSWORD), "Patients", Access::ReadOnly);
        if let Err(Failure::Sql(error)) = &session {
            eprintln!("{more}: {}", error.message.reveal());
        }
        session
    };
    match connect("") {
        Err(Failure::Sql(error)) => assert_eq!(error.number, -902),
        other => panic!("{:?}", other.map(|_| ())),
    }
    let mut session = connect("wire_crypt = 'enabled'\nrole = 'halo'").unwrap();
    assert_eq!(
        rows(session.as_mut(), "select trim(current_role) as R from RDB$DATABASE"),
        [r#"{"R":"HALO"}"#]
    );
    connect("wire_crypt = 'disabled'").unwrap().ping().unwrap();
    let wrong = server.engine_with("wire_crypt = 'disabled'").connect(
        &login("reader", "x"),
        "Patients",
        Access::ReadOnly,
    );
    assert!(matches!(wrong, Err(Failure::Sql(error)) if error.number == -902));
}

#[test]
fn a_server_without_srp_and_a_server_that_is_not_there_are_told_apart() {
    let Some(server) = server_with("AuthServer = Srp\nWireCrypt = Enabled\n") else { return };
    server.session("reader", Access::ReadOnly).ping().unwrap();
    let plain = server.engine_with("wire_crypt = 'disabled'").connect(
        &login("reader", PASSWORD),
        "Patients",
        Access::ReadOnly,
    );
    if let Err(Failure::Sql(error)) = &plain {
        eprintln!("{}", error.message.reveal());
    }
    plain.unwrap().ping().unwrap();
    let engine = server.engine();
    let mut session = engine.connect(&login("reader", PASSWORD), "Patients", Access::ReadOnly).unwrap();
    drop(server);
    assert_eq!(session.ping(), Err(Failure::Lost));
    assert_eq!(
        run(session.as_mut(), &command("select 1 from RDB$DATABASE", vec![])).map(|_| ()),
        Err(Failure::Lost)
    );
    let gone = engine.connect(&login("reader", PASSWORD), "Patients", Access::ReadOnly);
    assert_eq!(gone.map(|_| ()), Err(Failure::Lost));
}

#[test]
fn a_session_that_an_administrator_ends_is_lost_and_a_statement_that_he_stops_is_an_error() {
    let Some(server) = server() else { return };
    let mut reader = server.session("reader", Access::ReadOnly);
    let running = std::thread::spawn(move || {
        let ended = run(reader.as_mut(), &command(LONG, vec![])).map(|_| ());
        (reader, ended)
    });
    let mut owner = server.owner();
    let begun = Instant::now();
    let stop = "delete from MON$STATEMENTS where MON$STATE = 1 and MON$ATTACHMENT_ID in \
        (select MON$ATTACHMENT_ID from MON$ATTACHMENTS where MON$USER = 'READER')";
    while run(owner.as_mut(), &command(stop, vec![])).unwrap().1.rows_affected == Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    let (mut reader, ended) = running.join().unwrap();
    match ended {
        Err(Failure::Sql(error)) => assert_eq!(error.number, -901),
        other => panic!("{other:?}"),
    }
    reader.ping().unwrap();
    run(owner.as_mut(), &command("delete from MON$ATTACHMENTS where MON$USER = 'READER'", vec![])).unwrap();
    let lost = run(reader.as_mut(), &command("select 1 from RDB$DATABASE", vec![])).map(|_| ());
    assert_eq!(lost, Err(Failure::Lost));
    assert_eq!(reader.ping(), Err(Failure::Lost));
}

#[test]
fn a_change_stands_exactly_when_its_command_ended_well_however_cancels_race() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let mut stood = 0;
    let mut seed = 0x517C_C1B7_2722_0A95_u64;
    for _ in 0..150 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wait = Duration::from_micros((seed >> 33) % 3000);
        let canceller = session.canceller();
        let asked = std::thread::spawn(move || {
            std::thread::sleep(wait);
            canceller.cancel();
        });
        let text = "execute block as declare n integer = 0; begin update PATIENTS set BALANCE = BALANCE + 1 where PATIENT_ID = 3; \
            while (n < 2000) do n = n + 1; end";
        match run(session.as_mut(), &command(text, vec![])) {
            Ok(_) => stood += 1,
            Err(Failure::Cancelled) => {}
            Err(other) => panic!("{other:?}"),
        }
        asked.join().unwrap();
        // One that came after the end is taken by this.
        let _ = run(session.as_mut(), &command("select 1 as ONE from RDB$DATABASE", vec![]));
    }
    let found =
        rows(session.as_mut(), "select cast(BALANCE as integer) as N from PATIENTS where PATIENT_ID = 3");
    assert_eq!(found, [format!(r#"{{"N":{stood}}}"#)]);
    assert!((1..150).contains(&stood), "{stood} of 150: both must happen for this to say anything");
}

#[test]
fn a_long_command_ends_however_early_it_is_cancelled_and_wherever_its_work_is_done() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let sorted = "select a.RDB$FIELD_NAME as X from RDB$FIELDS a, RDB$FIELDS b, RDB$FIELDS c order by b.RDB$FIELD_NAME, c.RDB$FIELD_NAME desc";
    let block = "execute block as declare n integer = 0; begin while (1 = 1) do n = mod(n + 1, 1000); end";
    let update = "update PATIENTS set SEX = 'Z' where (select count(*) from RDB$FIELDS a, RDB$FIELDS b, RDB$FIELDS c, RDB$FIELDS d) > PATIENT_ID";
    for round in 0..60u64 {
        let text = [LONG, sorted, block, update][round as usize % 4];
        let canceller = session.canceller();
        let asked = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(round * round));
            canceller.cancel();
        });
        assert_eq!(
            run(session.as_mut(), &command(text, vec![])).map(|_| ()),
            Err(Failure::Cancelled),
            "round {round}"
        );
        asked.join().unwrap();
        assert_eq!(
            rows(session.as_mut(), "select count(*) as N from PATIENTS where SEX = 'Z'"),
            [r#"{"N":0}"#]
        );
    }
}
