//! What an engine that keeps sessions builds on, as mssql-tds meets it: transactions that T-SQL begins and ends, rights, and
//! resets, each by batch and by call.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    demo::{ENDLESS, Practice, READER, SECRET, WRITER, practice},
    mssql::{connect_as, first, told, walked},
};
use mssql_tds::{
    connection::tds_client::{ExecuteOptions, ResultSet, TdsClient},
    core::CancelHandle,
    datatypes::{column_values::ColumnValues, sql_string::SqlString, sqltypes::SqlType},
    error::Error,
    message::parameters::rpc_parameters::{RpcParameter, StatusFlags},
};
use std::time::Duration;

async fn connect(practice: &Practice) -> TdsClient {
    connect_as(&practice.served, WRITER, SECRET, |_| {}).await.unwrap()
}

/// What `sp_executesql` tells of a text without parameters.
async fn called(client: &mut TdsClient, text: &str) -> Vec<String> {
    let first = client.execute_sp_executesql(text.to_owned(), Vec::new(), ()).await;
    walked(client, first).await
}

fn text(words: &str) -> SqlType {
    SqlType::NVarchar(Some(SqlString::from_utf8_string(words.to_owned())), 100)
}

async fn message_count(client: &mut TdsClient) -> ColumnValues {
    first(client, "SELECT COUNT(*) FROM MESSAGES").await
}

