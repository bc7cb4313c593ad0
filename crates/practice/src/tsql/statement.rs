//! One statement: which kind it is, and the parser that reads it.

use super::{
    batch::unknown_type,
    cut::near,
    expression::{Piece, cast_text, first_words},
    program::{Action, Text, Variable},
    scope::Compiler,
};
use crate::{
    fault::fault,
    table_type::{self, TableType},
    types::Type,
};
use database::SqlError;
use sqlparser::{
    ast::{Expr, Ident, Statement},
    dialect::MsSqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};

/// A parameter that `sp_executesql` declares.
pub(crate) enum Formal {
    /// True where OUTPUT is said.
    Value(Variable, bool),
    /// Its name and type.
    Table(String, &'static TableType),
}

impl Formal {
    /// With its `@`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Formal::Value(variable, _) => &variable.name,
            Formal::Table(name, _) => name,
        }
    }
}

/// How deep the parser follows.
const RECURSION: usize = 128;

static DIALECT: MsSqlDialect = MsSqlDialect {};

/// Reads the tokens of one statement.
pub(super) struct Reader<'c> {
    pub(super) parser: Parser<'static>,
    pub(super) compiler: &'c mut Compiler,
    /// Whether RETURN may give a value.
    returns: bool,
    /// The last token: where an error is that says "near" and nothing follows.
    last: Option<TokenWithSpan>,
    tokens: Vec<TokenWithSpan>,
}

/// Line and column at the end of the parser's words.
fn located(words: &str) -> Option<(u64, u64)> {
    let (line, column) = words.rsplit_once(" at Line: ")?.1.split_once(", Column: ")?;
    Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
}

