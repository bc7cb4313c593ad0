use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const OWNER: Owner = Owner([7; 16]);
const ROOMY: Limits = Limits { budget: 1 << 30, keep_free: 0 };

fn plenty(_: &Path) -> io::Result<u64> {
    Ok(1 << 40)
}

fn spool(root: &Path) -> Spool {
    Spool::open(root, ROOMY, plenty).unwrap()
}

fn key(n: u8) -> Key {
    Key::from_bytes(&[n; 32]).unwrap()
}

fn read(spool: &Spool, owner: Owner, attempt: u32, page: u32, key: &Key) -> Result<Vec<u8>, ReadError> {
    let mut reader = spool.page(owner, attempt, page, key)?;
    let mut all = Vec::new();
    while let Some(piece) = reader.piece()? {
        all.extend_from_slice(piece);
    }
    Ok(all)
}

/// Writes pages as attempt 1 and returns their files' bytes.
fn written(root: &Path, pages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let spool = spool(root);
    let mut attempt = spool.attempt(OWNER, 1, &key(1)).unwrap();
    for (i, page) in pages.iter().enumerate() {
        // In uneven pieces.
        for piece in page.chunks(70_001) {
            attempt.write(piece).unwrap();
        }
        assert_eq!(attempt.end_page().unwrap().page as usize, i + 1);
    }
    let path = |i| page_path(&spool.folder(OWNER), 1, i as u32 + 1);
    (0..pages.len()).map(|i| fs::read(path(i)).unwrap()).collect()
}

fn open(bytes: &[u8], key: &Key, binding: Binding) -> Result<Vec<u8>, ReadError> {
    let mut reader = PageReader::new(bytes, key, binding)?;
    let mut all = Vec::new();
    while let Some(piece) = reader.piece()? {
        all.extend_from_slice(piece);
    }
    Ok(all)
}

fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u8
    };
    (0..length).map(|_| byte()).collect()
}

#[test]
fn pages_read_back_what_was_written_whatever_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let lengths = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES, 1_000_003];
    let pages: Vec<_> = lengths.iter().map(|n| content(*n as u64, *n)).collect();
    written(folder.path(), &pages);
    let spool = spool(folder.path());
    for (i, page) in pages.iter().enumerate() {
        assert!(read(&spool, OWNER, 1, i as u32 + 1, &key(1)).unwrap() == *page, "page {i}");
    }
    assert!(matches!(read(&spool, OWNER, 1, 99, &key(1)), Err(ReadError::Missing)));
    assert!(matches!(read(&spool, OWNER, 1, 1, &key(2)), Err(ReadError::Damaged)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_any_flipped_bit_and_anything_appended_is_noticed(seed: u64, at: usize, bit in 0..8u8, more: u8) {
        let folder = tempfile::tempdir().unwrap();
        // Three frames.
        let page = content(seed, 2 * FRAME_BYTES + 1000);
        let bytes = written(folder.path(), std::slice::from_ref(&page)).remove(0);
        let binding = Binding { owner: OWNER, attempt: 1, page: 1 };
        prop_assert!(open(&bytes, &key(1), binding).unwrap() == page);
        let at = at % bytes.len();
        prop_assert!(open(&bytes[..at], &key(1), binding).is_err());
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        prop_assert!(open(&flipped, &key(1), binding).is_err());
        let mut longer = bytes;
        longer.push(more);
        prop_assert!(open(&longer, &key(1), binding).is_err());
    }

    #[test]
    fn a_page_opens_at_its_own_place_alone(owner: [u8; 16], attempt in 0..4u32, page in 0..4u32) {
        let folder = tempfile::tempdir().unwrap();
        let files = written(folder.path(), &[content(1, 5000), content(2, 5000)]);
        let binding = Binding { owner: Owner(owner), attempt, page };
        for (i, bytes) in files.iter().enumerate() {
            let right = binding == Binding { owner: OWNER, attempt: 1, page: i as u32 + 1 };
            prop_assert_eq!(open(bytes, &key(1), binding).is_ok(), right);
        }
        let own = Binding { owner: OWNER, attempt, page: 1 };
        prop_assert_eq!(open(&files[0], &key(1), own).is_ok(), attempt == 1);
    }
}

/// Where each frame of a page's file lies.
fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = &bytes[frame::MAGIC.len()..];
    let mut frames = Vec::new();
    while let Some(head) = rest.first_chunk::<4>() {
        let (length, _) = frame::header(*head).unwrap();
        let (one, after) = rest.split_at(4 + length);
        frames.push(one);
        rest = after;
    }
    frames
}

