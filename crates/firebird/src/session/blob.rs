//! Blobs, in pieces: those that come with rows, and those that parameters become.

use super::{FirebirdSession, rows::Row};
use crate::{
    convert,
    text::windows_1252,
    values::{self, Scratch},
    wire::{
        blr::{NONE, OCTETS, UTF8},
        info::Variable,
        op, request,
        row::Cell,
    },
};
use database::{Failure, Part, Sink, Stopped, Value, Wanted};

/// Bytes asked for at once.
const PIECE: u32 = 65_000;

/// A piece of a blob.
struct Piece {
    bytes: Vec<u8>,
    last: bool,
}

impl FirebirdSession {
    /// Gives a row with blobs to the sink: whole when they are small, else in parts.
    pub(super) fn give(
        &mut self,
        transaction: u32,
        rows: &Row<'_>,
        cells: &[Cell],
        message: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<Wanted, Failure> {
        let mut scratch = Scratch::default();
        let mut row = values::values(cells, rows.forms, message, &mut scratch)
            .ok_or_else(super::rows::out_of_calendar)?;
        // Small blobs of this row that come before the first large one.
        let mut small: Vec<(usize, Content)> = Vec::new();
        let mut in_parts = false;
        let stopped = |Stopped| Failure::Cancelled;
        for (at, cell) in cells.iter().enumerate() {
            let Cell::Blob(id) = *cell else {
                if in_parts {
                    sink.part(Part::Value(row[at])).map_err(stopped)?;
                }
                continue;
            };
            let variable = &rows.variables[at];
            let (handle, first) = self.open_blob(transaction, id, variable)?;
            let mut decoder = Decoder::of(variable);
            if first.last {
                self.close_blob(handle)?;
                let content = decoder.whole(first.bytes);
                if in_parts {
                    sink.part(Part::Value(content.value())).map_err(stopped)?;
                } else {
                    small.push((at, content));
                }
                continue;
            }
            if !in_parts {
                in_parts = true;
                for (before, value) in row[..at].iter().enumerate() {
                    let blob = small.iter().find(|(known, _)| *known == before);
                    let value = blob.map_or(*value, |(_, content)| content.value());
                    sink.part(Part::Value(value)).map_err(stopped)?;
                }
            }
            let sent = self.stream_blob(handle, first, &mut decoder, sink);
            self.close_blob(handle)?;
            sent?;
            sink.part(Part::EndOfValue).map_err(stopped)?;
        }
        if in_parts {
            return sink.part(Part::EndOfRow).map_err(stopped);
        }
        for (at, content) in &small {
            row[*at] = content.value();
        }
        sink.row(&row).map_err(stopped)
    }

    fn stream_blob(
        &mut self,
        handle: u32,
        mut piece: Piece,
        decoder: &mut Decoder,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        loop {
            decoder.part(&piece, sink).map_err(|Stopped| Failure::Cancelled)?;
            if piece.last {
                return Ok(());
            }
            if self.channel.is_asked() {
                return Err(Failure::Cancelled);
            }
            let mut out = Vec::new();
            request::get_segment(&mut out, handle, PIECE);
            self.channel.send(&mut out)?;
            piece = self.piece()?;
        }
    }

    fn open_blob(&mut self, transaction: u32, id: u64, variable: &Variable) -> Result<(u32, Piece), Failure> {
        let mut out = Vec::new();
        request::open_blob(&mut out, transaction, id, &conversion(variable, true));
        request::get_segment(&mut out, op::LAST, PIECE);
        self.channel.send(&mut out)?;
        match self.channel.response()? {
            Ok(opened) => Ok((opened.handle, self.piece()?)),
            Err(status) => {
                // What was asked of the blob that did not open fails too.
                let _ = self.channel.response()?;
                Err(self.failure(&status))
            }
        }
    }

    fn piece(&mut self) -> Result<Piece, Failure> {
        let answer = self.answer()?;
        let mut bytes = Vec::with_capacity(answer.data.len());
        let mut rest = answer.data.as_slice();
        // Each segment has its length before it.
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_le_bytes(*length));
            let Some((segment, after)) = after.split_at_checked(length) else {
                self.channel.give_up();
                return Err(Failure::Lost);
            };
            bytes.extend_from_slice(segment);
            rest = after;
        }
        Ok(Piece { bytes, last: answer.handle == 2 })
    }

    fn close_blob(&mut self, handle: u32) -> Result<(), Failure> {
        let mut out = Vec::new();
        request::close_blob(&mut out, handle);
        self.channel.send(&mut out)?;
        self.channel.owe();
        Ok(())
    }

    /// Makes a blob of a parameter's bytes; its number.
    pub(super) fn make_blob(
        &mut self,
        transaction: u32,
        variable: &Variable,
        bytes: &[u8],
    ) -> Result<u64, Failure> {
        let mut out = Vec::new();
        request::create_blob(&mut out, transaction, &conversion(variable, false));
        let made = self.ask(&mut out)?;
        for piece in bytes.chunks(PIECE as usize) {
            if self.channel.is_asked() {
                return Err(Failure::Cancelled);
            }
            out.clear();
            request::put_segment(&mut out, made.handle, piece);
            self.ask(&mut out)?;
        }
        out.clear();
        request::close_blob(&mut out, made.handle);
        self.ask(&mut out)?;
        Ok(made.object)
    }
}

