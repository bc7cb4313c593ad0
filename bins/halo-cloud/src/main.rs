//! `halo-cloud`: the relay and the directory as one process, and the operator's commands.

mod authority;
mod config;
mod operator;
mod publish;
mod run;
mod updates;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// A node holds tens of thousands of idle connections, so what counts is memory per connection and after a storm.
/// Measured over rounds of 3,000 Links that join and break: mimalloc uses all of the last round's memory again and
/// gives pages back once it is at work again (62 MB, then 40 MB after the next thousand joins), where the C library's
/// allocator keeps them until it is asked with `malloc_trim`, which safe code can't call.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Halo Cloud: splices encrypted streams between integrators and practices, and knows which practice is where.
///
/// It sees ciphertext, names and byte counts. It never sees practice data.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
A first start:
  1. Write cloud.toml:
       listen   = \"0.0.0.0:443\"            # where Links and gateways dial
       names    = [\"relay.example.com\"]    # host names under which they dial
       tls_cert = \"relay.pem\"              # certificate chain, PEM
       tls_key  = \"relay.key\"              # its private key, PEM
       data     = \"/var/lib/halo-cloud\"    # directory.db is made here
       environment = \"stage\"              # production (when left out), stage or demo: others are refused
       [updates]                            # optional: updates for Links (docs/updates.md)
       folder = \"updates\"
     (relative paths start at the folder of cloud.toml)
  2. halo-cloud run --config cloud.toml
     prints {\"ready\":true,\"listen\":\"…\"} on stdout when it serves; logs are JSON lines on stderr.
  3. halo-gateway identity …   (at the integrator) prints the integrator's id; let it in:
     halo-cloud admit --config cloud.toml --integrator ID --name \"Acme Recalls\"
     The running cloud takes notice at once."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT, then drain: at most five seconds
    Run {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Let an integrator use this cloud (also renames one, or lets a removed one back in)
    Admit {
        #[command(flatten)]
        config: ConfigArgument,
        /// The integrator's id, as `halo-gateway identity` prints it
        #[arg(long, value_name = "UUID")]
        integrator: model::IntegratorId,
        /// What you call it; at most 200 characters
        #[arg(long)]
        name: String,
    },
    /// Take an integrator's admission away; its next request is refused within a second
    Remove {
        #[command(flatten)]
        config: ConfigArgument,
        /// The integrator's id
        #[arg(long, value_name = "UUID")]
        integrator: model::IntegratorId,
    },
    /// List integrators, one JSON object a line
    Integrators {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Offer a file to all Links of this environment as their newest version; works beside a running cloud, at once
    PublishUpdate {
        #[command(flatten)]
        config: ConfigArgument,
        /// The environment that you mean; must be the configuration's
        #[arg(long)]
        environment: String,
        /// windows-x86_64, linux-x86_64 or linux-aarch64
        #[arg(long)]
        platform: update::Platform,
        /// Its version, when the file does not say it: YY.MMDD.build
        #[arg(long)]
        version: Option<update::Version>,
        /// A Debian package's signature [default: the file's name with .sig]
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// Check first that this certificate, or its authority, signed the file
        #[arg(long, value_name = "PEM")]
        publisher: Option<PathBuf>,
        /// A line for people
        #[arg(long, default_value = "")]
        notes: String,
        /// Offer it although a higher version is offered now
        #[arg(long)]
        lower: bool,
        /// The MSI or Debian package
        file: PathBuf,
    },
    /// Which of several sites with one practice's identifier is the one to use
    #[command(subcommand)]
    Authority(authority::Authority),
    /// List sites and whether they can be reached, one JSON object a line
    Sites {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// List where the sites' audits ended, one JSON object a line: `HaloLinkUtility audit verify --witness FILE` holds an audit
    /// against them. `backAt` stands where an audit did not go on from an end that was told before
    Witnesses {
        #[command(flatten)]
        config: ConfigArgument,
        /// Of this site alone
        #[arg(long, value_name = "GUID")]
        site: Option<model::SiteId>,
    },
}

#[derive(clap::Args)]
struct ConfigArgument {
    /// The configuration file
    #[arg(long = "config", value_name = "FILE", default_value = "cloud.toml")]
    path: PathBuf,
}

impl ConfigArgument {
    fn load(&self) -> Result<config::Config> {
        config::load(&self.path)
    }
}

fn main() -> ExitCode {
    crash::guard();
    let result = match Arguments::parse().command {
        Command::Run { config } => config.load().and_then(run::run),
        Command::Admit { config, integrator, name } => {
            config.load().and_then(|config| operator::admit(&config, integrator, &name))
        }
        Command::Remove { config, integrator } => {
            config.load().and_then(|config| operator::remove(&config, integrator))
        }
        Command::Integrators { config } => config.load().and_then(|config| operator::integrators(&config)),
        Command::PublishUpdate {
            config,
            environment,
            platform,
            version,
            signature,
            publisher,
            notes,
            lower,
            file,
        } => config.load().and_then(|config| {
            let what = publish::Publication {
                platform,
                file: &file,
                version,
                signature: signature.as_deref(),
                publisher: publisher.as_deref(),
                notes: &notes,
                lower,
            };
            operator::publish_update(&config, &environment, &what)
        }),
        Command::Authority(asked) => asked.run(),
        Command::Sites { config } => config.load().and_then(|config| operator::sites(&config)),
        Command::Witnesses { config, site } => {
            config.load().and_then(|config| operator::witnesses(&config, site))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word of a command-line program")]
            {
                eprintln!("halo-cloud: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
