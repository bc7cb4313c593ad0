//! Compound files ([MS-CFB]), as installers are: a small file system in a file. Read only, from memory.
//!
//! Own code where there are libraries, for one reason: a signature covers the streams, not the file. This reader gives every
//! sector to exactly one owner, and refuses a file with a sector that has two or none: nothing can hide between streams
//! or behind the last one. What passes here is what the signature covers.

use super::SignatureError;

/// First bytes of every compound file.
pub(super) const MAGIC: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Ends of chains in allocation tables.
const END: u32 = 0xffff_fffe;
const NONE: u32 = 0xffff_ffff;
/// Streams below this live in the mini stream, in sectors of [`MINI`].
const CUTOFF: u64 = 4096;
const MINI: usize = 64;
/// Directory entries: an installer has some dozens.
const ENTRIES: usize = 16 * 1024;
/// Storages in storages: an installer has none, or one level for transforms.
const DEPTH: usize = 8;

const BROKEN: SignatureError = SignatureError::Format("its structure is broken");
const UNCOVERED: SignatureError = SignatureError::Uncovered("there is something between or behind its parts");

/// What an entry of the directory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Root,
    Storage,
    Stream,
}

/// One entry of the directory, with the fields as they are in the file.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: Kind,
    /// UTF-16, little endian, without the end mark.
    pub(super) name: &'a [u8],
    pub(super) clsid: &'a [u8],
    pub(super) state: &'a [u8],
    /// Created, then modified: 8 bytes each.
    pub(super) times: &'a [u8],
    pub(super) size: u64,
    start: u32,
    left: u32,
    right: u32,
    child: u32,
    /// Indexes of entries, sorted by name byte by byte.
    pub(super) children: Vec<usize>,
}

/// A compound file that has passed all checks.
#[derive(Debug)]
pub(super) struct Compound<'a> {
    bytes: &'a [u8],
    /// Size of a sector: 512 or 4096.
    sector: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    /// Sectors of the mini stream.
    mini: Vec<usize>,
    /// The first one is the root.
    pub(super) entries: Vec<Entry<'a>>,
}

/// Who has which sector.
struct Claims(Vec<bool>);

impl Claims {
    fn claim(&mut self, sector: u32) -> Result<usize, SignatureError> {
        let index = usize::try_from(sector).map_err(|_| BROKEN)?;
        match self.0.get_mut(index) {
            Some(taken) if !*taken => *taken = true,
            _ => return Err(BROKEN),
        }
        Ok(index)
    }

    /// A chain to its end; each of its sectors is claimed, so it has one.
    fn chain(&mut self, table: &[u32], start: u32) -> Result<Vec<usize>, SignatureError> {
        let mut chain = Vec::new();
        let mut next = start;
        while next != END {
            let index = self.claim(next)?;
            chain.push(index);
            next = *table.get(index).ok_or(BROKEN)?;
        }
        Ok(chain)
    }
}

