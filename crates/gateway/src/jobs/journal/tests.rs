use super::*;
use proptest::prelude::*;
use uuid::Uuid;

const SITE: SiteId = SiteId(Uuid::from_u128(1));
const INTEGRATOR: IntegratorId = IntegratorId(Uuid::from_u128(2));

fn event(number: u64, kind: i32) -> proto::Event {
    proto::Event {
        number,
        kind,
        query_id: vec![3; 16],
        job_kind: 1,
        at: 1_770_094_506_007,
        hash: if kind == 6 { vec![4; 32] } else { Vec::new() },
        chain: Vec::new(),
    }
}

fn history(kinds: &[i32]) -> Vec<proto::Event> {
    let mut chain = origin(SITE, INTEGRATOR, b"j").to_vec();
    (1..)
        .zip(kinds)
        .map(|(number, kind)| {
            let mut event = event(number, *kind);
            chain = link(&chain, &event).to_vec();
            event.chain.clone_from(&chain);
            event
        })
        .collect()
}

fn reply(events: &[proto::Event], from: usize, to: usize) -> proto::EventsReply {
    let signed_by = events[..to].last().map_or_else(
        || signed(SITE, INTEGRATOR, b"j", 0, &origin(SITE, INTEGRATOR, b"j")),
        |last| signed(SITE, INTEGRATOR, b"j", last.number, &last.chain),
    );
    proto::EventsReply {
        journal: b"j".to_vec(),
        events: events[from..to].to_vec(),
        // Stands for a signature: the message itself.
        signature: signed_by,
        oldest: 1,
        head: events.len() as u64,
        other_journal: false,
    }
}

fn check_it(cursor: &Cursor, reply: &proto::EventsReply) -> Result<Checked, Trouble> {
    check(SITE, INTEGRATOR, cursor, reply, |message, signature| message == signature)
}

/// Computed with Python's hashlib, from the formula in docs/jobs.md.
#[test]
fn the_chain_is_the_documented_one() {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(
        hex(&origin(SITE, INTEGRATOR, b"j")),
        "701794b36ddd8b8c1027049bec53ca378a6bce8145f9fcf927d154229e973e5b"
    );
    let history = history(&[1, 6]);
    assert_eq!(hex(&history[0].chain), "32f295a8f872d8b9deb14766c15646bb5160af7d0444b77244c5dde6a9625b0a");
    assert_eq!(hex(&history[1].chain), "c4b5a0ac61f147458a49e7a43f52d17af452d32cd5de54a119fa797cc06ada8e");
}

proptest! {
    #[test]
    fn an_honest_journal_is_read_to_its_end_in_any_pieces(
        kinds in proptest::collection::vec(1..9_i32, 0..20), cuts in proptest::collection::vec(0..21_usize, 0..6)
    ) {
        let history = history(&kinds);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(history.len())).collect();
        cuts.push(history.len());
        cuts.sort_unstable();
        let (mut cursor, mut got, mut from) = (Cursor::default(), Vec::new(), 0_usize);
        for to in cuts {
            // A double here and there.
            let checked = check_it(&cursor, &reply(&history, from.saturating_sub(1), to)).unwrap();
            got.extend(checked.fresh);
            cursor = checked.cursor;
            from = to;
        }
        prop_assert_eq!(got, history);
    }

    #[test]
    fn any_change_of_one_event_is_found(
        kinds in proptest::collection::vec(1..9_i32, 1..10), at in 0..10_usize, what in 0..6_u8
    ) {
        let history = history(&kinds);
        let at = at % history.len();
        let mut reply = reply(&history, 0, history.len());
        let event = &mut reply.events[at];
        match what {
            0 => event.kind += 1,
            1 => event.at += 1,
            2 => event.query_id[5] ^= 1,
            3 => event.chain[31] ^= 1,
            4 => event.job_kind = 3 - event.job_kind,
            _ => event.number += 1,
        }
        prop_assert!(check_it(&Cursor::default(), &reply).is_err());
    }

    #[test]
    fn nothing_makes_it_panic(number: u64, kind: i32, head: u64, oldest: u64, bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut bad = event(number, kind);
        bad.chain.clone_from(&bytes);
        bad.hash.clone_from(&bytes);
        let reply = proto::EventsReply {
            journal: bytes.clone(), events: vec![bad], signature: bytes, oldest, head, other_journal: false,
        };
        let _ = check_it(&Cursor::default(), &reply);
    }
}

#[test]
fn what_is_missing_is_a_gap_unless_it_is_too_old_to_be_kept() {
    let history = history(&[1, 2, 3, 4]);
    let mut gap = reply(&history, 0, 4);
    gap.events.remove(1);
    assert_eq!(check_it(&Cursor::default(), &gap), Err(Trouble::Gap(2, 2)));
    let old = proto::EventsReply { oldest: 3, ..reply(&history, 2, 4) };
    let checked = check_it(&Cursor::default(), &old).unwrap();
    assert_eq!((checked.forgotten, checked.fresh.len()), (Some((1, 2)), 2));
}

#[test]
fn a_journal_that_was_set_back_is_noticed_also_when_it_has_grown_again() {
    let history = history(&[1, 2, 3]);
    let cursor = check_it(&Cursor::default(), &reply(&history, 0, 3)).unwrap().cursor;
    assert_eq!(check_it(&cursor, &reply(&history[..2], 2, 2)), Err(Trouble::SetBack(3)));
    let other = self::history(&[1, 2, 5]);
    assert_eq!(check_it(&cursor, &reply(&other, 3, 3)), Err(Trouble::Signature));
    let longer = self::history(&[1, 2, 5, 1]);
    assert_eq!(check_it(&cursor, &reply(&longer, 3, 4)), Err(Trouble::Chain(4)));
    let named = proto::EventsReply { other_journal: true, ..reply(&other, 0, 0) };
    assert_eq!(check_it(&cursor, &named), Err(Trouble::OtherJournal));
}

#[test]
fn a_journal_that_begins_anew_is_re_read_up_to_the_head_that_it_has_then() {
    let history = history(&[1, 2, 3, 4]);
    let reset = Cursor { reread: Cursor::WHOLE, ..Cursor::default() };
    let first = check_it(&reset, &proto::EventsReply { head: 3, ..reply(&history, 0, 2) }).unwrap().cursor;
    assert_eq!((first.number, first.reread), (2, 3));
    let grown = check_it(&first, &reply(&history, 2, 4)).unwrap().cursor;
    assert_eq!((grown.number, grown.reread), (4, 3));
}
