//! One row, in memory that the next one uses again.

use super::text::push_text;
use crate::calendar;
use database::{Date, Time, Value};
use mssql_tds::datatypes::{
    column_values::{
        ColumnValues, SqlDate, SqlDateTime, SqlDateTime2, SqlDateTimeOffset, SqlMoney, SqlSmallDateTime,
        SqlSmallMoney, SqlTime, SqlXml,
    },
    decoder::DecimalParts,
    row_writer::RowWriter,
    sql_json::SqlJson,
    sql_string::EncodingType,
    sql_vector::SqlVector,
};
use std::{borrow::Cow, fmt::Write as _, ops::Range};
use uuid::Uuid;

/// Memory that a row may keep for the next, each for text and bytes.
const KEPT: usize = 1 << 20;

/// A value; text and bytes are where they lie in the row's own buffers.
enum Cell {
    Null,
    Bit(bool),
    Int(i64),
    Real(f32),
    Float(f64),
    Decimal(Range<usize>),
    Date(Date),
    Time(Time),
    DateTime(Date, Time),
    Offset(Date, Time, i16),
    Guid(Uuid),
    Text(Range<usize>),
    Binary(Range<usize>),
}

/// Takes a row from the decoder and lends it as [`Value`]s.
pub(crate) struct Row {
    cells: Vec<Cell>,
    text: String,
    bytes: Vec<u8>,
}

impl Row {
    pub(crate) fn new(columns: usize) -> Row {
        Row { cells: Vec::with_capacity(columns), text: String::new(), bytes: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.cells.clear();
        self.text.clear();
        self.bytes.clear();
        self.text.shrink_to(KEPT);
        self.bytes.shrink_to(KEPT);
    }

    /// Appends the row's values.
    pub(crate) fn lend<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        values.extend(self.cells.iter().map(|cell| self.value(cell)));
    }

    /// The value that was written last.
    pub(crate) fn last(&self) -> Value<'_> {
        self.cells.last().map_or(Value::Null, |cell| self.value(cell))
    }

    /// One value.
    pub(crate) fn get(&self, at: usize) -> Option<Value<'_>> {
        self.cells.get(at).map(|cell| self.value(cell))
    }

    fn value(&self, cell: &Cell) -> Value<'_> {
        match cell {
            Cell::Null => Value::Null,
            Cell::Bit(v) => Value::Bit(*v),
            Cell::Int(v) => Value::Int(*v),
            Cell::Real(v) => Value::Real(*v),
            Cell::Float(v) => Value::Float(*v),
            Cell::Decimal(at) => Value::Decimal(&self.text[at.clone()]),
            Cell::Date(date) => Value::Date(*date),
            Cell::Time(time) => Value::Time(*time),
            Cell::DateTime(date, time) => Value::DateTime(*date, *time),
            Cell::Offset(date, time, minutes) => Value::DateTimeOffset(*date, *time, *minutes),
            Cell::Guid(guid) => Value::Guid(*guid),
            Cell::Text(at) => Value::Text(&self.text[at.clone()]),
            Cell::Binary(at) => Value::Binary(&self.bytes[at.clone()]),
        }
    }

    /// Text in whichever encoding the server sent it.
    pub(crate) fn push_text(&mut self, bytes: &[u8], encoding: EncodingType) {
        let start = self.text.len();
        push_text(bytes, encoding, &mut self.text);
        self.cells.push(Cell::Text(start..self.text.len()));
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.cells.push(Cell::Binary(start..self.bytes.len()));
    }

    fn push_xml(&mut self, bytes: &[u8]) {
        // The mark at the start of UTF-16 is none of the document's.
        self.push_text(bytes.strip_prefix(&[0xFF, 0xFE]).unwrap_or(bytes), EncodingType::Utf16);
    }

    fn push_decimal(&mut self, digits: impl std::fmt::Display) {
        let start = self.text.len();
        // Writing to a string can't fail.
        let _ = write!(self.text, "{digits}");
        self.cells.push(Cell::Decimal(start..self.text.len()));
    }

    fn push_money(&mut self, amount: i64) {
        let sign = if amount < 0 { "-" } else { "" };
        let amount = amount.unsigned_abs();
        self.push_decimal(format_args!("{sign}{}.{:04}", amount / 10_000, amount % 10_000));
    }

    /// A value that the driver made.
    pub(crate) fn put(&mut self, value: ColumnValues) {
        let col = self.cells.len();
        match value {
            ColumnValues::Null => self.write_null(col),
            ColumnValues::Bit(v) => self.write_bool(col, v),
            ColumnValues::TinyInt(v) => self.write_u8(col, v),
            ColumnValues::SmallInt(v) => self.write_i16(col, v),
            ColumnValues::Int(v) => self.write_i32(col, v),
            ColumnValues::BigInt(v) => self.write_i64(col, v),
            ColumnValues::Real(v) => self.write_f32(col, v),
            ColumnValues::Float(v) => self.write_f64(col, v),
            ColumnValues::Decimal(v) | ColumnValues::Numeric(v) => self.write_decimal(col, v),
            ColumnValues::String(v) => self.push_text(&v.bytes, *v.encoding_type()),
            ColumnValues::Bytes(v) => self.push_bytes(&v),
            ColumnValues::Date(v) => self.write_date(col, v),
            ColumnValues::Time(v) => self.write_time(col, v),
            ColumnValues::DateTime(v) => self.write_datetime(col, v),
            ColumnValues::SmallDateTime(v) => self.write_smalldatetime(col, v),
            ColumnValues::DateTime2(v) => self.write_datetime2(col, v),
            ColumnValues::DateTimeOffset(v) => self.write_datetimeoffset(col, v),
            ColumnValues::Money(v) => self.write_money(col, v),
            ColumnValues::SmallMoney(v) => self.write_smallmoney(col, v),
            ColumnValues::Uuid(v) => self.write_uuid(col, v),
            ColumnValues::Xml(v) => self.write_xml(col, v),
            ColumnValues::Json(v) => self.write_json(col, v),
            ColumnValues::Vector(v) => self.write_vector(col, v),
        }
    }
}

