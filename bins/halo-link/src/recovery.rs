//! `HaloLinkUtility recovery`, `move` and `confirm-server`: the day on which a server is lost, replaced or copied.
//!
//! Kits and moves are made by the service, which alone opens secrets. A restore has no service: it is done here, by an administrator who has
//! the kit and its passphrase.

mod secret;

use crate::Common;
use agent::{
    config::{self, Config},
    control::{Ask, Spoken},
    recovery::{self, About, Brought, Kit, MadeKit, MoveOut, Restored},
};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use model::{Clock, SiteId, SystemClock};
use secret::Secret;
use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum Recovery {
    /// Make a recovery kit: with it and its passphrase a new server goes on as this practice
    Kit {
        /// Where to; never over another file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Have a passphrase made, which is shown once
        #[arg(long, conflicts_with = "passphrase_file")]
        make_passphrase: bool,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        common: Common,
    },
    /// Open a kit and say what is in it, without its secrets
    Check {
        /// The kit
        #[arg(value_name = "FILE")]
        kit: PathBuf,
        /// With this backup of the data folder (recovery/backup.halo)
        #[arg(long, value_name = "FILE")]
        backup: Option<PathBuf>,
        #[command(flatten)]
        secret: Secret,
        /// Print one JSON value
        #[arg(long)]
        json: bool,
    },
    /// Go on as the practice of a kit, on a server that has no identity yet. The service must be stopped
    Restore {
        /// The kit
        #[arg(long, value_name = "FILE")]
        kit: PathBuf,
        /// The newest backup of the lost server's data folder: recovery/backup.halo of it
        #[arg(long, value_name = "FILE")]
        backup: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        secret: Secret,
    },
}

