//! DECLARE, for values and tables.

use super::{
    program::{Action, Variable},
    statement::Reader,
};
use crate::fault::fault;
use database::SqlError;
use sqlparser::tokenizer::Token;

impl Reader<'_> {
    pub(super) fn declare(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let mut actions = Vec::new();
        loop {
            let name = self.identifier()?;
            if !name.value.starts_with('@') || name.value.starts_with("@@") {
                return Err(self.compiler.no("DECLARE … CURSOR"));
            }
            self.word("AS");
            let taken = self.compiler.variables.iter().any(|v| v.name.eq_ignore_ascii_case(&name.value))
                || self.compiler.declared.iter().any(|(t, _)| t.name.eq_ignore_ascii_case(&name.value));
            if taken {
                return Err(fault(
                    134,
                    self.compiler.line,
                    format!(
                        "The variable name '{}' has already been declared. Variable names must be unique within a query batch or stored procedure.",
                        name.value
                    ),
                ));
            }
            if self.word("TABLE") {
                self.declare_table(name.value)?;
            } else if let Some(ty) = self.table_type() {
                self.declare_of(&name.value, ty);
            } else if self.peek_word(0, "CURSOR") {
                return Err(self.compiler.no("CURSOR"));
            } else {
                let ty = self.declared_type()?;
                let value =
                    if self.parser.consume_token(&Token::Eq) { Some(self.expression()?) } else { None };
                self.compiler.variables.push(Variable { name: name.value, ty });
                if let Some(value) = value {
                    let at = self.compiler.variables.len() - 1;
                    actions.push(self.assignment(&value, at)?);
                }
            }
            if self.parser.consume_token(&Token::Comma) {
                continue;
            }
            if !self.ends() {
                return Err(self.near_next());
            }
            if actions.is_empty() {
                // It keeps @@ROWCOUNT and does nothing, but it is a statement.
                actions.push(Action::Nothing);
            }
            return Ok(actions);
        }
    }
}
