//! Calls of functions of numbers.

use super::Call;
use crate::{
    tsql::{expression::Piece, scope::Compiler},
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{Expr, UnaryOperator, Value};

/// The precision of a decimal: as declared, or the digits of a literal; 0 where neither is known.
fn precision(ty: Type, written: &Expr) -> u32 {
    match written {
        _ if ty.length > 0 => ty.length,
        Expr::Nested(inner)
        | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner } => {
            precision(ty, inner)
        }
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => {
                let digits = digits.trim_start_matches('0');
                digits.bytes().filter(u8::is_ascii_digit).count() as u32
            }
            _ => 0,
        },
        _ => 0,
    }
}

impl Compiler {
    /// The first argument as a number: text becomes a float, as in any reckoning.
    fn number_at(&mut self, call: &Call<'_>, at: usize) -> Result<Piece, SqlError> {
        let piece = call.pieces[at].clone();
        match piece.ty.family {
            Family::Int | Family::Decimal | Family::Float | Family::Real => Ok(piece),
            Family::Text | Family::Null => Ok(Piece::new(self.float(piece)?, Type::FLOAT)),
            _ => Err(self.wrong_type(piece.ty, at + 1, call.name)),
        }
    }

    pub(super) fn number_call(&mut self, call: &mut Call<'_>) -> Result<Option<Piece>, SqlError> {
        let lower = call.name.to_ascii_lowercase();
        Ok(Some(match call.name {
            "ABS" | "SIGN" | "FLOOR" | "CEILING" => {
                self.arity(call, 1, 1)?;
                let piece = self.number_at(call, 0)?;
                let whole = matches!(call.name, "FLOOR" | "CEILING");
                match piece.ty.family {
                    Family::Int if whole => piece,
                    Family::Int if call.name == "ABS" => {
                        Piece::new(format!("ts_abs({}, '{}')", piece.sql, piece.ty.name), piece.ty)
                    }
                    Family::Int => Piece::new(format!("ts_sign({})", piece.sql), piece.ty),
                    Family::Decimal => {
                        let keep = piece.ty.name.ends_with("money");
                        let ty = if whole && !keep { Type { scale: 0, ..piece.ty } } else { piece.ty };
                        Piece::new(format!("ts_exact('{lower}', {}, {})", piece.sql, u8::from(keep)), ty)
                    }
                    _ if whole => Piece::new(format!("ts_{lower}({})", piece.sql), piece.ty),
                    _ => Piece::new(format!("ts_{lower}_float({})", piece.sql), piece.ty),
                }
            }
            "ROUND" => {
                self.arity(call, 2, 3)?;
                let written = call.written[0];
                let piece = self.number_at(call, 0)?;
                let rest = self.ints(call, 1)?;
                let ty = match piece.ty.name {
                    "tinyint" | "smallint" => Type::INT,
                    "real" => Type::FLOAT,
                    _ => piece.ty,
                };
                let cut = rest.get(1).map_or("0", String::as_str);
                let digits = precision(piece.ty, written);
                Piece::new(
                    format!("ts_round('{}', {}, {}, {cut}, {digits})", ty.name, piece.sql, rest[0]),
                    ty,
                )
            }
            "POWER" => {
                self.arity(call, 2, 2)?;
                let base = self.number_at(call, 0)?;
                let exponent = self.float(call.pieces[1].clone())?;
                let ty = match (base.ty.family, base.ty.name) {
                    (_, "tinyint" | "smallint") => Type::INT,
                    (Family::Decimal, "decimal" | "numeric") if base.ty.length > 0 => {
                        Type { length: 38, ..base.ty }
                    }
                    (Family::Real, _) => Type::FLOAT,
                    _ => base.ty,
                };
                Piece::new(format!("ts_power('{}', {}, {exponent})", ty.name, base.sql), ty)
            }
            "SQRT" | "SQUARE" | "EXP" | "LOG10" | "SIN" | "COS" | "TAN" | "COT" | "ASIN" | "ACOS"
            | "ATAN" => {
                self.arity(call, 1, 1)?;
                let of = self.float(call.pieces[0].clone())?;
                Piece::new(format!("ts_{lower}({of})"), Type::FLOAT)
            }
            "LOG" => {
                self.arity(call, 1, 2)?;
                let of = self.float(call.pieces[0].clone())?;
                match call.pieces.get(1).cloned() {
                    Some(base) => {
                        let base = self.float(base)?;
                        Piece::new(format!("ts_log_base({of}, {base})"), Type::FLOAT)
                    }
                    None => Piece::new(format!("ts_log({of})"), Type::FLOAT),
                }
            }
            "ATN2" => {
                self.arity(call, 2, 2)?;
                let (y, x) = (self.float(call.pieces[0].clone())?, self.float(call.pieces[1].clone())?);
                Piece::new(format!("ts_atn2({y}, {x})"), Type::FLOAT)
            }
            "DEGREES" | "RADIANS" => {
                self.arity(call, 1, 1)?;
                let piece = self.number_at(call, 0)?;
                let float = self.float(piece.clone())?;
                match piece.ty.family {
                    // Whole numbers stay whole, with what that costs.
                    Family::Int => {
                        self.cast_to(Piece::new(format!("ts_{lower}({float})"), Type::FLOAT), piece.ty)?
                    }
                    Family::Decimal => return Err(self.no(&format!("{} of decimal", call.name))),
                    _ => Piece::new(format!("ts_{lower}({float})"), Type::FLOAT),
                }
            }
            "PI" => {
                self.arity(call, 0, 0)?;
                Piece::new(format!("{:e}", std::f64::consts::PI), Type::FLOAT)
            }
            "RAND" => {
                self.arity(call, 0, 1)?;
                if call.pieces.len() == 1 {
                    return Err(self.no("RAND with a seed"));
                }
                // One number for all rows of a statement, as with SQL Server: a subquery runs once.
                Piece::new("(SELECT ts_rand())", Type::FLOAT)
            }
            _ => return Ok(None),
        }))
    }
}
