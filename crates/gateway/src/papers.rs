//! What this gateway shows to sites when a session opens: the PMS vendors' approvals of its integrator, and the integrator's
//! own word about gateways that count no more. They are files that people replace while the gateway runs.

use crate::{gateway::Gateway, session::Lane};
use futures::StreamExt;
use model::{Pms, Timestamp};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use tokio::task::JoinSet;
use trust::{
    Peer,
    approval::{Signed, Wanted},
    revocation::{self, Revocations},
};

/// Extension of an approval's file in a folder of them.
pub const APPROVAL: &str = "approval";
/// Name of the integrator's word in the data folder, where the configuration names no other.
pub const REVOCATIONS: &str = "instances.revoked";
/// Most approvals that are held.
const APPROVALS: usize = 64;
/// Most that one site is shown.
const SHOWN: usize = 8;
/// Longest file of an approval, bytes.
const FILE_BYTES: u64 = 64 * 1024;
/// So many sites are asked at once: all of them would be a storm on the platform.
const AT_ONCE: usize = 16;
/// The files are looked at this often.
const LOOK: Duration = Duration::from_secs(2);

const SOFTWARE: [Pms; 3] = [Pms::BestPractice, Pms::Zedmed, Pms::D4w];

/// The papers of one gateway.
#[derive(Debug)]
pub struct Papers {
    root: Vec<u8>,
    /// This gateway's own name and serial number.
    own: (String, u64),
    approvals: Vec<PathBuf>,
    revocations: PathBuf,
    held: RwLock<Arc<Held>>,
    /// What sites were shown when they were last told of news, each with whether its time was then.
    told: Mutex<Option<Told>>,
}

type Told = (Vec<(Vec<u8>, bool)>, Vec<u8>);

/// As they were read last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    approvals: Vec<Signed>,
    revocations: Option<(Vec<u8>, Revocations)>,
    /// What could not be read, and why.
    wrong: Vec<String>,
}

impl Papers {
    /// Reads them: `approvals` are files, or folders whose `*.approval` are; what can't be read is said in the log and left
    /// out. `own` is this gateway's certificate: papers of other roots than its own are none of ours. Blocks on the disk.
    pub fn read(own: &Peer, approvals: Vec<PathBuf>, revocations: PathBuf) -> Self {
        let (root, own) = (own.root_spki.clone(), (own.name.clone(), own.serial));
        let papers =
            Papers { root, own, approvals, revocations, held: RwLock::default(), told: Mutex::default() };
        papers.refresh();
        papers
    }

    /// Reads them again; whether anything is new. Blocks on the disk.
    pub fn refresh(&self) -> bool {
        let held = self.look();
        if *self.held() == held {
            return false;
        }
        for wrong in &held.wrong {
            tracing::warn!(wrong, "a file that sites should be shown is left out");
        }
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(held);
        true
    }

    /// The newest approval for a software that counts now; if none does, the newest of all, so that the site says what is wrong with it.
    pub(crate) fn approval(&self, pms: Pms, environment: &str, now: Timestamp) -> Option<Signed> {
        let held = self.held();
        let newest =
            |signed: &&Signed| (self.counts(signed, pms, environment, now), signed.approval().serial);
        held.approvals.iter().filter(|signed| signed.approval().pms == pms).max_by_key(newest).cloned()
    }

    /// Whether an approval counts by our own clock: that a site takes one a little before its time is for clocks that differ.
    fn counts(&self, signed: &Signed, pms: Pms, environment: &str, now: Timestamp) -> bool {
        let wanted = Wanted { integrator_root: &self.root, pms, environment, now };
        signed.approval().covers(&wanted).is_ok() && signed.approval().not_before <= now
    }

    /// Whether time has made of what sites are shown something else than it was at the last call: an approval that was shown before its
    /// time has to be shown again.
    pub(crate) fn have_turned(&self, environment: &str, now: Timestamp) -> bool {
        let shown = SOFTWARE.into_iter().filter_map(|pms| {
            let signed = self.approval(pms, environment, now)?;
            Some((signed.to_bytes(), self.counts(&signed, pms, environment, now)))
        });
        let word = self.held().revocations.as_ref().map(|(bytes, _)| bytes.clone());
        let shown: Told = (shown.collect(), word.unwrap_or_default());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let turned = told.as_ref().is_some_and(|told| *told != shown);
        *told = Some(shown);
        turned
    }

