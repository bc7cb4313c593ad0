//! A kit as text: for a printer, a mail, a text file. Lines of 64 characters between two rules, and a check of the whole that tells a
//! mistyped or missing line before anybody is asked for a passphrase.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};

const BEGIN: &str = "-----BEGIN HALO LINK RECOVERY KIT-----";
const END: &str = "-----END HALO LINK RECOVERY KIT-----";
const LINE: usize = 64;
/// Longest text that is made and read, bytes. A practice with 20 integrators of 2,000 approved statements each has four million; the
/// control socket takes a little more than this.
pub(crate) const TEXT_BYTES: usize = 60 * 1024 * 1024;

/// Why a text is no kit. Never repeats any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// The rules are not there.
    #[error("this is no recovery kit: it has no line `{BEGIN}`, or no end")]
    NotOurs,
    /// A character, a line or the check is wrong.
    #[error(
        "the text between the two rules was changed: a character is wrong, or a line is missing or doubled. Compare it with the paper"
    )]
    Changed,
    /// No text of ours is as long.
    #[error("this file is larger than any recovery kit")]
    TooLarge,
}

/// The text; `about` stands before it, for people.
pub(crate) fn write(about: &str, sealed: &[u8]) -> String {
    let text = STANDARD.encode(sealed);
    let mut all = String::with_capacity(about.len() + text.len() + text.len() / LINE + 200);
    all.push_str(about);
    all.push_str(BEGIN);
    all.push('\n');
    for line in text.as_bytes().chunks(LINE) {
        all.extend(line.iter().copied().map(char::from));
        all.push('\n');
    }
    all.push('=');
    all.push_str(&check(sealed));
    all.push('\n');
    all.push_str(END);
    all.push('\n');
    all
}

/// The sealed bytes of a text; what stands around the two rules does not count.
///
/// # Errors
/// [`ArmorError`].
pub(crate) fn read(text: &str) -> Result<Vec<u8>, ArmorError> {
    if text.len() > TEXT_BYTES {
        return Err(ArmorError::TooLarge);
    }
    let (_, rest) = text.split_once(BEGIN).ok_or(ArmorError::NotOurs)?;
    let (body, _) = rest.split_once(END).ok_or(ArmorError::NotOurs)?;
    let mut encoded = String::with_capacity(body.len());
    let mut said = None;
    for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line.strip_prefix('='), said) {
            (Some(check), None) => said = Some(check),
            (None, None) => encoded.extend(line.chars().filter(|c| !c.is_whitespace())),
            _ => return Err(ArmorError::Changed),
        }
    }
    let sealed = STANDARD.decode(encoded.as_bytes()).map_err(|_| ArmorError::Changed)?;
    match said {
        Some(said) if said.eq_ignore_ascii_case(&check(&sealed)) => Ok(sealed),
        _ => Err(ArmorError::Changed),
    }
}

/// Eight digits: against mistakes, not against people.
fn check(sealed: &[u8]) -> String {
    digest(&SHA256, sealed).as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_that_is_missing_doubled_or_mistyped_is_seen() {
        let text = write("for people\n\n", &[7; 200]);
        assert_eq!(read(&text).unwrap(), [7; 200]);
        let lines: Vec<&str> = text.lines().collect();
        for at in 3..lines.len() - 1 {
            let mut less = lines.clone();
            less.remove(at);
            assert_eq!(read(&less.join("\n")), Err(ArmorError::Changed), "{at}");
            let mut twice = lines.clone();
            twice.insert(at, lines[at]);
            assert_eq!(read(&twice.join("\n")), Err(ArmorError::Changed), "{at}");
        }
        assert_eq!(read("something else"), Err(ArmorError::NotOurs));
    }

    proptest! {
        /// Mail programs and printers change what stands between lines, not what stands in them.
        #[test]
        fn it_comes_back_with_other_ends_of_lines_and_spaces(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let text = write("", &bytes);
            prop_assert_eq!(&read(&text).unwrap(), &bytes);
            prop_assert_eq!(&read(&text.replace('\n', "  \r\n\r\n ")).unwrap(), &bytes);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,300}") {
            let _ = read(&format!("{BEGIN}\n{text}\n{END}"));
            let _ = read(&text);
        }
    }
}
