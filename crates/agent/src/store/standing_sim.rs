//! Copies, restored backups and broken networks, from seeds: whatever happens, no two servers serve once both have spoken with the relay.
//!
//! The directory and each server's store are the real ones; the relay's part (who is connected, who gives a sign of life) and each Link's
//! (what it does about an answer) are a few lines here, as `relay::link` and `agent::link` have them.

use super::{StopReason, Stopped, Store};
use crate::protect::KeyFile;
use directory::{Claim, Departure, Directory, Refused};
use model::{Clock, LinkId, Pms, SiteFacts, SiteId, SystemClock, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1);
const MOST: usize = 5;

fn site() -> SiteId {
    SiteId(uuid::Uuid::from_u128(1))
}

struct Server {
    folder: TempDir,
    /// Of some time ago.
    backup: TempDir,
    store: Store,
    epoch: u64,
    held: Option<Stopped>,
    connected: bool,
    reachable: bool,
    /// When it last had an answer from the relay.
    heard: u64,
}

fn open(folder: &Path) -> Store {
    Store::open(folder, Arc::new(KeyFile::from_bytes(&[1; 32]).unwrap())).unwrap()
}

fn copy(from: &Store) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("link.db");
    from.lock().execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
    folder
}

impl Server {
    fn start(folder: TempDir) -> Server {
        let store = open(folder.path());
        // The disk's durability is not what is tried here.
        store.lock().pragma_update(None, "synchronous", "off").unwrap();
        let (epoch, held) = store.start(None, NOW).unwrap();
        let backup = copy(&store);
        Server { folder, backup, store, epoch, held, connected: false, reachable: true, heard: 0 }
    }

    fn serves(&self) -> bool {
        self.held.is_none()
    }

    /// As `Host::fence`.
    fn fence(&mut self, why: StopReason, stored: u64) {
        let stopped = match self.held {
            Some(held) if held.why == StopReason::Older => {
                Stopped { stored: held.stored.max(Some(stored)), why, ..held }
            }
            Some(_) => return,
            None => Stopped { why, epoch: self.epoch, stored: Some(stored), at: NOW },
        };
        self.store.stop(&stopped, &[]).unwrap();
        self.held = Some(stopped);
    }
}

struct World {
    _folder: TempDir,
    directory: Directory,
    servers: Vec<Server>,
    /// Whose claim was taken last, and when.
    holder: Option<(usize, u64)>,
    step: u64,
    rng: StdRng,
}

impl World {
    fn new(seed: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let directory = Directory::open(&folder.path().join("directory.db"), clock).unwrap();
        let servers = vec![Server::start(tempfile::tempdir().unwrap())];
        World { _folder: folder, directory, servers, holder: None, step: 0, rng: StdRng::seed_from_u64(seed) }
    }

    fn drop_connection(&mut self, at: usize, how: Departure) {
        if std::mem::take(&mut self.servers[at].connected) {
            self.directory.left(site(), self.servers[at].epoch, how).unwrap();
        }
    }

