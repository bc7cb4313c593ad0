//! Moving to a new server, at the old one: it stops for good, and everything it has goes into one sealed file.

use super::{
    EnvelopeError, FOLDER, KitError,
    contents::{About, Secret},
    envelope::{self, Cost, Use},
    kit::collect,
    passphrase,
    restore::private_new,
};
use crate::{
    files,
    host::{Host, StartError, lock_folder},
    protect::KeyFile,
    store::{AuditLine, Happened, StoreError},
};
use model::{Hidden, Timestamp};
use rand::RngCore;
use rusqlite::{Connection, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// What runs has this long to end before a server is packed.
pub(crate) const QUIET: Duration = Duration::from_secs(20);
/// The mark of a server that was moved out.
pub(super) const MARK: &str = "moved.json";
/// The sealed file, in the folder `recovery` until the Utility takes it.
pub const MOVE_FILE: &str = "move.halo";

/// When a server was moved out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// RFC 3339.
    pub at: String,
    /// The operating system's user.
    pub by: String,
    /// The file was whole when this was written; else the packing runs still, or was cut off.
    #[serde(default)]
    pub packed: bool,
}

/// A file that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveOut {
    /// Where it lies, for whoever asked to take it from there.
    pub file: PathBuf,
    /// What is in it.
    pub about: About,
}

