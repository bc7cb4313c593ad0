//! A site with its key, and lines of it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test takes what it needs, and ends where something is missing"
)]

use audit::{Entry, Head, Line, Receipt, SignedHead, chain, genesis};
use model::{IntegratorId, QueryId, SiteId, Timestamp};
use std::time::Duration;
use trust::{Kind, Operational, Root};

/// Noon of a day.
pub(crate) const NOW: Timestamp = Timestamp(1_795_435_200_000);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Site {
    pub(crate) id: SiteId,
    pub(crate) key: Operational,
    /// Value and bytes, by number from 1 on.
    pub(crate) lines: Vec<([u8; 32], Vec<u8>)>,
}

impl Site {
    pub(crate) fn new() -> Site {
        let root = Root::generate(Kind::Site).unwrap();
        let key = root.issue("Test site", 5, NOW, DAY).unwrap();
        Site { id: SiteId(root.id()), key, lines: Vec::new() }
    }

    pub(crate) fn with(count: u64) -> Site {
        let mut site = Site::new();
        (1..=count).for_each(|number| site.write(&site.line_of(number)));
        site
    }

    pub(crate) fn line_of(&self, number: u64) -> Line {
        let id = uuid::Uuid::from_u128(number.into());
        Line {
            integrator: Some(IntegratorId(uuid::Uuid::from_u128(7))),
            query: Some(QueryId(id)),
            status: Some("SUCCESSFUL".to_owned()),
            rows: Some(number),
            ..Line::new(NOW.plus(Duration::from_secs(number)), "end", self.id)
        }
    }

    pub(crate) fn write(&mut self, line: &Line) {
        let bytes = line.encode();
        let value = chain(&self.value(self.count()), self.count() + 1, &bytes);
        self.lines.push((value, bytes));
    }

    pub(crate) fn count(&self) -> u64 {
        self.lines.len() as u64
    }

    /// The value at a number.
    pub(crate) fn value(&self, number: u64) -> [u8; 32] {
        match number {
            0 => genesis(self.id),
            number => self.lines[number as usize - 1].0,
        }
    }

    pub(crate) fn head(&self, number: u64) -> SignedHead {
        let head = Head { site: self.id, number, chain: self.value(number), at: NOW };
        head.sign(&self.key).unwrap()
    }

    pub(crate) fn receipt(&self, number: u64) -> Receipt {
        let line = self.lines[number as usize - 1].1.clone();
        Receipt { before: self.value(number - 1), line, head: self.head(number) }
    }

    /// All of it, as it lies.
    pub(crate) fn entries(&self) -> Vec<Kept> {
        let kept = |(at, (value, line)): (usize, &([u8; 32], Vec<u8>))| Kept {
            place: Some((at as u64 + 1, *value)),
            line: Some(line.clone()),
        };
        self.lines.iter().enumerate().map(kept).collect()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) place: Option<(u64, [u8; 32])>,
    pub(crate) line: Option<Vec<u8>>,
}

impl Kept {
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry { place: self.place, line: self.line.as_deref() }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
