//! JSON inside of text. The embedded engine reads it; which paths there are, and what a value of a kind gives, is SQL
//! Server's in lax mode.

use super::Call;
use crate::{
    fault::fault,
    tsql::{
        expression::Piece,
        scope::{Compiler, literal},
    },
    types::{Family, Type},
};
use database::SqlError;

/// A path as the embedded engine takes it; `None` for one that is none or that is strict.
fn path(written: &str) -> Option<String> {
    let trimmed = written.trim();
    let rest = trimmed.strip_prefix("lax ").map_or(trimmed, str::trim_start);
    let mut left = rest.strip_prefix('$')?;
    while !left.is_empty() {
        let taken = if let Some(key) = left.strip_prefix(".\"") {
            // A quote inside of a quoted key would need an escape, which the two engines read differently.
            let end = key.find('"').filter(|end| *end > 0 && !key[..*end].contains('\\'))?;
            end + 3
        } else if let Some(key) = left.strip_prefix('.') {
            let end = key.find(['.', '[']).unwrap_or(key.len());
            let plain = key[..end].bytes().enumerate().all(|(i, b)| {
                b.is_ascii_alphabetic() || b == b'_' || i > 0 && (b.is_ascii_digit() || b == b'$')
            });
            if end == 0 || !plain {
                return None;
            }
            end + 1
        } else {
            let index = left.strip_prefix('[')?;
            let end = index.find(']')?;
            if end == 0 || end > 9 || !index[..end].bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            end + 2
        };
        left = &left[taken..];
    }
    Some(rest.to_owned())
}

impl Compiler {
    pub(super) fn json_call(&mut self, call: &mut Call<'_>) -> Result<Option<Piece>, SqlError> {
        if !matches!(call.name, "ISJSON" | "JSON_VALUE" | "JSON_QUERY") {
            return Ok(None);
        }
        let most = if call.name == "ISJSON" { 1 } else { 2 };
        self.arity(call, if call.name == "JSON_VALUE" { 2 } else { 1 }, most)?;
        let of = call.pieces[0].clone();
        if !matches!(of.ty.family, Family::Text | Family::Null) {
            return Err(self.wrong_type(of.ty, 1, call.name));
        }
        let of = of.sql;
        if call.name == "ISJSON" {
            // A number or a word alone is no JSON to SQL Server.
            let sql = format!(
                "(CASE WHEN {of} IS NULL THEN NULL WHEN json_valid({of}) THEN json_type({of}) IN ('object', 'array') ELSE 0 END)"
            );
            return Ok(Some(Piece::new(sql, Type::INT)));
        }
        let written = match call.pieces.get(1) {
            Some(piece) => {
                piece.text.as_deref().ok_or_else(|| self.no(&format!("{} of a computed path", call.name)))?
            }
            None => "$",
        };
        if written.trim_start().starts_with("strict") {
            return Err(self.no(&format!("{} strict", call.name)));
        }
        let path = path(written).ok_or_else(|| {
            fault(13607, self.line, format!("JSON path is not properly formatted: '{written}'."))
        })?;
        let path = literal(&path);
        let (arms, ty) = if call.name == "JSON_VALUE" {
            let arms = format!(
                "WHEN 'text' THEN (CASE WHEN ts_units(json_extract({of}, {path})) <= 4000 THEN json_extract({of}, {path}) END) WHEN 'integer' THEN {of} -> {path} WHEN 'real' THEN {of} -> {path} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
            );
            (arms, Type { length: 4000, ..Type::NVARCHAR })
        } else {
            let arms = format!("WHEN 'object' THEN {of} -> {path} WHEN 'array' THEN {of} -> {path}");
            (arms, Type::NVARCHAR)
        };
        let sql = format!(
            "(CASE WHEN {of} IS NULL THEN NULL WHEN json_valid({of}) THEN (CASE json_type({of}, {path}) {arms} END) ELSE ts_no_json() END)"
        );
        Ok(Some(Piece::new(sql, ty)))
    }
}
