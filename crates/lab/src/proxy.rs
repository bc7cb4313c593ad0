//! A TCP proxy on loopback with a delay line per direction and faults on demand.
//!
//! Made for a handful of connections: four threads each. The TCP handshake itself is not delayed (the kernel answers
//! it); everything after it is. A delayed byte comes out 0.05 to 0.2 ms late on an idle machine.

use crate::{
    line::{Item, Line, Shape},
    tap::Tap,
};
use socket2::SockRef;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// Bytes per read: large enough for 200 MB/s, small enough to come out evenly.
const READ: usize = 64 * 1024;
/// A blocked write looks this often whether the connection was cut meanwhile.
const WRITE_PATIENCE: Duration = Duration::from_millis(20);

/// Seen from the one who dialled the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the dialler to the target.
    Up,
    /// From the target to the dialler.
    Down,
}

/// How a proxy starts.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where connections go.
    pub target: SocketAddr,
    /// Delay and rate of each direction.
    pub shape: Shape,
    /// Keep this many of the first bytes of each direction for a search ([`DelayProxy::tap`]).
    pub tap: usize,
    /// Where it listens, on a free port.
    pub listen: IpAddr,
}

impl Options {
    /// No delay, no tap.
    pub fn plain(target: SocketAddr) -> Options {
        Options { target, shape: Shape::default(), tap: 0, listen: Ipv4Addr::LOCALHOST.into() }
    }

    /// The same delay both ways: a round trip takes twice as long.
    pub fn delayed(target: SocketAddr, delay: Duration) -> Options {
        Options { shape: Shape { delay, rate: None }, ..Options::plain(target) }
    }
}

#[derive(Debug)]
struct Lane {
    shape: Mutex<Shape>,
    silent: AtomicBool,
    passed: AtomicU64,
    lost: AtomicU64,
    tap: Tap,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    lanes: [Lane; 2],
    refuse: AtomicBool,
    ended: AtomicBool,
    accepted: AtomicU64,
    connections: Mutex<Vec<Weak<Connection>>>,
}

/// The proxy. Dropping it cuts all its connections.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl DelayProxy {
    /// Listens on a free port.
    pub fn start(options: Options) -> io::Result<DelayProxy> {
        let listener = TcpListener::bind((options.listen, 0))?;
        let lane = || Lane {
            shape: Mutex::new(options.shape),
            silent: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            tap: Tap::new(options.tap),
        };
        let shared = Arc::new(Shared {
            target: options.target,
            lanes: [lane(), lane()],
            refuse: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            connections: Mutex::default(),
        });
        let address = listener.local_addr()?;
        let for_thread = shared.clone();
        thread::spawn(move || accept(&listener, &for_thread));
        Ok(DelayProxy { address, shared })
    }

    /// Dial this instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes delay and rate of both directions, of open connections too.
    pub fn reshape(&self, shape: Shape) {
        for lane in &self.shared.lanes {
            *lane.shape.lock().unwrap_or_else(PoisonError::into_inner) = shape;
        }
        for connection in self.shared.open() {
            connection.lines.iter().for_each(|line| line.reshape(shape));
        }
    }

    /// From now on everything in this direction is swallowed without a sign, as by a middlebox that forgot the
    /// connection: with both directions silent the connection is half-open at both ends. A connection that lost bytes
    /// stays silent for good (TCP could not mend it); one that lost none, and new ones, work again after `false`.
    pub fn silence(&self, direction: Direction, on: bool) {
        self.shared.lane(direction).silent.store(on, Relaxed);
    }

    /// Resets (RST) all open connections on both sides; returns how many.
    pub fn cut(&self) -> usize {
        let open = self.shared.open();
        open.iter().for_each(|connection| connection.reset());
        open.len()
    }

    /// New connections are reset at once while this is on.
    pub fn refuse(&self, on: bool) {
        self.shared.refuse.store(on, Relaxed);
    }

    /// Bytes delivered in this direction so far, all connections.
    pub fn passed(&self, direction: Direction) -> u64 {
        self.shared.lane(direction).passed.load(Relaxed)
    }

    /// Bytes swallowed in this direction so far.
    pub fn lost(&self, direction: Direction) -> u64 {
        self.shared.lane(direction).lost.load(Relaxed)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Relaxed)
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.shared.open().len()
    }

    /// What passed (or was swallowed) in this direction, up to the limit of [`Options::tap`].
    pub fn tap(&self, direction: Direction) -> &Tap {
        &self.shared.lane(direction).tap
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        self.cut();
        // Wakes the accepting thread so that it sees the end.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl Shared {
    fn lane(&self, direction: Direction) -> &Lane {
        &self.lanes[direction as usize]
    }

    fn open(&self) -> Vec<Arc<Connection>> {
        let mut all = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|c| c.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).filter(|c| !c.ended.load(Relaxed)).collect()
    }
}

/// One connection: two sockets, two lines.
#[derive(Debug)]
struct Connection {
    dialler: TcpStream,
    target: TcpStream,
    lines: [Line; 2],
    /// Lost bytes: may never speak again.
    poisoned: [AtomicBool; 2],
    finished: [AtomicBool; 2],
    ended: AtomicBool,
}

