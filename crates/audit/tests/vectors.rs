//! The committed vectors bind three things together: the text in `docs/protocol/audit.md`, this crate, and a second reading of the byte
//! layouts, written here from the text alone.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use audit::{Line, Receipt, SignedHead, chain, genesis};
use aws_lc_rs::digest::{SHA256, digest};
use common::{NOW, Site, hex};
use model::{IntegratorId, QueryId, SiteId};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use uuid::Uuid;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/audit.json")
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn text() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/audit.md"))
        .unwrap()
}

fn assert_in_text(value: &Value) {
    assert!(text().contains(value.as_str().unwrap()), "docs/protocol/audit.md does not show {value}");
}

/// The two lines of the vectors: a site's first, with nothing but what it must have, and one with every field.
fn lines(site: SiteId) -> [Line; 2] {
    let full = Line {
        integrator: Some(IntegratorId(Uuid::from_u128(0x11))),
        instance: Some("gateway-1".to_owned()),
        query: Some(QueryId(Uuid::from_u128(0x22))),
        device: Some("pc-7".to_owned()),
        access: Some("read-only".to_owned()),
        catalogue: Some("Patients".to_owned()),
        statement: Some([0x33; 32]),
        status: Some("SUCCESSFUL".to_owned()),
        effect: Some("executed".to_owned()),
        rows: Some(3),
        bytes: Some(258),
        ms: Some(5),
        by: Some("0 (root)".to_owned()),
        detail: Some("{}".to_owned()),
        parameters: Some([0x44; 32]),
        ..Line::new(NOW, "end", site)
    };
    [Line::new(NOW, "site-on", site), full]
}

/// From the text alone.
fn encoded(line: &Line) -> Vec<u8> {
    let counted = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    let number = |number: u64| number.to_be_bytes().to_vec();
    let fields = [
        line.integrator.map(|id| id.as_bytes().to_vec()),
        line.instance.as_deref().map(counted),
        line.query.map(|id| id.as_bytes().to_vec()),
        line.device.as_deref().map(counted),
        line.access.as_deref().map(counted),
        line.catalogue.as_deref().map(counted),
        line.statement.map(|hash| hash.to_vec()),
        line.status.as_deref().map(counted),
        line.effect.as_deref().map(counted),
        line.rows.map(number),
        line.bytes.map(number),
        line.ms.map(|ms| number(ms.into())),
        line.by.as_deref().map(counted),
        line.detail.as_deref().map(counted),
        line.parameters.map(|hash| hash.to_vec()),
    ];
    let mask = (0u32..).zip(&fields).map(|(bit, field)| u32::from(field.is_some()) << bit).sum::<u32>();
    let mut out = vec![1];
    out.extend(mask.to_be_bytes());
    out.extend(line.at.0.to_be_bytes());
    out.extend(counted(&line.what));
    out.extend(line.site.as_bytes());
    out.extend(fields.into_iter().flatten().flatten());
    out
}

#[test]
fn lines_and_their_values_are_as_written() {
    let v: Value = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    let site: SiteId = v["site"].as_str().unwrap().parse().unwrap();
    let label = b"halo-connect audit line v1\0";
    let sha = |parts: &[&[u8]]| digest(&SHA256, &parts.concat()).as_ref().to_vec();
    assert_eq!(genesis(site).to_vec(), bytes(&v["genesis"]));
    assert_eq!(sha(&[label, site.as_bytes()]), bytes(&v["genesis"]));
    assert_in_text(&v["site"]);
    assert_in_text(&v["genesis"]);
    let mut before = genesis(site);
    for ((number, line), case) in (1u64..).zip(lines(site)).zip(v["lines"].as_array().unwrap()) {
        let written = bytes(&case["bytes"]);
        assert_eq!((line.encode(), encoded(&line)), (written.clone(), written.clone()));
        assert_eq!(Line::decode(&written), Ok(line.clone()));
        assert_eq!(serde_json::to_value(&line).unwrap(), case["says"]);
        let value = chain(&before, number, &written);
        assert_eq!(value.to_vec(), bytes(&case["chain"]));
        assert_eq!(value.to_vec(), sha(&[label, &before, &number.to_be_bytes(), &written]));
        assert_in_text(&case["bytes"]);
        assert_in_text(&case["chain"]);
        before = value;
    }
}

#[test]
fn a_head_and_a_receipt_are_as_written() {
    let v: Value = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    let receipt = Receipt::decode(&bytes(&v["receipt"]["bytes"])).unwrap();
    let line = receipt.check().unwrap();
    assert_eq!(line, lines(line.site)[1]);
    assert_eq!(receipt.to_json(), v["receipt"]["json"].as_str().unwrap());
    assert_eq!(Receipt::from_json(receipt.to_json().as_bytes()).as_ref(), Ok(&receipt));
    let head = &receipt.head;
    assert_eq!(SignedHead::decode(&bytes(&v["head"]["bytes"])).as_ref(), Ok(head));
    let message = [
        &b"halo-connect audit head v1\0"[..],
        head.head.site.as_bytes(),
        &head.head.number.to_be_bytes(),
        &head.head.chain,
        &head.head.at.0.to_be_bytes(),
    ]
    .concat();
    assert_eq!(
        (hex(&message), head.head.message()),
        (v["head"]["message"].as_str().unwrap().to_owned(), message)
    );
    assert_in_text(&v["head"]["message"]);
    // And the layout of the receipt, from the text.
    let counted = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let written =
        [vec![1], receipt.before.to_vec(), counted(&receipt.line), counted(&head.encode())].concat();
    assert_eq!(written, bytes(&v["receipt"]["bytes"]));
}

/// Makes the file anew, with a new key: the values in the text change with it.
#[test]
#[ignore = "writes the vectors and the fuzzers' corpora"]
fn make_the_vectors() {
    let mut site = Site::new();
    let lines = lines(site.id);
    lines.iter().for_each(|line| site.write(line));
    let receipt = site.receipt(2);
    let cases: Vec<Value> = (1u64..)
        .zip(&lines)
        .map(|(number, line)| {
            json!({ "says": line, "bytes": hex(&line.encode()), "chain": hex(&site.value(number)) })
        })
        .collect();
    let v = json!({
        "site": site.id,
        "genesis": hex(&site.value(0)),
        "lines": cases,
        "head": { "message": hex(&receipt.head.head.message()), "bytes": hex(&receipt.head.encode()) },
        "receipt": { "bytes": hex(&receipt.encode()), "json": receipt.to_json() },
    });
    fs::write(path(), serde_json::to_string_pretty(&v).unwrap() + "\n").unwrap();
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, bytes) in [
        ("audit_line/least", lines[0].encode()),
        ("audit_line/full", lines[1].encode()),
        ("audit_receipt/bytes", receipt.encode()),
        ("audit_receipt/json", receipt.to_json().into_bytes()),
        ("audit_receipt/head", receipt.head.encode()),
        ("audit_receipt/head_json", serde_json::to_vec(&receipt.head).unwrap()),
        ("audit_receipt/noted", audit::Witness::Noted(receipt.head.head).to_json().into_bytes()),
    ] {
        let path = corpus.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
