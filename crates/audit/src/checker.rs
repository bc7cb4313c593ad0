//! Walks a site's lines in the order in which they lie, and finds what does not fit.

use crate::{Finding, Head, Line, Wrong, chain, gaps::Gaps, generation, genesis, wire::push_counted};
use aws_lc_rs::digest::{Context, SHA256};
use model::{SiteId, Timestamp};
use serde::{Deserialize, Serialize};

/// Most findings that are told; the rest is counted.
const FINDINGS: usize = 1_000;
/// Most lines that do not fit and are held against each other at the end.
const FAILED: usize = 64;
/// So far apart a line's number and its place are looked for.
const SHIFT: u64 = 8;

/// One line as it lies in a store or a file.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its number and value; none: nothing chains it.
    pub place: Option<(u64, [u8; 32])>,
    /// Its bytes; none: they are gone, and their place is still there.
    pub line: Option<&'a [u8]>,
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the site's first line.
    First,
    /// After this number with this value: what lies before was removed by the practice's own rule, which the lines must say.
    Cut(u64, [u8; 32]),
    /// After this number with this value: the rest is somewhere else.
    Part(u64, [u8; 32]),
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Lines that were looked at.
    pub lines: u64,
    /// The first one's number.
    pub first: u64,
    /// The last one's number.
    pub last: u64,
    /// Of them, those that a version without a chain wrote.
    pub older: u64,
    /// Witnesses that agree.
    pub agreed: u64,
    /// Witnesses of lines from before what is kept: they say nothing any more.
    pub too_old: u64,
    /// Witnesses from before a restore: of lines that were lost with the server that wrote them.
    #[serde(default)]
    pub before_restore: u64,
    /// Witnesses from after the end of the file: it can't have those lines.
    #[serde(default)]
    pub newer: u64,
    /// What is wrong, by number.
    pub findings: Vec<Finding>,
    /// More of it than is told here.
    pub more: u64,
}

/// What a line over older ones says of them.
#[derive(Deserialize)]
struct Covered {
    lines: u64,
    sha256: String,
    /// There was a chain before.
    #[serde(default)]
    anew: bool,
}

/// What a line about removed ones says.
#[derive(Deserialize)]
struct CutAt {
    number: u64,
}

/// A line whose value is another than the one beside it.
struct Failed {
    number: u64,
    before: [u8; 32],
    value: [u8; 32],
    line: Vec<u8>,
}

