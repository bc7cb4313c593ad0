//! An audit as a file that anybody can check: JSON lines, for each site a header, its lines in order, and the signed head of the last.

use crate::{
    AuditError, Checker, Entry, Finding, Head, LINE_BYTES, Line, Report, SignedHead, Start, Wrong,
    head::{bytes, hash},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::SiteId;
use serde::{Deserialize, Serialize, de::IgnoredAny};

/// Longest line of such a file, in bytes: one of the audit in base64 and in words, or a head.
pub const EXPORT_LINE_BYTES: usize = 8 * LINE_BYTES;

const VERSION: u64 = 1;
const WHAT: &str = "a line of an exported audit";

/// What stands before a site's lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the form.
    export: u64,
    /// Whose lines follow.
    pub site: SiteId,
    /// The number that the first of them follows; 0: they are all there ever were.
    pub start: u64,
    /// The value there.
    before: String,
    /// What lies before them is left out.
    #[serde(default)]
    pub part: bool,
    /// What lies before them was removed by the practice's own rule: the head of that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<SignedHead>,
}

impl Header {
    /// Of a walk over a site that begins so.
    pub fn new(site: SiteId, start: u64, before: &[u8; 32], part: bool, cut: Option<SignedHead>) -> Self {
        Header { export: VERSION, site, start, before: STANDARD.encode(before), part, cut }
    }

    /// Where a checker begins, and what is wrong with that.
    ///
    /// # Errors
    /// [`AuditError`] when it is of another version, or no value.
    pub fn begin(&self) -> Result<(Start, Option<Finding>), AuditError> {
        if self.export != VERSION {
            return Err(AuditError::Version { what: WHAT, version: self.export });
        }
        let before = hash(WHAT, &self.before)?;
        if self.part {
            return Ok((Start::Part(self.start, before), None));
        }
        if self.start == 0 {
            return Ok((Start::First, None));
        }
        let holds = match &self.cut {
            None => Err("nothing that the site signed says so".to_owned()),
            Some(cut) => match cut.check() {
                Ok(head) if (head.site, head.number, head.chain) == (self.site, self.start, before) => Ok(()),
                Ok(_) => Err("what the site signed says something else".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        };
        let wrong = holds.err().map(|why| {
            let says = format!(
                "everything up to here is gone as if the practice's own rule had removed it, but {why}"
            );
            Finding::new(Wrong::Beginning, (1, self.start), None, says)
        });
        Ok((Start::Cut(self.start, before), wrong))
    }
}

/// One line of the audit in JSON: number and value, where something chains it, and its bytes, where they are there; base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLine {
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    says: Option<serde_json::Value>,
}

impl KeptLine {
    /// Of an entry.
    pub fn new(entry: Entry<'_>) -> Self {
        KeptLine {
            number: entry.place.map(|(number, _)| number),
            chain: entry.place.map(|(_, chain)| STANDARD.encode(chain)),
            line: entry.line.map(|line| STANDARD.encode(line)),
            says: None,
        }
    }

    /// With what its bytes say, for people.
    ///
    /// # Errors
    /// [`AuditError`] when it is none.
    pub fn in_words(mut self) -> Result<Self, AuditError> {
        let (_, line) = self.read()?;
        self.says =
            line.and_then(|line| Line::decode(&line).ok()).and_then(|line| serde_json::to_value(line).ok());
        Ok(self)
    }

    /// Its place, and its bytes.
    ///
    /// # Errors
    /// [`AuditError`] when it is none.
    #[expect(clippy::type_complexity, reason = "what an entry has, owned")]
    pub fn read(&self) -> Result<(Option<(u64, [u8; 32])>, Option<Vec<u8>>), AuditError> {
        let chain = self.chain.as_deref().map(|chain| hash(WHAT, chain)).transpose()?;
        let line = self.line.as_deref().map(|line| bytes(WHAT, line)).transpose()?;
        Ok((self.number.zip(chain), line))
    }
}

/// Which kind of line it is.
#[derive(Deserialize)]
struct Form {
    export: Option<IgnoredAny>,
    head: Option<IgnoredAny>,
}

/// Checks such a file, given line by line.
#[derive(Debug)]
pub struct FileChecker {
    witnesses: Vec<Head>,
    open: Option<Checker>,
    extra: Vec<Finding>,
    done: Vec<(SiteId, Report)>,
}

impl FileChecker {
    /// `witnesses` are heads that hold.
    pub fn new(witnesses: Vec<Head>) -> Self {
        FileChecker { witnesses, open: None, extra: Vec::new(), done: Vec::new() }
    }

    /// The next line of the file.
    ///
    /// # Errors
    /// [`AuditError`] when it is none of such a file: then nothing can be said of the rest.
    pub fn feed(&mut self, json: &[u8]) -> Result<(), AuditError> {
        if json.len() > EXPORT_LINE_BYTES {
            return Err(AuditError::TooLong(WHAT));
        }
        let malformed = |_| AuditError::Malformed(WHAT);
        let form: Form = serde_json::from_slice(json).map_err(malformed)?;
        if form.export.is_some() {
            self.close(None);
            let header: Header = serde_json::from_slice(json).map_err(malformed)?;
            let (start, wrong) = header.begin()?;
            self.extra.extend(wrong);
            self.open = Some(Checker::new(header.site, start, self.witnesses.clone()));
        } else if form.head.is_some() {
            let head: SignedHead = serde_json::from_slice(json).map_err(malformed)?;
            self.close(Some(&head));
        } else {
            let kept: KeptLine = serde_json::from_slice(json).map_err(malformed)?;
            let (place, line) = kept.read()?;
            let checker = self.open.as_mut().ok_or(AuditError::Malformed(WHAT))?;
            checker.line(Entry { place, line: line.as_deref() });
            let said = line
                .and_then(|line| Line::decode(&line).ok())
                .and_then(|line| serde_json::to_value(line).ok());
            if kept.says.is_some() && kept.says != said && self.extra.len() < 1_000 {
                let number = kept.number.unwrap_or(0);
                let says = "what it says for people is not what its bytes say";
                self.extra.push(Finding::new(Wrong::Changed, (number, number), None, says));
            }
        }
        Ok(())
    }

    /// The file is at its end: what was seen, site by site.
    pub fn finish(mut self) -> Vec<(SiteId, Report)> {
        self.close(None);
        self.done
    }

    fn close(&mut self, head: Option<&SignedHead>) {
        let Some(mut checker) = self.open.take() else { return };
        let site = checker.site();
        let wrong = match head.map(SignedHead::check) {
            None => Some("the file ends before the site's signed head: its end may be cut off".to_owned()),
            Some(Err(error)) => {
                Some(format!("the signed head at the end of the file proves nothing: {error}"))
            }
            Some(Ok(head)) => {
                checker.end(head);
                None
            }
        };
        let wrong = wrong.map(|says| Finding::new(Wrong::Witness, (0, 0), None, says));
        let mut report = checker.finish();
        report.findings.extend(self.extra.drain(..).chain(wrong));
        self.done.push((site, report));
    }
}
