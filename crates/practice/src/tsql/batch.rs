//! A batch: statements one after another, with or without semicolons.

use super::{
    Action, Program, Step, Variable,
    expression::{cast_text, first_words},
    scope::Compiler,
};
use crate::{
    fault::fault,
    schema::Base,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::{
    ast::{Expr, SelectItem, SetExpr, Statement},
    dialect::MsSqlDialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

/// Longest batch in bytes.
const LONGEST: usize = model::limit::COMMAND_TEXT_BYTES;
/// Most words and signs of a batch.
const MOST_TOKENS: usize = 50_000;
/// Most operators: a chain of them is as deep a tree, and trees are walked on the thread's stack.
const MOST_OPERATORS: usize = 1_000;

/// Compiles a batch. `variables` are the command's parameters. `returns` says whether a RETURN may give a value.
pub(crate) fn compile(
    text: &str,
    base: Base,
    variables: Vec<Variable>,
    returns: bool,
) -> Result<Program, SqlError> {
    if text.len() > LONGEST {
        return Err(fault(8623, 0, "The batch is too long for the demo practice."));
    }
    let dialect = MsSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|e| {
        fault(
            if e.message.contains("nterminated") { 105 } else { 102 },
            e.location.line,
            "Incorrect syntax, or an unclosed quotation mark or comment.",
        )
    })?;
    let tokens: Vec<TokenWithSpan> =
        tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    if tokens.len() > MOST_TOKENS || tokens.iter().filter(|t| chains(&t.token)).count() > MOST_OPERATORS {
        return Err(fault(
            8623,
            1,
            "The query processor ran out of internal resources and could not produce a query plan. This is a rare event and only expected for extremely complex queries.",
        ));
    }
    let tokens = without_hints(tokens)?;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let mut compiler = Compiler::new(base, variables);
    let mut steps = Vec::new();
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let start = parser.peek_token();
        if start.token == Token::EOF {
            break;
        }
        compiler.line = start.span.start.line;
        let mut statement = Reader { parser: &mut parser, compiler: &mut compiler };
        for action in statement.statement(&start, returns, steps.is_empty())? {
            steps.push(Step { line: start.span.start.line, action });
        }
    }
    Ok(Program { steps, variables: compiler.variables })
}

fn is_word(token: Option<&TokenWithSpan>, words: &[&str]) -> bool {
    matches!(token.map(|t| &t.token), Some(Token::Word(w)) if w.quote_style.is_none() && words.iter().any(|x| w.value.eq_ignore_ascii_case(x)))
}

/// Takes `OPTION (…)` away where it ends a statement and holds only hints that change no answer; the parser would take
/// the word for an alias. A WAITFOR gets the semicolon before it that T-SQL lets callers leave out.
fn without_hints(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, SqlError> {
    const STARTS: &[&str] = &[
        "SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "DECLARE", "SET", "EXEC", "EXECUTE", "WAITFOR",
        "RETURN",
    ];
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if is_word(Some(token), &["WAITFOR"]) {
            kept.push(TokenWithSpan { token: Token::SemiColon, span: token.span });
        }
        if !is_word(Some(token), &["OPTION"]) {
            kept.push(token.clone());
            at += 1;
            continue;
        }
        let near = |t: Option<&TokenWithSpan>| {
            let t = t.unwrap_or(token);
            fault(102, t.span.start.line, format!("Incorrect syntax near '{}'.", first_words(&t.token)))
        };
        at += 1;
        if tokens.get(at).map(|t| &t.token) != Some(&Token::LParen) {
            return Err(near(tokens.get(at)));
        }
        loop {
            at += 1;
            if is_word(tokens.get(at), &["MAXRECURSION", "MAXDOP"])
                && matches!(tokens.get(at + 1).map(|t| &t.token), Some(Token::Number(..)))
            {
                at += 2;
            } else if is_word(tokens.get(at), &["RECOMPILE"]) {
                at += 1;
            } else {
                return Err(near(tokens.get(at)));
            }
            match tokens.get(at).map(|t| &t.token) {
                Some(Token::Comma) => {}
                Some(Token::RParen) => break,
                _ => return Err(near(tokens.get(at))),
            }
        }
        at += 1;
        let ends = match tokens.get(at) {
            None => true,
            Some(t) => matches!(t.token, Token::SemiColon | Token::EOF) || is_word(Some(t), STARTS),
        };
        if !ends {
            return Err(near(tokens.get(at)));
        }
        kept.push(TokenWithSpan { token: Token::SemiColon, span: token.span });
    }
    Ok(kept)
}

