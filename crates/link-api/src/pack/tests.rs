use super::*;

fn rows(n: usize) -> Vec<u8> {
    (0..n)
        .flat_map(|i| format!("{{\"id\":{i},\"name\":\"row {}\"}},", i * 7919 % 1000).into_bytes())
        .collect()
}

#[test]
fn pieces_of_one_answer_share_their_history_and_read_back() {
    let (mut packer, mut unpacker) = (Packer::default(), Unpacker::default());
    let piece = rows(2000);
    let first = packer.pack(piece.clone(), false).unwrap();
    let second = packer.pack(piece.clone(), true).unwrap();
    assert!(second.data.len() * 4 < first.data.len(), "the second piece is known already");
    assert_eq!(unpacker.unpack(first).unwrap(), piece);
    assert_eq!(unpacker.unpack(second).unwrap(), piece);
}

/// Pages are unpacked each for itself, also when a reader begins in the middle.
#[test]
fn what_follows_a_restart_needs_nothing_of_what_came_before() {
    let mut packer = Packer::default();
    packer.restart().unwrap();
    let piece = rows(2000);
    let first = packer.pack(piece.clone(), false).unwrap();
    packer.restart().unwrap();
    let again = packer.pack(piece.clone(), false).unwrap();
    assert_eq!(first.data, again.data);
    assert_eq!(Unpacker::default().unpack(again).unwrap(), piece);
}

#[test]
fn a_short_answer_travels_plain() {
    let packed = Packer::default().pack(rows(3), true).unwrap();
    assert!(!packed.zstd);
    assert_eq!(Unpacker::default().unpack(packed).unwrap(), rows(3));
}

#[test]
fn a_bomb_is_refused_before_it_unfolds() {
    let mut packed = Packer::default().pack(vec![b' '; 3 * 1024 * 1024], false).unwrap();
    assert!(packed.data.len() < 2000);
    packed.unpacked = 1000;
    assert_eq!(Unpacker::default().unpack(packed.clone()), Err(UnpackError::TooLarge));
    packed.unpacked = u32::MAX;
    assert_eq!(Unpacker::default().unpack(packed), Err(UnpackError::TooLarge));
}

#[test]
fn broken_pieces_are_refused() {
    let good = Packer::default().pack(rows(500), false).unwrap();
    for cut in [0, 1, 5, good.data.len() / 2, good.data.len() - 1] {
        let cut = Rows { data: good.data.slice(..cut), ..good.clone() };
        assert!(Unpacker::default().unpack(cut).is_err());
    }
    let noise = Rows { data: Bytes::from_static(b"not zstd at all"), unpacked: 100, zstd: true };
    assert_eq!(Unpacker::default().unpack(noise), Err(UnpackError::Broken));
    let short = Rows { data: Bytes::from_static(b"{}"), unpacked: 3, zstd: false };
    assert_eq!(Unpacker::default().unpack(short), Err(UnpackError::Broken));
}
