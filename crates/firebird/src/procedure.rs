//! Stored procedures by name: what they take, what they give, and how they are called.

use crate::session::{FirebirdSession, Plan};
use database::{Failure, Terms};
use model::Command;

/// Procedures that a session has looked up.
#[derive(Default)]
pub(crate) struct Known;

pub(crate) fn plan(_: &mut FirebirdSession, _: &Command, _: &Terms) -> Result<Plan, Failure> {
    Err(Failure::Lost)
}
