//! The server as FreeTDS's `tsql` meets it (Debian package freetds-bin).
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{PASSWORD, USER, serve, tsql::Tsql};
use std::net::SocketAddr;
use tds::{Options, Tls};

async fn tsql(
    address: SocketAddr,
    version: &'static str,
    encryption: &'static str,
    password: &'static str,
    script: &str,
) -> String {
    Tsql { address, version, encryption, user: USER, password }.says(script).await
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_in_in_every_version_with_and_without_tls() {
    let served = serve(Options::default()).await;
    for version in ["7.1", "7.2", "7.3", "7.4"] {
        for encryption in ["off", "request", "require"] {
            let said = tsql(served.address, version, encryption, PASSWORD, "one\ngo\n").await;
            assert!(said.contains("one\n1\n(1 row affected)"), "{version} {encryption}: {said}");
        }
    }
    let said = tsql(served.address, "7.4", "request", "wrong", "one\ngo\n").await;
    assert!(said.contains("Msg 18456 (severity 14, state 1) from HALO-PRACTICE"), "{said}");
    assert!(said.contains("Login failed for user 'kim'."), "{said}");
    let required = serve(Options { tls: Tls::Required, ..Options::default() }).await;
    assert!(
        tsql(required.address, "7.4", "request", PASSWORD, "one\ngo\n").await.contains("(1 row affected)")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_every_type_in_every_version() {
    let served = serve(Options::default()).await;
    for version in ["7.1", "7.2", "7.3", "7.4"] {
        let said = tsql(served.address, version, "off", PASSWORD, "types\ngo\none\ngo\n").await;
        assert!(said.contains("(3 rows affected)"), "{version}: {said}");
        for wanted in [
            "-2147483648",
            "9223372036854775807",
            "-0.99999999999999999999999999999999999999",
            "-922337203685477.5808",
            "Zoë€",
            "naïve “quotes” – €5",
            "Grüße 日本 😀",
            "any length in “1252”",
            "any length 😀",
            "old text – €",
            "old ntext 日本",
            "00112233-4455-6677-8899-AABBCCDDEEFF",
            "<a b=\"日\">c</a>",
        ] {
            assert!(said.to_uppercase().contains(&wanted.to_uppercase()), "{version}, {wanted}: {said}");
        }
        let nulls = said.lines().find(|l| l.starts_with("NULL\tNULL")).unwrap_or_else(|| panic!("{said}"));
        assert_eq!(
            nulls.split('\t').filter(|v| v.trim() == "NULL").count(),
            common::samples::samples().len()
        );
        assert!(said.contains("one\n1\n"), "{version}: the connection goes on: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_sets_counts_messages_and_errors() {
    let served = serve(Options::default()).await;
    let said =
        tsql(served.address, "7.4", "require", PASSWORD, "sets\ngo\nfail\ngo\nexec\ngo\nnonsense\ngo\n")
            .await;
    for wanted in [
        "first\n1\n(1 row affected)",
        "printed Grüße",
        "third\n3\n",
        "Msg 50001 (severity 16, state 7) from HALO-PRACTICE, Procedure BP_Something Line 42:",
        "Provider is away 03/02/2026",
        "after\n2\n",
        "(return status = -6)",
        "Msg 102 (severity 15, state 1) from HALO-PRACTICE Line 1:",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_many_rows_and_a_large_value() {
    let served = serve(Options::default()).await;
    let said =
        tsql(served.address, "7.4", "off", PASSWORD, "rows 100000\ngo\nlarge varchar 3000000\ngo\n").await;
    assert!(said.contains("(100000 rows affected)") && said.contains("99999\ta row as many others are"));
    assert!(said.lines().any(|l| l.len() > 2_999_990));
}
