//! What a checker finds, and where.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod common;

use audit::{
    Checker, Entry, FileChecker, Head, Header, KeptLine, Line, Report, Start, Wrong, chain, genesis,
};
use common::{Kept, NOW, Site};
use proptest::prelude::*;

fn check(site: &Site, entries: &[Kept], witnesses: Vec<Head>) -> Report {
    let mut checker = Checker::new(site.id, Start::First, witnesses);
    entries.iter().for_each(|kept| checker.line(kept.entry()));
    checker.finish()
}

/// What is wrong, and where.
fn wrongs(report: &Report) -> Vec<(Wrong, u64, u64)> {
    report.findings.iter().map(|finding| (finding.wrong, finding.number, finding.to)).collect()
}

#[test]
fn nothing_is_found_where_nothing_was_done() {
    let site = Site::with(20);
    let report = check(&site, &site.entries(), vec![site.head(7).head, site.head(20).head]);
    assert_eq!((report.lines, report.first, report.last, report.agreed), (20, 1, 20, 2));
    assert_eq!(report.findings, []);
}

#[test]
fn a_changed_line_is_named_with_its_number_and_time() {
    let site = Site::with(9);
    let mut entries = site.entries();
    entries[4].line = Some(Line { rows: Some(0), ..site.line_of(5) }.encode());
    let report = check(&site, &entries, vec![]);
    assert_eq!(wrongs(&report), [(Wrong::Changed, 5, 5)]);
    let said = report.findings[0].to_string();
    assert!(
        said.starts_with("line 5 (2026-11-23T12:00:05.000Z): it is not the line that was written"),
        "{said}"
    );
}

#[test]
fn removed_lines_are_named_whether_their_places_are_left_or_not() {
    let site = Site::with(9);
    let mut entries = site.entries();
    entries[2].line = None;
    entries.drain(5..7);
    assert_eq!(wrongs(&check(&site, &entries, vec![])), [(Wrong::Removed, 3, 3), (Wrong::Removed, 6, 7)]);
    let behind = &site.entries()[4..];
    assert_eq!(wrongs(&check(&site, behind, vec![])), [(Wrong::Beginning, 1, 4)]);
}

#[test]
fn two_lines_in_each_others_place_are_named_both() {
    let site = Site::with(9);
    let mut entries = site.entries();
    let (one, other) = (entries[2].line.clone(), entries[6].line.clone());
    (entries[2].line, entries[6].line) = (other, one);
    let report = check(&site, &entries, vec![]);
    assert_eq!(wrongs(&report), [(Wrong::Moved, 3, 3), (Wrong::Moved, 7, 7)]);
    assert!(report.findings[0].to_string().ends_with("the line that belongs at 7 stands here."));
    let mut entries = site.entries();
    entries.swap(2, 6);
    assert!(wrongs(&check(&site, &entries, vec![])).contains(&(Wrong::Moved, 3, 3)), "whole places too");
}

#[test]
fn a_line_that_was_put_in_is_named_also_when_all_after_it_were_numbered_anew() {
    let site = Site::with(9);
    let mut entries = site.entries();
    let forged = Kept { place: Some((5, [9; 32])), line: Some(site.line_of(99).encode()) };
    entries.insert(4, forged);
    for (at, kept) in entries.iter_mut().enumerate() {
        kept.place = kept.place.map(|(_, value)| (at as u64 + 1, value));
    }
    assert_eq!(wrongs(&check(&site, &entries, vec![])), [(Wrong::Inserted, 5, 5)]);
    let mut entries = site.entries();
    entries.insert(4, Kept { place: None, line: Some(site.line_of(99).encode()) });
    assert_eq!(wrongs(&check(&site, &entries, vec![])), [(Wrong::Inserted, 5, 5)]);
}

#[test]
fn a_line_taken_out_with_all_after_it_numbered_anew_is_found() {
    let site = Site::with(9);
    let mut entries = site.entries();
    entries.remove(4);
    for (at, kept) in entries.iter_mut().enumerate() {
        kept.place = kept.place.map(|(_, value)| (at as u64 + 1, value));
    }
    let found = wrongs(&check(&site, &entries, vec![]));
    assert!(found.iter().any(|(_, number, _)| *number == 5 || *number == 6), "{found:?}");
}

