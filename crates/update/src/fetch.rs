//! Asks Halo Cloud, over the outer leg's own connection: the same proxy, the same roots, no other HTTP stack.

use crate::{Offer, Platform, Refusal, offer, signature::SIGNATURE_BYTES, store::Arriving};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::{io, sync::Arc, time::Duration};
use tokio::time::timeout;
use tunnel::{Proxy, RelayAddress};

/// The cloud may take so long for the head of an answer, and for each next piece of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// And so long for a whole file: 30 MB over the slowest lines that clinics have.
const WHOLE: Duration = Duration::from_secs(30 * 60);

/// Where the cloud is and how it is reached: as Link's own `[cloud]` says it.
#[derive(Clone)]
pub struct Cloud {
    /// Host and port.
    pub relay: RelayAddress,
    /// From [`tunnel::outer_client_tls`].
    pub tls: Arc<ClientConfig>,
    /// On the way.
    pub proxy: Option<Proxy>,
}

/// Why bytes did not end up in a file.
pub(crate) enum Broken {
    /// By the network or the cloud.
    Refused(Refusal),
    /// By the disk.
    Disk(io::Error),
}

impl From<Refusal> for Broken {
    fn from(refusal: Refusal) -> Broken {
        Broken::Refused(refusal)
    }
}

impl Cloud {
    /// What is newest?
    pub(crate) async fn offer(&self, environment: &str, platform: Platform) -> Result<Offer, Refusal> {
        let path = format!("{}{environment}/{platform}", offer::PATH);
        let answer = self.get(&path).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(Refusal::NothingKnown {
                environment: environment.to_owned(),
                platform: platform.name(),
            });
        }
        let json = small(answer, offer::OFFER_BYTES).await?;
        Offer::parse(&json).map_err(|why| Refusal::Answer(why.to_owned()))
    }

    /// The signature beside a file.
    pub(crate) async fn signature(&self, name: &str) -> Result<Vec<u8>, Refusal> {
        small(self.get(&format!("{}{name}", offer::FILES)).await?, SIGNATURE_BYTES).await
    }

    /// A file, piece by piece; never more of it than was said.
    pub(crate) async fn file(
        &self,
        offer: &Offer,
        to: &mut Arriving,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Broken> {
        let whole = async {
            let answer = self.get(&format!("{}{}", offer::FILES, offer.file)).await?;
            let mut body = found(answer)?;
            while let Some(piece) = next(&mut body).await? {
                if to.size() + piece.len() as u64 > offer.size {
                    return Err(Refusal::Size.into());
                }
                to.write(&piece).map_err(Broken::Disk)?;
                progress(to.size());
            }
            Ok(())
        };
        timeout(WHOLE, whole).await.unwrap_or_else(|_| Err(slow().into()))
    }

    async fn get(&self, path: &str) -> Result<Response<Incoming>, Refusal> {
        let tls = tunnel::dial_tls(&self.relay, self.proxy.as_ref(), self.tls.clone()).await;
        let tls = tls.map_err(|error| Refusal::Unreachable(error.to_string()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(broke)?;
        // Ends with its answer.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection for updates broke");
            }
        });
        let request = Request::get(path)
            .header("host", self.relay.authority())
            .header("accept", "application/json, application/octet-stream")
            .header("connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| Refusal::Answer(error.to_string()))?;
        timeout(PATIENCE, sender.send_request(request)).await.map_err(|_| slow())?.map_err(broke)
    }
}

fn found(answer: Response<Incoming>) -> Result<Incoming, Refusal> {
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        StatusCode::SERVICE_UNAVAILABLE => Err(Refusal::Unreachable("it is busy".to_owned())),
        status => Err(Refusal::Answer(format!("HTTP status {}", status.as_u16()))),
    }
}

async fn small(answer: Response<Incoming>, most: usize) -> Result<Vec<u8>, Refusal> {
    let mut body = found(answer)?;
    let mut bytes = Vec::new();
    while let Some(piece) = next(&mut body).await? {
        if bytes.len() + piece.len() > most {
            return Err(Refusal::Answer(format!("larger than {} KiB", most / 1024)));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        match timeout(PATIENCE, body.frame()).await.map_err(|_| slow())? {
            None => return Ok(None),
            Some(frame) => {
                // Trailers say nothing here.
                if let Ok(data) = frame.map_err(broke)?.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn broke(error: hyper::Error) -> Refusal {
    Refusal::Unreachable(format!("the connection broke on the way ({error})"))
}

fn slow() -> Refusal {
    Refusal::Unreachable("its answer takes too long: check the connection to the internet".to_owned())
}
