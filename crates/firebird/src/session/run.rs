//! One command from beginning to end.

use super::{
    FirebirdSession,
    rows::{Both, Keep, Row},
    statement::Prepared,
};
use crate::{
    convert::{self, Bound},
    fault, procedure, tokens,
    wire::{
        blr::{self, Form},
        info, op, reply,
        request::{self, Execute},
        row::{self, Cell, Sent},
    },
};
use database::{Column, Done, Failure, Output, Sink, Terms};
use model::{Access, Command, CommandType, Direction};

/// A text with what is to be put into it.
pub(crate) struct Plan {
    pub(crate) text: String,
    /// Index into the command's parameters for each `?`.
    pub(crate) order: Vec<usize>,
    /// The statement changes rows and says how many.
    pub(crate) counts: bool,
}

impl FirebirdSession {
    /// Runs a command for its caller.
    pub(super) fn command(
        &mut self,
        command: &Command,
        terms: &Terms,
        sink: &mut dyn Sink,
    ) -> Result<Done, Failure> {
        self.channel.begin()?;
        let outcome =
            self.plan(command).and_then(|plan| self.execute(command, &plan, self.access, terms, sink));
        self.over();
        outcome
    }

    fn plan(&mut self, command: &Command) -> Result<Plan, Failure> {
        match command.kind {
            CommandType::Text => {
                let made = tokens::positional(command.text.reveal(), &command.parameters)?;
                let counts = made.verb != "EXECUTE";
                Ok(Plan { text: made.text, order: made.order, counts })
            }
            CommandType::StoredProcedure => procedure::plan(self, command),
        }
    }

    pub(super) fn execute(
        &mut self,
        command: &Command,
        plan: &Plan,
        access: Access,
        terms: &Terms,
        sink: &mut dyn Sink,
    ) -> Result<Done, Failure> {
        // Values are read before the database hears of the command.
        let mut given = Vec::with_capacity(command.parameters.len());
        for (i, parameter) in command.parameters.iter().enumerate() {
            let used = plan.order.contains(&i);
            given.push(if used { database::text::given(parameter)? } else { None });
        }
        let (transaction, statement) = self.begin(access, terms)?;
        let outcome = self
            .prepare(transaction, statement, &plan.text, access)
            .and_then(|prepared| self.through(command, plan, &given, &prepared, sink));
        if self.channel.is_lost() {
            // What the server said before it went stands; else nobody knows.
            return match outcome {
                Err(failure @ Failure::Sql(_)) => Err(failure),
                _ => Err(Failure::Lost),
            };
        }
        // A reader has nothing to keep; and what Firebird puts off to a commit, such as new users, never comes.
        let stands = outcome.is_ok() && access == Access::ReadWrite;
        match (outcome, self.end(transaction, statement, stands)) {
            (Err(failure), _) => Err(failure),
            (Ok(_), Err(failure)) => Err(failure),
            (Ok(done), Ok(())) => Ok(done),
        }
    }

    fn through(
        &mut self,
        command: &Command,
        plan: &Plan,
        given: &[Option<database::text::Given>],
        prepared: &Prepared,
        sink: &mut dyn Sink,
    ) -> Result<Done, Failure> {
        let described = &prepared.described;
        let columns: Vec<_> = described
            .outputs
            .iter()
            .map(|output| Column {
                name: output.alias.clone(),
                type_name: crate::values::type_name(output).to_owned(),
            })
            .collect();
        let forms = output_forms(described)?;
        let (blr, message) = self.parameters(command, plan, given, prepared)?;
        let execute = Execute {
            statement: prepared.statement,
            transaction: prepared.transaction,
            blr: &blr,
            message: &message,
            version: self.version,
        };
        let cursor = matches!(described.statement, op::statement::SELECT | op::statement::SELECT_FOR_UPDATE);
        let mut out = Vec::new();
        let mut done = Done { rows_affected: None, outputs: outputs(command, &[]) };
        if cursor {
            self.cursor(&execute, prepared, &columns, &forms, sink)?;
            return Ok(done);
        }
        if forms.is_empty() {
            request::execute(&mut out, &execute);
            self.ask(&mut out)?;
        } else {
            request::execute2(&mut out, &execute, &blr::describe(&forms));
            self.channel.send(&mut out)?;
            done.outputs = self.one_row(command, prepared, &columns, &forms, sink)?;
        }
        let changes = matches!(
            described.statement,
            op::statement::INSERT
                | op::statement::UPDATE
                | op::statement::DELETE
                | op::statement::EXEC_PROCEDURE
        );
        if changes && plan.counts {
            out.clear();
            request::info(&mut out, prepared.statement, info::COUNTS);
            let answer = self.ask(&mut out)?;
            done.rows_affected = info::changed(&answer.data).map_err(|_| {
                self.channel.give_up();
                Failure::Lost
            })?;
        }
        Ok(done)
    }