/// What the file alone can't tell, and the sentence that says so.
#[test]
fn an_end_that_is_cut_off_is_found_only_with_a_witness() {
    let site = Site::with(9);
    let cut = &site.entries()[..6];
    assert_eq!(wrongs(&check(&site, cut, vec![])), []);
    let report = check(&site, cut, vec![site.head(4).head, site.head(8).head]);
    assert_eq!(wrongs(&report), [(Wrong::Cut, 7, 8)]);
    assert_eq!(report.agreed, 1);
    let said = report.findings[0].to_string();
    assert!(said.contains("cut off, or an older copy was put back"), "{said}");
}

/// Somebody with the key writes all anew from a line on: it all fits, but for what others have seen.
#[test]
fn a_past_that_was_written_anew_is_found_by_the_first_witness_after_it() {
    let site = Site::with(9);
    let mut anew = Site { id: site.id, key: site.key.clone(), lines: Vec::new() };
    (1..=9).for_each(|number| {
        let line = if number == 5 { Line { rows: Some(0), ..site.line_of(5) } } else { site.line_of(number) };
        anew.write(&line);
    });
    assert_eq!(wrongs(&check(&site, &anew.entries(), vec![site.head(4).head])), [], "nobody saw it");
    let seen = vec![site.head(3).head, site.head(7).head, site.head(9).head];
    let report = check(&site, &anew.entries(), seen);
    assert_eq!(wrongs(&report), [(Wrong::Rewritten, 4, 7)]);
}

#[test]
fn what_an_older_version_wrote_is_held_by_the_line_that_covers_it() {
    let mut site = Site::new();
    let older: Vec<Vec<u8>> = (1..=3).map(|number| site.line_of(number).encode()).collect();
    let counted: Vec<u8> =
        older.iter().flat_map(|line| [&(line.len() as u32).to_be_bytes()[..], line].concat()).collect();
    let sha256 = common::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &counted).as_ref());
    let detail = Some(format!("{{\"lines\":3,\"sha256\":\"{sha256}\"}}"));
    site.write(&Line { detail, ..Line::new(NOW, "chained", site.id) });
    site.write(&site.line_of(4));
    let loose = |line: &Vec<u8>| Kept { place: None, line: Some(line.clone()) };
    let whole: Vec<Kept> = older.iter().map(loose).chain(site.entries()).collect();
    let report = check(&site, &whole, vec![]);
    assert_eq!((wrongs(&report), report.older), (vec![], 3));
    let mut changed = whole.clone();
    changed[1].line = Some(site.line_of(77).encode());
    assert_eq!(wrongs(&check(&site, &changed, vec![])), [(Wrong::Older, 1, 1)]);
    let mut fewer = whole;
    fewer.remove(0);
    assert_eq!(wrongs(&check(&site, &fewer, vec![])), [(Wrong::Older, 1, 1)]);
}

#[test]
fn what_was_removed_by_the_practices_rule_is_no_finding_and_old_witnesses_are_too_old() {
    let mut site = Site::with(9);
    let detail = Some(format!("{{\"number\":4,\"chain\":\"{}\"}}", common::hex(&site.value(4))));
    site.write(&Line { detail, ..Line::new(NOW, "audit-cut", site.id) });
    let kept = &site.entries()[4..];
    let walk = |kept: &[Kept]| {
        let witnesses = vec![site.head(2).head, site.head(4).head, site.head(6).head];
        let mut checker = Checker::new(site.id, Start::Cut(4, site.value(4)), witnesses);
        kept.iter().for_each(|kept| checker.line(kept.entry()));
        checker.finish()
    };
    let report = walk(kept);
    assert_eq!((wrongs(&report), report.too_old, report.agreed), (vec![], 1, 2));
    let untold = walk(&kept[..kept.len() - 1]);
    assert_eq!(untold.findings[0].wrong, Wrong::Beginning, "no line says so: somebody else removed them");
}

fn file(site: &Site) -> Vec<String> {
    let mut lines =
        vec![serde_json::to_string(&Header::new(site.id, 0, &genesis(site.id), false, None)).unwrap()];
    lines.extend(
        site.entries()
            .iter()
            .map(|kept| serde_json::to_string(&KeptLine::new(kept.entry()).in_words().unwrap()).unwrap()),
    );
    lines.push(serde_json::to_string(&site.head(site.count())).unwrap());
    lines
}

