//! Row JSON on the wire: one zstd stream per answer, cut into pieces, unpacked under a limit.

use crate::proto::Rows;
use bytes::Bytes;
use std::io;
use zstd::stream::raw::{Decoder, Encoder, InBuffer, Operation, OutBuffer};

/// Fast and small enough: a Link's uplink is the bottleneck, its processor belongs to the clinic.
const LEVEL: i32 = 1;
/// 2^19 = 512 KiB of history on both sides; a peer that asks for more is refused.
const WINDOW_LOG: u32 = 19;
/// Below this a whole answer travels plain: a compressor costs more than it saves.
const PLAIN_BELOW: usize = 512;

/// Packs the pieces of one answer.
#[derive(Default)]
pub struct Packer {
    encoder: Option<Encoder<'static>>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    /// What follows is another answer: nothing of the one before is needed to unpack it. The compressor's memory, a megabyte or two, is
    /// used again; asked for anew for each page of a result it would pile up in the allocator.
    pub fn restart(&mut self) -> io::Result<()> {
        self.encoder.as_mut().map_or(Ok(()), Operation::reinit)
    }

    /// Packs one piece; `last` says that no other follows (a short answer then stays plain).
    pub fn pack(&mut self, json: Vec<u8>, last: bool) -> io::Result<Rows> {
        let unpacked = u32::try_from(json.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        if last && self.encoder.is_none() && json.len() < PLAIN_BELOW {
            return Ok(Rows { data: Bytes::from(json), unpacked, zstd: false });
        }
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => {
                let mut encoder = Encoder::new(LEVEL)?;
                encoder.set_parameter(zstd::stream::raw::CParameter::WindowLog(WINDOW_LOG))?;
                encoder.set_parameter(zstd::stream::raw::CParameter::ChecksumFlag(false))?;
                self.encoder.insert(encoder)
            }
        };
        let mut out = Vec::with_capacity(json.len() / 4 + 256);
        let mut input = InBuffer::around(&json);
        loop {
            out.reserve(16 * 1024);
            let at = out.len();
            let mut output = OutBuffer::around_pos(&mut out, at);
            if input.pos < json.len() {
                encoder.run(&mut input, &mut output)?;
            } else if encoder.flush(&mut output)? == 0 {
                break;
            }
        }
        Ok(Rows { data: Bytes::from(out), unpacked, zstd: true })
    }
}

/// Unpacks the pieces of one answer.
#[derive(Default)]
pub struct Unpacker {
    decoder: Option<Decoder<'static>>,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unpacker")
    }
}

/// Why a piece could not be unpacked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnpackError {
    /// It claims, or turned out, to be larger than [`model::limit::CHUNK_MAX_BYTES`] or than it claimed.
    #[error("a piece of rows is larger than it may be")]
    TooLarge,
    /// Not zstd, a broken stream, or shorter than claimed.
    #[error("a piece of rows is broken")]
    Broken,
}

impl Unpacker {
    /// The row JSON of one piece. Memory is bounded by the claim, the claim by the limit.
    pub fn unpack(&mut self, rows: Rows) -> Result<Bytes, UnpackError> {
        let claimed = rows.unpacked as usize;
        if claimed > model::limit::CHUNK_MAX_BYTES {
            return Err(UnpackError::TooLarge);
        }
        if !rows.zstd {
            return match rows.data.len() == claimed && self.decoder.is_none() {
                true => Ok(rows.data),
                false => Err(UnpackError::Broken),
            };
        }
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            None => {
                let mut decoder = Decoder::new().map_err(|_| UnpackError::Broken)?;
                decoder
                    .set_parameter(zstd::stream::raw::DParameter::WindowLogMax(WINDOW_LOG))
                    .map_err(|_| UnpackError::Broken)?;
                self.decoder.insert(decoder)
            }
        };
        // One byte more than claimed, so that a stream which has more to say is noticed.
        let mut out = Vec::with_capacity(claimed + 1);
        let mut input = InBuffer::around(&rows.data);
        while input.pos < rows.data.len() {
            let (at, before) = (out.len(), input.pos);
            let mut output = OutBuffer::around_pos(&mut out, at);
            decoder.run(&mut input, &mut output).map_err(|_| UnpackError::Broken)?;
            if out.len() > claimed {
                return Err(UnpackError::TooLarge);
            }
            if input.pos == before && out.len() == at {
                return Err(UnpackError::Broken);
            }
        }
        if out.len() == claimed { Ok(Bytes::from(out)) } else { Err(UnpackError::Broken) }
    }
}

#[cfg(test)]
mod tests;
