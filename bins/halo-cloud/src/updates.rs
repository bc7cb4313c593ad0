//! Updates, served beside the tunnel: offers and files from a folder that the operator fills with `publish-update`.
//!
//! The folder holds `ENVIRONMENT/PLATFORM.json`, one offer each, and `files/`, all files ever offered. Whoever asks is not known
//! and need not be: updates are public, and what is in them is signed.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Frame, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use relay::{Guests, Session};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;
use update::{
    FILE_BYTES, FILES, OFFER_BYTES, Offer, PATH, Platform, Publishers, SIGNATURE_BYTES, Version, is_plain,
};

/// Requests at a time. A fleet asks once an hour, and a file of 30 MB takes seconds: the next one is told to come again.
const AT_ONCE: usize = 256;
/// Time for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Time for a whole request: the client's own limit and a bit.
const WHOLE: Duration = Duration::from_secs(31 * 60);
/// Files are read and sent in pieces of this size, bytes.
const PIECE: u64 = 64 * 1024;

type Body = BoxBody<Bytes, io::Error>;

/// What the relay hands its guests to.
pub(crate) fn guests(folder: PathBuf, environment: String) -> Guests {
    let shelf = Arc::new(Shelf { folder, environment });
    let places = Arc::new(Semaphore::new(AT_ONCE));
    Guests::new("/updates/", move |session| {
        let (shelf, places) = (shelf.clone(), places.clone());
        async move {
            // A guest without a place gets its answer as well, and nothing else.
            let place = places.try_acquire().ok();
            let within = if place.is_some() { WHOLE } else { HEAD };
            let _ = tokio::time::timeout(within, serve(session, shelf, place.is_some())).await;
        }
    })
}

async fn serve(session: Session, shelf: Arc<Shelf>, has_place: bool) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let shelf = shelf.clone();
        async move {
            let answer = match has_place {
                true => shelf.answer(request.method(), request.uri().path()).await,
                false => refuse(StatusCode::SERVICE_UNAVAILABLE, "busy: try again in some minutes"),
            };
            Ok::<_, io::Error>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(session), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a request for updates broke");
    }
}

struct Shelf {
    folder: PathBuf,
    environment: String,
}

impl Shelf {
    async fn answer(&self, method: &Method, path: &str) -> Response<Body> {
        if *method != Method::GET {
            return refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET");
        }
        if let Some(name) = path.strip_prefix(FILES) {
            // A plain name is one part of a path, and not a hidden one.
            return if is_plain(name) {
                file(self.folder.join("files").join(name)).await
            } else {
                refuse(StatusCode::NOT_FOUND, "no such file")
            };
        }
        let Some((environment, platform)) = path.strip_prefix(PATH).and_then(|rest| rest.split_once('/'))
        else {
            return refuse(StatusCode::NOT_FOUND, "offers are at /updates/v1/ENVIRONMENT/PLATFORM");
        };
        match platform.parse::<Platform>() {
            Ok(platform) if environment == self.environment => {
                offer(offer_path(&self.folder, environment, platform)).await
            }
            Ok(_) => refuse(StatusCode::NOT_FOUND, "this cloud is of another environment"),
            Err(why) => refuse(StatusCode::NOT_FOUND, &why),
        }
    }
}

fn offer_path(folder: &Path, environment: &str, platform: Platform) -> PathBuf {
    folder.join(environment).join(format!("{platform}.json"))
}

async fn offer(path: PathBuf) -> Response<Body> {
    let read = tokio::task::spawn_blocking(move || {
        let mut json = Vec::new();
        File::open(path)?.take(OFFER_BYTES as u64 + 1).read_to_end(&mut json).map(|_| json)
    });
    match read.await.map_err(io::Error::other).flatten() {
        Ok(json) if Offer::parse(&json).is_ok() => {
            let body = Full::new(Bytes::from(json)).map_err(|never| match never {}).boxed();
            answer(StatusCode::OK, "application/json", body)
        }
        Ok(_) => {
            tracing::error!("an offer of an update is not readable: publish it again");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "this offer is not readable")
        }
        Err(error) => missing(&error, "no version is known for this platform"),
    }
}

async fn file(path: PathBuf) -> Response<Body> {
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() > FILE_BYTES {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok((file, about.len()))
    });
    let (file, size) = match opened.await.map_err(io::Error::other).flatten() {
        Ok(opened) => opened,
        Err(error) => return missing(&error, "no such file"),
    };
    // One piece is read when the last one is on its way: a slow reader holds one, and no thread.
    let pieces = stream::try_unfold((file, size), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::new();
            let count = (&mut file).take(left.min(PIECE)).read_to_end(&mut piece)? as u64;
            // Cut off while it was sent: break, so that it is not taken for whole.
            if count == 0 {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof))
            } else {
                Ok((piece, (file, left - count)))
            }
        });
        let (piece, rest) = read.await.map_err(io::Error::other).flatten()?;
        Ok(Some((Frame::data(Bytes::from(piece)), rest)))
    });
    let mut answer =
        answer(StatusCode::OK, "application/octet-stream", BodyExt::boxed(StreamBody::new(pieces)));
    answer.headers_mut().insert(header::CONTENT_LENGTH, size.into());
    answer
}

