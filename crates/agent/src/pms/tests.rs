use super::*;
use trust::{Kind, Root};

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

fn built_in(file: &str) -> PmsFile {
    let (file, text) = BUILT_IN.into_iter().find(|(name, _)| *name == file).unwrap();
    PmsFile::parse(file, text).unwrap()
}

#[test]
fn each_software_on_its_own_database_has_its_file_and_all_else_the_generic_one() {
    let files = PmsFiles::load(None).unwrap();
    let file = |pms, kind| files.of(pms, kind).unwrap().file.clone();
    assert_eq!(file(Pms::BestPractice, "mssql"), "bp-premier.toml");
    assert_eq!(file(Pms::BestPractice, "demo"), "bp-premier.toml");
    assert_eq!(file(Pms::Zedmed, "firebird"), "zedmed.toml");
    assert_eq!(file(Pms::D4w, "sybase"), GENERIC);
    assert_eq!(file(Pms::Zedmed, "mssql"), GENERIC);
    assert!(!built_in(GENERIC).asks() && built_in("zedmed.toml").asks());
}

#[test]
fn a_pms_file_fills_in_the_catalogues_that_the_settings_do_not_name() {
    let bp = built_in("bp-premier.toml");
    let mut settings = table("server = 'clinic'");
    bp.fill(&mut settings, "mssql");
    let expected = "server = 'clinic'\ndefault = 'Patients'\ncatalogues = { Patients = 'BPSPatients', Drugs = 'BPSDrugs' }";
    assert_eq!(settings, table(expected));

    let own = table("catalogues = { Patients = 'Copy' }");
    let mut settings = own.clone();
    bp.fill(&mut settings, "mssql");
    assert_eq!(settings, own, "what the practice wrote stands");
    let mut settings = table("default = 'drugs'");
    bp.fill(&mut settings, "mssql");
    assert_eq!(settings["default"].as_str(), Some("drugs"));

    for (file, kind) in [(&bp, "demo"), (&bp, "firebird"), (&built_in(GENERIC), "mssql")] {
        let mut settings = table("path = 'practice'");
        file.fill(&mut settings, kind);
        assert_eq!(settings, table("path = 'practice'"), "{} on {kind}", file.file);
    }
}

#[test]
fn a_practices_own_file_replaces_the_one_of_its_name_and_others_are_added() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("bp-premier.toml", "name = 'BestPractice'\nkinds = ['mssql']\n[facts.pms_id]\nsql = 'SELECT 7'");
    write("d4w.toml", "name = 'D4w'\nkinds = ['*']");
    write("notes.txt", "no PMS file");
    let files = PmsFiles::load(Some(folder.path())).unwrap();
    let bp = files.of(Pms::BestPractice, "mssql").unwrap();
    assert_eq!(bp.facts.pms_id.as_ref().unwrap().sql, "SELECT 7");
    assert_eq!(files.of(Pms::BestPractice, "demo").unwrap().file, GENERIC, "the built-in one is gone");
    assert_eq!(files.of(Pms::D4w, "sybase").unwrap().file, "d4w.toml");

    write("bp.toml", "name = 'BestPractice'\nkinds = ['mssql']");
    let files = PmsFiles::load(Some(folder.path())).unwrap();
    let both = files.of(Pms::BestPractice, "mssql").unwrap_err();
    assert!(both.contains("bp-premier.toml") && both.contains("bp.toml"), "{both}");

    // Of another name than the built-in one: the practice's word goes first.
    write("zed.toml", "name = 'Zedmed'\nkinds = ['firebird']\n[facts.pms_id]\nsql = 'SELECT 8'");
    let files = PmsFiles::load(Some(folder.path())).unwrap();
    assert_eq!(files.of(Pms::Zedmed, "firebird").unwrap().file, "zed.toml");

    assert!(PmsFiles::load(Some(&folder.path().join("gone"))).unwrap_err().contains("gone"));
    write("big.toml", &"# large\n".repeat(10_000));
    assert!(PmsFiles::load(Some(folder.path())).unwrap_err().contains("64 KiB"));
}

const GOOD: &str = "name = 'Zedmed'
kinds = ['firebird']
[[catalogue]]
name = 'Patients'
database = 'p'
default = true
[facts.pms_id]
catalogue = 'patients'
sql = 'SELECT 1'
[vendor]
approval_keys = []
";

#[test]
fn a_mistake_is_named_by_file_and_line() {
    assert!(PmsFile::parse("own.toml", GOOD).is_ok());
    let wrong = |from: &str, to: &str, line: &str, word: &str| {
        let error = PmsFile::parse("own.toml", &GOOD.replace(from, to)).unwrap_err();
        assert!(error.starts_with("own.toml: ") && error.contains(line) && error.contains(word), "{error}");
    };
    wrong("sql = ", "sqll = ", "line 9", "sqll");
    wrong("'SELECT 1'", "' '", "line 9", "sql has");
    wrong("'firebird'", "' firebird'", "line 2", "blanks");
    wrong("kinds = ['firebird']", "kinds = []", "", "kinds");
    wrong("'Zedmed'", "'Zedmet'", "", "BestPractice, Zedmed, D4w");
    wrong("default = true", "default = false", "", "default = true");
    wrong("'patients'", "'Drugs'", "", "Drugs");
    wrong("default = true", "default = true\n[[catalogue]]\nname = 'PATIENTS'\ndatabase = 'x'", "", "twice");
    wrong("keys = []", "keys = ['not base64!']", "line 11", "base64");
    wrong("keys = []", "keys = ['AAAA']", "line 11", "P-256");
}

#[test]
fn a_vendors_key_is_kept_as_it_stands() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let root = Root::generate(Kind::Integrator).unwrap();
    let key = format!("keys = ['{}']", STANDARD.encode(root.spki()));
    let file = PmsFile::parse("own.toml", &GOOD.replace("keys = []", &key)).unwrap();
    assert_eq!(file.approval_keys, [root.spki()]);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic_and_what_it_takes_is_within_its_limits(
        at in 0..GOOD.len(), cut in 0..40_usize, word in "[\\PC\n]{0,40}",
    ) {
        // GOOD is ASCII: any place in it is one between characters.
        let text = format!("{}{word}{}", &GOOD[..at], &GOOD[(at + cut).min(GOOD.len())..]);
        if let Ok(file) = PmsFile::parse("own.toml", &text) {
            proptest::prop_assert!(file.catalogues.iter().filter(|c| c.default).count() <= 1);
            let mut settings = toml::Table::new();
            file.fill(&mut settings, "firebird");
            let once = settings.clone();
            file.fill(&mut settings, "firebird");
            proptest::prop_assert_eq!(settings, once);
        }
    }
}
