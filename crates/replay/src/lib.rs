//! What the fuzzer does with each parser that meets the network, so that the stable compiler can replay its corpora.
//!
//! A body takes any bytes. It must not panic, hang or take more memory than the parser's limits allow, and where a value
//! can be written again it must read back the same. `fuzz/fuzz_targets/` calls these bodies; `tests/corpora.rs` runs them
//! over `fuzz/corpus/`.

use link_api::{
    convert,
    pack::Unpacker,
    proto::{HelloReply, OutcomeReply, PairReply, PairRequest, Rows, RunEvent, RunRequest, pair_reply::Step},
};
use model::{Timestamp, limit};
use prost::Message;
use trust::{Kind, approval::Signed, pairing::Code};
use tunnel::{
    Proxy, RelayAddress,
    control::{self, Message as Control},
    head::{self, Answer, Ask, Incoming},
};

/// Noon of the one day on which the corpus's certificates are valid.
pub const CORPUS_DAY: Timestamp = Timestamp(1_795_435_200_000);

/// A body: takes any bytes.
pub type Body = fn(&[u8]);

/// All bodies by the names of their fuzz targets and corpus folders.
pub const BODIES: &[(&str, Body)] = &[
    ("address", address),
    ("audit_line", audit_line),
    ("audit_receipt", audit_receipt),
    ("approval", approval),
    ("certificate", certificate),
    ("command", command),
    ("control", control),
    ("event", event),
    ("firebird_wire", firebird_wire),
    ("hand_over", hand_over),
    ("head", head),
    ("http_body", http_body),
    ("offer", offer),
    ("pairing_code", pairing_code),
    ("proxy_response", proxy_response),
    ("revocation", revocation),
    ("rows", rows),
    ("signature", signature),
    ("spool_page", spool_page),
    ("tds_packet", tds_packet),
    ("tsql", tsql),
];

/// A site's statement that another one is to be used: from a file that anybody may have written.
pub fn hand_over(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(said) = trust::HandOver::read(text) {
        assert!(said.pms_id.len() <= 128 && text.len() <= trust::MAX_HAND_OVER_BYTES + 64);
    }
}

/// Relay addresses and proxy URLs: from configuration files, which people type.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(address) = RelayAddress::parse(text) {
        assert_eq!(RelayAddress::parse(&address.to_string()), Ok(address));
    }
    if let Ok(proxy) = Proxy::parse(text) {
        assert!(proxy.port > 0 && !proxy.host.is_empty());
    }
}

/// The bytes of an audit line, out of a receipt that somebody hands over or a file that somebody changed.
pub fn audit_line(data: &[u8]) {
    if let Ok(line) = audit::Line::decode(data) {
        assert_eq!(line.encode(), data, "a line has one form");
    }
}

/// A receipt or a head, as bytes and as JSON, and a line of an exported file.
pub fn audit_receipt(data: &[u8]) {
    if let Ok(receipt) = audit::Receipt::decode(data) {
        assert_eq!(receipt.encode(), data, "a receipt has one form");
        assert_eq!(audit::Receipt::from_json(receipt.to_json().as_bytes()).as_ref(), Ok(&receipt));
        let _ = receipt.check();
    }
    if let Ok(head) = audit::SignedHead::decode(data) {
        assert_eq!(head.encode(), data, "a head has one form");
    }
    if let Ok(witness) = audit::Witness::from_json(data) {
        assert_eq!(audit::Witness::from_json(witness.to_json().as_bytes()).as_ref(), Ok(&witness));
        let _ = witness.check();
    }
    let mut file = audit::FileChecker::new(Vec::new());
    for line in data.split(|byte| *byte == b'\n') {
        if file.feed(line).is_err() {
            break;
        }
    }
    let _ = file.finish();
}

/// A PMS vendor's approval, as a gateway sends it, or as it stands in a file.
pub fn approval(data: &[u8]) {
    let text = std::str::from_utf8(data).ok().and_then(|text| Signed::from_text(text).ok());
    for signed in [Signed::parse(data).ok(), text].into_iter().flatten() {
        assert_eq!(Signed::parse(&signed.to_bytes()).as_ref(), Ok(&signed));
        assert_eq!(Signed::from_text(&signed.to_text()).as_ref(), Ok(&signed));
        assert!(!signed.is_by(&signed.approval().integrator_root), "nobody's key made it");
    }
}

