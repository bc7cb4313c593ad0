//! The committed vectors bind three things together: the text in `docs/protocol/`, this crate, and a second reading
//! of the byte layouts, written here from the text alone.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
    signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey},
};
use common::{DAY, NOW, clock, issued, pair, site_id};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use trust::{
    Kind, Root,
    approval::Signed,
    guid, inner,
    outer::{self, OuterRole, Statement},
    pairing::{self, Code, Role, Transcript},
    revocation, verify_chain, verify_signature,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn vectors(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn kind(value: &Value) -> Kind {
    Kind::ALL.into_iter().find(|kind| kind.word() == text(value)).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn chain(value: &Value) -> Vec<CertificateDer<'static>> {
    list(value).iter().map(|der| bytes(der).into()).collect()
}

/// Whether the normative text shows the value too.
fn assert_in_text(document: &str, values: &[&Value]) {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let read = |path| fs::read_to_string(docs.join(path)).unwrap_or_default();
    let written = read(format!("protocol/{document}.md")) + &read("PROTOCOL.md".to_owned());
    for value in values {
        assert!(written.contains(text(value)), "docs/protocol/{document}.md does not show {value}");
    }
}

#[test]
fn guids_are_as_written() {
    let v = vectors("identity.json");
    for case in list(&v["guids"]) {
        let spki = bytes(&case["spki"]);
        let id = guid(kind(&case["kind"]), &spki);
        assert_eq!(id.to_string(), text(&case["guid"]));
        assert_in_text("identity", &[&case["guid"], &case["label"]]);

        let label = format!("{}\0", text(&case["label"]));
        let mut first = digest(&SHA256, &[label.as_bytes(), &spki].concat()).as_ref()[..16].to_vec();
        first[6] = first[6] & 0x0f | 0x80;
        first[8] = first[8] & 0x3f | 0x80;
        assert_eq!(id.as_bytes()[..], first);
    }
    assert_in_text("identity", &[&v["guids"][0]["spki"]]);
}

#[test]
fn a_chain_and_its_signature_verify_as_written() {
    let v = vectors("identity.json");
    for case in list(&v["chains"]) {
        let chain = chain(&case["chain"]);
        let now = model::Timestamp::parse(text(&case["now"])).unwrap();
        let peer = verify_chain(kind(&case["kind"]), &chain, now).unwrap();
        assert_eq!(peer.id.to_string(), text(&case["id"]));
        assert_eq!(peer.name, text(&case["name"]));
        assert_eq!(peer.serial, case["serial"].as_u64().unwrap());
        assert_eq!(peer.not_after.to_rfc3339(), text(&case["notAfter"]));
        let (message, signature) = (bytes(&case["message"]), bytes(&case["signature"]));
        assert_eq!(verify_signature(&chain[0], &message, &signature), Ok(()));
        let signed = [b"halo-connect signature v1\0", &message[..]].concat();
        assert!(is_signed(&chain[0], &signed, &signature));
    }
}

/// ECDSA over these very bytes, with nothing of ours in between.
fn is_signed(leaf: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).unwrap();
    let key = leaf.public_key().subject_public_key.data.to_vec();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(message, signature).is_ok()
}

#[test]
fn statements_of_the_outer_leg_are_as_written() {
    let v = vectors("outer.json");
    for case in list(&v["statements"]) {
        let (byte, role) = role(text(&case["role"]));
        let nonce: [u8; 32] = bytes(&case["nonce"]).try_into().unwrap();
        let facts_hash: [u8; 32] = bytes(&case["factsHash"]).try_into().unwrap();
        let (relay, epoch) = (text(&case["relay"]), case["epoch"].as_u64().unwrap());
        let leaf = CertificateDer::from(bytes(&case["leaf"]));
        let signature = bytes(&case["signature"]);
        let s = Statement { role, relay, nonce: &nonce, epoch, facts_hash };
        assert_eq!(outer::verify(&leaf, &s, &signature), Ok(()));

        let mut signed = b"halo-connect outer challenge v1\0".to_vec();
        signed.push(byte);
        signed.extend((relay.len() as u16).to_be_bytes());
        signed.extend([relay.as_bytes(), &nonce, &epoch.to_be_bytes(), &facts_hash].concat());
        assert_eq!(hex(&signed), text(&case["signed"]));
        assert!(is_signed(&leaf, &signed, &signature));
    }
    assert_in_text("identity", &[&v["statements"][0]["signed"]]);
}

fn role(word: &str) -> (u8, OuterRole) {
    match word {
        "link" => (1, OuterRole::Link),
        "site" => (2, OuterRole::Site),
        _ => (3, OuterRole::Gateway),
    }
}

/// The statements are written here from the text alone.
#[test]
fn approvals_and_revocations_are_as_written() {
    let v = vectors("statements.json");
    let sized = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let verify = |key: &Value, signed: &[u8], signature: &[u8]| {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes(key)[26..].to_vec());
        assert!(key.verify(signed, signature).is_ok());
    };
    let a = &v["approval"];
    let document = bytes(&a["document"]);
    let read = Signed::parse(&document).unwrap();
    let seconds = |at: &Value| (model::Timestamp::parse(text(at)).unwrap().0 / 1000).to_be_bytes();
    let statement = [
        &[1][..],
        &bytes(&a["integratorRoot"]),
        &sized(text(&a["name"]).as_bytes()),
        &[2, 0b011, 1],
        &sized(text(&a["note"]).as_bytes()),
        &seconds(&a["notBefore"]),
        &seconds(&a["expires"]),
        &a["serial"].as_u64().unwrap().to_be_bytes(),
    ]
    .concat();
    let signature = bytes(&a["signature"]);
    assert_eq!(document, [sized(&statement), sized(&signature)].concat());
    verify(&a["vendorKey"], &[b"halo-connect vendor approval v1\0", &statement[..]].concat(), &signature);
    assert!(read.is_by(&bytes(&a["vendorKey"])));
    assert_eq!(
        (read.approval().pms, read.approval().serial),
        (model::Pms::Zedmed, a["serial"].as_u64().unwrap())
    );
    let environments: Vec<_> = read.approval().environments.names().collect();
    assert_eq!(environments, ["production", "stage"]);

    let r = &v["revocation"];
    let document = bytes(&r["document"]);
    let entry = |of: &Value| {
        [sized(text(&of["name"]).as_bytes()), of["serial"].as_u64().unwrap().to_be_bytes().to_vec()].concat()
    };
    let entries: Vec<u8> = list(&r["instances"]).iter().flat_map(entry).collect();
    let number = r["number"].as_u64().unwrap().to_be_bytes();
    let statement = [&[1][..], &number, &[2], &entries].concat();
    let signature = bytes(&r["signature"]);
    assert_eq!(document, [sized(&statement), sized(&signature)].concat());
    verify(&r["root"], &[b"halo-connect instance revocation v1\0", &statement[..]].concat(), &signature);
    assert_eq!(revocation::verify(&bytes(&r["root"]), &document).unwrap().instances.len(), 2);
    assert_in_text("identity", &[&a["document"], &r["document"]]);
}