fn chains(token: &Token) -> bool {
    match token {
        Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Tilde
        | Token::Period
        | Token::Caret
        | Token::Pipe
        | Token::Ampersand => !matches!(token, Token::Period | Token::Mul),
        Token::Word(w) => matches!(
            w.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::IS
                | Keyword::COLLATE
                | Keyword::BETWEEN
                | Keyword::LIKE
                | Keyword::IN
                | Keyword::AT
        ),
        _ => false,
    }
}

struct Reader<'a, 'b> {
    parser: &'a mut Parser<'b>,
    compiler: &'a mut Compiler,
}

impl Reader<'_, '_> {
    fn wrong(&self, error: ParserError) -> SqlError {
        if matches!(error, ParserError::RecursionLimitExceeded) {
            return fault(
                191,
                self.compiler.line,
                "Some part of your SQL statement is nested too deeply. Rewrite the query or break it up into smaller queries.",
            );
        }
        let here = self.parser.peek_token_ref();
        let line = if here.span.start.line > 0 { here.span.start.line } else { self.compiler.line };
        fault(102, line, format!("Incorrect syntax near '{}'.", first_words(&here.token)))
    }

    fn expect<T>(&self, result: Result<T, ParserError>) -> Result<T, SqlError> {
        result.map_err(|e| self.wrong(e))
    }

    fn near(&self, token: &TokenWithSpan) -> SqlError {
        fault(
            102,
            token.span.start.line.max(1),
            format!("Incorrect syntax near '{}'.", first_words(&token.token)),
        )
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(&self.parser.peek_token_ref().token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
        if found {
            self.parser.next_token();
        }
        found
    }

    fn statement(
        &mut self,
        start: &TokenWithSpan,
        returns: bool,
        first: bool,
    ) -> Result<Vec<Action>, SqlError> {
        let Token::Word(word) = &start.token else {
            return match start.token {
                Token::LParen => self.parsed(),
                _ => Err(self.near(start)),
            };
        };
        if word.quote_style.is_some() {
            // A batch may open with a procedure's name.
            return if first { self.execute() } else { Err(self.near(start)) };
        }
        match word.value.to_ascii_uppercase().as_str() {
            "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE" => self.parsed(),
            "DECLARE" => self.declare(),
            "SET" => self.set(),
            "EXEC" | "EXECUTE" => {
                self.parser.next_token();
                self.execute()
            }
            "WAITFOR" => self.wait(),
            "RETURN" => {
                self.parser.next_token();
                let ends = matches!(self.parser.peek_token_ref().token, Token::SemiColon | Token::EOF);
                if ends {
                    return Ok(vec![Action::Return { value: None }]);
                }
                if !returns {
                    return Err(fault(
                        178,
                        self.compiler.line,
                        "A RETURN statement with a return value cannot be used in this context.",
                    ));
                }
                let expr = self.parser.parse_expr();
                let expr = self.expect(expr)?;
                let piece = self.compiler.value(&expr)?;
                let value = cast_text("ts_cast", &piece.sql, piece.ty, Type::INT, 0);
                Ok(vec![Action::Return { value: Some(value) }])
            }
            "CREATE" => {
                Err(fault(262, self.compiler.line, "CREATE permission denied in database 'BPSPatients'."))
            }
            "DROP" => Err(fault(
                3701,
                self.compiler.line,
                "Cannot drop the object, because it does not exist or you do not have permission.",
            )),
            "ALTER" | "TRUNCATE" => Err(fault(
                1088,
                self.compiler.line,
                "Cannot find the object because it does not exist or you do not have permissions.",
            )),
            "IF" | "WHILE" | "BEGIN" | "COMMIT" | "ROLLBACK" | "SAVE" | "MERGE" | "PRINT" | "RAISERROR"
            | "THROW" | "GOTO" | "USE" | "GRANT" | "REVOKE" | "DENY" | "BACKUP" | "RESTORE" | "KILL"
            | "OPEN" | "FETCH" | "CLOSE" | "DEALLOCATE" | "BULK" | "ATTACH" | "DETACH" | "PRAGMA"
            | "VACUUM" | "REINDEX" | "ANALYZE" | "EXPLAIN" | "REPLACE" | "VALUES" => {
                Err(self.compiler.no(&word.value))
            }
            _ if first => self.execute(),
            _ => Err(self.near(start)),
        }
    }

    fn parsed(&mut self) -> Result<Vec<Action>, SqlError> {
        let parsed = self.parser.parse_statement();
        let parsed = self.expect(parsed)?;
        match &parsed {
            Statement::Query(query) => match query.body.as_ref() {
                SetExpr::Insert(Statement::Insert(_))
                | SetExpr::Update(_)
                | SetExpr::Delete(_)
                | SetExpr::Merge(_) => Err(self.compiler.no("WITH before a write")),
                SetExpr::Select(select) if select.projection.iter().any(assigns) => {
                    let mut query = query.clone();
                    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(Vec::new()) };
                    let mut targets = Vec::new();
                    for item in &mut select.projection {
                        let SelectItem::ExprWithAlias { expr, alias } = item else {
                            return Err(fault(
                                141,
                                self.compiler.line,
                                "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.",
                            ));
                        };
                        if !alias.value.starts_with('@') {
                            return Err(fault(
                                141,
                                self.compiler.line,
                                "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.",
                            ));
                        }
                        targets.push(self.compiler.variable(alias)?);
                        *item = SelectItem::UnnamedExpr(expr.clone());
                    }
                    let (sql, columns) = self.compiler.query(&query)?;
                    let sql = self.for_variables(&sql, &columns, &targets)?;
                    Ok(vec![Action::Assign { sql, targets }])
                }
                _ => {
                    let (sql, columns) = self.compiler.query(query)?;
                    Ok(vec![Action::Rows { sql, columns }])
                }
            },
            Statement::Insert(insert) => self.compiler.insert(insert).map(|a| vec![a]),
            Statement::Update(update) => self.compiler.update(update).map(|a| vec![a]),
            Statement::Delete(delete) => self.compiler.delete(delete).map(|a| vec![a]),
            other => Err(self.compiler.no(&first_words(other))),
        }
    }

