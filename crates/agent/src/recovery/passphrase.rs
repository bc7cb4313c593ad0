//! The passphrase of a kit: the practice's own, or one that is made.

use model::Hidden;
use rand::RngCore;
use trust::pairing::Code;

/// Fewest characters of a passphrase that somebody thinks up.
const LEAST: usize = 12;
/// Longest passphrase, bytes.
const MOST: usize = 1024;

/// Why a passphrase is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// It would be guessed.
    #[error(
        "the passphrase is too short: {LEAST} characters at least, better four words or more that do not belong together"
    )]
    Short,
    /// Nobody types that.
    #[error("the passphrase is longer than {MOST} bytes")]
    Long,
}

/// Five groups of four letters and digits, 100 random bits. For paper: no I, L, O or U in it.
pub fn make(rng: &mut dyn RngCore) -> Hidden<String> {
    Code::generate(rng).display()
}

/// As it is worked with: spaces and ends of lines around it do not count, and of one that was made neither do dashes, spaces, and small letters.
///
/// # Errors
/// [`PassphraseError`].
pub fn read(typed: &Hidden<String>) -> Result<Hidden<String>, PassphraseError> {
    let text = typed.reveal().trim();
    if text.len() > MOST {
        return Err(PassphraseError::Long);
    }
    if let Ok(made) = Code::parse(text) {
        return Ok(made.display());
    }
    if text.chars().count() < LEAST {
        return Err(PassphraseError::Short);
    }
    Ok(Hidden::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn one_that_was_made_is_read_however_it_is_typed() {
        let made = make(&mut StdRng::seed_from_u64(1));
        assert_eq!(made.reveal().len(), "XXXX-XXXX-XXXX-XXXX-XXXX".len());
        for typed in [made.reveal().clone(), made.reveal().to_lowercase(), made.reveal().replace('-', " ")] {
            assert_eq!(read(&format!("  {typed}\r\n").into()).unwrap(), made);
        }
    }

    #[test]
    fn a_short_one_is_refused_and_an_own_one_stays_as_it_is() {
        assert_eq!(read(&"letmein2024".into()), Err(PassphraseError::Short));
        assert_eq!(read(&"x".repeat(1025).into()), Err(PassphraseError::Long));
        let own = "Correct horse, battery staple";
        assert_eq!(read(&format!("{own}\n").into()).unwrap().reveal(), own);
    }
}
