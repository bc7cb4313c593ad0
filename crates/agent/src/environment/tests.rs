use super::*;
use std::sync::atomic::{AtomicI64, Ordering};

/// Each at a time of its own.
fn switch(path: &Path, to: &str) -> Result<(), SwitchError> {
    static NOW: AtomicI64 = AtomicI64::new(1_790_000_000_000);
    super::switch(path, to, "0:root", Timestamp(NOW.fetch_add(1, Ordering::Relaxed)))
}

const CONFIG: &str = "# Riverside\ndata = \"data\"\nenvironment = 'stage' # never change by hand\n[cloud]\nurl = \
                      \"wss://stage.example\"\n[cloud.production]\nurl = \"wss://relay.example\"\n";

fn folder_with(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn switching_there_and_back_finds_both_environments_where_they_were() {
    let (folder, path) = folder_with(CONFIG);
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("identity")).unwrap();
    switch(&path, "production").unwrap();
    let config = Config::read(&path).unwrap();
    assert_eq!(
        (config.environment.as_str(), config.cloud.url.as_str()),
        ("production", "wss://relay.example")
    );
    assert_eq!((&config.root, &config.data), (&data, &data.join("environments").join("production")));
    switch(&path, "stage").unwrap();
    let config = Config::read(&path).unwrap();
    assert_eq!((config.cloud.url.as_str(), &config.data), ("wss://stage.example", &data));
    assert_eq!(fs::read_to_string(&path).unwrap(), CONFIG, "nothing else in the file changed");
}

/// A switch that nobody can be asked about later would be the one way around the audit.
#[test]
fn a_switch_leaves_word_of_who_did_it_for_both_environments_and_one_that_failed_leaves_none() {
    let (folder, path) = folder_with(CONFIG);
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("identity")).unwrap();
    let notes = || {
        let names =
            fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("environment-set.")).collect();
        names.sort();
        names
    };
    // A folder lies where the new text would be written.
    fs::create_dir(path.with_extension("toml.new")).unwrap();
    assert!(switch(&path, "production").is_err());
    assert!(notes().is_empty(), "{:?}", notes());
    fs::remove_dir(path.with_extension("toml.new")).unwrap();
    switch(&path, "production").unwrap();
    let notes = notes();
    assert_eq!(notes.len(), 2);
    assert!(
        notes[0].starts_with("environment-set.production.") && notes[1].starts_with("environment-set.stage.")
    );
    let text = fs::read_to_string(data.join(&notes[0])).unwrap();
    assert!(text.contains("0:root") && text.contains("\"from\":\"stage\""), "{text}");
}

#[test]
fn a_folder_that_was_never_used_belongs_to_whoever_comes_first() {
    let (folder, path) = folder_with(CONFIG);
    switch(&path, "production").unwrap();
    let config = Config::read(&path).unwrap();
    assert_eq!(config.data, folder.path().join("data"));
    fs::create_dir_all(&config.data).unwrap();
    assert!(claim(&config.data, "production").unwrap());
    assert!(claim(&config.data, "production").unwrap());
    assert!(!claim(&config.data, "stage").unwrap(), "a folder has one environment");
}

#[test]
fn a_lost_mark_does_not_give_one_environment_what_another_has_made() {
    let (folder, path) = folder_with(CONFIG);
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("identity")).unwrap();
    switch(&path, "production").unwrap();
    let own = Config::read(&path).unwrap().data;
    fs::create_dir_all(&own).unwrap();
    fs::remove_file(data.join("environment")).unwrap();
    assert_eq!(Config::read(&path).unwrap().data, own);
}

#[test]
fn two_environments_never_join_the_same_cloud() {
    let (_folder, path) = folder_with(&CONFIG[..CONFIG.find("[cloud.production]").unwrap()]);
    let wrong = switch(&path, "production").unwrap_err();
    assert!(matches!(&wrong, SwitchError::SameCloud { .. }), "{wrong}");
    assert!(wrong.to_string().contains("[cloud.production]"), "{wrong}");
    assert_eq!(Config::read(&path).unwrap().environment, "stage");
}

#[test]
fn a_mark_that_names_nothing_is_said_and_not_replaced() {
    let (folder, path) = folder_with(CONFIG);
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("environment"), "staging").unwrap();
    assert!(Config::read(&path).unwrap_err().to_string().contains("names no environment"));
    assert!(claim(&data, "stage").is_err());
}

#[test]
fn only_the_setting_itself_is_taken_for_it() {
    for text in
        ["[cloud]\nenvironment = \"stage\"\n", "# environment = \"stage\"\n", "environments = 'stage'\n", ""]
    {
        assert_eq!(replaced(text, "demo"), None, "{text}");
    }
    assert_eq!(replaced("environment=\"stage\"", "demo").as_deref(), Some("environment=\"demo\""));
    let lines = "a = 1\r\n  environment  = \"stage\"\r\n[b]\r\n";
    assert_eq!(replaced(lines, "demo").unwrap(), lines.replace("stage", "demo"));
}

#[cfg(unix)]
#[test]
fn the_file_keeps_its_rights() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder_with(CONFIG);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    switch(&path, "production").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}
