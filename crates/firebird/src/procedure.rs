//! Stored procedures by name: what they take, what they give, and how they are called.

use crate::{
    session::{FirebirdSession, Plan},
    tokens::{Token, tokens},
};
use database::Failure;
use model::{Command, Direction};

/// What a procedure looks like from outside.
#[derive(Default)]
struct Shape {
    found: bool,
    /// It has a SUSPEND: it is read like a table.
    selectable: bool,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

const SHAPE: &str = "select p.RDB$PROCEDURE_TYPE, a.RDB$PARAMETER_TYPE, trim(a.RDB$PARAMETER_NAME) \
    from RDB$PROCEDURES p left join RDB$PROCEDURE_PARAMETERS a \
    on a.RDB$PROCEDURE_NAME = p.RDB$PROCEDURE_NAME and a.RDB$PACKAGE_NAME is not distinct from p.RDB$PACKAGE_NAME \
    where p.RDB$PROCEDURE_NAME = ? and coalesce(p.RDB$PACKAGE_NAME, '') = ? \
    order by a.RDB$PARAMETER_TYPE, a.RDB$PARAMETER_NUMBER";

/// How the procedure that the command names is called.
pub(crate) fn plan(session: &mut FirebirdSession, command: &Command) -> Result<Plan, Failure> {
    let (package, name) = parse(command.text.reveal())?;
    let mut shape = Shape::default();
    for row in session.query(SHAPE, &[&name, &package])? {
        shape.found = true;
        shape.selectable = row.first().and_then(Option::as_deref) == Some("1");
        if let Some(Some(parameter)) = row.get(2) {
            let side = row.get(1).and_then(Option::as_deref);
            if side == Some("0") { &mut shape.inputs } else { &mut shape.outputs }.push(parameter.clone());
        }
    }
    let full =
        if package.is_empty() { quote(&name) } else { format!("{}.{}", quote(&package), quote(&name)) };
    if !shape.found {
        // The server says that there is none, in its own words.
        return Ok(Plan { text: format!("execute procedure {full}"), order: Vec::new(), counts: false });
    }
    let (order, back) = bind(command, &shape)?;
    let questions = vec!["?"; order.len()].join(", ");
    let text = match (shape.selectable && !back, order.is_empty()) {
        (true, true) => format!("select * from {full}"),
        (true, false) => format!("select * from {full}({questions})"),
        (false, true) => format!("execute procedure {full}"),
        (false, false) => format!("execute procedure {full}({questions})"),
    };
    Ok(Plan { text, order, counts: false })
}

/// The caller's parameters in the procedure's order, and whether values are to come back in some.
fn bind(command: &Command, shape: &Shape) -> Result<(Vec<usize>, bool), Failure> {
    let bare = |name: &str| name.strip_prefix('@').unwrap_or(name).to_lowercase();
    let wrong = |name: &str, expected: &str| {
        Err(Failure::Parameter { name: name.to_owned(), expected: expected.to_owned() })
    };
    let mut given: Vec<Option<usize>> = vec![None; shape.inputs.len()];
    let mut back = false;
    for (i, parameter) in command.parameters.iter().enumerate() {
        let name = bare(&parameter.name);
        let is = |known: &String| known.to_lowercase() == name;
        let input = shape
            .inputs
            .iter()
            .position(is)
            .filter(|_| matches!(parameter.direction, Direction::Input | Direction::InputOutput));
        let output = parameter.direction != Direction::Input && shape.outputs.iter().any(is);
        back |= output;
        match input {
            Some(at) if given[at].is_some() => {
                return wrong(&parameter.name, "one value: the command has two parameters of this name");
            }
            Some(at) => given[at] = Some(i),
            None if output || parameter.direction == Direction::ReturnValue => {}
            None => return wrong(&parameter.name, "a parameter of the procedure: it has none of this name"),
        }
    }
    // Those that a caller leaves out at the end have their defaults, if they have any: the server knows.
    while given.last() == Some(&None) {
        given.pop();
    }
    let mut order = Vec::with_capacity(given.len());
    for (at, index) in given.iter().enumerate() {
        match index {
            Some(index) => order.push(*index),
            None => {
                let name = format!("@{}", shape.inputs[at]);
                return wrong(&name, "a value: only parameters at the end can be left out");
            }
        }
    }
    Ok((order, back))
}

/// Package (empty for none) and name, as the server's own tables have them.
fn parse(text: &str) -> Result<(String, String), Failure> {
    let mut names = Vec::new();
    let mut dots = 0;
    for token in tokens(text.trim()) {
        match token {
            Token::Word(word) if names.len() == dots => names.push(word.to_uppercase()),
            Token::Quoted(quoted) if names.len() == dots && quoted.len() > 2 => {
                names.push(quoted[1..quoted.len() - 1].replace("\"\"", "\""));
            }
            Token::Other(".") if names.len() == dots + 1 => dots += 1,
            _ => names.clear(),
        }
        if names.len() < dots || (names.is_empty() && dots == 0) {
            break;
        }
    }
    match names.as_slice() {
        [name] if dots == 0 => Ok((String::new(), name.clone())),
        [package, name] if dots == 1 => Ok((package.clone(), name.clone())),
        _ => Err(Failure::Sql(crate::fault::error(
            -204,
            "This is not the name of a procedure: NAME, PACKAGE.NAME or \"Name\"".to_owned(),
        ))),
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_procedure_is_named_as_in_firebird_and_nothing_else_passes() {
        let name = |text: &str| parse(text).ok();
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(name(" book "), pair("", "BOOK"));
        assert_eq!(name("diary.\"Book \"\"it\"\"\""), pair("DIARY", "Book \"it\""));
        for wrong in ["", "a b", "a.b.c", "a.", ".a", "a;b", "a(1)", "\"\"", "a -- b", "'a'", "a..b", "@a"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