#[test]
fn frames_in_another_order_left_out_doubled_or_of_another_page_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let files = written(folder.path(), &[content(1, 3 * FRAME_BYTES), content(2, 3 * FRAME_BYTES)]);
    let (one, other) = (frames(&files[0]), frames(&files[1]));
    assert_eq!(one.len(), 3);
    let binding = Binding { owner: OWNER, attempt: 1, page: 1 };
    let join = |frames: &[&[u8]]| [&frame::MAGIC[..], &frames.concat()].concat();
    assert!(open(&join(&one), &key(1), binding).is_ok());
    let wrong = [
        vec![one[1], one[0], one[2]],
        vec![one[0], one[2]],
        vec![one[0], one[0], one[1], one[2]],
        vec![one[0], one[1]],
        vec![one[0], one[1], other[2]],
        vec![one[2]],
        vec![],
    ];
    for frames in wrong {
        assert!(matches!(open(&join(&frames), &key(1), binding), Err(ReadError::Damaged)));
    }
}

#[test]
fn what_was_written_is_nowhere_on_the_disk_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path());
    let mut attempt = spool.attempt(OWNER, 1, &key(1)).unwrap();
    let canary = b"canary-of-a-patient";
    for _ in 0..40_000 {
        attempt.write(canary).unwrap();
    }
    attempt.end_page().unwrap();
    attempt.write(&canary.repeat(20_000)).unwrap();
    // With one page whole and one being written.
    let mut seen = 0;
    for file in files(&spool.folder(OWNER)).unwrap() {
        let bytes = fs::read(&file.path).unwrap();
        assert!(!bytes.windows(8).any(|w| w == &canary[..8]), "{}", file.path.display());
        assert!(!bytes.windows(32).any(|w| w == key(1).bytes()));
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_page_is_there_whole_or_not_at_all_and_what_is_cut_off_takes_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path());
    let mut attempt = spool.attempt(OWNER, 1, &key(1)).unwrap();
    attempt.write(&content(1, 500_000)).unwrap();
    assert!(matches!(spool.page(OWNER, 1, 1, &key(1)), Err(ReadError::Missing)));
    assert!(spool.used() > 0);
    // As a process that is killed leaves it.
    let beside = fs::read_dir(spool.folder(OWNER)).unwrap().next().unwrap().unwrap().path();
    let left = fs::read(&beside).unwrap();
    drop(attempt);
    assert_eq!(spool.used(), 0);
    fs::write(&beside, left).unwrap();
    drop(spool);
    let spool = super::tests::spool(folder.path());
    assert!(!beside.exists());
    assert_eq!(spool.used(), 0);
}

#[test]
fn the_budget_and_the_disks_free_space_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { budget: 1_000_000, keep_free: 0 };
    let spool = Spool::open(folder.path(), limits, plenty).unwrap();
    assert!(spool.takes_more());
    let mut attempt = spool.attempt(OWNER, 1, &key(1)).unwrap();
    let mut whole = 0;
    let refused = loop {
        if let Err(error) = attempt.write(&content(whole, 300_000)) {
            break error;
        }
        attempt.end_page().unwrap();
        whole += 1;
    };
    assert!(matches!(refused, WriteError::NoRoom));
    assert_eq!(whole, 3);
    drop(attempt);
    assert!(spool.used() <= 1_000_000 && !spool.takes_more(), "{}", spool.used());
    spool.forget(OWNER).unwrap();
    assert_eq!(spool.used(), 0);
    assert!(spool.takes_more());
    let nearly_full = |_: &Path| Ok(10_000);
    let limits = Limits { budget: 1_000_000, keep_free: 9_990 };
    let spool = Spool::open(folder.path(), limits, nearly_full).unwrap();
    assert!(!spool.takes_more());
    let mut attempt = spool.attempt(OWNER, 1, &key(1)).unwrap();
    attempt.write(b"x").unwrap();
    assert!(matches!(attempt.end_page(), Err(WriteError::NoRoom)));
}

