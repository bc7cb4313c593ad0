//! `halo-gateway pin …`.

use crate::{ConfigArgument, say};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use gateway::store::Store;
use model::Pms;

#[derive(Subcommand)]
pub(crate) enum PinCommand {
    /// Print which site was asked first for each practice that is paired without a code, one JSON object per line
    List {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Let the next site that is authoritative for a practice's identifier be asked; compare its fingerprint with the practice first
    Clear {
        #[command(flatten)]
        config: ConfigArgument,
        /// The practice's software: Zedmed or D4w
        #[arg(long, value_name = "SOFTWARE")]
        pms: String,
        /// The vendor's identifier of the practice
        #[arg(long, value_name = "ID")]
        id: String,
    },
}

pub(crate) fn run(command: PinCommand) -> Result<()> {
    match command {
        PinCommand::List { config } => {
            for pin in Store::open(&config.read()?.data)?.pins()? {
                let said = serde_json::json!({
                    "pms": pin.pms.type_name(), "id": pin.pms_id, "site": pin.site, "since": pin.since.to_rfc3339(),
                });
                say(&said.to_string())?;
            }
            Ok(())
        }
        PinCommand::Clear { config, pms, id } => {
            let of = Pms::from_type_name(&pms).or_else(|| Pms::from_display_name(&pms));
            let of = of.context("--pms is Zedmed or D4w")?;
            if !Store::open(&config.read()?.data)?.clear_pin(of, &id)? {
                bail!("no site was asked for {pms} {id}: see `halo-gateway pin list`");
            }
            say(&serde_json::json!({ "cleared": true }).to_string())
        }
    }
}
