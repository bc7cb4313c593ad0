//! `updater`: brings Halo Link up to date, by hand or by the hourly task. On Windows `updater.exe`.

mod cloud;
mod update_notice;

use agent::config::Config;
use anyhow::{Context, Result, bail};
use clap::Parser;
use model::SystemClock;
use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use update::{Newest, Outcome, Platform, Publishers, Record, Refusal, Step, Tried, Updater, Version};

/// Streams come and go in the service; here the system's allocator would do, but one is enough for all three programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Brings Halo Link up to date: asks Halo Cloud for the newest version, checks that it is genuine, and installs it.
#[derive(Parser)]
#[command(
    name = "updater",
    version = agent::host::VERSION,
    after_help = "\
Run it as an administrator (Linux: root), by hand or leave it to the hourly task. It takes nothing that is not signed by the
publisher, of the hash and size that the cloud said, and of a higher version than the running one. Whatever is refused, the
running version stays as it is, and the reason is one sentence with the next step.

  updater --check        only look; needs no more than to read link.toml
  updater                install what is newer
  updater --hourly       the same as the hourly task does it: an update whose installer failed is left alone for a day

link.toml:
  [update]
  publisher = \"publisher.pem\"   # certificates of publishers, or of their authorities, beside the built-in ones

`HaloLinkUtility doctor` shows what the last run did. Ends with 0 when Halo Link is up to date, was brought up to date, or --check
could look; with 1 when there was a refusal; with 2 for wrong options."
)]
struct Arguments {
    /// Only look, install nothing
    #[arg(long)]
    check: bool,
    /// As the hourly task: an update whose installer failed is tried again after a day, and not at once
    #[arg(long, conflicts_with = "check")]
    hourly: bool,
    /// One JSON object on stdout instead of sentences
    #[arg(long)]
    json: bool,
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value_os_t = machine::paths::config())]
    config: PathBuf,
}

fn main() -> ExitCode {
    crash::guard();
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            let text = format!("{error:#}");
            if arguments.json {
                say(&serde_json::json!({ "outcome": "refused", "code": "configuration", "why": text })
                    .to_string());
            } else {
                let _ = writeln!(io::stderr(), "updater: {text}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    // Whoever may not install is told so later, and whoever only looks may look at what he likes.
    let installs = !arguments.check && machine::facts::is_administrator();
    let obeyed = |path: &Path| if installs { trusted(path) } else { Ok(()) };
    if let Some(folder) = arguments.config.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        obeyed(folder)?;
    }
    obeyed(&arguments.config)?;
    let config = match Config::read(&arguments.config) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "there is no configuration here ({}): set Halo Link up first, or name its file with --config",
            arguments.config.display()
        ),
        read => read?,
    };
    apart(&config)?;
    obeyed(&config.updates())?;
    config.update.publisher.as_deref().map_or(Ok(()), obeyed)?;
    let installed: Version = agent::host::VERSION.parse().context("the version of this program")?;
    let (machine, package) = (System, package());
    let updater = Updater {
        cloud: cloud::of(&config)?,
        environment: config.environment.clone(),
        platform: Platform::current(),
        running: installed,
        data: config.update_record(),
        folder: config.updates(),
        publishers: publishers(&config)?,
        policy: &Newest,
        package: &package,
        machine: &machine,
        clock: &SystemClock,
        hourly: arguments.hourly,
    };
    let before = Record::read(&config.update_record()).unwrap_or_default();
    // One thread is enough, and the installer's run may block it: nothing else is waited for then.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut teller = Teller { shown: None, on: !arguments.json && io::stderr().is_terminal() };
    let mut tell = |step| {
        if step == Step::Again && !arguments.json {
            let _ = writeln!(io::stderr(), "updater: its installer has failed before; it is tried again now");
        }
        teller.tell(step);
    };
    let result = runtime.block_on(async {
        match arguments.check {
            true => updater.check(&mut tell).await,
            false => updater.update(&mut tell).await,
        }
    });
    teller.end();
    if !arguments.check
        && let Some((level, id, text)) = update_notice::notice(installed, before.as_ref(), &result)
    {
        machine::events::report(level, id, &text);
    }
    let after = Record::read(&config.update_record()).unwrap_or_default();
    report(arguments, installed, &result, after.and_then(|record| record.tried).as_ref());
    Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What says whose updates are installed, and what they are, may not lie where the service writes: on Windows or Linux.
fn apart(config: &Config) -> Result<()> {
    let named = [("publisher", config.update.publisher.clone()), ("folder", Some(config.updates()))];
    for (name, path) in named.into_iter().filter_map(|(name, path)| Some((name, path?))) {
        if real(&path).starts_with(real(&config.root)) {
            bail!(
                "[update] {name} in link.toml is in the data folder, where the service may write ({}): put it elsewhere, beside \
                 link.toml, say",
                path.display()
            );
        }
    }
    Ok(())
}

/// Without links on the way, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let real = there.and_then(|(part, real)| Some(real.join(path.strip_prefix(part).ok()?)));
    real.unwrap_or_else(|| path.to_owned())
}

fn publishers(config: &Config) -> Result<Publishers> {
    let built_in = Publishers::built_in()?;
    let Some(path) = &config.update.publisher else { return Ok(built_in) };
    let named = || format!("`update.publisher`: {}", path.display());
    built_in.with_pem(&std::fs::read(path).with_context(named)?).with_context(named)
}

