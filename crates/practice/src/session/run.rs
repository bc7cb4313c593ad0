//! Walks a compiled batch: blocks, branches, loops, TRY and CATCH, and what an error does to the rest.

use super::{DemoSession, Frame};
use crate::{
    events::{Broken, Ended, Events, Message},
    fault::Caught,
    tsql::{Action, Node, Program, Setting, Slice, Unit, WHEN_IT_RUNS, What, compile, late},
};
use database::SqlError;
use rusqlite::types::Value;
use std::sync::Arc;

/// How a statement that did not fail lets the batch go on.
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return,
}

/// How heavy an error is where no CATCH takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The statement ends, the batch goes on.
    Statement,
    /// The batch ends and its transaction is rolled back.
    Batch,
    /// THROW: the batch ends, the transaction stays.
    Throw,
    /// RAISERROR: a message, no more.
    Message,
}

/// Why a batch does not go on.
pub(super) enum Stop {
    Broken(Broken),
    /// An error that nobody has taken yet.
    Raised(Caught, Weight),
    /// A statement could not be compiled when its turn came: only a TRY outside of this batch or procedure catches it.
    Compile(Caught),
    /// Reported; the whole batch is over.
    Over,
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Stop {
        Stop::Broken(broken)
    }
}

impl From<crate::events::Enough> for Stop {
    fn from(_: crate::events::Enough) -> Stop {
        Stop::Broken(Broken::Cancelled)
    }
}

impl From<Caught> for Stop {
    fn from(caught: Caught) -> Stop {
        let weight = if caught.ends_batch() { Weight::Batch } else { Weight::Statement };
        Stop::Raised(caught, weight)
    }
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Stop {
        Caught::from(error).into()
    }
}

/// Deepest nesting of procedures, as SQL Server has it.
pub(super) const DEEPEST: u32 = 32;

impl DemoSession {
    /// Runs what a caller sent. Errors are told as messages.
    pub(super) fn top(
        &mut self,
        program: Result<Arc<Program>, SqlError>,
        frame: &mut Frame,
        out: &mut dyn Events,
    ) -> Result<(), Broken> {
        let done = match program {
            Ok(program) => self.program(&program, frame, out),
            Err(error) => Err(Stop::Compile(error.into())),
        };
        let done = match done {
            Err(Stop::Raised(caught, _) | Stop::Compile(caught)) => self.report(&caught, out),
            other => other,
        };
        self.trying = 0;
        let end = self.end_of_request(out);
        match done.and(end) {
            Ok(()) | Err(Stop::Over | Stop::Raised(..) | Stop::Compile(_)) => Ok(()),
            Err(Stop::Broken(broken)) => Err(broken),
        }
    }

