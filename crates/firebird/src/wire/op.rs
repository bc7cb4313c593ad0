//! Numbers of the protocol.

pub(crate) const CONNECT: u32 = 1;
pub(crate) const ACCEPT: u32 = 3;
pub(crate) const REJECT: u32 = 4;
pub(crate) const RESPONSE: u32 = 9;
pub(crate) const ATTACH: u32 = 19;
pub(crate) const DETACH: u32 = 21;
pub(crate) const TRANSACTION: u32 = 29;
pub(crate) const COMMIT: u32 = 30;
pub(crate) const ROLLBACK: u32 = 31;
pub(crate) const GET_SEGMENT: u32 = 36;
pub(crate) const PUT_SEGMENT: u32 = 37;
pub(crate) const CLOSE_BLOB: u32 = 39;
pub(crate) const INFO_DATABASE: u32 = 40;
pub(crate) const OPEN_BLOB2: u32 = 56;
pub(crate) const CREATE_BLOB2: u32 = 57;
pub(crate) const ALLOCATE: u32 = 62;
pub(crate) const EXECUTE: u32 = 63;
pub(crate) const FETCH: u32 = 65;
pub(crate) const FETCH_RESPONSE: u32 = 66;
pub(crate) const FREE: u32 = 67;
pub(crate) const PREPARE: u32 = 68;
pub(crate) const INFO_SQL: u32 = 70;
pub(crate) const DUMMY: u32 = 71;
pub(crate) const EXECUTE2: u32 = 76;
pub(crate) const SQL_RESPONSE: u32 = 78;
pub(crate) const CANCEL: u32 = 91;
pub(crate) const CONT_AUTH: u32 = 92;
pub(crate) const PING: u32 = 93;
pub(crate) const ACCEPT_DATA: u32 = 94;
pub(crate) const CRYPT: u32 = 96;
pub(crate) const COND_ACCEPT: u32 = 98;

/// A handle that stands for the object made last, while its answer is still under way.
pub(crate) const LAST: u32 = 0xFFFF;

/// Protocol versions from 11 on have this bit.
pub(crate) const VERSION_BIT: u32 = 0x8000;
/// Versions that this client speaks, the one it likes least first.
pub(crate) const VERSIONS: [u32; 4] = [13, 14, 15, 16];

/// Of `op_free_statement`.
pub(crate) const DROP: u32 = 2;

/// Of `op_cancel`.
#[derive(Clone, Copy)]
pub(crate) enum CancelKind {
    /// Stops what runs, and forgets a request to stop that nothing took.
    Disable = 1,
    /// Requests to stop are taken again.
    Enable = 2,
    /// What runs is to stop.
    Raise = 3,
}

/// Kinds of statement, as `isc_info_sql_stmt_type` has them.
pub(crate) mod statement {
    pub(crate) const SELECT: u32 = 1;
    pub(crate) const INSERT: u32 = 2;
    pub(crate) const UPDATE: u32 = 3;
    pub(crate) const DELETE: u32 = 4;
    pub(crate) const DDL: u32 = 5;
    pub(crate) const EXEC_PROCEDURE: u32 = 8;
    pub(crate) const START: u32 = 9;
    pub(crate) const COMMIT: u32 = 10;
    pub(crate) const ROLLBACK: u32 = 11;
    pub(crate) const SELECT_FOR_UPDATE: u32 = 12;
    pub(crate) const SET_GENERATOR: u32 = 13;
}
