//! Logging in: TLS of every kind, and who does not get in.

use super::common::{READER, Site, WRITER, login, number, open, rows, site, site_with};
use database::{Engine, Failure, Login, Writes};
use model::Access;
use std::sync::Arc;
use tds::{Options, Tls};

fn connects(engine: &Arc<dyn Engine>) -> Result<(), Failure> {
    let mut session = engine.connect(&login(WRITER), "Patients", Access::ReadWrite)?;
    assert_eq!(rows(&mut *session, "SELECT 1 AS a"), [r#"{"a":1}"#]);
    Ok(())
}

fn with(site: &Site, rest: &str) -> Result<(), Failure> {
    connects(&site.engine_at(site.port, rest))
}

#[test]
fn a_pinned_certificate_lets_in_for_every_kind_of_encryption() {
    let site = site();
    for encrypt in ["strict", "required"] {
        assert_eq!(
            with(&site, &format!("encrypt = '{encrypt}'\ncertificate = 'certificate.pem'")),
            Ok(()),
            "{encrypt}"
        );
    }
    assert_eq!(with(&site, "certificate = 'certificate.pem'"), Ok(()));
}

#[test]
fn another_certificate_or_an_unknown_one_does_not() {
    let (one, other) = (site(), site());
    std::fs::copy(other.folder.path().join("certificate.pem"), one.folder.path().join("other.pem")).unwrap();
    for rest in [
        "certificate = 'other.pem'",
        "encrypt = 'strict'\ncertificate = 'other.pem'",
        "encrypt = 'required'",
        "encrypt = 'strict'",
        "certificate = 'nowhere.pem'",
    ] {
        assert_eq!(with(&one, rest), Err(Failure::Lost), "{rest}");
    }
    assert_eq!(with(&one, "trust_server_certificate = true"), Ok(()));
}

#[test]
fn required_encryption_is_never_given_up_for_a_server_that_has_none() {
    let bare = site_with(Options { tls: Tls::Never, ..Options::default() });
    assert_eq!(with(&bare, "trust_server_certificate = true"), Err(Failure::Lost));
    assert_eq!(with(&bare, "encrypt = 'login-only'"), Ok(()));
    let insists = site_with(Options { tls: Tls::Required, ..Options::default() });
    assert_eq!(with(&insists, "encrypt = 'login-only'\ntrust_server_certificate = true"), Ok(()));
}

#[test]
fn a_wrong_login_and_an_unknown_database_are_the_servers_to_tell() {
    let site = site();
    let engine = site.engine();
    let wrong = Login { user: WRITER.into(), password: "open".into() };
    let failed = engine.connect(&wrong, "Patients", Access::ReadOnly);
    let Err(Failure::Sql(error)) = failed.map(|_| ()) else { panic!("no error of the server's") };
    assert_eq!((error.number, error.state, error.class), (18_456, 1, 14));
    assert!(error.message.reveal().starts_with("Login failed for user"));
    let table: toml::Table = format!(
        "server = 'tcp:127.0.0.1,{}'\nencrypt = 'login-only'\ntrust_server_certificate = true\ncatalogues = {{ A = 'Nowhere' }}",
        site.port
    )
    .parse()
    .unwrap();
    let settings = database::Settings { table: &table, folder: site.folder.path() };
    let engine = (mssql::KIND.open)(&settings).unwrap();
    let number_of = number(engine.connect(&login(READER), "A", Access::ReadOnly).map(|_| ()));
    assert!(number_of == 4060 || number_of == 18_456, "{number_of}");
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_is_lost() {
    let site = site();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(connects(&site.engine_at(nobody, "")), Err(Failure::Lost));
    // Takes the connection and says nothing: bounded by the time-out of the login.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    assert_eq!(connects(&site.engine_at(port, "encrypt = 'login-only'")), Err(Failure::Lost));
    let name = open(site.folder.path(), "server = 'no-such-host.invalid'").unwrap();
    assert_eq!(connects(&name), Err(Failure::Lost));
}

#[test]
fn a_session_is_dropped_on_a_thread_that_must_not_block() {
    let site = site();
    let session = site.writer();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move { drop(session) });
}

#[test]
fn what_a_server_and_a_login_are_is_told() {
    let site = site();
    let mut session = site.writer();
    let description = session.describe().unwrap();
    assert!(!description.product.is_empty() && description.version.contains('.'), "{description:?}");
    assert_eq!(description.rights.writes, Writes::Yes, "{description:?}");
    let grants = description.rights.grants;
    assert!(
        grants.contains(&"db_datawriter".to_owned()) && grants.contains(&"db_datareader".to_owned()),
        "{grants:?}"
    );
    let first_that_reads = grants.iter().position(|grant| grant == "db_datareader").unwrap();
    assert!(
        grants.iter().rposition(|grant| grant.starts_with("EXECUTE")).unwrap() < first_that_reads,
        "{grants:?}"
    );
    assert_eq!(rows(&mut *session, "SELECT 1 AS a"), [r#"{"a":1}"#]);
    // Whether Link would let it or not: grants are the login's.
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let mut reader = site.engine().connect(&login(READER), "Patients", access).unwrap();
        let description = reader.describe().unwrap();
        assert_eq!(description.rights.writes, Writes::No, "{description:?}");
        assert!(description.rights.grants.contains(&"db_datareader".to_owned()));
    }
}

/// What SQL Browser is asked, and what it answers ([MC-SQLR]): the port of one instance. The real one is a part of SQL Server;
/// this is the few bytes of its protocol that a client needs, on its own fixed port.
#[test]
fn a_named_instance_is_found_through_sql_browser() {
    let site = site();
    let browser = std::net::UdpSocket::bind("127.0.0.1:1434").unwrap();
    let port = site.port;
    let asked = std::thread::spawn(move || {
        let mut question = [0; 64];
        let (length, from) = browser.recv_from(&mut question).unwrap();
        let told = format!(
            "ServerName;CLINIC;InstanceName;BPSINSTANCE;IsClustered;No;Version;15.0.2000.5;tcp;{port};;"
        );
        let mut answer = vec![5];
        answer.extend((told.len() as u16).to_le_bytes());
        answer.extend(told.as_bytes());
        browser.send_to(&answer, from).unwrap();
        question[..length].to_vec()
    });
    let settings =
        "server = '127.0.0.1\\BPSINSTANCE'\nencrypt = 'login-only'\ntrust_server_certificate = true";
    let engine = open(site.folder.path(), settings).unwrap();
    engine.connect(&login(WRITER), "Patients", Access::ReadOnly).unwrap().ping().unwrap();
    // 4: one instance, by its name.
    assert_eq!(asked.join().unwrap(), b"\x04BPSINSTANCE\0");
}