impl<'a> Compound<'a> {
    /// # Errors
    /// [`SignatureError::Format`] and [`SignatureError::Uncovered`].
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Compound<'a>, SignatureError> {
        let header = bytes.get(..512).ok_or(BROKEN)?;
        let sector = match (&header[26..28], &header[30..32]) {
            ([3, 0], [9, 0]) => 512,
            ([4, 0], [12, 0]) => 4096,
            _ => return Err(BROKEN),
        };
        let order_and_mini = header[28..30] == [0xfe, 0xff] && header[32..34] == [6, 0];
        if !order_and_mini || u64::from(u32_at(header, 56)) != CUTOFF {
            return Err(BROKEN);
        }
        // What does not fill a sector, or a header, belongs to nothing.
        if !bytes.len().is_multiple_of(sector) || bytes.len() < 2 * sector {
            return Err(UNCOVERED);
        }
        let mut claims = Claims(vec![false; bytes.len() / sector - 1]);
        let mut file =
            Compound { bytes, sector, fat: vec![], mini_fat: vec![], mini: vec![], entries: vec![] };
        file.read_fat(header, &mut claims)?;
        for index in claims.chain(&file.fat, u32_at(header, 48))? {
            file.read_entries(index)?;
        }
        if u32_at(header, 64) > 0 {
            for index in claims.chain(&file.fat, u32_at(header, 60))? {
                let numbers = numbers(file.at(index));
                file.mini_fat.extend(numbers);
            }
        }
        file.walk()?;
        file.claim_streams(&mut claims)?;
        if claims.0.contains(&false) {
            return Err(UNCOVERED);
        }
        Ok(file)
    }

    fn at(&self, sector: usize) -> &'a [u8] {
        let start = (sector + 1) * self.sector;
        &self.bytes[start..start + self.sector]
    }

    fn read_fat(&mut self, header: &[u8], claims: &mut Claims) -> Result<(), SignatureError> {
        let mut places: Vec<u32> = numbers(&header[76..]).collect();
        let mut next = u32_at(header, 68);
        let lists = u32_at(header, 72);
        for _ in 0..lists {
            let list: Vec<u32> = numbers(self.at(claims.claim(next)?)).collect();
            let (last, list) = list.split_last().ok_or(BROKEN)?;
            places.extend(list);
            next = *last;
        }
        if !matches!(next, END | NONE) {
            return Err(BROKEN);
        }
        for place in places.into_iter().filter(|place| *place != NONE) {
            let numbers = numbers(self.at(claims.claim(place)?));
            self.fat.extend(numbers);
        }
        Ok(())
    }

    fn read_entries(&mut self, sector: usize) -> Result<(), SignatureError> {
        for entry in self.at(sector).chunks_exact(128) {
            let kind = match entry[66] {
                1 => Some(Kind::Storage),
                2 => Some(Kind::Stream),
                5 => Some(Kind::Root),
                0 => None,
                _ => return Err(BROKEN),
            };
            // The length counts the end mark. An unused entry keeps its place, and nobody may point to it.
            let length = usize::from(u16::from_le_bytes([entry[64], entry[65]]));
            let name = match kind {
                Some(_) if (4..=64).contains(&length) && length.is_multiple_of(2) => &entry[..length - 2],
                Some(_) => return Err(BROKEN),
                None => &[],
            };
            let mut size = u64::from(u32_at(entry, 120));
            if self.sector > 512 {
                size |= u64::from(u32_at(entry, 124)) << 32;
            }
            self.entries.push(Entry {
                kind: kind.unwrap_or(Kind::Stream),
                name,
                clsid: &entry[80..96],
                state: &entry[96..100],
                times: &entry[100..116],
                size,
                start: u32_at(entry, 116),
                left: u32_at(entry, 68),
                right: u32_at(entry, 72),
                child: u32_at(entry, 76),
                children: Vec::new(),
            });
            if self.entries.len() > ENTRIES {
                return Err(SignatureError::Format("it has too many parts"));
            }
        }
        Ok(())
    }

    /// Follows the directory's trees; each named entry is reached once, and the root is the first one and the only one.
    fn walk(&mut self) -> Result<(), SignatureError> {
        let root = self.entries.first().ok_or(BROKEN)?;
        if root.kind != Kind::Root || (root.left, root.right) != (NONE, NONE) {
            return Err(BROKEN);
        }
        let mut reached = vec![false; self.entries.len()];
        reached[0] = true;
        let mut todo = vec![(0, root.child, 0)];
        while let Some((parent, number, depth)) = todo.pop() {
            if number == NONE {
                continue;
            }
            let index = usize::try_from(number).map_err(|_| BROKEN)?;
            let entry = self.entries.get(index).ok_or(BROKEN)?;
            if std::mem::replace(&mut reached[index], true)
                || entry.name.is_empty()
                || entry.kind == Kind::Root
            {
                return Err(BROKEN);
            }
            todo.extend([(parent, entry.left, depth), (parent, entry.right, depth)]);
            match entry.kind {
                Kind::Storage if depth < DEPTH => todo.push((index, entry.child, depth + 1)),
                _ if entry.child == NONE => {}
                _ => return Err(BROKEN),
            }
            self.entries[parent].children.push(index);
        }
        if self.entries.iter().zip(reached).any(|(entry, reached)| !reached && !entry.name.is_empty()) {
            return Err(UNCOVERED);
        }
        for index in 0..self.entries.len() {
            let mut children = std::mem::take(&mut self.entries[index].children);
            children.sort_by_key(|child| self.entries[*child].name);
            if children.windows(2).any(|two| self.entries[two[0]].name == self.entries[two[1]].name) {
                return Err(BROKEN);
            }
            self.entries[index].children = children;
        }
        Ok(())
    }

    fn claim_streams(&mut self, claims: &mut Claims) -> Result<(), SignatureError> {
        let root = &self.entries[0];
        let long =
            |size: u64, piece: usize| usize::try_from(size).map(|s| s.div_ceil(piece)).map_err(|_| BROKEN);
        if root.size > 0 {
            self.mini = claims.chain(&self.fat, root.start)?;
            if self.mini.len() != long(root.size, self.sector)? {
                return Err(UNCOVERED);
            }
        }
        let mut mini_claims = Claims(vec![false; long(root.size, MINI)?]);
        for entry in self.entries.iter().filter(|e| e.kind == Kind::Stream && e.size > 0) {
            let (chain, piece) = if entry.size < CUTOFF {
                (mini_claims.chain(&self.mini_fat, entry.start)?, MINI)
            } else {
                (claims.chain(&self.fat, entry.start)?, self.sector)
            };
            if chain.len() != long(entry.size, piece)? {
                return Err(UNCOVERED);
            }
        }
        if mini_claims.0.contains(&false) { Err(UNCOVERED) } else { Ok(()) }
    }

    /// The entry of the root with this name, UTF-16 without the end mark.
    pub(super) fn find(&self, name: &[u8]) -> Option<&Entry<'a>> {
        self.entries[0].children.iter().map(|index| &self.entries[*index]).find(|entry| entry.name == name)
    }

    /// A stream's content, piece by piece.
    pub(super) fn pieces(&self, stream: &Entry<'a>, mut take: impl FnMut(&'a [u8])) {
        // Chains have been checked when the file was parsed: they end, and are as long as the size says.
        let mut left = usize::try_from(stream.size).unwrap_or(0);
        let mut next = stream.start as usize;
        while left > 0 {
            let (piece, table) = if stream.size < CUTOFF {
                let start = next * MINI;
                let Some(sector) = self.mini.get(start / self.sector) else { return };
                (&self.at(*sector)[start % self.sector..][..MINI], &self.mini_fat)
            } else {
                (self.at(next), &self.fat)
            };
            let piece = &piece[..piece.len().min(left)];
            take(piece);
            left -= piece.len();
            next = table.get(next).map_or(0, |next| *next as usize);
        }
    }

    /// A stream's whole content, when it is not above `most` bytes.
    pub(super) fn content(&self, stream: &Entry<'a>, most: usize) -> Option<Vec<u8>> {
        let size = usize::try_from(stream.size).ok().filter(|size| *size <= most)?;
        let mut bytes = Vec::with_capacity(size);
        self.pieces(stream, |piece| bytes.extend_from_slice(piece));
        Some(bytes)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().copied().map_or(NONE, u32::from_le_bytes)
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}
