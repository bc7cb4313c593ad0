//! What a client asks. Each function appends one request to `out`.

use super::{
    info, op,
    srp::Plugin,
    xdr::{put, put_bytes},
};

/// Whether what passes is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WireCrypt {
    /// Else there is no connection.
    #[default]
    Required,
    /// When the server can.
    Enabled,
    /// Never.
    Disabled,
}

/// Room that the server may take for what it says of a statement, in bytes.
const INFO: u32 = 60_000;

fn tagged(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    // Whoever calls has bounded it: names are checked, keys are short.
    let length = value.len().min(255);
    out.push(tag);
    out.push(length as u8);
    out.extend_from_slice(&value[..length]);
}

/// The first thing said. `public` proves nothing yet.
pub fn connect(out: &mut Vec<u8>, database: &str, user: &str, public: &str, crypt: WireCrypt) {
    let mut who = Vec::new();
    tagged(&mut who, 9, user.as_bytes());
    tagged(&mut who, 8, Plugin::Srp256.name().as_bytes());
    tagged(&mut who, 10, Plugin::LIST.as_bytes());
    for (i, piece) in public.as_bytes().chunks(254).enumerate() {
        let mut numbered = vec![i as u8];
        numbered.extend_from_slice(piece);
        tagged(&mut who, 7, &numbered);
    }
    let level = match crypt {
        WireCrypt::Disabled => 0u32,
        WireCrypt::Enabled => 1,
        WireCrypt::Required => 2,
    };
    tagged(&mut who, 11, &level.to_le_bytes());
    // Where and as whom this program runs is nothing to the server: it is said in its process list.
    tagged(&mut who, 1, b"halo-link");
    tagged(&mut who, 4, b"halo-link");
    tagged(&mut who, 6, b"");
    put(out, op::CONNECT);
    put(out, op::ATTACH);
    put(out, 3);
    put(out, 1);
    put_bytes(out, database.as_bytes());
    put(out, op::VERSIONS.len() as u32);
    put_bytes(out, &who);
    for (weight, version) in op::VERSIONS.iter().enumerate() {
        // Architecture 1 is "any"; types 3 to 5 are batches to lazy answers; the best version has the most weight.
        for number in [op::VERSION_BIT | version | 0xFFFF_0000, 1, 3, 5, weight as u32 * 2 + 2] {
            put(out, number);
        }
    }
}

/// A step of the login.
pub fn continue_login(out: &mut Vec<u8>, data: &str, plugin: Plugin) {
    put(out, op::CONT_AUTH);
    put_bytes(out, data.as_bytes());
    put_bytes(out, plugin.name().as_bytes());
    put_bytes(out, Plugin::LIST.as_bytes());
    put_bytes(out, &[]);
}

/// From the next byte on, both sides encrypt.
pub fn crypt(out: &mut Vec<u8>) {
    put(out, op::CRYPT);
    put_bytes(out, b"Arc4");
    put_bytes(out, b"Symmetric");
}

/// How a database is opened.
#[derive(Clone, Copy)]
pub struct Attach<'a> {
    /// Path or alias at the server.
    pub database: &'a str,
    /// As the server knows it.
    pub user: &'a str,
    /// Character set of texts that have one.
    pub charset: &'a str,
    /// Role to take on.
    pub role: Option<&'a str>,
    /// The proof, when the login was not done before.
    pub proof: Option<(Plugin, &'a str)>,
    /// 13 to 16.
    pub version: u32,
}

/// Opens a database.
pub fn attach(out: &mut Vec<u8>, attach: &Attach<'_>) {
    let dialect = 3u32.to_le_bytes();
    // 77: names are sent in UTF-8.
    let mut items: Vec<(u8, &[u8])> = vec![
        (48, attach.charset.as_bytes()),
        (28, attach.user.as_bytes()),
        (63, &dialect),
        (77, b""),
        (74, b"halo-link"),
    ];
    if let Some(role) = attach.role {
        items.push((60, role.as_bytes()));
    }
    if let Some((plugin, proof)) = attach.proof {
        items.push((86, plugin.name().as_bytes()));
        items.push((85, Plugin::LIST.as_bytes()));
        items.push((84, proof.as_bytes()));
    }
    if attach.version >= 16 {
        // Types of Firebird 4 that this client does not know come as those that stood for them before.
        items.push((93, b"DECFLOAT TO LEGACY;TIME ZONE TO LEGACY"));
    }
    // The second form of the block has room for items of more than 255 bytes.
    let wide = items.iter().any(|(_, value)| value.len() > 255);
    let mut block = vec![if wide { 2 } else { 1 }];
    for (tag, value) in items {
        if wide {
            block.push(tag);
            block.extend((value.len() as u32).to_le_bytes());
            block.extend_from_slice(value);
        } else {
            tagged(&mut block, tag, value);
        }
    }
    put(out, op::ATTACH);
    put(out, 0);
    put_bytes(out, attach.database.as_bytes());
    put_bytes(out, &block);
}

/// A request that has a number and nothing else.
fn simple(out: &mut Vec<u8>, operation: u32, handle: u32) {
    put(out, operation);
    put(out, handle);
}

/// Closes the database.
pub fn detach(out: &mut Vec<u8>, database: u32) {
    simple(out, op::DETACH, database);
}

