//! How the Utility at the same server talks to the service: JSON lines over a socket that only administrators may open.
//!
//! The Utility reads no secrets and no database: it asks, the service does.

#[cfg_attr(unix, path = "control/unix.rs")]
#[cfg_attr(windows, path = "control/windows.rs")]
mod transport;

#[cfg(test)]
mod tests;

use crate::{
    host::Host,
    store::{AuditRow, NewCode, PairingRecord},
};
use database::Writes;
use model::{Access, IntegratorId, SiteId, Timestamp};
use rand::TryRngCore;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};
use tunnel::Status;

/// Longest request.
const REQUEST_BYTES: u64 = 16 * 1024;
/// Longest answer.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// One question and its answer take no longer.
const WITHIN: Duration = Duration::from_secs(30);
/// Connections at once.
const CONNECTIONS: usize = 16;
/// Most audit lines in one answer.
const AUDIT_LINES: u32 = 1_000;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// Make a pairing code.
    PairingCode {
        /// The one integrator that may use it, by name.
        integrator: String,
        /// Whether the pairing may only read.
        #[serde(default)]
        read_only: bool,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
    /// How things stand.
    Status,
    /// The newest audit lines.
    Audit {
        /// How many, at most 1,000.
        last: u32,
    },
    /// Let an integrator in, or keep it out.
    Switch {
        /// Its name or id, as status shows it.
        integrator: String,
        /// Which.
        on: bool,
        /// Which site; may be left out when there is one.
        #[serde(default)]
        site: Option<SiteId>,
    },
}

/// A code just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeCode {
    /// All of it. Shown once.
    pub code: String,
    /// Who may use it.
    pub integrator: String,
    /// Whether the pairing may only read.
    pub read_only: bool,
    /// Where.
    pub site: SiteId,
    /// RFC 3339.
    pub expires_at: String,
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    /// The Link GUID.
    pub link: String,
    /// Version of Halo Link.
    pub version: String,
    /// `production`, `stage` or `demo`.
    pub environment: String,
    /// How often this Link was started.
    pub epoch: u64,
    /// `online`, `connecting`, `waiting`, `refused`, `closed`.
    pub cloud: String,
    /// Why it is not online.
    pub why: Option<String>,
    /// Commands waiting for their turn.
    pub waiting: usize,
    /// Commands that may be in the databases at once now: fewer while a server is slow.
    pub at_once: usize,
    /// Commands in the database.
    pub running: usize,
    /// Its sites.
    pub sites: Vec<SiteAnswer>,
}

/// One site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteAnswer {
    /// The Halo GUID.
    pub site: SiteId,
    /// Which software.
    pub pms: String,
    /// The vendor's identifier of the practice.
    pub pms_id: String,
    /// The practice's name.
    pub practice_name: String,
    /// Version of the software.
    #[serde(default)]
    pub pms_version: String,
    /// When the database last told of itself, RFC 3339.
    #[serde(default)]
    pub enriched_at: Option<String>,
    /// Why the database could not be asked, or is not what it should be.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What the database was asked and did not tell, with why.
    #[serde(default)]
    pub untold: Vec<String>,
    /// The practice that the database says it belongs to, when that is another than this site's: nothing is run then.
    #[serde(default)]
    pub other_pms_id: Option<String>,
    /// Who is paired.
    pub integrators: Vec<IntegratorAnswer>,
    /// Codes that could still be used.
    pub open_codes: Vec<CodeAnswer>,
}

/// One paired integrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegratorAnswer {
    /// Fingerprint of its root.
    pub integrator: IntegratorId,
    /// Its name.
    pub name: String,
    /// Whether it may only read.
    pub read_only: bool,
    /// Whether it is let in.
    pub on: bool,
    /// RFC 3339.
    pub paired_at: String,
    /// Whether its database login may write, by the database's own grants: `yes`, `no`, `unknown`.
    #[serde(default)]
    pub login_writes: String,
    /// Those grants, in the database's words; at most 100, what lets it write first.
    #[serde(default)]
    pub login_grants: Vec<String>,
    /// When they were read, RFC 3339.
    #[serde(default)]
    pub login_read_at: Option<String>,
}