#[test]
fn what_is_used_is_known_again_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: usize =
        written(folder.path(), &[content(1, 400_000), content(2, 10)]).iter().map(Vec::len).sum();
    assert_eq!(spool(folder.path()).used(), bytes as u64);
}

#[test]
fn a_sweep_removes_what_nobody_owns_and_leaves_strangers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let spool = spool(folder.path());
    for owner in [1, 2, 3] {
        for attempt in [1, 2] {
            let mut pages =
                spool.attempt(Owner([owner; 16]), attempt, &key(owner * 10 + attempt as u8)).unwrap();
            pages.write(b"rows").unwrap();
            pages.end_page().unwrap();
        }
    }
    fs::create_dir(folder.path().join("somebody's")).unwrap();
    fs::write(folder.path().join("somebody's").join("file"), b"x").unwrap();
    spool
        .sweep(|owner, attempt| owner == Owner([1; 16]) || (owner == Owner([2; 16]) && attempt == 2))
        .unwrap();
    let there = |owner: u8, attempt: u32| {
        spool.page(Owner([owner; 16]), attempt, 1, &key(owner * 10 + attempt as u8)).is_ok()
    };
    assert!(there(1, 1) && there(1, 2) && !there(2, 1) && there(2, 2) && !there(3, 1) && !there(3, 2));
    assert!(!spool.folder(Owner([3; 16])).exists());
    assert!(folder.path().join("somebody's").join("file").exists());
    spool.forget_attempts(Owner([1; 16]), |attempt| attempt == 1).unwrap();
    assert!(there(1, 1) && !there(1, 2));
    let counted = Spool::open(folder.path(), ROOMY, plenty).unwrap().used();
    assert_eq!(spool.used(), counted);
}

#[cfg(unix)]
#[test]
fn pages_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &[content(1, 10)]);
    let spool = spool(folder.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&spool.folder(OWNER)), 0o700);
    assert_eq!(mode(&page_path(&spool.folder(OWNER), 1, 1)), 0o600);
}

/// A model beside the spool: random writing, forgetting and starting anew, and what is there is what should be.
#[test]
fn random_writes_forgets_and_restarts_keep_pages_and_account_right() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = spool(folder.path());
    let mut there: BTreeMap<(Owner, u32, u32), Vec<u8>> = BTreeMap::new();
    let mut next = 0u32;
    let mut state = 0x5eed_u64;
    for _ in 0..300 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let owner = Owner([(state >> 60) as u8 & 3; 16]);
        match (state >> 50) & 7 {
            0 => {
                spool.forget(owner).unwrap();
                there.retain(|(o, _, _), _| *o != owner);
            }
            1 => spool = super::tests::spool(folder.path()),
            _ => {
                next += 1;
                let mut attempt = spool.attempt(owner, next, &key(next as u8)).unwrap();
                for page in 1..=(state >> 40) as u32 % 3 {
                    let rows = content(state, (state >> 20) as usize % 9_000);
                    attempt.write(&rows).unwrap();
                    attempt.end_page().unwrap();
                    there.insert((owner, next, page), rows);
                }
                // One more that is never whole.
                attempt.write(b"half").unwrap();
            }
        }
    }
    for ((owner, attempt, page), rows) in &there {
        assert!(read(&spool, *owner, *attempt, *page, &key(*attempt as u8)).unwrap() == *rows);
    }
    let used = spool.used();
    assert_eq!(super::tests::spool(folder.path()).used(), used);
}