/// An integrator's word about its own gateways.
pub fn revocation(data: &[u8]) {
    if let Ok(word) = trust::revocation::peek(data) {
        assert!(word.number > 0 && word.instances.len() <= trust::revocation::MAX_INSTANCES);
        assert!(trust::revocation::verify(&[0; 91], data).is_err(), "nobody's root signed it");
    }
}

/// A certificate chain from a stranger: a length of two bytes (big endian), the first certificate, then the second.
pub fn certificate(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let (leaf, root) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    let chain = [leaf.to_vec().into(), root.to_vec().into()];
    let now = CORPUS_DAY;
    for kind in [Kind::Site, Kind::Link, Kind::Integrator] {
        if let Ok(peer) = trust::verify_chain(kind, &chain, now) {
            assert_eq!(peer.id, trust::guid(kind, &peer.root_spki), "the GUID is the root's fingerprint");
        }
    }
    // Never valid: the signature is no signature.
    assert!(trust::verify_signature(&chain[0], b"message", root).is_err());
}

/// What a gateway may send to a site.
pub fn command(data: &[u8]) {
    if let Ok(request) = RunRequest::decode(data) {
        let _ = convert::query_id(&request.query_id);
        if let Some(Ok(command)) = request.command.map(convert::command_from_proto) {
            assert!(command.text.reveal().len() <= limit::COMMAND_TEXT_BYTES);
            assert!(command.parameters.len() <= limit::PARAMETERS);
            let again = convert::command_from_proto(convert::command_to_proto(&command));
            assert_eq!(again.as_ref(), Ok(&command));
        }
    }
    let _ = PairRequest::decode(data);
}

/// What a site may send to a gateway.
pub fn event(data: &[u8]) {
    if let Ok(event) = RunEvent::decode(data)
        && let Some(ended) = event.ended
    {
        let _ = convert::effect_from_proto(ended.effect);
        let _ = ended.error.map(convert::error_from_proto);
        for output in ended.outputs {
            let _ = convert::parameter_from_proto(output);
        }
    }
    let facts = HelloReply::decode(data).ok().and_then(|hello| hello.facts);
    let paired = PairReply::decode(data).ok().and_then(|reply| match reply.step {
        Some(Step::Done(done)) => done.facts,
        _ => None,
    });
    for facts in [facts, paired].into_iter().flatten() {
        if let Ok(facts) = convert::facts_from_proto(facts) {
            assert_eq!(convert::facts_from_proto(convert::facts_to_proto(&facts)), Ok(facts));
        }
    }
    let _ = OutcomeReply::decode(data);
}

/// What a Firebird server says, one answer after the other; and the same bytes as an integrator's SQL.
pub fn firebird_wire(data: &[u8]) {
    use firebird::wire::{
        blr::Form,
        info::{self, Described},
        reply::{self, Fetched},
        row::{self, Cell},
        srp::Challenge,
        xdr::Reader,
    };
    let mut reader = Reader::new(data);
    let mut forms: Vec<Form> = Vec::new();
    let mut cells = Vec::new();
    loop {
        // A reader is a place: an answer that is none of one kind may be one of another.
        let mut next = reader;
        if let Ok(response) = reply::response(&mut next) {
            let mut described = Described::default();
            if described.feed(&response.data).is_ok() {
                let all = described.outputs.iter().map(Form::of);
                forms = all.collect::<Option<_>>().unwrap_or_default();
            }
            let _ = info::changed(&response.data);
            let _ = Challenge::parse(&response.data);
            reader = next;
            continue;
        }
        let mut taken = None;
        for parse in [reply::fetched, reply::executed] {
            next = reader;
            let good = match parse(&mut next) {
                Ok(Fetched::Row) => row::decode(&mut next, &forms, &mut cells).is_ok(),
                other => other.is_ok(),
            };
            if good {
                taken = Some(next);
                break;
            }
        }
        for cell in cells.drain(..) {
            // Places of texts are counted from the reader's own beginning.
            if let Cell::Bytes(at, length) = cell {
                assert!(at + length <= data.len());
            }
        }
        if taken.is_none() {
            next = reader;
            if reply::opening(&mut next).is_ok() {
                taken = Some(next);
            } else {
                next = reader;
                taken = reply::step(&mut next).is_ok().then_some(next);
            }
        }
        let Some(next) = taken else { break };
        assert!(next.at() > reader.at());
        reader = next;
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let joined: String = firebird::tokens::tokens(text).map(|token| token.text()).collect();
        assert_eq!(joined, text);
        let _ = firebird::tokens::positional(text, &[]);
    }
}

