//! Cuts a batch into statements and blocks by its reserved words, before anything is parsed in depth: T-SQL needs no
//! semicolons, and a general parser would take the next statement's first word for an alias.

use super::expression::first_words;
use crate::fault::{fault, unsupported};
use database::SqlError;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use std::sync::Arc;

/// The tokens of one statement or condition.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) tokens: Arc<[TokenWithSpan]>,
    /// Line of its first word.
    pub(crate) line: u64,
}

/// A statement or a block.
#[derive(Debug)]
pub(super) enum Raw {
    Statement(Slice),
    Block(Vec<Raw>),
    If { test: Slice, then: Box<Raw>, or: Option<Box<Raw>> },
    While { test: Slice, body: Box<Raw> },
    Try { body: Vec<Raw>, catch: Vec<Raw> },
    Break(u64),
    Continue(u64),
}

/// Deepest nesting of blocks.
const DEEPEST: u32 = 64;

/// The word of an unquoted token in upper case.
pub(super) fn word_of(token: Option<&TokenWithSpan>) -> Option<String> {
    match token.map(|t| &t.token) {
        Some(Token::Word(w)) if w.quote_style.is_none() => Some(w.value.to_ascii_uppercase()),
        _ => None,
    }
}

/// Cuts a whole batch.
pub(super) fn cut(tokens: &[TokenWithSpan]) -> Result<Vec<Raw>, SqlError> {
    let mut cutter = Cutter { tokens, at: 0, depth: 0, loops: 0 };
    let list = cutter.list(false)?;
    if cutter.at < tokens.len() {
        return Err(cutter.near());
    }
    Ok(list)
}

struct Cutter<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
    depth: u32,
    loops: u32,
}

/// What a statement still may hold of words that begin other statements.
struct Open {
    kind: String,
    /// WITH before its main verb, INSERT before its source.
    verb: bool,
    /// UPDATE before its SET.
    set: bool,
}

