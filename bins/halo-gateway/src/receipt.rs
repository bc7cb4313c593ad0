//! `halo-gateway verify-receipt` and `halo-gateway witnesses`.

use crate::say;
use anyhow::{Context, Result, bail, ensure};
use audit::{Line, RECEIPT_JSON_BYTES, Receipt};
use clap::Args;
use gateway::{store::Store, witness};
use model::{IntegratorId, QueryId, SiteId};
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, stdin},
    path::{Path, PathBuf},
};

/// What a sound receipt says, and what it does not.
const PROVES: &str = "\
  Proven: the site that this Halo GUID names signed it, under a certificate that was good then; this very line stood at this number of its
  audit, behind all the lines before it. None of them can be changed or taken out without this receipt contradicting what is left.
  Not proven: that the practice's clock was right; that what the line says is what happened in the database; that the audit still holds it.
  The last is for the practice to show: HaloLinkUtility audit verify --witness with this file.";

#[derive(Args)]
pub(crate) struct VerifyReceipt {
    /// A receipt, or several, one a line; streams of lines (application/x-ndjson) that end in one are read too. `-`: standard input
    file: PathBuf,
    /// It must be of this site
    #[arg(long, value_name = "GUID")]
    site: Option<SiteId>,
    /// It must be of this integrator
    #[arg(long, value_name = "UUID")]
    integrator: Option<IntegratorId>,
    /// It must be of this query
    #[arg(long, value_name = "UUID")]
    query: Option<QueryId>,
}

pub(crate) fn verify(asked: &VerifyReceipt) -> Result<()> {
    let name = asked.file.display();
    let from: Box<dyn Read> = match asked.file.as_os_str() == "-" {
        true => Box::new(stdin()),
        false => Box::new(File::open(&asked.file).with_context(|| format!("cannot read {name}"))?),
    };
    let (mut found, mut bad) = (0_u64, 0_u64);
    let mut lines = BufReader::new(from);
    for number in 1_u64.. {
        let Some(text) = next_line(&mut lines).with_context(|| format!("cannot read {name}"))? else { break };
        let Some(receipt) = receipt_in(&text) else { continue };
        found += 1;
        match receipt.and_then(|receipt| asked.check(&receipt).map(|line| (line, receipt))) {
            Ok((line, receipt)) => say(&format!("{}\n{PROVES}", told(&line, &receipt)))?,
            Err(error) => {
                bad += 1;
                say(&format!("line {number}: NOT PROVEN: {error:#}"))?;
            }
        }
    }
    ensure!(
        found > 0,
        "{name} holds no receipt: one is the answer to GET …/queries/{{queryId}}/receipt, or the last line of a stream"
    );
    if bad > 0 {
        bail!("{bad} of {found} receipts do not hold");
    }
    Ok(())
}

/// One line, or the beginning of one that is too long to have a receipt in it.
fn next_line(from: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    // The last line of a stream says more than its receipt.
    const LONGEST: u64 = 16 * RECEIPT_JSON_BYTES as u64;
    let mut line = Vec::new();
    from.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        from.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// `None`: the line is one of a stream's that has none.
fn receipt_in(line: &[u8]) -> Option<Result<Receipt>> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        return Some(Err(anyhow::anyhow!("it is not JSON")));
    };
    if ["query", "columns", "row"].into_iter().any(|name| value.get(name).is_some()) {
        return None;
    }
    let receipt = match value.get("end") {
        Some(end) => match end.get("receipt") {
            Some(receipt) => receipt,
            None => {
                let why = end.get("receiptError").and_then(Value::as_str).unwrap_or("it says none");
                return Some(Err(anyhow::anyhow!("the answer has no receipt: {why}")));
            }
        },
        None => &value,
    };
    Some(Receipt::from_json(receipt.to_string().as_bytes()).map_err(Into::into))
}

impl VerifyReceipt {
    fn check(&self, receipt: &Receipt) -> Result<Line> {
        let line = receipt.check()?;
        if let Some(site) = self.site {
            ensure!(line.site == site, "it holds, but is of site {}", line.site);
        }
        if let Some(integrator) = self.integrator {
            ensure!(line.integrator == Some(integrator), "it holds, but is of another integrator");
        }
        if let Some(query) = self.query {
            ensure!(line.query == Some(query), "it holds, but is of another query");
        }
        Ok(line)
    }
}

/// The line in words.
fn told(line: &Line, receipt: &Receipt) -> String {
    let head = &receipt.head.head;
    let mut text = format!(
        "site {}, line {} of its audit, {}: {}",
        line.site,
        head.number,
        line.at.to_rfc3339(),
        line.what.escape_debug()
    );
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // What a site wrote must not steer the terminal that it is shown on.
            let value: String = value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            text.push_str(&format!("\n  {name}: {value}"));
        }
    };
    add("query", line.query.map(|id| id.to_string()));
    add("integrator", line.integrator.map(|id| id.to_string()));
    add("gateway", line.instance.clone());
    add("device", line.device.clone());
    add("access", line.access.clone());
    add("catalogue", line.catalogue.clone());
    add("status", line.status.clone());
    add("effect", line.effect.clone());
    add("rows", line.rows.map(|count| count.to_string()));
    add("bytes", line.bytes.map(|count| count.to_string()));
    add("milliseconds", line.ms.map(|count| count.to_string()));
    text
}

pub(crate) fn witnesses(data: &Path, site: Option<SiteId>) -> Result<()> {
    for kept in witness::list(&Store::open(data)?, site)? {
        let mut line = serde_json::to_value(&kept.head)?;
        line["seenAt"] = kept.seen_at.to_rfc3339().into();
        if let Some(back_at) = kept.back_at {
            line["backAt"] = back_at.to_rfc3339().into();
        }
        say(&line.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_stream_is_read_for_its_last_line() {
        for line in [&b"{\"query\":{}}"[..], b"{\"row\":{\"a\":1}}", b"{\"columns\":[]}", b"\n", b""] {
            assert!(receipt_in(line).is_none());
        }
        let why = receipt_in(b"{\"end\":{\"receiptError\":\"too old\"}}").unwrap().unwrap_err().to_string();
        assert!(why.contains("too old"), "{why}");
        for line in [&b"{\"end\":{}}"[..], b"{}", b"no JSON", b"{\"receipt\":1}"] {
            assert!(receipt_in(line).unwrap().is_err());
        }
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_the_next_one_is_whole() {
        let mut text = vec![b'x'; 40 * RECEIPT_JSON_BYTES];
        text.extend(b"\n{}\n");
        let mut from = BufReader::new(text.as_slice());
        assert!(next_line(&mut from).unwrap().unwrap().len() < text.len() / 2);
        assert_eq!(next_line(&mut from).unwrap().unwrap(), b"{}\n");
        assert_eq!(next_line(&mut from).unwrap(), None);
    }
}
