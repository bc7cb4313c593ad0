//! A server is lost, and another one goes on; or it is moved, and nothing is lost or done twice.

use super::*;
use crate::{
    consent,
    door::Request,
    executor::Limits,
    host::StartError,
    protect::KeyFile,
    store::{AuditRow, StoreError},
    testkit::{Bench, GOOD, command, open},
};
use envelope::Cost;
use link_api::proto;
use model::{Access, Clock, Hidden, IntegratorId, QueryId};
use rand::{SeedableRng, rngs::StdRng};
use std::{fs, path::Path, sync::Arc, time::Duration};
use trust::revocation::{self, Revocations};

mod moves;

/// The least that Argon2 takes.
const CHEAP: Cost = Cost { memory: 8, passes: 1 };

fn passphrase() -> Hidden<String> {
    "four words that are long".into()
}

fn kit_of(bench: &Bench) -> MadeKit {
    let kit = make(&bench.host, &passphrase(), CHEAP, &mut StdRng::seed_from_u64(1), "0:root").unwrap();
    kept(&bench.host, &kit.public, "0:root").unwrap();
    kit
}

fn opened(kit: &MadeKit) -> Kit {
    Kit::open(&kit.text, &passphrase()).unwrap()
}

fn into<'a>(bench: &Bench, folder: &'a Path, set_aside: bool) -> Brought<'a> {
    Brought {
        root: folder,
        data: folder,
        environment: "demo",
        set_aside,
        by: "0:root",
        now: bench.clock.now(),
    }
}

/// The new server: another folder, and a key of its own.
fn start(bench: &Bench, folder: &Path) -> Result<Arc<crate::host::Host>, StartError> {
    open(folder, &bench.engine, &bench.clock, Some("1001"), Limits::default())
}

fn begin(host: &crate::host::Host, bench: &Bench, id: u128) -> Result<crate::door::Permit, proto::Refusal> {
    let query = QueryId(uuid::Uuid::from_u128(id));
    let request = Request { query, command: command("update x"), read_only: false, device: None };
    let door = host.door();
    let admission = door.enter(&bench.peer(), bench.site, request).map_err(|refused| refused.refusal)?;
    admission.begin().map_err(|refused| refused.refusal)
}

fn whats(rows: &[AuditRow]) -> Vec<&str> {
    rows.iter().map(|row| row.what.as_str()).collect()
}

#[test]
fn a_new_server_goes_on_with_the_same_guid_pairing_and_login_and_the_audit_says_where_it_began() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let code = bench.code("Somebody Else", true);
    let kit = kit_of(&bench);
    assert!(kit.text.contains(&bench.site.to_string()) && !kit.text.contains(GOOD.1));
    assert_eq!(kit.about.integrators, ["Acme"]);

    let new = tempfile::tempdir().unwrap();
    let restored = restore(opened(&kit), &into(&bench, new.path(), false)).unwrap();
    assert_eq!((restored.about.sites[0].site, restored.aside), (bench.site, None));
    let host = start(&bench, new.path()).unwrap();
    assert_eq!((host.sites(), host.id()), (vec![bench.site], bench.host.id()));
    assert_eq!(host.epoch(), (1 << 32) + 1, "a new generation, above every start of the lost server");
    host.door().check(&bench.peer(), bench.site).unwrap();
    let pairing = host.door().pairing(bench.site, IntegratorId(bench.integrator.id())).unwrap();
    let login = host.door().store().open_login(&pairing).unwrap();
    assert_eq!((login.user.reveal().as_str(), login.password.reveal().as_str()), GOOD);
    assert!(
        host.open_codes().unwrap().is_empty(),
        "a code that somebody may hold is not good twice: {}",
        code.name()
    );

    let audit = host.door().audit(100).unwrap();
    assert_eq!(whats(&audit), ["restored"]);
    assert_eq!(audit[0].by.as_deref(), Some("0:root"));
    assert_eq!(audit[0].detail.as_ref().unwrap()["madeAt"], kit.about.made_at.as_str());
    // Above all that the lost server may have written, and provably so: whoever watches sees it go on.
    host.issue().unwrap();
    let (walk, head) = host.door().audit_walk(bench.site, None, None).unwrap().unwrap();
    let above = ::audit::restored_start(1);
    let cut = walk.cut.unwrap();
    let header = ::audit::Header::new(bench.site, above, &cut.place.chain, false, Some(cut.head));
    let (begins, wrong) = header.begin().unwrap();
    assert_eq!((begins, wrong), (::audit::Start::Cut(above, ::audit::genesis(bench.site)), None));
    let old = ::audit::Head { number: 7, ..head.as_ref().unwrap().head };
    let mut checker = ::audit::Checker::new(bench.site, begins, vec![old]);
    for line in host.door().store().audit_entries(bench.site, walk.after, walk.until, 100).unwrap() {
        let place = line.place.map(|place| (place.number, place.chain));
        checker.line(::audit::Entry { place, line: line.line.as_deref() });
    }
    let report = checker.finish();
    assert_eq!((report.findings.len(), report.before_restore, report.first), (0, 1, above + 1));
    assert_eq!(audit[0].number, i64::try_from(above + 1).ok());
    assert!(!new.path().join("identity").join(TRANSFER_KEY).exists(), "its own key alone seals from now on");
    drop(host);
    assert_eq!(start(&bench, new.path()).unwrap().epoch(), (1 << 32) + 2);
}

