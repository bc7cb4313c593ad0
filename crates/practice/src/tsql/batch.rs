//! A whole batch: its limits, its parts, and the parts that have to wait until a table exists.

use super::{
    cut::{Raw, Slice, cut, near},
    expression::first_words,
    program::{Action, Node, Program, Temp, Unit, Variable, What},
    scope::Compiler,
    spelling::respell,
    statement::{Formal, Reader},
};
use crate::{fault::fault, schema::Base};
use database::SqlError;
use sqlparser::{
    dialect::MsSqlDialect,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};
use std::sync::Arc;

/// Longest batch in bytes.
const LONGEST: usize = model::limit::COMMAND_TEXT_BYTES;
/// Most words and signs of a batch.
const MOST_TOKENS: usize = 50_000;
/// Longest chain of operators: it is as deep a tree, and trees are walked on the thread's stack.
const MOST_OPERATORS: usize = 1_000;

/// What a batch is compiled against.
pub(crate) struct Setting<'a> {
    /// The current database.
    pub(crate) base: Base,
    /// Temporary tables that exist.
    pub(crate) temps: &'a [Arc<Temp>],
    /// The number that the next table variable gets: no two of a session have the same.
    pub(crate) next_table: u64,
}

/// Compiles a batch. `variables` are the command's parameters. `returns` says whether a RETURN may give a value.
pub(crate) fn compile(
    text: &str,
    setting: &Setting<'_>,
    variables: Vec<Variable>,
    returns: bool,
) -> Result<Program, SqlError> {
    let tokens = tokens(text)?;
    let raw = cut(&tokens)?;
    let mut compiler = Compiler::new(setting, variables);
    let mut maker = Maker { compiler: &mut compiler, returns, first: true };
    let body = maker.list(&raw)?;
    Ok(Program { body, variables: compiler.variables, tables: compiler.declared })
}

/// Compiles what had to wait. The batch's variables are all known by now; so are its table variables, among the temps.
pub(crate) fn late(
    slice: &Slice,
    test: bool,
    setting: &Setting<'_>,
    variables: Vec<Variable>,
    returns: bool,
) -> Result<Vec<Action>, SqlError> {
    let mut compiler = Compiler::new(setting, variables);
    unit(&mut compiler, slice, test, returns, false)
}

/// Reads the declarations of `sp_executesql`: `@a int, @b nvarchar(50) OUTPUT`.
pub(crate) fn parameters(text: &str) -> Result<Vec<Formal>, SqlError> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let setting = Setting { base: Base::Patients, temps: &[], next_table: 0 };
    let mut compiler = Compiler::new(&setting, Vec::new());
    let mut reader = Reader::new(&mut compiler, &tokens, false);
    let list = reader.formal_parameters()?;
    reader.end()?;
    Ok(list)
}

fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, SqlError> {
    if text.len() > LONGEST {
        return Err(fault(8623, 1, "The batch is too long for the demo practice."));
    }
    let dialect = MsSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|e| {
        let (number, words) = if e.message.contains("comment") {
            (113, "Missing end comment mark '*/'.")
        } else if e.message.contains("nterminated") {
            (105, "Unclosed quotation mark after the character string.")
        } else {
            (102, "Incorrect syntax.")
        };
        fault(number, e.location.line.max(1), words)
    })?;
    let mut kept = Vec::with_capacity(tokens.len());
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) | Token::EOF => {}
            // An operator of another dialect; here it is two.
            Token::DoubleTilde => {
                for _ in 0..2 {
                    kept.push(TokenWithSpan { token: Token::Tilde, span: token.span });
                }
            }
            // The embedded engine reads U+0000 as an end, and this compiler keeps U+0001 for names of its own.
            Token::Word(w) if w.value.contains(['\0', '\u{1}']) => {
                return Err(fault(
                    102,
                    token.span.start.line.max(1),
                    "Incorrect syntax near an invisible character.",
                ));
            }
            _ => kept.push(token),
        }
    }
    if kept.len() > MOST_TOKENS {
        return Err(too_complex(1));
    }
    Ok(kept)
}

