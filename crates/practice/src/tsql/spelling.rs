//! SQL Server's spellings that the parser does not know, respelled before it reads them; and words that stand where
//! they can't, refused before it takes them for names.

use super::cut::{near, word_of};
use database::SqlError;
use sqlparser::{
    keywords::Keyword,
    tokenizer::{Span, Token, TokenWithSpan, Word},
};

/// What was taken out of a statement because the parser has no place for it.
#[derive(Default)]
pub(super) struct Aside {
    /// `TOP (…)` of a write: its number, and whether it is a percentage.
    pub(super) top: Option<Vec<TokenWithSpan>>,
    /// The numbers of FETCH NEXT; a text literal of [`FETCH`] and its place stands for each.
    pub(super) fetches: Vec<Vec<TokenWithSpan>>,
}

/// Begins the literal that stands for a number of FETCH NEXT.
pub(super) const FETCH: &str = "\u{1}fetch:";
/// Name of the function that stands for `.value('…', '…')`.
pub(super) const XML_VALUE: &str = "\u{1}XML_VALUE";

fn word(text: &str, span: Span) -> TokenWithSpan {
    TokenWithSpan {
        token: Token::Word(Word { value: text.to_owned(), quote_style: None, keyword: Keyword::NoKeyword }),
        span,
    }
}

fn keyword(text: &str, span: Span) -> TokenWithSpan {
    TokenWithSpan { token: Token::make_keyword(text), span }
}

/// The statement as the parser reads it.
pub(super) fn respell(mut tokens: Vec<TokenWithSpan>) -> Result<(Vec<TokenWithSpan>, Aside), SqlError> {
    money(&mut tokens);
    escapes(&mut tokens)?;
    join_hints(&mut tokens);
    check(&tokens)?;
    let mut aside = Aside::default();
    take_top(&mut tokens, &mut aside)?;
    give_from(&mut tokens);
    compound(&mut tokens);
    take_fetches(&mut tokens, &mut aside);
    xml_values(&mut tokens)?;
    Ok((tokens, aside))
}

/// `{ts '…'}`, `{d '…'}` and `{fn NOW()}`, as ODBC writes them.
fn escapes(tokens: &mut Vec<TokenWithSpan>) -> Result<(), SqlError> {
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].token == Token::LBrace {
            let span = tokens[at].span;
            let close = tokens[at..].iter().position(|t| t.token == Token::RBrace).map(|p| at + p);
            let Some(close) = close else { return Err(near(&tokens[at])) };
            match word_of(tokens.get(at + 1)).as_deref() {
                Some("TS" | "D") if close == at + 3 => {
                    let text = tokens[at + 2].clone();
                    let put = [
                        keyword("CAST", span),
                        TokenWithSpan { token: Token::LParen, span },
                        text,
                        keyword("AS", span),
                        keyword("datetime", span),
                        TokenWithSpan { token: Token::RParen, span },
                    ];
                    tokens.splice(at..=close, put);
                }
                Some("FN") => {
                    let mut inner = tokens[at + 2..close].to_vec();
                    let own = match word_of(inner.first()).as_deref() {
                        Some("NOW") => Some("GETDATE"),
                        Some("UCASE") => Some("UPPER"),
                        Some("LCASE") => Some("LOWER"),
                        Some("IFNULL") => Some("ISNULL"),
                        Some("LENGTH") => Some("LEN"),
                        _ => None,
                    };
                    if let Some(own) = own {
                        inner[0] = word(own, span);
                    }
                    tokens.splice(at..=close, inner);
                }
                _ => return Err(near(&tokens[at])),
            }
        }
        at += 1;
    }
    Ok(())
}

