//! The names of all test functions in a tree of sources: for documents that name the test of each of their sentences.

use std::{collections::HashSet, fs, io, path::Path};

/// Adds the names of all test functions in `.rs` files below `folder`.
///
/// # Errors
/// When a folder or file can't be read.
pub fn tests_below(folder: &Path, into: &mut HashSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            tests_below(&path, into)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let mut marked = false;
            for line in fs::read_to_string(&path)?.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    marked = true;
                } else if marked && let Some((_, rest)) = line.split_once("fn ") {
                    into.extend(rest.split_once('(').map(|(name, _)| name.to_owned()));
                    marked = false;
                }
            }
        }
    }
    Ok(())
}
