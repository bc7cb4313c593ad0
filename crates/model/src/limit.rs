//! Limits that are part of the published contract or of the protocol. Sizes in bytes, times in milliseconds.

/// A published immediate answer carries at most this much row JSON (before base64). Source: published facts, C6.
pub const IMMEDIATE_RESULT_BYTES: usize = 8 * 1024 * 1024;
/// Largest request body the public API reads.
pub const REQUEST_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Largest SQL text of one command.
pub const COMMAND_TEXT_BYTES: usize = 4 * 1024 * 1024;
/// Most parameters of one command: SQL Server's own limit for a procedure or `sp_executesql`.
pub const PARAMETERS: usize = 2_100;
/// Longest name of a catalogue, a parameter or a type, in bytes: SQL Server's 128 characters as UTF-8.
pub const NAME_BYTES: usize = 512;
/// Default of `maxTimeInQueue` for immediate queries.
pub const IMMEDIATE_QUEUE_DEFAULT_MS: u32 = 30_000;
/// Maximum of `maxTimeInQueue` for immediate queries.
pub const IMMEDIATE_QUEUE_MAX_MS: u32 = 60_000;
/// Default of `maxTimeInQueue` for async queries.
pub const ASYNC_QUEUE_DEFAULT_MS: u32 = 3_600_000;
/// Maximum of `maxTimeInQueue` for async queries, and for each run of a registered one.
pub const ASYNC_QUEUE_MAX_MS: u32 = 7_200_000;
/// Shortest time between two runs of a registered query, seconds. The published document's is 60.
pub const REGISTERED_FREQUENCY_MIN_S: u64 = 5;
/// Longest life of a registered query, seconds: 400 days. The published document's is 86,400.
pub const REGISTERED_DURATION_MAX_S: u64 = 400 * 86_400;
/// The result of a registered query carries at most this much row JSON.
pub const REGISTERED_RESULT_BYTES: usize = 8 * 1024 * 1024;
/// An immediate statement may run this long. Source: published facts, C6.
pub const IMMEDIATE_EXECUTION_MS: u32 = 60_000;
/// How long the gateway's mirror keeps a query's metadata and status.
pub const MIRROR_KEEP_MS: i64 = 24 * 60 * 60 * 1000;
/// Row JSON is cut into pieces of about this size before compression.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// One piece may never be larger than this when unpacked (a single row can be big); larger ones are refused.
pub const CHUNK_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Largest single gRPC message on the inner leg.
pub const MESSAGE_BYTES: usize = REQUEST_BODY_BYTES + 1024 * 1024;