impl<'c> Reader<'c> {
    pub(super) fn new(compiler: &'c mut Compiler, tokens: &[TokenWithSpan], returns: bool) -> Reader<'c> {
        // Brackets take the parser three steps each; what it can follow here stands on a thread's usual 2 MiB.
        let parser =
            Parser::new(&DIALECT).with_recursion_limit(RECURSION).with_tokens_with_locations(tokens.to_vec());
        Reader { parser, compiler, returns, last: tokens.last().cloned(), tokens: tokens.to_vec() }
    }

    /// An error at what comes next.
    pub(super) fn near_next(&self) -> SqlError {
        let next = self.parser.peek_token();
        match (&next.token, &self.last) {
            (Token::EOF, Some(last)) => near(last),
            _ => near(&next),
        }
    }

    /// A condition as one value, 1 or 0.
    pub(super) fn test(&mut self) -> Result<Vec<Action>, SqlError> {
        let expr = self.expression()?;
        let sql = self.compiler.predicate(&expr)?;
        Ok(vec![Action::Test { sql: format!("SELECT CASE WHEN {sql} THEN 1 ELSE 0 END") }])
    }

    /// The whole statement must have been read.
    pub(super) fn end(&mut self) -> Result<(), SqlError> {
        match self.parser.peek_token() {
            TokenWithSpan { token: Token::EOF, .. } => Ok(()),
            // ORDER and GROUP are right; what should be BY after them is not.
            _ if (self.peek_word(0, "ORDER") || self.peek_word(0, "GROUP")) && !self.peek_word(1, "BY") => {
                self.parser.next_token();
                Err(self.near_next())
            }
            other => Err(near(&other)),
        }
    }

    pub(super) fn statement(&mut self, first: bool) -> Result<Vec<Action>, SqlError> {
        let start = self.parser.peek_token();
        let Token::Word(word) = &start.token else {
            return match start.token {
                Token::LParen => self.parsed(),
                _ => Err(near(&start)),
            };
        };
        if word.quote_style.is_some() {
            // A batch may open with a procedure's name.
            return if first { self.execute() } else { Err(near(&start)) };
        }
        let line = self.compiler.line;
        match word.value.to_ascii_uppercase().as_str() {
            "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE" => self.parsed(),
            "DECLARE" => self.declare(),
            "SET" => self.set(),
            "EXEC" | "EXECUTE" => {
                self.parser.next_token();
                self.execute()
            }
            "WAITFOR" => self.wait(),
            "RETURN" => self.give_back(),
            "PRINT" => self.print(),
            "RAISERROR" => self.raise(),
            "THROW" => self.throw(),
            "BEGIN" | "COMMIT" | "ROLLBACK" | "SAVE" => self.transaction(),
            "USE" => self.use_database(),
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            "TRUNCATE" => self.truncate(),
            "ALTER" => self.alter(),
            "GRANT" | "REVOKE" | "DENY" => Err(fault(
                15151,
                line,
                "Cannot find the object, because it does not exist or you do not have permission.",
            )),
            "MERGE" | "OPEN" | "FETCH" | "CLOSE" | "DEALLOCATE" | "BULK" | "BACKUP" | "RESTORE" | "KILL"
            | "DBCC" | "CHECKPOINT" | "RECONFIGURE" | "SHUTDOWN" | "READTEXT" | "WRITETEXT"
            | "UPDATETEXT" => Err(self.compiler.no(&word.value)),
            _ if first => self.execute(),
            _ => Err(near(&start)),
        }
    }

    fn parsed(&mut self) -> Result<Vec<Action>, SqlError> {
        let insert = self.peek_word(0, "INSERT");
        if insert && let Some(actions) = self.insert_from_call()? {
            return Ok(actions);
        }
        let parsed = if self.parser.peek_token_ref().token == Token::LParen {
            self.parser.parse_query().map(Statement::Query)
        } else {
            self.parser.parse_statement()
        };
        let parsed = self.expect(parsed)?;
        // What is left over is wrong before any name is.
        self.end()?;
        match &parsed {
            Statement::Query(query) => self.compiler.query_statement(query),
            Statement::Insert(insert) => self.compiler.insert(insert, None).map(|a| vec![a]),
            Statement::Update(update) => self.compiler.update(update, None).map(|a| vec![a]),
            Statement::Delete(delete) => self.compiler.delete(delete, None).map(|a| vec![a]),
            other => Err(self.compiler.no(&first_words(other))),
        }
    }

    fn wait(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        if !self.word("DELAY") {
            return Err(self.compiler.no("WAITFOR TIME"));
        }
        let expr = self.simple()?;
        let piece = self.compiler.value(&expr)?;
        let piece = self.compiler.as_text(piece)?;
        Ok(vec![Action::Wait { sql: format!("SELECT {}", piece.sql) }])
    }

    fn give_back(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        if self.ends() {
            return Ok(vec![Action::Return { value: None }]);
        }
        if !self.returns {
            return Err(fault(
                178,
                self.compiler.line,
                "A RETURN statement with a return value cannot be used in this context.",
            ));
        }
        let expr = self.expression()?;
        let piece = self.compiler.value(&expr)?;
        Ok(vec![Action::Return { value: Some(cast_text("ts_cast", &piece.sql, piece.ty, Type::INT, 0)) }])
    }

    fn transaction(&mut self) -> Result<Vec<Action>, SqlError> {
        let verb = super::cut::word_of(Some(&self.parser.next_token())).unwrap_or_default();
        let said = self.word("TRAN") || self.word("TRANSACTION");
        if !said {
            self.word("WORK");
        }
        let name = match &self.parser.peek_token().token {
            Token::Word(w) if !w.value.eq_ignore_ascii_case("WITH") => Some(self.name_or_variable()?),
            _ => None,
        };
        if self.word("WITH") {
            // WITH MARK ['…'], WITH (DELAYED_DURABILITY = ON): nothing to do here.
            self.skip();
        }
        Ok(vec![match (verb.as_str(), name) {
            ("BEGIN", name) => Action::Begin { name },
            ("COMMIT", _) => Action::Commit,
            ("ROLLBACK", name) => Action::Rollback { name },
            ("SAVE", Some(name)) => Action::Save { name },
            _ => return Err(self.near_next()),
        }])
    }

    /// A name, or a variable that holds one, as a text that gives it.
    fn name_or_variable(&mut self) -> Result<Text, SqlError> {
        let ident = self.identifier()?;
        if ident.value.starts_with('@') {
            let at = self.compiler.variable(&ident)?;
            return Ok(format!("SELECT ?{}", at + 1));
        }
        Ok(format!("SELECT {}", super::scope::literal(&ident.value)))
    }

    /// `@a int, @b nvarchar(50) = 'x' OUTPUT, @c dbo.Type READONLY`.
    pub(super) fn formal_parameters(&mut self) -> Result<Vec<Formal>, SqlError> {
        let mut list = Vec::new();
        loop {
            let name = self.identifier()?;
            if !name.value.starts_with('@') || name.value.starts_with("@@") {
                return Err(self.near_next());
            }
            self.word("AS");
            if let Some(table) = self.table_type() {
                if !self.word("READONLY") {
                    return Err(fault(
                        352,
                        self.compiler.line,
                        format!(
                            "The table-valued parameter \"{}\" must be declared with the READONLY option.",
                            name.value
                        ),
                    ));
                }
                list.push(Formal::Table(name.value, table));
            } else {
                let ty = self.declared_type()?;
                if self.parser.consume_token(&Token::Eq) {
                    self.expression()?;
                }
                let output = self.word("OUTPUT") || self.word("OUT");
                self.word("READONLY");
                list.push(Formal::Value(Variable { name: name.value, ty }, output));
            }
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(list);
            }
        }
    }

