//! How the Utility at the same server talks to the service: JSON lines over a socket that only administrators may open.
//!
//! The Utility reads no secrets and no database: it asks, the service does.

#[cfg_attr(unix, path = "control/unix.rs")]
#[cfg_attr(windows, path = "control/windows.rs")]
mod transport;

#[cfg(test)]
mod tests;

mod answer;
mod asking;
mod instances;
mod recovery;
mod trail;
#[cfg(test)]
mod trail_tests;
mod words;

pub use trail::{PieceAnswer, TextsAnswer, WalkAnswer};
pub use words::{
    After, ApprovalAnswer, Ask, AuthorityAnswer, Checked, CodeAnswer, ConsentAnswer, IntegratorAnswer,
    LaneAnswer, LoginChecked, MadeCode, RecoveryAnswer, SelfTested, SiteAnswer, SiteChecked, Spoken,
    StatusAnswer, StoppedAnswer, UsedAnswer,
};

pub use asking::{RequestAnswer, is_meant, not_denied};
pub use instances::InstanceAnswer;

use crate::{host::Host, self_test::SelfTest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tunnel::Status;
use zeroize::Zeroizing;

/// Version of what is said on the socket; it is in every line, both ways.
pub const VERSION: u32 = 1;
/// Longest request: terms with all the statements that may be approved.
const REQUEST_BYTES: u64 = 256 * 1024;
/// Longest answer.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// One question and its answer take no longer.
const WITHIN: Duration = Duration::from_secs(30);
/// Making a kit or packing a server, and its answer, take no longer.
const WITHIN_LONG: Duration = Duration::from_secs(30 * 60);
/// Between two tries to have a name that somebody else has taken.
const AGAIN: Duration = Duration::from_secs(10);
/// Number in the event log of a name that is taken.
const TAKEN: u32 = 5;
/// Connections at once.
const CONNECTIONS: usize = 16;

/// One line of the Utility's.
#[derive(Serialize)]
struct Request<'a> {
    v: u32,
    #[serde(flatten)]
    ask: &'a Ask,
}

/// One line of the service's.
#[derive(Serialize)]
struct Reply {
    v: u32,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Ok(serde_json::Value),
    Error(String),
}

/// The same line, read. A service from before there was a version says none.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(default)]
    v: u32,
    #[serde(borrow, default)]
    ok: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
}

/// Why the Utility got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("the service is not running")]
    NotRunning,
    /// This user may not ask.
    #[error("only an administrator (on Linux: root, or the service's own account) may talk to the service")]
    Denied,
    /// Somebody else answers under the service's name.
    #[error(
        "{0} holds the name under which the service is asked, and is no administrator: it was told nothing. Find out what runs here under \
         that account, end it, and try again"
    )]
    Taken(String),
    /// The conversation broke.
    #[error("the service did not answer: {0}")]
    Broken(io::Error),
    /// Service and Utility are of two releases.
    #[error(
        "the running service speaks version {0} of the control protocol and this Utility version {VERSION}: they are of two \
         releases. Restart the service; if that does not help, install Halo Link again"
    )]
    OtherVersion(u32),
    /// The service said no, in its own words.
    #[error("{0}")]
    Refused(String),
}

/// Asks the service whose data folder is `data`.
///
/// # Errors
/// [`AskError`].
pub async fn ask<T: DeserializeOwned>(data: &Path, ask: &Ask) -> Result<T, AskError> {
    let talk = async {
        let io = transport::connect(data).await?;
        // It may hold a passphrase. With its room from the start it leaves no copies behind.
        let mut line = Zeroizing::new(Vec::with_capacity(8 * 1024));
        serde_json::to_writer(&mut *line, &Request { v: VERSION, ask })?;
        line.push(b'\n');
        let (reading, mut writing) = tokio::io::split(io);
        writing.write_all(&line).await?;
        writing.flush().await?;
        let mut answer = Vec::new();
        BufReader::new(reading.take(ANSWER_BYTES)).read_until(b'\n', &mut answer).await?;
        Ok(answer)
    };
    let answer: io::Result<Vec<u8>> = timeout(if ask.is_long() { WITHIN_LONG } else { WITHIN }, talk)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match answer {
        Ok(answer) => understand(&answer),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning,
            io::ErrorKind::PermissionDenied => AskError::Denied,
            io::ErrorKind::AddrInUse => AskError::Taken(error.to_string()),
            _ => AskError::Broken(error),
        }),
    }
}

fn understand<T: DeserializeOwned>(line: &[u8]) -> Result<T, AskError> {
    let broken = |error: serde_json::Error| AskError::Broken(error.into());
    match serde_json::from_slice(line).map_err(broken)? {
        Read { v, .. } if v != VERSION => Err(AskError::OtherVersion(v)),
        Read { error: Some(why), .. } => Err(AskError::Refused(why)),
        Read { ok: Some(value), .. } => serde_json::from_str(value.get()).map_err(broken),
        Read { .. } => Err(AskError::Broken(io::ErrorKind::InvalidData.into())),
    }
}

