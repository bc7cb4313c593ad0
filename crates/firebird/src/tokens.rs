//! Firebird's SQL cut into tokens, so that `@name` can become the `?` that the server knows, wherever it is a parameter and
//! nowhere else.

use database::Failure;
use model::Parameter;

/// A piece of SQL text. All pieces together are the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// Spaces, line ends, comments.
    Blank(&'a str),
    /// A text between single quotes, or `q'{…}'`; without its end when the text ends first.
    Text(&'a str),
    /// A name between double quotes.
    Quoted(&'a str),
    /// A word or a number.
    Word(&'a str),
    /// `@name`.
    Parameter(&'a str),
    /// `?`.
    Question,
    /// Any other character.
    Other(&'a str),
}

impl<'a> Token<'a> {
    /// Its piece of the text.
    pub fn text(&self) -> &'a str {
        match self {
            Token::Blank(text) | Token::Text(text) | Token::Quoted(text) => text,
            Token::Word(text) | Token::Parameter(text) | Token::Other(text) => text,
            Token::Question => "?",
        }
    }
}

/// Cuts a text.
pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (length, make) = next(rest)?;
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(make(piece))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn word(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

type Make = for<'a> fn(&'a str) -> Token<'a>;

fn next(rest: &str) -> Option<(usize, Make)> {
    let first = rest.chars().next()?;
    let found: (usize, Make) = match first {
        c if c.is_whitespace() => {
            (rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len()), |t| Token::Blank(t))
        }
        '-' if rest.starts_with("--") => (rest.find(['\n', '\r']).unwrap_or(rest.len()), |t| Token::Blank(t)),
        '/' if rest.starts_with("/*") => {
            let end = rest[2..].find("*/").map_or(rest.len(), |at| at + 4);
            (end, |t| Token::Blank(t))
        }
        '\'' => (quoted(rest, '\''), |t| Token::Text(t)),
        '"' => (quoted(rest, '"'), |t| Token::Quoted(t)),
        'q' | 'Q' if rest[1..].starts_with('\'') => (alternative(rest), |t| Token::Text(t)),
        '@' if word(&rest[1..]) > 0 => (1 + word(&rest[1..]), |t| Token::Parameter(t)),
        '?' => (1, |_| Token::Question),
        c if is_word(c) => (word(rest), |t| Token::Word(t)),
        c => (c.len_utf8(), |t| Token::Other(t)),
    };
    Some(found)
}

/// The end of what begins with `quote`; two of them stand for one.
fn quoted(text: &str, quote: char) -> usize {
    let mut from = 1;
    loop {
        match text[from..].find(quote) {
            None => return text.len(),
            Some(at) if text[from + at + 1..].starts_with(quote) => from += at + 2,
            Some(at) => return from + at + 1,
        }
    }
}

/// The end of `q'{…}'`.
fn alternative(text: &str) -> usize {
    let Some(opening) = text[2..].chars().next() else { return text.len() };
    let closing = match opening {
        '(' => ')',
        '{' => '}',
        '[' => ']',
        '<' => '>',
        other => other,
    };
    let body = 2 + opening.len_utf8();
    let end = format!("{closing}'");
    text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
}

/// A text for the server, and which of the caller's parameters stands at each of its `?`.
#[derive(Debug, PartialEq, Eq)]
pub struct Positional {
    /// With `?` in place of each `@name`.
    pub text: String,
    /// Index into the parameters for each `?`.
    pub order: Vec<usize>,
    /// The first word, in capitals.
    pub verb: String,
}

/// Makes `@name` positional. A text that has `?` of its own takes the parameters in their order. The body of an EXECUTE
/// BLOCK is left alone: its header is where parameters go.
///
/// # Errors
/// [`Failure::Parameter`] for a name that has no parameter or two, for `?` beside `@name`, for too few parameters.
pub fn positional(text: &str, parameters: &[Parameter]) -> Result<Positional, Failure> {
    let mut out =
        Positional { text: String::with_capacity(text.len()), order: Vec::new(), verb: String::new() };
    let (mut named, mut questions, mut depth, mut words) = (0usize, 0usize, 0i32, 0usize);
    let (mut block, mut body) = (false, false);
    for token in tokens(text) {
        match token {
            Token::Word(word) => {
                words += 1;
                if words == 1 {
                    out.verb = word.to_uppercase();
                }
                block |= words == 2 && out.verb == "EXECUTE" && word.eq_ignore_ascii_case("BLOCK");
                body |= block && depth == 0 && word.eq_ignore_ascii_case("AS");
            }
            Token::Other("(") => depth += 1,
            Token::Other(")") => depth -= 1,
            _ => {}
        }
        match token {
            Token::Parameter(name) if !body => {
                named += 1;
                out.order.push(find(name, parameters)?);
                out.text.push('?');
            }
            Token::Question if !body => {
                questions += 1;
                out.text.push('?');
            }
            other => out.text.push_str(other.text()),
        }
    }
    let wrong = |expected: &str| Failure::Parameter { name: "?".to_owned(), expected: expected.to_owned() };
    if questions > 0 && named > 0 {
        return Err(wrong("names alone: the text has @names and ? at once"));
    }
    if questions > parameters.len() {
        return Err(wrong("as many parameters as the text has ?"));
    }
    if questions > 0 {
        out.order = (0..questions).collect();
    }
    Ok(out)
}

/// The one parameter of that name; case does not matter, nor whether the caller wrote the `@`.
pub(crate) fn find(name: &str, parameters: &[Parameter]) -> Result<usize, Failure> {
    let bare = |name: &str| name.strip_prefix('@').unwrap_or(name).to_lowercase();
    let wanted = bare(name);
    let mut found = parameters.iter().enumerate().filter(|(_, p)| bare(&p.name) == wanted);
    let wrong = |expected: &str| Failure::Parameter { name: name.to_owned(), expected: expected.to_owned() };
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => Err(wrong("a value: the command has no parameter of this name")),
        (Some(_), Some(_)) => Err(wrong("one value: the command has two parameters of this name")),
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
