//! EXEC: procedures, `sp_executesql`, and batches in text. What runs inside has a frame of its own.

use super::{
    DemoSession, Frame,
    rows::{Rows, clash},
    run::{DEEPEST, Stop, Weight},
};
use crate::{
    convert::convert,
    events::Events,
    fault::{Caught, fault},
    procedure::{self, Procedure},
    schema::Base,
    table_type::{self, TableType},
    tsql::{Action, Formal, Program, Variable, parameters},
    types::Type,
};
use rusqlite::types::{Value, ValueRef};
use std::sync::Arc;

/// A value given to a procedure, ready.
pub(super) struct Passed {
    pub(super) formal: Option<String>,
    /// `None` asks for the default.
    pub(super) value: Option<(Value, Type)>,
    /// Rows in place of a value.
    pub(super) rows: Option<Rows>,
    pub(super) output: bool,
}

/// What a call gave back: its status, and the values of what asked for them, by their place.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) status: i64,
    pub(super) outputs: Vec<(usize, Value, Type)>,
}

impl DemoSession {
    /// An EXEC statement.
    pub(super) fn call(
        &mut self,
        action: &Action,
        line: u64,
        frame: &mut Frame,
        out: &mut dyn Events,
    ) -> Result<(), Stop> {
        match action {
            Action::Execute { sql } => {
                let text = self.text(sql, frame, line)?;
                let procedure = frame.procedure.clone();
                let frame = self.inner_frame(frame, line)?;
                let before = self.state.facts().trancount;
                self.inner(|s, frame, out| s.dynamic(&text, Vec::new(), frame, out), frame, out)?;
                self.check_count(before, &procedure, line, out)
            }
            Action::Call { procedure, written, named_by, database, returned, given } => {
                let mut passed = Vec::new();
                for one in given {
                    let value = match &one.value {
                        Some((sql, ty)) => Some((self.one(sql, frame, line)?, *ty)),
                        None => None,
                    };
                    let rows = one.table.as_deref().map(|temp| self.rows_of(temp, line)).transpose()?;
                    let output = one.output.is_some();
                    passed.push(Passed { formal: one.formal.clone(), value, rows, output });
                }
                let (name, database) = match named_by {
                    Some(at) => named(&frame.values[*at], self.base),
                    None => (procedure.clone(), *database),
                };
                let shown = if written.is_empty() { name.clone() } else { written.clone() };
                let outcome = self.invoke((&name, &shown), database, passed, line, frame, out)?;
                let assign = |value: &Value, from: Type, to: Type| {
                    convert(value.into(), from, to, 0, false).map_err(|r| Stop::from(fault(r.0, line, r.1)))
                };
                for (at, value, ty) in &outcome.outputs {
                    if let Some(target) = given.get(*at).and_then(|g| g.output) {
                        frame.values[target] = assign(value, *ty, frame.variables[target].ty)?;
                    }
                }
                if let Some(at) = returned {
                    let status = Value::Integer(outcome.status);
                    frame.values[*at] = assign(&status, Type::INT, frame.variables[*at].ty)?;
                }
                out.status(i32::try_from(outcome.status).unwrap_or(0))?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn inner_frame(&self, outer: &Frame, line: u64) -> Result<Frame, Stop> {
        if outer.depth >= DEEPEST {
            return Err(fault(
                217,
                line,
                "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).",
            )
            .into());
        }
        Ok(Frame {
            values: Vec::new(),
            variables: Vec::new(),
            procedure: outer.procedure.clone(),
            returns: false,
            depth: outer.depth + 1,
            status: 0,
        })
    }

    /// Runs something in its frame: what it sets for itself ends with it, and what could not be compiled in it is an
    /// error of the statement that called it.
    fn inner(
        &mut self,
        what: impl FnOnce(&mut Self, &mut Frame, &mut dyn Events) -> Result<(), Stop>,
        mut frame: Frame,
        out: &mut dyn Events,
    ) -> Result<Frame, Stop> {
        let (silent, xact_abort, base) = (self.silent, self.xact_abort, self.base);
        let identity = {
            let mut facts = self.state.facts();
            facts.nestlevel = frame.depth;
            facts.identity.take()
        };
        let done = what(self, &mut frame, out);
        (self.silent, self.xact_abort, self.base) = (silent, xact_abort, base);
        {
            let mut facts = self.state.facts();
            facts.nestlevel = frame.depth - 1;
            facts.identity = identity;
        }
        match done {
            Ok(()) => Ok(frame),
            Err(Stop::Compile(caught)) if self.trying > 0 => Err(Stop::Raised(caught, Weight::Statement)),
            Err(Stop::Compile(caught)) => {
                self.report(&caught, out)?;
                Ok(frame)
            }
            Err(stop) => Err(stop),
        }
    }

    fn dynamic(
        &mut self,
        text: &str,
        variables: Vec<Variable>,
        frame: &mut Frame,
        out: &mut dyn Events,
    ) -> Result<(), Stop> {
        let program = self
            .kept(text, variables, false, frame.depth)
            .map_err(|e| Stop::Compile(Caught { procedure: frame.procedure.clone(), ..Caught::from(e) }))?;
        self.program(&program, frame, out)
    }

    /// The compiled batch, kept from before where that is safe. It sees table variables that were made for that depth.
    pub(super) fn kept(
        &mut self,
        text: &str,
        variables: Vec<Variable>,
        returns: bool,
        depth: u32,
    ) -> Result<Arc<Program>, database::SqlError> {
        // A batch that was compiled beside temporary tables knows them by names that end with them.
        if !self.temps.is_empty() {
            return self.compile_batch(text, variables, returns, depth).map(Arc::new);
        }
        let key = crate::session::programs::key(text, self.base, &variables, returns);
        if let Some(program) = self.programs.find(&key) {
            return Ok(program);
        }
        let program = Arc::new(self.compile_batch(text, variables, returns, depth)?);
        if program.tables.is_empty() {
            self.programs.keep(key, &program);
        }
        Ok(program)
    }

    /// Calls a procedure by its bare name; errors show it as the caller wrote it.
    pub(super) fn invoke(
        &mut self,
        (name, shown): (&str, &str),
        database: Option<Base>,
        passed: Vec<Passed>,
        line: u64,
        outer: &Frame,
        out: &mut dyn Events,
    ) -> Result<Outcome, Stop> {
        let before = self.state.facts().trancount;
        let outcome = self.invoked((name, shown), database, passed, line, outer, out)?;
        let inside = if name.eq_ignore_ascii_case("sp_executesql") { &outer.procedure } else { name };
        self.check_count(before, inside, line, out)?;
        Ok(outcome)
    }

    fn invoked(
        &mut self,
        (name, shown): (&str, &str),
        database: Option<Base>,
        passed: Vec<Passed>,
        line: u64,
        outer: &Frame,
        out: &mut dyn Events,
    ) -> Result<Outcome, Stop> {
        let frame = self.inner_frame(outer, line)?;
        if name.eq_ignore_ascii_case("sp_executesql") {
            return self.execute_sql(passed, line, frame, out);
        }
        // What begins with sp_ is in every database, and looks at the one that it is called in.
        let everywhere = name.get(..3).is_some_and(|p| p.eq_ignore_ascii_case("sp_"));
        let home = if everywhere { database.unwrap_or(self.base) } else { Base::Patients };
        let found = procedure::find(name).filter(|_| database == Some(home));
        let procedure = found.ok_or_else(|| {
            Stop::from(fault(2812, line, format!("Could not find stored procedure '{shown}'.")))
        })?;
        self.procedure(procedure, home, passed, line, frame, out)
    }

    fn procedure(
        &mut self,
        procedure: &'static Procedure,
        home: Base,
        passed: Vec<Passed>,
        line: u64,
        mut frame: Frame,
        out: &mut dyn Events,
    ) -> Result<Outcome, Stop> {
        let mut own: Vec<Option<(usize, Passed)>> = (0..procedure.parameters.len()).map(|_| None).collect();
        for (place, given) in passed.into_iter().enumerate() {
            let at = match &given.formal {
                None if place < own.len() => place,
                None => {
                    return Err(fault(
                        8144,
                        line,
                        format!("Procedure or function {} has too many arguments specified.", procedure.name),
                    )
                    .into());
                }
                Some(formal) => procedure
                    .parameters
                    .iter()
                    .position(|(n, _, _)| n.eq_ignore_ascii_case(formal))
                    .ok_or_else(|| {
                        Stop::from(fault(
                            8145,
                            line,
                            format!("{formal} is not a parameter for procedure {}.", procedure.name),
                        ))
                    })?,
            };
            if own[at].is_some() {
                return Err(fault(
                    8143,
                    line,
                    format!("Parameter '{}' was supplied multiple times.", procedure.parameters[at].0),
                )
                .into());
            }
            if given.output && !procedure.parameters[at].1.ends_with(" output") {
                return Err(fault(
                    8162,
                    line,
                    format!(
                        "The formal parameter \"{}\" was not declared as an OUTPUT parameter, but the actual parameter passed in requested output.",
                        procedure.parameters[at].0
                    ),
                )
                .into());
            }
            own[at] = Some((place, given));
        }
        let (mut variables, mut tables) = (Vec::new(), Vec::new());
        let mut wanted = Vec::new();
        for ((name, declared, default), given) in procedure.parameters.iter().zip(own) {
            let passed = given.as_ref().map(|(_, passed)| passed);
            if let Some(table) = table_type::of_formal(declared) {
                if let Some(Passed { value: Some((_, from)), .. }) = passed {
                    return Err(clash(from.name, table.name, line));
                }
                tables.push((*name, table, given.and_then(|(_, passed)| passed.rows)));
                continue;
            }
            let at = variables.len();
            if let Some(Passed { rows: Some(rows), .. }) = passed {
                return Err(clash(rows.shown(), declared, line));
            }
            let ty = Type::declared(declared.trim_end_matches(" output"));
            let value = match (given, default) {
                (Some((place, Passed { value: Some((value, from)), output, .. })), _) => {
                    if output {
                        wanted.push((at, place));
                    }
                    convert((&value).into(), from, ty, 0, false).map_err(|r| {
                        // SQL Server names the types and nothing more.
                        let number = if r.0 == 8115 { 8115 } else { 8114 };
                        Stop::from(fault(
                            number,
                            line,
                            format!("Error converting data type {} to {}.", from.name, ty.name),
                        ))
                    })?
                }
                (_, Some(text)) if text.eq_ignore_ascii_case("null") => Value::Null,
                (_, Some(text)) => convert(ValueRef::Text(text.as_bytes()), Type::VARCHAR, ty, 0, false)
                    .map_err(|r| Stop::from(fault(r.0, line, r.1)))?,
                (_, None) => {
                    return Err(fault(
                        201,
                        line,
                        format!(
                            "Procedure or function '{}' expects parameter '{name}', which was not supplied.",
                            procedure.name
                        ),
                    )
                    .into());
                }
            };
            variables.push(Variable { name: (*name).to_owned(), ty });
            frame.values.push(value);
        }
        frame.procedure = procedure.name.to_owned();
        frame.returns = true;
        let base = self.base;
        let body = |s: &mut Self, frame: &mut Frame, out: &mut dyn Events| {
            s.base = home;
            s.beside(&tables, line, frame, |s, frame| {
                let program = s.kept(procedure.body, variables, true, frame.depth).map_err(Stop::from)?;
                s.program(&program, frame, out)
            })
        };
        let frame = self.inner(body, frame, out)?;
        self.base = base;
        Ok(Outcome {
            status: frame.status,
            outputs: wanted
                .into_iter()
                .map(|(at, place)| (place, frame.values[at].clone(), frame.variables[at].ty))
                .collect(),
        })
    }

    /// Runs something in its frame beside the tables that were given to it.
    fn beside<T>(
        &mut self,
        tables: &[(&str, &'static TableType, Option<Rows>)],
        line: u64,
        frame: &mut Frame,
        what: impl FnOnce(&mut Self, &mut Frame) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let made = tables
            .iter()
            .try_for_each(|(name, ty, rows)| self.hand_over(name, ty, rows.as_ref(), frame.depth, line));
        let done = made.and_then(|()| what(self, frame));
        if !tables.is_empty() {
            self.end_scope(frame.depth);
        }
        done
    }

    /// `sp_executesql @stmt, @params, values …`.
    fn execute_sql(
        &mut self,
        passed: Vec<Passed>,
        line: u64,
        mut frame: Frame,
        out: &mut dyn Events,
    ) -> Result<Outcome, Stop> {
        let missing = || {
            Stop::from(fault(
                201,
                line,
                "Procedure or function 'sp_executesql' expects parameter '@statement', which was not supplied.",
            ))
        };
        let unicode = |given: &Passed, what: &str| match &given.value {
            Some((Value::Text(text), ty))
                if ty.name.starts_with('n') || given.formal.is_none() && ty.length == 0 =>
            {
                Ok(text.clone())
            }
            Some((Value::Null, _)) | None => Ok(String::new()),
            _ => Err(Stop::from(fault(
                214,
                line,
                format!("Procedure expects parameter '{what}' of type 'ntext/nchar/nvarchar'."),
            ))),
        };
        let mut given = passed.into_iter().enumerate();
        let (_, statement) = given.next().ok_or_else(missing)?;
        let text = unicode(&statement, "@statement")?;
        let formal = match given.next() {
            Some((_, declared)) => {
                let declared = unicode(&declared, "@params")?;
                parameters(&declared).map_err(|e| Stop::Raised(e.into(), Weight::Statement))?
            }
            None => Vec::new(),
        };
        let mut own: Vec<Option<(usize, Passed)>> = formal.iter().map(|_| None).collect();
        for (place, one) in given {
            let at = match &one.formal {
                None => place - 2,
                Some(name) => {
                    formal.iter().position(|f| f.name().eq_ignore_ascii_case(name)).unwrap_or(usize::MAX)
                }
            };
            let Some(declared) = formal.get(at) else {
                return Err(match &one.formal {
                    Some(name) => {
                        fault(8145, line, format!("{name} is not a parameter for procedure sp_executesql."))
                    }
                    None => fault(8144, line, "Procedure or function  has too many arguments specified."),
                }
                .into());
            };
            if one.output && !matches!(declared, Formal::Value(_, true)) {
                return Err(fault(
                    8162,
                    line,
                    format!(
                        "The formal parameter \"{}\" was not declared as an OUTPUT parameter, but the actual parameter passed in requested output.",
                        declared.name()
                    ),
                )
                .into());
            }
            own[at] = Some((place, one));
        }
        let (mut variables, mut tables, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for (declared, given) in formal.iter().zip(own) {
            let (variable, output) = match (declared, &given) {
                (Formal::Table(_, ty), Some((_, Passed { value: Some((_, from)), .. }))) => {
                    return Err(clash(from.name, ty.name, line));
                }
                (Formal::Table(name, ty), _) => {
                    tables.push((name.as_str(), *ty, given.and_then(|(_, passed)| passed.rows)));
                    continue;
                }
                (Formal::Value(variable, _), Some((_, Passed { rows: Some(rows), .. }))) => {
                    return Err(clash(rows.shown(), variable.ty.name, line));
                }
                (Formal::Value(variable, output), _) => (variable.clone(), *output),
            };
            let value = match given {
                Some((place, one)) => {
                    if one.output {
                        wanted.push((variables.len(), place));
                    }
                    let (value, from) = one.value.unwrap_or((Value::Null, Type::NULL));
                    let from = if from.family == crate::types::Family::Null { variable.ty } else { from };
                    convert((&value).into(), from, variable.ty, 0, false).map_err(|_| {
                        Stop::from(fault(
                            8114,
                            line,
                            format!("Error converting data type {} to {}.", from.name, variable.ty.name),
                        ))
                    })?
                }
                None if output => Value::Null,
                None => {
                    return Err(fault(
                        8178,
                        line,
                        format!(
                            "The parameterized query expects the parameter '{}', which was not supplied.",
                            variable.name
                        ),
                    )
                    .into());
                }
            };
            frame.values.push(value);
            variables.push(variable);
        }
        let body = |s: &mut Self, frame: &mut Frame, out: &mut dyn Events| {
            s.beside(&tables, line, frame, |s, frame| s.dynamic(&text, variables, frame, out))
        };
        let frame = self.inner(body, frame, out)?;
        Ok(Outcome {
            status: 0,
            outputs: wanted
                .into_iter()
                .filter_map(|(at, place)| {
                    Some((place, frame.values.get(at)?.clone(), frame.variables.get(at)?.ty))
                })
                .collect(),
        })
    }
}

/// The procedure that a variable's text names.
fn named(value: &Value, base: Base) -> (String, Option<Base>) {
    let Value::Text(text) = value else { return (String::new(), None) };
    let parts: Vec<&str> = text.split('.').map(|p| p.trim().trim_matches(['[', ']', '"'])).collect();
    match parts.as_slice() {
        [name] | ["dbo" | "DBO" | "Dbo" | "", name] => ((*name).to_owned(), Some(base)),
        [database, schema, name] if schema.is_empty() || schema.eq_ignore_ascii_case("dbo") => {
            ((*name).to_owned(), Base::by_name(database))
        }
        _ => (text.clone(), None),
    }
}
