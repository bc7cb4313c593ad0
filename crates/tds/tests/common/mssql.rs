//! `mssql-tds`, the library under Microsoft's newer drivers, as the tests use it.

use super::Served;
use mssql_tds::{
    connection::{
        client_context::ClientContext,
        tds_client::{ExecuteOptions, ResultSet, StatementResult, TdsClient},
    },
    connection_provider::tds_connection_provider::TdsConnectionProvider,
    core::{EncryptionOptions, EncryptionSetting, TdsResult},
    datatypes::column_values::ColumnValues,
    error::{Error, SqlErrorInfo, SqlInfoMessage},
};

/// Connects without TLS unless `change` says otherwise.
pub(crate) async fn connect_as(
    served: &Served,
    user: &str,
    password: &str,
    change: impl FnOnce(&mut ClientContext),
) -> TdsResult<TdsClient> {
    let source = format!("tcp:127.0.0.1,{}", served.address.port());
    let mut context = ClientContext::with_data_source(&source);
    context.user_name = user.to_owned();
    context.password = password.to_owned();
    context.connect_retry_count = 0;
    context.encryption_options = EncryptionOptions {
        mode: EncryptionSetting::PreferOff,
        trust_server_certificate: true,
        ..EncryptionOptions::new()
    };
    change(&mut context);
    TdsConnectionProvider::new().create_client(context, &source, None).await
}

/// The first value of the first row.
pub(crate) async fn first(client: &mut TdsClient, text: &str) -> ColumnValues {
    client.execute(text.to_owned(), ()).await.unwrap();
    let row = client.next_row().await.unwrap().unwrap();
    client.close_query().await.unwrap();
    row.into_iter().next().unwrap()
}

/// All that a batch tells, in order: result sets with their rows, counts, messages, errors.
pub(crate) async fn told(client: &mut TdsClient, text: &str) -> Vec<String> {
    let options = ExecuteOptions::new().on_error(mssql_tds::connection::tds_client::BatchErrorMode::Continue);
    let first = client.execute(text.to_owned(), options).await;
    walked(client, first).await
}

/// The same of what was asked already.
pub(crate) async fn walked(client: &mut TdsClient, first: TdsResult<StatementResult>) -> Vec<String> {
    let mut told = Vec::new();
    let mut next = first;
    loop {
        match next {
            Ok(StatementResult::Rows) => {
                told.extend(client.take_info_messages().iter().map(info));
                let names: Vec<_> = client.get_metadata().iter().map(|m| m.column_name.clone()).collect();
                let mut rows = Vec::new();
                let failed = loop {
                    match client.next_row().await {
                        Ok(Some(row)) => {
                            rows.push(row.into_iter().map(super::shown::mssql).collect::<Vec<_>>().join(","));
                        }
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                };
                told.push(format!("{}: {}", names.join(","), rows.join(" ")));
                told.extend(client.take_info_messages().iter().map(info));
                if let Some(error) = failed {
                    told.extend(errors(error));
                }
            }
            Ok(StatementResult::NoRows { rows_affected }) => {
                told.extend(client.take_info_messages().iter().map(info));
                told.extend(rows_affected.map(|n| format!("{n} rows")));
            }
            Ok(StatementResult::End) => {
                told.extend(client.take_info_messages().iter().map(info));
                return told;
            }
            Err(error) => {
                told.extend(client.take_info_messages().iter().map(info));
                told.extend(errors(error));
                if !client.has_open_batch() {
                    return told;
                }
            }
        }
        next = client.advance().await;
    }
}

fn info(message: &SqlInfoMessage) -> String {
    format!("info {} line {}: {}", message.number, message.line_number.unwrap(), message.message)
}

/// The errors of a failure, which must be the server's.
pub(crate) fn sql_errors(failed: Error) -> Vec<SqlErrorInfo> {
    let Error::SqlServerError { diagnostics } = failed else { panic!("{failed:?}") };
    diagnostics.errors.clone()
}

fn errors(failed: Error) -> Vec<String> {
    let words = |e: &SqlErrorInfo| {
        assert_eq!(e.server_name.as_deref(), Some("HALO-PRACTICE"));
        let procedure = e.proc_name.clone().filter(|p| !p.is_empty()).map(|p| format!(" in {p}"));
        format!(
            "error {} class {} state {} line {}{}: {}",
            e.number,
            e.class,
            e.state,
            e.line_number.unwrap(),
            procedure.unwrap_or_default(),
            e.message
        )
    };
    sql_errors(failed).iter().map(words).collect()
}
