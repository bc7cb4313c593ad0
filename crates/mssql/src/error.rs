//! The driver's errors in the words of the door. What is not the server's own word means a lost connection.

use database::{Dialect, Failure, SqlError};
use mssql_tds::error::{Error, SqlErrorInfo};

/// From this class on the server closes the connection.
pub(crate) const FATAL: u8 = 20;

pub(crate) fn failure(error: Error) -> Failure {
    match error {
        Error::SqlServerError { diagnostics } => {
            // A login that fails can be told twice (4060 with 18456 behind it): the first is the reason.
            diagnostics.errors.first().map_or(Failure::Lost, |first| Failure::Sql(told(first)))
        }
        Error::OperationCancelledError(_) => Failure::Cancelled,
        other => {
            tracing::warn!(why = reason(&other), "no connection to SQL Server any more");
            Failure::Lost
        }
    }
}

fn told(error: &SqlErrorInfo) -> SqlError {
    SqlError {
        dialect: Dialect::Mssql,
        number: i32::try_from(error.number).unwrap_or(i32::MAX),
        state: error.state,
        class: u8::try_from(error.class).unwrap_or(u8::MAX),
        line: error.line_number.and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
        message: error.message.clone().into(),
    }
}

/// Why a server could not be reached, for the log: never the driver's own words, which may quote what it was given.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::CertificateMismatch => "the server's certificate is another than the pinned one",
        Error::CertificateNotFound { .. } | Error::CertificateFileIoError { .. } => {
            "the pinned certificate can't be read"
        }
        Error::InvalidCertificateFormat { .. } => "the pinned certificate is no PEM or DER",
        Error::CertificateExpired => "the server's certificate has expired",
        Error::TlsError(_) | Error::TlsHandshakeError { .. } | Error::NoServerCertificate => {
            "TLS failed: is the server's certificate trusted, or pinned?"
        }
        Error::TimeoutError(_) => "time-out",
        Error::Io(_) | Error::ConnectionError(_) | Error::ConnectionClosed(_) => "unreachable",
        Error::Security(_) => "integrated login failed",
        _ => "not understood",
    }
}
