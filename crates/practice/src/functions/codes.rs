//! Characters and their codes, sounds, digests, and what a text could be read as.

use super::{md5, text, ty, unsupported};
use crate::{
    convert::{byte, character, could_be_number, is_wide, parse_moment, precision, stored_bytes},
    fault::Raised,
    types::{Family, Type},
};
use aws_lc_rs::digest;
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};

/// The code of a letter's sound; vowels have none, H and W are silent.
fn sound(c: char) -> Option<char> {
    Some(match c {
        'B' | 'F' | 'P' | 'V' => '1',
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => '2',
        'D' | 'T' => '3',
        'L' => '4',
        'M' | 'N' => '5',
        'R' => '6',
        _ => return None,
    })
}

/// SOUNDEX by the rules since SQL Server 2012: H and W between two letters of one sound do not part them, vowels do.
fn soundex(text: &str) -> String {
    let mut letters = text.chars().map(|c| c.to_ascii_uppercase()).take_while(char::is_ascii_alphabetic);
    let Some(first) = letters.next() else { return "0000".to_owned() };
    let mut made = String::from(first);
    let mut last = sound(first);
    for c in letters {
        if matches!(c, 'H' | 'W') {
            continue;
        }
        let code = sound(c);
        if let Some(code) = code.filter(|_| code != last) {
            made.push(code);
            if made.len() == 4 {
                break;
            }
        }
        last = code;
    }
    format!("{made:0<4}")
}

/// Bytes that a value takes, by its type.
fn data_length(value: ValueRef<'_>, ty: Type) -> Option<i64> {
    let fine = |base: i64| base + i64::from(precision(ty) > 2) + i64::from(precision(ty) > 4);
    Some(match (value, ty.name) {
        (ValueRef::Null, _) => return None,
        (ValueRef::Text(raw), _) if ty.family == Family::Text => {
            let text = std::str::from_utf8(raw).unwrap_or_default();
            (if is_wide(ty) { 2 * text.encode_utf16().count() } else { text.chars().count() }) as i64
        }
        (ValueRef::Blob(blob), _) => blob.len() as i64,
        (_, "bit" | "tinyint") => 1,
        (_, "smallint") => 2,
        (_, "int" | "real" | "smallmoney" | "smalldatetime") => 4,
        (_, "bigint" | "float" | "money" | "datetime") => 8,
        (_, "date") => 3,
        (_, "time") => fine(3),
        (_, "datetime2") => fine(6),
        (_, "datetimeoffset") => fine(8),
        _ => 16,
    })
}

fn hash(c: &Context<'_>) -> Result<Value> {
    let Some(algorithm) = text(c, 0) else { return Ok(Value::Null) };
    let bytes = match c.get_raw(1) {
        ValueRef::Null => return Ok(Value::Null),
        ValueRef::Blob(bytes) => bytes.to_vec(),
        _ => stored_bytes(&text(c, 1).unwrap_or_default(), is_wide(ty(c, 2)?)),
    };
    let algorithm = match algorithm.to_ascii_uppercase().as_str() {
        "MD5" => return Ok(Value::Blob(md5::digest(&bytes).to_vec())),
        "SHA" | "SHA1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "SHA2_256" => &digest::SHA256,
        "SHA2_512" => &digest::SHA512,
        other => return Err(unsupported(&format!("HASHBYTES {other}")).into()),
    };
    Ok(Value::Blob(digest::digest(algorithm, &bytes).as_ref().to_vec()))
}

/// ISDATE: whether datetime could be read of a text.
fn is_date(text: &str) -> bool {
    let plain = text.trim_matches(' ');
    let fraction = plain.rsplit_once('.').map_or("", |(_, f)| f);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let offset = plain.contains(':') && plain.contains(['+']);
    let fine = plain.contains(':') && digits > 3;
    !plain.is_empty() && !offset && !fine && parse_moment(plain, 0).is_some_and(|(d, ..)| d.year >= 1753)
}

pub(super) fn register(connection: &Connection, pure: FunctionFlags) -> Result<()> {
    connection.create_scalar_function("ts_char", 1, pure, |c| {
        let code = c.get::<Option<i64>>(0)?;
        Ok(code.and_then(|n| u8::try_from(n).ok()).map(|n| character(n).to_string()))
    })?;
    connection.create_scalar_function("ts_nchar", 1, pure, |c| {
        let Some(code) = c.get::<Option<i64>>(0)? else { return Ok(None) };
        let Some(unit) = u16::try_from(code).ok() else { return Ok(None) };
        match char::from_u32(u32::from(unit)) {
            Some(c) => Ok(Some(c.to_string())),
            None => Err(unsupported("NCHAR of half a surrogate pair").into()),
        }
    })?;
    connection.create_scalar_function("ts_ascii", 1, pure, |c| {
        Ok(text(c, 0).and_then(|t| t.chars().next()).map(|ch| i64::from(byte(ch).unwrap_or(b'?'))))
    })?;
    connection.create_scalar_function("ts_unicode", 1, pure, |c| {
        Ok(text(c, 0).and_then(|t| t.encode_utf16().next()).map(i64::from))
    })?;
    connection.create_scalar_function("ts_soundex", 1, pure, |c| Ok(text(c, 0).map(|t| soundex(&t))))?;
    connection.create_scalar_function("ts_difference", 2, pure, |c| {
        let (Some(a), Some(b)) = (text(c, 0), text(c, 1)) else { return Ok(None) };
        Ok(Some(soundex(&a).bytes().zip(soundex(&b).bytes()).filter(|(a, b)| a == b).count() as i64))
    })?;
    connection
        .create_scalar_function("ts_datalength", 2, pure, |c| Ok(data_length(c.get_raw(0), ty(c, 1)?)))?;
    connection.create_scalar_function("ts_isnumeric", 1, pure, |c| {
        Ok(text(c, 0).is_some_and(|t| could_be_number(&t)))
    })?;
    connection
        .create_scalar_function("ts_isdate", 1, pure, |c| Ok(text(c, 0).is_some_and(|t| is_date(&t))))?;
    connection.create_scalar_function("ts_hash", 3, pure, |c| hash(c))?;
    connection.create_scalar_function("ts_newid", 0, FunctionFlags::SQLITE_UTF8, |_| {
        let mut bytes = [0u8; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Raised(8630, "No randomness to be had.".to_owned()))?;
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string())
    })?;
    connection.create_scalar_function("ts_rand", 0, FunctionFlags::SQLITE_UTF8, |_| {
        let mut bytes = [0u8; 8];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Raised(8630, "No randomness to be had.".to_owned()))?;
        // 53 bits are what a float below one can hold.
        Ok((u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64)
    })
}
