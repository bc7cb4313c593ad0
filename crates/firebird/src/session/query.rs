//! What the session asks on its own: a few short rows.

use super::{FirebirdSession, Plan};
use database::{Column, Failure, Part, Sink, Stopped, Terms, Value, Wanted, json};
use model::{Access, Command, CommandType, Direction, ExecutionMode, Hidden, Parameter, ParameterType};

/// Most rows that are taken.
const ROWS: usize = 10_000;

/// A row: NULL is `None`.
type Texts = Vec<Option<String>>;

#[derive(Default)]
struct Taken(Vec<Texts>);

impl Sink for Taken {
    fn columns(&mut self, _: &[Column]) -> Result<Wanted, Stopped> {
        Ok(Wanted::Rows)
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        let text = |value: &Value<'_>| {
            let mut text = String::new();
            json::text_of(value, &mut text);
            (*value != Value::Null).then_some(text)
        };
        self.0.push(values.iter().map(text).collect());
        Ok(if self.0.len() < ROWS { Wanted::Rows } else { Wanted::NoMore })
    }

    fn part(&mut self, _: Part<'_>) -> Result<Wanted, Stopped> {
        // Nothing that is asked here has large values.
        Err(Stopped)
    }
}

impl FirebirdSession {
    /// Runs a text with positional parameters, read-only. Within a command, a request to stop that command is heeded.
    pub(crate) fn query(&mut self, text: &str, parameters: &[&str]) -> Result<Vec<Texts>, Failure> {
        let parameter = |(i, value): (usize, &&str)| Parameter {
            name: format!("@{i}"),
            direction: Direction::Input,
            kind: ParameterType::NVarChar,
            value: Some(Hidden::from(*value)),
            size: None,
            type_name: None,
        };
        let command = Command {
            text: Hidden::from(text),
            mode: ExecutionMode::Reader,
            kind: CommandType::Text,
            parameters: parameters.iter().enumerate().map(parameter).collect(),
            catalogue: None,
        };
        let plan = Plan { text: text.to_owned(), order: (0..parameters.len()).collect(), counts: false };
        let mut taken = Taken::default();
        self.execute(&command, &plan, Access::ReadOnly, &Terms::default(), &mut taken)?;
        self.channel.resume()?;
        Ok(taken.0)
    }
}
