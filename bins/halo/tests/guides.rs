//! Every command in the guides for practices and their IT providers is run here, as it stands there.
//!
//! A block that begins with ```` ```sh linux ```` is run line by line in the folder of a running site's `link.toml`, and each line
//! must succeed. `after=paired` behind it: the name of the integrator in it stands for one that is paired.

use anyhow::{Context, Result, ensure};
use halo::system::{INTEGRATOR, Options, System};
use std::{process::Command, time::Duration};

const GUIDES: &[(&str, &str)] = &[
    ("troubleshooting.md", include_str!("../../../docs/troubleshooting.md")),
    ("faq.md", include_str!("../../../docs/faq.md")),
    ("allow-list.md", include_str!("../../../docs/allow-list.md")),
    ("recovery.md", include_str!("../../../docs/recovery.md")),
    ("installation.md", include_str!("../../../docs/installation.md")),
    ("audit.md", include_str!("../../../docs/audit.md")),
    ("approval.md", include_str!("../../../docs/approval.md")),
    // Last: at its end nobody is paired any more.
    ("consent.md", include_str!("../../../docs/consent.md")),
];

/// The commands of a page, each with whether it speaks of a paired integrator.
fn commands(page: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut block: Option<bool> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), block) {
            (Some(words), None) if words.starts_with("sh linux") => {
                block = Some(words.contains("after=paired"))
            }
            (Some(_), Some(_)) => block = None,
            (None, Some(paired)) => found.push((line.to_owned(), paired)),
            _ => {}
        }
    }
    found
}

/// Words between spaces; what is between double quotes is one of them.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(i, part)| match i % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guides_works_as_it_stands_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut options = Options::new(folder.path())?;
    options.patients = 100;
    let system = System::start(&options, &mut |_| {}).await?;
    let here = system.description.data.join("config");
    // The ID is published a moment after the cloud has accepted it.
    let doctor =
        || Command::new(options.programs.join("HaloLinkUtility")).arg("doctor").current_dir(&here).output();
    for _ in 0..50 {
        if doctor()?.status.success() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (name, page) in GUIDES {
        let all = commands(page);
        ensure!(!all.is_empty(), "{name} has no commands to run");
        for (line, paired) in all {
            let mut words = words(&line);
            if paired {
                let at = words.iter().position(|word| word == "--integrator").context("no --integrator")?;
                words[at + 1] = INTEGRATOR.to_owned();
            }
            let program = options.programs.join(&words[0]);
            ensure!(program.exists(), "{name}: {line}: there is no such program");
            let done = Command::new(program).args(&words[1..]).current_dir(&here).output()?;
            ensure!(done.status.success(), "{name}: {line}: {done:?}");
            ensure!(!done.stdout.is_empty(), "{name}: {line}: says nothing");
        }
    }
    system.stop().await
}

#[test]
fn the_pages_link_to_pages_that_are_there() -> Result<()> {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, page) in GUIDES {
        for link in page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            ensure!(link.starts_with("http") || docs.join(link).exists(), "{name}: {link}");
        }
    }
    Ok(())
}
