//! Result sets with columns of MAX types: column by column, so that a value of any size passes through little memory.

use super::{Row, recycled, text::Pieces};
use crate::run::Cut;
use database::{Part, Sink, Value, Wanted};
use mssql_tds::{
    connection::tds_client::{CursorColumn, CursorPoll, ResultSet, TdsClient},
    datatypes::{column_values::ColumnValues, sql_string::EncodingType, sqldatatypes::TdsDataType},
    error::Error,
    query::metadata::{ColumnMetadata, PlpEncoding},
};

/// A value up to this many bytes on the wire is gathered into an ordinary row.
const LARGE: usize = 64 * 1024;
/// Bytes read at a time.
const PIECE: usize = 32 * 1024;

/// How a column is read.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// In its row, with its neighbours.
    Inline,
    Bytes,
    Text(EncodingType),
    Xml,
}

fn kind(column: &ColumnMetadata) -> Kind {
    match column.plp_encoding() {
        None => Kind::Inline,
        Some(PlpEncoding::Utf16Text) if column.data_type == TdsDataType::Xml => Kind::Xml,
        Some(PlpEncoding::Utf16Text) => Kind::Text(EncodingType::Utf16),
        Some(PlpEncoding::Utf8Text) => Kind::Text(EncodingType::Utf8),
        Some(PlpEncoding::SingleByteText) => {
            Kind::Text(column.get_collation().map_or(EncodingType::DelayedSet, EncodingType::LcidBased))
        }
        Some(PlpEncoding::Binary) => Kind::Bytes,
    }
}

pub(super) async fn pass(client: &mut TdsClient, sink: &mut dyn Sink) -> Result<(), Cut> {
    let kinds: Vec<Kind> = client.get_metadata().iter().map(kind).collect();
    let mut values: Vec<Value<'_>> = Vec::with_capacity(kinds.len());
    let mut reader = Reader {
        row: Row::new(kinds.len()),
        parted: false,
        sent: 0,
        piece: vec![0; PIECE],
        small: Vec::with_capacity(PIECE),
    };
    loop {
        // Most rows lie in the driver's buffer whole: then nothing is waited for.
        let more = match client.try_next_row_cursor()? {
            CursorPoll::Ready(more) => more,
            CursorPoll::Pending => client.next_row_cursor().await?,
        };
        if !more {
            return Ok(());
        }
        reader.row(client, &kinds, sink).await?;
        let wanted = if reader.parted {
            sink.part(Part::EndOfRow)?
        } else {
            let mut lent = recycled(values);
            reader.row.lend(&mut lent);
            let wanted = sink.row(&lent)?;
            values = recycled(lent);
            wanted
        };
        if wanted == Wanted::NoMore {
            return Ok(());
        }
    }
}

struct Reader {
    row: Row,
    /// A value of this row was too large: the sink gets it in parts.
    parted: bool,
    /// Values of `row` that the sink has got as parts.
    sent: usize,
    piece: Vec<u8>,
    /// What has come of a value that may yet be small.
    small: Vec<u8>,
}

impl Reader {
    async fn row(&mut self, client: &mut TdsClient, kinds: &[Kind], sink: &mut dyn Sink) -> Result<(), Cut> {
        self.row.clear();
        (self.parted, self.sent) = (false, 0);
        let mut at = 0;
        // A value that was streamed leaves the driver in the middle: the next one is asked for by itself.
        let mut streamed = false;
        while let Some(&kind) = kinds.get(at) {
            if kind == Kind::Inline && !streamed {
                let inline = kinds[at..].iter().take_while(|kind| **kind == Kind::Inline).count();
                at += inline;
                self.inline(client, at, kinds.len()).await?;
            } else {
                streamed = match streamed || !self.buffered(client, at, kind)? {
                    true => self.alone(client, at, kind, sink).await?,
                    false => false,
                };
                at += 1;
            }
            if self.parted {
                self.send(sink)?;
            }
        }
        Ok(())
    }

    /// Values up to column `end`, none of a MAX type.
    async fn inline(&mut self, client: &mut TdsClient, end: usize, columns: usize) -> Result<(), Cut> {
        if end == columns {
            if !client.try_finish_row_into(&mut self.row)? {
                client.finish_row_into(&mut self.row).await?;
            }
        } else if !client.try_finish_row_prefix_into(end, &mut self.row)? {
            client.finish_row_prefix_into(end, &mut self.row).await?;
        }
        Ok(())
    }

    /// A value of a MAX type that lies in the driver's buffer whole; says no when it does not.
    fn buffered(&mut self, client: &mut TdsClient, at: usize, kind: Kind) -> Result<bool, Cut> {
        match client.try_read_row_plp_complete(at, &mut self.piece)? {
            CursorPoll::Ready(Some(chunk)) => push(&mut self.row, kind, &self.piece[..chunk.read]),
            CursorPoll::Ready(None) => self.row.put(ColumnValues::Null),
            CursorPoll::Pending => return Ok(false),
        }
        Ok(true)
    }

    /// A value by itself; whether it was streamed.
    async fn alone(
        &mut self,
        client: &mut TdsClient,
        at: usize,
        kind: Kind,
        sink: &mut dyn Sink,
    ) -> Result<bool, Cut> {
        match client.read_row_column(at).await? {
            CursorColumn::Value { value, .. } => {
                self.row.put(value);
                Ok(false)
            }
            CursorColumn::PlpStreaming { .. } => {
                if !self.gather(client, kind).await? {
                    self.parted = true;
                    self.send(sink)?;
                    self.stream(client, kind, sink).await?;
                }
                Ok(true)
            }
            CursorColumn::AlreadyConsumed | CursorColumn::RowEnded => {
                Err(Cut::Driver(Error::ProtocolError("a row ended early".to_owned())))
            }
        }
    }

    /// Gives the sink, as parts, the values that it has not got.
    fn send(&mut self, sink: &mut dyn Sink) -> Result<(), Cut> {
        while let Some(value) = self.row.get(self.sent) {
            sink.part(Part::Value(value))?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Reads a value into the row if it is small; if not, says no, with its beginning kept.
    async fn gather(&mut self, client: &mut TdsClient, kind: Kind) -> Result<bool, Cut> {
        self.small.clear();
        loop {
            let chunk = client.read_active_plp_chunk(&mut self.piece).await?;
            self.small.extend_from_slice(&self.piece[..chunk.read]);
            if self.small.len() > LARGE {
                return Ok(false);
            }
            if chunk.reached_end {
                push(&mut self.row, kind, &self.small);
                return Ok(true);
            }
            stalled(chunk.read)?;
        }
    }

    /// Passes a large value on, its beginning first.
    async fn stream(&mut self, client: &mut TdsClient, kind: Kind, sink: &mut dyn Sink) -> Result<(), Cut> {
        let mut pieces = match kind {
            Kind::Bytes | Kind::Inline => None,
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

fn push(row: &mut Row, kind: Kind, bytes: &[u8]) {
    match kind {
        Kind::Bytes | Kind::Inline => row.push_bytes(bytes),
        Kind::Text(encoding) => row.push_text(bytes, encoding),
        Kind::Xml => row.push_text(marked(bytes), EncodingType::Utf16),
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
