//! Replays the committed corpora through the bodies that the fuzzer runs.
#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let stem = |e: fs::DirEntry| e.path().file_stem().unwrap().to_string_lossy().into_owned();
    fs::read_dir(folder).unwrap().map(|entry| stem(entry.unwrap())).collect()
}

#[test]
fn every_body_has_a_fuzz_target_and_a_corpus_and_the_other_way_round() {
    let bodies: BTreeSet<String> = replay::BODIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(bodies, names(&fuzz().join("fuzz_targets")));
    assert_eq!(bodies, names(&fuzz().join("corpus")));
}

#[test]
fn no_input_of_the_corpora_breaks_a_parser() {
    for (name, body) in replay::BODIES {
        let mut count = 0;
        for entry in fs::read_dir(fuzz().join("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            // Printed only when the test fails: names the input that did it.
            println!("{}", path.display());
            body(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus of {name} is empty");
    }
}

#[test]
fn inputs_cut_anywhere_or_with_one_byte_changed_break_no_parser() {
    for (name, body) in replay::BODIES {
        for entry in fs::read_dir(fuzz().join("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            let bytes = fs::read(&path).unwrap();
            // A few hundred variants of each input, however long it is.
            let step = bytes.len() / 128 + 1;
            for at in (0..bytes.len()).step_by(step) {
                body(&bytes[..at]);
                for flip in [0x01, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= flip;
                    body(&changed);
                }
            }
        }
    }
}

/// Good inputs must be good: a corpus that every parser turns away at the first byte tests nothing.
#[test]
fn the_corpora_reach_behind_the_first_check() {
    let read = |file: &str| fs::read(fuzz().join("corpus").join(file)).unwrap();
    let text = |file: &str| String::from_utf8(read(file)).unwrap();
    assert!(tunnel::control::parse(&text("control/hello")).is_ok());
    assert!(tunnel::head::parse::<tunnel::head::Answer>(&read("head/sites")).is_ok());
    assert!(gateway::body::parse(&read("http_body/full")).is_ok());
    assert!(trust::pairing::Code::parse(&text("pairing_code/typed")).is_ok());
    // Made by another implementation, from the normative text alone.
    assert_eq!(trust::HandOver::read(&text("hand_over/good")).unwrap().pms_id, "1001");
    assert!(tunnel::RelayAddress::parse(&text("address/relay")).is_ok());
    assert!(tunnel::proxy::parse_response(&read("proxy_response/established")).is_ok());
    assert!(audit::Line::decode(&read("audit_line/full")).is_ok());
    let receipt = audit::Receipt::decode(&read("audit_receipt/bytes")).unwrap();
    assert!(receipt.check().is_ok(), "see the vectors in crates/audit");
    assert!(audit::Witness::from_json(&read("audit_receipt/noted")).is_ok());
    let approval = trust::approval::Signed::parse(&read("approval/sent")).unwrap();
    assert_eq!(trust::approval::Signed::from_text(&text("approval/file")), Ok(approval));
    assert_eq!(trust::revocation::peek(&read("revocation/two")).unwrap().instances.len(), 2);
    let chain = read("certificate/site");
    let length = usize::from(u16::from_be_bytes([chain[0], chain[1]]));
    let chain = [chain[2..2 + length].to_vec().into(), chain[2 + length..].to_vec().into()];
    assert!(
        trust::verify_chain(trust::Kind::Site, &chain, replay::CORPUS_DAY).is_ok(),
        "see the vectors in crates/trust"
    );
    let calls = read("tds_packet/call_types_high");
    let calls = tds::wire::rpc::Calls::new(&calls[9..], tds::Version::V74).unwrap();
    let calls: Vec<_> = calls.collect::<Result<_, _>>().unwrap();
    assert!(calls[0].parameters.len() > 30);
    let table = read("tds_packet/call_table");
    let table = tds::wire::rpc::Calls::new(&table[9..], tds::Version::V74).unwrap().next().unwrap().unwrap();
    assert_eq!(table.parameters[0].table.as_ref().unwrap().rows.len(), 3);
    let request =
        <link_api::proto::RunRequest as prost::Message>::decode(read("command/run").as_slice()).unwrap();
    assert!(link_api::convert::command_from_proto(request.command.unwrap()).is_ok());
    let answers = read("firebird_wire/select");
    let mut reader = firebird::wire::xdr::Reader::new(&answers);
    assert!(firebird::wire::reply::opening(&mut reader).is_ok() && reader.at() > 12);
    assert!(update::Offer::parse(&read("offer/good")).is_ok());
    // Signed some days after the corpus's own day.
    let publisher = update::Publishers::default().with_pem(&read("signature/publisher")).unwrap();
    let then = replay::CORPUS_DAY.plus(std::time::Duration::from_secs(30 * 24 * 60 * 60));
    for file in ["signature/installer", "signature/program"] {
        assert_eq!(update::verify(&read(file), &publisher, then).unwrap().name, "seed", "{file}");
    }
    assert_eq!(update::installer_version_of(&read("signature/installer")).as_deref(), Ok("26.713.2"));
    let beside = read("signature/beside");
    assert!(update::verify_detached(b"a package", &beside, &publisher, then).is_ok());
    let key = spool::Key::from_bytes(&replay::CORPUS_KEY).unwrap();
    for (file, frames) in [("spool_page/small", 1), ("spool_page/frames", 3)] {
        let bytes = read(file);
        let mut page = spool::PageReader::new(&bytes[..], &key, replay::CORPUS_PAGE).unwrap();
        let count = std::iter::from_fn(|| page.piece().unwrap().map(<[u8]>::len)).count();
        assert_eq!(count, frames, "{file}");
    }
    let pieces = read("rows/zstd");
    let piece =
        <link_api::proto::Rows as prost::Message>::decode_length_delimited(pieces.as_slice()).unwrap();
    assert!(piece.zstd && link_api::pack::Unpacker::default().unpack(piece).is_ok());
}
