use super::*;
use std::path::Path;

fn read(table: &str) -> Result<Settings, OpenError> {
    let table: toml::Table = table.parse().unwrap();
    Settings::read(&database::Settings { table: &table, folder: Path::new("/etc/halo") })
}

fn sentence(table: &str) -> String {
    read(table).map(|_| ()).unwrap_err().0
}

const PLAIN: &str = "server = 'localhost'\ncatalogues = { Patients = 'BPSPatients' }\n";

#[test]
fn the_example_is_read_and_says_what_it_means() {
    let table = EXAMPLE.lines().filter(|line| !line.starts_with("kind")).collect::<Vec<_>>().join("\n");
    let settings = read(&table).unwrap();
    assert_eq!(settings.server(), r"localhost\BPSINSTANCE");
    assert_eq!(settings.database("patients"), Some("BPSPatients"));
    assert_eq!(settings.database("nowhere"), None);
    assert!(settings.catalogues[0].0.is_default && settings.catalogues[0].0.name == "Patients");
    let login = database::Login { user: "kim".into(), password: "hunter2".into() };
    let context = settings.context(&Own::Sql(login), "BPSDrugs");
    assert_eq!(context.database, "BPSDrugs");
    assert_eq!(context.connect_retry_count, 0, "no new line is dialled in silence");
    assert_eq!(context.encryption_options.mode, EncryptionSetting::Required);
    assert_eq!(
        context.encryption_options.server_certificate.as_deref(),
        Some(Path::new("/etc/halo/sqlserver.pem"))
    );
    assert!(!context.encryption_options.trust_server_certificate);
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn every_form_of_a_server_is_taken_and_what_is_none_is_not() {
    for server in
        ["host", "host,1433", "tcp:host,1433", r"host\BPSINSTANCE", "10.0.0.5", r".\SQLEXPRESS", "tcp:host"]
    {
        let table = format!("server = '{server}'\ncatalogues = {{ A = 'b' }}");
        assert_eq!(read(&table).unwrap().server(), server);
    }
    for server in ["", "  ", "tcp:host,port", &"x".repeat(256)] {
        let table = format!("server = '{server}'\ncatalogues = {{ A = 'b' }}");
        assert!(sentence(&table).contains("server:"), "{server}");
    }
}

#[test]
fn what_is_wrong_is_named_with_what_it_should_be_and_no_secret() {
    for (rest, wanted) in [
        ("encrypt = 'maybe'", "`required`"),
        ("unknown = 1", "`unknown`"),
        ("default = 'Nowhere'", "default:"),
        ("certificate = 'a.pem'\ntrust_server_certificate = true", "not both"),
        ("encrypt = 'strict'\ntrust_server_certificate = true", "pin it"),
        ("login = { password = 'hunter2' }", "login: user"),
        ("login = { user = 'a' }", "login: password_file"),
        ("login = { user = 'a', password = 'hunter2', password_file = 'x' }", "login: password_file"),
        ("login = { user = 'a', password_file = 'nowhere' }", "can't be read"),
        ("login = { windows = true, user = 'a' }", "no user"),
    ] {
        let told = sentence(&format!("{PLAIN}{rest}"));
        assert!(told.contains(wanted) && !told.contains("hunter2"), "{rest}: {told}");
    }
    assert!(sentence("server = 'a'\ncatalogues = {}").contains("catalogues:"));
    assert!(sentence("server = 'a'\ncatalogues = { A = 'a', B = 'b' }").contains("default:"));
    assert!(sentence("server = 'a'\ndefault = 'A'\ncatalogues = { A = 'a', a = 'b' }").contains("default:"));
    #[cfg(not(windows))]
    assert!(sentence(&format!("{PLAIN}login = {{ windows = true }}")).contains("works on Windows only"));
}