/// Control messages of the outer leg.
pub fn control(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match control::parse(text) {
        // Only ever read, never written.
        Ok(Control::Unknown) | Err(_) => {}
        Ok(message) => {
            if let Ok(written) = control::write(&message) {
                assert_eq!(control::parse(&written), Ok(message));
            }
        }
    }
}

/// First bytes of a virtual stream, as all three kinds.
pub fn head(data: &[u8]) {
    if let Ok(ask) = head::parse::<Ask>(data) {
        let bytes = head::to_bytes(&ask).expect("what was read within the limit can be written within it");
        assert_eq!(head::parse::<Ask>(&bytes).ok(), Some(ask));
    }
    if let Ok(incoming) = head::parse::<Incoming>(data) {
        let bytes = head::to_bytes(&incoming).expect("one identifier fits");
        assert_eq!(head::parse::<Incoming>(&bytes).ok(), Some(incoming));
    }
    let _ = head::parse::<Answer>(data);
}

/// The JSON bodies of requests: of an immediate query, and whatever else it may be read as.
pub fn http_body(data: &[u8]) {
    let _ = gateway::body::parse_batch(data);
    let read = [
        gateway::body::parse_async(data, limit::ASYNC_QUEUE_DEFAULT_MS).map(|asked| asked.command),
        gateway::body::parse_registered(data).map(|asked| asked.command),
    ];
    for command in read.into_iter().flatten() {
        assert_eq!(convert::command_from_proto(convert::command_to_proto(&command)), Ok(command));
    }
    if let Ok(request) = gateway::body::parse(data) {
        assert!(request.max_time_in_queue <= limit::IMMEDIATE_QUEUE_MAX_MS);
        // Whatever the public API lets in, the site's contract can carry.
        let sent = convert::command_to_proto(&request.command);
        assert_eq!(convert::command_from_proto(sent).as_ref(), Ok(&request.command));
    }
}

/// What a cloud says of the newest version.
pub fn offer(data: &[u8]) {
    if let Ok(offer) = update::Offer::parse(data) {
        assert!(update::is_plain(&offer.file) && offer.size <= update::FILE_BYTES);
        let written = serde_json::to_vec(&offer).expect("an offer can be written");
        assert_eq!(update::Offer::parse(&written), Ok(offer));
    }
}

/// A program, an installer, or a signature that was beside a package: from a cloud that may lie.
pub fn signature(data: &[u8]) {
    // Nobody is a publisher, so nothing is ever taken, whatever it looks like.
    let nobody = update::Publishers::default();
    assert!(update::verify(data, &nobody, CORPUS_DAY).is_err());
    assert!(update::verify_detached(b"a package", data, &nobody, CORPUS_DAY).is_err());
    let _ = update::installer_version_of(data);
}

/// A pairing code as somebody typed it.
pub fn pairing_code(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(code) = Code::parse(text) {
        let again = Code::parse(code.display().reveal()).expect("a code reads back what it shows");
        assert!(code.name() == again.name() && code.secret() == again.secret());
    }
}

/// A proxy's answer to CONNECT.
pub fn proxy_response(data: &[u8]) {
    if let Ok(tunnel::proxy::Response::Complete { status, length }) = tunnel::proxy::parse_response(data) {
        assert!(length <= data.len() && status < 1000);
    }
}

