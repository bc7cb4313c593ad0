//! Table-valued parameters: the columns of their types are asked of the server, once per session and type.

use crate::{
    parameter::{Prepared, TypeName, Typed, refused, typed},
    run::{self, Call},
    session::Connection,
};
use database::{Column, Failure, Part, Sink, Stopped, Value, Wanted, text};
use model::{Command, Direction, Parameter, ParameterType};
use mssql_tds::{
    datatypes::{
        sql_string::SqlString,
        sql_tvp::{TvpColumnDef, TvpColumnFlags, TvpTableData, TvpTypeName},
        sqltypes::SqlType,
    },
    message::parameters::rpc_parameters::{RpcParameter, StatusFlags},
    token::tokens::SqlCollation,
};
use serde_json::value::RawValue;
use std::{collections::HashMap, sync::Arc};

/// The tables that a session knows already.
pub(crate) type Tables = HashMap<TypeName, Arc<Vec<TableColumn>>>;

/// Types of tables that a session remembers.
const KNOWN: usize = 200;

/// A column of a table type.
pub(crate) struct TableColumn {
    name: String,
    kind: ParameterType,
    /// Bytes; `None` is `max`, or a type without a length.
    size: Option<u32>,
    precision: u8,
    scale: u8,
    /// The server fills it in: identity, computed.
    filled: bool,
}

const COLUMNS: &str =
    "SELECT c.name, t.name, CAST(c.max_length AS int), CAST(c.precision AS int), CAST(c.scale AS int),
    CAST(CASE WHEN c.is_identity = 1 OR c.is_computed = 1 THEN 1 ELSE 0 END AS int)
  FROM sys.table_types tt
  JOIN sys.schemas s ON s.schema_id = tt.schema_id
  JOIN sys.columns c ON c.object_id = tt.type_table_object_id
  LEFT JOIN sys.types t ON t.user_type_id = c.system_type_id
  WHERE s.name = @schema AND tt.name = @name ORDER BY c.column_id";

/// All parameters as they are sent: tables get their columns.
pub(crate) async fn fill(
    prepared: Vec<Prepared>,
    command: &Command,
    connection: &mut Connection<'_>,
) -> Result<Vec<RpcParameter>, Failure> {
    let collation = connection.client.get_collation();
    let mut sent = Vec::with_capacity(prepared.len());
    for one in prepared {
        sent.push(match one {
            Prepared::Ready(parameter) => parameter,
            Prepared::Table { at, name, type_name } => {
                let parameter = &command.parameters[at];
                let columns = columns(connection, &type_name, parameter).await?;
                if columns.is_empty() {
                    return Err(refused(
                        parameter,
                        "typeName: a table type of this database, such as dbo.IdList",
                    ));
                }
                let data = match &parameter.value {
                    Some(text) => Some(table(parameter, text.reveal(), &columns, &collation)?),
                    None => None,
                };
                let type_name = TvpTypeName::new(Some(type_name.schema.unwrap_or_else(dbo)), type_name.name);
                RpcParameter::new(Some(name), StatusFlags::NONE, SqlType::Table(type_name, data))
            }
        });
    }
    Ok(sent)
}

fn dbo() -> String {
    "dbo".to_owned()
}

async fn columns(
    connection: &mut Connection<'_>,
    type_name: &TypeName,
    asked: &Parameter,
) -> Result<Arc<Vec<TableColumn>>, Failure> {
    if let Some(known) = connection.tables.get(type_name) {
        return Ok(Arc::clone(known));
    }
    let text = |text: &str| SqlType::NVarchar(Some(SqlString::from_utf8_string(text.to_owned())), 128);
    let parameter = |name: &str, value| RpcParameter::new(Some(name.to_owned()), StatusFlags::NONE, value);
    let parameters = vec![
        parameter("@schema", text(type_name.schema.as_deref().unwrap_or("dbo"))),
        parameter("@name", text(&type_name.name)),
    ];
    let rows = ask(connection, COLUMNS.to_owned(), parameters).await?;
    let columns: Option<Vec<_>> = rows.iter().map(|row| column(row)).collect();
    let unknown = || refused(asked, "a table type whose columns are all of types that parameters can have");
    let columns = Arc::new(columns.ok_or_else(unknown)?);
    if !columns.is_empty() && connection.tables.len() < KNOWN {
        connection.tables.insert(type_name.clone(), Arc::clone(&columns));
    }
    Ok(columns)
}

fn column(row: &[Option<String>]) -> Option<TableColumn> {
    let text = |at: usize| row.get(at)?.as_deref();
    let number = |at: usize| text(at)?.parse::<i32>().ok();
    let name = text(1)?;
    let kind = match name.to_ascii_lowercase().as_str() {
        "numeric" => ParameterType::Decimal,
        "sql_variant" => ParameterType::Variant,
        "rowversion" => ParameterType::Timestamp,
        "sysname" => ParameterType::NVarChar,
        other => ParameterType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(other))?,
    };
    Some(TableColumn {
        name: text(0)?.to_owned(),
        kind,
        size: u32::try_from(number(2)?).ok().filter(|size| *size > 0),
        precision: u8::try_from(number(3)?).ok()?,
        scale: u8::try_from(number(4)?).ok()?,
        filled: number(5)? != 0,
    })
}