#[test]
fn the_inner_leg_offers_what_is_written_and_nothing_else() {
    let v = vectors("inner.json");
    let (site, gateway) = pair();
    let client = inner::client(&gateway, site_id(&site), clock()).unwrap();
    let server = inner::server(&site, clock()).unwrap();
    for provider in [client.crypto_provider(), server.crypto_provider()] {
        let suites: Vec<u64> =
            provider.cipher_suites.iter().map(|suite| u16::from(suite.suite()).into()).collect();
        let groups: Vec<u64> =
            provider.kx_groups.iter().map(|group| u16::from(group.name()).into()).collect();
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let schemes: Vec<u64> = schemes.into_iter().map(|scheme| u16::from(scheme).into()).collect();
        assert_eq!(
            json!([suites, groups, schemes]),
            json!([v["cipherSuites"], v["groups"], v["signatureSchemes"]])
        );
    }
    assert_eq!([&client.alpn_protocols, &server.alpn_protocols], [&[text(&v["alpn"]).as_bytes()]; 2]);
    let session = common::connect(client, server).unwrap();
    let mut exported = vec![0; v["exporterBytes"].as_u64().unwrap() as usize];
    let label = text(&v["exporterLabel"]).as_bytes();
    exported = session.client.export_keying_material(exported, label, Some(b"")).unwrap();
    assert!(inner::exporter(&session.server).unwrap().reveal() == &exported);
    assert_in_text("inner-leg", &[&v["alpn"], &v["exporterLabel"]]);
}

