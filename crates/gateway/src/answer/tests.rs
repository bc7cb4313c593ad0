use super::*;
use proptest::prelude::*;

fn decoded(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut rows = Rows::new(&Budget::new(1 << 24)).unwrap();
    for piece in pieces {
        rows.push(Vec::new, piece).unwrap();
    }
    rows.encode(b"]").unwrap();
    let (carry, carried) = (rows.carry, rows.carried);
    rows.append(&carry[..carried]);
    BASE64.decode(&rows.buffer).unwrap()
}

proptest! {
    #[test]
    fn however_rows_are_cut_the_decoded_data_is_their_array(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..10)
    ) {
        prop_assert_eq!(decoded(&pieces), [b"[".to_vec(), pieces.concat(), b"]".to_vec()].concat());
    }
}

#[test]
fn a_large_answer_takes_its_room_from_the_budget_and_gives_it_back() {
    let budget = Budget::new(1 << 20);
    let mut rows = Rows::new(&budget).unwrap();
    let piece = vec![b'x'; 100_000];
    let pushed = (0..20).take_while(|_| rows.push(Vec::new, &piece).is_ok()).count();
    assert!((3..10).contains(&pushed), "{pushed}");
    assert!(budget.held() <= 1 << 20);
    drop(rows);
    assert_eq!(budget.held(), 0);
}