    /// The description and the message of a statement's parameters.
    fn parameters(
        &mut self,
        command: &Command,
        plan: &Plan,
        given: &[Option<database::text::Given>],
        prepared: &Prepared,
    ) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let inputs = &prepared.described.inputs;
        if inputs.len() != plan.order.len() {
            let why =
                format!("The statement has {} parameters, {} are given", inputs.len(), plan.order.len());
            return Err(Failure::Sql(fault::error(-804, why)));
        }
        let mut bound = Vec::with_capacity(inputs.len());
        for (variable, at) in inputs.iter().zip(&plan.order) {
            let parameter = &command.parameters[*at];
            bound.push(
                match convert::bind(parameter, given[*at].as_ref(), variable, self.setup.none_charset)? {
                    Bound::Now(form, sent) => (form, sent),
                    Bound::Blob(bytes) => {
                        let id = self.make_blob(prepared.transaction, variable, &bytes)?;
                        (Form::Blob, Sent::Blob(id))
                    }
                },
            );
        }
        if bound.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let forms: Vec<_> = bound.iter().map(|(form, _)| *form).collect();
        let mut message = Vec::new();
        row::encode(&bound, &mut message);
        Ok((blr::describe(&forms), message))
    }

    /// The row of a statement that gives one at once: a result set, and the values of output parameters by name.
    fn one_row(
        &mut self,
        command: &Command,
        prepared: &Prepared,
        columns: &[Column],
        forms: &[Form],
        sink: &mut dyn Sink,
    ) -> Result<Vec<Output>, Failure> {
        let mut cells: Vec<Cell> = Vec::new();
        let (found, used) = self.channel.look(&mut |reader| {
            let found = reply::executed(reader)?;
            if found == reply::Fetched::Row {
                row::decode(reader, forms, &mut cells)?;
            }
            Ok(found)
        })?;
        let message = self.channel.bytes()[..used].to_vec();
        self.channel.consume(used);
        if let reply::Fetched::Failed(response) = found {
            return Err(self.failure(&response.status));
        }
        self.answer()?;
        let mut named = Vec::new();
        if sink.columns(columns).is_err() {
            return Err(Failure::Cancelled);
        }
        if found == reply::Fetched::Row {
            let mut keep = Keep::new(columns);
            let back = command.parameters.iter().any(|p| p.direction != Direction::Input);
            let rows = Row { forms, variables: &prepared.described.outputs };
            let mut both = Both(sink, back.then_some(&mut keep));
            self.give(prepared.transaction, &rows, &cells, &message, &mut both)?;
            named = keep.kept;
        }
        Ok(outputs(command, &named))
    }
}

/// How the columns travel.
fn output_forms(described: &info::Described) -> Result<Vec<Form>, Failure> {
    let form = |output: &info::Variable| {
        Form::of(output).ok_or_else(|| {
            let kind = crate::values::type_name(output);
            let why = format!(
                "Column {} is of a type that is not supported ({kind}): CAST it, for example to VARCHAR",
                output.alias
            );
            Failure::Sql(fault::error(-804, why))
        })
    };
    described.outputs.iter().map(form).collect()
}

/// The values that come back in parameters: from the row, by name; NULL where it has none.
fn outputs(command: &Command, named: &[(String, Option<String>)]) -> Vec<Output> {
    let back = |direction| !matches!(direction, Direction::Input);
    let all = command.parameters.iter().enumerate().filter(|(_, p)| back(p.direction));
    all.map(|(parameter, given)| {
        let bare = given.name.strip_prefix('@').unwrap_or(&given.name).to_lowercase();
        let found = named
            .iter()
            .find(|(name, _)| given.direction != Direction::ReturnValue && name.to_lowercase() == bare);
        let value = found.and_then(|(_, value)| value.clone()).map(Into::into);
        Output { parameter, kind: given.kind, value }
    })
    .collect()
}