    fn for_variables(
        &mut self,
        sql: &str,
        columns: &[(String, Type)],
        targets: &[usize],
    ) -> Result<String, SqlError> {
        let mut texts = Vec::new();
        for (i, ((_, from), at)) in columns.iter().zip(targets).enumerate() {
            let to = self.compiler.variables[*at].ty;
            if from.unify(to).is_none() && to.family != Family::Text {
                return Err(self.compiler.clash(*from, to));
            }
            texts.push(cast_text("ts_cast", &format!("\"c{i}\""), *from, to, 0));
        }
        Ok(format!("SELECT {} FROM ({sql})", texts.join(", ")))
    }

    /// One value for a variable, as an assignment.
    fn assignment(&mut self, expr: &Expr, at: usize) -> Result<Action, SqlError> {
        let piece = self.compiler.value(expr)?;
        let sql = self.for_variables(
            &format!("SELECT {} AS \"c0\"", piece.sql),
            &[(String::new(), piece.ty)],
            &[at],
        )?;
        Ok(Action::Assign { sql, targets: vec![at] })
    }

    fn declare(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let mut actions = Vec::new();
        loop {
            let name = self.parser.parse_identifier();
            let name = self.expect(name)?;
            if !name.value.starts_with('@') || name.value.starts_with("@@") {
                return Err(self.compiler.no("DECLARE"));
            }
            self.word("AS");
            let data_type = self.parser.parse_data_type();
            let data_type = self.expect(data_type)?;
            let ty = Type::parsed(&data_type).ok_or_else(|| {
                fault(2715, self.compiler.line, format!("Cannot find data type {}.", first_words(&data_type)))
            })?;
            if self.compiler.variables.iter().any(|v| v.name.eq_ignore_ascii_case(&name.value)) {
                return Err(fault(
                    134,
                    self.compiler.line,
                    format!(
                        "The variable name '{}' has already been declared. Variable names must be unique within a query batch or stored procedure.",
                        name.value
                    ),
                ));
            }
            let value = if self.parser.consume_token(&Token::Eq) {
                let expr = self.parser.parse_expr();
                Some(self.expect(expr)?)
            } else {
                None
            };
            self.compiler.variables.push(Variable { name: name.value, ty });
            if let Some(value) = value {
                let at = self.compiler.variables.len() - 1;
                actions.push(self.assignment(&value, at)?);
            }
            if !self.parser.consume_token(&Token::Comma) {
                return Ok(actions);
            }
        }
    }

    fn set(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        let name = self.parser.parse_identifier();
        let name = self.expect(name)?;
        if name.value.starts_with('@') {
            let at = self.compiler.variable(&name)?;
            if !self.parser.consume_token(&Token::Eq) {
                return Err(self.near(&self.parser.peek_token()));
            }
            let expr = self.parser.parse_expr();
            let expr = self.expect(expr)?;
            return Ok(vec![self.assignment(&expr, at)?]);
        }
        let value = self.parser.next_token();
        let on = match &value.token {
            Token::Word(w) if w.value.eq_ignore_ascii_case("ON") => true,
            Token::Word(w) if w.value.eq_ignore_ascii_case("OFF") => false,
            _ => return Err(self.compiler.no(&format!("SET {}", name.value))),
        };
        match (name.value.to_ascii_uppercase().as_str(), on) {
            ("NOCOUNT", on) => Ok(vec![Action::NoCount(on)]),
            ("ANSI_NULLS" | "QUOTED_IDENTIFIER" | "ANSI_WARNINGS" | "ARITHABORT", true) => Ok(Vec::new()),
            (other, _) => Err(self.compiler.no(&format!("SET {other}"))),
        }
    }

