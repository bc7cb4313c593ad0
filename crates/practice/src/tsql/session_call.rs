//! Functions that ask the session: what was caught, which transaction, which objects.

use super::{
    expression::{Piece, cast_text},
    scope::Compiler,
};
use crate::{fault::fault, types::Type};
use database::SqlError;
use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

impl Compiler {
    /// The text of an XML value as a type: `(…).value('.', 'nvarchar(max)')`, respelled.
    fn xml_value(&mut self, function: &Function) -> Result<Piece, SqlError> {
        let FunctionArguments::List(list) = &function.args else { return Err(self.no(".value()")) };
        let [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(xml)),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(ty))),
        ] = list.args.as_slice()
        else {
            return Err(self.no(".value()"));
        };
        let text = match &ty.value {
            Value::SingleQuotedString(text) | Value::NationalStringLiteral(text) => text.clone(),
            _ => return Err(self.no(".value()")),
        };
        let to = super::batch::type_of(&text).ok_or_else(|| self.no(".value() of this type"))?;
        let piece = self.value(xml)?;
        Ok(Piece::new(cast_text("ts_cast", &format!("ts_unxml({})", piece.sql), Type::NVARCHAR, to, 0), to))
    }

    /// `None` for a function that asks nothing of the session.
    pub(super) fn session_call(&mut self, function: &Function) -> Result<Option<Piece>, SqlError> {
        let parts = self.parts(&function.name)?;
        let [name] = parts.as_slice() else {
            let (owner, _) = parts.split_first().expect("a parsed name has parts");
            return Err(fault(
                4121,
                self.line_of(owner),
                format!(
                    "Cannot find either column \"{}\" or the user-defined function or aggregate \"{}\", or the name is ambiguous.",
                    owner.value, function.name
                ),
            ));
        };
        if function.over.is_some() {
            return Ok(None);
        }
        let name = name.value.to_ascii_uppercase();
        if name == super::spelling::XML_VALUE {
            return self.xml_value(function).map(Some);
        }
        let mut arguments: Vec<&Expr> = Vec::new();
        if let FunctionArguments::List(list) = &function.args {
            for argument in &list.args {
                match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
                    _ => return Ok(None),
                }
            }
        }
        let small = Type::by_name("smallint").unwrap_or(Type::INT);
        let text = |length: u32| Type { length, ..Type::NVARCHAR };
        let (what, ty) = match (name.as_str(), arguments.len()) {
            ("ERROR_NUMBER", 0) => ("error_number", Type::INT),
            ("ERROR_MESSAGE", 0) => ("error_message", text(4000)),
            ("ERROR_LINE", 0) => ("error_line", Type::INT),
            ("ERROR_SEVERITY", 0) => ("error_severity", Type::INT),
            ("ERROR_STATE", 0) => ("error_state", Type::INT),
            ("ERROR_PROCEDURE", 0) => ("error_procedure", text(128)),
            ("XACT_STATE", 0) => ("xact_state", small),
            ("SCOPE_IDENTITY", 0) => ("identity", Type { length: 38, ..Type::DECIMAL }),
            ("CONTEXT_INFO", 0) => ("context", Type { length: 128, ..Type::BINARY }),
            ("ROWCOUNT_BIG", 0) => ("rowcount", Type::BIGINT),
            (
                "SUSER_SNAME" | "SUSER_NAME" | "SYSTEM_USER" | "ORIGINAL_LOGIN" | "USER_NAME"
                | "CURRENT_USER" | "SESSION_USER" | "USER",
                0,
            ) => ("user", text(128)),
            ("DB_NAME", 0) => {
                let base = super::scope::literal(self.base.database());
                return Ok(Some(Piece::new(base, text(128))));
            }
            ("OBJECT_ID", 1 | 2) => {
                let mut texts = Vec::new();
                for argument in arguments {
                    let piece = self.value(argument)?;
                    texts.push(self.as_text(piece)?.sql);
                }
                if texts.len() == 1 {
                    texts.push("NULL".to_owned());
                }
                let base = super::scope::literal(self.base.database());
                return Ok(Some(Piece::new(
                    format!("ts_object_id({}, {base})", texts.join(", ")),
                    Type::INT,
                )));
            }
            ("OBJECT_NAME", 1 | 2) => {
                let piece = self.value(arguments[0])?;
                let piece = self.convert(piece, Type::INT)?;
                let base = super::scope::literal(self.base.database());
                return Ok(Some(Piece::new(format!("ts_object_name({}, {base})", piece.sql), text(128))));
            }
            (
                "ERROR_NUMBER" | "ERROR_MESSAGE" | "ERROR_LINE" | "ERROR_SEVERITY" | "ERROR_STATE"
                | "ERROR_PROCEDURE" | "XACT_STATE" | "SCOPE_IDENTITY",
                _,
            ) => {
                return Err(fault(
                    174,
                    self.line,
                    format!("The {} function requires 0 argument(s).", name.to_ascii_lowercase()),
                ));
            }
            _ => return Ok(None),
        };
        Ok(Some(Piece::new(format!("ts_state('{what}')"), ty)))
    }
}
