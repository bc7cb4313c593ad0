//! EXEC: procedures, batches in text, and INSERT … EXEC.

use super::{
    cut::near,
    program::{Action, Given, Temp},
    statement::Reader,
};
use crate::{fault::fault, types::Type};
use database::SqlError;
use sqlparser::{
    ast::{Insert, Statement},
    tokenizer::{Span, Token, TokenWithSpan},
};
use std::sync::Arc;

impl Reader<'_> {
    /// EXEC was read.
    pub(super) fn execute(&mut self) -> Result<Vec<Action>, SqlError> {
        if self.parser.peek_token_ref().token == Token::LParen {
            self.parser.next_token();
            let expr = self.expression()?;
            self.need(&Token::RParen)?;
            if self.peek_word(0, "AT") {
                return Err(fault(7411, self.compiler.line, "There is no linked server here."));
            }
            let piece = self.compiler.value(&expr)?;
            let piece = self.compiler.as_text(piece)?;
            return Ok(vec![Action::Execute { sql: format!("SELECT {}", piece.sql) }]);
        }
        let is_variable = |t: &Token| matches!(t, Token::Word(w) if w.value.starts_with('@'));
        let mut returned = None;
        if is_variable(&self.parser.peek_token().token) && self.parser.peek_nth_token(1).token == Token::Eq {
            let name = self.identifier()?;
            returned = Some(self.compiler.variable(&name)?);
            self.parser.next_token();
        }
        let mut named_by = None;
        let mut written = String::new();
        let (procedure, database) = if is_variable(&self.parser.peek_token().token) {
            let name = self.identifier()?;
            named_by = Some(self.compiler.variable(&name)?);
            (String::new(), Some(self.compiler.base))
        } else {
            let name = self.parser.parse_object_name(false);
            let name = self.expect(name)?;
            let parts = self.compiler.parts(&name)?;
            written = parts.iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join(".");
            match self.compiler.place_of_procedure(&parts) {
                Some((base, name)) => (name, Some(base)),
                None => (written.clone(), None),
            }
        };
        let given = self.given()?;
        if self.word("WITH") && !self.word("RECOMPILE") {
            return Err(self.compiler.no("EXEC … WITH"));
        }
        Ok(vec![Action::Call { procedure, written, named_by, database, returned, given }])
    }

    fn given(&mut self) -> Result<Vec<Given>, SqlError> {
        let mut list: Vec<Given> = Vec::new();
        if self.ends() || self.peek_word(0, "WITH") {
            return Ok(list);
        }
        loop {
            let next = self.parser.peek_token();
            let mut formal = None;
            if let (Token::Word(w), Token::Eq) = (&next.token, &self.parser.peek_nth_token(1).token) {
                if !w.value.starts_with('@') {
                    return Err(near(&next));
                }
                formal = Some(w.value.clone());
                self.parser.next_token();
                self.parser.next_token();
            } else if list.iter().any(|g| g.formal.is_some()) {
                return Err(fault(
                    119,
                    self.compiler.line,
                    format!(
                        "Must pass parameter number {} and subsequent parameters as '@name = value'. After the form '@name = value' has been used, all subsequent parameters must be passed in the form '@name = value'.",
                        list.len() + 1
                    ),
                ));
            }
            if self.word("DEFAULT") {
                list.push(Given { formal, value: None, table: None, output: None });
            } else if let Some(table) = self.table_variable() {
                list.push(Given { formal, value: None, table: Some(table), output: None });
            } else {
                let start = self.parser.peek_token();
                let word = match &start.token {
                    Token::Word(w) => Some(w.clone()),
                    _ => None,
                };
                // A bare word is text: EXEC sp_help PATIENTS.
                let bare = word
                    .as_ref()
                    .is_some_and(|w| !w.value.starts_with('@') && !w.value.eq_ignore_ascii_case("NULL"));
                let piece = match word {
                    Some(w) if bare => {
                        self.parser.next_token();
                        super::expression::Piece::new(super::scope::literal(&w.value), Type::VARCHAR)
                    }
                    _ => {
                        let expr = self.simple()?;
                        self.compiler.value(&expr)?
                    }
                };
                let output = self.word("OUTPUT") || self.word("OUT");
                let target = match &start.token {
                    Token::Word(w) if output => {
                        Some(self.compiler.variable(&sqlparser::ast::Ident::new(w.value.clone()))?)
                    }
                    _ if output => {
                        return Err(fault(
                            179,
                            self.compiler.line,
                            "Cannot use the OUTPUT option when passing a constant to a stored procedure.",
                        ));
                    }
                    _ => None,
                };
                list.push(Given {
                    formal,
                    value: Some((format!("SELECT {}", piece.sql), piece.ty)),
                    table: None,
                    output: target,
                });
            }
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(list);
            }
        }
    }

    /// The table variable that comes next, if it is one.
    fn table_variable(&mut self) -> Option<Arc<Temp>> {
        let Token::Word(word) = &self.parser.peek_token_ref().token else { return None };
        let name = word.value.clone();
        let found =
            self.compiler.temp_of(&[sqlparser::ast::Ident::new(&name)]).filter(|_| name.starts_with('@'))?;
        self.parser.next_token();
        Some(found)
    }

    /// `INSERT [INTO] table [(columns)] EXEC …`; nothing is read when it is another kind of INSERT.
    pub(super) fn insert_from_call(&mut self) -> Result<Option<Vec<Action>>, SqlError> {
        let mut ahead = 1;
        let mut depth = 0;
        let found = loop {
            match &self.parser.peek_nth_token(ahead).token {
                Token::EOF => return Ok(None),
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::Word(w) if depth == 0 && w.quote_style.is_none() => {
                    match w.value.to_ascii_uppercase().as_str() {
                        "EXEC" | "EXECUTE" => break ahead,
                        "SELECT" | "VALUES" | "WITH" | "OUTPUT" | "DEFAULT" => return Ok(None),
                        _ => {}
                    }
                }
                _ => {}
            }
            ahead += 1;
        };
        let tokens: Vec<_> = (0..found).map(|i| self.parser.peek_nth_token(i)).collect();
        for _ in 0..=found {
            self.parser.next_token();
        }
        let call = self.execute()?.into_iter().next().unwrap_or(Action::Nothing);
        // The table and its columns are read as those of an INSERT of values.
        let mut reader = Reader::new(self.compiler, &tokens, false);
        let head = reader.insert_head()?;
        self.compiler.fill(&head, call).map(|a| Some(vec![a]))
    }

    /// The table and columns of an INSERT whose source comes later; the parser wants one, so it gets any.
    fn insert_head(&mut self) -> Result<Insert, SqlError> {
        let mut last = Span::empty();
        let mut tokens = Vec::new();
        loop {
            let token = self.parser.next_token();
            if token.token == Token::EOF {
                break;
            }
            last = token.span;
            tokens.push(token);
        }
        let source = [
            Token::make_keyword("VALUES"),
            Token::LParen,
            Token::Number("0".to_owned(), false),
            Token::RParen,
        ];
        tokens.extend(source.map(|token| TokenWithSpan { token, span: last }));
        let mut reader = Reader::new(self.compiler, &tokens, false);
        let parsed = reader.parser.parse_statement();
        match reader.expect(parsed)? {
            Statement::Insert(insert) => Ok(insert),
            other => Err(self.compiler.no(&super::expression::first_words(&other))),
        }
    }
}