/// Begins a transaction of that description.
pub fn transaction(out: &mut Vec<u8>, database: u32, block: &[u8]) {
    simple(out, op::TRANSACTION, database);
    put_bytes(out, block);
}

/// Ends a transaction: what it wrote stands.
pub fn commit(out: &mut Vec<u8>, transaction: u32) {
    simple(out, op::COMMIT, transaction);
}

/// Ends a transaction: what it wrote is undone.
pub fn rollback(out: &mut Vec<u8>, transaction: u32) {
    simple(out, op::ROLLBACK, transaction);
}

/// Makes a statement.
pub fn allocate(out: &mut Vec<u8>, database: u32) {
    simple(out, op::ALLOCATE, database);
}

/// Prepares a statement's text.
pub fn prepare(out: &mut Vec<u8>, transaction: u32, statement: u32, text: &[u8]) {
    put(out, op::PREPARE);
    put(out, transaction);
    put(out, statement);
    put(out, 3);
    put_bytes(out, text);
    put_bytes(out, info::ITEMS);
    put(out, INFO);
}

/// Asks about a statement.
pub fn info(out: &mut Vec<u8>, statement: u32, items: &[u8]) {
    put(out, op::INFO_SQL);
    put(out, statement);
    put(out, 0);
    put_bytes(out, items);
    put(out, INFO);
}

/// A statement with its parameters.
#[derive(Clone, Copy)]
pub struct Execute<'a> {
    /// Whose it is.
    pub statement: u32,
    /// In which it runs.
    pub transaction: u32,
    /// Description of the parameters.
    pub blr: &'a [u8],
    /// Their message.
    pub message: &'a [u8],
    /// 13 to 16.
    pub version: u32,
}

/// Runs a statement.
pub fn execute(out: &mut Vec<u8>, execute: &Execute<'_>) {
    put(out, op::EXECUTE);
    parameters(out, execute);
    timeout(out, execute.version);
}

/// Runs a statement that gives one row at once.
pub fn execute2(out: &mut Vec<u8>, execute: &Execute<'_>, output: &[u8]) {
    put(out, op::EXECUTE2);
    parameters(out, execute);
    put_bytes(out, output);
    put(out, 0);
    timeout(out, execute.version);
}

fn parameters(out: &mut Vec<u8>, execute: &Execute<'_>) {
    put(out, execute.statement);
    put(out, execute.transaction);
    put_bytes(out, execute.blr);
    put(out, 0);
    put(out, u32::from(!execute.blr.is_empty()));
    out.extend_from_slice(execute.message);
}

/// The server's own time limit: none, Link has its own.
fn timeout(out: &mut Vec<u8>, version: u32) {
    if version >= 16 {
        put(out, 0);
    }
}

/// Asks for up to `count` rows.
pub fn fetch(out: &mut Vec<u8>, statement: u32, blr: &[u8], count: u32) {
    put(out, op::FETCH);
    put(out, statement);
    put_bytes(out, blr);
    put(out, 0);
    put(out, count);
}

/// Forgets a statement.
pub fn free(out: &mut Vec<u8>, statement: u32) {
    simple(out, op::FREE, statement);
    put(out, op::DROP);
}

/// Opens a blob for reading. `conversion` says from which character set to which.
pub fn open_blob(out: &mut Vec<u8>, transaction: u32, blob: u64, conversion: &[u8]) {
    put(out, op::OPEN_BLOB2);
    put_bytes(out, conversion);
    put(out, transaction);
    out.extend(blob.to_be_bytes());
}

/// Makes a blob.
pub fn create_blob(out: &mut Vec<u8>, transaction: u32, conversion: &[u8]) {
    put(out, op::CREATE_BLOB2);
    put_bytes(out, conversion);
    put(out, transaction);
    out.extend(0u64.to_be_bytes());
}

/// Asks for the next pieces of a blob, in up to `room` bytes.
pub fn get_segment(out: &mut Vec<u8>, blob: u32, room: u32) {
    put(out, op::GET_SEGMENT);
    put(out, blob);
    put(out, room);
    put(out, 0);
}

/// Appends to a blob: at most 65,535 bytes.
pub fn put_segment(out: &mut Vec<u8>, blob: u32, bytes: &[u8]) {
    put(out, op::PUT_SEGMENT);
    put(out, blob);
    put(out, bytes.len() as u32);
    put_bytes(out, bytes);
}

/// Closes a blob.
pub fn close_blob(out: &mut Vec<u8>, blob: u32) {
    simple(out, op::CLOSE_BLOB, blob);
}

/// Asks for a sign of life.
pub fn ping(out: &mut Vec<u8>) {
    put(out, op::PING);
}

/// Asks a question whose answer has `7 * times + 1` bytes: the version of the database's structure, as often.
pub fn probe(out: &mut Vec<u8>, database: u32, times: u8) {
    put(out, op::INFO_DATABASE);
    put(out, database);
    put(out, 0);
    put_bytes(out, &vec![32; usize::from(times)]);
    put(out, INFO);
}

/// Bytes of the answer to [`probe`].
pub fn probe_answer(times: u8) -> usize {
    7 * usize::from(times) + 1
}

/// Stops what runs, or lets that be. Has no answer of its own.
pub(crate) fn cancel(out: &mut Vec<u8>, kind: op::CancelKind) {
    simple(out, op::CANCEL, kind as u32);
}
