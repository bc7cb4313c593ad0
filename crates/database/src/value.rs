//! Typed values as a database cursor yields them, borrowed from its buffers.

/// A day of the proleptic Gregorian calendar, years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// A time of day in ticks of 100 ns since midnight: SQL Server's finest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// Ticks in a second.
    pub const SECOND: u64 = 10_000_000;
    /// Ticks in a day: a valid time is below it.
    pub const DAY: u64 = 24 * 60 * 60 * Self::SECOND;
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL of any type.
    Null,
    /// `bit`.
    Bit(bool),
    /// `tinyint` to `bigint`.
    Int(i64),
    /// `decimal`, `numeric`, `money`, `smallmoney`: the exact digits as the database has them, for example `-12.3400`.
    Decimal(&'a str),
    /// `real`.
    Real(f32),
    /// `float`.
    Float(f64),
    /// `date`.
    Date(Date),
    /// `datetime`, `datetime2`, `smalldatetime`: no zone.
    DateTime(Date, Time),
    /// `datetimeoffset`: local date and time, offset in minutes east of UTC.
    DateTimeOffset(Date, Time, i16),
    /// `time`.
    Time(Time),
    /// `uniqueidentifier`.
    Guid(uuid::Uuid),
    /// All text kinds and `xml`; trailing spaces are kept.
    Text(&'a str),
    /// All binary kinds, `rowversion`.
    Binary(&'a [u8]),
}