    /// Runs a program in its frame. Its table variables live as long.
    pub(super) fn program(
        &mut self,
        program: &Program,
        frame: &mut Frame,
        out: &mut dyn Events,
    ) -> Result<(), Stop> {
        frame.values.resize(program.variables.len(), Value::Null);
        frame.variables.clone_from(&program.variables);
        for (temp, shape) in &program.tables {
            self.make_table(temp, shape, frame.depth).map_err(Stop::from)?;
        }
        let trying = self.trying;
        let done = self.nodes(&program.body, frame, out);
        self.trying = trying;
        self.end_scope(frame.depth);
        match done {
            Ok(_) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    fn nodes(&mut self, list: &[Node], frame: &mut Frame, out: &mut dyn Events) -> Result<Flow, Stop> {
        for node in list {
            match self.node(node, frame, out)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node, frame: &mut Frame, out: &mut dyn Events) -> Result<Flow, Stop> {
        match &node.what {
            What::Do(unit) => {
                let done = self.unit(unit, node.line, frame, out);
                self.taken(done, node.line, frame, out)
            }
            What::Block(list) => self.nodes(list, frame, out),
            What::If { test, then, or } => {
                let Some(yes) = self.test(test, node.line, frame, out)? else { return Ok(Flow::Next) };
                match (yes, or) {
                    (true, _) => self.node(then, frame, out),
                    (false, Some(or)) => self.node(or, frame, out),
                    (false, None) => Ok(Flow::Next),
                }
            }
            What::While { test, body } => loop {
                match self.test(test, node.line, frame, out)? {
                    Some(true) => {}
                    _ => return Ok(Flow::Next),
                }
                match self.node(body, frame, out)? {
                    Flow::Break => return Ok(Flow::Next),
                    Flow::Return => return Ok(Flow::Return),
                    Flow::Next | Flow::Continue => {}
                }
            },
            What::Try { body, catch } => {
                let outside = self.trying;
                self.trying += 1;
                let done = self.nodes(body, frame, out);
                self.trying = outside;
                let caught = match done {
                    Err(Stop::Raised(caught, weight)) => {
                        let mut facts = self.state.facts();
                        if facts.trancount > 0 && (weight == Weight::Batch || self.xact_abort) {
                            facts.doomed = true;
                        }
                        facts.error = caught.number;
                        drop(facts);
                        if std::mem::take(&mut self.telling) {
                            out.ended(Ended::Select, None)?;
                        }
                        caught
                    }
                    other => return other,
                };
                let before = self.state.facts().caught.replace(caught);
                let done = self.nodes(catch, frame, out);
                self.state.facts().caught = before;
                done
            }
            What::Break => Ok(Flow::Break),
            What::Continue => Ok(Flow::Continue),
        }
    }

    /// A condition; `None` when it failed and the batch goes on after it.
    fn test(
        &mut self,
        unit: &Unit,
        line: u64,
        frame: &mut Frame,
        out: &mut dyn Events,
    ) -> Result<Option<bool>, Stop> {
        let mut answer = None;
        let done = self.actions(unit, frame, |session, action, frame| {
            if let Action::Test { sql } = action {
                session.clock.stand();
                answer = Some(session.one(sql, frame, line)? == Value::Integer(1));
            }
            Ok(Flow::Next)
        });
        self.state.facts().rowcount = 0;
        self.taken(done, line, frame, out)?;
        Ok(answer)
    }

    fn unit(
        &mut self,
        unit: &Unit,
        line: u64,
        frame: &mut Frame,
        out: &mut dyn Events,
    ) -> Result<Flow, Stop> {
        self.actions(unit, frame, |session, action, frame| {
            session.clock.stand();
            session.action(action, line, frame, out)
        })
    }

    fn actions(
        &mut self,
        unit: &Unit,
        frame: &mut Frame,
        mut each: impl FnMut(&mut Self, &Action, &mut Frame) -> Result<Flow, Stop>,
    ) -> Result<Flow, Stop> {
        if self.canceller.asked() {
            return Err(Stop::Broken(Broken::Cancelled));
        }
        let made;
        let actions = match unit {
            Unit::Ready(actions) => actions,
            Unit::Late { slice, test } => {
                made = self.compile_late(slice, *test, frame).map_err(|e| {
                    let mut caught = Caught::from(e);
                    caught.procedure.clone_from(&frame.procedure);
                    if WHEN_IT_RUNS.contains(&caught.number) {
                        Stop::Raised(caught, Weight::Statement)
                    } else {
                        Stop::Compile(caught)
                    }
                })?;
                &made
            }
        };
        for action in actions {
            match each(self, action, frame)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    /// What an error of a statement does: passed on where a TRY is open, told otherwise.
    fn taken(
        &mut self,
        done: Result<Flow, Stop>,
        line: u64,
        frame: &Frame,
        out: &mut dyn Events,
    ) -> Result<Flow, Stop> {
        self.tell_transacted(out);
        match done {
            Ok(flow) => {
                self.state.facts().error = 0;
                Ok(flow)
            }
            Err(Stop::Raised(mut caught, weight)) => {
                if caught.line == 0 {
                    caught.line = u32::try_from(line).unwrap_or(0);
                }
                if caught.procedure.is_empty() {
                    caught.procedure.clone_from(&frame.procedure);
                }
                self.after_broken_statement();
                if self.trying > 0 {
                    return Err(Stop::Raised(caught, weight));
                }
                self.report(&caught, out)?;
                let over = match weight {
                    Weight::Statement => self.xact_abort,
                    Weight::Batch | Weight::Throw => true,
                    Weight::Message => false,
                };
                if !over {
                    return Ok(Flow::Next);
                }
                if weight == Weight::Batch || self.xact_abort {
                    self.roll_back_all();
                    self.tell_transacted(out);
                }
                Err(Stop::Over)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Tells an error, and remembers its number.
    pub(super) fn report(&mut self, caught: &Caught, out: &mut dyn Events) -> Result<(), Stop> {
        self.state.facts().error = caught.number;
        self.state.facts().rowcount = 0;
        self.telling = false;
        out.message(&message(caught))?;
        out.ended(Ended::Other, None)?;
        Ok(())
    }

    /// What a compiler may know of this session, at a depth.
    pub(super) fn visible(&self, depth: u32) -> Vec<Arc<crate::tsql::Temp>> {
        self.temps
            .iter()
            .filter(|(scope, temp)| temp.name.starts_with('#') || *scope == depth)
            .map(|(_, temp)| Arc::clone(temp))
            .collect()
    }

    pub(super) fn compile_batch(
        &mut self,
        text: &str,
        variables: Vec<crate::tsql::Variable>,
        returns: bool,
        depth: u32,
    ) -> Result<Program, SqlError> {
        let temps = self.visible(depth);
        let setting = Setting { base: self.base, temps: &temps, next_table: self.next_table };
        let program = compile(text, &setting, variables, returns)?;
        self.next_table += program.tables.len() as u64;
        Ok(program)
    }

    fn compile_late(&self, slice: &Slice, test: bool, frame: &Frame) -> Result<Vec<Action>, SqlError> {
        let temps = self.visible(frame.depth);
        let setting = Setting { base: self.base, temps: &temps, next_table: self.next_table };
        late(slice, test, &setting, frame.variables.clone(), frame.returns)
    }
}

/// An error as it is told.
pub(super) fn message(caught: &Caught) -> Message {
    Message {
        number: caught.number,
        state: caught.state,
        class: caught.class,
        line: caught.line,
        procedure: caught.procedure.clone(),
        text: caught.text.clone(),
    }
}