#[test]
fn what_the_practice_decided_goes_with_it() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let change = crate::consent::Form { access: Some("read-only".to_owned()), ..Default::default() };
    bench.door().set_terms(bench.site, IntegratorId(bench.integrator.id()), &change, "0:root").unwrap();
    bench.door().switch_site(bench.site, false).unwrap();
    bench.door().halt(true, None).unwrap();
    let kit = kit_of(&bench);
    let new = tempfile::tempdir().unwrap();
    restore(opened(&kit), &into(&bench, new.path(), false)).unwrap();
    let host = start(&bench, new.path()).unwrap();
    assert!(host.door().is_halted() && !host.door().is_on(bench.site));
    let pairing = host.door().pairing(bench.site, IntegratorId(bench.integrator.id())).unwrap();
    assert_eq!((pairing.access, pairing.consent.changed.is_some()), (Access::ReadOnly, true));
    assert_eq!(
        host.door().store().kit().unwrap().unwrap().made_at,
        bench.clock.now(),
        "the kit is still one"
    );
}

/// Whom the practice, an integrator or a vendor kept out is not let in by a server that goes on.
#[test]
fn who_was_kept_out_is_kept_out_after_a_restore() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let of = (bench.site, IntegratorId(bench.integrator.id()));
    let (shut, stolen, good) =
        (bench.peer_with("shut", 5), bench.peer_with("stolen", 5), bench.peer_with("good", 5));
    let kit = kit_of(&bench);
    assert!(!keep_backup(&bench.host).unwrap());
    for change in 0..3 {
        match change {
            0 => bench.door().shut_instance(of.0, of.1, "shut", true, "0:root").map(|_| ()).unwrap(),
            1 => {
                let word = Revocations { number: 1, instances: [("stolen".to_owned(), 5)].into() };
                let word = revocation::sign(&bench.integrator, &word).unwrap();
                bench.door().take_revocations(&good, bench.site, &word).unwrap();
            }
            _ => {
                let now = bench.clock.now();
                let approval = trust::approval::Approval {
                    integrator_root: bench.integrator.spki().to_vec(),
                    integrator_name: "Acme".to_owned(),
                    pms: model::Pms::BestPractice,
                    environments: trust::approval::Environments::of(["demo"]).unwrap(),
                    access: Access::ReadWrite,
                    note: String::new(),
                    not_before: model::Timestamp(now.0 / 1000 * 1000),
                    expires: model::Timestamp(now.0 / 1000 * 1000).plus(Duration::from_secs(864_000)),
                    serial: 7,
                };
                let vendor = trust::approval::VendorKey::generate().unwrap();
                let signed = trust::approval::sign(&approval, &vendor).unwrap();
                let line = |what| crate::store::AuditLine::new(now, what, of.0);
                let store = bench.door().store();
                let (kept, ended) =
                    (crate::store::Happened::ApprovalKept, crate::store::Happened::ApprovalEnded);
                assert!(store.renew_approval(of, &signed, now, &line(kept)).unwrap());
                store.end_approval(of, &line(ended)).unwrap();
            }
        }
        assert!(keep_backup(&bench.host).unwrap(), "{change}");
    }

    let mut kit = opened(&kit);
    assert!(kit.take_backup(&bench.folder.path().join(FOLDER).join(BACKUP_FILE)).unwrap());
    let new = tempfile::tempdir().unwrap();
    restore(kit, &into(&bench, new.path(), false)).unwrap();
    let host = start(&bench, new.path()).unwrap();
    let refused = |peer| host.door().check(peer, bench.site).err().map(|refused| refused.refusal);
    assert_eq!(refused(&shut), Some(proto::Refusal::InstanceShutOut));
    assert_eq!(refused(&stolen), Some(proto::Refusal::InstanceRevoked));
    assert_eq!(refused(&good), Some(proto::Refusal::ApprovalExpired));
    assert!(host.door().pairings()[0].approval.as_ref().unwrap().over);
    assert_eq!(host.door().store().approval_seen(of).unwrap(), 7, "and none before it is taken");
}

