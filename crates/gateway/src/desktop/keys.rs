//! The keys that sign tokens: in a file of the gateway's data folder, made when it is first needed, its owner's alone. Whoever
//! shares the folder, or a copy of the file, takes the tokens of the others. A key that was replaced proves tokens for as long as one
//! may live.

use super::{OVERLAP, token::Key};
use crate::identity;
use aws_lc_rs::hmac;
use model::{Clock, Hidden, Timestamp};
use rand::{RngCore, SeedableRng};
use std::{
    fmt::Write,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// The file: a line per key with its name, since when it signs (milliseconds since 1970), and its 32 bytes in hexadecimal.
pub const KEY_FILE: &str = "desktop-tokens.keys";
const SECRET: usize = 32;
/// How long keys that another process put there may stay unseen.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// Tokens with invented names of keys must not turn into a read of the file each.
const READ_EVERY: Duration = Duration::from_millis(200);

/// What becomes of the keys that were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Former {
    /// The last one signs for so long yet, and proves until no token of its can live.
    Signs(Duration),
    /// Somebody may have seen them: they prove nothing any more.
    Seen,
}

/// Makes a new key; keys that prove nothing any more are removed. Returns its name.
///
/// # Errors
/// When the file can't be read or written.
pub fn rotate(data: &Path, now: Timestamp, former: Former, rng: &mut dyn RngCore) -> io::Result<String> {
    let (mut lines, after) = match former {
        Former::Signs(after) => (parse(&read_or_make(data, now)?)?, after),
        Former::Seen => (Vec::new(), Duration::ZERO),
    };
    lines.retain(|line| line.until.is_none_or(|until| now < until));
    let line = Line::make(now.plus(after), rng);
    let kid = line.kid.clone();
    lines.push(line);
    identity::replace(data, KEY_FILE, &render(&lines))?;
    Ok(kid)
}

struct Line {
    kid: String,
    /// Since when it signs.
    from: Timestamp,
    /// Until when it proves: the next one has signed long enough.
    until: Option<Timestamp>,
    secret: Hidden<Vec<u8>>,
}

impl Line {
    fn make(from: Timestamp, rng: &mut dyn RngCore) -> Line {
        let (mut name, mut secret) = ([0; 6], vec![0; SECRET]);
        rng.fill_bytes(&mut name);
        rng.fill_bytes(&mut secret);
        Line { kid: hex(&name), from, until: None, secret: Hidden::new(secret) }
    }
}

fn read_or_make(data: &Path, now: Timestamp) -> io::Result<Hidden<Vec<u8>>> {
    identity::read_or_make(data, KEY_FILE, || {
        let mut rng = rand::rngs::StdRng::try_from_os_rng().map_err(io::Error::other)?;
        Ok(render(&[Line::make(now, &mut rng)]))
    })
}

fn render(lines: &[Line]) -> Hidden<Vec<u8>> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut text = String::with_capacity(lines.len() * 128);
    for line in lines {
        let _ = writeln!(text, "{} {} {}", line.kid, line.from.0, hex(line.secret.reveal()));
    }
    Hidden::new(text.into_bytes())
}

fn parse(file: &Hidden<Vec<u8>>) -> io::Result<Vec<Line>> {
    let wrong = || {
        let what = "the file is damaged: it has a line per key. Without it a new one is made, and every token given so far is refused";
        io::Error::new(io::ErrorKind::InvalidData, what)
    };
    let text = std::str::from_utf8(file.reveal()).map_err(|_| wrong())?;
    let one = |line: &str| {
        let mut words = line.split(' ');
        let (kid, from, secret) = (words.next()?, words.next()?.parse().ok()?, unhex(words.next()?)?);
        let whole = words.next().is_none() && !kid.is_empty() && secret.reveal().len() == SECRET;
        whole.then(|| Line { kid: kid.to_owned(), from: Timestamp(from), until: None, secret })
    };
    let mut lines =
        text.lines().map(|line| one(line).ok_or_else(wrong)).collect::<io::Result<Vec<Line>>>()?;
    lines.sort_by_key(|line| line.from);
    for at in 1..lines.len() {
        lines[at - 1].until = Some(lines[at].from.plus(OVERLAP));
    }
    if lines.is_empty() { Err(wrong()) } else { Ok(lines) }
}

/// The keys in memory, which follow the file within five seconds.
pub(super) struct Keys {
    data: PathBuf,
    clock: Arc<dyn Clock>,
    cached: RwLock<Cached>,
}

struct Cached {
    read_at: Duration,
    keys: Vec<Dated>,
}

struct Dated {
    from: Timestamp,
    until: Option<Timestamp>,
    key: Key,
}

impl Keys {
    pub(super) fn open(data: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let read_at = clock.monotonic();
        let keys = read(data, clock.now())?;
        Ok(Keys { data: data.to_owned(), clock, cached: RwLock::new(Cached { read_at, keys }) })
    }

    /// With the key that signs now.
    pub(super) fn newest<T>(&self, work: impl FnOnce(&Key) -> T) -> io::Result<T> {
        self.refresh(FRESH_FOR)?;
        let now = self.clock.now();
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back finds none that signs yet: the oldest then.
        let signing = cached.keys.iter().rev().find(|dated| dated.from <= now).or(cached.keys.first());
        Ok(work(&signing.expect("a file without keys is refused").key))
    }

    /// With the key of this name; `None`: there is none, or it proves nothing any more.
    pub(super) fn of<T>(&self, kid: &str, work: impl Fn(&Key) -> T) -> io::Result<Option<T>> {
        for age in [FRESH_FOR, READ_EVERY] {
            self.refresh(age)?;
            let now = self.clock.now();
            let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(dated) = cached.keys.iter().find(|dated| dated.key.kid == kid) {
                return Ok(dated.until.is_none_or(|until| now < until).then(|| work(&dated.key)));
            }
        }
        Ok(None)
    }

    /// Reads the file again when what is in memory is older.
    fn refresh(&self, age: Duration) -> io::Result<()> {
        let now = self.clock.monotonic();
        let old = |cached: &Cached| now.saturating_sub(cached.read_at) >= age;
        if !old(&self.cached.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        if old(&cached) {
            *cached = Cached { read_at: now, keys: read(&self.data, self.clock.now())? };
        }
        Ok(())
    }
}

fn read(data: &Path, now: Timestamp) -> io::Result<Vec<Dated>> {
    let lines = parse(&read_or_make(data, now)?)?;
    let dated = |line: Line| Dated {
        from: line.from,
        until: line.until,
        key: Key { kid: line.kid, secret: hmac::Key::new(hmac::HMAC_SHA256, line.secret.reveal()) },
    };
    Ok(lines.into_iter().map(dated).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Hidden<Vec<u8>>> {
    let digits = text.bytes().map(|digit| char::from(digit).to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let whole = digits.len() % 2 == 0;
    let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap_or_default();
    whole.then(|| Hidden::new(digits.chunks_exact(2).map(byte).collect()))
}

#[cfg(test)]
mod tests;
