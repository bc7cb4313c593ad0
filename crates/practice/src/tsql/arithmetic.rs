//! Operators on values: whole numbers stay in their range, decimals are exact with SQL Server's digits, texts are joined.

use super::{
    expression::{Piece, cast_text},
    scope::Compiler,
};
use crate::{
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{BinaryOperator, Expr};

/// The operator's sign and SQL Server's word for it.
fn sign_of(op: &BinaryOperator) -> Option<(&'static str, &'static str)> {
    Some(match op {
        BinaryOperator::Plus => ("+", "add"),
        BinaryOperator::Minus => ("-", "subtract"),
        BinaryOperator::Multiply => ("*", "multiply"),
        BinaryOperator::Divide => ("/", "divide"),
        BinaryOperator::Modulo => ("%", "modulo"),
        BinaryOperator::BitwiseAnd => ("&", "'&'"),
        BinaryOperator::BitwiseOr => ("|", "'|'"),
        BinaryOperator::BitwiseXor => ("^", "'^'"),
        _ => return None,
    })
}

/// Where SQL Server takes operators in another order than the parser did: `+ - & | ^` are of one rank there, and a
/// minus before a number reaches over what it is multiplied with. Refused, since brackets say what is meant.
fn other_order(left: &Expr, sign: &str, right: &Expr) -> Option<&'static str> {
    let inner = |expr: &Expr| match expr {
        Expr::BinaryOp { op, .. } => sign_of(op).map(|(sign, _)| sign),
        _ => None,
    };
    let bitwise = |s: &str| matches!(s, "&" | "|" | "^");
    let ranked = |s: &str| matches!(s, "+" | "-") || bitwise(s);
    for side in [left, right].into_iter().filter_map(inner) {
        if ranked(sign) && ranked(side) && side != sign && (bitwise(sign) || bitwise(side)) {
            return Some("+ - & | ^ beside one another without brackets");
        }
    }
    if matches!(sign, "*" | "/" | "%")
        && let Expr::BinaryOp { op, right: last, .. } = left
        && matches!(sign_of(op), Some(("*" | "/" | "%", _)))
        && matches!(last.as_ref(), Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Minus, .. })
    {
        return Some("a minus between * / % without brackets");
    }
    None
}

impl Compiler {
    pub(super) fn arithmetic(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
    ) -> Result<Piece, SqlError> {
        let Some((sign, word)) = sign_of(op) else { return Err(self.no(&op.to_string())) };
        if let Some(what) = other_order(left, sign, right) {
            return Err(self.no(what));
        }
        let (a, b) = (self.value(left)?, self.value(right)?);
        let text = |p: &Piece| p.ty.family == Family::Text;
        if sign == "+"
            && (text(&a) && (text(&b) || b.ty.family == Family::Null)
                || text(&b) && a.ty.family == Family::Null)
        {
            let ty = a.ty.unify(b.ty).ok_or_else(|| self.clash(a.ty, b.ty))?;
            let length = if a.ty.length > 0 && b.ty.length > 0 { a.ty.length + b.ty.length } else { 0 };
            let name = if ty.name.starts_with('n') { "nvarchar" } else { "varchar" };
            let ty = Type { length: if length > 8000 { 0 } else { length }, name, ..ty };
            return Ok(Piece::new(format!("({} || {})", a.sql, b.sql), ty));
        }
        if a.ty.is_time() || b.ty.is_time() {
            return self.moments(a, sign, b);
        }
        self.reckon(a, sign, word, b)
    }

