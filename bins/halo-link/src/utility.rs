//! `HaloLinkUtility`: the practice's and its IT provider's tool. It asks the running service; it opens no secrets itself.
#![allow(non_snake_case, reason = "the name that practices know")]

mod consent;
mod diagnose;
mod forgetting;
mod kinds;
mod pairing;
mod recovery;
mod setup;
mod shown;
mod status;
mod switching;
mod trail;

use agent::{
    config::{self, Config},
    control::{self, Ask, AskError, MadeCode, StatusAnswer},
    store::AuditRow,
};
use anyhow::{Result, anyhow};
use clap::{Args, Parser, Subcommand};
use model::SiteId;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Halo Link Utility: what is wrong and what to do, pairing codes, who may do what, how things stand, and what was run.
#[derive(Parser)]
#[command(
    name = "HaloLinkUtility",
    version = agent::host::VERSION,
    after_help = "\
To let an integrator in:
  1. HaloLinkUtility pairing-code --integrator \"Acme Recalls\"     (--read-only: it may only read)
  2. Give the code to the integrator, by a way that you trust. It is good for 7 days, one pairing, five tries.
  3. HaloLinkUtility status                                       shows the integrator once it has paired
To say what it may do:  HaloLinkUtility consent set --integrator \"Acme Recalls\" --access read-only --rows-per-day 50000
To keep it out:      HaloLinkUtility consent suspend --integrator \"Acme Recalls\"       (resume lets it in again)
For good:            HaloLinkUtility consent revoke --integrator \"Acme Recalls\"        (its login is erased)
To stop everything:  HaloLinkUtility halt                                              (unhalt goes on)
To see what it ran:  HaloLinkUtility audit show --last 20         (audit verify: whether it is what was written)
For the day on which this server is lost:  HaloLinkUtility recovery kit --out FILE      (new server: recovery restore)
To move to a new server:  HaloLinkUtility move out --out FILE      and there:  HaloLinkUtility move in FILE
When something is wrong:  HaloLinkUtility doctor                 says what, and the next step
                          HaloLinkUtility support-bundle         packs what support needs, without secrets

