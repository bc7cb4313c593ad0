//! `HaloLinkUtility audit`: what was run, whether the audit is what was written, and a copy of it that anybody can check.

use crate::{Common, audit_text};
use agent::{
    config::{self, Config},
    control::{Ask, PieceAnswer, StatusAnswer, TextsAnswer, WalkAnswer},
    store::AuditRow,
};
use anyhow::{Context, Result, anyhow, bail};
use audit::{Checker, EXPORT_LINE_BYTES, Entry, FileChecker, Finding, Head, Report, Witness, Wrong};
use clap::Subcommand;
use model::{QueryId, SiteId, Timestamp};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Largest file of witnesses.
const WITNESS_BYTES: u64 = 256 * 1024 * 1024;
/// Most texts that are named as gone.
const GONE: usize = 1_000;
/// Progress is told after so many lines.
const TOLD: u64 = 100_000;

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Show the newest lines, oldest first
    Show {
        /// How many, at most 1000
        #[arg(long, default_value_t = 20, value_name = "N")]
        last: u32,
        /// Only one integrator's, by name, or by the id that its lines show
        #[arg(long, value_name = "NAME")]
        integrator: Option<String>,
        /// Only one query's
        #[arg(long, value_name = "ID")]
        query: Option<QueryId>,
        /// Only from then on: 2026-11-27 or 2026-11-27T08:30:00Z
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<Timestamp>,
        /// Only until then: 2026-11-27 (that day is among them) or 2026-11-27T17:00:00Z
        #[arg(long, value_name = "TIME", value_parser = until)]
        until: Option<Timestamp>,
        #[command(flatten)]
        common: Common,
    },
    /// Check that every line is the one that was written, and none is missing; the exit code is 1 when something is wrong
    #[command(after_help = "\
What this finds by itself: lines that were changed, removed, put in or moved. What it finds only with a witness from outside: an end that
was cut off, an older copy that was put back, and an audit that was written anew. That needs no key, only somebody who can write link.db: an
administrator of this computer can, and the values and the head that is kept beside them too. A witness is a file of receipts, as
integrators get them, or of heads, as Halo Cloud keeps them: JSON, one on each line.

Examples:
  HaloLinkUtility audit verify
  HaloLinkUtility audit verify --witness receipts-of-acme.jsonl --witness heads.jsonl
  HaloLinkUtility audit verify --file audit-2026.jsonl       a file of audit export, on any computer, without the service")]
    Verify {
        /// Receipts or heads to hold it against
        #[arg(long, value_name = "FILE")]
        witness: Vec<PathBuf>,
        /// An exported file, instead of the service's own audit
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// Write the lines to a file that audit verify --file checks on any computer
    Export {
        /// Where to; never over another file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Only from then on
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<Timestamp>,
        /// Only until then
        #[arg(long, value_name = "TIME", value_parser = until)]
        until: Option<Timestamp>,
        #[command(flatten)]
        common: Common,
    },
}

/// What was found at one site.
#[derive(Serialize)]
struct Checked {
    site: SiteId,
    #[serde(flatten)]
    report: Report,
}

/// What `audit verify` says.
#[derive(Serialize)]
struct Verified {
    sites: Vec<Checked>,
    /// What is wrong with the witnesses themselves.
    witnesses: Vec<Finding>,
    /// Texts of statements that can't be checked: only their beginnings are kept.
    cut_texts: u64,
}

impl Audit {
    /// What to say, and whether all is well.
    pub(crate) async fn run(self) -> Result<(String, bool)> {
        match self {
            Audit::Show { last, integrator, query, since, until, common } => {
                let chosen = integrator.is_some() || query.is_some() || since.is_some() || until.is_some();
                let (since, until) = (since.map(Timestamp::to_rfc3339), until.map(Timestamp::to_rfc3339));
                let ask = match chosen || common.site.is_some() {
                    true => Ask::AuditShow { last, integrator, query, since, until, site: common.site },
                    false => Ask::Audit { last },
                };
                let rows: Vec<AuditRow> = common.ask(&ask).await?;
                let text = common.show(&rows, |rows| match rows.is_empty() && chosen {
                    true => "No line is like that.".to_owned(),
                    false => audit_text(rows),
                });
                Ok((text?, true))
            }
            Audit::Verify { witness, file, common } => {
                let (heads, wrong) = read_witnesses(&witness)?;
                let (sites, cut_texts) = match file {
                    Some(file) => (check_file(&file, heads)?, 0),
                    None => check_service(&common, heads).await?,
                };
                let well = wrong.is_empty() && sites.iter().all(|of| of.report.findings.is_empty());
                Ok((common.show(&Verified { sites, witnesses: wrong, cut_texts }, report_text)?, well))
            }
            Audit::Export { out, since, until, common } => {
                Ok((export(&common, &out, since, until).await?, true))
            }
        }
    }
}

