//! Running a program: statement by statement, rows to the sink.

use super::DemoSession;
use crate::{
    calendar::{read_date, read_date_time, read_offset, read_time},
    convert::{convert, fits_integer, owned},
    fault::{Raised, fault},
    procedure,
    schema::Base,
    tsql::{Action, Program, Variable, compile},
    types::{Family, Type},
};
use database::{Column, Failure, Sink, Value as Shown};
use model::ExecutionMode;
use rusqlite::{
    Error, ErrorCode, Statement,
    types::{Value, ValueRef},
};
use std::{sync::atomic::Ordering, time::Duration};

/// Where rows and counts of one command go.
pub(super) struct Out<'a> {
    sink: &'a mut dyn Sink,
    mode: ExecutionMode,
    /// The first result set with columns has been given.
    given: bool,
    affected: Option<i64>,
    silent: bool,
}

impl<'a> Out<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink, mode: ExecutionMode) -> Self {
        Out { sink, mode, given: false, affected: None, silent: false }
    }

    pub(super) fn affected(&self) -> Option<i64> {
        self.affected
    }
}

/// Deepest nesting of procedures, as SQL Server has it.
const DEEPEST: u32 = 32;

impl DemoSession {
    /// Runs to the end or to RETURN, whose value it gives.
    pub(super) fn program(
        &mut self,
        program: &Program,
        values: &mut [Value],
        out: &mut Out<'_>,
        depth: u32,
    ) -> Result<i64, Failure> {
        for step in &program.steps {
            if self.canceller.asked() {
                return Err(Failure::Cancelled);
            }
            let line = step.line;
            match &step.action {
                Action::Rows { sql, columns } => self.rows(sql, columns, values, out, line)?,
                Action::Assign { sql, targets } => {
                    if let Some(row) = self.last_row(sql, values, line)? {
                        for (at, value) in targets.iter().zip(row) {
                            values[*at] = value;
                        }
                    }
                }
                Action::Write { sql, verb, object } => {
                    let count =
                        self.write(sql, values).map_err(|e| failure(e, line, Some((verb, object))))?;
                    self.shared.rowcount.store(count, Ordering::Relaxed);
                    if *verb == "INSERT" && count > 0 {
                        self.shared.identity.store(self.connection.last_insert_rowid(), Ordering::Relaxed);
                    }
                    if !out.silent {
                        out.affected = Some(out.affected.unwrap_or(0) + count);
                    }
                }
                Action::Call { procedure, database, returned, arguments } => {
                    if depth >= DEEPEST {
                        return Err(Failure::Sql(fault(
                            217,
                            line,
                            "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).",
                        )));
                    }
                    let code = self.call(procedure, *database, arguments, values, out, line, depth)?;
                    if let Some(at) = returned {
                        let ty = program.variables[*at].ty;
                        values[*at] = convert(ValueRef::Integer(code), Type::INT, ty, 0, false)
                            .map_err(|r| r.at(line))?;
                    }
                }
                Action::Wait { millis } => {
                    if self.canceller.wait(Duration::from_millis(*millis)) {
                        return Err(Failure::Cancelled);
                    }
                }
                Action::Return { value } => {
                    let code = match value {
                        Some(sql) => self
                            .last_row(&format!("SELECT {sql}"), values, line)?
                            .and_then(|row| row.into_iter().next()),
                        None => None,
                    };
                    return Ok(if let Some(Value::Integer(code)) = code { code } else { 0 });
                }
                Action::NoCount(on) => out.silent = *on,
            }
        }
        Ok(0)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one EXEC and where its rows go")]
    fn call(
        &mut self,
        name: &str,
        database: Option<Base>,
        arguments: &[(Option<String>, String)],
        values: &[Value],
        out: &mut Out<'_>,
        line: u64,
        depth: u32,
    ) -> Result<i64, Failure> {
        let found = procedure::find(name).filter(|_| database == Some(Base::Patients));
        let procedure = found.ok_or_else(|| {
            Failure::Sql(fault(2812, line, format!("Could not find stored procedure '{name}'.")))
        })?;
        let mut own: Vec<Option<Value>> = vec![None; procedure.parameters.len()];
        for (at, (formal, sql)) in arguments.iter().enumerate() {
            let at = match formal {
                None if at < own.len() => at,
                None => {
                    return Err(Failure::Sql(fault(
                        8144,
                        line,
                        format!("Procedure or function {} has too many arguments specified.", procedure.name),
                    )));
                }
                Some(formal) => procedure
                    .parameters
                    .iter()
                    .position(|(n, _, _)| n.eq_ignore_ascii_case(formal))
                    .ok_or_else(|| {
                        Failure::Sql(fault(
                            8145,
                            line,
                            format!("{formal} is not a parameter for procedure {}.", procedure.name),
                        ))
                    })?,
            };
            if own[at].is_some() {
                return Err(Failure::Sql(fault(
                    8143,
                    line,
                    format!("Parameter '{}' was supplied multiple times.", procedure.parameters[at].0),
                )));
            }
            let given = self
                .last_row(sql, values, line)?
                .and_then(|row| row.into_iter().next())
                .unwrap_or(Value::Null);
            let to = Type::declared(procedure.parameters[at].1);
            let bad = || {
                Failure::Sql(fault(
                    8114,
                    line,
                    format!("Error converting data type nvarchar to {}.", to.name),
                ))
            };
            own[at] = Some(convert((&given).into(), Type::NVARCHAR, to, 0, false).map_err(|_| bad())?);
        }
        let mut variables = Vec::new();
        let mut filled = Vec::new();
        for ((name, declared, default), given) in procedure.parameters.iter().zip(own) {
            let ty = Type::declared(declared);
            let value = match (given, default) {
                (Some(value), _) => value,
                (None, Some(text)) => convert(ValueRef::Text(text.as_bytes()), Type::VARCHAR, ty, 0, false)
                    .map_err(|r| r.at(line))?,
                (None, None) => {
                    return Err(Failure::Sql(fault(
                        201,
                        line,
                        format!(
                            "Procedure or function '{}' expects parameter '{name}', which was not supplied.",
                            procedure.name
                        ),
                    )));
                }
            };
            variables.push(Variable { name: (*name).to_owned(), ty });
            filled.push(value);
        }
        let program = compile(procedure.body, Base::Patients, variables, true).map_err(Failure::Sql)?;
        filled.resize(program.variables.len(), Value::Null);
        self.program(&program, &mut filled, out, depth + 1)
    }

    fn rows(
        &mut self,
        sql: &str,
        columns: &[(String, Type)],
        values: &[Value],
        out: &mut Out<'_>,
        line: u64,
    ) -> Result<(), Failure> {
        let give = !out.given && out.mode != ExecutionMode::NonQuery;
        out.given = true;
        if give {
            let heads: Vec<Column> = columns
                .iter()
                .map(|(name, ty)| Column { name: name.clone(), type_name: ty.name.to_owned() })
                .collect();
            let heads =
                if out.mode == ExecutionMode::Scalar { &heads[..heads.len().min(1)] } else { &heads[..] };
            out.sink.columns(heads).map_err(|_| Failure::Cancelled)?;
        }
        let sql_failure = |e| failure(e, line, None);
        let mut statement = self.connection.prepare_cached(sql).map_err(sql_failure)?;
        bind(&mut statement, values).map_err(sql_failure)?;
        let mut rows = statement.raw_query();
        let mut count = 0;
        let wanted = if out.mode == ExecutionMode::Scalar { 1 } else { columns.len() };
        while let Some(row) = rows.next().map_err(sql_failure)? {
            count += 1;
            if give && !(out.mode == ExecutionMode::Scalar && count > 1) {
                let mut shown = Vec::with_capacity(wanted);
                for (at, (_, ty)) in columns[..wanted.min(columns.len())].iter().enumerate() {
                    shown.push(typed(row.get_ref(at).map_err(sql_failure)?, *ty).map_err(|r| r.at(line))?);
                }
                out.sink.row(&shown).map_err(|_| Failure::Cancelled)?;
                if out.mode == ExecutionMode::Scalar {
                    break;
                }
            }
        }
        drop(rows);
        self.shared.rowcount.store(count, Ordering::Relaxed);
        Ok(())
    }

    fn last_row(&mut self, sql: &str, values: &[Value], line: u64) -> Result<Option<Vec<Value>>, Failure> {
        let sql_failure = |e| failure(e, line, None);
        let mut statement = self.connection.prepare_cached(sql).map_err(sql_failure)?;
        let width = statement.column_count();
        bind(&mut statement, values).map_err(sql_failure)?;
        let mut rows = statement.raw_query();
        let mut last = None;
        while let Some(row) = rows.next().map_err(sql_failure)? {
            last = Some(
                (0..width)
                    .map(|i| row.get_ref(i).map(owned))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(sql_failure)?,
            );
        }
        Ok(last)
    }

    fn write(&mut self, sql: &str, values: &[Value]) -> Result<i64, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        statement.raw_execute().map(|n| i64::try_from(n).unwrap_or(i64::MAX))
    }
}

fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), Error> {
    for at in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(at, values.get(at - 1).unwrap_or(&Value::Null))?;
    }
    Ok(())
}

/// A stored value as one of its type.
pub(super) fn typed(value: ValueRef<'_>, ty: Type) -> Result<Shown<'_>, Raised> {
    let overflow =
        || Raised(8115, format!("Arithmetic overflow error converting expression to data type {}.", ty.name));
    Ok(match value {
        ValueRef::Null => Shown::Null,
        ValueRef::Integer(i) => match ty.family {
            Family::Bit => Shown::Bit(i != 0),
            Family::Real | Family::Float => Shown::Float(i as f64),
            _ if fits_integer(i, ty.name) => Shown::Int(i),
            _ => return Err(overflow()),
        },
        ValueRef::Real(f) => match ty.family {
            Family::Real => Shown::Real(f as f32),
            // The embedded engine leaves whole numbers for floats where they grow too large.
            Family::Int | Family::Bit => return Err(overflow()),
            _ => Shown::Float(f),
        },
        ValueRef::Blob(bytes) => Shown::Binary(bytes),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes)
                .map_err(|_| Raised(8630, "Stored text is not UTF-8.".to_owned()))?;
            let wrong = || {
                Raised(
                    241,
                    "Conversion failed when converting date and/or time from character string.".to_owned(),
                )
            };
            match ty.family {
                Family::Date => Shown::Date(read_date(bytes).ok_or_else(wrong)?),
                Family::DateTime => {
                    let (d, t) = read_date_time(bytes).ok_or_else(wrong)?;
                    Shown::DateTime(d, t)
                }
                Family::Offset => {
                    let (d, t, minutes) = read_offset(bytes).ok_or_else(wrong)?;
                    Shown::DateTimeOffset(d, t, minutes)
                }
                Family::Time => Shown::Time(read_time(bytes).ok_or_else(wrong)?),
                Family::Guid => Shown::Guid(uuid::Uuid::parse_str(text).map_err(|_| wrong())?),
                Family::Decimal => Shown::Decimal(text),
                Family::Text | Family::Null => Shown::Text(text),
                _ => return Err(Raised(8630, format!("Text came where {} should be.", ty.name))),
            }
        }
    })
}

