//! Text of any encoding, made UTF-8. What is malformed becomes U+FFFD: the driver's own decoder panics there.

use mssql_tds::{
    datatypes::sql_string::{EncodingType, ResolvedDecoder, ResolvedEncoding},
    encoding_rs::{CoderResult, UTF_8, UTF_16LE, WINDOWS_1252},
};

fn resolved(encoding: EncodingType) -> ResolvedEncoding {
    match encoding {
        EncodingType::Utf8 => UTF_8.into(),
        EncodingType::Utf16 => UTF_16LE.into(),
        // An unknown code page: the letters that all of them share are right.
        other => other.resolved_encoding().unwrap_or_else(|| WINDOWS_1252.into()),
    }
}

/// Appends text.
pub(super) fn push_text(bytes: &[u8], encoding: EncodingType, out: &mut String) {
    if encoding != EncodingType::Utf16
        && bytes.is_ascii()
        && let Ok(ascii) = std::str::from_utf8(bytes)
    {
        // Every code page that SQL Server has agrees about ASCII.
        out.push_str(ascii);
        return;
    }
    let resolved = resolved(encoding);
    let Some(encoding) = resolved.as_encoding_rs() else {
        out.push_str(&resolved.decode_without_bom_handling(bytes).0);
        return;
    };
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut rest = bytes;
    loop {
        out.reserve(decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len()));
        let (result, read, _) = decoder.decode_to_string(rest, out, true);
        rest = &rest[read..];
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

/// Decodes a long text piece by piece; a character that is cut waits for its other half.
pub(super) struct Pieces {
    decoder: ResolvedDecoder,
    buffer: Vec<u8>,
}

impl Pieces {
    pub(super) fn new(encoding: EncodingType) -> Pieces {
        Pieces { decoder: resolved(encoding).new_decoder_without_bom_handling(), buffer: vec![0; 32 * 1024] }
    }

    /// Decodes `bytes` and gives each piece to `take`.
    pub(super) fn feed<E>(
        &mut self,
        bytes: &[u8],
        last: bool,
        mut take: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = bytes;
        loop {
            let (result, read, written, _) = self.decoder.decode_to_utf8(rest, &mut self.buffer, last);
            rest = &rest[read..];
            if written > 0 {
                take(std::str::from_utf8(&self.buffer[..written]).expect("a decoder to UTF-8 writes UTF-8"))?;
            }
            if result == CoderResult::InputEmpty {
                return Ok(());
            }
        }
    }
}