fn table(
    parameter: &Parameter,
    text: &str,
    columns: &[TableColumn],
    collation: &SqlCollation,
) -> Result<TvpTableData, Failure> {
    let no = |expected: &str| refused(parameter, expected);
    let raw: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|_| no("Structured: a JSON array of rows, each an array or an object by column name"))?;
    let mut rows = Vec::with_capacity(raw.len());
    for (n, raw) in raw.into_iter().enumerate() {
        let cells =
            cells(raw.get(), columns).map_err(|what| no(&format!("Structured, row {}: {what}", n + 1)))?;
        let row: Result<Vec<SqlType>, Failure> = columns
            .iter()
            .zip(cells)
            .map(|(column, cell)| {
                cell_value(column, cell, collation).map_err(|expected| {
                    // Row and column, never the value.
                    no(&format!("Structured, row {}, column {}: {expected}", n + 1, column.name))
                })
            })
            .collect();
        rows.push(row?);
    }
    Ok(TvpTableData::new(columns.iter().map(definition).collect(), rows))
}

/// A row's values in the columns' order; those that the server fills in are left out by arrays of the right length too.
fn cells<'a>(row: &'a str, columns: &[TableColumn]) -> Result<Vec<Option<&'a RawValue>>, String> {
    let form = |_| "an array or an object by column name".to_owned();
    if row.starts_with('{') {
        let mut values: HashMap<String, &RawValue> = serde_json::from_str(row).map_err(form)?;
        let mut take = |column: &TableColumn| {
            let key = values.keys().find(|key| key.eq_ignore_ascii_case(&column.name)).cloned();
            key.and_then(|key| values.remove(&key))
        };
        let cells = columns.iter().map(&mut take).collect();
        return match values.is_empty() {
            true => Ok(cells),
            false => Err("no column has the name of one of its keys".to_owned()),
        };
    }
    let values: Vec<&RawValue> = serde_json::from_str(row).map_err(form)?;
    if values.len() == columns.len() {
        return Ok(values.into_iter().map(Some).collect());
    }
    let given = columns.iter().filter(|c| !c.filled).count();
    if values.len() != given {
        return Err(format!("{given} values, one for each column"));
    }
    let mut values = values.into_iter();
    Ok(columns.iter().map(|c| if c.filled { None } else { values.next() }).collect())
}

/// The value of one cell, in its column's type.
fn cell_value(
    column: &TableColumn,
    cell: Option<&RawValue>,
    collation: &SqlCollation,
) -> Result<SqlType, String> {
    let text = match cell.map(RawValue::get) {
        None | Some("null") => None,
        Some(quoted) if quoted.starts_with('"') => {
            Some(serde_json::from_str::<String>(quoted).map_err(|_| "a JSON string".to_owned())?)
        }
        Some(plain) => Some(plain.to_owned()),
    };
    let as_parameter = Parameter {
        name: String::new(),
        direction: Direction::Input,
        kind: column.kind,
        value: None,
        size: None,
        type_name: None,
    };
    let given = text.map(|text| text::read(column.kind, &text)).transpose().map_err(str::to_owned)?;
    let value = typed(&as_parameter, given, collation).map_err(expected)?;
    let value = as_column(column, value)?;
    if let SqlType::Decimal(Some(parts)) = &value {
        let digits =
            text::Digits { negative: !parts.is_positive, magnitude: parts.magnitude(), scale: parts.scale };
        let fits = digits.at_scale(column.scale).filter(|d| d.precision() <= column.precision.max(1));
        let fits = fits.ok_or_else(|| format!("decimal({},{})", column.precision, column.scale))?;
        return Ok(SqlType::Decimal(Some(mssql_tds::datatypes::decoder::DecimalParts::new(
            !fits.negative,
            column.precision,
            column.scale,
            fits.magnitude,
        ))));
    }
    Ok(value)
}

fn expected(failure: Failure) -> String {
    match failure {
        Failure::Parameter { expected, .. } => expected,
        _ => "a value of the column's type".to_owned(),
    }
}