/// What says whose updates are taken, and what they are installed from, must be an administrator's: this may run as the system.
fn trusted(path: &Path) -> Result<()> {
    machine::places::check_administrators(path).map_err(|error| {
        // The hourly task has nobody who reads what it prints, and no folder that it could trust with a record.
        machine::events::report(machine::events::Level::Error, update_notice::UNTRUSTED, &error.to_string());
        error.into()
    })
}

#[cfg(windows)]
fn package() -> impl update::Package {
    update::Msi { run: update::SystemRun, updater: std::env::current_exe().ok() }
}

#[cfg(not(windows))]
fn package() -> impl update::Package {
    // `HALO_LINK_DPKG_ROOT`: another root than this system's, as `dpkg --root` has it.
    let root = std::env::var_os("HALO_LINK_DPKG_ROOT");
    let options = root.map(|root| {
        let mut option = std::ffi::OsString::from("--root=");
        option.push(root);
        vec![option, "--force-script-chrootless".into(), "--force-depends".into()]
    });
    update::Deb { run: update::SystemRun, options: options.unwrap_or_default() }
}

/// The computer as it is.
struct System;

impl update::Machine for System {
    fn is_administrator(&self) -> bool {
        machine::facts::is_administrator()
    }
    fn disk_free(&self, folder: &Path) -> io::Result<u64> {
        machine::facts::disk_free(folder)
    }
    fn make_private(&self, folder: &Path) -> io::Result<()> {
        machine::folder::make_administrators(folder)
    }
}

/// Shows on a terminal what the run is at: one line, written over.
struct Teller {
    on: bool,
    /// The last line; written again only when it changed.
    shown: Option<String>,
}

impl Teller {
    fn tell(&mut self, step: Step) {
        let line = match step {
            Step::Again => return,
            Step::Asking => "asking Halo Cloud …".to_owned(),
            Step::Fetching { done, size } => {
                format!("fetching {:3} % of {} MB", done * 100 / size.max(1), size.div_ceil(1_000_000))
            }
            Step::Checking => "checking size, hash, signature and version …".to_owned(),
            Step::Installing => "installing; this takes a minute or two …".to_owned(),
        };
        if self.on && self.shown.as_ref() != Some(&line) {
            let _ = write!(io::stderr(), "\r{line:<60}");
            self.shown = Some(line);
        }
    }

    fn end(&self) {
        if self.shown.is_some() {
            let _ = writeln!(io::stderr());
        }
    }
}

/// `tried`: the file whose installer failed, if one did.
fn report(arguments: &Arguments, running: Version, result: &Result<Outcome, Refusal>, tried: Option<&Tried>) {
    if arguments.json {
        let mut told = json(running, result);
        told["nextTry"] = tried.and_then(|tried| tried.next_try.clone()).into();
        return say(&told.to_string());
    }
    match result {
        Ok(outcome @ Outcome::Available(version)) => {
            let failed = tried.filter(|tried| tried.version == version.to_string()).and_then(failed);
            say(&[Some(sentence(running, outcome)), failed]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "));
        }
        Ok(outcome) => say(&sentence(running, outcome)),
        Err(refusal) => {
            let _ = writeln!(io::stderr(), "updater: {refusal}");
        }
    }
}

/// That its installer failed, for whoever only looks.
fn failed(tried: &Tried) -> Option<String> {
    let (why, next) = (tried.reason(), tried.next_try.as_ref()?);
    Some(format!("Its installer failed at {} ({why}); the hourly run tries it again after {next}.", tried.at))
}

fn sentence(running: Version, outcome: &Outcome) -> String {
    match outcome {
        Outcome::UpToDate => format!("Halo Link {running} is up to date."),
        Outcome::Available(version) => {
            format!(
                "Halo Link {version} is there; {running} runs. Run `updater` as an administrator to install it."
            )
        }
        Outcome::Installed { version, signer, restart } => {
            let restart = if *restart { " Restart this server to finish it." } else { "" };
            format!(
                "Halo Link {version} is installed, signed by {}; before it was {running}.{restart}",
                signer.name
            )
        }
    }
}

fn json(running: Version, result: &Result<Outcome, Refusal>) -> serde_json::Value {
    let (outcome, newest) = match result {
        Ok(Outcome::UpToDate) => ("up-to-date", Some(running)),
        Ok(Outcome::Available(version)) => ("available", Some(*version)),
        Ok(Outcome::Installed { version, restart: false, .. }) => ("installed", Some(*version)),
        Ok(Outcome::Installed { version, restart: true, .. }) => ("installed-restart-needed", Some(*version)),
        Err(Refusal::Lower { offered, .. }) => ("refused", Some(*offered)),
        Err(_) => ("refused", None),
    };
    let signer = match result {
        Ok(Outcome::Installed { signer, .. }) => Some(&signer.name),
        _ => None,
    };
    let refusal = result.as_ref().err();
    serde_json::json!({
        "running": running, "newest": newest, "outcome": outcome, "signedBy": signer,
        "code": refusal.map(Refusal::code), "why": refusal.map(ToString::to_string),
    })
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Whoever closed the pipe does not want to know.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