/// `INNER HASH JOIN` and its like: how to join is the embedded engine's to choose.
fn join_hints(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 1;
    while at + 1 < tokens.len() {
        let hint = matches!(word_of(tokens.get(at)).as_deref(), Some("HASH" | "LOOP" | "MERGE" | "REMOTE"))
            && word_of(tokens.get(at + 1)).as_deref() == Some("JOIN")
            && matches!(
                word_of(tokens.get(at - 1)).as_deref(),
                Some("INNER" | "LEFT" | "RIGHT" | "FULL" | "OUTER")
            );
        if hint {
            tokens.remove(at);
        }
        at += 1;
    }
}

/// `$1.50` becomes `CAST('1.50' AS money)`.
fn money(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 0;
    while at < tokens.len() {
        if let Token::Placeholder(text) = &tokens[at].token
            && let Some(digits) = text.strip_prefix('$')
            && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        {
            let span = tokens[at].span;
            let mut amount = digits.to_owned();
            let mut end = at + 1;
            if let Some(Token::Number(n, false)) = tokens.get(end).map(|t| &t.token)
                && n.starts_with('.')
            {
                amount.push_str(n);
                end += 1;
            }
            if amount.is_empty() {
                amount.push('0');
            }
            let put = [
                keyword("CAST", span),
                TokenWithSpan { token: Token::LParen, span },
                TokenWithSpan { token: Token::SingleQuotedString(amount), span },
                keyword("AS", span),
                keyword("money", span),
                TokenWithSpan { token: Token::RParen, span },
            ];
            tokens.splice(at..end, put);
            at += 5;
        }
        at += 1;
    }
}

/// A reserved word that ends one clause and begins none of its own: `WHERE AND`, `, FROM`.
fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let (mut depth, mut cases) = (0i64, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        if compares(tokens, at) {
            continue;
        }
        match (&token.token, word_of(Some(token)).as_deref()) {
            (Token::LParen, _) => depth += 1,
            (Token::RParen, _) => depth -= 1,
            (_, Some("CASE")) => cases.push(depth),
            (_, Some("END")) => drop(cases.pop()),
            // A CASE must end before its clause does.
            (_, Some("FROM" | "WHERE" | "GROUP" | "HAVING")) if cases.last() == Some(&depth) => {
                return Err(near(token));
            }
            _ => {}
        }
        // The parser takes these for functions of other dialects' names.
        if let Some(name @ ("SUBSTR" | "CEIL")) = word_of(Some(token)).as_deref()
            && tokens.get(at + 1).is_some_and(|t| t.token == Token::LParen)
        {
            return Err(super::super::fault::fault(
                195,
                token.span.start.line.max(1),
                format!("'{name}' is not a recognized built-in function name."),
            ));
        }
        if token.token == Token::DoubleEq {
            return Err(near(&TokenWithSpan { token: Token::Eq, span: token.span }));
        }
        let now = word_of(Some(token));
        let begins = matches!(
            now.as_deref(),
            Some(
                "FROM"
                    | "WHERE"
                    | "GROUP"
                    | "ORDER"
                    | "HAVING"
                    | "AND"
                    | "OR"
                    | "UNION"
                    | "THEN"
                    | "WHEN"
                    | "JOIN"
            )
        );
        if !begins || at == 0 {
            continue;
        }
        let before = &tokens[at - 1];
        let dangles = match &before.token {
            Token::Comma | Token::Eq | Token::Plus | Token::Minus | Token::Div | Token::Lt | Token::Gt => {
                true
            }
            _ => {
                let word = word_of(Some(before));
                let after_dot = at > 1 && tokens[at - 2].token == Token::Period;
                !after_dot
                    && match word.as_deref() {
                        Some(
                            "AS" | "WHERE" | "AND" | "OR" | "ON" | "HAVING" | "BY" | "NOT" | "LIKE" | "IN",
                        ) => true,
                        Some("SELECT") => now.as_deref() != Some("DISTINCT"),
                        Some("FROM") => true,
                        Some("CASE") => now.as_deref() != Some("WHEN"),
                        _ => false,
                    }
            }
        };
        if dangles {
            return Err(near(token));
        }
    }
    Ok(())
}

