//! The databases' own drivers, used directly, as an integrator beside the server would.

use super::{Measured, Task, Which, forget_peak, median, peak};
use anyhow::{Context, Result, bail};
use model::{Clock, SystemClock};
use mssql_tds::{
    connection::{
        client_context::ClientContext,
        tds_client::{CursorColumn, ResultSet, TdsClient},
    },
    connection_provider::tds_connection_provider::TdsConnectionProvider,
    core::{EncryptionOptions, EncryptionSetting},
    datatypes::sqltypes::SqlType,
    message::parameters::rpc_parameters::{RpcParameter, StatusFlags},
};
use rsfbclient::{Queryable, Row};

pub(super) async fn measure(which: Which, task: &Task) -> Result<Measured> {
    match which {
        Which::Mssql => mssql(task).await,
        Which::Firebird => {
            let task = serde_json::to_vec(task)?;
            tokio::task::spawn_blocking(move || firebird(&serde_json::from_slice(&task)?)).await?
        }
    }
}

fn setting<'a>(task: &'a Task, name: &str) -> Result<&'a str> {
    task.settings.get(name).and_then(toml::Value::as_str).with_context(|| format!("no {name}"))
}

async fn connect(task: &Task) -> Result<TdsClient> {
    let source = setting(task, "server")?;
    let mut context = ClientContext::with_data_source(source);
    context.user_name = task.user.clone();
    context.password = task.password.clone();
    context.database = "BPSPatients".to_owned();
    context.connect_retry_count = 0;
    context.encryption_options = EncryptionOptions {
        mode: EncryptionSetting::Required,
        server_certificate: Some(setting(task, "certificate")?.into()),
        ..EncryptionOptions::new()
    };
    Ok(TdsConnectionProvider::new().create_client(context, source, None).await?)
}

async fn mssql(task: &Task) -> Result<Measured> {
    let mut client = connect(task).await?;
    one(&mut client, &task.one, 1).await?;

    forget_peak();
    let (start, mut rows) = (SystemClock.monotonic(), 0);
    client.execute(task.many.clone(), ()).await?;
    while client.next_row().await?.is_some() {
        rows += 1;
    }
    client.close_query().await?;
    let rows_took = SystemClock.monotonic() - start;
    let rows_peak = peak();
    if rows != task.rows {
        bail!("{rows} rows came of {}", task.rows);
    }

    let mut times = Vec::new();
    for id in 0..task.times {
        let start = SystemClock.monotonic();
        one(&mut client, &task.one, id % 400 + 1).await?;
        times.push(SystemClock.monotonic() - start);
    }

    forget_peak();
    let start = SystemClock.monotonic();
    client.execute(task.long.clone(), ()).await?;
    if !client.next_row_cursor().await? {
        bail!("no row came");
    }
    let CursorColumn::PlpStreaming { .. } = client.read_row_column(0).await? else { bail!("no stream came") };
    let (mut piece, mut bytes) = (vec![0; 64 * 1024], 0);
    loop {
        let chunk = client.read_active_plp_chunk(&mut piece).await?;
        bytes += chunk.read as u64;
        if chunk.reached_end {
            break;
        }
    }
    client.close_query().await?;
    let long_took = SystemClock.monotonic() - start;
    if bytes < task.long_bytes {
        bail!("{bytes} bytes came of {}", task.long_bytes);
    }
    Ok(Measured {
        rows_seconds: rows_took.as_secs_f64(),
        one_micros: median(times),
        one_read_only_micros: None,
        rows_peak,
        long_peak: peak(),
        long_seconds: long_took.as_secs_f64(),
        cancel_millis: None,
    })
}

async fn one(client: &mut TdsClient, text: &str, id: u32) -> Result<()> {
    let id =
        RpcParameter::new(Some("@id".to_owned()), StatusFlags::NONE, SqlType::Int(Some(i32::try_from(id)?)));
    client.execute_sp_executesql(text.to_owned(), vec![id], ()).await?;
    while client.next_row().await?.is_some() {}
    Ok(client.close_query().await?)
}

fn firebird(task: &Task) -> Result<Measured> {
    let port = task.settings.get("port").and_then(toml::Value::as_integer).context("no port")?;
    let catalogues =
        task.settings.get("catalogues").and_then(toml::Value::as_table).context("no catalogues")?;
    let database = catalogues.values().next().and_then(toml::Value::as_str).context("no database")?;
    let mut connection = rsfbclient::builder_pure_rust()
        .host(setting(task, "host")?)
        .port(u16::try_from(port)?)
        .db_name(database)
        .user(&task.user)
        .pass(&task.password)
        .connect()?;
    // The driver knows parameters by place only.
    let one = task.one.replace("@id", "?");
    let _: Option<Row> = connection.query_first(&one, (1,))?;

    forget_peak();
    let (start, mut rows) = (SystemClock.monotonic(), 0);
    for row in connection.query_iter::<(), Row>(&task.many, ())? {
        row?;
        rows += 1;
    }
    let rows_took = SystemClock.monotonic() - start;
    let rows_peak = peak();
    if rows != task.rows {
        bail!("{rows} rows came of {}", task.rows);
    }

    let mut times = Vec::new();
    for id in 0..task.times {
        let start = SystemClock.monotonic();
        let _: Option<Row> = connection.query_first(&one, (i64::from(id % 400 + 1),))?;
        times.push(SystemClock.monotonic() - start);
    }

    forget_peak();
    let start = SystemClock.monotonic();
    let long: Option<(String,)> = connection.query_first(&task.long, ())?;
    let long_took = SystemClock.monotonic() - start;
    if long.is_none_or(|(text,)| (text.len() as u64) < task.long_bytes) {
        bail!("the long value did not come whole");
    }
    Ok(Measured {
        rows_seconds: rows_took.as_secs_f64(),
        one_micros: median(times),
        one_read_only_micros: None,
        rows_peak,
        long_peak: peak(),
        long_seconds: long_took.as_secs_f64(),
        cancel_millis: None,
    })
}