/// The embedded engine's error as SQL Server would have said it.
fn failure(error: Error, line: u64, write: Option<(&str, &str)>) -> Failure {
    let (verb, object) = write.unwrap_or(("SELECT", "object"));
    let Error::SqliteFailure(code, message) = &error else {
        return Failure::Sql(fault(
            8630,
            line,
            "Internal Query Processor Error: The query processor encountered an unexpected error during execution.",
        ));
    };
    if let Some(raised) = message.as_deref().and_then(Raised::read) {
        return raised.at(line);
    }
    let (number, words) = match code.code {
        ErrorCode::OperationInterrupted => return Failure::Cancelled,
        ErrorCode::ConstraintViolation => (2627, format!("Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object 'dbo.{object}'.")),
        ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            (229, format!("The {verb} permission was denied on the object '{object}', database 'BPSPatients', schema 'dbo'."))
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (1222, "Lock request time out period exceeded.".to_owned()),
        ErrorCode::TooBig => (8623, "A text or a statement is too large for the demo practice.".to_owned()),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::CannotOpen | ErrorCode::SystemIoFailure => return Failure::Lost,
        _ => (8630, "Internal Query Processor Error: The query processor encountered an unexpected error during execution.".to_owned()),
    };
    Failure::Sql(fault(number, line, words))
}
