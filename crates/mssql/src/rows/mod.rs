//! Result sets on their way to the sink.

mod buffer;
mod pull;
#[cfg(test)]
mod tests;
mod text;

use crate::run::Cut;
pub(crate) use buffer::Row;
use database::{Column, Sink, Value, Wanted};
use mssql_tds::{
    connection::tds_client::{ResultSet, TdsClient},
    datatypes::sqldatatypes::TdsDataType,
    query::metadata::ColumnMetadata,
};

/// Passes the present result set on. What the sink does not want is left to the driver, which skips it.
pub(crate) async fn pass(client: &mut TdsClient, sink: &mut dyn Sink) -> Result<(), Cut> {
    let heads: Vec<Column> = client.get_metadata().iter().map(head).collect();
    if sink.columns(&heads)? == Wanted::NoMore {
        return Ok(());
    }
    if !client.current_result_supports_row_into() {
        return pull::pass(client, sink).await;
    }
    let mut row = Row::new(heads.len());
    let mut values: Vec<Value<'_>> = Vec::with_capacity(heads.len());
    loop {
        row.clear();
        if !client.next_row_into(&mut row).await? {
            return Ok(());
        }
        let mut lent = recycled(values);
        row.lend(&mut lent);
        let wanted = sink.row(&lent)?;
        values = recycled(lent);
        if wanted == Wanted::NoMore {
            return Ok(());
        }
    }
}

/// An empty list in the same memory, for borrowed values of another lifetime.
pub(crate) fn recycled<'a>(mut values: Vec<Value<'_>>) -> Vec<Value<'a>> {
    values.clear();
    values.into_iter().map(|_| Value::Null).collect()
}

fn head(column: &ColumnMetadata) -> Column {
    Column { name: column.column_name.clone(), type_name: type_name(column).to_owned() }
}

/// SQL Server's own name of a column's type.
fn type_name(column: &ColumnMetadata) -> &'static str {
    use TdsDataType as T;
    /// The user type that tells a rowversion from any other eight bytes.
    const STAMP: u32 = 80;
    let length = column.type_info.length;
    match column.data_type {
        T::BigBinary | T::BigVarBinary if column.user_type == STAMP => "timestamp",
        T::IntN => match length {
            1 => "tinyint",
            2 => "smallint",
            4 => "int",
            _ => "bigint",
        },
        T::BitN => "bit",
        T::FltN if length == 4 => "real",
        T::FltN => "float",
        T::MoneyN if length == 4 => "smallmoney",
        T::MoneyN => "money",
        T::DateTimeN if length == 4 => "smalldatetime",
        T::DateTimeN => "datetime",
        T::Binary => "binary",
        other => other.get_meta_type_name().unwrap_or("unknown"),
    }
}