fn report_text(Verified { sites, witnesses, cut_texts }: &Verified) -> String {
    let mut text = String::new();
    for Checked { site, report } in sites {
        let Report { lines, first, last, older, agreed, too_old, before_restore, newer, findings, more } =
            report;
        text += &format!("Site {site}: {lines} lines, number {first} to {last}");
        if *older > 0 {
            text += &format!(", {older} of them from before lines had numbers");
        }
        text += &format!("; {agreed} witnesses agree");
        if *too_old > 0 {
            text += &format!(", {too_old} are of lines older than what is kept");
        }
        if *before_restore > 0 {
            text += &format!(
                ", {before_restore} are of before the restore: of lines that were lost with the server that wrote them"
            );
        }
        if *newer > 0 {
            text += &format!(", {newer} are newer than this file and say nothing of it");
        }
        text += ".\n";
        for finding in findings {
            text += &format!("  {finding}\n");
        }
        if *more > 0 {
            text += &format!("  And {more} more.\n");
        }
        if findings.is_empty() {
            text += match agreed {
                0 => {
                    "  Nothing is wrong with these lines. Whether the end was cut off, or all was written anew by somebody who can write the \
                     file, only a witness from outside can tell (--witness).\n"
                }
                _ => {
                    "  Nothing is wrong with these lines, and up to the newest witness they are those that were written. What came after it \
                     nobody outside has seen.\n"
                }
            };
        }
    }
    for finding in witnesses {
        text += &format!("{finding}\n");
    }
    if *cut_texts > 0 {
        text += &format!(
            "{cut_texts} statements' texts are longer than the 64 KiB that are kept of them: whether what is kept is their beginning can't be \
             checked.\n"
        );
    }
    text.trim_end().to_owned()
}

/// Heads that hold, and what is wrong with the others.
fn read_witnesses(files: &[PathBuf]) -> Result<(Vec<Head>, Vec<Finding>)> {
    let (mut heads, mut wrong) = (Vec::new(), Vec::new());
    for path in files {
        let size = fs::metadata(path).with_context(|| path.display().to_string())?.len();
        if size > WITNESS_BYTES {
            bail!("{}: larger than 256 MiB; hand it over in parts", path.display());
        }
        for (at, line) in fs::read(path)?.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match Witness::from_json(line).and_then(|witness| witness.check()) {
                Ok(head) => heads.push(head),
                Err(error) => {
                    let says = format!("{}, line {}: {error}", path.display(), at + 1);
                    wrong.push(Finding::new(Wrong::Witness, (0, 0), None, says));
                }
            }
        }
    }
    Ok((heads, wrong))
}

fn check_file(path: &Path, witnesses: Vec<Head>) -> Result<Vec<Checked>> {
    let named = || path.display().to_string();
    let mut file = BufReader::new(File::open(path).with_context(named)?);
    let mut checker = FileChecker::new(witnesses);
    let (mut line, mut count) = (Vec::new(), 0u64);
    loop {
        line.clear();
        let most = u64::try_from(EXPORT_LINE_BYTES + 2)?;
        if (&mut file).take(most).read_until(b'\n', &mut line).with_context(named)? == 0 {
            break;
        }
        count += 1;
        if !line.trim_ascii().is_empty() {
            checker
                .feed(line.trim_ascii_end())
                .with_context(|| format!("{}, line {count}", path.display()))?;
        }
        tell(count, "checked");
    }
    let done = checker.finish();
    if done.is_empty() {
        bail!("{}: no exported audit is in it", path.display());
    }
    Ok(done.into_iter().map(|(site, report)| Checked { site, report }).collect())
}

async fn check_service(common: &Common, witnesses: Vec<Head>) -> Result<(Vec<Checked>, u64)> {
    let mut all = Vec::new();
    for site in sites(common).await? {
        let ask = Ask::AuditWalk { purpose: "verify".to_owned(), site, since: None, until: None };
        let Some(walk) = common.ask::<Vec<WalkAnswer>>(&ask).await?.pop() else { continue };
        let (start, mut wrong) = walk.header.begin().map(|(start, wrong)| (start, Vec::from_iter(wrong)))?;
        let mut witnesses = witnesses.clone();
        if let Some(head) = &walk.head {
            match head.check() {
                Ok(head) => witnesses.push(*head),
                Err(error) => {
                    let says = format!("the service's own head does not hold: {error}");
                    wrong.push(Finding::new(Wrong::Witness, (0, 0), None, says));
                }
            }
        }
        let own = usize::from(walk.head.is_some());
        // What the service itself signed and kept: no witness from outside, and yet the lines must lead to it.
        let signed = walk.signed.as_ref().map(|head| head.check().copied()).transpose();
        let signed = signed.unwrap_or_else(|error| {
            let says = format!("the head that the service has kept does not hold: {error}");
            wrong.push(Finding::new(Wrong::Witness, (0, 0), None, says));
            None
        });
        let mut led = signed.is_none_or(|head| head.number <= walk.header.start);
        let mut checker = Checker::new(site, start, witnesses);
        let mut count = 0;
        let gone = pieces(common, site, &walk, |place, line| {
            led |= signed.is_some_and(|head| place == Some((head.number, head.chain)));
            checker.line(Entry { place, line });
            count += 1;
            tell(count, "checked");
            Ok(())
        })
        .await?;
        let mut report = checker.finish();
        // The service's own head is no witness from outside.
        report.agreed = report.agreed.saturating_sub(u64::try_from(own)?);
        if let Some(head) = signed.filter(|_| !led) {
            let says = "the chain does not lead to the head that was signed then and kept beside it";
            wrong.push(Finding::new(Wrong::Rewritten, (head.number, head.number), Some(head.at), says));
        }
        wrong.extend(gone.into_iter().map(|hash| {
            let says = format!("the text of statement {hash} is gone, and a line that has it is kept");
            Finding::new(Wrong::Statement, (0, 0), None, says)
        }));
        report.findings.append(&mut wrong);
        all.push(Checked { site, report });
    }
    let (texts, cut) = check_texts(common).await?;
    match all.first_mut() {
        Some(first) => first.report.findings.extend(texts),
        None => bail!("this service has no site whose audit could be checked"),
    }
    Ok((all, cut))
}

