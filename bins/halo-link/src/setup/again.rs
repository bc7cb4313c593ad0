//! After an upgrade: the service starts again, unless it stood still before.

use anyhow::{Context, Result, bail};
use machine::service::{self, StartType, State};
use std::time::Duration;

/// Between two looks at it.
const STEP: Duration = Duration::from_millis(250);
/// So often: two and a half minutes. A start waits for databases to say whose they are.
const LOOKS: u32 = 600;
const NEXT: &str = "the entries of Halo Link in the Application event log say why";

/// Starts it and waits until it runs; failing, the upgrade is taken back.
pub(super) fn start() -> Result<String> {
    if service::was_stopped() {
        return Ok("The service was stopped before the upgrade and stays so: `net start \"Halo Link Service\"` starts it".to_owned());
    }
    if service::start_type() == Some(StartType::Disabled) {
        return Ok("The service is disabled and stays so".to_owned());
    }
    service::start().with_context(|| format!("the service can't be started ({NEXT})"))?;
    for _ in 0..LOOKS {
        match service::state() {
            State::Running => return Ok(String::new()),
            State::Starting => std::thread::park_timeout(STEP),
            _ => bail!("the service was started and has ended: {NEXT}"),
        }
    }
    bail!("the service was started and is not up after two and a half minutes: {NEXT}")
}
