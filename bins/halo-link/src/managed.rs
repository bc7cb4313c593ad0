//! The service under Windows' service manager: it reports how it stands, and tells the event log what a practice should know.

use crate::{block_on, logs, serve, was_moved};
use agent::config::Config;
use anyhow::{Context, Result};
use machine::{
    events::{self, Level},
    service::{self, Running},
};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Numbers of entries in the event log. People filter by them: they never change.
mod event {
    pub(super) const STARTED: u32 = 1;
    pub(super) const STOPPED: u32 = 2;
    pub(super) const FAILED: u32 = 3;
    pub(super) const MOVED: u32 = 9;
}

/// Hands this process to the service manager until the service has ended.
pub(crate) fn dispatch(config: PathBuf) -> Result<()> {
    service::dispatch(move |running| managed(&config, running)).context(
        "only the service manager starts it this way: use `net start \"Halo Link Service\"`, or `HaloLinkService run` by hand",
    )
}

/// Serves, and gives the exit code: 0, or 1 for a failure, after which the service manager starts the service again.
fn managed(path: &Path, running: Running) -> u32 {
    let done = Config::read(path).map_err(anyhow::Error::from).and_then(|config| {
        logs::to_files(&config.data).with_context(|| format!("logs in {}", config.data.display()))?;
        block_on(run(config, running))
    });
    match done {
        Ok(()) => {
            events::report(Level::Information, event::STOPPED, "Halo Link has stopped, as it was told to.");
            0
        }
        Err(error) if was_moved(&error) => {
            tracing::warn!("{error:#}");
            events::report(Level::Warning, event::MOVED, &format!("{error:#}"));
            0
        }
        Err(error) => {
            tracing::error!(error = %format_args!("{error:#}"), "can't start");
            events::report(
                Level::Error,
                event::FAILED,
                &format!(
                    "Halo Link can't start: {error:#}\r\nPut that right; Windows tries again after a minute, or use: net start \
                     \"Halo Link Service\""
                ),
            );
            1
        }
    }
}

async fn run(config: Config, running: Running) -> Result<()> {
    let (tell, stop) = watch::channel(false);
    // The receiver may be gone when the start has failed: then it is over anyway.
    running.on_stop(move || {
        let _ = tell.send(true);
    });
    let environment = config.environment.clone();
    serve(config, stop, move || {
        running.up()?;
        events::report(Level::Information, event::STARTED, &format!("Halo Link started for {environment}."));
        Ok(())
    })
    .await
}