impl Cutter<'_> {
    fn word(&self, at: usize) -> Option<String> {
        word_of(self.tokens.get(at))
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.word(at).as_deref() == Some(word)
    }

    fn line(&self) -> u64 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.span.start.line.max(1))
    }

    fn near(&self) -> SqlError {
        match self.tokens.get(self.at).or(self.tokens.last()) {
            Some(t) => {
                let number = if is_reserved(self.word(self.at).as_deref()) { 156 } else { 102 };
                let text = first_words(&t.token);
                let words = if number == 156 {
                    format!("Incorrect syntax near the keyword '{text}'.")
                } else {
                    format!("Incorrect syntax near '{text}'.")
                };
                fault(number, t.span.start.line.max(1), words)
            }
            None => fault(102, 1, "Incorrect syntax."),
        }
    }

    /// Statements up to the END that closes them, or to the end.
    fn list(&mut self, inner: bool) -> Result<Vec<Raw>, SqlError> {
        let mut list = Vec::new();
        loop {
            while self.tokens.get(self.at).is_some_and(|t| t.token == Token::SemiColon) {
                self.at += 1;
            }
            if self.at >= self.tokens.len() || self.is(self.at, "END") {
                break;
            }
            list.push(self.one()?);
        }
        if inner {
            if list.is_empty() || self.at >= self.tokens.len() {
                return Err(self.near());
            }
            self.at += 1;
        }
        Ok(list)
    }

    fn one(&mut self) -> Result<Raw, SqlError> {
        if self.depth >= DEEPEST {
            return Err(fault(
                191,
                self.line(),
                "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries.",
            ));
        }
        self.depth += 1;
        let made = self.one_inner();
        self.depth -= 1;
        made
    }

    fn one_inner(&mut self) -> Result<Raw, SqlError> {
        let line = self.line();
        if self.at >= self.tokens.len() {
            return Err(self.near());
        }
        match self.word(self.at).as_deref() {
            Some("IF") => {
                let test = self.condition()?;
                let then = Box::new(self.one()?);
                let before = self.at;
                while self.tokens.get(self.at).is_some_and(|t| t.token == Token::SemiColon) {
                    self.at += 1;
                }
                let or = if self.is(self.at, "ELSE") {
                    self.at += 1;
                    Some(Box::new(self.one()?))
                } else {
                    self.at = before;
                    None
                };
                Ok(Raw::If { test, then, or })
            }
            Some("WHILE") => {
                let test = self.condition()?;
                self.loops += 1;
                let body = Box::new(self.one()?);
                self.loops -= 1;
                Ok(Raw::While { test, body })
            }
            Some(word @ ("BREAK" | "CONTINUE")) => {
                if self.loops == 0 {
                    let number = if word == "BREAK" { 135 } else { 136 };
                    return Err(fault(
                        number,
                        line,
                        format!("Cannot use a {word} statement outside the scope of a WHILE statement."),
                    ));
                }
                self.at += 1;
                Ok(if word == "BREAK" { Raw::Break(line) } else { Raw::Continue(line) })
            }
            Some("BEGIN") => match self.word(self.at + 1).as_deref() {
                Some("TRAN" | "TRANSACTION") => self.statement(),
                Some("DISTRIBUTED" | "DIALOG" | "CONVERSATION" | "ATOMIC") => {
                    Err(unsupported(line, &format!("BEGIN {}", self.word(self.at + 1).unwrap_or_default())))
                }
                Some("TRY") => {
                    self.at += 2;
                    let body = self.half("TRY")?;
                    while self.tokens.get(self.at).is_some_and(|t| t.token == Token::SemiColon) {
                        self.at += 1;
                    }
                    if !(self.is(self.at, "BEGIN") && self.is(self.at + 1, "CATCH")) {
                        return Err(self.near());
                    }
                    self.at += 2;
                    let catch = self.half("CATCH")?;
                    Ok(Raw::Try { body, catch })
                }
                Some("CATCH") => Err(self.near()),
                _ => {
                    self.at += 1;
                    Ok(Raw::Block(self.list(true)?))
                }
            },
            // What follows in the batch is the body of what may not be made: none of it runs.
            Some("CREATE" | "ALTER") if self.makes_a_body() => {
                let slice = Slice { tokens: self.tokens[self.at..].into(), line };
                self.at = self.tokens.len();
                Ok(Raw::Statement(slice))
            }
            Some("ELSE") => Err(self.near()),
            Some("GOTO") => Err(unsupported(line, "GOTO")),
            _ => self.statement(),
        }
    }

    /// CREATE [OR ALTER] or ALTER of something that has statements inside.
    fn makes_a_body(&self) -> bool {
        let at = if self.is(self.at + 1, "OR") { self.at + 3 } else { self.at + 1 };
        matches!(self.word(at).as_deref(), Some("PROC" | "PROCEDURE" | "VIEW" | "FUNCTION" | "TRIGGER"))
    }

    /// The inside of TRY or CATCH, which may be empty in CATCH, up to its two closing words.
    fn half(&mut self, word: &str) -> Result<Vec<Raw>, SqlError> {
        let list = self.list(false)?;
        if !(self.is(self.at, "END") && self.is(self.at + 1, word)) || list.is_empty() && word == "TRY" {
            return Err(self.near());
        }
        self.at += 2;
        Ok(list)
    }

    fn condition(&mut self) -> Result<Slice, SqlError> {
        let line = self.line();
        let start = self.at + 1;
        let end = self.end_of(start, &Open { kind: String::new(), verb: false, set: false });
        self.at = end;
        if start == end || end >= self.tokens.len() {
            return Err(self.near());
        }
        Ok(Slice { tokens: self.tokens[start..end].into(), line })
    }

    fn statement(&mut self) -> Result<Raw, SqlError> {
        let line = self.line();
        let kind = self.word(self.at).unwrap_or_default();
        let verb = matches!(kind.as_str(), "WITH" | "INSERT");
        let set = matches!(kind.as_str(), "UPDATE" | "WITH");
        let bracket = self.tokens.get(self.at).is_some_and(|t| t.token == Token::LParen);
        let from = if bracket { self.at } else { self.at + 1 };
        let end = self.end_of(from, &Open { kind, verb, set });
        let slice = Slice { tokens: self.tokens[self.at..end].into(), line };
        self.at = end;
        Ok(Raw::Statement(slice))
    }

    /// Where the statement ends whose tokens go on at `from`.
    fn end_of(&self, from: usize, open: &Open) -> usize {
        let (mut verb, mut set) = (open.verb, open.set);
        let (mut parens, mut cases) = (0i64, 0u32);
        let mut at = from;
        while let Some(token) = self.tokens.get(at) {
            match &token.token {
                Token::LParen => parens += 1,
                Token::RParen => parens -= 1,
                Token::SemiColon if parens <= 0 => return at,
                Token::Word(w) if w.quote_style.is_none() => {
                    let word = w.value.to_ascii_uppercase();
                    let after_dot = at > 0 && self.tokens[at - 1].token == Token::Period;
                    match word.as_str() {
                        _ if after_dot => {}
                        "CASE" => cases += 1,
                        "END" if cases > 0 => cases -= 1,
                        _ if parens > 0 || cases > 0 => {}
                        word if self.starts(word, at, open, &mut verb, &mut set) => return at,
                        _ => {}
                    }
                }
                _ => {}
            }
            at += 1;
        }
        at
    }

    fn starts(&self, word: &str, at: usize, open: &Open, verb: &mut bool, set: &mut bool) -> bool {
        let before = if at > 0 { self.word(at - 1) } else { None };
        let before = before.as_deref();
        match word {
            "IF" => !(matches!(before, Some("TABLE" | "VIEW" | "PROCEDURE" | "PROC" | "INDEX" | "FUNCTION"))),
            "WHILE" | "BEGIN" | "PRINT" | "RAISERROR" | "WAITFOR" | "DECLARE" | "COMMIT" | "ROLLBACK"
            | "BREAK" | "CONTINUE" | "RETURN" | "GOTO" | "TRUNCATE" | "CREATE" | "DROP" | "ALTER"
            | "ELSE" | "END" | "KILL" | "GRANT" | "REVOKE" | "DENY" | "DEALLOCATE" | "BACKUP" | "RESTORE"
            | "OPEN" | "CLOSE" => {
                // ALTER TABLE … DROP / ALTER COLUMN.
                !(open.kind == "ALTER" && matches!(word, "DROP" | "ALTER"))
            }
            "USE" => open.kind != "OPTION",
            "SAVE" => matches!(self.word(at + 1).as_deref(), Some("TRAN" | "TRANSACTION")),
            "MERGE" => !self.is(at + 1, "JOIN"),
            "EXEC" | "EXECUTE" => {
                let source = std::mem::take(verb) && open.kind == "INSERT";
                !source
            }
            "VALUES" => {
                if open.kind == "INSERT" {
                    *verb = false;
                }
                false
            }
            "SELECT" => {
                let continues = matches!(before, Some("UNION" | "ALL" | "EXCEPT" | "INTERSECT"));
                if continues {
                    return false;
                }
                let main = std::mem::take(verb);
                !main
            }
            "INSERT" | "UPDATE" | "DELETE" => {
                if before == Some("THEN") {
                    return false;
                }
                if open.kind == "WITH" && *verb {
                    // The source of an INSERT under a WITH comes after it.
                    *verb = word == "INSERT";
                    return false;
                }
                true
            }
            // After a condition it can only begin the statement; elsewhere it is a name.
            "THROW" => open.kind.is_empty(),
            "SET" => {
                let own = std::mem::take(set) || before == Some("UPDATE");
                !own
            }
            _ => false,
        }
    }
}

