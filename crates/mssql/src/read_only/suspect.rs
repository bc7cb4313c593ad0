//! Whether a command could itself have ended the transaction around it. Only ever used to make an answer more careful: no
//! command is let through, or kept out, because of its text.
//!
//! In T-SQL a keyword can't be written otherwise than in its letters, but through EXEC and its like. So a text without
//! certain words can't do certain things, whatever else it says; a word in a comment or a string counts as the word.

/// Words that end a transaction, or run a text from a string.
const ENDS: [&str; 4] = ["commit", "rollback", "exec", "execute"];

/// Words that can set off a trigger, which could end it too.
const WRITES: [&str; 9] =
    ["insert", "update", "delete", "merge", "into", "truncate", "create", "alter", "drop"];

/// Words that a statement begins with. A batch that begins otherwise may call a procedure: there, EXEC can be left out.
const FIRST: [&str; 22] = [
    "select",
    "with",
    "declare",
    "set",
    "if",
    "while",
    "print",
    "use",
    "begin",
    "insert",
    "update",
    "delete",
    "merge",
    "create",
    "alter",
    "drop",
    "truncate",
    "raiserror",
    "throw",
    "waitfor",
    "return",
    "save",
];

/// A text that can't have ended its transaction.
pub(super) fn harmless(text: &str) -> bool {
    !might_end(text) && !holds(text, &WRITES)
}

/// A text that could end its transaction by its own words.
pub(super) fn might_end(text: &str) -> bool {
    holds(text, &ENDS) || !FIRST.iter().any(|word| first(text).eq_ignore_ascii_case(word))
}

/// A procedure of the server's own: some of those run any text that they are given.
pub(super) fn runs_any_text(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default().trim_start_matches(['[', '"', ' ']);
    let lower = last.to_ascii_lowercase();
    lower.starts_with("sp_") || lower.starts_with("xp_")
}

/// Part of a name, in any language.
fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '#' | '$') || !c.is_ascii()
}

/// Whether one of the words ends somewhere in the text where a name would end. What stands before it does not matter: a
/// number, `0x` or `$` needs no blank before the next word.
fn holds(text: &str, words: &[&str]) -> bool {
    let lower = text.to_ascii_lowercase();
    words
        .iter()
        .any(|word| lower.match_indices(word).any(|(at, _)| !lower[at + word.len()..].starts_with(in_name)))
}

/// The first word behind blanks and comments; empty when there is none.
fn first(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ';']);
        rest = match rest {
            line if line.starts_with("--") => line.split_once('\n').map_or("", |(_, rest)| rest),
            block if block.starts_with("/*") => behind(block),
            word => return &word[..word.find(|c| !in_name(c)).unwrap_or(word.len())],
        };
    }
}

/// What follows a comment; comments nest.
fn behind(text: &str) -> &str {
    let mut depth = 0usize;
    let mut rest = text;
    loop {
        if let Some(inner) = rest.strip_prefix("/*") {
            depth += 1;
            rest = inner;
        } else if let Some(outer) = rest.strip_prefix("*/") {
            depth -= 1;
            rest = outer;
            if depth == 0 {
                return rest;
            }
        } else {
            let mut chars = rest.chars();
            if chars.next().is_none() {
                return "";
            }
            rest = chars.as_str();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_only_reads_is_harmless() {
        for text in [
            "  SELECT CAST('x' AS int)",
            "WITH a AS (SELECT 1 AS n) SELECT n FROM a",
            "SET NOCOUNT ON; SELECT CREATED, UPDATED, INSERTEDBY, TRANSACTIONID FROM APPOINTMENTS",
            "-- of the month\nSELECT 1",
            "/* a /* nested */ comment */ select(1)",
            ";WITH a AS (SELECT 1 AS n) SELECT n FROM a",
            "DECLARE @executed int; SELECT @executed",
        ] {
            assert!(harmless(text), "{text}");
        }
    }

    #[test]
    fn a_text_that_could_have_ended_the_transaction_is_not() {
        for text in [
            "ROLLBACK; INSERT t VALUES (1); SELECT CAST('x' AS int)",
            "SELECT 1; rollBACK",
            "SELECT 1ROLLBACK",
            "SELECT 0xROLLBACK",
            "SELECT $COMMIT",
            "SELECT 1.5e0COMMIT;",
            "SELECT 1; EXEC('COM' + 'MIT')",
            "SELECT 1; EXECUTE('COM' + 'MIT')",
            "SELECT 1; EXECUTE/**/x",
            "dbo.Anything",
            "select_anything",
            "select1 'x'",
            "[select] 1",
            "\"select\" 1",
            "/* /* */ SELECT */ Anything",
            "/* SELECT */ Anything",
            "-- SELECT\nAnything",
            "\u{a0}SELECT 1",
            "",
            "/*",
        ] {
            assert!(might_end(text) && !harmless(text), "{text}");
        }
        for text in ["INSERT t VALUES (1)", "SELECT 1 AS a INTO t", "SELECT 1; DELETE\nt"] {
            assert!(!harmless(text) && !might_end(text), "{text}");
        }
    }

    #[test]
    fn the_servers_own_procedures_may_run_anything() {
        for name in ["sp_executesql", "sys.sp_executesql", "[master]..[sp_executesql]", "XP_cmdshell"] {
            assert!(runs_any_text(name), "{name}");
        }
        assert!(!runs_any_text("dbo.BP_AddPatient"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_look_at_it(text in any::<String>()) {
            let _ = (harmless(&text), might_end(&text), runs_any_text(&text));
        }

        #[test]
        fn a_commit_is_seen_wherever_it_stands(before in r"[ -~]{0,20}", after in r"([ ;\n(/'].{0,20})?") {
            let text = format!("SELECT 1; {before}COMMIT{after}");
            prop_assert!(might_end(&text));
        }
    }
}
