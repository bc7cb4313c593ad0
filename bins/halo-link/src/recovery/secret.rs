//! The passphrase of a kit or a move: from a file, from the terminal without an echo, or made. Never from the command line.

use agent::recovery::passphrase;
use anyhow::{Context, Result, bail};
use clap::Args;
use model::Hidden;
use rand::TryRngCore;
use std::{
    fs,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

/// Longest passphrase file, bytes.
const PASSPHRASE_BYTES: u64 = 4096;

#[derive(Args)]
pub(crate) struct Secret {
    /// Read the passphrase from this file, or with - from standard input; else it is asked for
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Secret {
    /// The passphrase of a file that is there.
    pub(super) fn ask(&self) -> Result<Hidden<String>> {
        match &self.passphrase_file {
            Some(path) => from_file(path),
            None => prompt("Passphrase: "),
        }
    }

    /// The passphrase of a new file, and whether it was made.
    pub(super) fn choose(&self, make: bool) -> Result<(Hidden<String>, bool)> {
        if make {
            return Ok((fresh(), true));
        }
        if let Some(path) = &self.passphrase_file {
            return Ok((passphrase::read(&from_file(path)?)?, false));
        }
        let first = prompt("Passphrase (empty: one is made and shown): ")?;
        if first.reveal().is_empty() {
            return Ok((fresh(), true));
        }
        let first = passphrase::read(&first)?;
        if passphrase::read(&prompt("The same again: ")?)? != first {
            bail!("the two are not the same; nothing was done");
        }
        Ok((first, false))
    }
}

fn fresh() -> Hidden<String> {
    passphrase::make(&mut rand::rngs::OsRng.unwrap_err())
}

fn from_file(path: &Path) -> Result<Hidden<String>> {
    // With its room from the start it leaves no copies behind.
    let mut text = String::with_capacity(PASSPHRASE_BYTES as usize + 1);
    let read = match path.as_os_str() == "-" {
        true => io::stdin().take(PASSPHRASE_BYTES + 1).read_to_string(&mut text),
        false => {
            fs::File::open(path).and_then(|file| file.take(PASSPHRASE_BYTES + 1).read_to_string(&mut text))
        }
    };
    let text = Hidden::new(text);
    read.with_context(|| format!("--passphrase-file {}", path.display()))?;
    if text.reveal().len() as u64 > PASSPHRASE_BYTES {
        bail!("--passphrase-file {}: longer than any passphrase", path.display());
    }
    Ok(text)
}

/// From the terminal, without an echo.
fn prompt(words: &str) -> Result<Hidden<String>> {
    if !io::stdin().is_terminal() {
        bail!(
            "there is no terminal to ask for the passphrase: say --passphrase-file FILE, or - for standard input"
        );
    }
    Ok(Hidden::new(rpassword::prompt_password(words)?))
}
