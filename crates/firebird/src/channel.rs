//! One connection: requests out, answers in, encrypted once both sides agree. Every wait has a bound.

use crate::wire::{
    arc4::Arc4,
    op::CancelKind,
    reply::{self, Response},
    request,
    xdr::{Reader, Short},
};
use database::{Cancel, Failure};
use model::{Clock, SystemClock};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often a wait looks up.
const TICK: Duration = Duration::from_millis(500);
/// How long the server may take to stop a command that it was asked to stop, and to take what is written.
const STOPPING: Duration = Duration::from_secs(15);
/// Most bytes of one answer: a row of 64 KB of columns, a piece of a blob, and what surrounds them.
const MESSAGE: usize = 4 * 1024 * 1024;
/// Bytes read at once.
const READ: usize = 128 * 1024;

/// Now, for waits: the machine's clock that never jumps. (What ends a wait is a socket, which no test can move.)
pub(crate) fn now() -> Duration {
    SystemClock.monotonic()
}

/// What the connection's owner is doing, as far as those who cancel care.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing. Who cancels now means the next command.
    Idle { asked: bool },
    /// A command runs. Since when the server knows that it is to stop.
    Running { asked: Option<Duration> },
    /// What ran is being committed or rolled back: too late to stop that, but not what may follow for the same command.
    Ending { asked: bool },
}

/// The half that writes: those who cancel write too.
pub(crate) struct Half(Mutex<Writing>, Condvar);

/// The server takes a request to stop only when it stands alone in what it reads from the network at once: behind another
/// request it waits for that one's end, and what stands behind it is thrown away. So there is a pause on either side.
const PAUSE: Duration = Duration::from_millis(10);

struct Writing {
    socket: TcpStream,
    cipher: Option<Arc4>,
    phase: Phase,
    /// When something was sent last.
    sent: Duration,
    /// Counts commands.
    command: u64,
    /// The server was asked to stop, and has not yet shown that it heard.
    unheard: bool,
}

impl Writing {
    fn send(&mut self, bytes: &mut [u8]) -> Result<(), Failure> {
        self.sent = now();
        if let Some(cipher) = &mut self.cipher {
            cipher.apply(bytes);
        }
        self.socket.write_all(bytes).map_err(|_| Failure::Lost)
    }
}

impl Half {
    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing was sent for a while. The command may have ended meanwhile.
    fn quiet(&self) -> MutexGuard<'_, Writing> {
        let mut writing = self.lock();
        loop {
            let left = PAUSE.saturating_sub(now().saturating_sub(writing.sent));
            if left.is_zero() {
                return writing;
            }
            writing = self.1.wait_timeout(writing, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Cancel for Half {
    fn cancel(&self) {
        let mut writing = self.lock();
        let command = writing.command;
        match writing.phase {
            Phase::Idle { .. } => writing.phase = Phase::Idle { asked: true },
            Phase::Ending { .. } => writing.phase = Phase::Ending { asked: true },
            Phase::Running { asked: Some(_) } => {}
            Phase::Running { asked: None } => {
                // From here on the command itself sends nothing more.
                writing.phase = Phase::Running { asked: Some(now()) };
                drop(writing);
                writing = self.quiet();
                if writing.command == command && matches!(writing.phase, Phase::Running { .. }) {
                    let mut out = Vec::new();
                    request::cancel(&mut out, CancelKind::Raise);
                    writing.unheard = true;
                    // A connection that is gone ends the command too.
                    let _ = writing.send(&mut out);
                }
            }
        }
    }
}

/// The whole connection.
pub(crate) struct Channel {
    socket: TcpStream,
    half: Arc<Half>,
    cipher: Option<Arc4>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Answers under way that nobody waits for.
    owed: usize,
    /// When waiting ends, where a bound is known.
    deadline: Option<Duration>,
    /// What comes is not wanted: a server that is slow with it is asked to stop.
    impatient: bool,
    lost: bool,
}

impl Channel {
    /// Around a connected socket.
    pub(crate) fn new(socket: TcpStream) -> std::io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(STOPPING))?;
        // A server whose machine is gone says nothing: a long query would wait for ever.
        let alive = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(30))
            .with_interval(Duration::from_secs(10));
        socket2::SockRef::from(&socket).set_tcp_keepalive(&alive)?;
        let writing = Writing {
            socket: socket.try_clone()?,
            cipher: None,
            phase: Phase::Idle { asked: false },
            sent: Duration::ZERO,
            command: 0,
            unheard: false,
        };
        Ok(Channel {
            socket,
            half: Arc::new(Half(Mutex::new(writing), Condvar::new())),
            cipher: None,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            owed: 0,
            deadline: None,
            impatient: false,
            lost: false,
        })
    }

