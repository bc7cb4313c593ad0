//! The pairing code: 4 public characters that name it and 80 secret bits, as a person reads them aloud.

use model::Hidden;
use rand::RngCore;
use std::fmt;

/// Crockford base32: no I, L, O (read as 1, 1, 0) and no U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of the name.
const NAME_CHARS: usize = 4;

/// Length of the secret part in bytes: 80 bits.
pub const SECRET_BYTES: usize = 10;

/// Characters of the secret part, five bits each.
const SECRET_CHARS: usize = SECRET_BYTES * 8 / 5;

/// Longest text that [`Code::parse`] looks at, in bytes.
pub const MAX_CODE_TEXT_BYTES: usize = 128;

/// Why a text is not a pairing code. Never repeats any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not 20 characters (spaces and dashes not counted).
    #[error("a pairing code has 20 letters and digits: NAME-XXXX-XXXX-XXXX-XXXX")]
    Length,
    /// A character that no pairing code has.
    #[error("a pairing code has only digits and letters, and no U")]
    Character,
}

/// A pairing code. The name is public; the secret can't be printed and is wiped on drop.
///
/// There is no `==`: it would not be constant time. [`crate::pairing::check`] is how two ends compare codes.
#[derive(Clone)]
pub struct Code {
    name: String,
    secret: Hidden<Vec<u8>>,
}

impl Code {
    /// Makes a code. `rng` must be fit for keys: `rand::rng()` or `OsRng.unwrap_err()` outside tests.
    pub fn generate(rng: &mut dyn RngCore) -> Code {
        let mut name = [0u8; NAME_CHARS];
        rng.fill_bytes(&mut name);
        let mut secret = vec![0u8; SECRET_BYTES];
        rng.fill_bytes(&mut secret);
        Code { name: name.iter().map(|byte| digit(byte & 31)).collect(), secret: Hidden::new(secret) }
    }

    /// Reads what a person typed or pasted: any case, O for 0, I and L for 1, spaces and dashes anywhere.
    ///
    /// # Errors
    /// [`CodeError`], for any text, without a panic.
    pub fn parse(text: &str) -> Result<Code, CodeError> {
        if text.len() > MAX_CODE_TEXT_BYTES {
            return Err(CodeError::Length);
        }
        let values = Hidden::new(values(text)?);
        if values.reveal().len() != NAME_CHARS + SECRET_CHARS {
            return Err(CodeError::Length);
        }
        let (name, secret) = values.reveal().split_at(NAME_CHARS);
        let bits = secret.iter().fold(0u128, |bits, value| bits << 5 | u128::from(*value));
        let bits = Hidden::new(bits.to_be_bytes());
        Ok(Code {
            name: name.iter().map(|value| digit(*value)).collect(),
            secret: Hidden::new(bits.reveal()[16 - SECRET_BYTES..].to_vec()),
        })
    }

    /// Puts a stored code together again.
    ///
    /// # Errors
    /// [`CodeError::Length`] unless the name has 4 characters and the secret [`SECRET_BYTES`] bytes.
    pub fn from_parts(name: &str, secret: &[u8]) -> Result<Code, CodeError> {
        if name.len() > MAX_CODE_TEXT_BYTES || secret.len() != SECRET_BYTES {
            return Err(CodeError::Length);
        }
        let name = values(name)?;
        if name.len() != NAME_CHARS {
            return Err(CodeError::Length);
        }
        Ok(Code { name: name.into_iter().map(digit).collect(), secret: Hidden::new(secret.to_vec()) })
    }

    /// The four public characters, in upper case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole code for a person: `NAME-XXXX-XXXX-XXXX-XXXX`.
    pub fn display(&self) -> Hidden<String> {
        let mut text = String::with_capacity(NAME_CHARS + SECRET_CHARS + SECRET_CHARS / 4);
        text.push_str(&self.name);
        let bits = self.secret.reveal().iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        for place in 0..SECRET_CHARS {
            if place % 4 == 0 {
                text.push('-');
            }
            text.push(digit((bits >> (5 * (SECRET_CHARS - 1 - place))) as u8 & 31));
        }
        Hidden::new(text)
    }

    /// The 80 secret bits.
    pub fn secret(&self) -> &Hidden<Vec<u8>> {
        &self.secret
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("name", &self.name).finish_non_exhaustive()
    }
}

fn digit(value: u8) -> char {
    char::from(ALPHABET[usize::from(value & 31)])
}

/// The five-bit values of a text's characters, at most a whole code's.
fn values(text: &str) -> Result<Vec<u8>, CodeError> {
    // Room for all at once: growing would leave copies of the secret in freed memory.
    let mut values = Vec::with_capacity(NAME_CHARS + SECRET_CHARS);
    for character in text.chars() {
        // Word processors and mail programs turn `-` into its longer relatives.
        if character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}') {
            continue;
        }
        let plain = match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let value =
            ALPHABET.iter().position(|known| char::from(*known) == plain).ok_or(CodeError::Character)?;
        if values.len() == NAME_CHARS + SECRET_CHARS {
            return Err(CodeError::Length);
        }
        values.push(value as u8);
    }
    Ok(values)
}
