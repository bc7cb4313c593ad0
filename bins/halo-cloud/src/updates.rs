//! Updates, served beside the tunnel: offers and files from a folder that the operator fills with `publish-update`.
//!
//! The folder holds `ENVIRONMENT/PLATFORM.json`, one offer each, and `files/`, all files ever offered. Whoever asks is not known
//! and need not be: updates are public, and what is in them is signed.

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Frame, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use relay::{Guests, Session};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;
use update::{FILE_BYTES, FILES, OFFER_BYTES, Offer, PATH, Platform, is_plain};

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

/// Where a folder of updates has an offer.
pub(crate) fn offer_path(folder: &Path, environment: &str, platform: Platform) -> PathBuf {
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