/// The pieces of one answer: each a length-delimited `Rows`.
pub fn rows(mut data: &[u8]) {
    let mut unpacker = Unpacker::default();
    while let Ok(piece) = Rows::decode_length_delimited(&mut data) {
        let claimed = piece.unpacked as usize;
        match unpacker.unpack(piece) {
            Ok(json) => assert!(json.len() == claimed && claimed <= limit::CHUNK_MAX_BYTES),
            Err(_) => return,
        }
    }
}

/// The key of the corpus's pages.
pub const CORPUS_KEY: [u8; 32] = [7; 32];
/// Their place.
pub const CORPUS_PAGE: spool::Binding = spool::Binding { owner: spool::Owner([9; 16]), attempt: 1, page: 1 };

/// A result page off the site's disk, which somebody may have changed.
pub fn spool_page(data: &[u8]) {
    let key = spool::Key::from_bytes(&CORPUS_KEY).expect("32 bytes");
    let Ok(mut page) = spool::PageReader::new(data, &key, CORPUS_PAGE) else { return };
    while let Ok(Some(piece)) = page.piece() {
        assert!(piece.len() <= spool::FRAME_BYTES);
    }
}

/// What a client of SQL Server's protocol sends, from PRELOGIN on. The first byte says in what pieces it comes.
pub fn tds_packet(data: &[u8]) {
    use tds::wire::{Assembler, Budget, Limits, login, packet::kind, prelogin, request, rpc::Calls};
    let Some((piece, data)) = data.split_first() else { return };
    let limits = Limits { login: 16 * 1024, batch: 64 * 1024, call: 256 * 1024 };
    let mut assembler = Assembler::new(limits, &Budget::new(1024 * 1024));
    let mut version = tds::Version::V74;
    for mut piece in data.chunks(usize::from(*piece) + 1) {
        while !piece.is_empty() {
            let message = match assembler.take(&mut piece) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(_) => return,
            };
            assert!(message.bytes.len() <= limits.call);
            match message.kind {
                kind::PRELOGIN => _ = prelogin::parse(&message.bytes),
                kind::LOGIN => {
                    if let Ok(login) = login::parse(&message.bytes) {
                        version = login.version;
                    }
                }
                kind::BATCH => {
                    if let Ok(text) = request::batch(&message.bytes, version) {
                        assert!(text.len() <= message.bytes.len() / 2 * 3);
                    }
                }
                kind::RPC => tds_calls(Calls::new(&message.bytes, version)),
                kind::TRANSACTION => _ = request::transaction(&message.bytes, version),
                _ => {}
            }
        }
    }
}

/// Values that came in and fit their type go out and come in again as they were.
fn tds_calls(calls: Result<tds::wire::rpc::Calls<'_>, tds::wire::Wrong>) {
    use tds::wire::{Owned, Reader, Wrong, read_type, read_value};
    let bad = |what: String| Wrong::Parameter { parameter: 0, name: String::new(), what };
    for call in calls.into_iter().flatten().flatten() {
        for given in call.parameters {
            let mut out = Vec::new();
            if tds::write_value(&given.ty, &given.value.view(), tds::Version::V74, &mut out).is_err() {
                continue;
            }
            let mut reader = Reader::new(&out);
            let (form, _) = read_type(&mut reader, &bad).expect("a type that was written");
            let again = read_value(&mut reader, form, &bad).expect("a value that was written");
            assert!(reader.is_empty(), "nothing is left over");
            // A variant goes out as text; NaN is not equal to itself; some characters are outside the code page.
            let lossy = match (given.ty.name, &given.value) {
                ("sql_variant" | "char" | "varchar" | "text", _) => true,
                (_, Owned::Real(f)) => f.is_nan(),
                (_, Owned::Float(f)) => f.is_nan(),
                // It loses a byte order mark.
                (name, Owned::Text(_)) => name == "xml",
                _ => false,
            };
            assert!(
                lossy || again == given.value,
                "{} became {again:?}, it was {:?}",
                given.ty.name,
                given.value
            );
        }
    }
}

/// T-SQL as an integrator sends it to the demo practice.
pub fn tsql(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = practice::tsql::rewrite(text);
}
