//! What a batch tells, held for a look at it.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of it")]

use super::common::{Demo, login};
use database::Value;
use model::Access;
use practice::{
    DemoSession,
    events::{ColumnType, Ended, Enough, Events, Message, ResultColumn},
};
use std::fmt::Write;

/// What a batch told: its first rows as text, all errors.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<String>,
    pub(crate) errors: Vec<(i32, String)>,
    pub(crate) count: usize,
    /// Says [`Enough`] after so many rows.
    pub(crate) most: Option<usize>,
}

impl Events for Told {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<(), Enough> {
        self.columns.extend(columns.iter().map(|c| c.name.clone()));
        Ok(())
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<(), Enough> {
        self.count += 1;
        if self.rows.len() < 100 {
            let mut text = String::new();
            for value in values {
                let shown: String = match value {
                    Value::Text(t) => t.chars().take(200).collect(),
                    Value::Int(i) => i.to_string(),
                    other => format!("{other:?}"),
                };
                write!(text, "{shown}|").unwrap();
            }
            self.rows.push(text);
        }
        if self.most == Some(self.count) { Err(Enough) } else { Ok(()) }
    }
    fn ended(&mut self, _: Ended, _: Option<u64>) -> Result<(), Enough> {
        Ok(())
    }
    fn message(&mut self, message: &Message) -> Result<(), Enough> {
        if message.class > 10 && self.errors.len() < 1000 {
            self.errors.push((message.number, message.text.clone()));
        }
        Ok(())
    }
    fn output(&mut self, _: usize, _: ColumnType, _: Value<'_>) -> Result<(), Enough> {
        Ok(())
    }
    fn status(&mut self, _: i32) -> Result<(), Enough> {
        Ok(())
    }
    fn database(&mut self, _: &'static str) -> Result<(), Enough> {
        Ok(())
    }
}

pub(crate) fn session(demo: &Demo, user: &str) -> DemoSession {
    demo.engine.log_in(&login(user), None, Access::ReadWrite).unwrap()
}

pub(crate) fn tell(session: &mut DemoSession, text: &str) -> Told {
    let mut told = Told::default();
    session.batch(text, &mut told).unwrap_or_else(|e| panic!("{e:?}: {text}"));
    told
}

/// The one error of a batch.
pub(crate) fn refusal(session: &mut DemoSession, text: &str) -> (i32, String) {
    let told = tell(session, text);
    assert_eq!((told.errors.len(), told.rows.len()), (1, 0), "{text}: {:?} {:?}", told.errors, told.rows);
    told.errors[0].clone()
}

pub(crate) fn works(session: &mut DemoSession, text: &str) -> Vec<String> {
    let told = tell(session, text);
    assert!(told.errors.is_empty(), "{text}: {:?}", told.errors);
    told.rows
}
