//! Tokens, the sentences of an answer.

use super::{Put, cell::Cell, kind::Kind, put_utf16};
use crate::{
    codepage::COLLATION,
    wire::{Version, packet::LARGEST},
};
use practice::events::{Ended, Message, ResultColumn};

/// What the server calls itself. Drivers look for these words.
pub(crate) const PROGRAM: &str = "Microsoft SQL Server";
/// Its version, that of SQL Server 2022: major, minor, build.
pub(crate) const PROGRAM_VERSION: [u8; 4] = [16, 0, 0x03, 0xE8];
/// The server's name in errors.
pub(crate) const SERVER: &str = "HALO-PRACTICE";

/// Which of the three tokens ends something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoneKind {
    Batch = 0xFD,
    Procedure = 0xFE,
    Inside = 0xFF,
}

/// The end of a statement, a call or a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) kind: DoneKind,
    pub(crate) command: u16,
    pub(crate) rows: Option<u64>,
    pub(crate) error: bool,
    pub(crate) attention: bool,
}

impl Done {
    pub(crate) fn plain(kind: DoneKind) -> Done {
        Done { kind, command: 0, rows: None, error: false, attention: false }
    }
}

/// The statement's number as DONE has it.
pub(crate) fn command(what: Ended) -> u16 {
    match what {
        Ended::Select => 0xC1,
        Ended::Insert => 0xC3,
        Ended::Delete => 0xC4,
        Ended::Update => 0xC5,
        Ended::Other => 0,
    }
}

pub(crate) fn put_done(done: &Done, more: bool, version: Version, out: &mut dyn Put) {
    let mut status = u16::from(more);
    status |= u16::from(done.error) << 1;
    status |= u16::from(done.rows.is_some()) << 4;
    status |= u16::from(done.attention) << 5;
    out.u8(done.kind as u8);
    out.u16(status);
    out.u16(done.command);
    let rows = done.rows.unwrap_or(0);
    if version < Version::V72 {
        out.u32(u32::try_from(rows).unwrap_or(u32::MAX));
    } else {
        out.u64(rows);
    }
}

/// At most that many UTF-16 units of a text, never half a pair.
fn clip(text: &str, units: usize) -> &str {
    if text.len() <= units {
        return text;
    }
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.len_utf16();
        used > units
    });
    end.map_or(text, |(at, _)| &text[..at])
}

fn units(text: &str) -> usize {
    super::utf16_bytes(text) / 2
}

/// A length of one byte, then the text; longer ones are clipped.
pub(crate) fn put_b_varchar(text: &str, most: u8, out: &mut dyn Put) {
    let text = clip(text, most.into());
    out.u8(units(text) as u8);
    put_utf16(text, out);
}

/// A token whose length of two bytes follows its number. None is as long as 64 KB: texts in them are clipped.
fn put_counted(token: u8, content: &[u8], out: &mut dyn Put) {
    out.u8(token);
    out.u16(u16::try_from(content.len()).expect("texts in tokens are clipped well below 64 KB"));
    out.put(content);
}

/// ERROR from class 11 on, INFO below.
pub(crate) fn put_message(message: &Message, version: Version, out: &mut dyn Put) {
    let mut content = Vec::new();
    content.put(&message.number.to_le_bytes());
    content.put(&[message.state, message.class]);
    let text = clip(&message.text, 8000);
    content.u16(units(text) as u16);
    put_utf16(text, &mut content);
    put_b_varchar(SERVER, 128, &mut content);
    put_b_varchar(&message.procedure, 128, &mut content);
    if version < Version::V72 {
        content.u16(u16::try_from(message.line).unwrap_or(u16::MAX));
    } else {
        content.u32(message.line);
    }
    put_counted(if message.class > 10 { 0xAA } else { 0xAB }, &content, out);
}

/// Changes of the environment that the client is told.
pub(crate) enum Change<'a> {
    Database { new: &'a str, old: &'a str },
    Language,
    PacketSize { new: usize, old: usize },
    Collation,
    Begun(u64),
    Committed(u64),
    RolledBack(u64),
    Reset,
}

pub(crate) fn put_change(change: &Change<'_>, out: &mut dyn Put) {
    let mut content = Vec::new();
    let pair = |number: u8, new: &str, old: &str, content: &mut Vec<u8>| {
        content.u8(number);
        put_b_varchar(new, 128, content);
        put_b_varchar(old, 128, content);
    };
    match change {
        Change::Database { new, old } => pair(1, new, old, &mut content),
        Change::Language => pair(2, "us_english", "", &mut content),
        Change::PacketSize { new, old } => pair(4, &new.to_string(), &old.to_string(), &mut content),
        Change::Collation => {
            content.put(&[7, 5]);
            content.put(&COLLATION);
            content.u8(0);
        }
        Change::Begun(transaction) => {
            content.put(&[8, 8]);
            content.u64(*transaction);
            content.u8(0);
        }
        Change::Committed(transaction) | Change::RolledBack(transaction) => {
            content.put(&[if matches!(change, Change::Committed(_)) { 9 } else { 10 }, 0, 8]);
            content.u64(*transaction);
        }
        Change::Reset => content.put(&[18, 0, 0]),
    }
    put_counted(0xE3, &content, out);
}

pub(crate) fn put_login_ack(version: Version, out: &mut dyn Put) {
    let mut content = vec![1];
    content.put(&version.code().to_be_bytes());
    put_b_varchar(PROGRAM, 128, &mut content);
    content.put(&PROGRAM_VERSION);
    put_counted(0xAD, &content, out);
}

pub(crate) fn put_columns(columns: &[ResultColumn], kinds: &[Kind], version: Version, out: &mut dyn Put) {
    out.u8(0x81);
    // SQL Server's most is 4096.
    out.u16(columns.len() as u16);
    for (column, kind) in columns.iter().zip(kinds) {
        put_user_type(kind.user_type(), version, out);
        // May be NULL; whether it can be written is not known.
        out.u16(0x0009);
        kind.put_type(out);
        if kind.is_old_large() {
            // The table's name, in one part.
            if version >= Version::V72 {
                out.u8(1);
            }
            out.u16(0);
        }
        put_b_varchar(&column.name, 128, out);
    }
}

pub(crate) fn put_user_type(user_type: u32, version: Version, out: &mut dyn Put) {
    if version < Version::V72 {
        out.u16(user_type as u16);
    } else {
        out.u32(user_type);
    }
}

/// A row; with a bitmap instead of its NULLs where that is shorter and the client knows it.
pub(crate) fn put_row(kinds: &[Kind], cells: &[Cell<'_>], version: Version, out: &mut dyn Put) {
    let both = || kinds.iter().zip(cells);
    let saved: usize = both().filter(|(_, c)| matches!(c, Cell::Null)).map(|(k, _)| k.null_size()).sum();
    let bitmap = version >= Version::V73B && saved > kinds.len().div_ceil(8);
    if !bitmap {
        out.u8(0xD1);
        both().for_each(|(kind, cell)| kind.put_cell(cell, out));
        return;
    }
    out.u8(0xD2);
    for eight in cells.chunks(8) {
        let bits = eight.iter().enumerate().map(|(at, c)| u8::from(matches!(c, Cell::Null)) << at);
        out.u8(bits.fold(0, |all, bit| all | bit));
    }
    both().filter(|(_, c)| !matches!(c, Cell::Null)).for_each(|(kind, cell)| kind.put_cell(cell, out));
}

/// The largest packet size that is granted.
pub(crate) fn packet_size(asked: u32) -> usize {
    match asked {
        0 => 4096,
        asked => (asked as usize).clamp(512, LARGEST),
    }
}
