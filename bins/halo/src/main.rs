//! `halo`, the developer's command line.

use anyhow::Result;
use clap::{Parser, Subcommand};
use halo::{
    demo, practice,
    system::{Engine, Options},
    vendor,
};
use std::{net::SocketAddr, path::PathBuf};

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
        /// What stands for the practice's database server: the demo practice inside Link, or the same as a process of its
        /// own that speaks SQL Server's protocol, with which Link talks as with a clinic's server.
        #[arg(long, value_enum, default_value_t)]
        engine: Engine,
        /// Port of the public API; a free one when it is taken.
        #[arg(long, default_value_t = 8080)]
        gateway_port: u16,
        /// Port of the relay; a free one when it is taken.
        #[arg(long, default_value_t = 8443)]
        cloud_port: u16,
    },
    /// Serve the demo practice alone, for SQL tools: it speaks SQL Server's protocol (TDS) until Ctrl-C.
    ///
    /// Builds the practice at the first start in a folder, then prints how to connect with tsql, sqlcmd, ADO.NET, ODBC and
    /// JDBC. No Windows, no SQL Server, nobody's data. It is a test kit for this machine: its T-SQL is what
    /// docs/demo-practice.md says, its protocol what docs/tds.md says.
    #[command(after_help = "\
Examples:
  halo practice                              5,000 patients on 127.0.0.1:1433
  halo practice --tds 127.0.0.1:0 --json     any free port, described as JSON
  halo practice --data big --patients 50000  another practice in another folder
  halo practice --user sa --password 'Pa55'  a login of your own, at the first start in a folder")]
    Practice {
        /// Where to listen; port 0 is any free one.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1433")]
        tds: SocketAddr,
        /// Allow an address that other machines can reach.
        #[arg(long)]
        anywhere: bool,
        /// Folder of the databases, the login and the certificate.
        #[arg(long, default_value = ".practice")]
        data: PathBuf,
        /// How many patients; counts when the practice is built, at the first start in a folder.
        #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(500..=200_000))]
        patients: u32,
        /// The same seed, size and day build the same practice.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Database user; one is made at the first start otherwise, with a password, and kept in the folder.
        #[arg(long, requires = "password")]
        user: Option<String>,
        /// Its password.
        #[arg(long, requires = "user")]
        password: Option<String>,
        /// Print one JSON object (address, user, password, certificate, folder) instead of the welcome.
        #[arg(long)]
        json: bool,
    },
    /// For vendors of practice software: approve integrators, so that practices let them in. docs/approval.md
    #[command(subcommand)]
    Vendor(vendor::Vendor),
}

fn main() -> Result<()> {
    let (detach, stop, json, data, patients, engine, gateway_port, cloud_port) =
        match Arguments::parse().command {
            What::Practice { tds, anywhere, data, patients, seed, user, password, json } => {
                let login = user.zip(password);
                let options = practice::Options { tds, anywhere, data, patients, seed, login, json };
                return runtime()?.block_on(practice::run(&options));
            }
            What::Vendor(asked) => return vendor::run(asked),
            What::Demo { detach, stop, json, data, patients, engine, gateway_port, cloud_port } => {
                (detach, stop, json, data, patients, engine, gateway_port, cloud_port)
            }
        };
    if stop {
        return demo::stop(&data);
    }
    let mut options = Options::new(data)?;
    options.patients = patients;
    options.engine = engine;
    options.gateway_port = gateway_port;
    options.cloud_port = cloud_port;
    if detach {
        return demo::detach(&options);
    }
    runtime()?.block_on(demo::run(&options, json))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(1).build()?)
}
