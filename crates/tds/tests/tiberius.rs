//! The server as tiberius meets it.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    PASSWORD, Served, USER,
    samples::{expected, samples},
    serve,
    shown::tiberius as shown,
};
use futures::TryStreamExt;
use std::time::Duration;
use tds::{Options, Tls};
use tiberius::{AuthMethod, Client, Command, Config, EncryptionLevel, Query, error::Error};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

type Connection = Client<Compat<TcpStream>>;

fn config(served: &Served, level: EncryptionLevel) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(served.address.port());
    config.authentication(AuthMethod::sql_server(USER, PASSWORD));
    config.encryption(level);
    config.trust_cert();
    config
}

async fn connect_with(served: &Served, config: Config) -> tiberius::Result<Connection> {
    let stream = TcpStream::connect(served.address).await.unwrap();
    Client::connect(config, stream.compat_write()).await
}

async fn connect(served: &Served) -> Connection {
    connect_with(served, config(served, EncryptionLevel::NotSupported)).await.unwrap()
}

async fn first_number(client: &mut Connection, text: &str) -> Option<i32> {
    let row = client.simple_query(text).await.unwrap().into_row().await.unwrap().unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_in_with_and_without_tls_and_not_with_a_wrong_password() {
    let served = serve(Options::default()).await;
    use EncryptionLevel::{NotSupported, Off, On, Required, Strict};
    for level in [NotSupported, Off, On, Required, Strict] {
        let mut client = connect_with(&served, config(&served, level)).await.unwrap();
        assert_eq!(first_number(&mut client, "one").await, Some(1), "{level:?}");
        let mut wrong = config(&served, level);
        wrong.authentication(AuthMethod::sql_server(USER, "open sesame"));
        let Err(Error::Server(error)) = connect_with(&served, wrong).await.map(|_| ()) else {
            panic!("{level:?}")
        };
        assert_eq!((error.code(), error.state(), error.class()), (18_456, 1, 14));
        assert_eq!(error.message(), "Login failed for user 'kim'.");
    }
    let strict = serve(Options { tls: Tls::Required, ..Options::default() }).await;
    assert!(connect_with(&strict, config(&strict, NotSupported)).await.is_err());
    assert!(connect_with(&strict, config(&strict, Off)).await.is_ok());
    let plain = serve(Options { tls: Tls::Never, ..Options::default() }).await;
    assert!(connect_with(&plain, config(&plain, Required)).await.is_err());
    assert!(connect_with(&plain, config(&plain, NotSupported)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_the_ends_of_every_type_and_null() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    let rows = client.simple_query("types").await.unwrap().into_first_result().await.unwrap();
    let samples = samples();
    assert_eq!(rows.len(), 3);
    for (row, wanted) in rows.into_iter().zip(expected()) {
        for ((data, wanted), sample) in row.into_iter().zip(wanted).zip(&samples) {
            // As a float, money has too few digits at its ends.
            let wanted = if sample.name == "money" && wanted != "null" {
                format!("{:.4}", wanted.parse::<f64>().unwrap())
            } else {
                wanted
            };
            assert_eq!(shown(data, sample.ty.name), wanted, "{}", sample.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_parameters_of_its_types_and_gets_them_back() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    let long = "Grüße 日本 😀 ".repeat(3000);
    let bytes = vec![7u8; 20_000];
    let mut query = Query::new("echo");
    query.bind(true);
    query.bind(255u8);
    query.bind(-32_768i16);
    query.bind(i32::MIN);
    query.bind(i64::MAX);
    query.bind(1.5f32);
    query.bind(-2.25f64);
    query.bind("Grüße 日本 😀");
    query.bind(long.as_str());
    query.bind(bytes.as_slice());
    query.bind(tiberius::Uuid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff));
    query.bind(tiberius::numeric::Numeric::new_with_scale(-123_456, 3));
    query.bind(Option::<i32>::None);
    query.bind(Option::<&str>::None);
    let row = query.query(&mut client).await.unwrap().into_row().await.unwrap().unwrap();
    let names: Vec<_> = row.columns().iter().map(|c| c.name().to_owned()).collect();
    assert_eq!(names[0], "@P1");
    let shown: Vec<_> = row.into_iter().map(|d| shown(d, "")).collect();
    let wanted =
        ["true", "255", "-32768", "-2147483648", "9223372036854775807", "1.5", "-2.25", "Grüße 日本 😀"];
    assert_eq!(shown[..8], wanted);
    assert!(shown[8] == long && shown[9] == format!("{bytes:?}"));
    let wanted = ["00112233-4455-6677-8899-aabbccddeeff", "-123.456", "null", "null"];
    assert_eq!(shown[10..], wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_a_value_of_megabytes() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    let long = "0123456789abcdeß".repeat(1 << 20);
    let mut query = Query::new("echo");
    query.bind(long.as_str());
    let row = query.query(&mut client).await.unwrap().into_row().await.unwrap().unwrap();
    assert!(row.get::<&str, _>(0) == Some(long.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_several_results_counts_and_errors() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    let results = client.simple_query("sets").await.unwrap().into_results().await.unwrap();
    let counts: Vec<_> = results.iter().map(Vec::len).collect();
    assert_eq!(counts.iter().sum::<usize>(), 2);
    assert_eq!(results.first().unwrap()[0].get::<i32, _>("first"), Some(1));
    assert_eq!(results.last().unwrap()[0].get::<i32, _>("third"), Some(3));
    let done = client.execute("sets", &[]).await.unwrap();
    assert!(done.rows_affected().contains(&7), "{:?}", done.rows_affected());
    let failed = client.simple_query("fail").await.unwrap().into_results().await;
    let Err(Error::Server(error)) = failed else { panic!("{failed:?}") };
    assert_eq!((error.code(), error.state(), error.class(), error.line()), (50_001, 7, 16, 42));
    assert_eq!((error.procedure(), error.server()), ("BP_Something", "HALO-PRACTICE"));
    assert_eq!(error.message(), "Provider is away 03/02/2026");
    assert_eq!(first_number(&mut client, "one").await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_a_procedure_with_output_and_status() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    let mut command = Command::new("BP_Echo");
    command.bind_param("@in", 5i32);
    command.bind_out_param("@out", "back again");
    let done = command.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    assert_eq!(done.return_code(), 77);
    assert_eq!(done.try_return_value::<&str>("@out").unwrap(), Some("back again"));
    let rows = done.to_query_result(0).unwrap();
    assert_eq!(rows[0].get::<i32, _>("@in"), Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_and_goes_on() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    for _ in 0..3 {
        {
            let mut stream = client.simple_query("rows 100000000").await.unwrap();
            for _ in 0..100 {
                stream.try_next().await.unwrap();
            }
        }
        tokio::time::timeout(Duration::from_secs(20), client.cancel_query()).await.unwrap().unwrap();
        assert_eq!(first_number(&mut client, "one").await, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_by_request() {
    let served = serve(Options::default()).await;
    let mut client = connect(&served).await;
    client.begin_transaction().await.unwrap();
    assert_eq!(first_number(&mut client, "one").await, Some(1));
    client.commit_transaction().await.unwrap();
    client.begin_transaction().await.unwrap();
    client.rollback_transaction().await.unwrap();
    assert_eq!(first_number(&mut client, "one").await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_and_64_megabytes_in_small_and_large_packets() {
    let served = serve(Options::default()).await;
    for (size, level) in [(512, EncryptionLevel::NotSupported), (32_767, EncryptionLevel::On)] {
        let mut config = config(&served, level);
        config.packet_size(size);
        let mut client = connect_with(&served, config).await.unwrap();
        let mut stream = client.simple_query("rows 100000").await.unwrap().into_row_stream();
        let mut count = 0i64;
        while let Some(row) = stream.try_next().await.unwrap() {
            assert_eq!(row.get::<i64, _>(0), Some(count));
            count += 1;
        }
        drop(stream);
        assert_eq!(count, 100_000);
        let length = if size == 512 { 4 << 20 } else { 64 << 20 };
        let text = format!("large varbinary {length}");
        let row = client.simple_query(text).await.unwrap().into_row().await.unwrap().unwrap();
        let bytes: &[u8] = row.get(0).unwrap();
        assert_eq!(bytes.len(), length);
        assert!(bytes.iter().enumerate().all(|(n, b)| *b == b'a' + (n % 23) as u8));
        assert_eq!(row.get::<i32, _>(1), Some(9));
    }
}
