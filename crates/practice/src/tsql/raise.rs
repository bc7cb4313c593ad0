//! PRINT, RAISERROR, THROW.

use super::{
    expression::cast_text,
    program::{Action, Level, Text},
    statement::Reader,
};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::tokenizer::Token;

impl Reader<'_> {
    pub(super) fn print(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let expr = self.expression()?;
        let piece = self.compiler.value(&expr)?;
        let text = Type { length: 4000, ..Type::NVARCHAR };
        Ok(vec![Action::Print {
            sql: format!("SELECT {}", cast_text("ts_cast", &piece.sql, piece.ty, text, 0)),
        }])
    }

    pub(super) fn raise(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        self.need(&Token::LParen)?;
        let (words, words_type) = self.simple_text()?;
        if !matches!(words_type.family, Family::Text | Family::Int | Family::Null) {
            return Err(fault(2732, self.compiler.line, "Error number is invalid."));
        }
        self.need(&Token::Comma)?;
        let severity = self.simple_number()?;
        self.need(&Token::Comma)?;
        let state = self.simple_number()?;
        let mut arguments = Vec::new();
        while self.parser.consume_token(&Token::Comma) {
            arguments.push(self.simple_text()?);
        }
        self.need(&Token::RParen)?;
        if self.word("WITH") {
            loop {
                match super::cut::word_of(Some(&self.parser.next_token())).as_deref() {
                    Some("NOWAIT" | "LOG") => {}
                    Some("SETERROR") => return Err(self.compiler.no("SETERROR")),
                    _ => return Err(self.near_next()),
                }
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
        }
        Ok(vec![Action::Raise { words, words_type, arguments, level: Level::Raise { severity, state } }])
    }

    pub(super) fn throw(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        if self.ends() {
            return Ok(vec![Action::Rethrow]);
        }
        let number = self.simple_number()?;
        self.need(&Token::Comma)?;
        let (words, words_type) = self.simple_text()?;
        self.need(&Token::Comma)?;
        let state = self.simple_number()?;
        let level = Level::Throw { number, state };
        Ok(vec![Action::Raise { words, words_type, arguments: Vec::new(), level }])
    }

    fn simple_text(&mut self) -> Result<(Text, Type), SqlError> {
        let expr = self.simple()?;
        let piece = self.compiler.value(&expr)?;
        Ok((format!("SELECT {}", piece.sql), piece.ty))
    }

    fn simple_number(&mut self) -> Result<Text, SqlError> {
        let expr = self.simple()?;
        let piece = self.compiler.value(&expr)?;
        Ok(format!("SELECT {}", cast_text("ts_cast", &piece.sql, piece.ty, Type::INT, 0)))
    }
}