/// Is given a site's lines one after the other, oldest first.
///
/// Finds, with nothing but the lines: changed, removed, inserted and moved ones. With witnesses from outside: an end that was cut off, an
/// older copy that was put back, and a past that was written anew. It can't find what nobody witnessed: values need no key, so whoever can
/// write the lines may write anew what came after the newest witness, and the site's own service signs the end of it.
pub struct Checker {
    site: SiteId,
    start: Start,
    /// The number that comes next, and the value before it where that is known.
    next: u64,
    before: Option<[u8; 32]>,
    /// The last line that fitted.
    good: (u64, [u8; 32]),
    /// How much higher the number in a line's value is than the one beside it, since lines were numbered anew.
    shift: i64,
    gaps: Gaps,
    failed: Vec<Failed>,
    /// Lines that nothing holds since the last one that is held.
    loose: u64,
    loose_hash: Context,
    loose_at: Option<Timestamp>,
    /// Rising.
    witnesses: Vec<Head>,
    looked: usize,
    agreed_to: u64,
    differs: bool,
    cut_told: bool,
    /// The site signed that there are no more.
    signed_end: Option<u64>,
    at: Option<Timestamp>,
    report: Report,
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Checker {
    /// A walk over one site's lines. `witnesses` are heads that hold; those of other sites are left out.
    pub fn new(site: SiteId, start: Start, mut witnesses: Vec<Head>) -> Self {
        witnesses.retain(|head| head.site == site);
        witnesses.sort_by_key(|head| (head.number, head.at));
        let (number, value) = match start {
            Start::First => (0, genesis(site)),
            Start::Cut(number, value) | Start::Part(number, value) => (number, value),
        };
        let mut checker = Checker {
            site,
            start,
            next: number.saturating_add(1),
            before: Some(value),
            good: (number, value),
            shift: 0,
            gaps: Gaps::default(),
            failed: Vec::new(),
            loose: 0,
            loose_hash: Context::new(&SHA256),
            loose_at: None,
            witnesses,
            looked: 0,
            agreed_to: number,
            differs: false,
            cut_told: false,
            signed_end: None,
            at: None,
            report: Report::default(),
        };
        checker.witness(number, &value);
        checker
    }

    /// The next line.
    pub fn line(&mut self, entry: Entry<'_>) {
        let Some((number, value)) = entry.place else {
            return self.loose(entry.line.unwrap_or_default());
        };
        if number < self.next {
            // A hole that it comes out of is none; anything else is there twice.
            let fills = self.gaps.fill(number);
            let says = if fills {
                "it stands behind lines that were written after it"
            } else {
                "its number is there twice"
            };
            let at = self.at;
            return self.found(Wrong::Moved, (number, number), at, says);
        }
        if number > self.next {
            self.gaps.open(self.next, number - 1, self.at);
            self.before = None;
        }
        if self.report.first == 0 {
            self.report.first = number;
        }
        self.report.last = number;
        match entry.line {
            None => self.gaps.open(number, number, self.at),
            Some(line) => {
                self.report.lines += 1;
                self.held(number, value, line);
            }
        }
        self.witness(number, &value);
        self.next = number.saturating_add(1);
        self.before = Some(value);
    }

    /// The head that the site signed for exactly these lines. What was witnessed later is not held against them.
    pub fn end(&mut self, head: &Head) {
        self.signed_end = Some(head.number).filter(|_| head.site == self.site);
        let (last, value) = (self.next - 1, self.before);
        if head.site != self.site || head.number < last {
            let says = "behind the line that the signed head is of, so nothing holds them";
            self.found(Wrong::Inserted, (head.number.saturating_add(1), last), Some(head.at), says);
        } else if head.number > last {
            let says = "gone: the signed head is of a later line";
            self.found(Wrong::Cut, (last.saturating_add(1), head.number), Some(head.at), says);
        } else if value.is_some_and(|value| value != head.chain) {
            let says = "the site signed another value for it: lines before it were changed, all of them anew";
            self.found(Wrong::Rewritten, (last, last), Some(head.at), says);
        }
    }

    /// Nothing comes any more: what was seen.
    pub fn finish(mut self) -> Report {
        // Of a part, the line that holds them may be elsewhere.
        if self.loose > 0 && !matches!(self.start, Start::Part(..)) {
            self.unheld(self.next);
        }
        for (first, last, at) in std::mem::take(&mut self.gaps).into_ranges() {
            let begins = first == 1 && self.start == Start::First;
            let wrong = if begins { Wrong::Beginning } else { Wrong::Removed };
            let many = if first == last { "it is gone" } else { "they are gone" };
            let says = match begins {
                true => format!("{many}, and no removal of old lines is on record"),
                false => format!("{many}; the line before stands, and so does the value of the one after"),
            };
            self.found(wrong, (first, last), at, says);
        }
        self.hold_against_each_other();
        if matches!(self.start, Start::Cut(number, _) if number > 0) && !self.cut_told {
            let to = self.next.saturating_sub(1);
            let says =
                "older lines are gone, and no line says that the practice's rule removed them up to here";
            self.found(Wrong::Beginning, (self.start_number(), to.max(self.start_number())), None, says);
        }
        self.ahead();
        let Report { findings, .. } = &mut self.report;
        findings.sort_by_key(|finding| (finding.number, finding.to));
        self.report
    }

    fn start_number(&self) -> u64 {
        match self.start {
            Start::First => 0,
            Start::Cut(number, _) | Start::Part(number, _) => number,
        }
    }

    /// A line with a number, of which its bytes are there.
    fn held(&mut self, number: u64, value: [u8; 32], line: &[u8]) {
        let decoded = Line::decode(line).ok();
        let fits = match self.before {
            // The value before is gone with its line: nothing can be said.
            None => true,
            Some(before) => self.fits(number, before, value, line),
        };
        if fits {
            self.good = (number, value);
        } else if let Some(before) = self.before.filter(|_| self.failed.len() < FAILED) {
            self.failed.push(Failed { number, before, value, line: line.to_owned() });
        } else {
            self.changed(number, decoded.as_ref().map(|line| line.at));
        }
        let Some(decoded) = decoded.filter(|_| fits) else { return };
        self.at = Some(decoded.at);
        let detail = decoded.detail.as_deref().unwrap_or_default();
        match decoded.what.as_str() {
            "chained" | "unchained" => self.covered(number, detail),
            _ if self.loose > 0 => self.unheld(number),
            // A server that was restored begins anew, above all that the lost one may have written.
            "audit-cut" | "restored" => {
                let cut = serde_json::from_str::<CutAt>(detail);
                self.cut_told |= cut.is_ok_and(|cut| cut.number == self.start_number());
            }
            _ => {}
        }
    }

    /// Whether the value is that of the line; where numbers were given anew, from which line on.
    fn fits(&mut self, number: u64, before: [u8; 32], value: [u8; 32], line: &[u8]) -> bool {
        let held = |of: u64| of.saturating_add_signed(self.shift);
        if chain(&before, held(number), line) == value {
            return true;
        }
        // Put in, and all after it counted on: it follows the last one that fitted.
        let (last, good) = self.good;
        if last.saturating_add(1) < number && chain(&good, held(last + 1), line) == value {
            self.failed.retain(|failed| failed.number <= last);
            let says = "put in, and the lines after were numbered anew";
            self.shift = self.shift.saturating_sub_unsigned(number - last - 1);
            self.found(Wrong::Inserted, (last + 1, number - 1), self.at, says);
            return true;
        }
        // Taken out, and all after it counted back.
        for more in 1..=SHIFT {
            if chain(&before, held(number).saturating_add(more), line) == value {
                self.shift = self.shift.saturating_add_unsigned(more);
                let says =
                    format!("{more} before it were taken out, and the lines after them were numbered anew");
                self.found(Wrong::Removed, (number, number), self.at, says);
                return true;
            }
        }
        false
    }

    fn loose(&mut self, line: &[u8]) {
        self.report.lines += 1;
        self.report.older += 1;
        self.loose += 1;
        if self.loose_at.is_none() {
            self.loose_at = Line::decode(line).ok().map(|line| line.at);
        }
        let mut counted = Vec::with_capacity(line.len() + 4);
        push_counted(&mut counted, line);
        self.loose_hash.update(&counted);
    }

    /// A line that says what stands before it without a number.
    fn covered(&mut self, number: u64, detail: &str) {
        let hash = std::mem::replace(&mut self.loose_hash, Context::new(&SHA256)).finish();
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let (loose, at) = (std::mem::take(&mut self.loose), self.loose_at.take());
        // Of a part, what stands before its first line may be elsewhere.
        if matches!(self.start, Start::Part(..)) && number == self.start_number().saturating_add(1) {
            return;
        }
        let said = serde_json::from_str::<Covered>(detail);
        if said.as_ref().is_ok_and(|said| said.anew) {
            let says = "the values that held the lines before it were removed, and the chain began anew here: whether those lines are what was \
                        written, only a witness can tell";
            self.found(Wrong::Beginning, (number, number), at, says);
        }
        match said {
            Ok(said) if (said.lines, said.sha256.as_str()) == (loose, hash.as_str()) => {}
            Ok(said) if said.lines != loose => {
                let says = format!(
                    "{} lines stood before it without a number when they were chained, now there are {loose}",
                    said.lines
                );
                self.found(Wrong::Older, (number, number), at, says);
            }
            _ => {
                let says = format!(
                    "one or more of the {loose} lines before it that have no number are not what they were when they were chained"
                );
                self.found(Wrong::Older, (number, number), at, says);
            }
        }
    }

    /// Lines without a number, and none that holds them.
    fn unheld(&mut self, before: u64) {
        let (loose, at) = (std::mem::take(&mut self.loose), self.loose_at.take());
        self.loose_hash = Context::new(&SHA256);
        let says = format!(
            "{loose} lines stand before it that nothing holds: they were put in, or an older version wrote them and this one has not started since"
        );
        self.found(Wrong::Inserted, (before, before), at, says);
    }

    /// Holds what does not fit against the places of the others.
    fn hold_against_each_other(&mut self) {
        let failed = std::mem::take(&mut self.failed);
        for one in &failed {
            let belongs = failed.iter().find(|other| {
                other.number != one.number && chain(&other.before, other.number, &one.line) == other.value
            });
            match belongs {
                Some(other) => {
                    let says = format!("the line that belongs at {} stands here", other.number);
                    let at = Line::decode(&one.line).ok().map(|line| line.at);
                    self.found(Wrong::Moved, (one.number, one.number), at, says);
                }
                None => self.changed(one.number, Line::decode(&one.line).ok().map(|line| line.at)),
            }
        }
    }

    fn changed(&mut self, number: u64, at: Option<Timestamp>) {
        self.found(
            Wrong::Changed,
            (number, number),
            at,
            "it is not the line that was written: it was changed",
        );
    }

    /// Holds a value against the witnesses of its number, and passes those of lower ones.
    fn witness(&mut self, number: u64, value: &[u8; 32]) {
        while let Some(head) = self.witnesses.get(self.looked).copied().filter(|head| head.number <= number) {
            self.looked += 1;
            if head.number == 0 {
                continue;
            }
            if head.number < number {
                let start = self.start_number();
                if generation(head.number) < generation(start) {
                    self.report.before_restore += 1;
                } else {
                    // Below the first it is too old; in a hole, the hole is told.
                    self.report.too_old += u64::from(head.number < start);
                }
            } else if head.chain == *value {
                self.report.agreed += 1;
                self.agreed_to = number;
            } else if !std::mem::replace(&mut self.differs, true) {
                let says = format!(
                    "it is not what was witnessed then. Everything up to {} agrees with what was witnessed: the audit was written anew from a line \
                     after that on, or an older copy was put back and went on",
                    self.agreed_to
                );
                self.found(Wrong::Rewritten, (self.agreed_to.saturating_add(1), number), Some(head.at), says);
            }
        }
    }

    /// Witnesses of lines that are not there.
    fn ahead(&mut self) {
        let ahead = self.witnesses.iter().filter(|head| head.number >= self.next);
        let (held, newer): (Vec<_>, Vec<_>) =
            ahead.copied().partition(|head| self.signed_end.is_none_or(|end| head.number <= end));
        self.report.newer += u64::try_from(newer.len()).unwrap_or(u64::MAX);
        let Some(newest) = held.last() else { return };
        let says = match generation(newest.number) > generation(self.next) {
            true => {
                "they were witnessed then, of a server that was restored from a kit: this is the audit of the server before, or an older copy \
                 was put back"
            }
            false => {
                "they were witnessed then, and are gone: the end was cut off, or an older copy was put back"
            }
        };
        let first = self.next;
        self.found(Wrong::Cut, (first, newest.number), Some(newest.at), says);
    }

    fn found(&mut self, wrong: Wrong, numbers: (u64, u64), at: Option<Timestamp>, says: impl Into<String>) {
        if self.report.findings.len() < FINDINGS {
            self.report.findings.push(Finding::new(wrong, numbers, at, says));
        } else {
            self.report.more += 1;
        }
    }

    /// Whose lines these are.
    pub fn site(&self) -> SiteId {
        self.site
    }
}
