//! PRINT, RAISERROR and THROW at work.

use super::{
    DemoSession, Frame,
    run::{Stop, Weight},
};
use crate::{
    events::{Events, Message},
    fault::{Caught, fault},
    tsql::{Level, Text},
    types::{Family, Type},
};
use rusqlite::types::Value;

/// Longest text of a message, in characters.
const LONGEST: usize = 2_047;

impl DemoSession {
    pub(super) fn print(
        &mut self,
        text: String,
        line: u64,
        frame: &Frame,
        out: &mut dyn Events,
    ) -> Result<(), Stop> {
        self.state.facts().rowcount = 0;
        // An empty PRINT shows a line with a space.
        let text = if text.is_empty() { " ".to_owned() } else { text };
        out.message(&Message {
            number: 0,
            state: 1,
            class: 0,
            line: u32::try_from(line).unwrap_or(0),
            procedure: frame.procedure.clone(),
            text,
        })?;
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one statement and where it runs")]
    pub(super) fn raise(
        &mut self,
        words: &Text,
        words_type: Type,
        arguments: &[(Text, Type)],
        level: &Level,
        line: u64,
        frame: &Frame,
        out: &mut dyn Events,
    ) -> Result<(), Stop> {
        self.state.facts().rowcount = 0;
        let number = |session: &Self, sql: &Text| match session.one(sql, frame, line) {
            Ok(Value::Integer(n)) => Ok(n),
            Ok(_) => Ok(0),
            Err(stop) => Err(stop),
        };
        let mut caught = Caught {
            number: 50_000,
            state: 1,
            class: 16,
            line: u32::try_from(line).unwrap_or(0),
            procedure: frame.procedure.clone(),
            text: String::new(),
        };
        match level {
            Level::Throw { number: error, state } => {
                let error = number(self, error)?;
                if !(50_000..=i64::from(i32::MAX)).contains(&error) {
                    return Err(fault(
                        35100,
                        line,
                        format!("Error number {error} in the THROW statement is outside the valid range. Specify an error number in the valid range of 50000 to 2147483647."),
                    )
                    .into());
                }
                caught.number = i32::try_from(error).unwrap_or(50_000);
                caught.state = u8::try_from(number(self, state)?).unwrap_or(1);
                caught.text = self.text(words, frame, line)?;
                Err(Stop::Raised(caught, Weight::Throw))
            }
            Level::Raise { severity, state } => {
                let class = number(self, severity)?;
                if class > 18 {
                    return Err(fault(
                        2754,
                        line,
                        "Error severity levels greater than 18 can only be specified by members of the sysadmin role, using the WITH LOG option.",
                    )
                    .into());
                }
                caught.class = u8::try_from(class.max(0)).unwrap_or(16);
                let state = number(self, state)?;
                caught.state = u8::try_from(if state < 0 { 1 } else { state.min(255) }).unwrap_or(1);
                if words_type.family == Family::Int {
                    let id = number(self, words)?;
                    return Err(fault(
                        18054,
                        line,
                        format!("Error {id}, severity {class}, state {state} was raised, but no message with that error number was found in sys.messages. If error is larger than 50000, make sure the user-defined message is added using sp_addmessage."),
                    )
                    .into());
                }
                let format = self.text(words, frame, line)?;
                let mut values = Vec::new();
                for (sql, _) in arguments {
                    values.push(self.one(sql, frame, line)?);
                }
                caught.text = filled(&format, &values).map_err(|text| fault(2787, line, text))?;
                if caught.class > 10 {
                    return Err(Stop::Raised(caught, Weight::Message));
                }
                let told = Message { number: 50_000, ..super::run::message(&caught) };
                out.message(&told)?;
                Ok(())
            }
        }
    }

    /// THROW without anything: what was caught goes on.
    pub(super) fn rethrow(&self, line: u64) -> Stop {
        match self.state.facts().caught.clone() {
            Some(caught) => Stop::Raised(caught, Weight::Throw),
            None => Stop::from(fault(
                10704,
                line,
                "To rethrow an error, a THROW statement must be used inside a CATCH block. Insert the THROW statement inside a CATCH block, or add error parameters to the THROW statement.",
            )),
        }
    }
}

/// The words with their places filled: `%s %d %i %u %x %X %o %%`, with flags, width and precision.
fn filled(format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut given = values.iter();
    let mut chars = format.chars().peekable();
    while let Some(ch) = chars.next() {
        if ch != '%' {
            out.push(ch);
            continue;
        }
        let (mut left, mut zero, mut plus, mut hash, mut blank) = (false, false, false, false, false);
        while let Some(flag) = chars.next_if(|c| "-+0# ".contains(*c)) {
            match flag {
                '-' => left = true,
                '0' => zero = true,
                '+' => plus = true,
                '#' => hash = true,
                _ => blank = true,
            }
        }
        let mut number = |given: &mut std::slice::Iter<'_, Value>| -> Option<usize> {
            if chars.next_if_eq(&'*').is_some() {
                return match given.next() {
                    Some(Value::Integer(n)) => usize::try_from(*n).ok(),
                    _ => None,
                };
            }
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse().ok()
        };
        let width = number(&mut given).unwrap_or(0).min(LONGEST);
        let mut precision = None;
        if chars.next_if_eq(&'.').is_some() {
            precision = Some({
                let mut digits = String::new();
                if chars.next_if_eq(&'*').is_some()
                    && let Some(Value::Integer(n)) = given.next()
                {
                    digits = n.to_string();
                }
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                digits.parse::<usize>().unwrap_or(0)
            });
        }
        while chars.next_if(|c| matches!(c, 'h' | 'l' | 'I' | '6' | '4')).is_some() {}
        let kind = chars.next();
        let text = match kind {
            Some('%') => "%".to_owned(),
            Some('s') => {
                let text = match given.next() {
                    Some(Value::Text(text)) => text.clone(),
                    Some(Value::Integer(_) | Value::Real(_)) => return Err(mismatch()),
                    _ => "(null)".to_owned(),
                };
                match precision {
                    Some(n) => text.chars().take(n).collect(),
                    None => text,
                }
            }
            Some(kind @ ('d' | 'i' | 'u' | 'x' | 'X' | 'o')) => match given.next() {
                Some(Value::Integer(n)) => {
                    let digits = match kind {
                        'x' => format!("{}{:x}", if hash { "0x" } else { "" }, *n as u32),
                        'X' => format!("{}{:X}", if hash { "0X" } else { "" }, *n as u32),
                        'o' => format!("{:o}", *n as u32),
                        'u' => (*n as u32).to_string(),
                        _ => n.to_string(),
                    };
                    let sign = if plus && *n >= 0 {
                        "+"
                    } else if blank && *n >= 0 {
                        " "
                    } else {
                        ""
                    };
                    format!("{sign}{digits}")
                }
                Some(Value::Text(_)) => return Err(mismatch()),
                _ => "(null)".to_owned(),
            },
            _ => {
                return Err(format!(
                    "Invalid format specification: '{}'.",
                    format.chars().skip_while(|c| *c != '%').take(20).collect::<String>()
                ));
            }
        };
        let count = text.chars().count();
        let fill = width.saturating_sub(count);
        if left {
            out.push_str(&text);
            out.extend(std::iter::repeat_n(' ', fill));
        } else if zero && !matches!(kind, Some('s')) {
            let (sign, digits) = match text.strip_prefix('-') {
                Some(digits) => ("-", digits),
                None => ("", text.as_str()),
            };
            out.push_str(sign);
            out.extend(std::iter::repeat_n('0', fill));
            out.push_str(digits);
        } else {
            out.extend(std::iter::repeat_n(' ', fill));
            out.push_str(&text);
        }
    }
    if out.chars().count() > LONGEST {
        out = out.chars().take(LONGEST - 3).chain("...".chars()).collect();
    }
    Ok(out)
}

fn mismatch() -> String {
    "The data type in substitution parameter does not match the expected type of the format specification."
        .to_owned()
}