    /// `datetime + days`.
    fn moments(&mut self, a: Piece, sign: &str, b: Piece) -> Result<Piece, SqlError> {
        let (a, b) = if sign == "+" && b.ty.is_time() && !a.ty.is_time() { (b, a) } else { (a, b) };
        let datetime = |p: &Piece| matches!(p.ty.name, "datetime" | "smalldatetime");
        // A text beside it becomes a datetime: the error that everybody knows.
        let text = datetime(&a) && b.ty.family == Family::Text;
        let b = if text { self.convert(b, Type::DATETIME)? } else { b };
        if datetime(&a) && matches!(sign, "+" | "-") {
            if b.ty.family == Family::Int || b.ty.family == Family::Null {
                let days = if sign == "-" { format!("(- {})", b.sql) } else { b.sql };
                return Ok(Piece::new(
                    format!("ts_dateadd('day', {days}, {}, '{}')", a.sql, a.ty.name),
                    a.ty,
                ));
            }
            if matches!(b.ty.family, Family::Decimal | Family::Float | Family::Real) {
                let days = self.convert(b, Type::FLOAT)?;
                let days = if sign == "-" { format!("(- {})", days.sql) } else { days.sql };
                return Ok(Piece::new(format!("ts_add_days({}, {days}, '{}')", a.sql, a.ty.name), a.ty));
            }
            if datetime(&b) && sign == "-" {
                // A span, told as SQL Server does: so much after 1 January 1900.
                return Ok(Piece::new(format!("ts_between({}, {})", a.sql, b.sql), Type::DATETIME));
            }
            // A date and a time of day: how callers put the two together.
            if datetime(&b) {
                return Ok(Piece::new(format!("ts_together({}, {})", a.sql, b.sql), Type::DATETIME));
            }
        }
        Err(self.clash(if a.ty.is_time() { a.ty } else { b.ty }, if a.ty.is_time() { b.ty } else { a.ty }))
    }

    /// Numbers; a text becomes the number that the other side is.
    fn reckon(&mut self, a: Piece, sign: &str, word: &str, b: Piece) -> Result<Piece, SqlError> {
        let invalid = |ty: Type| {
            fault(8117, self.line, format!("Operand data type {} is invalid for {word} operator.", ty.name))
        };
        let bitwise = matches!(sign, "&" | "|" | "^");
        let ty = a.ty.unify(b.ty).ok_or_else(|| self.clash(a.ty, b.ty))?;
        match ty.family {
            Family::Null => return Ok(Piece::new("NULL", Type::INT)),
            Family::Int => {}
            Family::Bit if bitwise => {}
            Family::Decimal | Family::Float | Family::Real if !bitwise => {}
            _ => return Err(invalid(ty)),
        }
        if ty.family == Family::Decimal {
            return self.exact(a, sign, b, ty);
        }
        let (a, b) = (self.convert(a, ty)?, self.convert(b, ty)?);
        Ok(Piece::new(
            match ty.family {
                Family::Int if sign == "^" => {
                    format!("(({0} | {1}) - ({0} & {1}))", a.sql, b.sql)
                }
                Family::Int | Family::Bit if bitwise => format!("({} {sign} {})", a.sql, b.sql),
                Family::Int => format!("ts_int('{sign}', {}, {}, '{}')", a.sql, b.sql, ty.name),
                _ => format!("ts_float('{sign}', {}, {}, '{}')", a.sql, b.sql, ty.name),
            },
            ty,
        ))
    }

    /// Decimals and money: the digits of the result are SQL Server's.
    fn exact(&mut self, a: Piece, sign: &str, b: Piece, ty: Type) -> Result<Piece, SqlError> {
        let number = |c: &mut Self, piece: Piece, other: Type| -> Result<Piece, SqlError> {
            match piece.ty.family {
                Family::Decimal | Family::Int | Family::Bit | Family::Null => Ok(piece),
                _ => c.convert(piece, other),
            }
        };
        let (a_type, b_type) = (a.ty, b.ty);
        let (a, b) = (number(self, a, b_type)?, number(self, b, a_type)?);
        let money = ty.name == "money" || ty.name == "smallmoney";
        let result = if money {
            ty
        } else {
            let (p1, s1) = digits_of(&a);
            let (p2, s2) = digits_of(&b);
            arithmetic_type(sign, p1, s1, p2, s2)
        };
        Ok(Piece::new(
            format!(
                "ts_exact('{sign}', {}, {}, {}, {}, {})",
                a.sql,
                b.sql,
                result.length,
                result.scale,
                i32::from(money)
            ),
            result,
        ))
    }

