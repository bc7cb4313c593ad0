//! SET and USE: what changes an answer is done or refused, what only tunes a server is accepted.

use super::{cut::near, program::Action, statement::Reader};
use crate::{
    fault::fault,
    schema::Base,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::{
    ast::{BinaryOperator, Expr, Ident},
    tokenizer::Token,
};

/// Options that are on or off.
const SWITCHES: &[&str] = &[
    "NOCOUNT",
    "XACT_ABORT",
    "ANSI_NULLS",
    "QUOTED_IDENTIFIER",
    "ANSI_WARNINGS",
    "ARITHABORT",
    "ANSI_PADDING",
    "CONCAT_NULL_YIELDS_NULL",
    "ANSI_NULL_DFLT_ON",
    "ANSI_NULL_DFLT_OFF",
    "ANSI_DEFAULTS",
    "NUMERIC_ROUNDABORT",
    "CURSOR_CLOSE_ON_COMMIT",
    "ARITHIGNORE",
    "FORCEPLAN",
];

impl Reader<'_> {
    pub(super) fn set(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let name = self.identifier()?;
        if name.value.starts_with('@') {
            return self.set_variable(&name);
        }
        let mut names = vec![name.value.to_ascii_uppercase()];
        while self.parser.consume_token(&Token::Comma) {
            names.push(self.identifier()?.value.to_ascii_uppercase());
        }
        if let [only] = names.as_slice()
            && let Some(action) = self.valued(&only.clone())?
        {
            return Ok(vec![action]);
        }
        if let Some(unknown) = names.iter().find(|n| !SWITCHES.contains(&n.as_str())) {
            return Err(fault(
                195,
                self.compiler.line,
                format!("'{}' is not a recognized SET option.", unknown.to_ascii_lowercase()),
            ));
        }
        let value = self.parser.next_token();
        let on = match super::cut::word_of(Some(&value)).as_deref() {
            Some("ON") => true,
            Some("OFF") => false,
            _ => return Err(near(&value)),
        };
        names.iter().map(|name| self.switch(name, on)).collect()
    }

    fn set_variable(&mut self, name: &Ident) -> Result<Vec<Action>, SqlError> {
        let at = self.compiler.variable(name)?;
        let compound = match &self.parser.peek_token_ref().token {
            Token::Eq => None,
            Token::Plus => Some(BinaryOperator::Plus),
            Token::Minus => Some(BinaryOperator::Minus),
            Token::Mul => Some(BinaryOperator::Multiply),
            Token::Div => Some(BinaryOperator::Divide),
            Token::Mod => Some(BinaryOperator::Modulo),
            Token::Ampersand => Some(BinaryOperator::BitwiseAnd),
            Token::Pipe => Some(BinaryOperator::BitwiseOr),
            Token::Caret => Some(BinaryOperator::BitwiseXor),
            _ => return Err(self.near_next()),
        };
        if compound.is_some() {
            self.parser.next_token();
        }
        self.need(&Token::Eq)?;
        let mut expr = self.expression()?;
        if let Some(op) = compound {
            expr = Expr::BinaryOp {
                left: Box::new(Expr::Identifier(name.clone())),
                op,
                right: Box::new(Expr::Nested(Box::new(expr))),
            };
        }
        Ok(vec![self.assignment(&expr, at)?])
    }

    /// Options that take a value of their own.
    fn valued(&mut self, name: &str) -> Result<Option<Action>, SqlError> {
        let line = self.compiler.line;
        Ok(Some(match name {
            "TRANSACTION" => {
                // Every level is at least read committed here; snapshots are what the embedded engine gives.
                self.skip();
                Action::Nothing
            }
            "LOCK_TIMEOUT" => {
                let n = self.whole()?;
                Action::LockTimeout(n)
            }
            "ROWCOUNT" => {
                if self.whole()? != 0 {
                    return Err(self.compiler.no("SET ROWCOUNT"));
                }
                Action::Nothing
            }
            "TEXTSIZE" | "QUERY_GOVERNOR_COST_LIMIT" => {
                self.whole()?;
                Action::Nothing
            }
            "DATEFIRST" => {
                if self.whole()? != 7 {
                    return Err(self.compiler.no("SET DATEFIRST other than 7"));
                }
                Action::Nothing
            }
            "DATEFORMAT" => {
                let said = self.parser.next_token();
                let text = match &said.token {
                    Token::Word(w) => w.value.to_ascii_lowercase(),
                    Token::SingleQuotedString(t) | Token::NationalStringLiteral(t) => t.to_ascii_lowercase(),
                    _ => return Err(near(&said)),
                };
                if text != "dmy" {
                    return Err(self.compiler.no(&format!("SET DATEFORMAT {text}")));
                }
                Action::Nothing
            }
            "LANGUAGE" => {
                let said = self.parser.next_token();
                let text = match &said.token {
                    Token::Word(w) => w.value.to_ascii_lowercase(),
                    Token::SingleQuotedString(t) | Token::NationalStringLiteral(t) => t.to_ascii_lowercase(),
                    _ => return Err(near(&said)),
                };
                if !matches!(text.as_str(), "british" | "british english") {
                    return Err(self.compiler.no(&format!("SET LANGUAGE {text}")));
                }
                Action::Nothing
            }
            "DEADLOCK_PRIORITY" => {
                // There are no deadlocks: whoever may write waits for a turn.
                let next = self.parser.peek_token();
                match &next.token {
                    Token::Word(w) if w.value.starts_with('@') => {
                        let name = self.identifier()?;
                        self.compiler.variable(&name)?;
                    }
                    Token::Word(_) if ["LOW", "NORMAL", "HIGH"].iter().any(|w| self.peek_word(0, w)) => {
                        self.parser.next_token();
                    }
                    Token::Number(..) | Token::Minus if (-10..=10).contains(&self.whole()?) => {}
                    _ => return Err(near(&next)),
                }
                Action::Nothing
            }
            "CONTEXT_INFO" => {
                let expr = self.simple()?;
                let piece = self.compiler.value(&expr)?;
                let to = Type { length: 128, ..Type::BINARY };
                if piece.ty.family != Family::Binary {
                    return Err(self.near_next());
                }
                Action::Context { sql: format!("SELECT {}", self.compiler.for_variable(&piece, to)?) }
            }
            "IDENTITY_INSERT" => {
                let name = self.parser.parse_object_name(false);
                let name = self.expect(name)?;
                let parts = self.compiler.parts(&name)?;
                let table = parts.last().map(|p| p.value.clone()).unwrap_or_default();
                if !table.starts_with('#') {
                    return Err(fault(
                        1088,
                        line,
                        format!(
                            "Cannot find the object \"{name}\" because it does not exist or you do not have permissions."
                        ),
                    ));
                }
                let on = self.word("ON");
                if !on && !self.word("OFF") {
                    return Err(self.near_next());
                }
                Action::IdentityInsert { table, on }
            }
            "STATISTICS" => {
                self.skip();
                Action::Nothing
            }
            "FMTONLY" | "SHOWPLAN_ALL" | "SHOWPLAN_TEXT" | "SHOWPLAN_XML" | "NOEXEC" | "PARSEONLY" => {
                if !self.word("OFF") {
                    return Err(self.compiler.no(&format!("SET {name} ON")));
                }
                Action::Nothing
            }
            "IMPLICIT_TRANSACTIONS" | "REMOTE_PROC_TRANSACTIONS" => {
                if !self.word("OFF") {
                    return Err(self.compiler.no(&format!("SET {name} ON")));
                }
                Action::Nothing
            }
            _ if name.starts_with('@') => return Err(fault(102, line, "Incorrect syntax near '@'.")),
            _ => return Ok(None),
        }))
    }

    fn whole(&mut self) -> Result<i64, SqlError> {
        let minus = self.parser.consume_token(&Token::Minus);
        let token = self.parser.next_token();
        match &token.token {
            Token::Number(n, _) => {
                n.parse::<i64>().map(|n| if minus { -n } else { n }).map_err(|_| near(&token))
            }
            _ => Err(near(&token)),
        }
    }

    fn switch(&mut self, name: &str, on: bool) -> Result<Action, SqlError> {
        match (name, on) {
            ("NOCOUNT", on) => Ok(Action::NoCount(on)),
            ("XACT_ABORT", on) => Ok(Action::XactAbort(on)),
            (
                "ANSI_NULLS"
                | "QUOTED_IDENTIFIER"
                | "ANSI_WARNINGS"
                | "ARITHABORT"
                | "ANSI_PADDING"
                | "CONCAT_NULL_YIELDS_NULL"
                | "ANSI_NULL_DFLT_ON"
                | "ANSI_DEFAULTS",
                true,
            )
            | ("NUMERIC_ROUNDABORT" | "CURSOR_CLOSE_ON_COMMIT" | "ARITHIGNORE" | "FORCEPLAN", false)
            | ("ARITHABORT" | "ANSI_NULL_DFLT_OFF", false) => Ok(Action::Nothing),
            (other, on) => Err(self.compiler.no(&format!("SET {other} {}", if on { "ON" } else { "OFF" }))),
        }
    }

    pub(super) fn use_database(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let name = self.identifier()?;
        let base = Base::by_name(&name.value).ok_or_else(|| {
            fault(
                911,
                self.compiler.line,
                format!(
                    "Database '{}' does not exist. Make sure that the name is entered correctly.",
                    name.value
                ),
            )
        })?;
        // Statements after it are compiled for that database.
        self.compiler.base = base;
        Ok(vec![Action::Use(base)])
    }
}