/// What answers.
#[derive(Clone, Debug)]
pub struct Service {
    /// The sites.
    pub host: Arc<Host>,
    /// The connection to Halo Cloud.
    pub status: watch::Receiver<Status>,
    /// Asks the sites through Halo Cloud.
    pub self_test: Option<SelfTest>,
}

/// Answers at `data`'s control socket until the handle is aborted. Where somebody else has taken its name the service starts without:
/// whoever holds the name must not be able to stop the practice's service too. That is said, and tried again.
///
/// # Errors
/// When the socket can't be made. `data` must be locked by the host already: a socket left behind is replaced.
pub fn listen(data: &Path, service: Service) -> io::Result<JoinHandle<()>> {
    let first = match transport::Listener::bind(data) {
        Err(error) if transport::is_taken(&error) => {
            tracing::error!(%error, "the control socket's name is taken: the Utility can't ask the service until it is free");
            machine::events::report(
                machine::events::Level::Error,
                TAKEN,
                &format!(
                    "Halo Link runs, but HaloLinkUtility can't ask it: another program has taken the name of its control pipe ({error}). \
                     Find out which (HaloLinkUtility doctor names its account) and end it; Halo Link tries again by itself."
                ),
            );
            None
        }
        bound => Some(bound?),
    };
    let data = data.to_owned();
    Ok(tokio::spawn(async move {
        let listener = match first {
            Some(listener) => listener,
            None => until_bound(|| transport::Listener::bind(&data)).await,
        };
        answer_all(listener, service).await;
    }))
}

/// Tries until it is there.
async fn until_bound<L>(mut bind: impl FnMut() -> io::Result<L>) -> L {
    loop {
        tokio::time::sleep(AGAIN).await;
        match bind() {
            Ok(listener) => {
                tracing::info!("the control socket's name is free again: the Utility can ask the service");
                return listener;
            }
            Err(error) => tracing::debug!(%error, "the control socket's name is still taken"),
        }
    }
}

async fn answer_all(mut listener: transport::Listener, service: Service) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let io = match listener.accept().await {
            Ok(io) => io,
            Err(error) => {
                tracing::warn!(%error, "the control socket");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let service = service.clone();
        tokio::spawn(async move {
            let _place = place;
            // Whoever asks finds out for itself that its connection broke.
            let _ = timeout(WITHIN_LONG, converse(io, service)).await;
        });
    }
}

async fn converse(io: transport::Stream, service: Service) -> io::Result<()> {
    let mut io = BufReader::new(io);
    let mut who: Option<Arc<str>> = None;
    let began = Instant::now();
    loop {
        // Wiped: a line may hold a passphrase. What the reader has buffered is gone with the next line.
        let mut line = Zeroizing::new(Vec::with_capacity(8 * 1024));
        let reading = async { (&mut io).take(REQUEST_BYTES).read_until(b'\n', &mut line).await };
        let length = timeout_at(began + WITHIN, reading).await??;
        if length == 0 {
            return Ok(());
        }
        // Only now: Windows does not say who asks before something was read.
        let by = who.get_or_insert_with(|| transport::who(io.get_ref()).into()).clone();
        let answer = match read(&line) {
            Ok(ask) if ask.is_long() => answer::answer(&service, ask, by).await,
            Ok(ask) => timeout_at(began + WITHIN, answer::answer(&service, ask, by)).await?,
            Err(why) => Answer::Error(why),
        };
        let mut answer = serde_json::to_vec(&Reply { v: VERSION, answer })?;
        if answer.len() as u64 >= ANSWER_BYTES {
            let answer_to_less = Answer::Error(
                "the answer is too large: ask for one integrator, or site, at a time".to_owned(),
            );
            answer = serde_json::to_vec(&Reply { v: VERSION, answer: answer_to_less })?;
        }
        answer.push(b'\n');
        io.write_all(&answer).await?;
        io.flush().await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
    }
}

/// A request, or what is wrong with it. Its version is looked at first: what another one asks may look like nothing here.
fn read(line: &[u8]) -> Result<Ask, String> {
    let mut request: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line)
        .map_err(|_| "a request is one line of JSON: {\"v\":1,\"do\":\"status\"}")?;
    let version = request.remove("v").and_then(|v| v.as_u64());
    if version != Some(VERSION.into()) {
        return Err(format!(
            "the service speaks version {VERSION} of the control protocol ({}): use the Utility that came with it, or restart \
             the service after an update",
            version.map_or_else(|| "the request names none".to_owned(), |v| format!("the request has {v}")),
        ));
    }
    serde_json::from_value(request.into()).map_err(|_| {
        "the service does not know this request: use the Utility that came with it, or restart the service after an update"
            .to_owned()
    })
}