#[test]
fn what_changed_after_the_kit_comes_from_the_backup_which_only_that_kit_opens() {
    let bench = Bench::new();
    assert!(!keep_backup(&bench.host).unwrap(), "without a kit there is nobody to seal it to");
    let first = kit_of(&bench);
    assert!(!keep_backup(&bench.host).unwrap(), "the kit has it all");
    bench.pair(Access::ReadWrite);
    assert!(keep_backup(&bench.host).unwrap());
    assert!(!keep_backup(&bench.host).unwrap(), "once for each change");
    let file = bench.folder.path().join(FOLDER).join(BACKUP_FILE);
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(GOOD.1.len()).any(|part| part == GOOD.1.as_bytes()));

    let mut kit = opened(&first);
    assert!(kit.take_backup(&file).unwrap());
    let new = tempfile::tempdir().unwrap();
    restore(kit, &into(&bench, new.path(), false)).unwrap();
    let host = start(&bench, new.path()).unwrap();
    host.door().check(&bench.peer(), bench.site).unwrap();
    let record = host.door().store().kit().unwrap().unwrap();
    assert_eq!(record.made_at.to_rfc3339(), first.about.made_at, "the kit's own time, not the backup's");
    assert!(keep_backup(&host).unwrap(), "what changed after the kit is in a backup here too");
    assert!(opened(&first).take_backup(&new.path().join(FOLDER).join(BACKUP_FILE)).unwrap());
    drop(host);

    let second = kit_of(&bench);
    assert!(matches!(opened(&second).take_backup(&file), Err(KitError::OtherBackup)));
    for at in [0, 20, bytes.len() - 1] {
        let mut broken = bytes.clone();
        broken[at] ^= 1;
        fs::write(&file, broken).unwrap();
        assert!(matches!(opened(&first).take_backup(&file), Err(KitError::OtherBackup)), "{at}");
    }
    fs::remove_file(&file).unwrap();
    bench.door().switch_site(bench.site, false).unwrap();
    assert!(keep_backup(&bench.host).unwrap());
    assert!(opened(&second).take_backup(&file).unwrap());
}