/// Whether it is the FROM of `IS [NOT] DISTINCT FROM`.
fn compares(tokens: &[TokenWithSpan], at: usize) -> bool {
    let word = |back: usize| at.checked_sub(back).and_then(|i| word_of(tokens.get(i)));
    word_of(tokens.get(at)).as_deref() == Some("FROM")
        && word(1).as_deref() == Some("DISTINCT")
        && matches!(word(2).as_deref(), Some("IS" | "NOT"))
}

/// Index of the bracket that closes the one at `open`.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0i64;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where the statement's own verb stands: after its CTEs.
fn verb(tokens: &[TokenWithSpan]) -> Option<(usize, String)> {
    let mut depth = 0i64;
    for (at, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::Word(_) if depth == 0 => {
                if let Some(word @ ("SELECT" | "INSERT" | "UPDATE" | "DELETE")) =
                    word_of(Some(token)).as_deref()
                {
                    return Some((at, word.to_owned()));
                }
            }
            _ => {}
        }
    }
    None
}

/// `DELETE TOP (3) FROM t`, `UPDATE TOP (3) t`.
fn take_top(tokens: &mut Vec<TokenWithSpan>, aside: &mut Aside) -> Result<(), SqlError> {
    let Some((at, verb)) = verb(tokens) else { return Ok(()) };
    if verb == "SELECT" || word_of(tokens.get(at + 1)).as_deref() != Some("TOP") {
        return Ok(());
    }
    let start = at + 2;
    let end = match tokens.get(start).map(|t| &t.token) {
        Some(Token::LParen) => closing(tokens, start).ok_or_else(|| near(&tokens[start]))?,
        Some(Token::Number(..)) => start,
        _ => return Err(near(&tokens[at + 1])),
    };
    if word_of(tokens.get(end + 1)).as_deref() == Some("PERCENT") {
        return Err(super::super::fault::unsupported(
            tokens[end + 1].span.start.line.max(1),
            "TOP … PERCENT in a write",
        ));
    }
    aside.top = Some(tokens[start..=end].to_vec());
    tokens.drain(at + 1..=end);
    Ok(())
}

/// `DELETE t WHERE …` and `DELETE FROM x FROM t AS x …`.
fn give_from(tokens: &mut Vec<TokenWithSpan>) {
    let Some((at, verb)) = verb(tokens) else { return };
    if verb != "DELETE" {
        return;
    }
    let mut depth = 0i64;
    let mut froms = Vec::new();
    for (i, token) in tokens.iter().enumerate().skip(at) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ if depth == 0 && word_of(Some(token)).as_deref() == Some("FROM") && !compares(tokens, i) => {
                froms.push(i);
            }
            _ => {}
        }
    }
    let first = froms.first() == Some(&(at + 1));
    if froms.is_empty() {
        let span = tokens[at].span;
        tokens.insert(at + 1, keyword("FROM", span));
    } else if first && froms.len() > 1 {
        tokens.remove(at + 1);
    }
}

