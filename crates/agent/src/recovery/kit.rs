//! A recovery kit: made by the running service, opened by whoever has its passphrase.

use super::{
    armor::{self, ArmorError},
    contents::{About, Contents, Secret, Site},
    envelope::{self, Cost, EnvelopeError, Use},
    passphrase::{self, PassphraseError},
};
use crate::{
    host::Host,
    store::{AuditLine, Happened, KitRecord, Marks, StoreError},
};
use model::{Hidden, Timestamp};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;
use tokio_rustls::rustls::crypto::{aws_lc_rs::hpke::DH_KEM_P256_HKDF_SHA256_AES_256 as HPKE, hpke::Hpke};

/// Why a kit is not made, or does not open.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// What is kept here.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its sealed form.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Its text.
    #[error(transparent)]
    Armor(#[from] ArmorError),
    /// Its passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// It opens, and what is in it does not read.
    #[error("the kit opens, but {0} does not read back: use another copy, or another kit")]
    Broken(&'static str),
    /// A newer program made it.
    #[error("a newer Halo Link made this: install that version and try again")]
    Newer,
    /// Nothing waits under that name.
    #[error(
        "the service knows nothing of this kit any more: it was started anew, or another kit was made meanwhile. The kit still opens, but \
         backups are not for it: make a new one"
    )]
    NotWaiting,
    /// A backup that does not belong to the kit.
    #[error(
        "the backup does not open with this kit: it was made for another kit (the newest one that was made), or it is damaged. Use \
         the newest kit, or leave the backup out"
    )]
    OtherBackup,
}

/// A kit that was just made.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeKit {
    /// The text for file and printer. Sealed.
    pub text: String,
    /// What is in it.
    pub about: About,
    /// Names it, for [`crate::control::Ask::RecoveryKitKept`]: the public half of its key for backups, hexadecimal.
    pub public: String,
}

impl std::fmt::Debug for MadeKit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKit").field("about", &self.about).finish_non_exhaustive()
    }
}

/// A kit that was opened.
#[derive(Debug)]
pub struct Kit {
    pub(super) contents: Contents,
    /// When the kit itself was made and what was in it, where the contents are a backup's.
    pub(super) own: Option<(Timestamp, Marks)>,
}

impl Kit {
    /// Opens the text of a kit.
    ///
    /// # Errors
    /// [`KitError`]: a sentence for whoever holds it.
    pub fn open(text: &str, passphrase: &Hidden<String>) -> Result<Self, KitError> {
        let sealed = armor::read(text)?;
        let passphrase = passphrase::read(passphrase)?;
        let mut clear = Vec::new();
        let opened = envelope::open(Use::Kit, &passphrase, &mut &sealed[..], &mut clear);
        let clear = Hidden::new(clear);
        opened?;
        Ok(Kit { contents: Contents::parse(clear.reveal())?, own: None })
    }

    /// What is in it, without its secrets.
    ///
    /// # Errors
    /// When its keys do not read.
    pub fn about(&self) -> Result<About, KitError> {
        self.contents.about()
    }

    /// Whether a text looks like a kit, before anybody is asked for a passphrase.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn looks_whole(text: &str) -> Result<(), KitError> {
        envelope::read_head(Use::Kit, &armor::read(text)?)?;
        Ok(())
    }
}

/// Kits that were made and of which nobody has said yet that they have them.
pub(crate) type Waiting = std::sync::Mutex<Option<KitRecord>>;

/// Makes a kit of all that `host` has. It is the newest one once [`kept`] is told that somebody has it: until then backups are for the one
/// before, which somebody may need. Blocks on the disk, and works off the passphrase's cost.
pub(crate) fn make(
    host: &Host,
    passphrase: &Hidden<String>,
    cost: Cost,
    rng: &mut dyn RngCore,
    by: &str,
) -> Result<MadeKit, KitError> {
    let passphrase = passphrase::read(passphrase)?;
    let unable = |_| EnvelopeError::Unable("no key for backups");
    let (public, private) = HPKE.generate_key_pair().map_err(unable)?;
    let (mut contents, marks) = collect(host)?;
    contents.backup_key = Some(Secret::of(private.secret_bytes()));
    contents.backup_public = Some(Secret::of(&public.0));
    let mut sealed = Vec::new();
    let clear = contents.to_json()?;
    envelope::seal(Use::Kit, &passphrase, cost, rng, &mut &clear.reveal()[..], &mut sealed)?;
    let about = contents.about()?;
    let text = armor::write(&head(&about), &sealed);
    if text.len() > armor::TEXT_BYTES {
        return Err(ArmorError::TooLarge.into());
    }
    // Every secret leaves the server with it, whatever becomes of it then.
    host.door().flush()?;
    host.door().store().write_lines(&lines(host, Happened::KitMade, by))?;
    let name = hex(&public.0);
    let made_at = Timestamp(contents.made_at);
    let record = KitRecord { made_at, made_by: Some(by.to_owned()), public: public.0, marks, backed: None };
    *host.kit_waiting().lock().unwrap_or_else(PoisonError::into_inner) = Some(record);
    tracing::info!(sites = about.sites.len(), "a recovery kit was made");
    Ok(MadeKit { text, about, public: name })
}

/// Somebody has the kit of this name: backups are for it from now on. Blocks on the disk.
pub(crate) fn kept(host: &Host, public: &str, by: &str) -> Result<(), KitError> {
    let mut waiting = host.kit_waiting().lock().unwrap_or_else(PoisonError::into_inner);
    let record =
        waiting.as_ref().filter(|record| hex(&record.public) == public).ok_or(KitError::NotWaiting)?;
    host.door().flush()?;
    host.door().store().keep_kit(record, &lines(host, Happened::KitKept, by))?;
    *waiting = None;
    Ok(())
}

fn lines(host: &Host, what: Happened, by: &str) -> Vec<AuditLine> {
    let now = host.door().clock().now();
    host.sites().into_iter().map(|site| AuditLine::new(now, what, site).by(Some(by))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All that goes into kits and backups.
pub(super) fn collect(host: &Host) -> Result<(Contents, Marks), KitError> {
    let (tables, marks) = host.door().store().carried()?;
    let sites = host.roots().iter().filter_map(|(site, root)| {
        let facts = host.door().facts(*site)?;
        Some(Site {
            pms: facts.pms,
            pms_id: facts.pms_id.clone(),
            guid: *site,
            practice_name: facts.practice_name.clone(),
            root: Secret(root.to_pkcs8()),
        })
    });
    let contents = Contents {
        version: Contents::VERSION,
        made_at: host.door().clock().now().0,
        environment: host.environment().to_owned(),
        link_version: crate::host::VERSION.to_owned(),
        epoch: host.epoch(),
        link: Secret(host.root().to_pkcs8()),
        sites: sites.collect(),
        tables,
        seal: None,
        backup_key: None,
        backup_public: None,
    };
    Ok((contents, marks))
}

/// What stands above the rules, for people who find the page years later.
fn head(about: &About) -> String {
    let mut text = format!("Halo Link recovery kit, made {}, {}\n\n", about.made_at, about.environment);
    for site in &about.sites {
        text +=
            &format!("  {} ({} {})\n  Halo ID {}\n", site.practice_name, site.pms, site.pms_id, site.site);
    }
    text += "\nWith this page and its passphrase a new server goes on as this practice: same Halo ID, same pairings.\n\
             Keep both, apart from each other and away from the server. Whoever has both can pretend to be the practice.\n\
             On the new server, with the service stopped:\n\n  HaloLinkUtility recovery restore --kit THIS-FILE\n\n";
    text
}