    fn dial(&mut self, at: usize) {
        let server = &self.servers[at];
        if !server.reachable || server.connected {
            return;
        }
        let facts = SiteFacts {
            enriched_at: None,
            pms: Pms::BestPractice,
            pms_id: "1001".to_owned(),
            practice_name: String::new(),
            pms_version: String::new(),
            link_version: String::new(),
            catalogues: Vec::new(),
        };
        if server.held.is_some_and(|held| held.why == StopReason::Doubled) {
            // It shows no sites: a person says whether it is the real one.
            return;
        }
        let claim = Claim { site: site(), epoch: server.epoch, facts };
        loop {
            let answer = self.directory.join(LinkId(uuid::Uuid::from_u128(2)), std::slice::from_ref(&claim));
            let step = self.step;
            let server = &mut self.servers[at];
            match answer {
                Ok(()) => {
                    (server.connected, server.heard) = (true, step);
                    if server.held.take().is_some() {
                        server.store.unstop(&[]).unwrap();
                    }
                    self.holder = Some((at, step));
                    // The relay closes the fenced connection; its Link hears why when it dials again.
                    for (other, server) in self.servers.iter_mut().enumerate() {
                        server.connected &= other == at;
                    }
                    return;
                }
                Err(Refused::OlderEpoch { stored, .. }) => {
                    server.heard = step;
                    return server.fence(StopReason::Older, stored);
                }
                Err(Refused::Doubled { epoch, .. }) => {
                    let older = self.servers.iter().position(|server| server.connected);
                    match older.filter(|older| !self.servers[*older].reachable) {
                        // No sign of life: cleared away, and asked again.
                        Some(dead) => self.drop_connection(dead, Departure::Lost),
                        None => {
                            self.servers[at].heard = step;
                            return self.servers[at].fence(StopReason::Doubled, epoch);
                        }
                    }
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn restart(&mut self, at: usize, folder: TempDir) {
        self.drop_connection(at, Departure::Goodbye);
        let reachable = self.servers[at].reachable;
        self.servers[at] = Server { reachable, ..Server::start(folder) };
        if self.holder.is_some_and(|(holder, _)| holder == at) {
            self.holder = None;
        }
    }

    fn confirm(&mut self, at: usize) {
        // The new epoch counts from the next dial on, which follows at once where there is a way.
        self.drop_connection(at, Departure::Goodbye);
        let server = &mut self.servers[at];
        server.epoch = server.store.confirm(None, &[]).unwrap().unwrap();
        server.held = None;
        // A person has said so: what it heard before counts no more, what it hears next does.
        server.heard = 0;
        if self.holder.is_some_and(|(holder, _)| holder == at) {
            self.holder = None;
        }
    }

    fn happen(&mut self) -> &'static str {
        self.step += 1;
        let at = self.rng.random_range(0..self.servers.len());
        match self.rng.random_range(0..14) {
            0 if self.servers.len() < MOST => {
                let clone = Server::start(copy(&self.servers[at].store));
                self.servers.push(clone);
                "a clone"
            }
            1 => {
                let folder = copy(&self.servers[at].store);
                self.restart(at, folder);
                "a restart"
            }
            2 => {
                let folder = copy(&open(self.servers[at].backup.path()));
                self.restart(at, folder);
                "an old backup is restored"
            }
            3 => {
                self.servers[at].reachable = false;
                "a network fails"
            }
            4 | 5 => {
                self.servers[at].reachable = true;
                "a network is back"
            }
            6 => {
                self.drop_connection(at, Departure::Lost);
                "a connection breaks"
            }
            7 if self.rng.random_range(0..4) == 0 => {
                self.confirm(at);
                "a server is confirmed"
            }
            8 => {
                self.servers[at].backup = copy(&self.servers[at].store);
                "a backup is taken"
            }
            _ => {
                self.dial(at);
                "a dial"
            }
        }
    }

    /// Whoever has had an answer since somebody else's claim was taken knows of it, and does not serve.
    fn check(&self, seed: u64, what: &str) {
        let Some((holder, taken)) = self.holder else { return };
        for (at, server) in self.servers.iter().enumerate().filter(|(at, _)| *at != holder) {
            assert!(
                !(server.serves() && server.heard >= taken),
                "seed {seed}, step {}: after {what} both {holder} and {at} serve",
                self.step
            );
        }
        let connected = self.servers.iter().filter(|server| server.connected).count();
        assert!(connected <= 1, "seed {seed}, step {}: {connected} are connected", self.step);
    }
}

#[test]
fn no_two_servers_serve_once_both_have_spoken_with_the_relay() {
    let seeds: Vec<u64> = match std::env::var("STANDING_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..24).collect(),
    };
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..60 {
            let what = world.happen();
            world.check(seed, what);
        }
        // All networks heal, and everybody dials again and again: one serves at most.
        world.servers.iter_mut().for_each(|server| server.reachable = true);
        for _ in 0..3 {
            for at in 0..world.servers.len() {
                world.step += 1;
                world.dial(at);
                world.check(seed, "a dial at the end");
            }
        }
        let serving = world.servers.iter().filter(|server| server.serves()).count();
        assert!(serving <= 1, "seed {seed}: {serving} serve");
        // Whichever the practice says is the real one serves, and stays the only one.
        let real = world.rng.random_range(0..world.servers.len());
        for _ in 0..3 {
            if world.servers[real].held.is_some() {
                world.confirm(real);
            }
            for at in 0..world.servers.len() {
                world.step += 1;
                world.dial(at);
            }
        }
        let serving: Vec<usize> = (0..world.servers.len()).filter(|at| world.servers[*at].serves()).collect();
        assert_eq!(serving.len(), 1, "seed {seed}: {serving:?} serve");
        assert!(world.servers[serving[0]].connected, "seed {seed}");
        let _ = &world.servers[real].folder;
    }
}