#[test]
fn pairing_codes_are_as_written() {
    let v = vectors("pairing.json");
    for case in list(&v["codes"]) {
        let code = Code::parse(text(&case["typed"])).unwrap();
        assert_eq!(code.display().reveal(), text(&case["shown"]));
        assert_eq!(code.name(), text(&case["name"]));
        assert_eq!(&hex(code.secret().reveal()), text(&case["secret"]));
        assert_in_text("pairing", &[&case["shown"], &case["secret"]]);
    }
}

#[test]
fn pairing_proofs_are_as_written() {
    let v = vectors("pairing.json");
    for case in list(&v["proofs"]) {
        let code = Code::parse(text(&case["code"])).unwrap();
        let (site_root, integrator_root) = (bytes(&case["siteRoot"]), bytes(&case["integratorRoot"]));
        let exporter = bytes(&case["exporter"]);
        let t = Transcript {
            version: case["version"].as_u64().unwrap() as u32,
            environment: text(&case["environment"]),
            site_root: &site_root,
            integrator_root: &integrator_root,
            integrator_name: text(&case["integratorName"]),
            code_name: text(&case["codeName"]),
            exporter: &exporter,
        };
        let (site, integrator) = (guid(Kind::Site, &site_root), guid(Kind::Integrator, &integrator_root));
        for (role, word) in [(Role::Site, "site"), (Role::Gateway, "gateway")] {
            let mut layout = Vec::new();
            let fields: [&[u8]; 11] = [
                b"halo-connect pairing v1",
                word.as_bytes(),
                &t.version.to_be_bytes(),
                t.environment.as_bytes(),
                site.as_bytes(),
                t.site_root,
                integrator.as_bytes(),
                t.integrator_root,
                t.integrator_name.as_bytes(),
                t.code_name.as_bytes(),
                t.exporter,
            ];
            for field in fields {
                layout.extend((field.len() as u32).to_be_bytes());
                layout.extend(field);
            }
            assert_eq!(hex(&layout), text(&case[word]["bytes"]));
            let key = hmac::Key::new(hmac::HMAC_SHA256, code.secret().reveal());
            assert_eq!(hex(hmac::sign(&key, &layout).as_ref()), text(&case[word]["mac"]));
            assert_eq!(hex(&pairing::prove(&code, role, &t)), text(&case[word]["mac"]));
            assert!(pairing::check(&code, role, &t, &bytes(&case[word]["mac"])));
            assert_in_text("pairing", &[&case[word]["mac"], &case[word]["bytes"]]);
        }
    }
}

