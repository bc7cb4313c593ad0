//! tiberius against the real demo practice.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    demo::{ENDLESS, MILLION, Practice, READER, SECRET, WRITER, practice, types_row},
    shown,
};
use futures::TryStreamExt;
use std::time::Duration;
use tiberius::{AuthMethod, Client, Command, Config, EncryptionLevel, Query, error::Error};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

type Connection = Client<Compat<TcpStream>>;

impl Practice {
    async fn connect_as(&self, user: &str, password: &str, database: &str) -> tiberius::Result<Connection> {
        let mut config = Config::new();
        config.host("127.0.0.1");
        config.port(self.served.address.port());
        config.authentication(AuthMethod::sql_server(user, password));
        config.encryption(EncryptionLevel::On);
        config.trust_cert();
        config.database(database);
        Client::connect(config, TcpStream::connect(self.served.address).await.unwrap().compat_write()).await
    }

    async fn connect(&self) -> Connection {
        self.connect_as(WRITER, SECRET, "BPSPatients").await.unwrap()
    }
}

async fn number(client: &mut Connection, text: &str) -> i32 {
    client.simple_query(text).await.unwrap().into_row().await.unwrap().unwrap().get(0).unwrap()
}

async fn error(client: &mut Connection, text: &str) -> (u32, u8, u32) {
    let answered = async { client.simple_query(text).await?.into_results().await };
    match answered.await {
        Err(Error::Server(e)) => (e.code(), e.class(), e.line()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_practices_login_opens_its_databases_and_no_other_does() {
    let practice = practice().await;
    assert_eq!(number(&mut practice.connect().await, "SELECT COUNT(*) FROM PATIENTS").await, 500);
    let mut drugs = practice.connect_as("BPSRawData", "open sesame", "BPSDrugs").await.unwrap();
    assert!(number(&mut drugs, "SELECT COUNT(*) FROM VACCINES").await > 10);
    for (user, password, database, wanted) in [
        ("bpsrawdata", "wrong", "BPSPatients", 18_456),
        ("nobody", "open sesame", "BPSPatients", 18_456),
        ("bpsrawdata", "open sesame", "Elsewhere", 4060),
    ] {
        let Err(Error::Server(error)) = practice.connect_as(user, password, database).await.map(|_| ())
        else {
            panic!("{user} {password} {database}")
        };
        assert_eq!(error.code(), wanted);
    }
    let mut viewer = practice.connect_as(READER, SECRET, "").await.unwrap();
    let refused = error(&mut viewer, "UPDATE PATIENTS SET SURNAME = 'X'").await;
    assert_eq!(refused.0, 229);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_their_number_and_line_and_the_connection_goes_on() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    assert_eq!(error(&mut client, "SELECT 1\n\nSELECT NOPE FROM PATIENTS").await, (207, 16, 3));
    assert_eq!(error(&mut client, "SELECT * FROM NOWHERE").await.0, 208);
    assert_eq!(number(&mut client, "SELECT 41 + 1").await, 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_stopped_and_the_connection_goes_on() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    for text in [ENDLESS, MILLION] {
        let mut stream = client.simple_query(text).await.unwrap();
        // Its description and a row are there; the rest is not waited for.
        for _ in 0..2 {
            stream.try_next().await.unwrap();
        }
        drop(stream);
        tokio::time::timeout(Duration::from_secs(20), client.cancel_query()).await.unwrap().unwrap();
        assert_eq!(number(&mut client, "SELECT 1").await, 1, "{text}");
    }
    // What tells nothing for an hour: the asking itself is left.
    for text in ["EXEC DEMO_Wait 3600", "WAITFOR DELAY '01:00:00'"] {
        assert!(tokio::time::timeout(Duration::from_millis(100), client.simple_query(text)).await.is_err());
        tokio::time::timeout(Duration::from_secs(20), client.cancel_query()).await.unwrap().unwrap();
        assert_eq!(number(&mut client, "SELECT 1").await, 1, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_in_the_middle_leaves_nothing_running() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    client.simple_query("BEGIN TRANSACTION DELETE FROM Numbers").await.unwrap().into_results().await.unwrap();
    let mut stream = client.simple_query(MILLION).await.unwrap();
    stream.try_next().await.unwrap();
    drop(stream);
    drop(client);
    // The writer's place is free again and what it did is undone.
    let mut other = practice.connect().await;
    let text = "UPDATE Numbers SET N = N SELECT COUNT(*) FROM Numbers";
    assert_eq!(number(&mut other, text).await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_rows() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    let rows = client.simple_query(MILLION).await.unwrap().into_row_stream();
    let (count, sum) = rows
        .try_fold((0u32, 0i64), |(count, sum), row| async move {
            Ok((count + 1, sum + i64::from(row.get::<i32, _>("N").unwrap())))
        })
        .await
        .unwrap();
    // Every number comes a thousand times.
    assert_eq!((count, sum), (1_000_000, 499_500_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_types_is_what_its_documentation_says() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    let mut results = client.simple_query("EXEC DEMO_Types").await.unwrap().into_results().await.unwrap();
    let row = results.remove(0).remove(0);
    let names: Vec<_> = row.columns().iter().map(|c| c.name().to_owned()).collect();
    let wanted = types_row();
    assert_eq!(names, wanted.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>());
    for (data, (name, ty, wanted)) in row.into_iter().zip(wanted) {
        // As a float, which is how it reads money, the ends have too few digits.
        let wanted = match wanted.parse::<f64>() {
            Ok(number) if ty == "money" => format!("{number:.4}"),
            _ => wanted,
        };
        assert_eq!(shown::tiberius(data, ty), wanted, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_result_set_and_count_of_a_batch() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    let text =
        "SELECT 1 AS a; SELECT N FROM Numbers WHERE N < 3; SELECT 'x' AS c, CAST(1.50 AS decimal(9, 2)) AS d";
    let results = client.simple_query(text).await.unwrap().into_results().await.unwrap();
    assert_eq!(results.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3, 1]);
    assert_eq!(results[2][0].get::<&str, _>("c"), Some("x"));
    let amount: tiberius::numeric::Numeric = results[2][0].get("d").unwrap();
    assert_eq!((amount.value(), amount.scale()), (150, 2));
    let done =
        client.execute("UPDATE PATIENTS SET SURNAME = SURNAME WHERE INTERNALID <= 10", &[]).await.unwrap();
    assert!(done.total() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_reach_the_statement_typed() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    let mut query = Query::new("SELECT @P1 AS n, @P2 AS t, @P3 AS b WHERE @P1 = 7");
    query.bind(7i32);
    query.bind("Grüße 😀");
    query.bind(Option::<i64>::None);
    let row = query.query(&mut client).await.unwrap().into_row().await.unwrap().unwrap();
    assert_eq!(row.get::<i32, _>("n"), Some(7));
    assert_eq!(row.get::<&str, _>("t"), Some("Grüße 😀"));
    assert_eq!(row.get::<i64, _>("b"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn sp_executesql_gives_outputs_back() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    let mut command = Command::new("sp_executesql");
    command.bind_param("@stmt", "SET @n = @n * 2; SELECT @n AS now");
    command.bind_param("@params", "@n int OUTPUT");
    command.bind_out_param("@n", 21i32);
    let done = command.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    assert_eq!(done.return_code(), 0);
    assert_eq!(done.try_return_value::<i32>("@n").unwrap(), Some(42));
    assert_eq!(done.to_query_result(0).unwrap()[0].get::<i32, _>("now"), Some(42));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_procedure_by_name_gives_its_rows() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    let mut command = Command::new("BP_GetPracticeLocation");
    command.bind_param("@locationid", 1i32);
    let done = command.exec(&mut client).await.unwrap().into_command_result().await.unwrap();
    assert_eq!(done.to_query_result(0).unwrap().len(), 1);
    let missing = Command::new("BP_NoSuchThing").exec(&mut client).await.unwrap().into_command_result().await;
    let Err(Error::Server(error)) = missing.map(|_| ()) else { panic!("no error") };
    assert_eq!(error.code(), 2812);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_by_request_is_rolled_back() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    let before = number(&mut client, "SELECT COUNT(*) FROM PATIENTS").await;
    client.begin_transaction().await.unwrap();
    client.simple_query("DELETE FROM PATIENTS").await.unwrap().into_results().await.unwrap();
    assert_eq!(number(&mut client, "SELECT COUNT(*) FROM PATIENTS").await, 0);
    client.rollback_transaction().await.unwrap();
    assert_eq!(number(&mut client, "SELECT COUNT(*) FROM PATIENTS").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_megabytes_both_ways() {
    let practice = practice().await;
    let mut client = practice.connect().await;
    let long = "0123456789abcdef".repeat(1 << 18);
    let mut query = Query::new("SELECT @P1 AS t, LEN(@P1) AS n");
    query.bind(long.as_str());
    let row = query.query(&mut client).await.unwrap().into_row().await.unwrap().unwrap();
    assert_eq!(row.get::<&str, _>("t"), Some(long.as_str()));
}
