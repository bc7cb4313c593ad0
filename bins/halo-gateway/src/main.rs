//! `halo-gateway`: the public HTTP API of one integrator, on its own machine.

mod desktop;
mod issue;
mod key;
mod pin;
mod receipt;
mod run;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use gateway::config::Config;
use std::{io::Write, path::PathBuf, process::ExitCode};

/// Streams come and go: mimalloc gives freed pages back, where the C library's allocator keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Halo Gateway: the public API in front of the practices that let this integrator in.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
A first start:
  1. Write gateway.toml:
       listen          = \"127.0.0.1:8080\"
       data            = \"/var/lib/halo-gateway\"   # identity and gateway.db are made here
       integrator_name = \"Acme Recalls\"            # practices make pairing codes for this name
       environment     = \"stage\"
       approvals       = [\"approvals\"]              # the PMS vendors' approvals of you: files, or a folder of *.approval
       # certificate   = \"gateway-2.pem\"            # from `halo-gateway issue`, where the root is not on this machine
       # hosted        = true                       # when somebody else than the integrator runs it: practices must allow it
       [cloud]
       url = \"wss://relay.example.com/tunnel/v1\"
       [logins.\"Best Practice\"]                   # issued to you by the PMS vendor
       user          = \"acme\"
       password_file = \"bp.password\"
       [webhooks]                                   # only to notify addresses inside your own network
       allow_networks = [\"10.20.0.0/16\"]
       [desktop]                                    # applications on PCs, with tokens of your server's (default: on)
       origins = [\"https://app.example.com\"]       # web pages that browsers may let ask
       [limits]                                     # all of them are in docs/api.md
       requests_per_second = 50                     # per subscription key; more is 429
     (relative paths start at the folder of gateway.toml)
  2. halo-gateway identity --config gateway.toml     prints your integrator id: have the platform admit it
  3. halo-gateway key add --name app --config gateway.toml     prints a subscription key, once
  4. halo-gateway run --config gateway.toml
     prints {\"ready\":true,\"listen\":\"…\"} on stdout when it serves; logs are JSON lines on stderr.
  docs/api.md describes the API, docs/webhooks.md how it notifies your own endpoints."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the public API until SIGTERM or SIGINT, then let commands under way finish
    Run {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Print the integrator's id, its root's public key and its name as JSON, making the identity on first use
    Identity {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Where the root is: issue a key and certificate to a gateway on another machine, which then needs no root
    Issue {
        #[command(flatten)]
        config: ConfigArgument,
        /// The gateway's name, the integrator's own; sites tell its gateways apart by it
        #[arg(long, value_name = "NAME")]
        instance: String,
        /// Somebody else runs that gateway: practices must allow it
        #[arg(long)]
        hosted: bool,
        /// How long it is valid
        #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=397))]
        days: u32,
        /// Where to; never over another file. It holds the key: move it, don't copy it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Where the root is: revoke the certificates that a gateway has so far. Sites learn it from any running gateway that has
    /// the file which this writes (`revocations` in gateway.toml)
    Revoke {
        #[command(flatten)]
        config: ConfigArgument,
        /// The gateway's name: as issued, or as its log and the practice's status show it
        #[arg(long, value_name = "NAME")]
        instance: String,
    },
    /// Subscription keys: what your applications send as `Ocp-Apim-Subscription-Key`
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Which site was asked first for a practice, where pairing needs no code
    #[command(subcommand)]
    Pin(pin::PinCommand),
    /// Desktop applications: take back what devices were given, change the key that signs their tokens
    #[command(subcommand)]
    Desktop(desktop::DesktopCommand),
    /// Print where sites' audits ended, as they signed it, one JSON object a line: at a practice, `HaloLinkUtility audit verify --witness FILE`
    /// holds its audit against them. `backAt` stands where a site showed another audit than before
    Witnesses {
        #[command(flatten)]
        config: ConfigArgument,
        /// Of this site alone
        #[arg(long, value_name = "GUID")]
        site: Option<model::SiteId>,
    },
    /// Check receipts, and say what they prove and what they do not. Needs neither configuration nor network
    VerifyReceipt(receipt::VerifyReceipt),
}

#[derive(Args)]
struct ConfigArgument {
    /// The configuration file
    #[arg(long, default_value = "gateway.toml", value_name = "FILE")]
    config: PathBuf,
}

impl ConfigArgument {
    /// Reads the configuration and makes sure that its data folder exists.
    fn read(&self) -> Result<Config> {
        let config = Config::read(&self.config)?;
        let data = &config.data;
        std::fs::create_dir_all(data)
            .with_context(|| format!("cannot make the data folder {}", data.display()))?;
        Ok(config)
    }
}

fn main() -> ExitCode {
    crash::guard();
    let done = match Arguments::parse().command {
        Command::Run { config } => config.read().and_then(run::run),
        Command::Identity { config } => {
            config.read().and_then(|config| say(&issue::identity(&config)?.to_string()))
        }
        Command::Issue { config, instance, hosted, days, out } => config
            .read()
            .and_then(|config| say(&issue::issue(&config, &instance, hosted, days, &out)?.to_string())),
        Command::Revoke { config, instance } => {
            config.read().and_then(|config| say(&issue::revoke(&config, &instance)?.to_string()))
        }
        Command::Key(command) => key::run(command),
        Command::Pin(command) => pin::run(command),
        Command::Desktop(command) => desktop::run(command),
        Command::Witnesses { config, site } => {
            config.read().and_then(|config| receipt::witnesses(&config.data, site))
        }
        Command::VerifyReceipt(command) => receipt::verify(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "halo-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One line on stdout, for whoever started us.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