/// Whether a data folder was moved out, and when.
///
/// # Errors
/// When the mark can't be read: then it was.
pub fn moved(data: &Path) -> io::Result<Option<Moved>> {
    match fs::read(data.join(MARK)) {
        Ok(json) => serde_json::from_slice(&json).map(Some).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes it back, with the service stopped: this server may start again. One whose successor has joined is refused by Halo Cloud then.
/// `None` when it was not moved out.
///
/// # Errors
/// When a service has the folder, or the mark can't be removed.
pub fn undo(data: &Path, now: Timestamp, by: &str) -> Result<Option<Moved>, StartError> {
    let Some(moved) = moved(data)? else { return Ok(None) };
    let _lock = lock_folder(data)?;
    let mut connection = Connection::open(data.join("link.db")).map_err(StoreError::from)?;
    note(&mut connection, now, Happened::MoveUndone, by)?;
    let _ = fs::remove_file(data.join(FOLDER).join(MOVE_FILE));
    fs::remove_file(data.join(MARK))?;
    Ok(Some(moved))
}

/// Stops serving for good and makes the file. Blocks until what runs has ended, or `quiet` is over: what then still runs is in the file as
/// not known to have ended, and is never run again.
pub(crate) fn out(
    host: &Host,
    passphrase: &Hidden<String>,
    (cost, quiet): (Cost, Duration),
    rng: &mut dyn RngCore,
    by: &str,
) -> Result<MoveOut, KitError> {
    let passphrase = passphrase::read(passphrase)?;
    let folder = host.data().join(FOLDER);
    let now = host.door().clock().now();
    let mark = |packed| {
        let mark = Moved { at: now.to_rfc3339(), by: by.to_owned(), packed };
        let json = serde_json::to_vec(&mark).map_err(|_| KitError::Broken("the mark"))?;
        files::write_private(&host.data().join(MARK), &json).map_err(|error| EnvelopeError::Io(error).into())
    };
    // First of all: nothing may begin here that the file does not know of.
    mark(false)?;
    host.door().hold_for_move();
    host.wait_until_quiet(quiet);
    let done = pack(host, &folder, &passphrase, cost, rng, by).and_then(|done| {
        let marked = mark(true).map(|()| done);
        if marked.is_err() {
            let _ = fs::remove_file(folder.join(MOVE_FILE));
        }
        marked
    });
    if done.is_err() {
        // Nobody has a file: this server goes on.
        let gone = fs::remove_file(host.data().join(MARK));
        gone.map_err(EnvelopeError::Io)?;
        host.door().reopen_audit()?;
        host.door().serve_again();
    } else {
        tracing::warn!("this server was moved out: it serves nobody any more");
    }
    done
}

fn pack(
    host: &Host,
    folder: &Path,
    passphrase: &Hidden<String>,
    cost: Cost,
    rng: &mut dyn RngCore,
    by: &str,
) -> Result<MoveOut, KitError> {
    let now = host.door().clock().now();
    let line = |site| AuditLine::new(now, Happened::MovedOut, site).by(Some(by));
    // Before the copy: what this server wrote after it, the new one's audit would contradict.
    host.door().shut_audit(&host.sites().into_iter().map(line).collect::<Vec<_>>())?;
    files::private_folder(folder).map_err(EnvelopeError::Io)?;
    let (copy, file) = (folder.join("move.db"), folder.join(MOVE_FILE));
    for old in [&copy, &file] {
        let _ = fs::remove_file(old);
    }
    let mut key = vec![0; 32];
    rng.fill_bytes(&mut key);
    let key = Hidden::new(key);
    let packed = write_file(host, (&copy, &file), (passphrase, cost), rng, &key);
    // It is sealed with a key that nobody here keeps; all the same it has texts in the clear.
    let _ = fs::remove_file(&copy);
    if packed.is_err() {
        let _ = fs::remove_file(&file);
    }
    packed
}

/// The sealed file: length (4 bytes, big endian) and JSON of the identity, then the whole database, sealed with `key`.
fn write_file(
    host: &Host,
    (copy, file): (&Path, &Path),
    (passphrase, cost): (&Hidden<String>, Cost),
    rng: &mut dyn RngCore,
    key: &Hidden<Vec<u8>>,
) -> Result<MoveOut, KitError> {
    let came = KeyFile::from_bytes(key.reveal()).map_err(EnvelopeError::Io)?;
    host.door().store().copy_sealed_with(copy, &came)?;
    let (mut contents, _) = collect(host)?;
    let about = contents.about()?;
    contents.tables.clear();
    contents.seal = Some(Secret(key.clone()));
    let json = contents.to_json()?;
    let length =
        u32::try_from(json.reveal().len()).map_err(|_| KitError::Broken("its contents"))?.to_be_bytes();
    let database = fs::File::open(copy).map_err(EnvelopeError::Io)?;
    let mut clear = (&length[..]).chain(&json.reveal()[..]).chain(database);
    let mut sealed = io::BufWriter::new(private_new(file).map_err(EnvelopeError::Io)?);
    envelope::seal(Use::Move, passphrase, cost, rng, &mut clear, &mut sealed)?;
    let written = sealed.into_inner().map_err(|error| EnvelopeError::Io(error.into_error()))?;
    written.sync_all().map_err(EnvelopeError::Io)?;
    Ok(MoveOut { file: file.to_owned(), about })
}

/// A line for each database, in a file that no service has open.
fn note(connection: &mut Connection, now: Timestamp, what: Happened, by: &str) -> Result<(), StoreError> {
    let t = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sites: Vec<Vec<u8>> = {
        let mut statement = t.prepare("SELECT DISTINCT site FROM audit WHERE what = 'moved-out'")?;
        let rows = statement.query_map(params![], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    for site in sites.iter().filter_map(|site| model::SiteId::from_slice(site)) {
        AuditLine::new(now, what, site).by(Some(by)).write(&t)?;
    }
    Ok(t.commit()?)
}

/// Copies a sealed file to where it is wanted, whole or not at all, never over another, and takes it away here.
///
/// # Errors
/// When there is a file of that name, or the disk fails.
pub fn take(from: &Path, to: &Path) -> io::Result<()> {
    let mut target = private_new(to)?;
    let copied = fs::File::open(from).and_then(|mut source| io::copy(&mut source, &mut target));
    if let Err(error) = copied.and_then(|_| target.flush()).and_then(|()| target.sync_all()) {
        drop(target);
        let _ = fs::remove_file(to);
        return Err(error);
    }
    fs::remove_file(from)
}