Run it as an administrator (on Linux as root or as the service's own account). --config says which link.toml; without it the
one in this folder counts, else the installed one."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what is wrong here, and what to do about it; the exit code is 1 when something is
    Doctor {
        /// The service's configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print one JSON value
        #[arg(long)]
        json: bool,
    },
    /// Pack what support needs into a ZIP file, without secrets and without anything of patients
    SupportBundle {
        /// Where to; never over another file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The service's configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show which environment this is, or go over to another
    Environment {
        #[command(subcommand)]
        set: Option<Environment>,
        /// The service's configuration file
        #[arg(long, value_name = "FILE", global = true)]
        config: Option<PathBuf>,
        /// Print one JSON value
        #[arg(long)]
        json: bool,
    },
    /// Let integrators into a site's database, or none of them
    Site {
        /// Let them in
        #[arg(long, conflicts_with = "off", required_unless_present = "off")]
        on: bool,
        /// Keep all of them out, at once
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Make a code with which one integrator can pair
    PairingCode {
        /// The integrator's name, as it calls itself
        #[arg(long, value_name = "NAME")]
        integrator: String,
        /// The integrator may only read
        #[arg(long)]
        read_only: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Integrators that ask to be let in without a code; the gateways of those that are paired
    #[command(subcommand)]
    Pairing(pairing::Pairing),
    /// Show how the service and its sites stand
    Status {
        #[command(flatten)]
        common: Common,
    },
    /// What integrators may do: show it, change it, suspend it, revoke it
    #[command(subcommand)]
    Consent(consent::Consent),
    /// Stop everything at once, for all integrators at all databases of this server, until unhalt
    Halt {
        #[command(flatten)]
        common: Common,
    },
    /// Go on after halt; whoever is suspended stays so
    Unhalt {
        #[command(flatten)]
        common: Common,
    },
    /// End a pairing: the integrator's login, consent and results here are erased
    Unpair {
        /// Its name or id, as status shows it
        #[arg(long, value_name = "NAME")]
        integrator: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Let a paired integrator in, or keep it out: the same as consent resume and consent suspend
    Switch {
        /// Its name or id, as status shows it
        #[arg(long, value_name = "NAME")]
        integrator: String,
        /// Let it in
        #[arg(long, conflicts_with = "off", required_unless_present = "off")]
        on: bool,
        /// Keep it out, at once
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Recovery kits: make one, look into one, restore from one
    #[command(subcommand)]
    Recovery(recovery::Recovery),
    /// Move to a new server: out of the old one, in at the new one
    #[command(subcommand)]
    Move(recovery::Move),
    /// Sign that another Halo ID of this practice is the one to use; Halo Cloud's operator takes the file
    HandOver {
        /// The Halo ID that is to be used
        #[arg(long, value_name = "GUID")]
        to: SiteId,
        /// Where the statement goes; never over another file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Say that this server is the practice's real one, after Halo Link has found a copy of it
    ConfirmServer {
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Start over when the key that seals logins is lost for good: every integrator pairs again. The service must be stopped
    ForgetPairings {
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// The service's configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The log of what was run: show it, check it, export it
    #[command(subcommand)]
    Audit(trail::Audit),
    /// What installers run
    #[command(hide = true)]
    Setup(Box<setup::Setup>),
}

#[derive(Subcommand)]
enum Environment {
    /// Go over to another one; each keeps its own identity and pairings
    Set {
        /// Which
        #[arg(value_parser = agent::environment::NAMES)]
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
struct Common {
    /// The service's configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which site, when the service has several
    #[arg(long, value_name = "GUID")]
    site: Option<SiteId>,
    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    crash::guard();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(Arguments::parse().command)));
    match done.and_then(|(text, well)| Ok((writeln!(std::io::stdout(), "{}", shown::plain(&text))?, well))) {
        Ok(((), true)) => ExitCode::SUCCESS,
        Ok(((), false)) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "HaloLinkUtility: {}", shown::plain(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

/// What to say, and whether all is well.
async fn run(command: Command) -> Result<(String, bool)> {
    let said = match command {
        Command::Doctor { config, json } => return diagnose::doctor(&config::path(config), json).await,
        Command::SupportBundle { out, config } => diagnose::support_bundle(&config::path(config), out).await,
        Command::Environment { set: None, config, json } => switching::show(&config::path(config), json),
        Command::Environment { set: Some(Environment::Set { name, yes }), config, json: _ } => {
            switching::set(&config::path(config), &name, yes)
        }
        Command::Site { on, off: _, common } => {
            let site: SiteId = common.ask(&Ask::Site { on, site: common.site }).await?;
            common.show(&site, |site| match on {
                true => format!("Site {site} is switched on: paired integrators are let in."),
                false => format!("Site {site} is switched off: nobody is let into its database."),
            })
        }
        Command::PairingCode { integrator, read_only, common } => {
            let ask = Ask::PairingCode { integrator, read_only, site: common.site };
            let made: MadeCode = common.ask(&ask).await?;
            common.show(&made, code_text)
        }
        Command::Status { common } => {
            let status: StatusAnswer = common.ask(&Ask::Status).await?;
            common.show(&status, status::text)
        }
        Command::Consent(asked) => asked.run().await,
        Command::Pairing(asked) => asked.run().await,
        Command::Halt { common } => halt(&common, true).await,
        Command::Unhalt { common } => halt(&common, false).await,
        Command::Unpair { integrator, yes, common } => consent::unpair(integrator, yes, &common).await,
        Command::Switch { integrator, on, off: _, common } => {
            let ask = Ask::Switch { integrator: integrator.clone(), on, site: common.site };
            let done: bool = common.ask(&ask).await?;
            common.show(&done, |_| format!("{integrator} is switched {}.", if on { "on" } else { "off" }))
        }
        Command::Recovery(asked) => asked.run().await,
        Command::Move(asked) => asked.run().await,
        Command::HandOver { to, out, common } => recovery::hand_over(to, &out, &common).await,
        Command::ConfirmServer { yes, common } => recovery::confirm_server(yes, &common).await,
        Command::ForgetPairings { yes, config } => forgetting::pairings(&config::path(config), yes),
        Command::Setup(setup) => (*setup).run(),
        Command::Audit(asked) => return asked.run().await,
    };
    Ok((said?, true))
}

async fn halt(common: &Common, on: bool) -> Result<String> {
    let halted: bool = common.ask(&Ask::Halt { on }).await?;
    common.show(&halted, |halted| match halted {
        true => "Stopped: nobody is let into any database of this server. What was waiting is refused, what only read was \
                 cancelled; what may have written finishes.\nTo go on: HaloLinkUtility unhalt"
            .to_owned(),
        false => "It goes on: integrators are let in again, but for those who are suspended, and databases that are switched off."
            .to_owned(),
    })
}

impl Common {
    async fn ask<T: serde::de::DeserializeOwned>(&self, ask: &Ask) -> Result<T> {
        let path = config::path(self.config.clone());
        let config = Config::read(&path)?;
        control::ask(&config.data, ask).await.map_err(|error| explain(error, &path))
    }

    fn show<T: serde::Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<String> {
        Ok(if self.json { serde_json::to_string(value)? } else { text(value) })
    }
}

fn explain(error: AskError, config: &Path) -> anyhow::Error {
    match error {
        AskError::NotRunning => anyhow!(
            "the service is not running. Start it: on Linux `systemctl start halo-link`, on Windows `net start \"Halo Link \
             Service\"`, by hand `HaloLinkService run --config {}`",
            config.display()
        ),
        other => other.into(),
    }
}

fn code_text(made: &MadeCode) -> String {
    format!(
        "Pairing code for {}{}:\n\n    {}\n\nGood until {}, for one pairing. It is not shown again.\nSite {}",
        made.integrator,
        if made.read_only { " (may only read)" } else { "" },
        made.code,
        made.expires_at,
        made.site
    )
}

fn audit_text(rows: &[AuditRow]) -> String {
    if rows.is_empty() {
        return "Nothing has been written down yet.".to_owned();
    }
    let line = |row: &AuditRow| {
        let mut text = format!("{} {}", row.at, row.what);
        let words = [
            &row.integrator,
            &row.instance,
            &row.query,
            &row.access,
            &row.catalogue,
            &row.status,
            &row.effect,
        ];
        for word in words.into_iter().flatten() {
            text += &format!(" {}", shown::one_line(word));
        }
        if let Some(device) = &row.device {
            text += &format!(" desktop={device}");
        }
        if let Some(by) = &row.by {
            text += &format!(" by {by}");
        }
        for (name, number) in [("rows", row.rows), ("bytes", row.bytes), ("ms", row.ms)] {
            text += &number.map(|number| format!(" {name}={number}")).unwrap_or_default();
        }
        if let Some(detail) = &row.detail {
            text += &format!("\n    {detail}");
        }
        for parameter in &row.parameters {
            // As JSON writes it: a value can't end the line, or paint the screen.
            let value =
                parameter.value.as_ref().map(|value| serde_json::Value::from(value.as_str()).to_string());
            text += &format!(
                "\n    {}{}",
                shown::one_line(&parameter.name),
                value.map(|value| format!(" = {value}")).unwrap_or_default()
            );
        }
        if let Some(statement) = &row.statement {
            text += &format!("\n    {}", statement.replace("\r\n", "\n").replace('\n', "\n    "));
        }
        text
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
