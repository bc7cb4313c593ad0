//! What clients send, read without any I/O: packets into messages, messages into requests. Every length is checked
//! before anything is taken by it.

mod budget;
pub mod login;
pub mod packet;
pub mod prelogin;
mod reader;
pub mod request;
pub mod rpc;
mod table;
mod typed;
mod variant;

pub use budget::Budget;
pub use packet::{Assembler, Limits, Message};
pub use reader::Reader;
pub use table::Table;
pub use typed::{Owned, read_type, read_value};

/// What is wrong with something that a client sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Not the protocol: nothing after it can be trusted.
    #[error("the protocol stream is incorrect: {0}")]
    Malformed(&'static str),
    /// A message over its limit, or no memory left for it.
    #[error("the message is too long")]
    TooLong,
    /// A parameter of a type that there is not, or that this server does not take.
    #[error("parameter {parameter} (\"{name}\"): {what}")]
    Parameter {
        /// From 1.
        parameter: usize,
        /// With its `@`; may be empty.
        name: String,
        /// What is the matter, in words.
        what: String,
    },
    /// The protocol, but a part of it that this server does not speak.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

/// The protocol's versions, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// SQL Server 2000.
    V71,
    /// SQL Server 2005: `max` types, 64-bit counts.
    V72,
    /// SQL Server 2008: `date`, `time`, `datetime2`, `datetimeoffset`.
    V73A,
    /// SQL Server 2008 R2: rows with a bitmap of NULLs.
    V73B,
    /// SQL Server 2012 to 2022.
    V74,
    /// The same inside TLS from the first byte on.
    V80,
}

impl Version {
    /// From LOGIN7; `None` for versions before 7.1.
    pub fn from_login(code: u32) -> Option<Version> {
        Some(match code {
            0x0800_0000..=0x08FF_FFFF => Version::V80,
            0x7100_0000..0x7200_0000 => Version::V71,
            0x7200_0000..0x730A_0000 => Version::V72,
            0x730A_0000..0x730B_0000 => Version::V73A,
            0x730B_0000..0x7400_0000 => Version::V73B,
            0x7400_0000.. => Version::V74,
            _ => return None,
        })
    }

    /// As LOGINACK says it, most significant byte first.
    pub fn code(self) -> u32 {
        match self {
            Version::V71 => 0x7100_0001,
            Version::V72 => 0x7209_0002,
            Version::V73A => 0x730A_0003,
            Version::V73B => 0x730B_0003,
            Version::V74 => 0x7400_0004,
            Version::V80 => 0x0800_0000,
        }
    }
}
