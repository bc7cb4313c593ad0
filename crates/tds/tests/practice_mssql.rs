//! mssql-tds, the library under Microsoft's newer drivers, against the real demo practice: logins, batches, errors,
//! cancelling, sizes, reset. Types and parameters are in practice_mssql_types.rs.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    demo::{ENDLESS, MILLION, READER, SECRET, WRITER, practice},
    mssql::{connect_as, first, sql_errors, told, walked},
};
use mssql_tds::{
    connection::tds_client::{CursorColumn, ExecuteOptions, ResultSet, StatementResult, TdsClient},
    core::{CancelHandle, EncryptionSetting},
    datatypes::{column_values::ColumnValues, sqltypes::SqlType},
    error::Error,
    message::{
        parameters::rpc_parameters::{RpcParameter, StatusFlags},
        transaction_management::TransactionIsolationLevel,
    },
};
use std::time::Duration;

async fn connect(practice: &common::demo::Practice) -> TdsClient {
    connect_as(&practice.served, WRITER, SECRET, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_with_and_without_tls() {
    let practice = practice().await;
    for mode in [EncryptionSetting::PreferOff, EncryptionSetting::On, EncryptionSetting::Required] {
        let mut client =
            connect_as(&practice.served, WRITER, SECRET, |c| c.encryption_options.mode = mode).await.unwrap();
        assert_eq!(client.is_encrypted(), mode != EncryptionSetting::PreferOff);
        assert_eq!(first(&mut client, "SELECT COUNT(*) FROM PATIENTS").await, ColumnValues::Int(500));
        for (user, password) in [(WRITER, "Open sesame"), ("nobody", SECRET), (WRITER, "")] {
            let wrong = connect_as(&practice.served, user, password, |c| c.encryption_options.mode = mode);
            let error = sql_errors(wrong.await.map(|_| ()).unwrap_err()).remove(0);
            assert_eq!((error.number, error.state, error.class), (18_456, 1, 14));
            assert_eq!(error.message, format!("Login failed for user '{user}'."));
        }
    }
    let drugs = connect_as(&practice.served, READER, SECRET, |c| c.database = "BPSDrugs".to_owned());
    let mut reader = drugs.await.unwrap();
    assert_eq!(reader.database(), "BPSDrugs");
    assert_eq!(
        told(&mut reader, "SELECT DB_NAME() AS d, SUSER_SNAME() AS u").await,
        ["d,u: BPSDrugs,bpsviewer"]
    );
    let refused = told(&mut reader, "USE BPSPatients UPDATE PATIENTS SET SURNAME = 'X'").await;
    assert!(refused.last().unwrap().starts_with("error 229 class 14 "), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_tells_everything_in_order() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    let results = [
        "N: 0 1 2",
        "info 0 line 3: between the first and the second",
        "3 rows",
        "id,word: 1,one 2,two 3,three",
        "2 rows",
        "info 50000 line 7: no more than a note: 2 rows changed",
        "1 rows",
        "word: ",
    ];
    assert_eq!(told(&mut client, "EXEC DEMO_Results").await, results);
    assert_eq!(client.get_return_status(), Some(3));
    let called = client.execute_stored_procedure("DEMO_Results".to_owned(), None, None, ()).await;
    assert_eq!(walked(&mut client, called).await, results);
    assert_eq!(client.get_return_status(), Some(3));
    let text = "SET NOCOUNT ON CREATE TABLE #t (a int) INSERT #t VALUES (1), (2)
        PRINT 'quiet' SET NOCOUNT OFF
        UPDATE #t SET a = a + 1 DELETE FROM #t WHERE a > 5 SELECT a, a * 1.5 AS b FROM #t ORDER BY a
        SELECT TOP 0 a FROM #t";
    assert_eq!(
        told(&mut client, text).await,
        ["info 0 line 2: quiet", "2 rows", "0 rows", "a,b: 2,3.0 3,4.5", "a: "]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_everything_and_the_batch_goes_on_or_not() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    for (number, wanted) in [
        (50_000, "error 50000 class 16 state 5 line 4 in DEMO_Fail: Raised on request, state 5."),
        (60_001, "error 60001 class 16 state 6 line 9 in DEMO_Fail: Thrown on request."),
        (8134, "error 8134 class 16 state 1 line 13 in DEMO_Fail: Divide by zero error encountered."),
        (
            245,
            "error 245 class 16 state 1 line 17 in DEMO_Fail: Conversion failed when converting the varchar value 'on request' to data type int.",
        ),
        (208, "error 208 class 16 state 1 line 19 in DEMO_Fail: Invalid object name 'dbo.NoSuchTable'."),
        (
            1,
            "error 50000 class 16 state 1 line 20 in DEMO_Fail: DEMO_Fail knows 208, 245, 8134, and from 50000 on.",
        ),
    ] {
        let batch = told(&mut client, &format!("EXEC DEMO_Fail {number}")).await;
        assert!(batch.contains(&wanted.to_owned()), "{number}: {batch:?}");
        let given =
            RpcParameter::new(Some("@number".to_owned()), StatusFlags::NONE, SqlType::Int(Some(number)));
        let called =
            client.execute_stored_procedure("dbo.DEMO_Fail".to_owned(), None, Some(vec![given]), ()).await;
        let call = walked(&mut client, called).await;
        assert!(call.contains(&wanted.to_owned()), "{number}: {call:?}");
    }
    // One statement ends; the batch goes on.
    assert_eq!(
        told(&mut client, "SELECT 1 AS a\n\nSELECT 1 / 0 AS b\nSELECT 2 AS c").await,
        ["a: 1", "b: ", "error 8134 class 16 state 1 line 3: Divide by zero error encountered.", "c: 2"]
    );
    let text = "CREATE TABLE #k (id int PRIMARY KEY, n int NOT NULL)
        INSERT #k VALUES (1, 1)
        INSERT #k VALUES (1, 2)
        INSERT #k VALUES (2, NULL)
        RAISERROR('mine %d', 16, 9, 4)
        SELECT id FROM #k";
    let said = told(&mut client, text).await;
    for (at, wanted) in [
        (0, "1 rows"),
        (1, "error 2627 class 14 state 1 line 3: "),
        (2, "error 515 class 16 state "),
        (3, "error 50000 class 16 state 9 line 5: mine 4"),
        (4, "id: 1"),
    ] {
        assert!(said.get(at).is_some_and(|s| s.starts_with(wanted)), "{wanted}: {said:?}");
    }
    // The batch ends.
    for (text, wanted) in [
        ("SELECT 1 AS a SELECT CAST('x' AS int) AS b SELECT 2 AS c", "error 245 class 16 state 1 line 1: "),
        ("SET XACT_ABORT ON\nSELECT 1 / 0 AS b\nSELECT 2 AS c", "error 8134 class 16 state 1 line 2: "),
        (
            "SET XACT_ABORT OFF;\nTHROW 51000, 'mine', 3;\nSELECT 2 AS c",
            "error 51000 class 16 state 3 line 2: mine",
        ),
        ("SELECT 1 AS a\n\nSELECT * FROM NOWHERE SELECT 2 AS c", "error 208 class 16 state 1 line 3: "),
        ("SELECT 1 AS a\nSELEC 2", "error 102 class 15 state 1 line 2: "),
    ] {
        let said = told(&mut client, text).await;
        assert!(said.iter().any(|s| s.starts_with(wanted)), "{said:?}");
        assert!(!said.contains(&"c: 2".to_owned()), "{said:?}");
    }
    let caught = "BEGIN TRY EXEC DEMO_Fail 8134 END TRY
        BEGIN CATCH SELECT ERROR_NUMBER() AS n, ERROR_PROCEDURE() AS p, ERROR_LINE() AS l END CATCH";
    assert_eq!(told(&mut client, caught).await, ["n,p,l: 8134,DEMO_Fail,13"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_through_its_handle_and_goes_on() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    told(&mut client, "CREATE TABLE #kept (a int) INSERT #kept VALUES (5)").await;
    let heavy = "SELECT COUNT_BIG(*) FROM Numbers a, Numbers b, Numbers c, Numbers d WHERE a.N + b.N + c.N + d.N = -1";
    for text in
        ["EXEC DEMO_Wait 3600", ENDLESS, heavy, "WHILE 1 = 1 SET NOCOUNT ON", "WAITFOR DELAY '01:00:00'"]
    {
        let cancel = CancelHandle::new();
        let ended = async {
            client.execute(text.to_owned(), ExecuteOptions::new().cancel(&cancel)).await?;
            while client.next_row().await?.is_some() {}
            client.close_query().await
        };
        let asked = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cancel.cancel();
        };
        let both = async { tokio::join!(ended, asked).0 };
        let ended = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert!(matches!(ended, Err(Error::OperationCancelledError(_))), "{text}: {ended:?}");
        assert_eq!(first(&mut client, "SELECT a FROM #kept").await, ColumnValues::Int(5), "{text}");
    }
    // A call is cancelled like a batch; so is what a time-out of the client's ends.
    let seconds = || RpcParameter::new(None, StatusFlags::NONE, SqlType::Int(Some(3600)));
    let options = ExecuteOptions::new().timeout_secs(1);
    let waited = async {
        client.execute_stored_procedure("DEMO_Wait".to_owned(), Some(vec![seconds()]), None, options).await?;
        client.next_row().await
    };
    assert!(waited.await.is_err());
    let _ = client.close_query().await;
    assert_eq!(first(&mut client, "SELECT a FROM #kept").await, ColumnValues::Int(5));
    // A transaction outlives what was cancelled in it.
    let text = format!("BEGIN TRANSACTION UPDATE Numbers SET N = N {ENDLESS}");
    let mut at = client.execute(text, ()).await.unwrap();
    while at != StatementResult::Rows {
        at = client.advance().await.unwrap();
    }
    client.cancel_query(10).await.unwrap();
    assert_eq!(first(&mut client, "SELECT @@TRANCOUNT").await, ColumnValues::Int(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_anothers_write_is_cancelled_as_well() {
    let practice = practice().await;
    let (mut first_one, mut second) = (connect(&practice).await, connect(&practice).await);
    told(&mut first_one, "BEGIN TRANSACTION UPDATE Numbers SET N = N").await;
    let change = "UPDATE Numbers SET N = N WHERE N = 1";
    let cancel = CancelHandle::new();
    let waiting = second.execute(change.to_owned(), ExecuteOptions::new().cancel(&cancel));
    let asked = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    };
    let ended = tokio::join!(waiting, asked).0;
    assert!(matches!(ended, Err(Error::OperationCancelledError(_))), "{ended:?}");
    let impatient = told(&mut second, &format!("SET LOCK_TIMEOUT 10 {change}")).await;
    assert!(impatient[0].starts_with("error 1222 class 16 "), "{impatient:?}");
    told(&mut first_one, "COMMIT").await;
    assert_eq!(told(&mut second, change).await, ["1 rows"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_unusual_shape() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    for nothing in
        ["", "  \n ", "-- nothing", "/* nothing */", "SET NOCOUNT ON SET NOCOUNT OFF", "DECLARE @a int = 1"]
    {
        assert_eq!(told(&mut client, nothing).await, [""; 0], "{nothing}");
    }
    let names: Vec<_> = (0..1500).map(|n| format!("c{n}")).collect();
    let columns: Vec<_> = (0..1500).map(|n| format!("NULLIF({n}, {}) AS c{n}", n / 7 * 7)).collect();
    let values: Vec<_> =
        (0..1500).map(|n| if n % 7 == 0 { "null".to_owned() } else { n.to_string() }).collect();
    let wide = told(&mut client, &format!("SELECT {}", columns.join(", "))).await;
    assert_eq!(wide, [format!("{}: {}", names.join(","), values.join(","))]);
    let name = "Ω😀 ".repeat(32);
    let named = told(&mut client, &format!("SELECT 1 AS [{name}], 2, N'' AS [a]]b]")).await;
    assert_eq!(named, [format!("{name},,a]b: 1,2,")]);
    let long = "Ω".repeat(4000);
    let printed = told(&mut client, "PRINT REPLICATE(N'Ω', 4000) SELECT 1 AS a").await;
    assert_eq!(printed, [format!("info 0 line 1: {long}"), "a: 1".to_owned()]);
    let raised =
        told(&mut client, "DECLARE @m nvarchar(2000) = REPLICATE(N'Ω', 2000) RAISERROR(@m, 11, 255)").await;
    assert_eq!(raised, [format!("error 50000 class 11 state 255 line 1: {}", &long[..4000])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_rows() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    client.execute(MILLION.to_owned(), ()).await.unwrap();
    assert_eq!(client.get_metadata().len(), 10);
    let (mut count, mut sum) = (0, 0i64);
    while let Some(row) = client.next_row().await.unwrap() {
        let ColumnValues::Int(n) = row[1] else { panic!("{row:?}") };
        (count, sum) = (count + 1, sum + i64::from(n));
    }
    // Every number comes a thousand times.
    assert_eq!((count, sum), (1_000_000, 499_500_000));
    assert_eq!(client.last_result_row_count(), Some(1_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_megabytes_in_pieces() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    let text = "SELECT REPLICATE(CAST('x' AS varchar(max)), 67108864) AS a, 7 AS b";
    client.execute(text.to_owned(), ()).await.unwrap();
    assert!(client.next_row_cursor().await.unwrap());
    let column = client.read_row_column(0).await.unwrap();
    assert!(matches!(column, CursorColumn::PlpStreaming { .. }), "{column:?}");
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let chunk = client.read_active_plp_chunk(&mut buffer).await.unwrap();
        assert!(buffer[..chunk.read].iter().all(|b| *b == b'x'));
        length += chunk.read;
        if chunk.reached_end {
            break;
        }
    }
    assert_eq!(length, 67_108_864);
    let after = client.read_row_column(1).await.unwrap();
    assert!(matches!(after, CursorColumn::Value { value: ColumnValues::Int(7), .. }), "{after:?}");
    client.close_query().await.unwrap();
    // And what is not read to its end is left behind.
    client.execute(text.to_owned(), ()).await.unwrap();
    assert!(client.next_row_cursor().await.unwrap());
    client.read_row_column(0).await.unwrap();
    client.read_active_plp_chunk(&mut buffer).await.unwrap();
    client.cancel_query(10).await.unwrap();
    assert_eq!(first(&mut client, "SELECT 1").await, ColumnValues::Int(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_packets_carry_everything() {
    let practice = practice().await;
    let mut client = connect_as(&practice.served, WRITER, SECRET, |c| c.packet_size = 512).await.unwrap();
    assert_eq!(client.packet_size(), 512);
    client.execute(MILLION.replace("1000000", "20000"), ()).await.unwrap();
    let mut count = 0;
    while client.next_row().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 20_000);
    client.close_query().await.unwrap();
    // Asking needs many packets, answering too.
    let long = "0123456789 Ωmega".repeat(20_000);
    let ColumnValues::String(text) = first(&mut client, &format!("SELECT N'{long}'")).await else { panic!() };
    assert!(text.to_utf8_string() == long);
    let cancel = CancelHandle::new();
    client.execute(ENDLESS.to_owned(), ExecuteOptions::new().cancel(&cancel)).await.unwrap();
    client.next_row().await.unwrap().unwrap();
    client.cancel_query(10).await.unwrap();
    assert_eq!(first(&mut client, "SELECT 1").await, ColumnValues::Int(1));
}

const STATE: &str = "SELECT @@TRANCOUNT AS t, DB_NAME() AS d, OBJECT_ID('tempdb..#t') AS o, (SELECT COUNT(*) FROM BPSPatients.dbo.Numbers) AS n";

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_leaves_nothing_of_the_last_use() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    let use_it = "CREATE TABLE #t (a int) INSERT #t VALUES (1) BEGIN TRANSACTION DELETE FROM Numbers WHERE N > 99 USE BPSDrugs SET NOCOUNT ON";
    for round in 0..2 {
        told(&mut client, use_it).await;
        let before = told(&mut client, STATE).await;
        assert!(before[0].starts_with("t,d,o,n: 1,BPSDrugs,") && before[0].ends_with(",100"), "{before:?}");
        assert!(!before[0].contains("null"), "{before:?}");
        client.prepare_reset_connection(false);
        let wanted = "t,d,o,n: 0,BPSPatients,null,1000";
        assert_eq!(told(&mut client, STATE).await.last().unwrap(), wanted, "{round}");
        assert_eq!(client.database(), "BPSPatients");
        // NOCOUNT as well.
        assert_eq!(told(&mut client, "UPDATE YESNO SET YESNOWORD = YESNOWORD WHERE 1 = 0").await, ["0 rows"]);
    }
    // A statement prepared before is known no more, and what is prepared anew works.
    let mut statement = mssql_tds::connection::tds_client::PreparedStatement::new("SELECT @n * 2 AS n");
    let mut orphaned = None;
    for round in 0..3 {
        let given = RpcParameter::new(Some("@n".to_owned()), StatusFlags::NONE, SqlType::Int(Some(round)));
        client.execute_prepared(&mut statement, vec![given], &mut orphaned, ()).await.unwrap();
        assert_eq!(client.next_row().await.unwrap().unwrap(), [ColumnValues::Int(round * 2)]);
        client.close_query().await.unwrap();
        client.prepare_reset_connection(false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_by_request() {
    let practice = practice().await;
    let mut client = connect(&practice).await;
    let count = "SELECT COUNT(*) FROM Numbers";
    client.begin_transaction(TransactionIsolationLevel::ReadCommitted, None).await.unwrap();
    told(&mut client, "DELETE FROM Numbers WHERE N < 10").await;
    client.save_transaction("here".to_owned()).await.unwrap();
    told(&mut client, "DELETE FROM Numbers").await;
    assert_eq!(first(&mut client, count).await, ColumnValues::Int(0));
    client.rollback_transaction(Some("here".to_owned()), None).await.unwrap();
    assert_eq!(first(&mut client, count).await, ColumnValues::Int(990));
    // A reset that keeps the transaction.
    client.prepare_reset_connection(true);
    assert_eq!(first(&mut client, count).await, ColumnValues::Int(990));
    assert!(client.has_active_transaction());
    client.rollback_transaction(None, None).await.unwrap();
    assert!(!client.has_active_transaction());
    assert_eq!(first(&mut client, count).await, ColumnValues::Int(1000));
    client.begin_transaction(TransactionIsolationLevel::ReadCommitted, None).await.unwrap();
    told(&mut client, "DELETE FROM Numbers WHERE N = 999").await;
    client.commit_transaction(None, None).await.unwrap();
    let mut other = connect(&practice).await;
    assert_eq!(first(&mut other, count).await, ColumnValues::Int(999));
    let nothing = client.execute("COMMIT".to_owned(), ()).await;
    assert_eq!(sql_errors(nothing.map(|_: StatementResult| ()).unwrap_err())[0].number, 3902);
}
