//! Calls of functions of text.

use super::{Call, joined, varying};
use crate::{
    convert::is_wide,
    tsql::{
        expression::Piece,
        scope::{Compiler, literal},
    },
    types::{Family, Type},
};
use database::SqlError;

/// Text of at most so many characters.
fn short(base: Type, length: u32) -> Type {
    Type { length, ..base }
}

impl Compiler {
    /// The text of an argument, as text.
    fn text_at(&mut self, call: &Call<'_>, at: usize) -> Result<Piece, SqlError> {
        let piece = call.pieces[at].clone();
        if piece.ty.family == Family::Binary {
            return Err(self.wrong_type(piece.ty, at + 1, call.name));
        }
        self.as_text(piece)
    }

    /// All arguments as text.
    pub(super) fn texts(&mut self, call: &Call<'_>) -> Result<Vec<String>, SqlError> {
        (0..call.pieces.len()).map(|at| self.text_at(call, at).map(|p| p.sql)).collect()
    }

    pub(super) fn text_call(&mut self, call: &mut Call<'_>) -> Result<Option<Piece>, SqlError> {
        let plain = format!("ts_{}", call.name.to_ascii_lowercase());
        Ok(Some(match call.name {
            "LEN" => {
                self.arity(call, 1, 1)?;
                if call.pieces[0].ty.family == Family::Binary {
                    return Ok(Some(Piece::new(format!("length({})", call.pieces[0].sql), Type::INT)));
                }
                Piece::new(format!("ts_len({})", self.text_at(call, 0)?.sql), Type::INT)
            }
            "DATALENGTH" => {
                self.arity(call, 1, 1)?;
                let piece = &call.pieces[0];
                if piece.ty.family == Family::Decimal && !piece.ty.name.ends_with("money") {
                    return Err(self.no("DATALENGTH of decimal"));
                }
                let ty = crate::convert::spelled(piece.ty);
                Piece::new(format!("ts_datalength({}, '{ty}')", piece.sql), Type::INT)
            }
            "LTRIM" | "RTRIM" => {
                self.arity(call, 1, 2)?;
                let side = if call.name == "LTRIM" { "leading" } else { "trailing" };
                let of = self.text_at(call, 0)?;
                let sql = if call.pieces.len() == 1 {
                    format!("{}({}, ' ')", call.name.to_ascii_lowercase(), of.sql)
                } else {
                    format!("ts_trim('{side}', {}, {})", of.sql, self.text_at(call, 1)?.sql)
                };
                Piece::new(sql, varying(of.ty))
            }
            "TRIM" => {
                self.arity(call, 1, 1)?;
                let of = self.text_at(call, 0)?;
                Piece::new(format!("trim({}, ' ')", of.sql), varying(of.ty))
            }
            "UPPER" | "LOWER" | "REVERSE" => {
                self.arity(call, 1, 1)?;
                let of = self.text_at(call, 0)?;
                let ty = if call.name == "REVERSE" { varying(of.ty) } else { of.ty };
                Piece::new(format!("{plain}({})", of.sql), ty)
            }
            "LEFT" | "RIGHT" | "SUBSTRING" => {
                let count = if call.name == "SUBSTRING" { 3 } else { 2 };
                self.arity(call, count, count)?;
                let of = self.text_at(call, 0)?;
                let numbers = self.ints(call, 1)?;
                Piece::new(format!("{plain}({}, {})", of.sql, numbers.join(", ")), varying(of.ty))
            }
            "REPLICATE" => {
                self.arity(call, 2, 2)?;
                // Only what is itself declared `max` grows beyond 8,000 bytes.
                let short = call.pieces[0].text.is_some() || call.pieces[0].ty.length > 0;
                let of = self.text_at(call, 0)?;
                let limit = if !short {
                    0
                } else if is_wide(of.ty) {
                    4000
                } else {
                    8000
                };
                let numbers = self.ints(call, 1)?;
                let ty = Type { length: limit, ..varying(of.ty) };
                Piece::new(format!("ts_replicate({}, {}, {limit})", of.sql, numbers[0]), ty)
            }
            "SPACE" => {
                self.arity(call, 1, 1)?;
                let numbers = self.ints(call, 0)?;
                Piece::new(format!("ts_replicate(' ', {}, 8000)", numbers[0]), short(Type::VARCHAR, 8000))
            }
            "REPLACE" | "TRANSLATE" => {
                self.arity(call, 3, 3)?;
                let ty = joined(call.pieces.iter().map(|p| p.ty));
                Piece::new(format!("{plain}({})", self.texts(call)?.join(", ")), ty)
            }
            "STUFF" => {
                self.arity(call, 4, 4)?;
                let ty = joined([call.pieces[0].ty, call.pieces[3].ty]);
                let (of, with) = (self.text_at(call, 0)?.sql, self.text_at(call, 3)?.sql);
                let (from, count) =
                    (self.int(call.pieces[1].clone())?.sql, self.int(call.pieces[2].clone())?.sql);
                Piece::new(format!("ts_stuff({of}, {from}, {count}, {with})"), ty)
            }
            "CONCAT" => {
                if !(2..=254).contains(&call.pieces.len()) {
                    return Err(self.wrong_count(call.name, 2, 254));
                }
                let ty = joined(call.pieces.iter().map(|p| p.ty));
                let parts: Vec<String> =
                    self.texts(call)?.into_iter().map(|t| format!("ifnull({t}, '')")).collect();
                Piece::new(format!("({})", parts.join(" || ")), ty)
            }
            "CONCAT_WS" => {
                if !(3..=254).contains(&call.pieces.len()) {
                    return Err(self.wrong_count(call.name, 3, 254));
                }
                self.bounded(call)?;
                let ty = joined(call.pieces.iter().map(|p| p.ty));
                Piece::new(format!("ts_concat_ws({})", self.texts(call)?.join(", ")), ty)
            }
            "CHARINDEX" => {
                self.arity(call, 2, 3)?;
                let start =
                    if call.pieces.len() == 3 { self.ints(call, 2)?.remove(0) } else { "1".to_owned() };
                Piece::new(format!("ts_charindex({}, {start})", self.texts(call)?.join(", ")), Type::INT)
            }
            "PATINDEX" | "DIFFERENCE" => {
                self.arity(call, 2, 2)?;
                Piece::new(format!("{plain}({})", self.texts(call)?.join(", ")), Type::INT)
            }
            "ASCII" | "UNICODE" => {
                self.arity(call, 1, 1)?;
                Piece::new(format!("{plain}({})", self.text_at(call, 0)?.sql), Type::INT)
            }
            "CHAR" | "NCHAR" => {
                self.arity(call, 1, 1)?;
                let numbers = self.ints(call, 0)?;
                let base = if call.name == "CHAR" { Type::VARCHAR } else { Type::NVARCHAR };
                Piece::new(format!("{plain}({})", numbers[0]), short(base, 1))
            }
            "SOUNDEX" => {
                self.arity(call, 1, 1)?;
                Piece::new(format!("ts_soundex({})", self.text_at(call, 0)?.sql), short(Type::VARCHAR, 4))
            }
            "QUOTENAME" => {
                self.arity(call, 1, 2)?;
                let of = self.text_at(call, 0)?.sql;
                let mark = if call.pieces.len() == 2 { self.text_at(call, 1)?.sql } else { literal("[") };
                Piece::new(format!("ts_quotename({of}, {mark})"), short(Type::NVARCHAR, 258))
            }
            "STR" => {
                self.arity(call, 1, 3)?;
                let rest = self.ints(call, 1)?;
                let number = call.pieces.remove(0);
                let number = self.float(number)?;
                let (length, digits) =
                    (rest.first().map_or("10", String::as_str), rest.get(1).map_or("0", String::as_str));
                let ty = short(Type::VARCHAR, length.parse().ok().filter(|n| *n <= 8000).unwrap_or(8000));
                Piece::new(format!("ts_str({number}, {length}, {digits})"), ty)
            }
            "PARSENAME" => {
                self.arity(call, 2, 2)?;
                let numbers = self.ints(call, 1)?;
                let name = self.text_at(call, 0)?.sql;
                Piece::new(format!("ts_parsename({name}, {})", numbers[0]), short(Type::NVARCHAR, 128))
            }
            "STRING_ESCAPE" => {
                self.arity(call, 2, 2)?;
                Piece::new(format!("ts_escape({})", self.texts(call)?.join(", ")), Type::NVARCHAR)
            }
            "FORMAT" => {
                self.arity(call, 2, 3)?;
                let of = call.pieces[0].clone();
                if matches!(
                    of.ty.family,
                    Family::Text | Family::Binary | Family::Guid | Family::Bit | Family::Null
                ) {
                    return Err(self.wrong_type(of.ty, 1, call.name));
                }
                let pattern = self.text_at(call, 1)?.sql;
                // The demo's login speaks British English.
                let culture =
                    if call.pieces.len() == 3 { self.text_at(call, 2)?.sql } else { literal("en-GB") };
                let ty = crate::convert::spelled(of.ty);
                Piece::new(
                    format!("ts_format({}, '{ty}', {pattern}, {culture})", of.sql),
                    short(Type::NVARCHAR, 4000),
                )
            }
            "ISNUMERIC" => {
                self.arity(call, 1, 1)?;
                let piece = &call.pieces[0];
                match piece.ty.family {
                    Family::Text => Piece::new(format!("ts_isnumeric({})", piece.sql), Type::INT),
                    Family::Null => Piece::new("0", Type::INT),
                    _ if piece.ty.is_number() => {
                        Piece::new(format!("({} IS NOT NULL)", piece.sql), Type::INT)
                    }
                    _ => Piece::new("0", Type::INT),
                }
            }
            "ISDATE" => {
                self.arity(call, 1, 1)?;
                let piece = call.pieces[0].clone();
                match (piece.ty.family, piece.ty.name) {
                    (Family::DateTime, "datetime" | "smalldatetime") => {
                        Piece::new(format!("({} IS NOT NULL)", piece.sql), Type::INT)
                    }
                    _ if piece.ty.is_time() => return Err(self.wrong_type(piece.ty, 1, call.name)),
                    _ => Piece::new(format!("ts_isdate({})", self.as_text(piece)?.sql), Type::INT),
                }
            }
            "HASHBYTES" => {
                self.arity(call, 2, 2)?;
                let of = call.pieces[1].clone();
                if !matches!(of.ty.family, Family::Text | Family::Binary | Family::Null) {
                    return Err(self.wrong_type(of.ty, 2, call.name));
                }
                let algorithm = self.text_at(call, 0)?.sql;
                Piece::new(
                    format!("ts_hash({algorithm}, {}, '{}')", of.sql, of.ty.name),
                    Type { length: 8000, ..Type::BINARY },
                )
            }
            _ => return Ok(None),
        }))
    }
}
