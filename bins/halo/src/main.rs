//! `halo`, the developer's command line.

use anyhow::Result;
use clap::{Parser, Subcommand};
use halo::{demo, system::Options};
use std::path::PathBuf;

/// Halo Connect on a developer's machine.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Start the whole system with a demo practice: cloud, link and gateway as processes of their own, paired.
    ///
    /// Everything listens on 127.0.0.1 only and lives in one folder; removing the folder forgets it all.
    Demo {
        /// Start in the background and print one JSON object when it is ready.
        #[arg(long)]
        detach: bool,
        /// Stop the one in the background.
        #[arg(long, conflicts_with = "detach")]
        stop: bool,
        /// Print the description as JSON instead of the welcome, and stay in the foreground.
        #[arg(long, conflicts_with_all = ["detach", "stop"])]
        json: bool,
        /// Folder for identities, databases and logs.
        #[arg(long, default_value = ".demo")]
        data: PathBuf,
        /// Size of the demo practice; counts when it is built, at the first start in a folder.
        #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(500..=200_000))]
        patients: u32,
        /// Port of the public API; a free one when it is taken.
        #[arg(long, default_value_t = 8080)]
        gateway_port: u16,
        /// Port of the relay; a free one when it is taken.
        #[arg(long, default_value_t = 8443)]
        cloud_port: u16,
    },
}

fn main() -> Result<()> {
    let What::Demo { detach, stop, json, data, patients, gateway_port, cloud_port } =
        Arguments::parse().command;
    if stop {
        return demo::stop(&data);
    }
    let mut options = Options::new(data)?;
    options.patients = patients;
    options.gateway_port = gateway_port;
    options.cloud_port = cloud_port;
    if detach {
        return demo::detach(&options);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build()?;
    runtime.block_on(demo::run(&options, json))
}
