//! Read-only work leaves nothing behind, or says that it may have.

use super::common::{WRITER, input, login, number, procedure, rows, run, site, text};
use database::{Failure, Session};
use model::{Access, Command, ParameterType};

/// How often the mark that the attacks write is there.
fn marks(writer: &mut dyn Session) -> String {
    rows(writer, "SELECT COUNT(*) AS n FROM PATIENTS WHERE SURNAME = 'ESCAPED'").remove(0)
}

const MARK: &str = "UPDATE PATIENTS SET SURNAME = 'ESCAPED' WHERE INTERNALID = 1";

fn was_there(writer: &mut dyn Session) -> bool {
    let there = marks(writer) != r#"{"n":0}"#;
    run(writer, &text("UPDATE PATIENTS SET SURNAME = 'Plain' WHERE INTERNALID = 1")).unwrap();
    there
}

#[test]
fn what_a_read_only_command_writes_is_rolled_back_and_it_sees_its_own_work() {
    let site = site();
    let (mut reader, mut writer) = (site.reader(), site.writer());
    let statement = format!("{MARK}; SELECT COUNT(*) AS n FROM PATIENTS WHERE SURNAME = 'ESCAPED'");
    let (told, done) = run(&mut *reader, &text(&statement)).unwrap();
    assert_eq!(told[1], r#"{"n":1}"#);
    assert_eq!(done.rows_affected, Some(1));
    assert!(!was_there(&mut *writer));
    let count = "SELECT COUNT(*) AS n FROM MESSAGES";
    let before = rows(&mut *writer, count);
    let add = procedure(
        "BP_AddMessage",
        vec![
            input("@userid", ParameterType::Int, Some("1")),
            input("@subject", ParameterType::VarChar, Some("s")),
            input("@message", ParameterType::VarChar, Some("m")),
        ],
    );
    run(&mut *reader, &add).unwrap();
    assert_eq!(rows(&mut *writer, count), before);
    // And so on, command after command.
    for n in 0..5 {
        assert_eq!(rows(&mut *reader, &format!("SELECT {n} AS n")), [format!("{{\"n\":{n}}}")]);
    }
}

#[test]
fn no_trick_writes_unseen() {
    let site = site();
    let mut writer = site.writer();
    let tricks = [
        format!("{MARK}; COMMIT"),
        format!("{MARK}; COMMIT TRANSACTION; BEGIN TRANSACTION"),
        format!("{MARK}; COMMIT; BEGIN TRAN; SAVE TRAN halo_guess"),
        format!("{MARK}; WHILE @@TRANCOUNT > 0 COMMIT"),
        format!("ROLLBACK; {MARK}"),
        format!("ROLLBACK; {MARK}; BEGIN TRAN"),
        format!("ROLLBACK; {MARK}; SELECT CAST('x' AS int) AS boom"),
        format!("ROLLBACK; SET NOCOUNT ON; {MARK}; SELECT 1 / 0 AS boom"),
        format!("/* SELECT */ {MARK} -- nothing\n; /* */ COMMIT /* ROLLBACK */"),
        format!("{MARK}; EXEC('COMMIT')"),
        format!("{MARK}; EXEC('COM' + 'MIT; BEGIN TRAN')"),
        format!("{MARK}; EXEC sp_executesql N'EXEC(''COMMIT'')'"),
        format!("EXEC('ROLL' + 'BACK'); {MARK}; SELECT CAST('x' AS int) AS boom"),
        format!("{MARK}; SET XACT_ABORT ON; SELECT 1 / 0 AS boom"),
        format!(
            "SET XACT_ABORT ON; BEGIN TRY SELECT 1 / 0 AS boom END TRY BEGIN CATCH ROLLBACK; {MARK}; THROW; END CATCH"
        ),
        format!(
            "COMMIT; {MARK}; BEGIN TRAN; SET XACT_ABORT ON; BEGIN TRY SELECT 1 / 0 AS b END TRY BEGIN CATCH SELECT 1 AS c END CATCH"
        ),
        format!("SET IMPLICIT_TRANSACTIONS ON; {MARK}; COMMIT"),
        format!("BEGIN TRAN; {MARK}; COMMIT; COMMIT"),
        format!("BEGIN TRAN; {MARK}; COMMIT"),
        format!("{MARK}; RAISERROR('COMMIT', 16, 1)"),
        "UPDATE other.BPSPatients.dbo.PATIENTS SET SURNAME = 'ESCAPED' WHERE INTERNALID = 1".to_owned(),
        format!("{MARK}; COMMIT; WAITFOR DELAY '00:00:00.1'"),
    ];
    let mut escaped = 0;
    for trick in &tricks {
        let mut reader = site.reader();
        let ended = run(&mut *reader, &text(trick));
        drop(reader);
        let there = was_there(&mut *writer);
        let told = matches!(ended, Err(Failure::Escaped(_)));
        escaped += usize::from(there);
        assert!(!there || told, "{trick}: {ended:?}");
    }
    assert!(escaped >= 5, "the tricks that work were tried: {escaped}");
}

#[test]
fn a_commit_is_an_escape_and_closes_the_session() {
    let site = site();
    let mut reader = site.reader();
    let ended = run(&mut *reader, &text(&format!("{MARK}; COMMIT")));
    assert!(matches!(ended, Err(Failure::Escaped(_))), "{ended:?}");
    assert_eq!(run(&mut *reader, &text("SELECT 1 AS a")).map(|_| ()), Err(Failure::Lost));
    assert!(was_there(&mut *site.writer()));
}

#[test]
fn an_escape_by_sp_executesql_called_as_a_procedure_is_told() {
    let site = site();
    let call = |statement: &str| -> Command {
        procedure("sp_executesql", vec![input("@stmt", ParameterType::NVarChar, Some(statement))])
    };
    let mut reader = site.reader();
    let ended = run(&mut *reader, &call(&format!("{MARK}; COMMIT")));
    assert!(matches!(ended, Err(Failure::Escaped(_))), "{ended:?}");
    assert!(was_there(&mut *site.writer()));
}

#[test]
fn errors_of_a_reading_statement_stay_errors_also_where_the_server_rolls_back() {
    let site = site();
    let mut reader = site.reader();
    for (statement, wanted) in [
        ("SELECT CAST('x' AS int) AS a", 245),
        ("SELECT FROM WHERE", 156),
        // The driver still has the status of the one before.
        ("SELECT CAST('x' AS int) AS a", 245),
        ("SELECT 1 / 0 AS a", 8134),
        ("SELECT nothing FROM nowhere", 208),
        ("RAISERROR('no', 16, 1)", 50_000),
    ] {
        let ended = run(&mut *reader, &text(statement));
        assert_eq!(number(ended), wanted, "{statement}");
        assert_eq!(rows(&mut *reader, "SELECT @@TRANCOUNT AS n"), [r#"{"n":1}"#]);
    }
    let add = procedure("DEMO_Fail", vec![input("@number", ParameterType::Int, Some("50000"))]);
    assert_eq!(number(run(&mut *reader, &add)), 50_000);
}

#[test]
fn a_read_only_command_that_is_cancelled_after_it_escaped_says_so() {
    let site = site();
    let mut reader = site.reader();
    let canceller = reader.canceller();
    let asked = std::thread::spawn(move || {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(std::time::Duration::from_millis(300));
        canceller.cancel();
    });
    let ended = run(&mut *reader, &text(&format!("{MARK}; COMMIT; WAITFOR DELAY '01:00:00'")));
    asked.join().unwrap();
    assert!(matches!(ended, Err(Failure::Escaped(_))), "{ended:?}");
    assert!(was_there(&mut *site.writer()));
    // One that only reads is cancelled and no more.
    let mut reader = site.reader();
    reader.canceller().cancel();
    assert_eq!(run(&mut *reader, &text("SELECT 1 AS a")).map(|_| ()), Err(Failure::Cancelled));
    assert_eq!(rows(&mut *reader, "SELECT 1 AS a"), [r#"{"a":1}"#]);
}

#[test]
fn the_own_login_is_read_only() {
    let site = site();
    let table = format!(
        "encrypt = 'login-only'\ntrust_server_certificate = true\nlogin = {{ user = '{WRITER}', password_file = 'own.password' }}"
    );
    std::fs::write(site.folder.path().join("own.password"), "open sesame\n").unwrap();
    let engine = site.engine_at(site.port, &table);
    let mut own = engine.connect_own("Patients").unwrap().unwrap();
    run(&mut *own, &text(MARK)).unwrap();
    assert!(!was_there(&mut *engine.connect(&login(WRITER), "Patients", Access::ReadWrite).unwrap()));
    assert!(site.engine().connect_own("Patients").is_none());
}