    // --- what the parts above and beside share ---

    pub(super) fn expect<T>(&mut self, result: Result<T, ParserError>) -> Result<T, SqlError> {
        result.map_err(|error| match error {
            ParserError::RecursionLimitExceeded => fault(
                191,
                self.compiler.line,
                "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries.",
            ),
            ParserError::ParserError(words) | ParserError::TokenizerError(words) => {
                let found = located(&words).and_then(|place| {
                    self.tokens.iter().find(|t| (t.span.start.line, t.span.start.column) == place)
                });
                found.map_or_else(|| self.near_next(), near)
            }
        })
    }

    pub(super) fn ends(&self) -> bool {
        matches!(self.parser.peek_token_ref().token, Token::EOF)
    }

    /// Reads over the rest of the statement.
    pub(super) fn skip(&mut self) {
        while !self.ends() {
            self.parser.next_token();
        }
    }

    pub(super) fn peek_word(&self, ahead: usize, word: &str) -> bool {
        super::cut::word_of(Some(&self.parser.peek_nth_token(ahead))).as_deref() == Some(word)
    }

    /// Takes that word when it comes next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.peek_word(0, word);
        if found {
            self.parser.next_token();
        }
        found
    }

    pub(super) fn need(&mut self, token: &Token) -> Result<(), SqlError> {
        if self.parser.consume_token(token) { Ok(()) } else { Err(self.near_next()) }
    }

    pub(super) fn identifier(&mut self) -> Result<Ident, SqlError> {
        let name = self.parser.parse_identifier();
        self.expect(name)
    }

    pub(super) fn expression(&mut self) -> Result<Expr, SqlError> {
        let expr = self.parser.parse_expr();
        self.expect(expr)
    }

    /// A literal, a signed number or a variable.
    pub(super) fn simple(&mut self) -> Result<Expr, SqlError> {
        let next = self.parser.peek_token();
        if matches!(next.token, Token::Mul | Token::LParen | Token::Eq | Token::Comma) {
            return Err(near(&next));
        }
        let value = self.parser.parse_prefix();
        let value = self.expect(value)?;
        match value {
            Expr::Value(_) | Expr::Identifier(_) | Expr::UnaryOp { .. } => Ok(value),
            _ => Err(near(&next)),
        }
    }

    /// The same where something is declared: a text without a length has one character there, not 30 as in a CAST.
    pub(super) fn declared_type(&mut self) -> Result<Type, SqlError> {
        let sized = {
            let mut ahead = 1;
            while matches!(self.parser.peek_nth_token(ahead).token, Token::Period) {
                ahead += 2;
            }
            self.parser.peek_nth_token(ahead).token == Token::LParen
        };
        // Values of an assembly's type are as long as they are.
        let own = self.peek_name().is_some_and(|(name, _)| table_type::is_bytes(&name));
        let ty = self.data_type()?;
        let one = !sized
            && !own
            && matches!(ty.name, "char" | "varchar" | "nchar" | "nvarchar" | "binary" | "varbinary");
        Ok(if one { Type { length: 1, ..ty } } else { ty })
    }

    pub(super) fn data_type(&mut self) -> Result<Type, SqlError> {
        let data_type = self.parser.parse_data_type();
        let data_type = self.expect(data_type)?;
        Type::parsed(&data_type).ok_or_else(|| {
            let shown = first_words(&data_type);
            let size = shown.split_once('(').and_then(|(name, rest)| {
                Some((name.to_ascii_lowercase(), rest.trim_end_matches(')').parse::<u64>().ok()?))
            });
            match size {
                Some((name, size)) if name.ends_with("char") || name.ends_with("binary") => fault(
                    131,
                    self.compiler.line,
                    format!("The size ({size}) given to the type '{name}' exceeds the maximum allowed for any data type (8000)."),
                ),
                _ => unknown_type(self.compiler.line, &shown),
            }
        })
    }

    /// One value for a variable, as an assignment.
    pub(super) fn assignment(&mut self, expr: &Expr, at: usize) -> Result<Action, SqlError> {
        let piece = self.compiler.value(expr)?;
        let to = self.compiler.variables[at].ty;
        let sql = format!("SELECT {}", self.compiler.for_variable(&piece, to)?);
        Ok(Action::Assign { sql, targets: vec![at] })
    }
}

impl Compiler {
    /// A value as a variable of that type takes it: text is cut, numbers are rounded.
    pub(super) fn for_variable(&mut self, piece: &Piece, to: Type) -> Result<Text, SqlError> {
        if piece.ty.unify(to).is_none() && !self.castable(piece.ty, to) {
            return Err(self.clash(piece.ty, to));
        }
        Ok(cast_text("ts_cast", &piece.sql, piece.ty, to, 0))
    }
}