async fn add_message(client: &mut TdsClient) -> Vec<String> {
    let given = [SqlType::Int(Some(1)), text("subject"), text("message")]
        .map(|value| RpcParameter::new(None, StatusFlags::NONE, value));
    let added =
        client.execute_stored_procedure("BP_AddMessage".to_owned(), Some(given.into()), None, ()).await;
    walked(client, added).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_knows_of_transactions_that_t_sql_begins_and_ends() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    for (text, open) in [
        ("BEGIN TRANSACTION", true),
        ("BEGIN TRANSACTION SELECT @@TRANCOUNT AS n COMMIT", true),
        ("COMMIT", false),
        ("BEGIN TRAN ROLLBACK BEGIN TRAN COMMIT BEGIN TRAN SELECT 1 AS a", true),
        ("SAVE TRAN here ROLLBACK TRAN here", true),
        ("COMMIT; BEGIN TRAN", true),
        ("WHILE @@TRANCOUNT > 0 COMMIT", false),
        ("BEGIN TRAN SELECT CAST('x' AS int) AS a", false),
        ("SET XACT_ABORT ON BEGIN TRAN SELECT 1 / 0 AS a", false),
        ("SET XACT_ABORT OFF BEGIN TRAN SELECT 1 / 0 AS a", true),
        (
            "BEGIN TRY SELECT CAST('x' AS int) AS a END TRY BEGIN CATCH SELECT XACT_STATE() AS s END CATCH",
            false,
        ),
        ("EXEC ('BEGIN TRAN')", true),
        ("EXEC ('ROLLBACK')", false),
    ] {
        told(&mut client, text).await;
        assert_eq!(client.has_active_transaction(), open, "{text}");
        let count = first(&mut client, "SELECT SIGN(@@TRANCOUNT)").await;
        assert_eq!(count, ColumnValues::Int(open.into()), "{text}");
    }
    // The same by call; and by request where T-SQL began it.
    called(&mut client, "BEGIN TRAN").await;
    assert!(client.has_active_transaction());
    client.commit_transaction(None, None).await.unwrap();
    assert!(!client.has_active_transaction());
    client
        .begin_transaction(
            mssql_tds::message::transaction_management::TransactionIsolationLevel::ReadCommitted,
            None,
        )
        .await
        .unwrap();
    called(&mut client, "ROLLBACK").await;
    assert!(!client.has_active_transaction());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_that_nobody_can_guess_tells_whether_it_is_the_same_transaction() {
    const BEFORE: &str =
        "SET LOCK_TIMEOUT 5000; SET DEADLOCK_PRIORITY LOW; BEGIN TRAN; SAVE TRAN halo_0f6c2b77";
    let practice = practice().await;
    let (mut client, mut other) = (connect(&practice).await, connect(&practice).await);
    let insert = "INSERT INTO MESSAGES (SUBJECT) VALUES ('tried')";
    let before = message_count(&mut other).await;
    // The same transaction: what was written is not there.
    for text in [
        insert.to_owned(),
        format!("BEGIN TRAN; {insert}; COMMIT"),
        format!("SAVE TRAN x; {insert}; ROLLBACK TRAN x; {insert}"),
        format!("EXEC ('{}')", insert.replace('\'', "''")),
    ] {
        assert!(told(&mut client, BEFORE).await.is_empty());
        called(&mut client, &text).await;
        assert!(told(&mut client, "ROLLBACK TRAN halo_0f6c2b77").await.is_empty(), "{text}");
        told(&mut client, "IF @@TRANCOUNT > 0 ROLLBACK").await;
        assert!(!client.has_active_transaction());
        assert_eq!(message_count(&mut other).await, before, "{text}");
    }
    // By a procedure as well.
    told(&mut client, BEFORE).await;
    assert_eq!(add_message(&mut client).await, ["1 rows"]);
    assert_ne!(message_count(&mut client).await, before);
    assert!(told(&mut client, "ROLLBACK TRAN halo_0f6c2b77; ROLLBACK").await.is_empty());
    assert_eq!(message_count(&mut other).await, before);
    // Another one, or none: the look says so, and what was committed is there.
    for (text, number, more) in [
        (format!("{insert}; COMMIT"), 3903, 1),
        (format!("{insert}; COMMIT; BEGIN TRAN"), 6401, 2),
        (format!("{insert}; WHILE @@TRANCOUNT > 0 COMMIT"), 3903, 3),
        (format!("/**/ROLLBACK --\n{insert}"), 3903, 4),
        (format!("EXEC sp_executesql N'COMMIT'; {insert}"), 3903, 5),
        (format!("{insert}; DECLARE @x varchar(20) = 'COM' + 'MIT'; EXEC (@x)"), 3903, 6),
    ] {
        told(&mut client, BEFORE).await;
        called(&mut client, &text).await;
        let look = told(&mut client, "ROLLBACK TRAN halo_0f6c2b77").await;
        assert!(look[0].starts_with(&format!("error {number} ")), "{text}: {look:?}");
        told(&mut client, "IF @@TRANCOUNT > 0 ROLLBACK").await;
        let told = told(&mut other, "SELECT COUNT(*) AS n FROM MESSAGES WHERE SUBJECT = 'tried'").await;
        assert_eq!(told, [format!("n: {more}")], "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_changes_the_count_is_told_so_and_a_doomed_one_is_rolled_back() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    let words = |before, now| {
        format!(
            "error 266 class 16 state 2 line 1: Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT statements. Previous count = {before}, current count = {now}."
        )
    };
    assert_eq!(called(&mut client, "BEGIN TRAN; SELECT 1 AS a").await, ["a: 1".to_owned(), words(0, 1)]);
    assert_eq!(called(&mut client, "COMMIT").await, [words(1, 0)]);
    assert_eq!(called(&mut client, "COMMIT").await.len(), 1, "3902 alone");
    let doomed = "BEGIN TRY SELECT CAST('x' AS int) AS a END TRY BEGIN CATCH PRINT 'caught' END CATCH";
    told(&mut client, "BEGIN TRAN").await;
    let called = called(&mut client, doomed).await;
    assert!(called.last().unwrap().starts_with("error 3998 class 16 state 1 line 1: "), "{called:?}");
    assert!(!client.has_active_transaction());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_is_told_its_own_rights() {
    let practice = practice().await;
    let mut writer = connect(&practice).await;
    let mut reader = connect_as(&practice.served, READER, SECRET, |_| {}).await.unwrap();
    let asked = "SELECT IS_SRVROLEMEMBER('sysadmin') AS s, IS_MEMBER('db_owner') AS o, IS_MEMBER('db_datawriter') AS w,
        IS_MEMBER('db_datareader') AS r, HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'SELECT') AS ds,
        HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'INSERT') AS di, HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'EXECUTE') AS de,
        HAS_PERMS_BY_NAME('BP_AddMessage', 'OBJECT', 'EXECUTE') AS oe,
        HAS_PERMS_BY_NAME('BP_GetAllUsers', 'OBJECT', 'EXECUTE') AS oer";
    let columns = "s,o,w,r,ds,di,de,oe,oer";
    assert_eq!(told(&mut writer, asked).await, [format!("{columns}: 0,0,1,1,1,1,1,1,1")]);
    assert_eq!(told(&mut reader, asked).await, [format!("{columns}: 0,0,0,1,1,0,0,0,1")]);
    let granted =
        "SELECT permission_name FROM sys.database_permissions AS p JOIN sys.database_principals AS u
        ON u.principal_id = p.grantee_principal_id WHERE u.name = USER_NAME() ORDER BY 1";
    assert_eq!(told(&mut writer, granted).await, ["permission_name: CONNECT EXECUTE"]);
    assert_eq!(told(&mut reader, granted).await, ["permission_name: CONNECT"]);
    let mine = "SELECT permission_name FROM sys.fn_my_permissions(NULL, 'DATABASE') WHERE permission_name IN ('INSERT', 'SELECT') ORDER BY 1";
    assert_eq!(called(&mut writer, mine).await, ["permission_name: INSERT SELECT"]);
    assert_eq!(called(&mut reader, mine).await, ["permission_name: SELECT"]);
    // And it is so.
    let denied = add_message(&mut reader).await;
    assert!(denied[0].starts_with("error 229 class 14 "), "{denied:?}");
    assert_eq!(add_message(&mut writer).await, ["1 rows"]);
    let server = "SELECT SERVERPROPERTY('ProductVersion') AS v, SERVERPROPERTY('ProductMajorVersion') AS m, SUSER_SNAME() AS u, ORIGINAL_LOGIN() AS o";
    assert_eq!(told(&mut reader, server).await, [format!("v,m,u,o: 13.0.0.0,13,{READER},{READER}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_before_a_call_leaves_nothing_of_the_last_use() {
    const STATE: &str = "SELECT @@TRANCOUNT AS t, DB_NAME() AS d, OBJECT_ID('tempdb..#t') AS o, CONTEXT_INFO() AS c, @@LOCK_TIMEOUT AS l";
    let practice = practice().await;
    let mut client = connect(&practice).await;
    let before = message_count(&mut client).await;
    for by_call in [true, false, true] {
        told(
            &mut client,
            "SET LOCK_TIMEOUT 77 SET NOCOUNT ON SET XACT_ABORT ON SET CONTEXT_INFO 0x01 CREATE TABLE #t (a int)
             BEGIN TRAN INSERT INTO MESSAGES (SUBJECT) VALUES ('never') USE BPSDrugs",
        )
        .await;
        assert!(client.has_active_transaction());
        client.prepare_reset_connection(false);
        let state = if by_call { called(&mut client, STATE).await } else { told(&mut client, STATE).await };
        assert_eq!(state.last().unwrap(), "t,d,o,c,l: 0,BPSPatients,null,null,-1", "{by_call}");
        assert!(!client.has_active_transaction());
        assert_eq!(message_count(&mut client).await, before);
        let counted = told(&mut client, "UPDATE YESNO SET YESNOWORD = YESNOWORD WHERE 1 = 0").await;
        assert_eq!(counted, ["0 rows"]);
    }
    // A procedure that runs behind a reset finds the login's own database.
    told(&mut client, "USE BPSDrugs").await;
    client.prepare_reset_connection(false);
    assert!(add_message(&mut client).await.contains(&"1 rows".to_owned()));
}

/// Cancels when the driver has waited a while; what comes of it must be the driver's word for a cancelled command.
async fn cancelled(
    client: &mut TdsClient,
    asks: impl AsyncFnOnce(&mut TdsClient, &CancelHandle) -> Result<(), Error>,
    what: &str,
) {
    let cancel = CancelHandle::new();
    let asked = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        cancel.cancel();
    };
    let both = async { tokio::join!(asks(client, &cancel), asked).0 };
    let ended = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    assert!(matches!(ended, Err(Error::OperationCancelledError(_))), "{what}: {ended:?}");
    assert!(!client.is_connection_dead(), "{what}: the request to stop was acknowledged");
    assert_eq!(first(client, "SELECT 1").await, ColumnValues::Int(1), "{what}");
}

async fn drained(client: &mut TdsClient) -> Result<(), Error> {
    loop {
        while client.next_row().await?.is_some() {}
        if client.advance().await? == mssql_tds::connection::tds_client::StatementResult::End {
            return Ok(());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attention_reaches_calls_that_wait_the_space_between_results_and_the_middle_of_a_value() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    let wait = async |client: &mut TdsClient, cancel: &CancelHandle| {
        let given = RpcParameter::new(None, StatusFlags::NONE, SqlType::Int(Some(3600)));
        let options = ExecuteOptions::new().cancel(cancel);
        client.execute_stored_procedure("DEMO_Wait".to_owned(), Some(vec![given]), None, options).await?;
        drained(client).await
    };
    cancelled(&mut client, wait, "a procedure that waits").await;
    for text in [
        "WAITFOR DELAY '01:00:00'".to_owned(),
        "SELECT 1 AS a SELECT 2 AS b WAITFOR DELAY '01:00:00' SELECT 3 AS c".to_owned(),
        // (Tens of thousands of empty ones in the pipe are more than the driver looks through: it gives the connection up.)
        "WHILE 1 = 1 SELECT N FROM Numbers".to_owned(),
        ENDLESS.to_owned(),
        "WHILE 1 = 1 SELECT REPLICATE(CAST('x' AS varchar(max)), 40000000) AS a".to_owned(),
        "BEGIN TRAN UPDATE Numbers SET N = N WAITFOR DELAY '01:00:00' ROLLBACK".to_owned(),
    ] {
        let asks = async |client: &mut TdsClient, cancel: &CancelHandle| {
            let options = ExecuteOptions::new().cancel(cancel);
            client.execute_sp_executesql(text.clone(), Vec::new(), options).await?;
            drained(client).await
        };
        cancelled(&mut client, asks, &text).await;
        told(&mut client, "IF @@TRANCOUNT > 0 ROLLBACK").await;
        assert!(!client.has_active_transaction());
    }
}
