//! One program of the system as a child process: started, waited for until ready, stopped.

use anyhow::{Context, Result, bail};
use rand::{Rng, distr::Alphanumeric, rngs::OsRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a part may take until it says that it is ready.
const READY: Duration = Duration::from_secs(60);

/// A running part.
#[derive(Debug)]
pub struct Part {
    /// Process id.
    pub pid: u32,
    child: Child,
}

impl Part {
    /// Starts a program and waits for the JSON line in which it says that it is ready.
    pub(super) async fn start(
        program: &Path,
        arguments: &[&OsStr],
        log: &Path,
        environment: &[(String, String)],
    ) -> Result<(Part, Value)> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(out)
            // Its own group: Ctrl-C reaches us, and we stop the parts in their order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("can't start {}: is it built?", program.display()))?;
        let pid = child.id().context("the process ended at once")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = match timeout(READY, lines.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(_) => {
                bail!("{name} ended before it was ready; the reason is in {}:\n{}", log.display(), tail(log))
            }
            Err(_) => bail!("{name} was not ready within {READY:?}; see {}:\n{}", log.display(), tail(log)),
        };
        // Keep the pipe open and empty, so that the part never meets a broken one.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let ready = serde_json::from_str(&line)
            .with_context(|| format!("{name} said something else than ready: {line}"))?;
        Ok((Part { pid, child }, ready))
    }

    /// Asks it to stop, waits, and kills it when it takes longer than `limit`.
    pub async fn stop(mut self, limit: Duration) -> Result<()> {
        signal(self.pid, Signal::TERM);
        if timeout(limit, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }

    /// Waits for its end, which nobody asked for.
    pub async fn ended(&mut self) -> Result<std::process::ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Kills it without warning, as a power cut would.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// Sends a signal; a process that is gone needs none.
fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Runs a program to its end and gives what it printed.
pub(super) async fn run(program: &Path, arguments: &[&str], config: &Path) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("can't start {}: is it built?", program.display()))?;
    if !output.status.success() {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        bail!(
            "{name} {}: {}",
            arguments.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// 32 letters and digits from the operating system's generator.
pub(crate) fn random_text() -> String {
    rand::rand_core::UnwrapErr(OsRng).sample_iter(&Alphanumeric).take(32).map(char::from).collect()
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    fs::rename(&new, path).with_context(|| format!("can't write {}", path.display()))
}

/// Asks a process that is not our child to end, and waits until it is gone.
pub(crate) fn signal_and_wait(pid: u32, limit: Duration) -> Result<()> {
    signal(pid, Signal::TERM);
    let clock = model::SystemClock;
    let start = model::Clock::monotonic(&clock);
    while lives(pid) {
        if model::Clock::monotonic(&clock).saturating_sub(start) > limit {
            bail!("process {pid} did not end within {limit:?}");
        }
        // A foreign process can't be waited for: look again, without a runtime to sleep on.
        std::thread::park_timeout(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether a process runs; one that has ended and that nobody has waited for does not.
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which is in brackets and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
