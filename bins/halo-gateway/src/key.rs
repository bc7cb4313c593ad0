//! `halo-gateway key …`.

use crate::{ConfigArgument, say};
use anyhow::{Result, bail};
use clap::Subcommand;
use gateway::{keys, store::Store};
use model::{Clock, SystemClock};
use rand::{TryRngCore, rngs::OsRng};

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print it: only its hash is kept, so it is shown this once. A name may have two, for rotation
    Add {
        #[command(flatten)]
        config: ConfigArgument,
        /// Who uses it
        #[arg(long)]
        name: String,
        /// Print {"subscriptionKey": …} instead of the bare key
        #[arg(long)]
        json: bool,
    },
    /// Print id, name and age of each key, one JSON object per line
    List {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Remove a key; a running gateway takes notice within five seconds
    Remove {
        #[command(flatten)]
        config: ConfigArgument,
        /// As `key list` prints it
        #[arg(long)]
        id: i64,
    },
}

pub(crate) fn run(command: KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Add { config, name, json } => {
            let store = Store::open(&config.read()?.data)?;
            let key = keys::add(&store, &name, &mut OsRng.unwrap_err(), SystemClock.now())?;
            match json {
                true => say(&serde_json::json!({ "subscriptionKey": key.reveal() }).to_string()),
                false => say(key.reveal()),
            }
        }
        KeyCommand::List { config } => {
            for key in keys::list(&Store::open(&config.read()?.data)?)? {
                let made = key.created.to_rfc3339();
                say(&serde_json::json!({ "id": key.id, "name": key.name, "createdAt": made }).to_string())?;
            }
            Ok(())
        }
        KeyCommand::Remove { config, id } => {
            if !keys::remove(&Store::open(&config.read()?.data)?, id)? {
                bail!("there is no key {id}: see `halo-gateway key list`");
            }
            Ok(())
        }
    }
}