/// One open code, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeAnswer {
    /// Its four public characters.
    pub name: String,
    /// Who may use it.
    pub integrator: String,
    /// Whether the pairing may only read.
    pub read_only: bool,
    /// RFC 3339.
    pub expires_at: String,
    /// Tries used up, of five.
    pub tries: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer<T> {
    Ok(T),
    Error(String),
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
    /// The conversation broke.
    #[error("the service did not answer: {0}")]
    Broken(io::Error),
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
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        let (reading, mut writing) = tokio::io::split(io);
        writing.write_all(&line).await?;
        writing.flush().await?;
        let mut answer = Vec::new();
        BufReader::new(reading.take(ANSWER_BYTES)).read_until(b'\n', &mut answer).await?;
        Ok(serde_json::from_slice::<Answer<T>>(&answer)?)
    };
    let answer: io::Result<Answer<T>> =
        timeout(WITHIN, talk).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match answer {
        Ok(Answer::Ok(answer)) => Ok(answer),
        Ok(Answer::Error(why)) => Err(AskError::Refused(why)),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning,
            io::ErrorKind::PermissionDenied => AskError::Denied,
            _ => AskError::Broken(error),
        }),
    }
}

/// Answers at `data`'s control socket until the handle is aborted.
///
/// # Errors
/// When the socket can't be made. `data` must be locked by the host already: a socket left behind is replaced.
pub fn listen(data: &Path, host: Arc<Host>, status: watch::Receiver<Status>) -> io::Result<JoinHandle<()>> {
    let mut listener = transport::Listener::bind(data)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    Ok(tokio::spawn(async move {
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
            let (host, status) = (host.clone(), status.clone());
            tokio::spawn(async move {
                let _place = place;
                // Whoever asks finds out for itself that its connection broke.
                let _ = timeout(WITHIN, converse(io, host, status)).await;
            });
        }
    }))
}

async fn converse<Io: AsyncRead + AsyncWrite>(
    io: Io,
    host: Arc<Host>,
    status: watch::Receiver<Status>,
) -> io::Result<()> {
    let (reading, mut writing) = tokio::io::split(io);
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = Vec::new();
        let length = (&mut reading).take(REQUEST_BYTES).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(());
        }
        let (host, status) = (host.clone(), status.borrow().clone());
        let answer = match serde_json::from_slice::<Ask>(&line) {
            Ok(ask) => tokio::task::spawn_blocking(move || answer(&host, &status, ask)).await?,
            Err(_) => Answer::Error(
                "the service does not know this request: is the Utility of the same version?".to_owned(),
            ),
        };
        let mut answer = serde_json::to_vec(&answer)?;
        answer.push(b'\n');
        writing.write_all(&answer).await?;
        writing.flush().await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
    }
}

fn answer(host: &Host, status: &Status, ask: Ask) -> Answer<serde_json::Value> {
    let answered = match ask {
        Ask::PairingCode { integrator, read_only, site } => {
            make_code(host, integrator, read_only, site).map(serde_json::to_value)
        }
        Ask::Status => how_things_stand(host, status).map(serde_json::to_value),
        Ask::Audit { last } => {
            let rows: Result<Vec<AuditRow>, _> = host.door().audit(last.min(AUDIT_LINES));
            rows.map_err(|error| error.to_string()).map(serde_json::to_value)
        }
        Ask::Switch { integrator, on, site } => switch(host, &integrator, on, site).map(serde_json::to_value),
    };
    match answered {
        Ok(Ok(value)) => Answer::Ok(value),
        Ok(Err(error)) => Answer::Error(error.to_string()),
        Err(why) => Answer::Error(why),
    }
}

fn make_code(
    host: &Host,
    integrator: String,
    read_only: bool,
    site: Option<SiteId>,
) -> Result<MadeCode, String> {
    let integrator = integrator.trim().to_owned();
    if integrator.is_empty() || integrator.len() > 256 {
        return Err("the integrator's name has 1 to 256 bytes".to_owned());
    }
    let new = NewCode { site: which_site(host, site)?, integrator_name: integrator, read_only };
    let mut rng = rand::rngs::OsRng.unwrap_err();
    let (code, record) = host.make_code(&new, &mut rng).map_err(|error| error.to_string())?;
    tracing::info!(site = %new.site, code = record.name, read_only, "a pairing code was made");
    Ok(MadeCode {
        code: code.reveal().clone(),
        integrator: new.integrator_name,
        read_only,
        site: new.site,
        expires_at: record.expires_at.to_rfc3339(),
    })
}

