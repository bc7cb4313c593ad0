//! docs/THREAT-MODEL.md is worth something only as long as the tests that it names are there.

use anyhow::{Result, ensure};
use lab::named::tests_below;
use std::{collections::HashSet, fs, path::Path, process::Command};

#[test]
fn each_defence_of_the_threat_model_names_a_test_that_exists() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut there = HashSet::new();
    for folder in ["crates", "bins"] {
        tests_below(&root.join(folder), &mut there)?;
    }
    let model = fs::read_to_string(root.join("docs/THREAT-MODEL.md"))?;
    let mut rows = 0;
    for row in model.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_end_matches('|').rsplit('|').collect();
        // Rows of tables whose last column is "shown by".
        let named: Vec<&str> =
            cells.first().map(|cell| cell.split('`').skip(1).step_by(2)).into_iter().flatten().collect();
        for name in named.iter().filter(|name| name.contains('_')) {
            ensure!(there.contains(*name), "docs/THREAT-MODEL.md names a test that isn't there: {name}");
            rows += 1;
        }
    }
    ensure!(rows > 60, "the list is read wrongly: {rows} tests are named");
    Ok(())
}

/// And the other way round: no case of this suite is missing in the document.
#[test]
fn each_case_of_the_suite_stands_in_the_threat_model() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cases = HashSet::new();
    tests_below(&here.join("tests/attacks"), &mut cases)?;
    let model = fs::read_to_string(here.join("../../docs/THREAT-MODEL.md"))?;
    let about_the_list = |case: &String| case.contains("threat_model") || case.contains("advisories_that");
    for case in cases.iter().filter(|case| !about_the_list(case)) {
        ensure!(model.contains(&format!("`{case}`")), "docs/THREAT-MODEL.md does not name {case}");
    }
    Ok(())
}

/// Whoever asks a list that it can't read must not say that it is empty.
#[test]
fn advisories_that_could_not_be_asked_for_are_not_taken_for_none() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut audit = Command::new(root.join("tools/audit.sh"));
    let done = audit.env("HALO_ADVISORIES", "https://advisories.invalid/db").output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.code() == Some(2) && said.contains("NOT CHECKED"), "{done:?}");
    Ok(())
}

/// No measurement of ours would notice a comparison that ends at the first difference; a reader does. Who changes one of these lines looks here.
#[test]
fn secrets_are_compared_by_functions_that_take_the_same_time() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (file, line) in [
        ("crates/trust/src/pairing/transcript.rs", "hmac::verify(&key(code), &bytes(role, t), mac).is_ok()"),
        ("crates/gateway/src/keys.rs", "hash.ct_eq(digest)"),
        (
            "crates/gateway/src/desktop/token.rs",
            "hmac::verify(&key.secret, self.signed.as_bytes(), &self.tag)",
        ),
    ] {
        let text = fs::read_to_string(root.join(file))?;
        ensure!(text.matches(line).count() == 1, "{file} compares its secret in another way than `{line}`");
    }
    Ok(())
}