    /// What a session's first question carries.
    pub(crate) fn hello(&self, environment: &str, now: Timestamp) -> (Vec<Vec<u8>>, Vec<u8>) {
        let approvals = SOFTWARE.into_iter().filter_map(|pms| self.approval(pms, environment, now));
        let word = self.held().revocations.as_ref().map(|(bytes, _)| bytes.clone());
        (approvals.take(SHOWN).map(|signed| signed.to_bytes()).collect(), word.unwrap_or_default())
    }

    /// Whether the integrator has revoked this gateway's own certificate.
    pub fn revoke_us(&self) -> bool {
        let (instance, serial) = &self.own;
        self.held().revocations.as_ref().is_some_and(|(_, word)| word.cover(instance, *serial))
    }

    fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn look(&self) -> Held {
        let mut held = Held::default();
        for path in &self.approvals {
            let files = match fs::metadata(path).map(|meta| meta.is_dir()) {
                Ok(true) => in_folder(path),
                Ok(false) => Ok(vec![path.clone()]),
                Err(error) => Err(error),
            };
            let files = files.unwrap_or_else(|error| {
                held.wrong.push(format!("{}: {error}", path.display()));
                Vec::new()
            });
            for file in files {
                match self.read_approval(&file) {
                    Ok(_) if held.approvals.len() == APPROVALS => {
                        held.wrong.push(format!("{}: more than {APPROVALS} approvals", file.display()));
                    }
                    Ok(signed) => held.approvals.push(signed),
                    Err(why) => held.wrong.push(format!("{}: {why}", file.display())),
                }
            }
        }
        match read_small(&self.revocations, revocation::MAX_BYTES as u64) {
            Ok(bytes) => match revocation::verify(&self.root, &bytes) {
                Ok(word) => held.revocations = Some((bytes, word)),
                Err(error) => held.wrong.push(format!("{}: {error}", self.revocations.display())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => held.wrong.push(format!("{}: {error}", self.revocations.display())),
        }
        held
    }

    fn read_approval(&self, path: &Path) -> Result<Signed, String> {
        let bytes = read_small(path, FILE_BYTES).map_err(|error| error.to_string())?;
        let text = String::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
        let signed = Signed::from_text(&text).map_err(|error| error.to_string())?;
        match signed.approval().integrator_root == self.root {
            true => Ok(signed),
            false => Err("it is for another integrator's root than this gateway's".to_owned()),
        }
    }
}

fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)?.take(10 * APPROVALS) {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == APPROVAL) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(io::Error::other("the file is too long")) } else { Ok(bytes) }
}

impl Gateway {
    /// Looks at the papers' files for ever, and shows sites what is new. Run it in a task.
    pub async fn watch_papers(self: Arc<Self>) {
        let mut tick = tokio::time::interval(LOOK);
        let mut showing = JoinSet::new();
        loop {
            tick.tick().await;
            if self.look_for_new_papers().await {
                // The round before, if it is not at its end, shows what is old by now.
                showing.shutdown().await;
                showing.spawn(Arc::clone(&self).show_papers());
            }
        }
    }

    /// Reads the papers again; when anything is new, every site that let this integrator in is asked in a new session: what it is
    /// shown counts from then on.
    pub async fn show_new_papers(self: &Arc<Self>) {
        if self.look_for_new_papers().await {
            Arc::clone(self).show_papers().await;
        }
    }

    /// Whether there is anything that sites have not been shown; the next caller at each shows it.
    async fn look_for_new_papers(self: &Arc<Self>) -> bool {
        let gateway = Arc::clone(self);
        let look = move || {
            let papers = &gateway.papers;
            // Both, always: one of them alone would leave the other's news for the next time.
            let (read, turned) =
                (papers.refresh(), papers.have_turned(&gateway.environment, gateway.clock.now()));
            read || turned
        };
        if !tokio::task::spawn_blocking(look).await.unwrap_or(false) {
            return false;
        }
        if self.papers.revoke_us() {
            tracing::error!(
                "the integrator has revoked this gateway's certificate: sites refuse it from now on. Stop it, or give it a new one"
            );
        }
        self.sessions.forget_all();
        tracing::info!("new approvals or revocations: sites are shown them");
        true
    }

    /// Opens a session to each site that let this integrator in.
    async fn show_papers(self: Arc<Self>) {
        let sites = futures::stream::iter(self.store.paired_sites());
        sites
            .for_each_concurrent(AT_ONCE, async |site| drop(self.sessions.get(site, Lane::Prompt).await))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Access, Clock, SystemClock};
    use trust::{
        Kind, Root,
        approval::{Approval, Environments, VendorKey, sign},
    };