    pub(crate) fn half(&self) -> Arc<Half> {
        Arc::clone(&self.half)
    }

    /// Whether it is of no more use.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// What came makes no sense, or the server goes away.
    pub(crate) fn give_up(&mut self) {
        self.lost = true;
    }

    /// Waits end then.
    pub(crate) fn until(&mut self, deadline: Option<Duration>) {
        self.deadline = deadline;
    }

    /// From here on both directions are encrypted.
    pub(crate) fn encrypt(&mut self, key: &[u8]) {
        self.cipher = Some(Arc4::new(key));
        self.half.lock().cipher = Some(Arc4::new(key));
    }

    /// A command begins; `Err` when it was cancelled before.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        let mut writing = self.half.lock();
        let asked = writing.phase == Phase::Idle { asked: true };
        writing.command += 1;
        writing.phase = if asked { Phase::Idle { asked: false } } else { Phase::Running { asked: None } };
        if asked { Err(Failure::Cancelled) } else { Ok(()) }
    }

    /// Whether the command that runs was cancelled.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.half.lock().phase, Phase::Running { asked: Some(_) })
    }

    /// The server said that it stopped: it has heard.
    pub(crate) fn stopped(&mut self) {
        self.half.lock().unheard = false;
    }

    /// What comes from now on is not wanted, or is again.
    pub(crate) fn impatient(&mut self, yes: bool) {
        self.impatient = yes;
    }

    /// The command itself is through: nobody can stop its end. `resume` or `finish` must follow.
    pub(crate) fn ending(&mut self, database: u32) -> Result<(), Failure> {
        let mut writing = self.half.lock();
        let asked = matches!(writing.phase, Phase::Running { asked: Some(_) });
        writing.phase = Phase::Ending { asked };
        let unheard = std::mem::take(&mut writing.unheard);
        drop(writing);
        if !unheard {
            return Ok(());
        }
        // A request that came too late would stop the next thing that runs: this makes the server forget it.
        let mut times = 0;
        self.settle(database, &mut times)?;
        for kind in [CancelKind::Disable, CancelKind::Enable] {
            let mut out = Vec::new();
            request::cancel(&mut out, kind);
            self.half.quiet().send(&mut out).inspect_err(|_| self.lost = true)?;
            self.settle(database, &mut times)?;
        }
        Ok(())
    }

    /// Waits until the server has read everything: asks, with an answer that can be told from others, as often as it takes.
    fn settle(&mut self, database: u32, times: &mut u8) -> Result<(), Failure> {
        let until = now() + STOPPING;
        while now() < until && *times < u8::MAX {
            *times += 1;
            let mut out = Vec::new();
            request::probe(&mut out, database, *times);
            self.half.quiet().send(&mut out).inspect_err(|_| self.lost = true)?;
            let give_up = now() + PAUSE * 5 * u32::from(*times).min(20);
            loop {
                let mut reader = Reader::new(&self.buffer[self.start..self.end]);
                match reply::response(&mut reader) {
                    Ok(answer) => {
                        let used = reader.at();
                        self.consume(used);
                        if answer.data.len() == request::probe_answer(*times) {
                            // Answers come in order: there are none left that were owed.
                            self.owed = 0;
                            return Ok(());
                        }
                    }
                    Err(Short::More) if now() < give_up => self.more(Some(give_up))?,
                    Err(Short::More) => break,
                    Err(Short::Wrong) => {
                        self.lost = true;
                        return Err(Failure::Lost);
                    }
                }
            }
        }
        self.lost = true;
        Err(Failure::Lost)
    }

    /// Something else follows for the same command; `Err` when it was cancelled meanwhile.
    pub(crate) fn resume(&mut self) -> Result<(), Failure> {
        let mut writing = self.half.lock();
        if writing.phase == (Phase::Ending { asked: true }) {
            return Err(Failure::Cancelled);
        }
        writing.phase = Phase::Running { asked: None };
        Ok(())
    }

    /// The command is over.
    pub(crate) fn finish(&mut self) {
        self.half.lock().phase = Phase::Idle { asked: false };
    }

    /// Sends requests.
    pub(crate) fn send(&mut self, out: &mut [u8]) -> Result<(), Failure> {
        if self.lost {
            return Err(Failure::Lost);
        }
        let mut writing = self.half.lock();
        if matches!(writing.phase, Phase::Running { asked: Some(_) }) {
            // What would follow the request to stop could be lost.
            return Err(Failure::Cancelled);
        }
        writing.send(out).inspect_err(|_| self.lost = true)
    }

    /// One answer is under way that nobody needs.
    pub(crate) fn owe(&mut self) {
        self.owed += 1;
    }

    /// Reads one answer.
    pub(crate) fn read<T>(
        &mut self,
        parse: impl Fn(&mut Reader<'_>) -> Result<T, Short>,
    ) -> Result<T, Failure> {
        let (answer, used) = self.look(&mut |reader| parse(reader))?;
        self.consume(used);
        Ok(answer)
    }

    /// Reads one answer and leaves its bytes where they are, in [`Channel::bytes`], until [`Channel::consume`].
    pub(crate) fn look<T>(
        &mut self,
        parse: &mut impl FnMut(&mut Reader<'_>) -> Result<T, Short>,
    ) -> Result<(T, usize), Failure> {
        while self.owed > 0 {
            let (_, used) = self.whole(&mut reply::response)?;
            self.consume(used);
            self.owed -= 1;
        }
        self.whole(parse)
    }

    fn whole<T>(
        &mut self,
        parse: &mut impl FnMut(&mut Reader<'_>) -> Result<T, Short>,
    ) -> Result<(T, usize), Failure> {
        loop {
            let mut reader = Reader::new(&self.buffer[self.start..self.end]);
            match parse(&mut reader) {
                Ok(answer) => return Ok((answer, reader.at())),
                Err(Short::More) if self.end - self.start < MESSAGE => self.fill()?,
                Err(_) => {
                    self.lost = true;
                    return Err(Failure::Lost);
                }
            }
        }
    }

    /// What was read and not yet consumed.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Done with the first bytes.
    pub(crate) fn consume(&mut self, used: usize) {
        self.start += used;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// A response that says that all is well.
    pub(crate) fn response(&mut self) -> Result<Result<Response, crate::wire::status::Status>, Failure> {
        let response = self.read(reply::response)?;
        Ok(if response.status.is_well() { Ok(response) } else { Err(response.status) })
    }

    fn fill(&mut self) -> Result<(), Failure> {
        self.more(None)
    }

    /// Reads some more; until then at most, where a time is given (then it may be that nothing came).
    fn more(&mut self, until: Option<Duration>) -> Result<(), Failure> {
        if self.lost {
            return Err(Failure::Lost);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buffer.len() < self.end + READ {
            self.buffer.resize(self.end + READ, 0);
        }
        if let Some(until) = until {
            let left = until.saturating_sub(now()).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(left)).map_err(|_| Failure::Lost)?;
        }
        let read = loop {
            match self.socket.read(&mut self.buffer[self.end..]) {
                Ok(0) => break 0,
                Ok(read) => break read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if until.is_some() {
                        self.socket.set_read_timeout(Some(TICK)).map_err(|_| Failure::Lost)?;
                        return Ok(());
                    }
                    if self.overdue() {
                        break 0;
                    }
                    if self.impatient {
                        self.half.cancel();
                    }
                }
                Err(_) => break 0,
            }
        };
        if until.is_some() {
            self.socket.set_read_timeout(Some(TICK)).map_err(|_| Failure::Lost)?;
        }
        if read == 0 {
            self.lost = true;
            return Err(Failure::Lost);
        }
        let fresh = &mut self.buffer[self.end..self.end + read];
        if let Some(cipher) = &mut self.cipher {
            cipher.apply(fresh);
        }
        self.end += read;
        Ok(())
    }

    /// Whether waiting has lasted too long.
    fn overdue(&self) -> bool {
        let asked = match self.half.lock().phase {
            Phase::Running { asked } => asked,
            _ => None,
        };
        self.deadline.is_some_and(|deadline| now() >= deadline)
            || asked.is_some_and(|asked| now().saturating_sub(asked) >= STOPPING)
    }
}