#[derive(Subcommand)]
pub(crate) enum Move {
    /// At the old server: stop serving for good, and pack everything into one sealed file
    Out {
        /// Where to; never over another file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Have a passphrase made, which is shown once
        #[arg(long, conflicts_with = "passphrase_file")]
        make_passphrase: bool,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        common: Common,
    },
    /// At the new server: go on where the old one has stopped. The service must be stopped
    In {
        /// The file that `move out` made
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        secret: Secret,
    },
    /// At the old server: take `move out` back, when the file was brought in nowhere. The service must be stopped
    Undo {
        /// The service's configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

#[derive(Args)]
pub(crate) struct Place {
    /// An identity that is here already (the installer's first start has made one) is moved into a folder of its own
    #[arg(long)]
    set_aside: bool,
    /// The service's configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON value
    #[arg(long)]
    json: bool,
}

impl Recovery {
    pub(crate) async fn run(self) -> Result<String> {
        match self {
            Recovery::Kit { out, make_passphrase, secret, common } => {
                kit(&out, make_passphrase, &secret, &common).await
            }
            Recovery::Check { kit, backup, secret, json } => {
                let (kit, newer) = open(&kit, backup.as_deref(), &secret)?;
                let about = kit.about()?;
                if json {
                    return Ok(serde_json::to_string(&about)?);
                }
                let taken = match newer {
                    Some(true) => "\nThe backup belongs to it and is newer: what is above is the backup's.",
                    Some(false) => {
                        "\nThe backup belongs to it and is older than the kit: the kit alone is better."
                    }
                    None => "",
                };
                Ok(format!("The kit opens, and is whole.\n{}{taken}", about_text(&about)))
            }
            Recovery::Restore { kit, backup, place, secret } => {
                let (kit, _) = open(&kit, backup.as_deref(), &secret)?;
                place.bring(|into| Ok(recovery::restore(kit, into)?), RESTORED)
            }
        }
    }
}

impl Move {
    pub(crate) async fn run(self) -> Result<String> {
        match self {
            Move::Out { out, yes, make_passphrase, secret, common } => {
                let way = Packing { out: &out, yes, make_passphrase, secret: &secret };
                way.pack(&common).await
            }
            Move::In { file, place, secret } => {
                let passphrase = secret.ask()?;
                place.bring(|into| Ok(recovery::move_in(&file, &passphrase, into)?), MOVED_IN)
            }
            Move::Undo { config } => {
                let config = Config::read(&config::path(config))?;
                match recovery::undo_move(&config.data, SystemClock.now(), &machine::who::own())? {
                    Some(moved) => Ok(format!(
                        "That this server was moved out at {} is taken back. Start the service. If the file was brought in elsewhere, Halo Cloud \
                         refuses this server as soon as the other one has joined: then it stops by itself.",
                        moved.at
                    )),
                    None => bail!("this server was not moved out: there is nothing to take back"),
                }
            }
        }
    }
}

/// Says that this server is the real one, when somebody says so.
pub(crate) async fn confirm_server(yes: bool, common: &Common) -> Result<String> {
    if !yes
        && !confirmed(
            "Every other server with this practice's identity is shut out from now on. Say yes only if this is the one beside the practice's live \
             database.\nType yes to go on: ",
        )?
    {
        bail!("nothing was changed: type yes when asked, or say --yes");
    }
    let epoch: u64 = common.ask(&Ask::ConfirmServer).await?;
    common.show(&epoch, |_| {
        "This server is the real one from now on, and serves. Stop and remove Halo Link on every other one that has a copy of its data.".to_owned()
    })
}

/// Writes a statement that another site is the one to use.
pub(crate) async fn hand_over(to: SiteId, out: &Path, common: &Common) -> Result<String> {
    free(out)?;
    let text: String = common.ask(&Ask::HandOver { to, site: common.site }).await?;
    write_new(out, format!("{text}\n").as_bytes())?;
    common.show(&out.display().to_string(), |out| {
        format!(
            "{out} says, signed by this practice's own key, that {to} is the one to use from now on. Give it to Halo Cloud's operator within 30 days; \
             until then this server is used as before. Integrators that are not paired with {to} pair there first."
        )
    })
}

async fn kit(out: &Path, make: bool, secret: &Secret, common: &Common) -> Result<String> {
    free(out)?;
    let (passphrase, made) = secret.choose(make)?;
    // Before anything is asked for: a kit that can't be written is not to be made.
    let target = Target::new(out)?;
    let made_kit: MadeKit = common.ask(&Ask::RecoveryKit { passphrase: Spoken(passphrase.clone()) }).await?;
    // What cannot be opened again is worse than none.
    Kit::open(&made_kit.text, &passphrase)
        .context("the kit that was just made does not open; nothing was written")?;
    target.fill(made_kit.text.as_bytes())?;
    // Only now it counts: until here backups are for the kit before.
    let kept = common.ask::<bool>(&Ask::RecoveryKitKept { public: made_kit.public.clone() }).await;
    kept.with_context(|| {
        // It stays: the service may have taken note, and not come to say so.
        let shown = made.then(|| format!(" Its passphrase, shown only now: {}.", passphrase.reveal()));
        format!(
            "the kit is in {} and opens, but the service did not say that backups are for it: make another one and keep both.{}",
            out.display(),
            shown.unwrap_or_default()
        )
    })?;
    let shown = if made {
        format!("\nIts passphrase, shown only now:\n\n    {}\n", passphrase.reveal())
    } else {
        String::new()
    };
    if common.json {
        return Ok(serde_json::json!({
            "file": out.display().to_string(),
            "passphrase": made.then(|| passphrase.reveal().clone()),
            "about": made_kit.about,
        })
        .to_string());
    }
    Ok(format!(
        "The recovery kit is in {}.\n{}\n{shown}\nPrint it, or put it on a stick, and take it away from this server. Keep the passphrase somewhere else: whoever \
         has both can pretend to be the practice.\nKits that were made before still open; backups from now on are for this one.",
        out.display(),
        about_text(&made_kit.about)
    ))
}

struct Packing<'a> {
    out: &'a Path,
    yes: bool,
    make_passphrase: bool,
    secret: &'a Secret,
}

impl Packing<'_> {
    async fn pack(&self, common: &Common) -> Result<String> {
        free(self.out)?;
        if !self.yes
            && !confirmed(
                "From now on this server serves nobody any more: integrators reach the practice again once the file is brought in at the new \
                 server.\nType yes to go on: ",
            )?
        {
            bail!("nothing was changed: type yes when asked, or say --yes");
        }
        let (passphrase, made) = self.secret.choose(self.make_passphrase)?;
        // Before this server stops: where the file can't be written, it goes on serving.
        let target = Target::new(self.out)?;
        let moved: MoveOut = common.ask(&Ask::MoveOut { passphrase: Spoken(passphrase.clone()) }).await?;
        target.copy_from(&moved.file).with_context(|| {
            // Nobody gets it a second time.
            let shown = made.then(|| format!("; its passphrase, shown only now: {}", passphrase.reveal()));
            format!(
                "this server has stopped serving, and the file was made, but it could not be copied to {}: it lies in {}; copy it from \
                 there{}",
                self.out.display(),
                moved.file.display(),
                shown.unwrap_or_default()
            )
        })?;
        if common.json {
            return Ok(serde_json::json!({
                "file": self.out.display().to_string(),
                "passphrase": made.then(|| passphrase.reveal().clone()),
                "about": moved.about,
            })
            .to_string());
        }
        let shown = if made {
            format!("\nIts passphrase, shown only now:\n\n    {}\n", passphrase.reveal())
        } else {
            String::new()
        };
        Ok(format!(
            "This server has stopped serving. Everything it had is in {}.\n{}\n{shown}\nAt the new server, with Halo Link installed and its service \
             stopped:\n\n    HaloLinkUtility move in FILE --set-aside\n\nThen start the service there. When integrators reach the practice again, remove Halo Link \
             here and delete the file.",
            self.out.display(),
            about_text(&moved.about)
        ))
    }
}