pub(super) fn too_complex(line: u64) -> SqlError {
    fault(
        8623,
        line,
        "The query processor ran out of internal resources and could not produce a query plan. This is a rare event and only expected for extremely complex queries.",
    )
}

/// Refuses a statement with too long a chain of operators. Commas and brackets begin another one.
fn check_chains(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut chains_open = vec![0usize];
    for token in tokens {
        match &token.token {
            Token::LParen => chains_open.push(0),
            Token::RParen if chains_open.len() > 1 => drop(chains_open.pop()),
            Token::Comma => *chains_open.last_mut().expect("the outermost stays") = 0,
            token_kind if chains(token_kind) => {
                let chain = chains_open.last_mut().expect("the outermost stays");
                *chain += 1;
                if *chain > MOST_OPERATORS {
                    return Err(too_complex(token.span.start.line.max(1)));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn chains(token: &Token) -> bool {
    match token {
        Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::Ampersand
        | Token::Pipe
        | Token::Caret
        | Token::Tilde
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::DoubleColon
        | Token::Colon
        | Token::Arrow
        | Token::StringConcat
        | Token::LBracket
        | Token::Period => true,
        Token::Word(w) => {
            w.quote_style.is_none()
                && [
                    "AND",
                    "OR",
                    "NOT",
                    "UNION",
                    "EXCEPT",
                    "INTERSECT",
                    "CASE",
                    "COLLATE",
                    "JOIN",
                    "APPLY",
                    "IS",
                    "LIKE",
                    "IN",
                    "BETWEEN",
                    "AT",
                ]
                .iter()
                .any(|k| w.value.eq_ignore_ascii_case(k))
        }
        _ => false,
    }
}

/// Makes nodes of what was cut.
struct Maker<'a> {
    compiler: &'a mut Compiler,
    returns: bool,
    first: bool,
}

impl Maker<'_> {
    fn list(&mut self, raw: &[Raw]) -> Result<Vec<Node>, SqlError> {
        raw.iter().map(|r| self.node(r)).collect()
    }

    fn node(&mut self, raw: &Raw) -> Result<Node, SqlError> {
        let first = std::mem::take(&mut self.first);
        let (line, what) = match raw {
            Raw::Statement(slice) => (slice.line, What::Do(self.unit(slice, false, first)?)),
            Raw::Block(list) => (0, What::Block(self.list(list)?)),
            Raw::If { test, then, or } => {
                let line = test.line;
                let test = self.unit(test, true, false)?;
                let then = Box::new(self.node(then)?);
                let or = or.as_ref().map(|or| self.node(or)).transpose()?.map(Box::new);
                (line, What::If { test, then, or })
            }
            Raw::While { test, body } => {
                let line = test.line;
                let test = self.unit(test, true, false)?;
                (line, What::While { test, body: Box::new(self.node(body)?) })
            }
            Raw::Try { body, catch } => (0, What::Try { body: self.list(body)?, catch: self.list(catch)? }),
            Raw::Break(line) => (*line, What::Break),
            Raw::Continue(line) => (*line, What::Continue),
        };
        Ok(Node { line, what })
    }

    fn unit(&mut self, slice: &Slice, test: bool, first: bool) -> Result<Unit, SqlError> {
        match unit(self.compiler, slice, test, self.returns, first) {
            Ok(actions) => {
                // What a batch makes or drops is not what was there before: later statements look when they run.
                for action in &actions {
                    if let Action::Create { shape } | Action::Into { shape, .. } = action {
                        self.compiler.temps.retain(|t| !t.name.eq_ignore_ascii_case(&shape.name));
                    } else if let Action::Drop { name, .. } | Action::Alter { name, .. } = action {
                        self.compiler.temps.retain(|t| !t.name.eq_ignore_ascii_case(name));
                    }
                }
                Ok(Unit::Ready(actions))
            }
            // SQL Server too looks for a table that is missing again when the statement's turn has come.
            Err(error) if error.number == 208 => Ok(Unit::Late { slice: slice.clone(), test }),
            Err(error) if WHEN_IT_RUNS.contains(&error.number) => Ok(Unit::Ready(vec![Action::Fail(error)])),
            Err(error) => Err(error),
        }
    }
}

/// Errors that SQL Server finds when the statement runs, not when the batch is compiled.
pub(crate) const WHEN_IT_RUNS: &[i32] =
    &[229, 259, 262, 544, 911, 1088, 2754, 3701, 4902, 7411, 8102, 8106, 15151];

fn unit(
    compiler: &mut Compiler,
    slice: &Slice,
    test: bool,
    returns: bool,
    first: bool,
) -> Result<Vec<Action>, SqlError> {
    compiler.begin(slice.line);
    check_chains(&slice.tokens)?;
    let tokens = without_hints(&slice.tokens, compiler)?;
    let (tokens, aside) = respell(tokens)?;
    for number in &aside.fetches {
        let mut reader = Reader::new(compiler, number, false);
        let expr = reader.expression()?;
        reader.end()?;
        compiler.fetches.push(expr);
    }
    if let Some(number) = &aside.top {
        let mut reader = Reader::new(compiler, number, false);
        let expr = reader.expression()?;
        reader.end()?;
        compiler.top_of_write = Some(expr);
    }
    let mut reader = Reader::new(compiler, &tokens, returns);
    let made = if test { reader.test()? } else { reader.statement(first)? };
    reader.end()?;
    Ok(made)
}

/// The statement without the `OPTION (…)` at its end, which must hold only hints that change no answer.
fn without_hints(tokens: &[TokenWithSpan], compiler: &mut Compiler) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut depth = 0i64;
    let found = tokens.iter().enumerate().position(|(at, t)| {
        match &t.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        let word = super::cut::word_of(Some(t));
        depth == 0
            && word.as_deref() == Some("OPTION")
            && tokens.get(at + 1).is_some_and(|t| t.token == Token::LParen)
    });
    let Some(found) = found else { return Ok(tokens.to_vec()) };
    const HINTS: &[&str] = &[
        "MAXRECURSION",
        "MAXDOP",
        "RECOMPILE",
        "FAST",
        "FORCE",
        "ORDER",
        "HASH",
        "LOOP",
        "MERGE",
        "JOIN",
        "GROUP",
        "CONCAT",
        "UNION",
        "KEEP",
        "KEEPFIXED",
        "PLAN",
        "OPTIMIZE",
        "FOR",
        "UNKNOWN",
        "ROBUST",
        "EXPAND",
        "VIEWS",
    ];
    let inside = &tokens[found + 2..];
    let close = inside.iter().position(|t| t.token == Token::RParen);
    let Some(close) = close.filter(|c| *c > 0 && found + 3 + c == tokens.len()) else {
        let t = inside.first().unwrap_or(&tokens[found]);
        return Err(near(t));
    };
    for (at, t) in inside[..close].iter().enumerate() {
        if super::cut::word_of(Some(t)).as_deref() == Some("MAXRECURSION")
            && let Some(Token::Number(n, _)) = inside.get(at + 1).map(|t| &t.token)
        {
            compiler.max_recursion = n.parse().map_err(|_| near(t))?;
        }
        let known = match &t.token {
            Token::Number(..) | Token::Comma => true,
            Token::Word(_) => super::cut::word_of(Some(t)).is_some_and(|w| HINTS.contains(&w.as_str())),
            _ => false,
        };
        if !known {
            return Err(fault(
                102,
                t.span.start.line.max(1),
                format!(
                    "Incorrect syntax near '{}': the demo practice does not know this hint.",
                    first_words(&t.token)
                ),
            ));
        }
    }
    Ok(tokens[..found].to_vec())
}

/// The type that a text names.
pub(super) fn type_of(text: &str) -> Option<crate::types::Type> {
    let tokens = tokens(text).ok()?;
    let setting = Setting { base: Base::Patients, temps: &[], next_table: 0 };
    let mut compiler = Compiler::new(&setting, Vec::new());
    let mut reader = Reader::new(&mut compiler, &tokens, false);
    let ty = reader.data_type().ok()?;
    reader.end().ok()?;
    Some(ty)
}

/// A declared type's name, for an error.
pub(super) fn unknown_type(line: u64, shown: &str) -> SqlError {
    fault(2715, line, format!("Column, parameter, or variable: Cannot find data type {shown}."))
}
