//! Functions that choose among their arguments, whatever these are.

use super::Call;
use crate::{
    fault::fault,
    tsql::{expression::Piece, scope::Compiler},
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::Expr;

impl Compiler {
    pub(super) fn iif(&mut self, arguments: &[&Expr]) -> Result<Piece, SqlError> {
        let [test, yes, no] = arguments else { return Err(self.wrong_count("IIF", 3, 3)) };
        let test = self.predicate(test)?;
        let results = vec![self.value(yes)?, self.value(no)?];
        let (results, ty) = self.unify(results)?;
        Ok(Piece::new(format!("(CASE WHEN {test} THEN {} ELSE {} END)", results[0].sql, results[1].sql), ty))
    }

    /// The embedded engine takes 127 arguments at most, our own included.
    pub(super) fn bounded(&self, call: &Call<'_>) -> Result<(), SqlError> {
        if call.pieces.len() > 100 {
            Err(self.no(&format!("{} of over a hundred values", call.name)))
        } else {
            Ok(())
        }
    }

    pub(super) fn choice_call(&mut self, call: &mut Call<'_>) -> Result<Option<Piece>, SqlError> {
        Ok(Some(match call.name {
            "ISNULL" => {
                self.arity(call, 2, 2)?;
                let second = call.pieces.pop().expect("counted above");
                let first = call.pieces.pop().expect("counted above");
                let ty = if first.ty.family == Family::Null { second.ty } else { first.ty };
                // The first one's type is the result's: a number's default may need a cut, a text's a conversion.
                let same = ty.family == second.ty.family && (ty.family != Family::Text || ty.length == 0);
                let second = if same && ty.family != Family::Decimal {
                    second
                } else {
                    // Decimals of no declared digits keep those that they have.
                    self.cast_to(Piece { text: None, ..second }, ty)?
                };
                Piece::new(format!("ifnull({}, {})", first.sql, second.sql), ty)
            }
            "COALESCE" => {
                if call.pieces.len() < 2 {
                    return Err(self.wrong_count(call.name, 2, 254));
                }
                self.bounded(call)?;
                if call.pieces.iter().all(|p| p.sql == "NULL") {
                    return Err(fault(
                        4127,
                        self.line,
                        "At least one of the arguments to COALESCE must be an expression that is not the NULL constant.",
                    ));
                }
                let (pieces, ty) = self.unify(std::mem::take(&mut call.pieces))?;
                let all: Vec<&str> = pieces.iter().map(|p| p.sql.as_str()).collect();
                Piece::new(format!("coalesce({})", all.join(", ")), ty)
            }
            "NULLIF" => {
                self.arity(call, 2, 2)?;
                let (first, second) = (call.pieces[0].clone(), call.pieces[1].clone());
                let (ty, sql) = (first.ty, first.sql.clone());
                let same = self.compare(first, "=", second)?;
                Piece::new(format!("(CASE WHEN {same} THEN NULL ELSE {sql} END)"), ty)
            }
            "CHOOSE" => {
                if call.pieces.len() < 2 {
                    return Err(self.wrong_count(call.name, 2, 254));
                }
                let index = self.int(call.pieces[0].clone())?;
                let (pieces, ty) = self.unify(call.pieces.split_off(1))?;
                let arms: String = pieces
                    .iter()
                    .enumerate()
                    .map(|(i, p)| format!(" WHEN {} THEN {}", i + 1, p.sql))
                    .collect();
                Piece::new(format!("(CASE {}{arms} END)", index.sql), ty)
            }
            "GREATEST" | "LEAST" => {
                if call.pieces.is_empty() {
                    return Err(self.wrong_count(call.name, 1, 254));
                }
                self.bounded(call)?;
                let (pieces, ty) = self.unify(std::mem::take(&mut call.pieces))?;
                if matches!(ty.family, Family::Null | Family::Offset) {
                    return Err(self.no(call.name));
                }
                let all: Vec<&str> = pieces.iter().map(|p| p.sql.as_str()).collect();
                let name = call.name.to_ascii_lowercase();
                Piece::new(format!("ts_most('{name}', '{}', {})", ty.name, all.join(", ")), ty)
            }
            "NEWID" => {
                self.arity(call, 0, 0)?;
                Piece::new("ts_newid()", Type::GUID)
            }
            "NEWSEQUENTIALID" => {
                return Err(fault(
                    302,
                    self.line,
                    "The newsequentialid() built-in function can only be used in a DEFAULT expression for a column of type 'uniqueidentifier' in a CREATE TABLE or ALTER TABLE statement. It cannot be combined with other operators to form a complex scalar expression.",
                ));
            }
            _ => return Ok(None),
        }))
    }
}