fn check_file(lines: &[String]) -> Report {
    let mut checker = FileChecker::new(vec![]);
    lines.iter().for_each(|line| checker.feed(line.as_bytes()).unwrap());
    checker.finish().remove(0).1
}

#[test]
fn a_file_is_checked_with_nothing_else_and_every_change_of_it_is_found() {
    let site = Site::with(6);
    let lines = file(&site);
    assert_eq!(check_file(&lines).findings, []);
    let mut said = lines.clone();
    said[2] = said[2].replace("\"rows\":2", "\"rows\":3");
    assert_eq!(wrongs(&check_file(&said)), [(Wrong::Changed, 2, 2)], "words for people are held too");
    let mut cut = lines.clone();
    cut.truncate(5);
    assert_eq!(check_file(&cut).findings[0].wrong, Wrong::Witness, "its signed head is missing");
    let mut fewer = lines.clone();
    fewer.drain(5..7);
    assert_eq!(wrongs(&check_file(&fewer)), [(Wrong::Cut, 5, 6)]);
    let mut head = site.head(6);
    head.head.at = NOW.plus(common::DAY / 4);
    let mut forged = lines.clone();
    forged[7] = serde_json::to_string(&head).unwrap();
    assert_eq!(check_file(&forged).findings[0].wrong, Wrong::Witness);
    let mut part = lines;
    part.splice(0..3, [serde_json::to_string(&Header::new(site.id, 2, &site.value(2), true, None)).unwrap()]);
    assert_eq!(check_file(&part).findings, [], "a part, held by the head at its end");
    let bare = serde_json::to_string(&Header::new(site.id, 2, &site.value(2), false, None)).unwrap();
    part[0] = bare;
    assert_eq!(check_file(&part).findings[0].wrong, Wrong::Beginning);
}

/// Numbers in a file are whatever somebody wrote there.
#[test]
fn numbers_at_the_end_of_all_numbers_break_nothing() {
    let site = Site::with(2);
    let mut checker = FileChecker::new(vec![site.head(2).head]);
    let most = u64::MAX;
    let header = Header::new(site.id, most, &[0; 32], true, None);
    checker.feed(&serde_json::to_vec(&header).unwrap()).unwrap();
    for number in [most, 1, most, most - 1, 0] {
        let line = site.line_of(1).encode();
        let kept = KeptLine::new(Entry { place: Some((number, [1; 32])), line: Some(&line) });
        checker.feed(&serde_json::to_vec(&kept).unwrap()).unwrap();
    }
    checker.feed(&serde_json::to_vec(&site.head(2)).unwrap()).unwrap();
    assert!(!checker.finish().remove(0).1.findings.is_empty());
    let mut checker = Checker::new(site.id, Start::First, vec![]);
    checker.line(Entry { place: Some((most, [1; 32])), line: None });
    checker.line(Entry { place: Some((most, [1; 32])), line: Some(&[1]) });
    assert!(!checker.finish().findings.is_empty());
}

/// What a simulated intruder does to a file that it can't sign.
#[derive(Clone, Debug)]
enum Tamper {
    Change(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Duplicate(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    CutEnd(prop::sample::Index),
    /// Changes a line, and gives it and nothing after it its value anew.
    Rechain(prop::sample::Index),
}

fn tamper() -> impl Strategy<Value = Tamper> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, with)| Tamper::Change(at, with)),
        at().prop_map(Tamper::Remove),
        at().prop_map(Tamper::Duplicate),
        (at(), at()).prop_map(|(one, other)| Tamper::Swap(one, other)),
        at().prop_map(Tamper::CutEnd),
        at().prop_map(Tamper::Rechain),
    ]
}