const RESTORED: &str = "Pairings, logins and consents are as they were then; integrators need not pair again. Not restored: pairing codes, jobs and their \
                        results, the ledger of what ran, and the audit, which begins anew with a line that says so. What was ended or changed after \
                        that time is as before it: look through `HaloLinkUtility consent list`.";
const MOVED_IN: &str = "Nothing is lost but results that were waiting to be fetched: those queries are run again by whoever needs them. What may have written \
                        is not run twice.";

impl Place {
    fn bring(&self, bring: impl FnOnce(&Brought<'_>) -> Result<Restored>, kept: &str) -> Result<String> {
        let path = config::path(self.config.clone());
        let config = Config::read(&path)?;
        let by = machine::who::own();
        let into = Brought {
            root: &config.root,
            data: &config.data,
            environment: &config.environment,
            set_aside: self.set_aside,
            by: &by,
            now: SystemClock.now(),
        };
        if let Some(parent) = config.root.parent()
            && !config.root.exists()
            && !parent.exists()
        {
            bail!("{}: there is no such folder; install Halo Link first", parent.display());
        }
        if !config.root.exists() {
            machine::folder::make_private(&config.root)?;
        }
        let restored = bring(&into)?;
        let missing = not_configured(&config, &restored.about);
        if self.json {
            return Ok(serde_json::json!({
                "about": restored.about,
                "unknown": restored.unknown,
                "setAside": restored.aside,
                "notConfigured": missing,
            })
            .to_string());
        }
        let mut text = format!(
            "This server goes on as the practice of the file.\n{}\n{kept}",
            about_text(&restored.about)
        );
        if let Some(aside) = &restored.aside {
            text += &format!("\nWhat was here before is in {}; remove it when all is well.", aside.display());
        }
        if !restored.unknown.is_empty() {
            text += &format!(
                "\nA newer version had more, which this one does not know: {}.",
                restored.unknown.join(", ")
            );
        }
        for site in missing {
            text += &format!(
                "\nlink.toml has no [[site]] for {site}: add it as it was, or that database is served to nobody."
            );
        }
        text += "\nStart the service now; `HaloLinkUtility doctor` says whether all is well. Then make a new kit: `HaloLinkUtility recovery kit --out FILE`.";
        Ok(text)
    }
}

/// Databases of the file that the configuration names nowhere. One whose identifier the database says is told apart by its software alone.
fn not_configured(config: &Config, about: &About) -> Vec<String> {
    let named = |site: &&recovery::SiteAbout| {
        !config.sites.iter().any(|own| {
            own.pms.display_name() == site.pms && own.pms_id.as_ref().is_none_or(|id| *id == site.pms_id)
        })
    };
    about.sites.iter().filter(named).map(|site| format!("{} {}", site.pms, site.pms_id)).collect()
}

fn open(kit: &Path, backup: Option<&Path>, secret: &Secret) -> Result<(Kit, Option<bool>)> {
    let text = fs::read(kit).with_context(|| format!("{}", kit.display()))?;
    let text = String::from_utf8_lossy(&text);
    // Before anybody is asked for anything.
    Kit::looks_whole(&text).with_context(|| format!("{}", kit.display()))?;
    let mut kit = Kit::open(&text, &secret.ask()?)?;
    let newer = backup
        .map(|backup| kit.take_backup(backup).with_context(|| format!("{}", backup.display())))
        .transpose()?;
    Ok((kit, newer))
}

fn about_text(about: &About) -> String {
    let mut text =
        format!("Made {} in {}, by Halo Link {}:", about.made_at, about.environment, about.link_version);
    for site in &about.sites {
        text += &format!("\n  {} ({} {}), Halo ID {}", site.practice_name, site.pms, site.pms_id, site.site);
    }
    match about.integrators.is_empty() {
        true => text += "\n  nobody was paired",
        false => text += &format!("\n  paired: {}", about.integrators.join(", ")),
    }
    text
}

fn confirmed(question: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(io::stderr(), "{question}")?;
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

/// Before anything is done for it.
fn free(out: &Path) -> Result<()> {
    if out.exists() {
        bail!("{} is there already: name another file, nothing is overwritten", out.display());
    }
    Ok(())
}

/// A new file for its owner alone, made before what goes into it. It goes again when nothing was put into it.
struct Target<'a> {
    path: &'a Path,
    file: Option<fs::File>,
}

impl<'a> Target<'a> {
    fn new(path: &'a Path) -> Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(path).with_context(|| format!("{}", path.display()))?;
        Ok(Target { path, file: Some(file) })
    }

