//! `halo-gateway desktop …`.

use crate::{ConfigArgument, say};
use anyhow::{Result, bail};
use clap::{ArgGroup, Args, Subcommand};
use gateway::{
    desktop::{self, Former},
    store::Store,
};
use model::{Clock, DeviceId, SystemClock};
use rand::{TryRngCore, rngs::OsRng};
use std::time::Duration;

#[derive(Subcommand)]
pub(crate) enum DesktopCommand {
    /// Revoke one device, or every token given so far; a running gateway takes notice at once
    Revoke {
        #[command(flatten)]
        config: ConfigArgument,
        #[command(flatten)]
        whom: Whom,
    },
    /// Let a revoked device have tokens again; those from before stay dead
    Allow {
        #[command(flatten)]
        config: ConfigArgument,
        /// As your server named it when it asked for the token
        #[arg(long, value_parser = DeviceId::parse)]
        device: DeviceId,
    },
    /// Print the revoked devices, newest first, one JSON object per line
    List {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Make a new signing key and print its name; tokens of the old one are good until they expire
    RotateKey {
        #[command(flatten)]
        config: ConfigArgument,
        /// Begin to sign with it after so many minutes: time to copy the file to your other gateways
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1440))]
        in_minutes: u32,
        /// Somebody may have seen the old one: every token given so far is refused, within five seconds
        #[arg(long, conflicts_with = "in_minutes")]
        seen: bool,
    },
}

#[derive(Args)]
#[command(group = ArgGroup::new("whom").required(true))]
pub(crate) struct Whom {
    /// As your server named it when it asked for the token: it gets no more until `desktop allow`
    #[arg(long, group = "whom", value_parser = DeviceId::parse)]
    device: Option<DeviceId>,
    /// Every token given so far; devices may get new ones at once
    #[arg(long, group = "whom")]
    all: bool,
}

pub(crate) fn run(command: DesktopCommand) -> Result<()> {
    match command {
        DesktopCommand::Revoke { config, whom } => {
            let store = Store::open(&config.read()?.data)?;
            match whom.device {
                Some(device) => drop(desktop::revoke(&store, &device, SystemClock.now())?),
                None => desktop::revoke_all(&store, SystemClock.now())?,
            }
            Ok(())
        }
        DesktopCommand::Allow { config, device } => {
            if !desktop::allow(&Store::open(&config.read()?.data)?, &device, SystemClock.now())? {
                bail!("{device} is not revoked: see `halo-gateway desktop list`");
            }
            Ok(())
        }
        DesktopCommand::List { config } => {
            let data = config.read()?.data;
            // Makes the tables where they are missing.
            let _store = Store::open(&data)?;
            for revocation in desktop::Revocations::open(&data)?.list()? {
                let at = revocation.at.to_rfc3339();
                say(&serde_json::json!({ "deviceId": revocation.device.as_str(), "revokedAt": at })
                    .to_string())?;
            }
            Ok(())
        }
        DesktopCommand::RotateKey { config, in_minutes, seen } => {
            let former = match seen {
                true => Former::Seen,
                false => Former::Signs(Duration::from_secs(u64::from(in_minutes) * 60)),
            };
            let data = config.read()?.data;
            let kid = desktop::rotate(&data, SystemClock.now(), former, &mut OsRng.unwrap_err())?;
            say(&serde_json::json!({ "key": kid, "file": data.join(desktop::KEY_FILE) }).to_string())
        }
    }
}
