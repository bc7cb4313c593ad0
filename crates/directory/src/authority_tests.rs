//! Who is authoritative, who may change it, and that everything leaves a line.

use super::*;
use crate::tests::{World, claim, site};
use model::{Pms, Timestamp};
use trust::{HandOver, Kind, Root};

const DAY: i64 = 24 * 60 * 60;
const DAYS: Duration = Duration::from_secs(3 * 24 * 60 * 60);

fn join(world: &World, of: model::SiteId, epoch: u64, pms_id: &str) {
    world.directory.join(model::LinkId(of.0), &[claim(of, epoch, pms_id)]).unwrap();
}

/// The site that was there first, with its root, and one that came later.
fn two(world: &World) -> (Root, model::SiteId, model::SiteId) {
    let root = Root::generate(Kind::Site).unwrap();
    let (old, new) = (model::SiteId(root.id()), site(2));
    join(world, old, 1, "1234");
    join(world, new, 1, "1234");
    (root, old, new)
}

fn authoritative(world: &World) -> Vec<model::SiteId> {
    let sites = world.directory.find(Pms::BestPractice, "1234").unwrap();
    sites.into_iter().filter(|site| site.authoritative).map(|site| site.site).collect()
}

fn said(world: &World, root: &Root, to: model::SiteId) -> HandOver {
    HandOver {
        from: model::SiteId(root.id()),
        to,
        pms: Pms::BestPractice.type_name().to_owned(),
        pms_id: "1234".to_owned(),
        environment: "stage".to_owned(),
        at: world.clock.now(),
    }
}

#[test]
fn a_statement_of_the_authoritative_site_counts_at_once_and_only_once() {
    let world = World::new();
    let (root, old, new) = two(&world);
    let statement = said(&world, &root, new);
    assert!(matches!(
        world.directory.take_hand_over(&statement, "production"),
        Err(AuthorityError::OtherEnvironment(_))
    ));
    world.directory.take_hand_over(&statement, "stage").unwrap();
    assert_eq!(authoritative(&world), [new]);
    let again = world.directory.take_hand_over(&statement, "stage");
    assert!(matches!(again, Err(AuthorityError::NotAuthoritative(of)) if of == old));
    // It gets it back, and the old statement is worth nothing any more.
    world.directory.begin_change(old, DAYS).unwrap();
    world.clock.forward(3 * DAY);
    world.directory.finish_change(Pms::BestPractice, "1234", true).unwrap();
    assert!(matches!(world.directory.take_hand_over(&statement, "stage"), Err(AuthorityError::Used)));
    let acts = world.directory.authority(Pms::BestPractice, "1234").unwrap().acts;
    assert_eq!(
        acts.iter().map(|act| act.what.as_str()).collect::<Vec<_>>(),
        ["finished", "begun", "handed-over"]
    );
}

#[test]
fn a_statement_that_is_old_from_the_future_or_for_a_stranger_changes_nothing() {
    let world = World::new();
    let (root, old, new) = two(&world);
    let other = site(3);
    join(&world, other, 1, "9999");
    let at = |seconds: i64| HandOver {
        at: Timestamp(world.clock.now().0 + seconds * 1000),
        ..said(&world, &root, new)
    };
    for out_of_time in [at(2 * 60 * 60), at(-31 * DAY)] {
        assert!(matches!(
            world.directory.take_hand_over(&out_of_time, "stage"),
            Err(AuthorityError::OutOfTime)
        ));
    }
    let to = |to| world.directory.take_hand_over(&HandOver { to, ..said(&world, &root, new) }, "stage");
    assert!(matches!(to(other), Err(AuthorityError::OtherPractice { .. })));
    assert!(matches!(to(site(99)), Err(AuthorityError::Unknown(_))));
    assert_eq!(authoritative(&world), [old]);
    assert!(world.directory.authority(Pms::BestPractice, "1234").unwrap().acts.is_empty());
}

#[test]
fn without_a_statement_a_change_waits_is_seen_by_all_and_is_finished_by_hand() {
    let world = World::new();
    let (_, old, new) = two(&world);
    assert!(matches!(world.directory.begin_change(old, DAYS), Err(AuthorityError::Already(_))));
    world.directory.begin_change(new, DAYS).unwrap();
    assert!(matches!(world.directory.begin_change(new, DAYS), Err(AuthorityError::Pending { .. })));
    let record = relay::Registry::look(&world.directory, old).unwrap().unwrap();
    assert_eq!(record.authority_change.map(|change| change.to), Some(new));
    world.clock.forward(3 * DAY - 60);
    let soon = world.directory.finish_change(Pms::BestPractice, "1234", true).unwrap_err();
    assert!(
        soon.to_string().contains("in 1 hours") && matches!(soon, AuthorityError::TooSoon { .. }),
        "{soon}"
    );
    world.clock.forward(60);
    let lives = world.directory.finish_change(Pms::BestPractice, "1234", false);
    assert!(matches!(lives, Err(AuthorityError::Lives(of)) if of == old), "that it answers is its objection");
    world.directory.left(old, 1, Departure::Goodbye).unwrap();
    world.clock.forward(DAY);
    let lived = world.directory.finish_change(Pms::BestPractice, "1234", false);
    assert!(matches!(lived, Err(AuthorityError::Lives(of)) if of == old), "it did while the change waited");
    world.directory.cancel_change(Pms::BestPractice, "1234").unwrap();
    let change = world.directory.begin_change(new, DAYS).unwrap();
    world.clock.forward(3 * DAY);
    assert_eq!(world.directory.finish_change(Pms::BestPractice, "1234", false).unwrap(), change);
    assert_eq!(authoritative(&world), [new]);
    let record = relay::Registry::look(&world.directory, new).unwrap().unwrap();
    assert_eq!(record.authority_change, None);
    join(&world, old, 2, "1234");
    assert_eq!(authoritative(&world), [new], "coming back does not take it back");
}

#[test]
fn a_change_that_was_cancelled_is_over_and_stays_in_the_record() {
    let world = World::new();
    let (_, old, new) = two(&world);
    world.directory.begin_change(new, DAYS).unwrap();
    world.directory.cancel_change(Pms::BestPractice, "1234").unwrap();
    world.clock.forward(4 * DAY);
    let finish = world.directory.finish_change(Pms::BestPractice, "1234", true);
    assert!(matches!(finish, Err(AuthorityError::NonePending)));
    assert_eq!(authoritative(&world), [old]);
    let acts = world.beside().authority(Pms::BestPractice, "1234").unwrap().acts;
    assert_eq!(acts.iter().map(|act| act.what.as_str()).collect::<Vec<_>>(), ["cancelled", "begun"]);
}