async fn check_texts(common: &Common) -> Result<(Vec<Finding>, u64)> {
    let (mut after, mut wrong, mut cut) = (None, Vec::new(), 0);
    loop {
        let texts: TextsAnswer = common.ask(&Ask::AuditTexts { after }).await?;
        for hash in texts.wrong {
            let says =
                format!("the text kept for statement {hash} is not the one that was run: it was changed");
            wrong.push(Finding::new(Wrong::Statement, (0, 0), None, says));
        }
        cut += texts.cut;
        after = texts.after;
        if after.is_none() {
            return Ok((wrong, cut));
        }
    }
}

/// Takes each line of a walk. The hashes of statements whose texts are gone, the first of them.
async fn pieces(
    common: &Common,
    site: SiteId,
    walk: &WalkAnswer,
    mut take: impl FnMut(Option<(u64, [u8; 32])>, Option<&[u8]>) -> Result<()>,
) -> Result<BTreeSet<String>> {
    let (mut after, mut gone) = (Some(walk.after), BTreeSet::new());
    while let Some(from) = after {
        let piece: PieceAnswer =
            common.ask(&Ask::AuditPiece { site, after: from, until: walk.until }).await?;
        for kept in piece.lines {
            let (place, line) = kept.read()?;
            take(place, line.as_deref())?;
        }
        gone.extend(piece.texts_gone.into_iter().take(GONE.saturating_sub(gone.len())));
        after = piece.after;
    }
    Ok(gone)
}

async fn export(
    common: &Common,
    out: &Path,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<String> {
    let path = config::path(common.config.clone());
    Config::read(&path)?;
    let file = private(out).with_context(|| format!("{}", out.display()))?;
    let mut to = BufWriter::new(file);
    let mut count = 0u64;
    for site in sites(common).await? {
        let (since, until) = (since.map(Timestamp::to_rfc3339), until.map(Timestamp::to_rfc3339));
        let ask = Ask::AuditWalk { purpose: "export".to_owned(), site, since, until };
        let Some(walk) = common.ask::<Vec<WalkAnswer>>(&ask).await?.pop() else { continue };
        write_line(&mut to, &walk.header)?;
        let most = walk.head.as_ref().map_or(0, |head| head.head.number);
        pieces(common, site, &walk, |place, line| {
            // What came after the head was signed is not in it.
            if place.is_some_and(|(number, _)| number > most) {
                return Ok(());
            }
            count += 1;
            tell(count, "written");
            write_line(&mut to, &audit::KeptLine::new(Entry { place, line }).in_words()?)
        })
        .await?;
        if let Some(head) = &walk.head {
            write_line(&mut to, head)?;
        }
    }
    to.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    common.show(&count, |count| {
        format!(
            "{count} lines are in {}. To check it on any computer: HaloLinkUtility audit verify --file {}",
            out.display(),
            out.display()
        )
    })
}

fn write_line(to: &mut impl Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    Ok(to.write_all(b"\n")?)
}

/// A new file, for its owner alone: who was asked for and by whom stands in it.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

async fn sites(common: &Common) -> Result<Vec<SiteId>> {
    if let Some(site) = common.site {
        return Ok(vec![site]);
    }
    let status: StatusAnswer = common.ask(&Ask::Status).await?;
    Ok(status.sites.into_iter().map(|site| site.site).collect())
}

fn tell(count: u64, what: &str) {
    if count.is_multiple_of(TOLD) {
        let _ = writeln!(std::io::stderr(), "{count} lines {what}");
    }
}

fn since(text: &str) -> Result<Timestamp> {
    time(text, Duration::ZERO)
}

fn until(text: &str) -> Result<Timestamp> {
    time(text, Duration::from_secs(24 * 60 * 60))
}

/// A time, or a day and so much.
fn time(text: &str, of_a_day: Duration) -> Result<Timestamp> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z")).map(|day| day.plus(of_a_day));
    Timestamp::parse(text)
        .or_else(day)
        .ok_or_else(|| anyhow!("write a day as 2026-11-27, or a time as 2026-11-27T08:30:00Z"))
}
