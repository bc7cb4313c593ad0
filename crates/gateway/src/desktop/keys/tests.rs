use super::*;
use std::sync::atomic::{AtomicI64, Ordering};

#[derive(Default)]
struct Hands(AtomicI64);

impl Hands {
    fn turn(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(1_770_000_000_000 + self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

fn world() -> (tempfile::TempDir, Arc<Hands>, Keys) {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Hands::default()));
    let keys = Keys::open(folder.path(), clock.clone()).unwrap();
    (folder, clock, keys)
}

fn signing(keys: &Keys) -> String {
    keys.newest(|key| key.kid.clone()).unwrap()
}

fn knows(keys: &Keys, kid: &str) -> bool {
    keys.of(kid, |_| ()).unwrap().is_some()
}

fn turn_over(folder: &Path, clock: &Hands, after: u64) -> String {
    let mut rng = rand::rngs::StdRng::seed_from_u64(clock.0.load(Ordering::SeqCst).unsigned_abs() + after);
    rotate(folder, clock.now(), Former::Signs(Duration::from_secs(after)), &mut rng).unwrap()
}

#[test]
fn the_key_is_made_once_its_owners_alone_and_shared_by_the_folder() {
    let (folder, clock, keys) = world();
    let other = Keys::open(folder.path(), clock).unwrap();
    assert_eq!(signing(&keys), signing(&other));
    assert!(knows(&other, &signing(&keys)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_new_key_signs_and_the_old_one_proves_for_an_hour_more() {
    let (folder, clock, keys) = world();
    let first = signing(&keys);
    let second = turn_over(folder.path(), &clock, 0);
    // Another process signs with it already: its name is looked up in the file.
    clock.turn(1);
    assert!(knows(&keys, &second), "an unknown name makes it look");
    assert_eq!(signing(&keys), second);
    clock.turn(59 * 60);
    assert!(knows(&keys, &first));
    clock.turn(60);
    assert!(!knows(&keys, &first), "no token of its time lives");
    let third = turn_over(folder.path(), &clock, 0);
    let file = std::fs::read_to_string(folder.path().join(KEY_FILE)).unwrap();
    let kept: Vec<&str> = file.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kept, [second, third]);
}

#[test]
fn a_key_can_be_handed_to_other_gateways_before_it_signs() {
    let (folder, clock, keys) = world();
    let first = signing(&keys);
    let second = turn_over(folder.path(), &clock, 600);
    clock.turn(10);
    assert_eq!(signing(&keys), first);
    assert!(knows(&keys, &second));
    clock.turn(600);
    assert_eq!(signing(&keys), second);
}

#[test]
fn a_key_that_was_seen_proves_nothing_from_then_on() {
    let (folder, clock, keys) = world();
    let first = signing(&keys);
    let mut rng = rand::rngs::StdRng::seed_from_u64(5);
    let second = rotate(folder.path(), clock.now(), Former::Seen, &mut rng).unwrap();
    clock.turn(5);
    assert!(!knows(&keys, &first) && knows(&keys, &second));
}

#[test]
fn a_damaged_file_is_said_and_never_replaced() {
    let (folder, clock, keys) = world();
    for damage in
        ["", "a", "a 1", "a b 00", &format!("a 1 {}", "0".repeat(62)), &format!("a 1 {} x", "0".repeat(64))]
    {
        std::fs::write(folder.path().join(KEY_FILE), damage).unwrap();
        clock.turn(10);
        assert!(keys.newest(|_| ()).unwrap_err().to_string().contains("damaged"), "{damage}");
        assert_eq!(std::fs::read_to_string(folder.path().join(KEY_FILE)).unwrap(), damage);
    }
}
