//! Result sets with columns of MAX types: column by column, so that a value of any size passes through little memory.

use super::{Row, recycled, text::Pieces};
use crate::run::Cut;
use database::{Part, Sink, Value, Wanted};
use mssql_tds::{
    connection::tds_client::{CursorColumn, ResultSet, TdsClient},
    datatypes::{sql_string::EncodingType, sqldatatypes::TdsDataType},
    error::Error,
    query::metadata::PlpEncoding,
};

/// A value up to this many bytes on the wire is gathered into an ordinary row.
const LARGE: usize = 64 * 1024;
/// Bytes read at a time.
const PIECE: usize = 32 * 1024;

/// How a column of a MAX type is read.
#[derive(Clone, Copy)]
enum Kind {
    Bytes,
    Text(EncodingType),
    Xml,
}

pub(super) async fn pass(client: &mut TdsClient, sink: &mut dyn Sink) -> Result<(), Cut> {
    let kinds: Vec<Kind> = client
        .get_metadata()
        .iter()
        .map(|column| match column.plp_encoding() {
            Some(PlpEncoding::Utf16Text) if column.data_type == TdsDataType::Xml => Kind::Xml,
            Some(PlpEncoding::Utf16Text) => Kind::Text(EncodingType::Utf16),
            Some(PlpEncoding::Utf8Text) => Kind::Text(EncodingType::Utf8),
            Some(PlpEncoding::SingleByteText) => {
                Kind::Text(column.get_collation().map_or(EncodingType::DelayedSet, EncodingType::LcidBased))
            }
            Some(PlpEncoding::Binary) | None => Kind::Bytes,
        })
        .collect();
    let mut row = Row::new(kinds.len());
    let mut values: Vec<Value<'_>> = Vec::with_capacity(kinds.len());
    let mut reader = Reader { piece: vec![0; PIECE], small: Vec::with_capacity(PIECE) };
    while client.next_row_cursor().await? {
        row.clear();
        let mut parted = false;
        for (at, kind) in kinds.iter().enumerate() {
            match client.read_row_column(at).await? {
                CursorColumn::Value { value, .. } => row.put(value),
                CursorColumn::PlpStreaming { .. } => {
                    if !reader.gather(client, *kind, &mut row).await? {
                        if !parted {
                            let mut lent = recycled(values);
                            row.lend(&mut lent);
                            for value in &lent {
                                sink.part(Part::Value(*value))?;
                            }
                            values = recycled(lent);
                            parted = true;
                        }
                        reader.stream(client, *kind, sink).await?;
                        continue;
                    }
                }
                CursorColumn::AlreadyConsumed | CursorColumn::RowEnded => {
                    return Err(Cut::Driver(Error::ProtocolError("a row ended early".to_owned())));
                }
            }
            if parted {
                sink.part(Part::Value(row.last()))?;
            }
        }
        let wanted = if parted {
            sink.part(Part::EndOfRow)?
        } else {
            let mut lent = recycled(values);
            row.lend(&mut lent);
            let wanted = sink.row(&lent);
            values = recycled(lent);
            wanted?
        };
        if wanted == Wanted::NoMore {
            return Ok(());
        }
    }
    Ok(())
}

struct Reader {
    piece: Vec<u8>,
    /// What has come of a value that may yet be small.
    small: Vec<u8>,
}

impl Reader {
    /// Reads a value into the row if it is small; if not, says no, with its beginning kept.
    async fn gather(&mut self, client: &mut TdsClient, kind: Kind, row: &mut Row) -> Result<bool, Cut> {
        self.small.clear();
        loop {
            let chunk = client.read_active_plp_chunk(&mut self.piece).await?;
            self.small.extend_from_slice(&self.piece[..chunk.read]);
            if self.small.len() > LARGE {
                return Ok(false);
            }
            if chunk.reached_end {
                match kind {
                    Kind::Bytes => row.push_bytes(&self.small),
                    Kind::Text(encoding) => row.push_text(&self.small, encoding),
                    Kind::Xml => row.push_text(marked(&self.small), EncodingType::Utf16),
                }
                return Ok(true);
            }
            stalled(chunk.read)?;
        }
    }

    /// Passes a large value on, its beginning first.
    async fn stream(&mut self, client: &mut TdsClient, kind: Kind, sink: &mut dyn Sink) -> Result<(), Cut> {
        let mut pieces = match kind {
            Kind::Bytes => None,
            Kind::Text(encoding) => Some(Pieces::new(encoding)),
            Kind::Xml => Some(Pieces::new(EncodingType::Utf16)),
        };
        let mut pass = |bytes: &[u8], last: bool| match &mut pieces {
            None if bytes.is_empty() => Ok(()),
            None => sink.part(Part::Binary(bytes)).map(|_| ()),
            Some(pieces) => pieces.feed(bytes, last, |text| sink.part(Part::Text(text)).map(|_| ())),
        };
        let beginning = std::mem::take(&mut self.small);
        pass(if matches!(kind, Kind::Xml) { marked(&beginning) } else { &beginning }, false)?;
        // The last chunk may have come with the beginning, and then there is no more to read.
        loop {
            let chunk = client.read_active_plp_chunk(&mut self.piece).await?;
            pass(&self.piece[..chunk.read], chunk.reached_end)?;
            if chunk.reached_end {
                break;
            }
            stalled(chunk.read)?;
        }
        sink.part(Part::EndOfValue)?;
        Ok(())
    }
}

/// The mark at the start of UTF-16 is none of the document's.
fn marked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(&[0xFF, 0xFE]).unwrap_or(bytes)
}

fn stalled(read: usize) -> Result<(), Cut> {
    if read == 0 {
        Err(Cut::Driver(Error::ProtocolError("a value makes no progress".to_owned())))
    } else {
        Ok(())
    }
}