    fn wait(&mut self) -> Result<Vec<Action>, SqlError> {
        self.parser.next_token();
        if !self.word("DELAY") {
            return Err(self.compiler.no("WAITFOR"));
        }
        let token = self.parser.next_token();
        let text = match &token.token {
            Token::SingleQuotedString(text) | Token::NationalStringLiteral(text) => text,
            _ => return Err(self.near(&token)),
        };
        let time = crate::convert::parse_moment(text.trim(), 0).filter(|_| text.contains(':'));
        let (_, time, _) = time.ok_or_else(|| {
            fault(148, self.compiler.line, "Incorrect time syntax in time string used with WAITFOR.")
        })?;
        Ok(vec![Action::Wait { millis: time.0 / 10_000 }])
    }

    fn execute(&mut self) -> Result<Vec<Action>, SqlError> {
        let mut returned = None;
        if let (Token::Word(w), Token::Eq) =
            (&self.parser.peek_token().token, &self.parser.peek_nth_token(1).token)
            && w.value.starts_with('@')
        {
            let name = self.parser.parse_identifier();
            let name = self.expect(name)?;
            returned = Some(self.compiler.variable(&name)?);
            self.parser.next_token();
        }
        let name = self.parser.parse_object_name(false);
        let name = self.expect(name)?;
        let parts = self.compiler.parts(&name)?;
        let place = self.compiler.place(&parts);
        let procedure = match &place {
            Some((_, name)) => name.clone(),
            None => name.to_string(),
        };
        let mut arguments = Vec::new();
        loop {
            let next = self.parser.peek_token();
            let starts = match &next.token {
                Token::Word(w) => w.value.starts_with('@') || w.keyword == Keyword::NULL,
                Token::Number(..)
                | Token::SingleQuotedString(_)
                | Token::NationalStringLiteral(_)
                | Token::Minus
                | Token::Plus
                | Token::HexStringLiteral(_) => true,
                _ => false,
            };
            if !starts {
                if arguments.is_empty()
                    && matches!(next.token, Token::SemiColon | Token::EOF | Token::Word(_))
                {
                    break;
                }
                return Err(self.near(&next));
            }
            let mut formal = None;
            if let (Token::Word(w), Token::Eq) = (&next.token, &self.parser.peek_nth_token(1).token) {
                formal = Some(w.value.clone());
                self.parser.next_token();
                self.parser.next_token();
            }
            if self.word("DEFAULT") {
                return Err(self.compiler.no("DEFAULT"));
            }
            let value = self.parser.parse_prefix();
            let value = self.expect(value)?;
            if !matches!(value, Expr::Value(_) | Expr::Identifier(_) | Expr::UnaryOp { .. }) {
                return Err(self.near(&next));
            }
            if self.word("OUTPUT") || self.word("OUT") {
                let shown = formal.unwrap_or_default();
                return Err(fault(
                    8162,
                    self.compiler.line,
                    format!(
                        "The formal parameter \"{shown}\" was not declared as an OUTPUT parameter, but the actual parameter passed in requested output."
                    ),
                ));
            }
            if formal.is_none() && arguments.iter().any(|(name, _): &(Option<String>, String)| name.is_some())
            {
                return Err(fault(
                    119,
                    self.compiler.line,
                    "Must pass parameter number and subsequent parameters as '@name = value'. After the form '@name = value' has been used, all subsequent parameters must be passed in the form '@name = value'.",
                ));
            }
            let piece = self.compiler.value(&value)?;
            // A procedure takes text and converts it itself.
            let text = match piece.ty.family {
                Family::Text
                | Family::Null
                | Family::Int
                | Family::Bit
                | Family::Real
                | Family::Float
                | Family::Decimal => piece.sql,
                _ => cast_text("ts_cast", &piece.sql, piece.ty, Type::NVARCHAR, 121),
            };
            arguments.push((formal, format!("SELECT {text}")));
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        Ok(vec![Action::Call { procedure, database: place.map(|(base, _)| base), returned, arguments }])
    }
}

fn assigns(item: &SelectItem) -> bool {
    matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.starts_with('@') && alias.quote_style.is_none())
}