/// The column's own declaration for a value: all cells of a column are declared alike. What is too long is refused by the
/// server, as from any other client.
fn as_column(column: &TableColumn, value: Typed) -> Result<SqlType, String> {
    use SqlType as S;
    let chars = column.size.map(|bytes| (bytes / 2).max(1) as u16);
    let bytes = column.size.map(|bytes| bytes as u16);
    let wide = |v: Option<SqlString>| match (column.kind, chars) {
        (ParameterType::NText, _) | (_, None) => S::NVarcharMax(v),
        (ParameterType::NChar, Some(n)) => S::NChar(v, n),
        (_, Some(n)) => S::NVarchar(v, n),
    };
    let narrow = |v: Option<SqlString>| match (column.kind, bytes) {
        (ParameterType::Text, _) | (_, None) => S::VarcharMax(v),
        (ParameterType::Char, Some(n)) => S::Char(v, n),
        (_, Some(n)) => S::Varchar(v, n),
    };
    let binary = |v: Option<Vec<u8>>| match (column.kind, bytes) {
        (ParameterType::Image, _) | (_, None) => S::VarBinaryMax(v),
        (ParameterType::Binary | ParameterType::Timestamp, Some(n)) => S::Binary(v, n),
        (_, Some(n)) => S::VarBinary(v, n),
    };
    let text_units =
        |v: &Option<SqlString>| v.as_ref().map_or(0, |v| v.to_utf8_string().encode_utf16().count());
    Ok(match value.value {
        S::NVarchar(v, _) | S::NVarcharMax(v) | S::NChar(v, _) => {
            if chars.is_some_and(|most| column.kind != ParameterType::NText && text_units(&v) > most.into()) {
                return Err(format!("at most {} characters", chars.unwrap_or_default()));
            }
            wide(v)
        }
        S::Varchar(v, _) | S::VarcharMax(v) | S::Char(v, _) => {
            if bytes.is_some_and(|most| column.kind != ParameterType::Text && text_units(&v) > most.into()) {
                return Err(format!("at most {} characters", bytes.unwrap_or_default()));
            }
            narrow(v)
        }
        S::VarBinary(v, _) | S::VarBinaryMax(v) | S::Binary(v, _) => {
            let used = v.as_ref().map_or(0, Vec::len);
            if bytes.is_some_and(|most| column.kind != ParameterType::Image && used > most.into()) {
                return Err(format!("at most {} bytes", bytes.unwrap_or_default()));
            }
            binary(v)
        }
        S::Time(Some(mut v)) => {
            round(&mut v.time_nanoseconds, column.scale);
            S::Time(Some(v))
        }
        S::DateTime2(Some(mut v)) => {
            round(&mut v.time.time_nanoseconds, column.scale);
            S::DateTime2(Some(v))
        }
        S::DateTimeOffset(Some(mut v)) => {
            round(&mut v.datetime2.time.time_nanoseconds, column.scale);
            S::DateTimeOffset(Some(v))
        }
        other => other,
    })
}

/// Ticks to as many digits of a second as the column has. What would round up to the next day stays the day's last.
fn round(ticks: &mut u64, scale: u8) {
    let step = 10u64.pow(7 - u32::from(scale.min(7)));
    let up = (*ticks + step / 2) / step * step;
    *ticks = if up < database::Time::DAY { up } else { *ticks / step * step };
}

fn definition(column: &TableColumn) -> TvpColumnDef {
    let empty = Parameter {
        name: String::new(),
        direction: Direction::Input,
        kind: column.kind,
        value: None,
        size: None,
        type_name: None,
    };
    let none = typed(&empty, None, &SqlCollation::default());
    let value = none.ok().and_then(|none| as_column(column, none).ok()).unwrap_or(SqlType::NVarcharMax(None));
    let mut definition = TvpColumnDef::new(value);
    definition.precision = (column.kind == ParameterType::Decimal).then_some(column.precision);
    let scaled = matches!(
        column.kind,
        ParameterType::Decimal
            | ParameterType::Time
            | ParameterType::DateTime2
            | ParameterType::DateTimeOffset
    );
    definition.scale = scaled.then_some(column.scale);
    if column.filled {
        definition.flags |= TvpColumnFlags::DEFAULT;
    }
    definition
}

/// Rows of a question of Link's own, as texts.
pub(crate) async fn ask(
    connection: &mut Connection<'_>,
    text: String,
    parameters: Vec<RpcParameter>,
) -> Result<Vec<Vec<Option<String>>>, Failure> {
    let mut asked = Asked::default();
    let call = Call::Text(text, parameters);
    run::simple(connection, call, &mut asked).await?;
    Ok(asked.0)
}

#[derive(Default)]
struct Asked(Vec<Vec<Option<String>>>);

impl Sink for Asked {
    fn columns(&mut self, _: &[Column]) -> Result<Wanted, Stopped> {
        Ok(Wanted::Rows)
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        let told = |value: &Value<'_>| {
            let mut text = String::new();
            database::json::text_of(value, &mut text);
            (*value != Value::Null).then_some(text)
        };
        self.0.push(values.iter().map(told).collect());
        Ok(if self.0.len() < 10_000 { Wanted::Rows } else { Wanted::NoMore })
    }
    fn part(&mut self, _: Part<'_>) -> Result<Wanted, Stopped> {
        // Nothing that Link asks of its own is large.
        Err(Stopped)
    }
}

#[cfg(test)]
mod tests;
