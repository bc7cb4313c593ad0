//! What integrators, databases and relays wrote, on an administrator's screen: it is read there, and does nothing.

use std::borrow::Cow;

/// Whether a terminal takes it for an order: to paint, to move, to write from right to left.
fn orders(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// The text with such characters written out (`\u001b`). Line ends and tabs stay. All of them fit JSON's own form, so that JSON stays
/// JSON: it has none but inside strings.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    written_out(text, |c| orders(c) && c != '\n' && c != '\t')
}

/// The same without line ends too: for a word that must not become a line of its own.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    written_out(text, orders)
}

fn written_out(text: &str, which: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&which) {
        return Cow::Borrowed(text);
    }
    let one = |c| if which(c) { format!("\\u{:04x}", u32::from(c)) } else { String::from(c) };
    Cow::Owned(text.chars().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An integrator's statement stands in the audit as it was sent, and an administrator reads it.
    #[test]
    fn a_statement_paints_nothing_on_the_screen_of_who_reads_it() {
        let sql = "SELECT 1 -- \u{1b}[2J\u{1b}]0;owned\u{7}\r\u{9b}1A\u{202e}\nSELECT 'é 患者'";
        let shown = plain(sql);
        assert!(!shown.contains(|c: char| orders(c) && c != '\n'), "{shown:?}");
        assert!(
            shown.starts_with("SELECT 1 -- \\u001b[2J\\u001b]0;owned\\u0007\\u000d\\u009b1A\\u202e\n"),
            "{shown}"
        );
        assert!(shown.ends_with("'é 患者'"), "what people write stays: {shown}");
    }

    #[test]
    fn a_word_never_becomes_a_line_of_its_own() {
        assert_eq!(one_line("Patients\n2026-01-01 ended"), "Patients\\u000a2026-01-01 ended");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "statement": "a\u{1b}[2J\u{9b}\u{7f}\u{202e}\nb" });
        let shown = plain(&value.to_string()).into_owned();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(value));
        assert!(!shown.contains(orders), "{shown:?}");
    }
}