/// Makes the vectors that hold keys, certificates and signatures anew. Only a new version of the protocol needs it:
/// the committed ones must go on verifying.
#[test]
#[ignore = "writes tests/vectors"]
fn write_the_vectors_anew() {
    let write = |name: &str, value: Value| {
        fs::write(folder().join(name), serde_json::to_string_pretty(&value).unwrap() + "\n").unwrap();
    };
    let (mut guids, mut chains, mut statements, mut roots) = (vec![], vec![], vec![], vec![]);
    for (kind, word) in Kind::ALL.into_iter().zip(["site", "link", "gateway"]) {
        let root = Root::generate(kind).unwrap();
        let label = kind.label().trim_end_matches('\0');
        guids.push(json!({"kind": kind.word(), "label": label, "spki": hex(root.spki()), "guid": root.id()}));
        let own = root.issue(&format!("example {word}"), 1 << 63 | 5, NOW, DAY).unwrap();
        let message = b"message";
        chains.push(json!({
            "kind": kind.word(), "now": NOW.to_rfc3339(), "id": root.id(), "name": own.peer().name,
            "serial": own.peer().serial, "notAfter": own.peer().not_after.to_rfc3339(),
            "chain": own.chain().iter().map(|der| hex(der)).collect::<Vec<_>>(),
            "message": hex(message), "signature": hex(&own.sign(message).unwrap()),
        }));
        let (byte, role) = role(word);
        let (nonce, facts_hash) = ([0x11; 32], [0x22; 32]);
        let s = Statement { role, relay: "relay.example", nonce: &nonce, epoch: 258, facts_hash };
        let head = [b"halo-connect outer challenge v1\0", &[byte, 0, 13][..], b"relay.example"].concat();
        statements.push(json!({
            "role": word, "relay": s.relay, "nonce": hex(&nonce), "epoch": s.epoch, "factsHash": hex(&facts_hash),
            "leaf": hex(&own.chain()[0]), "signature": hex(&outer::sign(&own, &s).unwrap()),
            "signed": hex(&[&head[..], &nonce, &258u64.to_be_bytes(), &facts_hash].concat()),
        }));
        roots.push(hex(root.spki()));
    }
    let other = issued(Kind::Site, "x", 1);
    guids.push(json!({
        "kind": "site", "label": "halo-connect site root v1", "spki": hex(&other.peer().root_spki),
        "guid": other.peer().id,
    }));
    write("identity.json", json!({"guids": guids, "chains": chains}));
    write("outer.json", json!({"statements": statements}));
    let proof = |code: &str, environment: &str, name: &str| {
        let code = Code::parse(code).unwrap();
        let decode = |hex: &String| bytes(&json!(hex));
        let (site, integrator) = (decode(&roots[0]), decode(&roots[2]));
        let t = Transcript {
            version: 1,
            environment,
            site_root: &site,
            integrator_root: &integrator,
            integrator_name: name,
            code_name: code.name(),
            exporter: &[0x33; 32],
        };
        let (site_id, integrator_id) = (guid(Kind::Site, &site), guid(Kind::Integrator, &integrator));
        let role = |role: Role, word: &str| {
            let fields: [&[u8]; 11] = [
                b"halo-connect pairing v1",
                word.as_bytes(),
                &[0, 0, 0, 1],
                environment.as_bytes(),
                site_id.as_bytes(),
                &site,
                integrator_id.as_bytes(),
                &integrator,
                name.as_bytes(),
                code.name().as_bytes(),
                &[0x33; 32],
            ];
            let layout: Vec<u8> = fields
                .iter()
                .flat_map(|field| [&(field.len() as u32).to_be_bytes()[..], field].concat())
                .collect();
            json!({"bytes": hex(&layout), "mac": hex(&pairing::prove(&code, role, &t))})
        };
        json!({
            "code": code.display().reveal(), "codeName": code.name(), "version": 1, "environment": environment,
            "integratorName": name, "siteRoot": roots[0], "integratorRoot": roots[2], "exporter": hex(&[0x33; 32]),
            "site": role(Role::Site, "site"), "gateway": role(Role::Gateway, "gateway"),
        })
    };
    let shown = |typed: &str| {
        let code = Code::parse(typed).unwrap();
        json!({
            "typed": typed, "shown": code.display().reveal(), "name": code.name(),
            "secret": hex(code.secret().reveal()),
        })
    };
    write(
        "pairing.json",
        json!({
            "codes": [shown("AB01-0123-4567-89AB-CDEF"), shown(" zz9o il00 gghj\u{2013}00kmnpwx "),
                shown("0000-0000-0000-0000-0001"), shown("ZZZZZZZZZZZZZZZZZZZZ")],
            "proofs": [proof("AB01-0123-4567-89AB-CDEF", "demo", "Example Health")],
        }),
    );
    write(
        "inner.json",
        json!({
            "alpn": "halo-link/1", "exporterLabel": "EXPORTER-Channel-Binding", "exporterBytes": 32,
            "cipherSuites": [0x1302, 0x1303], "groups": [0x11ec], "signatureSchemes": [0x0403],
        }),
    );
}