/// The driver's times are ticks of 100 ns, whatever their scale. One past the day (no server sends it) is the day's last.
fn time(time: &SqlTime) -> Time {
    Time(time.time_nanoseconds.min(Time::DAY - 1))
}

fn day(days: u32) -> Date {
    calendar::date(i32::try_from(days).unwrap_or(i32::MAX))
}

impl RowWriter for Row {
    fn write_null(&mut self, _: usize) {
        self.cells.push(Cell::Null);
    }
    fn write_bool(&mut self, _: usize, val: bool) {
        self.cells.push(Cell::Bit(val));
    }
    fn write_u8(&mut self, _: usize, val: u8) {
        self.cells.push(Cell::Int(val.into()));
    }
    fn write_i16(&mut self, _: usize, val: i16) {
        self.cells.push(Cell::Int(val.into()));
    }
    fn write_i32(&mut self, _: usize, val: i32) {
        self.cells.push(Cell::Int(val.into()));
    }
    fn write_i64(&mut self, _: usize, val: i64) {
        self.cells.push(Cell::Int(val));
    }
    fn write_f32(&mut self, _: usize, val: f32) {
        self.cells.push(Cell::Real(val));
    }
    fn write_f64(&mut self, _: usize, val: f64) {
        self.cells.push(Cell::Float(val));
    }
    fn write_string(&mut self, _: usize, bytes: Cow<'_, [u8]>, encoding_type: EncodingType) {
        self.push_text(&bytes, encoding_type);
    }
    fn write_bytes(&mut self, _: usize, bytes: Cow<'_, [u8]>) {
        self.push_bytes(&bytes);
    }
    fn write_decimal(&mut self, _: usize, val: DecimalParts) {
        self.push_decimal(val);
    }
    fn write_numeric(&mut self, _: usize, val: DecimalParts) {
        self.push_decimal(val);
    }
    fn write_date(&mut self, _: usize, val: SqlDate) {
        self.cells.push(Cell::Date(day(val.get_days())));
    }
    fn write_time(&mut self, _: usize, val: SqlTime) {
        self.cells.push(Cell::Time(time(&val)));
    }
    fn write_datetime(&mut self, _: usize, val: SqlDateTime) {
        let date = calendar::date(val.days.saturating_add(calendar::TO_1900));
        self.cells.push(Cell::DateTime(date, calendar::from_thirds(val.time)));
    }
    fn write_smalldatetime(&mut self, _: usize, val: SqlSmallDateTime) {
        let date = calendar::date(i32::from(val.days) + calendar::TO_1900);
        self.cells.push(Cell::DateTime(date, Time(u64::from(val.time) * 60 * Time::SECOND)));
    }
    fn write_datetime2(&mut self, _: usize, val: SqlDateTime2) {
        self.cells.push(Cell::DateTime(day(val.days), time(&val.time)));
    }
    fn write_datetimeoffset(&mut self, _: usize, val: SqlDateTimeOffset) {
        // It travels as UTC.
        let ticks = i64::try_from(time(&val.datetime2.time).0).unwrap_or(0);
        let local = ticks + i64::from(val.offset) * 60 * Time::SECOND as i64;
        let days = i64::from(val.datetime2.days) + local.div_euclid(Time::DAY as i64);
        let time = Time(local.rem_euclid(Time::DAY as i64).unsigned_abs());
        let date = calendar::date(i32::try_from(days).unwrap_or(i32::MAX));
        self.cells.push(Cell::Offset(date, time, val.offset));
    }
    fn write_money(&mut self, _: usize, val: SqlMoney) {
        self.push_money(i64::from(val.msb_part) << 32 | i64::from(val.lsb_part as u32));
    }
    fn write_smallmoney(&mut self, _: usize, val: SqlSmallMoney) {
        self.push_money(val.int_val.into());
    }
    fn write_uuid(&mut self, _: usize, val: Uuid) {
        self.cells.push(Cell::Guid(val));
    }
    fn write_xml(&mut self, _: usize, val: SqlXml) {
        self.push_xml(&val.bytes);
    }
    fn write_json(&mut self, _: usize, val: SqlJson) {
        self.push_text(&val.bytes, EncodingType::Utf8);
    }
    fn write_vector(&mut self, _: usize, val: SqlVector) {
        // Link does not ask for vectors, so a server sends them as text; should one come, it is told as text too.
        let start = self.text.len();
        let _ = write!(self.text, "{:?}", val.as_f32().unwrap_or_default());
        self.cells.push(Cell::Text(start..self.text.len()));
    }
    fn end_row(&mut self) {}
}
