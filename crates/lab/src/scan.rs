//! Looks for byte strings in buffers, in files, and in the memory of other processes.

use memchr::memmem::Finder;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Read this much at a time.
const BLOCK: usize = 1024 * 1024;

/// Something to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// What it is, for the report.
    pub label: String,
    /// Its bytes; must not be empty.
    pub bytes: Vec<u8>,
}

/// A needle found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The needle's label.
    pub label: String,
    /// File name, memory region (`[heap]`, a library, empty when anonymous), or empty for a buffer.
    pub place: String,
    /// Offset in the file or buffer, or the address in memory.
    pub offset: u64,
}

/// Looks through a buffer. At most one hit per needle and block of 1 MiB is reported.
pub fn bytes(haystack: &[u8], needles: &[Needle]) -> Vec<Hit> {
    let mut search = Search::new(needles);
    for block in haystack.chunks(BLOCK) {
        search.feed("", block);
    }
    search.hits
}

/// Looks through all regular files under `root`. Files that vanish meanwhile (a database's journal) are passed over;
/// links are not followed.
pub fn files(root: &Path, needles: &[Needle]) -> io::Result<Vec<Hit>> {
    let mut search = Search::new(needles);
    let mut block = vec![0; BLOCK];
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let Ok(mut file) = File::open(entry.path()) else { continue };
                let place = entry.path().display().to_string();
                search.start(0);
                loop {
                    let read = file.read(&mut block)?;
                    if read == 0 {
                        break;
                    }
                    search.feed(&place, &block[..read]);
                }
            }
        }
    }
    Ok(search.hits)
}

/// Looks through all writable memory of another process: heap, stacks, data, anonymous and shared maps.
///
/// Needs the right to trace it: the same user and, where the kernel restricts tracing, a child of this process. The
/// process runs on meanwhile; memory that moves during the search may be missed, so search while it is quiet.
/// Returns the hits and how many bytes were read, so that a test can insist that something was.
#[cfg(target_os = "linux")]
pub fn process(pid: u32, needles: &[Needle]) -> io::Result<(Vec<Hit>, u64)> {
    use std::os::unix::fs::FileExt;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut search = Search::new(needles);
    let mut block = vec![0; BLOCK];
    let mut total = 0;
    for line in maps.lines() {
        let Some(region) = Region::parse(line) else { continue };
        if !region.searchable {
            continue;
        }
        let mut at = region.start;
        search.start(at);
        while at < region.end {
            let want = usize::try_from(region.end - at).unwrap_or(BLOCK).min(BLOCK);
            match memory.read_at(&mut block[..want], at) {
                Ok(read) if read > 0 => {
                    search.feed(region.name, &block[..read]);
                    at += read as u64;
                    total += read as u64;
                }
                // Unmapped since, or never backed (a guard page): nothing can be hidden there.
                _ => break,
            }
        }
    }
    Ok((search.hits, total))
}

#[cfg(target_os = "linux")]
struct Region<'a> {
    start: u64,
    end: u64,
    searchable: bool,
    name: &'a str,
}

#[cfg(target_os = "linux")]
impl<'a> Region<'a> {
    /// `start-end perms offset device inode   name`
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?;
        let name = fields.nth(3).unwrap_or("").trim();
        Some(Region {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            // A file of the disk mapped writable belongs to the search of files too, but what is in memory counts.
            searchable: permissions.starts_with("rw") && name != "[vvar]",
            name,
        })
    }
}

/// Several needles through a stream of blocks, seeing across their borders.
struct Search<'n> {
    finders: Vec<(Finder<'n>, &'n str)>,
    overlap: usize,
    /// The end of the last block and the start of the present one.
    seam: Vec<u8>,
    /// Offset of the next block.
    at: u64,
    hits: Vec<Hit>,
}

impl<'n> Search<'n> {
    fn new(needles: &'n [Needle]) -> Self {
        assert!(needles.iter().all(|n| !n.bytes.is_empty()), "an empty needle is found everywhere");
        Search {
            finders: needles.iter().map(|n| (Finder::new(&n.bytes), n.label.as_str())).collect(),
            overlap: needles.iter().map(|n| n.bytes.len()).max().unwrap_or(1) - 1,
            seam: Vec::new(),
            at: 0,
            hits: Vec::new(),
        }
    }

    /// Begins a new stretch: nothing is carried over.
    fn start(&mut self, at: u64) {
        self.seam.clear();
        self.at = at;
    }

    fn feed(&mut self, place: &str, block: &[u8]) {
        let tail = self.seam.len();
        self.seam.extend_from_slice(&block[..block.len().min(self.overlap)]);
        let seam = std::mem::take(&mut self.seam);
        if tail > 0 {
            // Only what straddles the border is news: what lies wholly in the block is found below.
            self.look(place, &seam, self.at - tail as u64, |start, length| {
                start < tail && start + length > tail
            });
        }
        self.look(place, block, self.at, |_, _| true);
        self.seam = match block.len() >= self.overlap {
            true => block[block.len() - self.overlap..].to_vec(),
            false => seam[seam.len().saturating_sub(self.overlap)..].to_vec(),
        };
        self.at += block.len() as u64;
    }

    fn look(&mut self, place: &str, haystack: &[u8], base: u64, counts: impl Fn(usize, usize) -> bool) {
        for (finder, label) in &self.finders {
            let length = finder.needle().len();
            if let Some(at) = finder.find_iter(haystack).find(|at| counts(*at, length)) {
                let (label, place) = ((*label).to_owned(), place.to_owned());
                self.hits.push(Hit { label, place, offset: base + at as u64 });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needle(text: &str) -> Vec<Needle> {
        vec![Needle { label: text.into(), bytes: text.into() }]
    }

    #[test]
    fn a_needle_across_the_border_of_two_blocks_is_found_at_its_place() {
        for start in BLOCK - 7..=BLOCK + 1 {
            let mut hay = vec![b'.'; BLOCK * 2];
            hay[start..start + 6].copy_from_slice(b"needle");
            let hits = bytes(&hay, &needle("needle"));
            assert_eq!(hits.iter().map(|h| h.offset).collect::<Vec<_>>(), [start as u64]);
        }
    }

    #[test]
    fn a_needle_cut_into_many_small_blocks_is_found() {
        let needles = needle("needle");
        let mut search = Search::new(&needles);
        for byte in b"..needneedle.." {
            search.feed("pipe", &[*byte]);
        }
        assert_eq!(search.hits, [Hit { label: "needle".into(), place: "pipe".into(), offset: 6 }]);
    }

    #[test]
    fn files_in_folders_below_are_searched() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/log"), b"a needle here").unwrap();
        fs::write(folder.path().join("other"), b"nothing here").unwrap();
        let hits = files(folder.path(), &needle("needle")).unwrap();
        assert_eq!(hits.len(), 1);
        assert!(hits[0].place.ends_with("below/log") && hits[0].offset == 2);
    }
}
