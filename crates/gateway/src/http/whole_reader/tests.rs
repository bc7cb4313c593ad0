use super::*;
use proptest::prelude::*;

fn head(pages: &[Vec<u8>], number: usize, attempt: u32) -> Piece {
    let bytes = pages[number - 1].len() as u64;
    let page = proto::PageFacts { number: u32::try_from(number).unwrap(), rows: bytes, bytes };
    Piece::Head(Box::new(proto::PageHead { page: Some(page), attempt, ..proto::PageHead::default() }))
}

fn end(rows: u64) -> Piece {
    let ended = proto::Ended { status: proto::Status::Successful.into(), rows, ..proto::Ended::default() };
    let job = proto::JobState { ended: Some(ended), ..proto::JobState::default() };
    Piece::End(Box::new(proto::PagesEnd { job: Some(job), ..proto::PagesEnd::default() }))
}

/// What a site sends that is asked for all from page `first` on, a byte a row, in pieces of `size` bytes.
fn sent(pages: &[Vec<u8>], first: u32, size: usize, attempt: u32) -> Vec<Piece> {
    let mut all = Vec::new();
    for number in first.max(1) as usize..=pages.len() {
        all.push(head(pages, number, attempt));
        all.extend(pages[number - 1].chunks(size).map(|piece| Piece::Rows(Bytes::copy_from_slice(piece))));
    }
    all.push(end(pages.iter().map(|page| page.len() as u64).sum()));
    all
}

proptest! {
    /// Sessions are cut after any number of pieces, and pieces are cut anywhere.
    #[test]
    fn each_byte_comes_once_and_each_page_once(
        pages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
        sessions in prop::collection::vec((0..12usize, 1..9usize), 0..6),
    ) {
        let mut at = Position { again: Some(0), ..Position::default() };
        let (mut heads, mut got, mut over) = (Vec::new(), Vec::new(), false);
        for (pieces, size) in sessions.into_iter().chain([(usize::MAX, 3)]) {
            if over {
                break;
            }
            for piece in sent(&pages, at.page, size, 7).into_iter().take(pieces) {
                match at.take(piece).expect("it is the same result") {
                    Some(Next::Head(head)) => heads.push(head.page.unwrap().number),
                    Some(Next::Rows(rows)) => got.extend_from_slice(&rows),
                    Some(Next::End(_)) => over = true,
                    None => {}
                }
            }
            at.begin_again();
        }
        prop_assert!(over);
        prop_assert_eq!(got, pages.concat());
        prop_assert_eq!(heads, Vec::from_iter(1..=u32::try_from(pages.len()).unwrap()));
    }
}

/// Feeds pieces until one is refused; whether one was.
fn is_refused(at: &mut Position, pieces: Vec<Piece>) -> bool {
    pieces.into_iter().any(|piece| at.take(piece).is_err())
}

#[test]
fn another_attempt_a_page_that_changed_and_an_end_of_something_else_are_refused() {
    let pages = [b"first".to_vec(), b"second".to_vec()];
    let begun = || {
        let mut at = Position { again: Some(0), ..Position::default() };
        let mut pieces = sent(&pages, 0, 3, 1);
        // Into the second page.
        pieces.truncate(5);
        assert!(!is_refused(&mut at, pieces));
        at.begin_again();
        at
    };
    assert!(!is_refused(&mut begun(), sent(&pages, 2, 4, 1)));
    assert!(is_refused(&mut begun(), sent(&pages, 2, 4, 2)), "another attempt");
    assert!(is_refused(&mut begun(), sent(&[pages[0].clone(), b"longer than it".to_vec()], 2, 4, 1)));
    assert!(is_refused(&mut begun(), sent(&pages, 1, 4, 1)), "not the page that was asked for");
    assert!(is_refused(&mut begun(), vec![end(11)]), "an end before the rest has come");
    assert!(is_refused(&mut begun(), vec![head(&pages, 2, 1), end(12)]), "an end of another result");
    assert!(!Position { page: 1, ..Position::default() }.can_go_on(), "an older site names no attempt");
}