impl Connection {
    /// Makes all four threads leave. The last of them closes the sockets, which sends RST: linger is zero, and only the
    /// reading side is shut down, because shutting down the writing side would say an orderly goodbye.
    fn reset(&self) {
        if !self.ended.swap(true, Relaxed) {
            for socket in [&self.dialler, &self.target] {
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
                let _ = socket.shutdown(Shutdown::Read);
            }
        }
        self.lines.iter().for_each(Line::close);
    }

    /// Both directions have said an orderly goodbye.
    fn finish(&self, direction: usize) {
        self.finished[direction].store(true, Relaxed);
        if self.finished.iter().all(|f| f.load(Relaxed)) {
            self.ended.store(true, Relaxed);
            self.lines.iter().for_each(Line::close);
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for dialler in listener.incoming().map_while(Result::ok) {
        if shared.ended.load(Relaxed) {
            return;
        }
        if shared.refuse.load(Relaxed) {
            let _ = SockRef::from(&dialler).set_linger(Some(Duration::ZERO));
            continue;
        }
        shared.accepted.fetch_add(1, Relaxed);
        let shared = shared.clone();
        thread::spawn(move || {
            // A target that is not there: the dialler is reset, as it would be without us.
            if let Err((dialler, _)) = connect(dialler, &shared) {
                let _ = SockRef::from(&dialler).set_linger(Some(Duration::ZERO));
            }
        });
    }
}

fn connect(dialler: TcpStream, shared: &Arc<Shared>) -> Result<(), (TcpStream, io::Error)> {
    let target = match TcpStream::connect(shared.target) {
        Ok(target) => target,
        Err(error) => return Err((dialler, error)),
    };
    let prepare = |socket: &TcpStream| {
        socket.set_nodelay(true).and_then(|()| socket.set_write_timeout(Some(WRITE_PATIENCE)))
    };
    if let Err(error) = prepare(&dialler).and_then(|()| prepare(&target)) {
        return Err((dialler, error));
    }
    let line = |lane: &Lane| Line::new(*lane.shape.lock().unwrap_or_else(PoisonError::into_inner));
    let connection = Arc::new(Connection {
        dialler,
        target,
        lines: [line(&shared.lanes[0]), line(&shared.lanes[1])],
        poisoned: Default::default(),
        finished: Default::default(),
        ended: AtomicBool::new(false),
    });
    shared.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&connection));
    for direction in 0..2 {
        let c = connection.clone();
        thread::spawn(move || read(&c, direction));
        let (c, s) = (connection.clone(), shared.clone());
        thread::spawn(move || write(&c, &s, direction));
    }
    // Dropped between being accepted and being listed: the cut at the end has not seen it.
    if shared.ended.load(Relaxed) {
        connection.reset();
    }
    Ok(())
}

fn read(connection: &Connection, direction: usize) {
    let mut from = if direction == 0 { &connection.dialler } else { &connection.target };
    let mut buffer = vec![0; READ];
    loop {
        let item = match from.read(&mut buffer) {
            Ok(0) => Item::End,
            Ok(read) => Item::Data(buffer[..read].to_vec()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => Item::Reset,
        };
        if connection.ended.load(Relaxed) {
            return;
        }
        let last = !matches!(item, Item::Data(_));
        if !connection.lines[direction].put(item) || last {
            return;
        }
    }
}

fn write(connection: &Connection, shared: &Shared, direction: usize) {
    let to = if direction == 0 { &connection.target } else { &connection.dialler };
    let lane = &shared.lanes[direction];
    while let Some(item) = connection.lines[direction].take() {
        // Asked here and not where bytes come in, so that silence swallows what is still under way too.
        if lane.silent.load(Relaxed) {
            connection.poisoned[direction].store(true, Relaxed);
        }
        let silent = connection.poisoned[direction].load(Relaxed);
        match item {
            Item::Data(bytes) => {
                lane.tap.record(&bytes);
                if silent {
                    lane.lost.fetch_add(bytes.len() as u64, Relaxed);
                } else if write_all(to, &bytes, connection).is_ok() {
                    lane.passed.fetch_add(bytes.len() as u64, Relaxed);
                } else if shared.lanes[1 - direction].silent.load(Relaxed) {
                    // The receiver is gone, but its reset would have to travel the silent way: the sender must not know.
                    connection.poisoned[direction].store(true, Relaxed);
                } else {
                    return connection.reset();
                }
            }
            Item::End | Item::Reset if silent => return,
            Item::End => {
                let _ = to.shutdown(Shutdown::Write);
                return connection.finish(direction);
            }
            Item::Reset => return connection.reset(),
        }
    }
}

/// Like `write_all`, but leaves when the connection was cut meanwhile.
fn write_all(mut to: &TcpStream, mut bytes: &[u8], connection: &Connection) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                if connection.ended.load(Relaxed) {
                    return Err(ErrorKind::ConnectionAborted.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