/// Whether T-SQL reserves the word: no name without brackets.
pub(super) fn is_reserved(word: Option<&str>) -> bool {
    matches!(
        word,
        Some(
            "SELECT"
                | "FROM"
                | "WHERE"
                | "GROUP"
                | "ORDER"
                | "BY"
                | "HAVING"
                | "UNION"
                | "INTO"
                | "VALUES"
                | "SET"
                | "AND"
                | "OR"
                | "NOT"
                | "IN"
                | "IS"
                | "NULL"
                | "LIKE"
                | "BETWEEN"
                | "CASE"
                | "WHEN"
                | "THEN"
                | "ELSE"
                | "END"
                | "BEGIN"
                | "IF"
                | "WHILE"
                | "JOIN"
                | "ON"
                | "AS"
                | "INNER"
                | "LEFT"
                | "RIGHT"
                | "FULL"
                | "OUTER"
                | "CROSS"
                | "DISTINCT"
                | "TOP"
                | "INSERT"
                | "UPDATE"
                | "DELETE"
                | "CREATE"
                | "DROP"
                | "ALTER"
                | "TABLE"
                | "EXISTS"
                | "EXEC"
                | "EXECUTE"
                | "DECLARE"
                | "RETURN"
                | "ASC"
                | "DESC"
                | "OVER"
                | "FOR"
                | "WITH"
                | "USE"
                | "KEY"
                | "DEFAULT"
                | "PRINT"
        )
    )
}

/// 102, or 156 where the word is a reserved one, as SQL Server tells them apart.
pub(super) fn near(token: &TokenWithSpan) -> SqlError {
    let line = token.span.start.line.max(1);
    let text = first_words(&token.token);
    if is_reserved(word_of(Some(token)).as_deref()) {
        fault(156, line, format!("Incorrect syntax near the keyword '{text}'."))
    } else {
        fault(102, line, format!("Incorrect syntax near '{text}'."))
    }
}
