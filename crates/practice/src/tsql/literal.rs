//! Literals.

use super::{
    expression::{Piece, first_words},
    scope::{Compiler, literal},
};
use crate::{fault::fault, types::Type};
use database::SqlError;
use sqlparser::ast::Value;

impl Compiler {
    pub(super) fn literal_value(&mut self, value: &Value) -> Result<Piece, SqlError> {
        Ok(match value {
            Value::Null => Piece::new("NULL", Type::NULL),
            Value::Number(digits, false) => self.number(digits)?,
            Value::SingleQuotedString(text) => Piece {
                text: Some(text.clone()),
                ..Piece::new(literal(text), Type::text_of("varchar", text))
            },
            Value::NationalStringLiteral(text) => Piece {
                text: Some(text.clone()),
                ..Piece::new(literal(text), Type::text_of("nvarchar", text))
            },
            Value::HexStringLiteral(hex)
                if hex.len() % 2 == 0 && hex.bytes().all(|b| b.is_ascii_hexdigit()) =>
            {
                let length = u32::try_from(hex.len() / 2).unwrap_or(0).max(1);
                Piece::new(format!("x'{hex}'"), Type { length, ..Type::BINARY })
            }
            other => return Err(self.no(&first_words(other))),
        })
    }

    fn number(&mut self, digits: &str) -> Result<Piece, SqlError> {
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        // Beyond int a whole number is a numeric, as in SQL Server, not a bigint.
        if plain && let Ok(n) = digits.parse::<i32>() {
            return Ok(Piece::new(n.to_string(), Type::INT));
        }
        if digits.contains(['e', 'E']) {
            let f: f64 = digits.parse().map_err(|_| self.no(digits))?;
            return if f.is_finite() {
                Ok(Piece::new(format!("{f:e}"), Type::FLOAT))
            } else {
                Err(fault(
                    168,
                    self.line,
                    "The floating point value is out of the range of computer representation.",
                ))
            };
        }
        match crate::convert::Decimal::parse(digits) {
            Some(d) => {
                let text = d.to_string();
                Ok(Piece::new(literal(&text), Type::of_digits(&text)))
            }
            None => Err(fault(
                1007,
                self.line,
                "The number is out of the range for numeric representation (maximum precision 38).",
            )),
        }
    }
}