/// Between the character set that a text blob has and UTF-8; nothing for others.
fn conversion(variable: &Variable, outwards: bool) -> Vec<u8> {
    let set = (variable.scale as u16 & 0xFF) as u8;
    if variable.sub_type != 1 || [NONE, OCTETS].contains(&set.into()) {
        return Vec::new();
    }
    let (from, to) = if outwards { (set, UTF8 as u8) } else { (UTF8 as u8, set) };
    vec![1, 1, 1, 1, 2, 1, 1, 4, 1, from, 5, 1, to]
}

/// A blob that is whole.
enum Content {
    Text(String),
    Binary(Vec<u8>),
}

impl Content {
    fn value(&self) -> Value<'_> {
        match self {
            Content::Text(text) => Value::Text(text),
            Content::Binary(bytes) => Value::Binary(bytes),
        }
    }
}

/// Makes values of a blob's bytes: text is UTF-8, or from the first byte on that is not, Windows-1252.
struct Decoder {
    text: bool,
    latin: bool,
    /// The beginning of a character whose rest is in the next piece.
    carry: Vec<u8>,
}

impl Decoder {
    fn of(variable: &Variable) -> Self {
        let text = variable.sub_type == 1 && convert::blob_set(variable) != OCTETS;
        Decoder { text, latin: false, carry: Vec::new() }
    }

    fn whole(&mut self, bytes: Vec<u8>) -> Content {
        if !self.text {
            return Content::Binary(bytes);
        }
        Content::Text(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => error.as_bytes().iter().map(|byte| windows_1252(*byte)).collect(),
        })
    }

    fn part(&mut self, piece: &Piece, sink: &mut dyn Sink) -> Result<(), Stopped> {
        if !self.text {
            sink.part(Part::Binary(&piece.bytes))?;
            return Ok(());
        }
        let text = self.text(&piece.bytes, piece.last);
        if !text.is_empty() {
            sink.part(Part::Text(&text))?;
        }
        Ok(())
    }

    fn text(&mut self, bytes: &[u8], last: bool) -> String {
        self.carry.extend_from_slice(bytes);
        let mut bytes = std::mem::take(&mut self.carry);
        let mut out = String::with_capacity(bytes.len());
        if !self.latin {
            let valid = match std::str::from_utf8(&bytes) {
                Ok(text) => {
                    out.push_str(text);
                    return out;
                }
                Err(error) => error,
            };
            let (good, rest) = bytes.split_at(valid.valid_up_to());
            out.push_str(&String::from_utf8_lossy(good));
            if valid.error_len().is_none() && !last {
                self.carry = rest.to_vec();
                return out;
            }
            self.latin = true;
            bytes = rest.to_vec();
        }
        out.extend(bytes.iter().map(|byte| windows_1252(*byte)));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(pieces: &[&[u8]]) -> String {
        let mut decoder = Decoder { text: true, latin: false, carry: Vec::new() };
        let all = pieces.iter().enumerate();
        all.map(|(i, piece)| decoder.text(piece, i + 1 == pieces.len())).collect()
    }

    proptest! {
        #[test]
        fn text_in_pieces_is_the_text_wherever_it_was_cut(text in any::<String>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
            let bytes = text.as_bytes();
            let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort();
            let pieces: Vec<_> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(decoded(&pieces), text);
        }
    }

    #[test]
    fn what_is_not_utf_8_is_windows_1252() {
        assert_eq!(decoded(&[b"M\xFCl", b"\xC3\x9F"]), "MülÃŸ");
        assert_eq!(decoded(&[b"a\xC3"]), "aÃ");
    }
}
