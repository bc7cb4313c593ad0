//! Cuts an answer into packets of the negotiated size and hands them, a few at a time, to the connection's writer. The
//! channel is bounded: a client that reads slowly holds the session up, not the memory.

use super::Put;
use crate::wire::packet::{HEADER, kind};
use tokio::sync::mpsc::Sender;

/// Packets travel in pieces of about this size.
const PIECE: usize = 64 * 1024;

pub(crate) struct Packets {
    writer: Sender<Vec<u8>>,
    size: usize,
    piece: Vec<u8>,
    /// Where in the piece the open packet begins; at its end when none is open.
    start: usize,
    number: u8,
    gone: bool,
}

impl Packets {
    pub(crate) fn new(writer: Sender<Vec<u8>>, size: usize) -> Packets {
        Packets { writer, size, piece: Vec::new(), start: 0, number: 1, gone: false }
    }

    /// From the next message on.
    pub(crate) fn set_size(&mut self, size: usize) {
        self.size = size;
    }

    /// Whether nobody takes packets any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone || self.writer.is_closed()
    }

    /// Ends the message.
    pub(crate) fn finish(&mut self) {
        self.open();
        self.close(true);
        self.number = 1;
    }

    fn open(&mut self) {
        if self.start == self.piece.len() {
            self.piece.extend_from_slice(&[0; HEADER]);
        }
    }

    fn close(&mut self, last: bool) {
        // At most 32,767, checked when the size was negotiated.
        let length = (self.piece.len() - self.start) as u16;
        let [high, low] = length.to_be_bytes();
        let header = [kind::ANSWER, u8::from(last), high, low, 0, 0, self.number, 0];
        self.piece[self.start..self.start + HEADER].copy_from_slice(&header);
        self.start = self.piece.len();
        self.number = self.number.wrapping_add(1);
        // A writer with nothing to do gets even a single packet at once: first rows come early.
        let idle = self.writer.capacity() == self.writer.max_capacity();
        if last || idle || self.piece.len() + self.size > PIECE {
            self.start = 0;
            let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(self.size.min(PIECE)));
            self.gone |= self.gone || self.writer.blocking_send(piece).is_err();
        }
    }
}

impl Put for Packets {
    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.gone {
            self.open();
            let room = self.size - (self.piece.len() - self.start);
            if room == 0 {
                self.close(false);
                continue;
            }
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.piece.extend_from_slice(now);
            bytes = rest;
        }
    }
}
