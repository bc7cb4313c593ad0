//! Names that strangers chose, made fit for logs, terminals and JSON.

use model::{Catalogue, SiteFacts};

/// Longest name kept, in characters.
pub(crate) const NAME: usize = 200;
/// Longest vendor identifier kept, in characters.
pub(crate) const IDENTIFIER: usize = 128;
const VERSION: usize = 64;
const CATALOGUES: usize = 64;

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

pub(crate) fn clean_facts(facts: &SiteFacts) -> SiteFacts {
    SiteFacts {
        enriched_at: None,
        pms: facts.pms,
        pms_id: clean(&facts.pms_id, IDENTIFIER),
        practice_name: clean(&facts.practice_name, NAME),
        pms_version: clean(&facts.pms_version, VERSION),
        link_version: clean(&facts.link_version, VERSION),
        catalogues: facts
            .catalogues
            .iter()
            .take(CATALOGUES)
            .map(|c| Catalogue { name: clean(&c.name, IDENTIFIER), is_default: c.is_default })
            .collect(),
    }
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
