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
        assert_eq!(before, Standing { revoked: false, all: 0, device: 0 });
        assert_eq!(revoke(&store, &one, Timestamp(5)).unwrap().at, Timestamp(5));
        assert_eq!(revoke(&store, &one, Timestamp(6)).unwrap().at, Timestamp(5), "it was already");
        assert_eq!(list.standing(&one).unwrap(), Standing { revoked: true, all: 0, device: 1 });
        assert_eq!(list.standing(&two).unwrap(), before, "another device is none of it");
        before
    };
    let store = Store::open(folder.path()).unwrap();
    let list = Revocations::open(folder.path()).unwrap();
    assert_eq!(list.list().unwrap(), [Revocation { device: one.clone(), at: Timestamp(5) }]);
    assert!(allow(&store, &one).unwrap());
    assert!(!allow(&store, &one).unwrap());
    assert_eq!(list.list().unwrap(), []);
    assert_ne!(list.standing(&one).unwrap(), before, "a token from before does not count again");
    revoke_all(&store).unwrap();
    assert_ne!(list.standing(&two).unwrap().all, before.all);
}
