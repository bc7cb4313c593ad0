//! Where the service's log goes: JSON lines on stderr, or in files of bounded size where nobody reads stderr.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Libraries that put what passes into their logs.
const SILENCED: &[&str] = &[mssql::SILENCED];
/// A file is this long before the next one is begun, bytes.
const FILE_BYTES: u64 = 8 * 1024 * 1024;
/// So many older ones are kept.
const OLDER: u32 = 5;
/// Below the data folder.
const FOLDER: &str = "logs";
const NAME: &str = "HaloLinkService.log";

/// For consoles and systemd.
pub(crate) fn to_stderr() {
    start(io::stderr);
}

/// For a service without a console: `logs/HaloLinkService.log` in the data folder, and up to five older ones, 48 MiB in all.
pub(crate) fn to_files(data: &Path) -> io::Result<()> {
    let folder = data.join(FOLDER);
    machine::folder::make_private(data)?;
    fs::create_dir_all(&folder)?;
    start(Mutex::new(Rolling::open(folder.join(NAME), FILE_BYTES, OLDER)?));
    Ok(())
}

fn start(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Whatever RUST_LOG asks for: the driver of SQL Server logs statements and the server's words.
    let quiet = filter_fn(|about| !SILENCED.iter().any(|library| about.target().starts_with(library)));
    let lines = tracing_subscriber::fmt::layer().json().with_writer(writer);
    tracing_subscriber::registry().with(lines.with_filter(filter.and(quiet))).init();
}

/// A log file that is put aside when it is full: `name`, `name.1` (the next older), `name.2` …
struct Rolling {
    path: PathBuf,
    most: u64,
    older: u32,
    file: Option<File>,
    length: u64,
}

impl Rolling {
    fn open(path: PathBuf, most: u64, older: u32) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let length = file.metadata()?.len();
        Ok(Rolling { path, most, older, file: Some(file), length })
    }

    fn numbered(&self, number: u32) -> PathBuf {
        match number {
            0 => self.path.clone(),
            number => PathBuf::from(format!("{}.{number}", self.path.display())),
        }
    }

    /// Puts the full file aside. One that somebody else holds open on Windows stays, and is begun anew: bounded before complete.
    fn roll(&mut self) -> io::Result<()> {
        self.file = None;
        for number in (0..self.older).rev() {
            // One that is missing is no trouble, and a log is no reason to stop.
            let _ = fs::rename(self.numbered(number), self.numbered(number + 1));
        }
        self.file = Some(OpenOptions::new().create(true).write(true).truncate(true).open(&self.path)?);
        self.length = 0;
        Ok(())
    }
}

impl Write for Rolling {
    /// One call is one line: it is never torn in two.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = line.len() as u64;
        if self.file.is_none() || (self.length > 0 && self.length + length > self.most) {
            self.roll()?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
        }
        self.length += length;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_bounded_and_loses_its_oldest_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = Rolling::open(path.clone(), 100, 2).unwrap();
        for number in 0..50 {
            log.write_all(format!("line {number:>34}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let kept = [read("a.log.2"), read("a.log.1"), read("a.log")].concat();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(["a.log", "a.log.1", "a.log.2"].iter().all(|name| read(name).len() <= 100), "{kept}");
        let numbers: Vec<u32> = kept.lines().map(|line| line[5..].trim().parse().unwrap()).collect();
        assert_eq!(numbers, (44..50).collect::<Vec<_>>());
        // The next start goes on where this one ended.
        drop(log);
        Rolling::open(path, 100, 2).unwrap().write_all(b"again\n").unwrap();
        assert!(read("a.log").ends_with("49\nagain\n"), "{}", read("a.log"));
    }
}