fn switch(host: &Host, integrator: &str, on: bool, site: Option<SiteId>) -> Result<bool, String> {
    let site = which_site(host, site)?;
    let wanted = integrator.trim().to_lowercase();
    let found: Vec<_> = host
        .door()
        .pairings()
        .into_iter()
        .filter(|p| p.site == site)
        .filter(|p| p.name.to_lowercase() == wanted || p.integrator.to_string() == wanted)
        .collect();
    match &found[..] {
        [] => {
            Err("no integrator of that name or id is paired with this site; status shows who is".to_owned())
        }
        [pairing] => {
            tracing::info!(%site, integrator = %pairing.integrator, on, "an integrator was switched");
            host.door().switch(site, pairing.integrator, on).map_err(|error| error.to_string())
        }
        _ => Err("several integrators have that name; use the id that status shows".to_owned()),
    }
}

fn how_things_stand(host: &Host, status: &Status) -> Result<StatusAnswer, String> {
    let (cloud, why) = match status {
        Status::Connecting => ("connecting", None),
        Status::Online => ("online", None),
        Status::Waiting { why, .. } => ("waiting", Some(why.clone())),
        Status::Refused { why } => ("refused", Some(why.clone())),
        Status::Closed => ("closed", None),
    };
    let (waiting, running, at_once) = host.executor().load();
    let codes = host.open_codes().map_err(|error| error.to_string())?;
    let pairings = host.door().pairings();
    let sites = host.sites().into_iter().filter_map(|site| {
        let (facts, look) = (host.door().facts(site)?, host.door().site(site)?.last_look());
        let mut integrators: Vec<_> =
            pairings.iter().filter(|p| p.site == site).map(|p| integrator(p)).collect();
        integrators.sort_by(|a, b| a.name.cmp(&b.name));
        Some(SiteAnswer {
            site,
            pms: facts.pms.display_name().to_owned(),
            pms_id: facts.pms_id.clone(),
            practice_name: facts.practice_name.clone(),
            pms_version: facts.pms_version.clone(),
            enriched_at: facts.enriched_at.map(Timestamp::to_rfc3339),
            trouble: look.trouble,
            untold: look.untold.iter().map(|(fact, why)| format!("{fact}: {why}")).collect(),
            other_pms_id: look.other_pms_id,
            integrators,
            open_codes: codes
                .iter()
                .filter(|code| code.made_for.site == site)
                .map(|code| CodeAnswer {
                    name: code.name.clone(),
                    integrator: code.made_for.integrator_name.clone(),
                    read_only: code.made_for.read_only,
                    expires_at: code.expires_at.to_rfc3339(),
                    tries: code.tries,
                })
                .collect(),
        })
    });
    Ok(StatusAnswer {
        link: host.id().to_string(),
        version: crate::host::VERSION.to_owned(),
        environment: host.environment().to_owned(),
        epoch: host.epoch(),
        cloud: cloud.to_owned(),
        why,
        waiting,
        at_once,
        running,
        sites: sites.collect(),
    })
}

fn integrator(pairing: &PairingRecord) -> IntegratorAnswer {
    let rights = pairing.rights.as_ref();
    IntegratorAnswer {
        integrator: pairing.integrator,
        name: pairing.name.clone(),
        read_only: pairing.access == Access::ReadOnly,
        on: pairing.on,
        paired_at: pairing.paired_at.to_rfc3339(),
        login_writes: rights.map_or(Writes::Unknown, |r| r.rights.writes).name().to_owned(),
        login_grants: rights.map(|r| r.rights.grants.clone()).unwrap_or_default(),
        login_read_at: rights.map(|r| r.read_at.to_rfc3339()),
    }
}

fn which_site(host: &Host, site: Option<SiteId>) -> Result<SiteId, String> {
    let sites = host.sites();
    match (site, &sites[..]) {
        (Some(site), _) if sites.contains(&site) => Ok(site),
        (Some(_), _) => Err("this Link has no such site; status shows those it has".to_owned()),
        (None, [site]) => Ok(*site),
        (None, []) => {
            Err("this Link has no site yet; add a [[site]] to link.toml and restart the service".to_owned())
        }
        (None, _) => Err("this Link has several sites; say which with --site (status shows them)".to_owned()),
    }
}
