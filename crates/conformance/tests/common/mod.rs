//! The demo practice, built for a test.

use database::{Date, Login};
use practice::{BuildOptions, PracticeLogin, build};
use std::path::PathBuf;

pub(crate) const WRITER: &str = "bpsrawdata";
pub(crate) const READER: &str = "bpsviewer";
const SECRET: &str = "open sesame";

pub(crate) struct Practice {
    pub(crate) path: PathBuf,
    _folder: tempfile::TempDir,
}

pub(crate) fn practice() -> Practice {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("practice.db");
    let login = |user: &str, read_only| PracticeLogin {
        user: user.into(),
        password: SECRET.to_owned().into(),
        read_only,
    };
    let content = BuildOptions {
        patients: 500,
        seed: 7,
        today: Date { year: 2026, month: 2, day: 3 },
        logins: vec![login(WRITER, false), login(READER, true)],
    };
    build(&path, &content, &mut |_, _| {}).unwrap();
    Practice { path, _folder: folder }
}

pub(crate) fn login(user: &str) -> Login {
    Login { user: user.into(), password: SECRET.into() }
}