/// Its maker's disk was full, or the Utility was ended: nobody has it.
#[test]
fn a_kit_that_nobody_has_leaves_backups_to_the_one_before() {
    let bench = Bench::new();
    let first = kit_of(&bench);
    let lost = make(&bench.host, &passphrase(), CHEAP, &mut StdRng::seed_from_u64(2), "0:root").unwrap();
    bench.pair(Access::ReadWrite);
    assert!(keep_backup(&bench.host).unwrap());
    let file = bench.folder.path().join(FOLDER).join(BACKUP_FILE);
    assert!(opened(&first).take_backup(&file).unwrap());
    let bench = bench.restart();
    assert!(matches!(kept(&bench.host, &lost.public, "0:root"), Err(KitError::NotWaiting)));
    let second = kit_of(&bench);
    assert!(matches!(kept(&bench.host, &second.public, "0:root"), Err(KitError::NotWaiting)), "once");
    let kits: Vec<_> = bench.audit().into_iter().filter(|row| row.what.starts_with("recovery-kit")).collect();
    let (made, had) = ("recovery-kit-made", "recovery-kit-kept");
    assert_eq!(whats(&kits), [made, had, made, made, had], "also one that nobody has left the server");
}

#[test]
fn a_wrong_passphrase_a_changed_text_and_another_environment_are_each_said_as_what_they_are() {
    let bench = Bench::new();
    let kit = kit_of(&bench);
    let wrong = Kit::open(&kit.text, &"four words that are wrong".into()).unwrap_err().to_string();
    assert!(wrong.contains("passphrase"), "{wrong}");
    let short = make(&bench.host, &"short".into(), CHEAP, &mut StdRng::seed_from_u64(1), "0:root");
    assert!(short.unwrap_err().to_string().contains("too short"));
    let line = kit.text.lines().find(|line| line.len() == 64 && !line.starts_with('-')).unwrap();
    let changed = kit.text.replacen(line, &line.to_lowercase(), 1);
    assert!(matches!(Kit::looks_whole(&changed), Err(KitError::Armor(ArmorError::Changed))));
    let new = tempfile::tempdir().unwrap();
    let elsewhere = Brought { environment: "production", ..into(&bench, new.path(), false) };
    let refused = restore(opened(&kit), &elsewhere).unwrap_err().to_string();
    assert!(refused.contains("environment set demo"), "{refused}");
    assert_eq!(fs::read_dir(new.path()).unwrap().count(), 0);
}

#[test]
fn an_identity_that_is_there_is_never_overwritten_and_can_be_set_aside() {
    let (bench, other) = (Bench::new(), Bench::new());
    let kit = kit_of(&bench);
    let there = other.folder.path().to_owned();
    let running = restore(opened(&kit), &into(&bench, &there, true)).unwrap_err().to_string();
    assert!(running.contains("another HaloLinkService runs"), "{running}");
    let Bench { folder, host, .. } = other;
    drop(host);
    let taken = restore(opened(&kit), &into(&bench, &there, false)).unwrap_err();
    assert!(matches!(taken, RestoreError::Taken(_)) && taken.to_string().contains("--set-aside"));
    let restored = restore(opened(&kit), &into(&bench, &there, true)).unwrap();
    let aside = restored.aside.unwrap();
    assert!(aside.join("identity").join("link.root").exists() && aside.join("link.db").exists());
    assert_eq!(start(&bench, folder.path()).unwrap().sites(), [bench.site]);
}

#[test]
fn a_restore_that_was_cut_off_leaves_nothing_that_starts_and_can_be_done_again() {
    let bench = Bench::new();
    let kit = kit_of(&bench);
    // Cut off before anything was put in its place, between the two, and after both.
    for done in [&[][..], &["link.db"], &["link.db", "identity"]] {
        let new = tempfile::tempdir().unwrap();
        restore(opened(&kit), &into(&bench, new.path(), false)).unwrap();
        let stage = new.path().join("restoring");
        fs::create_dir(&stage).unwrap();
        for name in ["link.db", "identity"].into_iter().filter(|name| !done.contains(name)) {
            fs::rename(new.path().join(name), stage.join(name)).unwrap();
        }
        let key = KeyFile::from_bytes(&[1; 32]).unwrap();
        let refused = crate::host::Host::open(
            new.path(),
            "demo",
            vec![],
            Arc::new(key),
            Limits::default(),
            bench.clock.clone(),
        );
        assert!(matches!(refused, Err(StartError::HalfRestored { .. })), "{done:?}");
        let again = restore(opened(&kit), &into(&bench, new.path(), false)).unwrap();
        assert_eq!(again.aside.is_some(), !done.is_empty(), "what is there is kept, whatever it is");
        assert_eq!(start(&bench, new.path()).unwrap().sites(), [bench.site], "{done:?}");
    }
}

