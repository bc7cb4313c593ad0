//! Child processes of a test: ready line, log file, a polite end, and never left behind.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{self, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    name: String,
    child: process::Child,
    ready: Receiver<String>,
}

impl Child {
    /// Starts `command`; its standard output and error go to `log`. The first line of output that starts with `{` is the
    /// ready line ([`Child::ready`]).
    pub fn start(name: &str, mut command: Command, log: &Path) -> io::Result<Child> {
        let mut log = File::create(log)?;
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?).spawn().map_err(
                |e| io::Error::new(e.kind(), format!("{name}: can't start {:?}: {e}", command.get_program())),
            )?;
        let output = child.stdout.take().expect("standard output was asked for as a pipe");
        let (found, ready) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The log is for people; a full disk must not stop the test.
                let _ = writeln!(log, "{line}");
                if line.starts_with('{') {
                    let _ = found.send(line);
                }
            }
        });
        Ok(Child { name: name.to_owned(), child, ready })
    }

    /// Waits for the (next) line of JSON on its standard output.
    pub fn ready(&mut self, within: Duration) -> io::Result<String> {
        let name = &self.name;
        self.ready.recv_timeout(within).map_err(|e| match e {
            RecvTimeoutError::Timeout => {
                io::Error::new(io::ErrorKind::TimedOut, format!("{name} was not ready within {within:?}"))
            }
            RecvTimeoutError::Disconnected => io::Error::new(
                io::ErrorKind::BrokenPipe,
                format!("{name} ended before it was ready: see its log"),
            ),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM) and waits; kills it when the time is up. `true` when it ended well by itself.
    #[cfg(unix)]
    pub fn end(mut self, within: Duration) -> io::Result<bool> {
        signal(self.child.id(), rustix::process::Signal::TERM)?;
        let start = crate::now();
        let (_quiet, wait) = mpsc::channel::<()>();
        while start.elapsed() < within {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            let _ = wait.recv_timeout(Duration::from_millis(5));
        }
        Ok(false)
    }

    /// Freezes it (SIGSTOP): its connections stay open and silent.
    #[cfg(unix)]
    pub fn freeze(&self) -> io::Result<()> {
        signal(self.child.id(), rustix::process::Signal::STOP)
    }

    /// Lets it run on (SIGCONT).
    #[cfg(unix)]
    pub fn thaw(&self) -> io::Result<()> {
        signal(self.child.id(), rustix::process::Signal::CONT)
    }

    /// Ends it at once (SIGKILL), as a power cut would.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

#[cfg(unix)]
fn signal(pid: u32, signal: rustix::process::Signal) -> io::Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Raises this process's limit of open files to `wanted`, or as far as permitted; children inherit it. Returns the limit.
#[cfg(unix)]
pub fn raise_open_files(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(u64::MAX);
    let both = Rlimit { current: Some(wanted), maximum: Some(wanted.max(hard)) };
    let soft = Rlimit { current: Some(wanted.min(hard)), maximum: now.maximum };
    if now.current.is_some_and(|current| current < wanted) && setrlimit(Resource::Nofile, both).is_err() {
        // Already at the limit is fine: the answer says what holds.
        let _ = setrlimit(Resource::Nofile, soft);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
