//! The server as mssql-tds, the library under Microsoft's newer drivers, meets it.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    PASSWORD, Served, USER,
    mssql::{connect_as, first},
    samples::{expected, samples},
    serve,
    shown::mssql as shown,
};
use mssql_tds::{
    connection::{
        client_context::ClientContext,
        tds_client::{ExecuteOptions, PreparedStatement, ResultSet, StatementResult, TdsClient},
    },
    core::{CancelHandle, EncryptionOptions, EncryptionSetting, TdsResult},
    datatypes::{
        column_values::{ColumnValues, SqlTime},
        decoder::DecimalParts,
        sql_string::SqlString,
        sqltypes::SqlType,
    },
    error::Error,
    message::{
        parameters::rpc_parameters::{RpcParameter, StatusFlags},
        transaction_management::TransactionIsolationLevel,
    },
};
use std::time::Duration;
use tds::{Options, Tls};

async fn connect_with(served: &Served, change: impl FnOnce(&mut ClientContext)) -> TdsResult<TdsClient> {
    connect_as(served, USER, PASSWORD, change).await
}

async fn connect(served: &Served) -> TdsClient {
    connect_with(served, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_in_with_all_kinds_of_tls_and_not_with_a_wrong_password() {
    let served = serve(Options::default()).await;
    for mode in [EncryptionSetting::PreferOff, EncryptionSetting::On, EncryptionSetting::Required] {
        let mut client = connect_with(&served, |c| c.encryption_options.mode = mode).await.unwrap();
        assert_eq!(first(&mut client, "one").await, ColumnValues::Int(1), "{mode:?}");
        assert_eq!(client.is_encrypted(), mode != EncryptionSetting::PreferOff);
        assert_eq!(client.database(), "BPSPatients");
        let wrong = connect_with(&served, |c| {
            c.encryption_options.mode = mode;
            c.password = "open sesame".to_owned();
        });
        let Err(Error::SqlServerError { diagnostics }) = wrong.await.map(|_| ()) else { panic!("{mode:?}") };
        let error = &diagnostics.errors[0];
        assert_eq!((error.number, error.state, error.class), (18_456, 1, 14));
        assert_eq!(error.message, "Login failed for user 'kim'.");
    }
    let required = serve(Options { tls: Tls::Required, ..Options::default() }).await;
    assert!(connect(&required).await.is_encrypted());
    let client = connect_with(&served, |c| c.database = "BPSDrugs".to_owned()).await.unwrap();
    assert_eq!(client.database(), "BPSDrugs");
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_encryption_is_tls_from_the_first_byte_on() {
    let served = serve(Options::default()).await;
    // Strict trusts nobody's word: the certificate itself must be known.
    let refused = connect_with(&served, |c| c.encryption_options.mode = EncryptionSetting::Strict).await;
    assert!(refused.is_err());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate.pem");
    std::fs::write(&file, served.certificate.as_deref().unwrap()).unwrap();
    let mut client = connect_with(&served, |c| {
        c.encryption_options =
            EncryptionOptions { server_certificate: Some(file), ..EncryptionOptions::new() };
    })
    .await
    .unwrap();
    assert!(client.is_encrypted());
    assert_eq!(first(&mut client, "one").await, ColumnValues::Int(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_the_ends_of_every_type_and_null() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    client.execute("types".to_owned(), ()).await.unwrap();
    let names: Vec<_> = client.get_metadata().iter().map(|m| m.column_name.clone()).collect();
    assert_eq!(names, samples().iter().map(|s| s.name.to_owned()).collect::<Vec<_>>());
    for wanted in expected() {
        let row = client.next_row().await.unwrap().unwrap();
        for ((value, wanted), name) in row.into_iter().zip(wanted).zip(&names) {
            assert_eq!(shown(value), wanted, "{name}");
        }
    }
    assert!(client.next_row().await.unwrap().is_none());
}

fn parameters(status: StatusFlags) -> Vec<RpcParameter> {
    let text = |t: &str| SqlString::from_utf8_string(t.to_owned());
    let values = vec![
        SqlType::Bit(Some(true)),
        SqlType::TinyInt(Some(255)),
        SqlType::SmallInt(Some(-5)),
        SqlType::Int(Some(i32::MIN)),
        SqlType::BigInt(Some(i64::MAX)),
        SqlType::Real(Some(1.5)),
        SqlType::Float(Some(-2.25)),
        SqlType::Decimal(Some(DecimalParts::new(false, 38, 10, 10u128.pow(38) - 1))),
        SqlType::Numeric(Some(DecimalParts::new(true, 9, 2, 12_345))),
        SqlType::NVarchar(Some(text("Grüße 日本 😀")), 40),
        SqlType::NVarcharMax(Some(text(&"long 日本 ".repeat(5000)))),
        SqlType::VarBinary(Some(vec![0, 1, 254, 255]), 10),
        SqlType::VarBinaryMax(Some(vec![7; 20_000])),
        SqlType::Time(Some(SqlTime { time_nanoseconds: 863_999_999_999, scale: 7 })),
        SqlType::Uuid(Some(uuid::Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff))),
        SqlType::Int(None),
        SqlType::NVarchar(None, 10),
        SqlType::VarBinaryMax(None),
    ];
    let named = values.into_iter().enumerate();
    named.map(|(at, value)| RpcParameter::new(Some(format!("@p{at}")), status, value)).collect()
}

/// A bit goes out as an integer of one byte: this client has it so.
const SENT: [&str; 10] = [
    "1",
    "255",
    "-5",
    "-2147483648",
    "9223372036854775807",
    "1.5",
    "-2.25",
    "-9999999999999999999999999999.9999999999",
    "123.45",
    "Grüße 日本 😀",
];

fn check(values: Vec<ColumnValues>) {
    let values: Vec<_> = values.into_iter().map(shown).collect();
    assert_eq!(values[..10], SENT);
    assert_eq!(values[10], "long 日本 ".repeat(5000));
    assert_eq!(values[11], "[0, 1, 254, 255]");
    assert_eq!(values[12], format!("{:?}", vec![7u8; 20_000]));
    assert_eq!(
        values[13..],
        ["time 863999999999", "00112233-4455-6677-8899-aabbccddeeff", "null", "null", "null"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_all_types_both_ways() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    client.execute_sp_executesql("echo".to_owned(), parameters(StatusFlags::NONE), ()).await.unwrap();
    check(client.next_row().await.unwrap().unwrap());
    client.close_query().await.unwrap();
    let outputs = parameters(StatusFlags::BY_REF_VALUE);
    client.execute_stored_procedure("BP_Echo".to_owned(), None, Some(outputs), ()).await.unwrap();
    while client.advance().await.unwrap() != StatementResult::End {}
    assert_eq!(client.get_return_status(), Some(77));
    let values = client.get_return_values();
    assert_eq!(values[3].param_name, "@p3");
    check(values.into_iter().map(|v| v.value).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_run_again_and_again() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    let mut statement = PreparedStatement::new("echo");
    let mut orphaned = None;
    for round in 0..3 {
        let value = RpcParameter::new(Some("@p".to_owned()), StatusFlags::NONE, SqlType::Int(Some(round)));
        client.execute_prepared(&mut statement, vec![value], &mut orphaned, ()).await.unwrap();
        assert_eq!(client.next_row().await.unwrap().unwrap(), [ColumnValues::Int(round)]);
        client.close_query().await.unwrap();
    }
    client.unprepare(statement.take_id().unwrap(), ()).await.unwrap();
    assert_eq!(first(&mut client, "one").await, ColumnValues::Int(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_results_counts_messages_and_errors() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    let mut told = Vec::new();
    let mut result = client.execute("sets".to_owned(), ()).await.unwrap();
    loop {
        match result {
            StatementResult::End => break,
            StatementResult::Rows => {
                let name = client.get_metadata()[0].column_name.clone();
                let mut count = 0;
                while client.next_row().await.unwrap().is_some() {
                    count += 1;
                }
                told.push(format!("{name} {count}"));
            }
            StatementResult::NoRows { rows_affected } => told.push(format!("{rows_affected:?}")),
        }
        result = client.advance().await.unwrap();
    }
    assert_eq!(told.first().unwrap(), "first 1");
    assert!(told.contains(&"second 0".to_owned()) && told.contains(&"Some(7)".to_owned()), "{told:?}");
    assert_eq!(told.last().unwrap(), "third 1");
    let printed = client.take_info_messages();
    assert!(printed.iter().any(|m| m.message == "printed Grüße" && m.line_number == Some(3)), "{printed:?}");

    client.execute("fail".to_owned(), ()).await.unwrap();
    let failed = loop {
        match client.advance().await {
            Ok(StatementResult::End) => panic!("no error"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let Error::SqlServerError { diagnostics } = failed else { panic!("{failed:?}") };
    let error = &diagnostics.errors[0];
    assert_eq!((error.number, error.state, error.class, error.line_number), (50_001, 7, 16, Some(42)));
    assert_eq!(error.proc_name.as_deref(), Some("BP_Something"));
    assert_eq!(error.server_name.as_deref(), Some("HALO-PRACTICE"));
    let _ = client.close_query().await;
    assert_eq!(first(&mut client, "one").await, ColumnValues::Int(1));
    first(&mut client, "one").await;
    client.execute("use".to_owned(), ()).await.unwrap();
    client.close_query().await.unwrap();
    assert_eq!(client.database(), "BPSDrugs");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_through_its_handle_and_goes_on() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    for text in ["sleep", "rows 100000000", "sleep"] {
        let cancel = CancelHandle::new();
        let options = ExecuteOptions { cancel: Some(&cancel), ..ExecuteOptions::default() };
        let ended = async {
            client.execute(text.to_owned(), options).await?;
            while client.next_row().await?.is_some() {}
            client.close_query().await
        };
        let asked = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancel.cancel();
        };
        let both = async { tokio::join!(ended, asked).0 };
        let ended = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
        assert!(matches!(ended, Err(Error::OperationCancelledError(_))), "{text}: {ended:?}");
        assert_eq!(first(&mut client, "one").await, ColumnValues::Int(1));
    }
    // A time-out of the client's is the same on the wire.
    let options = ExecuteOptions { timeout: Some(1), ..ExecuteOptions::default() };
    let ended = async {
        client.execute("sleep".to_owned(), options).await?;
        client.next_row().await
    };
    assert!(ended.await.is_err());
    let _ = client.close_query().await;
    assert_eq!(first(&mut client, "one").await, ColumnValues::Int(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_reset() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    client.begin_transaction(TransactionIsolationLevel::Serializable, None).await.unwrap();
    assert!(client.has_active_transaction());
    first(&mut client, "one").await;
    client.save_transaction("here".to_owned()).await.unwrap();
    client.rollback_transaction(Some("here".to_owned()), None).await.unwrap();
    assert!(client.has_active_transaction());
    client.commit_transaction(None, None).await.unwrap();
    assert!(!client.has_active_transaction());
    client.execute("use".to_owned(), ()).await.unwrap();
    client.close_query().await.unwrap();
    client.prepare_reset_connection(false);
    first(&mut client, "one").await;
    assert!(!client.reset_pending());
    assert_eq!(client.database(), "BPSPatients");
    assert_eq!(served.script.resets.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_and_64_megabytes_in_small_and_large_packets() {
    let served = serve(Options::default()).await;
    for (size, mode) in [(512, EncryptionSetting::PreferOff), (16_000, EncryptionSetting::On)] {
        let mut client = connect_with(&served, |c| {
            c.packet_size = size;
            c.encryption_options.mode = mode;
        })
        .await
        .unwrap();
        assert_eq!(client.packet_size(), u32::from(size));
        client.execute("rows 100000".to_owned(), ()).await.unwrap();
        let mut count = 0;
        while let Some(row) = client.next_row().await.unwrap() {
            assert_eq!(row[0], ColumnValues::BigInt(count));
            count += 1;
        }
        assert_eq!(count, 100_000);
        client.close_query().await.unwrap();
        let length = if size == 512 { 1 << 20 } else { 64 << 20 };
        let ColumnValues::String(text) = first(&mut client, &format!("large nvarchar {length}")).await else {
            panic!("no text")
        };
        let text = text.to_utf8_string();
        assert_eq!(text.len(), length);
        assert!(text.bytes().enumerate().all(|(n, b)| b == b'a' + (n % 23) as u8));
    }
}