fn missing(error: &io::Error, why: &str) -> Response<Body> {
    if error.kind() == io::ErrorKind::NotFound {
        return refuse(StatusCode::NOT_FOUND, why);
    }
    tracing::error!(%error, "the folder of updates can't be read");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "this can't be read")
}

fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    let json = serde_json::json!({ "error": why }).to_string();
    answer(status, "application/json", Full::new(Bytes::from(json)).map_err(|never| match never {}).boxed())
}

fn answer(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    answer
}

/// What `publish-update` is told.
pub(crate) struct Publication<'a> {
    pub(crate) platform: Platform,
    pub(crate) file: &'a Path,
    pub(crate) version: Option<Version>,
    pub(crate) signature: Option<&'a Path>,
    pub(crate) publisher: Option<&'a Path>,
    pub(crate) notes: &'a str,
    pub(crate) lower: bool,
}

/// Copies a file to where it is served from and makes it the newest one, in this order: nobody is ever offered a file that is not there.
pub(crate) fn publish(
    folder: &Path,
    environment: &str,
    what: &Publication<'_>,
    now: model::Timestamp,
) -> Result<Offer> {
    let bytes = read(what.file, FILE_BYTES)?;
    let name = what.file.file_name().and_then(|name| name.to_str()).filter(|name| is_plain(name));
    let name = name.context("the file's name: letters, digits, . _ - + ~ only, and no dot first")?;
    let ending = what.platform.ending();
    ensure!(name.ends_with(ending), "a file for {} ends with {ending}", what.platform);
    let signature = match what.platform.detached() {
        false => None,
        true => {
            let beside = what
                .signature
                .map_or_else(|| what.file.with_file_name(format!("{name}.sig")), Path::to_owned);
            Some(
                read(&beside, SIGNATURE_BYTES as u64)
                    .context("the signature of a Debian package is a file beside it")?,
            )
        }
    };
    if let Some(publisher) = what.publisher {
        let pem = read(publisher, SIGNATURE_BYTES as u64)?;
        let publishers = Publishers::default().with_pem(&pem).context("--publisher")?;
        let checked = match &signature {
            None => update::verify(&bytes, &publishers, now),
            Some(signature) => update::verify_detached(&bytes, signature, &publishers, now),
        };
        checked.with_context(|| format!("{name} would be refused by every site"))?;
    }
    let version = match (what.version, what.platform) {
        (Some(version), _) => version,
        (None, Platform::WindowsX64) => update::installer_version(what.file)?.parse().context("the version inside")?,
        (None, _) => name.split('_').nth(1).and_then(|v| v.parse().ok()).context(
            "--version: say which one it is (a Debian package's name, halo-link_VERSION_ARCH.deb, would say it as well)",
        )?,
    };
    let offered = offer_path(folder, environment, what.platform);
    if let Some(before) = fs::read(&offered).ok().and_then(|json| Offer::parse(&json).ok()) {
        ensure!(
            what.lower || version >= before.version,
            "{} is offered already, which is higher than {version}; no site goes back by itself. --lower offers it all the same, to \
             sites that run less",
            before.version
        );
    }
    let offer = Offer {
        metadata_version: update::METADATA_VERSION,
        version,
        file: name.to_owned(),
        size: bytes.len() as u64,
        sha256: update::sha256(&bytes),
        signature: signature.as_ref().map(|_| format!("{name}.sig")),
        published_at: now.to_rfc3339(),
        notes: what.notes.to_owned(),
    };
    let json = serde_json::to_vec_pretty(&offer)?;
    Offer::parse(&json).map_err(|why| anyhow::anyhow!("this can't be offered: {why}"))?;
    let files = folder.join("files");
    place(&files.join(name), &bytes)?;
    if let (Some(signature), Some(name)) = (&signature, &offer.signature) {
        place(&files.join(name), signature)?;
    }
    place(&offered, &json)?;
    Ok(offer)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let about = || format!("can't read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path).with_context(about)?.take(most + 1).read_to_end(&mut bytes).with_context(about)?;
    ensure!(bytes.len() as u64 <= most, "{} is larger than {most} bytes", path.display());
    Ok(bytes)
}

/// Whole or not at all, and on disk before it counts.
fn place(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // Hidden, so that it is never served.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!(".{name}.{}", std::process::id()));
        let mut file = File::create(&temporary)?;
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("can't write {}", path.display()))
}