    fn fill(self, content: &[u8]) -> Result<()> {
        let path = self.path.display().to_string();
        self.write(|file| file.write_all(content)).context(path)
    }

    /// Takes the whole of another file, which goes then.
    fn copy_from(self, from: &Path) -> io::Result<()> {
        self.write(|file| io::copy(&mut fs::File::open(from)?, file).map(drop))?;
        fs::remove_file(from)
    }

    fn write(mut self, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        write(file).and_then(|()| file.sync_all())?;
        // Whole: it stays.
        self.file = None;
        Ok(())
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(self.path);
        }
    }
}

fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    Target::new(path)?.fill(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_nothing_was_put_into_goes_again_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (out, packed) = (folder.path().join("out"), folder.path().join("packed"));
        drop(Target::new(&out).unwrap());
        assert!(!out.exists(), "the service refused: there is no kit");
        assert!(Target::new(&out).unwrap().copy_from(&packed).is_err());
        assert!(!out.exists());
        fs::write(&packed, "all").unwrap();
        Target::new(&out).unwrap().copy_from(&packed).unwrap();
        assert_eq!((fs::read(&out).unwrap(), packed.exists()), (b"all".to_vec(), false));
        assert!(Target::new(&out).is_err());
        assert_eq!(fs::read(&out).unwrap(), b"all");
    }
}