/// `SET a += 1` becomes `SET a = a + (1)`.
fn compound(tokens: &mut Vec<TokenWithSpan>) {
    let Some((at, verb)) = verb(tokens) else { return };
    if !matches!(verb.as_str(), "UPDATE" | "SELECT") {
        return;
    }
    let mut i = at;
    let mut depth = 0i64;
    while i + 1 < tokens.len() {
        match tokens[i].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        let operator = matches!(
            tokens[i].token,
            Token::Plus
                | Token::Minus
                | Token::Mul
                | Token::Div
                | Token::Mod
                | Token::Ampersand
                | Token::Pipe
                | Token::Caret
        );
        // In a SELECT only a variable is set.
        let set = verb == "UPDATE"
            || matches!(&tokens[i.max(1) - 1].token, Token::Word(w) if w.value.starts_with('@'));
        if depth == 0 && operator && tokens[i + 1].token == Token::Eq && i > at && set {
            // The column's name goes back to the comma or the SET before it.
            let mut start = i;
            while start > at + 1
                && !matches!(tokens[start - 1].token, Token::Comma)
                && !matches!(word_of(tokens.get(start - 1)).as_deref(), Some("SET" | "SELECT"))
            {
                start -= 1;
            }
            let name = tokens[start..i].to_vec();
            let mut end = i + 2;
            let mut inner = 0i64;
            while let Some(token) = tokens.get(end) {
                match token.token {
                    Token::LParen => inner += 1,
                    Token::RParen => inner -= 1,
                    Token::Comma if inner == 0 => break,
                    _ if inner == 0
                        && matches!(word_of(Some(token)).as_deref(), Some("FROM" | "WHERE" | "OUTPUT")) =>
                    {
                        break;
                    }
                    _ => {}
                }
                end += 1;
            }
            let (operator, span) = (tokens[i].clone(), tokens[i].span);
            tokens.insert(end, TokenWithSpan { token: Token::RParen, span });
            let mut put = vec![TokenWithSpan { token: Token::Eq, span }];
            put.extend(name);
            put.push(operator);
            put.push(TokenWithSpan { token: Token::LParen, span });
            tokens.splice(i..i + 2, put);
        }
        i += 1;
    }
}

/// `FETCH NEXT @n ROWS ONLY`: the parser takes literals only.
fn take_fetches(tokens: &mut Vec<TokenWithSpan>, aside: &mut Aside) {
    let mut at = 0;
    while at + 2 < tokens.len() {
        let starts = word_of(tokens.get(at)).as_deref() == Some("FETCH")
            && matches!(word_of(tokens.get(at + 1)).as_deref(), Some("NEXT" | "FIRST"));
        if starts {
            let end = (at + 2..tokens.len())
                .find(|i| matches!(word_of(tokens.get(*i)).as_deref(), Some("ROWS" | "ROW")));
            if let Some(end) = end.filter(|e| *e > at + 2) {
                let span = tokens[at + 2].span;
                let literal = Token::SingleQuotedString(format!("{FETCH}{}", aside.fetches.len()));
                let taken: Vec<_> =
                    tokens.splice(at + 2..end, [TokenWithSpan { token: literal, span }]).collect();
                aside.fetches.push(taken);
            }
        }
        at += 1;
    }
}

/// `(…).value('.', 'nvarchar(max)')` becomes a function's call.
fn xml_values(tokens: &mut Vec<TokenWithSpan>) -> Result<(), SqlError> {
    let mut at = 0;
    while at + 7 < tokens.len() {
        let found = tokens[at].token == Token::RParen
            && tokens[at + 1].token == Token::Period
            && word_of(tokens.get(at + 2)).as_deref() == Some("VALUE")
            && tokens[at + 3].token == Token::LParen;
        if found {
            let path = match (&tokens[at + 4].token, &tokens[at + 5].token) {
                (Token::SingleQuotedString(path) | Token::NationalStringLiteral(path), Token::Comma) => {
                    path.trim()
                }
                _ => return Err(near(&tokens[at + 4])),
            };
            if !matches!(path, "." | "text()[1]" | "(text())[1]" | "./text()[1]" | "(./text())[1]") {
                return Err(super::super::fault::unsupported(
                    tokens[at + 4].span.start.line.max(1),
                    "this path of .value()",
                ));
            }
            let mut depth = 0i64;
            let open = (0..=at).rev().find(|i| {
                match tokens[*i].token {
                    Token::RParen => depth += 1,
                    Token::LParen => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            let Some(open) = open else { return Err(near(&tokens[at])) };
            let span = tokens[open].span;
            // The path goes; the type stays as the second argument.
            tokens.drain(at + 1..at + 5);
            tokens.insert(open, TokenWithSpan { token: Token::LParen, span });
            tokens.insert(open, word(XML_VALUE, span));
        }
        at += 1;
    }
    Ok(())
}
