use super::*;

fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

#[test]
fn what_is_revoked_stays_so_after_a_restart_and_what_was_before_never_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (device("one"), device("two"));
    let before = {
        let store = Store::open(folder.path()).unwrap();
        let list = Revocations::open(folder.path()).unwrap();
        let before = list.standing(&one).unwrap();
        assert_eq!(before, Standing { revoked: false, all: 0, device: 0, last: None });
        assert_eq!(revoke(&store, &one, Timestamp(5)).unwrap().at, Timestamp(5));
        assert_eq!(revoke(&store, &one, Timestamp(6)).unwrap().at, Timestamp(5), "it was already");
        let last = Some(Timestamp(5));
        assert_eq!(list.standing(&one).unwrap(), Standing { revoked: true, all: 0, device: 1, last });
        assert_eq!(list.standing(&two).unwrap(), before, "another device is none of it");
        before
    };
    let store = Store::open(folder.path()).unwrap();
    let list = Revocations::open(folder.path()).unwrap();
    assert_eq!(list.list().unwrap(), [Revocation { device: one.clone(), at: Timestamp(5) }]);
    assert!(allow(&store, &one, Timestamp(7)).unwrap());
    assert!(!allow(&store, &one, Timestamp(7)).unwrap());
    assert_eq!(list.list().unwrap(), []);
    assert_ne!(list.standing(&one).unwrap(), before, "a token from before does not count again");
    revoke_all(&store, Timestamp(100)).unwrap();
    assert_ne!(list.standing(&two).unwrap().all, before.all);
}

/// Tokens of gateways that share the keys are held against this time: were it too early, one that was taken back would live.
#[test]
fn the_time_until_which_tokens_were_taken_back_never_falls() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (device("one"), device("two"));
    let store = Store::open(folder.path()).unwrap();
    let list = Revocations::open(folder.path()).unwrap();
    let last = |device: &DeviceId| list.standing(device).unwrap().last.map(|at| at.0);
    revoke(&store, &one, Timestamp(50)).unwrap();
    assert_eq!((last(&one), last(&two)), (Some(50), None));
    // What another gateway gave it while it was revoked here does not count either.
    assert!(allow(&store, &one, Timestamp(90)).unwrap());
    assert_eq!(last(&one), Some(90));
    // A clock was set back.
    revoke(&store, &one, Timestamp(60)).unwrap();
    allow(&store, &one, Timestamp(70)).unwrap();
    assert_eq!(last(&one), Some(90));
    revoke_all(&store, Timestamp(200)).unwrap();
    revoke_all(&store, Timestamp(100)).unwrap();
    assert!(last(&one) >= Some(200) && last(&two) >= Some(200));
    assert_eq!(list.standing(&two).unwrap().all, 2);
}

/// The version before kept a count and no time: what it revoked must stay so under the one that looks at times.
#[test]
fn what_was_revoked_before_times_were_kept_counts_as_revoked_until_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(5);
    let store = Store::open(folder.path()).unwrap();
    let list = Revocations::open(folder.path()).unwrap();
    store.raise(ALL, 0).unwrap();
    let first = list.instance(Timestamp(7), &mut rng).unwrap();
    assert_eq!(list.standing(&device("one")).unwrap().last, Some(Timestamp(7)));
    assert_eq!(list.instance(Timestamp(9), &mut rng).unwrap(), first, "drawn once");
    assert_eq!(list.standing(&device("one")).unwrap().last, Some(Timestamp(7)));
}