    pub(super) fn negative(&mut self, piece: Piece) -> Result<Piece, SqlError> {
        match piece.ty.family {
            Family::Int | Family::Real | Family::Float => {
                let ty = if piece.ty.name == "tinyint" { Type::INT } else { piece.ty };
                Ok(Piece::new(format!("(- {})", piece.sql), ty))
            }
            Family::Decimal => Ok(Piece::new(
                format!(
                    "ts_exact('-', 0, {}, {}, {}, {})",
                    piece.sql,
                    piece.ty.length,
                    piece.ty.scale,
                    i32::from(piece.ty.name.ends_with("money"))
                ),
                piece.ty,
            )),
            Family::Null => Ok(Piece::new("NULL", Type::INT)),
            _ => Err(fault(
                8117,
                self.line,
                format!("Operand data type {} is invalid for minus operator.", piece.ty.name),
            )),
        }
    }

    pub(super) fn complement(&mut self, piece: Piece) -> Result<Piece, SqlError> {
        match piece.ty.family {
            Family::Int if piece.ty.name == "tinyint" => {
                Ok(Piece::new(format!("(255 - {})", piece.sql), piece.ty))
            }
            Family::Int => Ok(Piece::new(format!("(~ {})", piece.sql), piece.ty)),
            Family::Bit => Ok(Piece::new(format!("(1 - {})", piece.sql), piece.ty)),
            _ => Err(fault(
                8117,
                self.line,
                format!("Operand data type {} is invalid for '~' operator.", piece.ty.name),
            )),
        }
    }
}

/// Precision and scale with which a value takes part; a whole number that is written down has its own digits.
fn digits_of(piece: &Piece) -> (u32, u32) {
    let constant = piece.ty.family == Family::Int && piece.sql.bytes().all(|b| b.is_ascii_digit());
    if constant {
        return (u32::try_from(piece.sql.len()).unwrap_or(10).max(1), 0);
    }
    let ty = piece.ty.as_decimal();
    (ty.length, ty.scale)
}

/// Precision and scale of a result, by SQL Server's rules.
fn arithmetic_type(sign: &str, p1: u32, s1: u32, p2: u32, s2: u32) -> Type {
    let (precision, scale) = match sign {
        "*" => (p1 + p2 + 1, s1 + s2),
        "/" => {
            let scale = 6.max(s1 + p2 + 1);
            ((p1 - s1) + s2 + scale, scale)
        }
        "%" => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
        _ => (s1.max(s2) + (p1 - s1).max(p2 - s2) + 1, s1.max(s2)),
    };
    let (precision, scale) = if precision <= 38 {
        (precision, scale)
    } else {
        let whole = precision - scale;
        let scale = match sign {
            "*" | "/" => {
                if whole < 32 {
                    scale.min(38 - whole)
                } else {
                    scale.min(6)
                }
            }
            _ => scale.min(38u32.saturating_sub(whole)),
        };
        (38, scale)
    };
    Type { length: precision.max(1), scale, ..Type::DECIMAL }
}

/// A sum's type: as wide as can be, with the values' scale.
pub(super) fn sum_type(ty: Type) -> Type {
    if ty.name.ends_with("money") {
        return Type::by_name("money").unwrap_or(ty);
    }
    Type { length: 38, scale: ty.scale, ..Type::DECIMAL }
}

/// An average's type.
pub(super) fn average_type(ty: Type) -> Type {
    if ty.name.ends_with("money") {
        return Type::by_name("money").unwrap_or(ty);
    }
    Type { length: 38, scale: ty.scale.max(6), ..Type::DECIMAL }
}

/// A whole number's text in its type's range.
pub(super) fn fitted(sql: &str, ty: Type) -> String {
    cast_text("ts_cast", sql, Type::BIGINT, ty, 0)
}
