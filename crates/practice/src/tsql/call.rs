//! Scalar functions: which one a name means, how many arguments it takes, and what its result is.

mod choice;
mod date;
mod json;
mod number;
mod system;
mod text;

use super::{
    expression::Piece,
    scope::{Compiler, literal},
};
use crate::{
    convert::{castable, is_wide, spelled},
    fault::fault,
    types::{Family, Type},
};
use database::SqlError;
use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

/// A call: its name in capitals, and its arguments as written and as compiled.
struct Call<'a> {
    name: &'a str,
    written: &'a [&'a Expr],
    pieces: Vec<Piece>,
}

impl Compiler {
    pub(super) fn call(&mut self, function: &Function) -> Result<Piece, SqlError> {
        let parts = self.parts(&function.name)?;
        let [name] = parts.as_slice() else { return Err(self.no(&function.name.to_string())) };
        let line = self.line_of(name);
        let name = name.value.to_ascii_uppercase();
        let odd = function.uses_odbc_syntax
            || function.parameters != FunctionArguments::None
            || !function.within_group.is_empty()
            || function.filter.is_some()
            || function.null_treatment.is_some();
        if odd {
            return Err(self.no(&name));
        }
        let (list, distinct) = match &function.args {
            FunctionArguments::None => (&[][..], false),
            FunctionArguments::List(list) if list.clauses.is_empty() => {
                (list.args.as_slice(), list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
            }
            _ => return Err(self.no(&name)),
        };
        if function.over.is_some() {
            return Err(self.no(&format!("{name} OVER")));
        }
        let mut arguments = Vec::with_capacity(list.len());
        for argument in list {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if !distinct => arguments.push(expr),
                _ => return Err(self.no(&name)),
            }
        }
        let before = self.line;
        self.line = line;
        let made = self.named_call(&name, &arguments);
        self.line = before;
        made
    }

    /// A call by name with plain arguments.
    pub(super) fn named_call(&mut self, name: &str, arguments: &[&Expr]) -> Result<Piece, SqlError> {
        // These take words or conditions where others take values.
        if date::takes_part(name) {
            return self.date_part_call(name, arguments);
        }
        if name == "IIF" {
            return self.iif(arguments);
        }
        if matches!(name, "ROLLUP" | "CUBE") {
            return Err(self.no(name));
        }
        let pieces = arguments.iter().map(|a| self.value(a)).collect::<Result<Vec<_>, _>>()?;
        // These compare inside, and do so without case.
        let compares = matches!(
            name,
            "REPLACE" | "CHARINDEX" | "PATINDEX" | "TRANSLATE" | "TRIM" | "GREATEST" | "LEAST"
        );
        if compares && pieces.iter().any(|p| p.ty.sensitive) {
            return Err(self.no(&format!("{name} with a COLLATE that tells cases apart")));
        }
        let mut call = Call { name, written: arguments, pieces };
        for group in [
            Compiler::choice_call,
            Compiler::text_call,
            Compiler::number_call,
            Compiler::date_call,
            Compiler::json_call,
            Compiler::system_call,
        ] {
            if let Some(made) = group(self, &mut call)? {
                return Ok(made);
            }
        }
        Err(fault(195, self.line, format!("'{name}' is not a recognized built-in function name.")))
    }

    /// TRIM with a side (`both`, `leading`, `trailing`) and the characters that go.
    pub(super) fn trim_call(
        &mut self,
        side: &str,
        chars: Option<&Expr>,
        of: &Expr,
    ) -> Result<Piece, SqlError> {
        let of = self.value(of)?;
        let of = self.as_text(of)?;
        let chars = match chars {
            Some(chars) => {
                let chars = self.value(chars)?;
                self.as_text(chars)?.sql
            }
            None => literal(" "),
        };
        let ty = varying(of.ty);
        Ok(Piece::new(format!("ts_trim('{side}', {}, {chars})", of.sql), ty))
    }

    /// Refuses a call with another number of arguments.
    fn arity(&self, call: &Call<'_>, least: usize, most: usize) -> Result<(), SqlError> {
        let n = call.pieces.len();
        if (least..=most).contains(&n) {
            return Ok(());
        }
        Err(self.wrong_count(call.name, least, most))
    }

    fn wrong_count(&self, name: &str, least: usize, most: usize) -> SqlError {
        let name = name.to_ascii_lowercase();
        if least == most {
            fault(174, self.line, format!("The {name} function requires {least} argument(s)."))
        } else {
            fault(189, self.line, format!("The {name} function requires {least} to {most} arguments."))
        }
    }

    /// SQL Server's words for an argument of a type that a function does not take.
    fn wrong_type(&self, ty: Type, at: usize, name: &str) -> SqlError {
        fault(
            8116,
            self.line,
            format!(
                "Argument data type {} is invalid for argument {at} of {} function.",
                ty.name,
                name.to_ascii_lowercase()
            ),
        )
    }

    /// A value cast to a type, as an implicit conversion of an argument does.
    fn cast_to(&mut self, piece: Piece, to: Type) -> Result<Piece, SqlError> {
        if piece.ty.family == Family::Null {
            return Ok(Piece { ty: to, ..piece });
        }
        if piece.ty == to {
            return Ok(piece);
        }
        if !castable(piece.ty, to) {
            return Err(self.clash(piece.ty, to));
        }
        // A cast may take a moment to a number; without one SQL Server does not.
        if piece.ty.is_time() && to.is_number() {
            return Err(fault(
                257,
                self.line,
                format!(
                    "Implicit conversion from data type {} to {} is not allowed. Use the CONVERT function to run this query.",
                    piece.ty.name, to.name
                ),
            ));
        }
        let sql = format!(
            "ts_cast({}, '{}', '{}', {}, {}, 0)",
            piece.sql,
            spelled(piece.ty),
            to.name,
            to.length,
            to.scale
        );
        Ok(Piece::new(sql, to))
    }

    /// A value as a whole number; fractions are cut.
    fn int(&mut self, piece: Piece) -> Result<Piece, SqlError> {
        match piece.ty.family {
            Family::Int | Family::Bit => Ok(Piece { text: None, ..piece }),
            _ => self.cast_to(piece, Type::INT),
        }
    }

    /// The texts of a call's arguments from one on, each as a whole number.
    fn ints(&mut self, call: &mut Call<'_>, from: usize) -> Result<Vec<String>, SqlError> {
        call.pieces.drain(from..).map(|p| self.int(p).map(|p| p.sql)).collect()
    }

    /// The text of a value as a float.
    fn float(&mut self, piece: Piece) -> Result<String, SqlError> {
        Ok(match piece.ty.family {
            Family::Float | Family::Real | Family::Null => piece.sql,
            Family::Int | Family::Bit => format!("CAST({} AS REAL)", piece.sql),
            _ => self.cast_to(piece, Type::FLOAT)?.sql,
        })
    }
}

/// A text type of that length that is not padded: what most functions of text give.
fn varying(ty: Type) -> Type {
    if is_wide(ty) {
        Type { length: ty.length, ..Type::NVARCHAR }
    } else {
        Type { length: ty.length, ..Type::VARCHAR }
    }
}

/// Text of any length, wide if one of the types is.
fn joined(types: impl IntoIterator<Item = Type>) -> Type {
    if types.into_iter().any(|ty| ty.family == Family::Text && is_wide(ty)) {
        Type::NVARCHAR
    } else {
        Type::VARCHAR
    }
}