    /// A gateway `one` with serial number 5.
    fn peer(root: &Root) -> Peer {
        root.issue("one", 5, SystemClock.now(), Duration::from_secs(60)).unwrap().peer().clone()
    }

    fn approval(root: &Root, serial: u64, lasts_s: i64) -> String {
        let now = SystemClock.now().unix_seconds() * 1000;
        let of = Approval {
            integrator_root: root.spki().to_vec(),
            integrator_name: "Acme".to_owned(),
            pms: Pms::Zedmed,
            environments: Environments::of(["stage"]).unwrap(),
            access: Access::ReadWrite,
            note: String::new(),
            not_before: Timestamp(now - 1_000_000),
            expires: Timestamp(now + lasts_s * 1000),
            serial,
        };
        sign(&of, &VendorKey::generate().unwrap()).unwrap().to_text()
    }

    #[test]
    fn the_newest_that_counts_is_shown_and_other_peoples_papers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) =
            (Root::generate(Kind::Integrator).unwrap(), Root::generate(Kind::Integrator).unwrap());
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("old.approval", &approval(&root, 1, 1_000));
        write("newer.approval", &approval(&root, 2, 1_000));
        write("newest-but-over.approval", &approval(&root, 3, -10));
        write("others.approval", &approval(&other, 9, 1_000));
        write("broken.approval", "no approval");
        write("readme.txt", "not looked at");
        let papers = Papers::read(
            &peer(&root),
            vec![folder.path().to_owned(), folder.path().join("missing")],
            folder.path().join(REVOCATIONS),
        );
        let now = SystemClock.now();
        let serial = |pms, environment| papers.approval(pms, environment, now).map(|s| s.approval().serial);
        assert_eq!(serial(Pms::Zedmed, "stage"), Some(2));
        assert_eq!(serial(Pms::Zedmed, "production"), Some(3), "so that the site says what is wrong");
        assert_eq!(serial(Pms::BestPractice, "stage"), None);
        assert_eq!(papers.held().wrong.len(), 3, "{:?}", papers.held().wrong);
        assert_eq!(papers.hello("stage", now).0.len(), 1);
        assert!(!papers.refresh(), "nothing is new");
        write("renewed.approval", &approval(&root, 4, 1_000));
        assert!(
            papers.refresh() && papers.approval(Pms::Zedmed, "stage", now).unwrap().approval().serial == 4
        );
    }

    #[test]
    fn time_alone_makes_news_of_an_approval_that_was_shown_before_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::generate(Kind::Integrator).unwrap();
        let text = approval(&root, 1, 1_000);
        fs::write(folder.path().join("one.approval"), &text).unwrap();
        let papers =
            Papers::read(&peer(&root), vec![folder.path().to_owned()], folder.path().join(REVOCATIONS));
        let (begins, ends) = {
            let of = Signed::from_text(&text).unwrap();
            (of.approval().not_before, of.approval().expires)
        };
        let before = Timestamp(begins.0 - 1000);
        assert!(!papers.have_turned("stage", before));
        assert_eq!(papers.hello("stage", before).0.len(), 1, "it is shown before its time");
        assert!(!papers.have_turned("stage", before));
        assert!(papers.have_turned("stage", begins), "and now it counts");
        assert!(!papers.have_turned("stage", begins.plus(Duration::from_secs(1))));
        assert!(papers.have_turned("stage", ends));
    }

    #[test]
    fn only_the_integrators_own_word_about_its_gateways_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) =
            (Root::generate(Kind::Integrator).unwrap(), Root::generate(Kind::Integrator).unwrap());
        let file = folder.path().join(REVOCATIONS);
        let papers = Papers::read(&peer(&root), Vec::new(), file.clone());
        assert!(papers.hello("demo", Timestamp(0)).1.is_empty());
        let word = Revocations { number: 1, instances: [("one".to_owned(), 5)].into() };
        fs::write(&file, revocation::sign(&other, &word).unwrap()).unwrap();
        papers.refresh();
        assert!(!papers.revoke_us() && papers.hello("demo", Timestamp(0)).1.is_empty());
        fs::write(&file, revocation::sign(&root, &word).unwrap()).unwrap();
        assert!(papers.refresh() && papers.revoke_us());
        assert!(!papers.hello("demo", Timestamp(0)).1.is_empty());
    }
}
