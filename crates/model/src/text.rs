//! Names that strangers chose, made fit for logs, terminals and JSON. All who compare such names clean them first, and alike.

/// Longest vendor identifier of a practice, in characters.
pub const IDENTIFIER: usize = 128;

/// `text` without control characters, line separators and characters that turn the direction of writing, without
/// space at its ends, and cut to `most` characters.
pub fn clean(text: &str, most: usize) -> String {
    let kept = text.trim().chars().filter(|c| !unfit(*c)).take(most);
    kept.collect::<String>().trim().to_owned()
}

fn unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_start_a_new_log_line_or_turn_a_terminal() {
        assert_eq!(
            clean(" Dr\n{\"level\":\"error\"}\r\u{1b}[31m \u{202e}X\0 ", 200),
            "Dr{\"level\":\"error\"}[31m X"
        );
    }

    #[test]
    fn a_name_is_cut_by_characters_not_in_the_middle_of_one() {
        assert_eq!(clean(&"ö".repeat(300), 200), "ö".repeat(200));
    }
}