/// Whatever goes wrong before it is ready: who was there is there.
#[test]
fn a_restore_that_fails_leaves_what_is_there_in_its_place() {
    let (bench, other) = (Bench::new(), Bench::new());
    let mut kit = opened(&kit_of(&bench));
    // Its epochs are used up.
    kit.contents.epoch = u64::MAX;
    let Bench { folder, host, clock, engine, site, .. } = other;
    drop(host);
    assert!(matches!(restore(kit, &into(&bench, folder.path(), true)), Err(RestoreError::UsedUp)));
    assert!(!is_half_done(folder.path()));
    assert!(
        !fs::read_dir(folder.path())
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("set-aside") })
    );
    let host = open(folder.path(), &engine, &clock, Some("1001"), Limits::default()).unwrap();
    assert_eq!(host.sites(), [site]);
}

#[test]
fn a_start_that_is_cut_off_while_it_seals_anew_finds_it_done_or_undone() {
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    let kit = kit_of(&bench);
    let new = tempfile::tempdir().unwrap();
    restore(opened(&kit), &into(&bench, new.path(), false)).unwrap();
    let transfer = new.path().join("identity").join(TRANSFER_KEY);
    let key = fs::read(&transfer).unwrap();
    drop(start(&bench, new.path()).unwrap());
    // Sealed anew, and cut off before the key that came was removed.
    fs::write(&transfer, key).unwrap();
    let host = start(&bench, new.path()).unwrap();
    let pairing = host.door().pairing(bench.site, IntegratorId(bench.integrator.id())).unwrap();
    assert!(host.door().store().open_login(&pairing).is_ok() && !transfer.exists());
    drop(host);
    let other = KeyFile::from_bytes(&[9; 32]).unwrap();
    assert!(matches!(
        crate::store::Store::open(new.path(), Arc::new(other)),
        Err(StoreError::OtherKey { .. })
    ));
}

/// What a copy must not do; and that what waits on the real server is not lost.
#[test]
fn a_server_that_halo_cloud_has_fenced_serves_nobody_over_restarts_until_it_is_taken_again_or_confirmed() {
    use crate::store::StopReason;
    let bench = Bench::new();
    bench.pair(Access::ReadWrite);
    bench.host.fence(StopReason::Older, Some(9));
    bench.host.fence(StopReason::Older, Some(12));
    assert_eq!(begin(&bench.host, &bench, 1).unwrap_err(), proto::Refusal::Busy);
    let bench = bench.restart();
    assert_eq!(bench.host.epoch(), 1, "a copy does not win by being started often");
    assert_eq!(begin(&bench.host, &bench, 1).unwrap_err(), proto::Refusal::Busy);
    bench.host.taken_again();
    assert!(begin(&bench.host, &bench, 1).is_ok());
    bench.host.fence(StopReason::Doubled, Some(3 << 32));
    // The other one may only be off for an hour.
    bench.host.taken_again();
    assert_eq!(begin(&bench.host, &bench, 2).unwrap_err(), proto::Refusal::Busy);
    assert!(bench.host.is_held_back(), "nor does it take the other one's place");
    assert_eq!(bench.host.confirm("0:root"), Ok(4 << 32), "above what Halo Cloud has seen");
    assert!(begin(&bench.host, &bench, 2).is_ok());
    let audit = bench.audit();
    let acts: Vec<_> = whats(&audit).into_iter().filter(|what| what.starts_with("server-")).collect();
    assert_eq!(acts, ["server-stopped", "server-taken-again", "server-stopped", "server-confirmed"]);
    assert_eq!(
        audit.iter().rev().find(|row| row.what == "server-confirmed").unwrap().by.as_deref(),
        Some("0:root")
    );
}