proptest! {
    /// Whatever is done, and however often: with a witness of the newest line, what is not the same is found.
    #[test]
    fn nothing_that_is_done_stays_unseen(acts in prop::collection::vec(tamper(), 1..4)) {
        let site = Site::with(30);
        let honest = site.entries();
        let mut entries = honest.clone();
        for act in &acts {
            let count = entries.len();
            if count < 2 {
                break;
            }
            match act {
                Tamper::Change(at, with) => {
                    let line = entries[at.index(count)].line.as_mut().unwrap();
                    let byte = at.index(line.len());
                    line[byte] ^= with;
                }
                Tamper::Remove(at) => _ = entries.remove(at.index(count)),
                Tamper::Duplicate(at) => {
                    let again = entries[at.index(count)].clone();
                    entries.insert(at.index(count) + 1, again);
                }
                Tamper::Swap(one, other) => entries.swap(one.index(count), other.index(count)),
                Tamper::CutEnd(at) => entries.truncate(at.index(count).max(1)),
                Tamper::Rechain(at) => {
                    let at = at.index(count).max(1);
                    let (before, number) = (entries[at - 1].place.unwrap().1, entries[at].place.unwrap().0);
                    let line = Line { rows: Some(0), ..site.line_of(1_000) }.encode();
                    entries[at].place = Some((number, chain(&before, number, &line)));
                    entries[at].line = Some(line);
                }
            }
        }
        let same = entries.len() == honest.len()
            && entries.iter().zip(&honest).all(|(a, b)| a.place == b.place && a.line == b.line);
        let report = check(&site, &entries, vec![site.head(30).head]);
        prop_assert_eq!(report.findings.is_empty(), same, "{:?} {:?}", acts, report);
    }

    /// Whatever comes in whatever order: it ends, and it says something.
    #[test]
    fn a_checker_takes_anything(places in prop::collection::vec((0u64..20, any::<bool>(), any::<[u8; 2]>()), 0..60)) {
        let site = Site::with(1);
        let mut checker = Checker::new(site.id, Start::First, vec![]);
        for (number, there, line) in &places {
            let place = (*number > 0).then_some((*number, [line[0]; 32]));
            checker.line(Entry { place, line: there.then_some(&line[..]) });
        }
        prop_assert_eq!(checker.finish().findings.is_empty(), places.is_empty());
    }
}

/// A server that was restored begins above all that the lost one wrote; what was witnessed of that one is no cut.
#[test]
fn the_audit_of_a_restored_server_begins_anew_and_older_witnesses_are_of_before() {
    let (lost, site) = (Site::with(9), Site::new());
    let start = audit::restored_start(3);
    let value = genesis(site.id);
    let told = |number| {
        let detail = Some(format!(r#"{{"number":{number},"chain":"{}"}}"#, common::hex(&value)));
        Line { detail, ..Line::new(NOW, "restored", site.id) }.encode()
    };
    let verify = |line: &[u8], witnesses: Vec<Head>| {
        let mut checker = Checker::new(site.id, Start::Cut(start, value), witnesses);
        let place = Some((start + 1, chain(&value, start + 1, line)));
        checker.line(Entry { place, line: Some(line) });
        checker.finish()
    };
    let before = Head { site: site.id, ..lost.head(9).head };
    let report = verify(&told(start), vec![before]);
    assert_eq!((wrongs(&report), report.before_restore, report.too_old), (vec![], 1, 0));
    assert_eq!(wrongs(&verify(&told(start + 1), vec![])), [(Wrong::Beginning, start, start + 1)]);
    // The other way round: the lost server's audit held against what the new one wrote.
    let after = Head { site: lost.id, number: start + 4, chain: [1; 32], at: NOW };
    let report = check(&lost, &lost.entries(), vec![after]);
    assert!(report.findings[0].to_string().contains("restored from a kit"), "{}", report.findings[0]);
}

#[test]
fn a_witness_from_after_a_file_was_made_says_nothing_against_it() {
    let site = Site::with(9);
    let file = |last: u64| {
        let mut checker = FileChecker::new(vec![site.head(3).head, site.head(7).head]);
        let header = Header::new(site.id, 0, &genesis(site.id), false, None);
        checker.feed(&serde_json::to_vec(&header).unwrap()).unwrap();
        for kept in &site.entries()[..last as usize] {
            checker.feed(&serde_json::to_vec(&KeptLine::new(kept.entry())).unwrap()).unwrap();
        }
        checker.feed(&serde_json::to_vec(&site.head(5)).unwrap()).unwrap();
        checker.finish().remove(0).1
    };
    let report = file(5);
    assert_eq!((wrongs(&report), report.agreed, report.newer), (vec![], 1, 1));
    assert_eq!(wrongs(&file(4))[0], (Wrong::Cut, 5, 5), "what the signed head is of must be there");
}
