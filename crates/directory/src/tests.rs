//! The directory's rules, with a clock of our own.

use super::*;
use model::{Availability, Catalogue, LinkId, Pms, SiteFacts, SiteId, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

const START: i64 = 1_770_000_000_000;

#[derive(Default)]
pub(crate) struct Hands(AtomicI64);

impl Hands {
    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(START + self.0.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst) as u64)
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<Hands>,
    folder: tempfile::TempDir,
    pub(crate) directory: Directory,
}

impl World {
    pub(crate) fn new() -> World {
        let clock = Arc::new(Hands::default());
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("directory.db"), clock.clone()).unwrap();
        directory.start_afresh().unwrap();
        World { clock, folder, directory }
    }

    /// A second process with the same file.
    pub(crate) fn beside(&self) -> Directory {
        Directory::open(&self.folder.path().join("directory.db"), self.clock.clone()).unwrap()
    }

    fn join(&self, site: SiteId, epoch: u64) -> Result<(), Refused> {
        self.directory.join(link(), &[claim(site, epoch, "1234")])
    }

    fn availability(&self, site: SiteId) -> Availability {
        self.directory.look(site).unwrap().unwrap().availability
    }
}

pub(crate) fn site(n: u128) -> SiteId {
    SiteId(uuid::Uuid::from_u128(n))
}

fn link() -> LinkId {
    LinkId(uuid::Uuid::from_u128(99))
}

fn integrator() -> IntegratorId {
    IntegratorId(uuid::Uuid::from_u128(7))
}

pub(crate) fn claim(site: SiteId, epoch: u64, pms_id: &str) -> Claim {
    let facts = SiteFacts {
        enriched_at: None,
        pms: Pms::BestPractice,
        pms_id: pms_id.to_owned(),
        practice_name: "Harbour Family Practice".to_owned(),
        pms_version: "1.12".to_owned(),
        link_version: "26.1123.1".to_owned(),
        catalogues: vec![Catalogue { name: "Patients".to_owned(), is_default: true }],
    };
    Claim { site, epoch, facts }
}

#[test]
fn a_joined_site_is_online_and_heard_now() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    w.clock.forward(3600);
    let found = w.directory.look(site(1)).unwrap().unwrap();
    assert_eq!(found.availability, Availability::Online);
    assert_eq!(found.last_seen_at, w.clock.now());
    assert_eq!((found.created_at, found.enriched_at), (Timestamp(START), Timestamp(START)));
    assert_eq!((found.link, found.epoch, found.facts), (link(), 5, claim(site(1), 5, "1234").facts));
    assert_eq!(w.directory.look(site(2)).unwrap(), None);
}

#[test]
fn a_site_was_enriched_when_it_says_so_but_never_later_than_now() {
    let w = World::new();
    let enriched = |id: u128, at: Option<i64>| {
        let mut claim = claim(site(id), 5, "1234");
        claim.facts.enriched_at = at.map(Timestamp);
        w.directory.join(link(), &[claim]).unwrap();
        let found = w.directory.look(site(id)).unwrap().unwrap();
        (found.enriched_at, found.facts.enriched_at)
    };
    assert_eq!(enriched(1, Some(START - 60_000)), (Timestamp(START - 60_000), None));
    assert_eq!(enriched(2, Some(START + 60_000)).0, Timestamp(START), "its clock is ahead");
    assert_eq!(enriched(3, Some(-1)).0, Timestamp(0));
    assert_eq!(enriched(4, None).0, Timestamp(START));
    w.directory.left(site(1), 5, Departure::Goodbye).unwrap();
    w.clock.forward(3600);
    assert_eq!(enriched(1, Some(START + 60_000)).0, Timestamp(START + 60_000), "a later look counts");
}

#[test]
fn a_site_that_said_goodbye_stays_offline_however_long() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    w.directory.left(site(1), 5, Departure::Goodbye).unwrap();
    assert_eq!(w.availability(site(1)), Availability::Offline);
    w.clock.forward(86_400);
    assert_eq!(w.availability(site(1)), Availability::Offline);
    assert_eq!(w.directory.look(site(1)).unwrap().unwrap().last_seen_at, Timestamp(START));
}

#[test]
fn a_lost_site_becomes_unreachable_after_two_minutes_of_silence_and_not_before() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    w.clock.forward(600);
    w.directory.left(site(1), 5, Departure::Lost).unwrap();
    assert_eq!(w.availability(site(1)), Availability::Offline);
    w.clock.forward(119);
    assert_eq!(w.availability(site(1)), Availability::Offline);
    w.clock.forward(1);
    assert_eq!(w.availability(site(1)), Availability::Unreachable);
    w.join(site(1), 5).unwrap();
    assert_eq!(w.availability(site(1)), Availability::Online);
}

#[test]
fn after_a_crash_of_the_cloud_no_site_is_online_and_silence_counts_from_its_last_sign_of_life() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    w.clock.forward(300);
    w.directory.still_alive().unwrap();
    w.clock.forward(60);
    let restarted = w.beside();
    restarted.start_afresh().unwrap();
    let found = restarted.look(site(1)).unwrap().unwrap();
    assert_eq!((found.availability, found.last_seen_at), (Availability::Offline, Timestamp(START + 300_000)));
    w.clock.forward(60);
    assert_eq!(restarted.look(site(1)).unwrap().unwrap().availability, Availability::Unreachable);
    // The same epoch again is an ordinary reconnection.
    restarted.join(link(), &[claim(site(1), 5, "1234")]).unwrap();
}

#[test]
fn an_operator_who_opens_the_file_does_not_put_sites_offline() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    assert_eq!(w.beside().sites().unwrap()[0].availability, Availability::Online);
    assert_eq!(w.availability(site(1)), Availability::Online);
}

#[test]
fn a_lower_epoch_is_refused_with_a_reason_that_names_clone_and_backup() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    w.directory.left(site(1), 5, Departure::Goodbye).unwrap();
    let refused = w.join(site(1), 4).unwrap_err();
    assert!(matches!(refused, Refused::OlderEpoch { stored: 5, claimed: 4, .. }));
    assert!(refused.to_string().contains("clone or a restored backup"), "{refused}");
    assert_eq!(w.availability(site(1)), Availability::Offline);
}

#[test]
fn the_same_epoch_twice_at_once_is_doubled_but_after_a_break_it_is_a_reconnection() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    assert!(matches!(w.join(site(1), 5), Err(Refused::Doubled { epoch: 5, .. })));
    w.directory.left(site(1), 5, Departure::Lost).unwrap();
    w.join(site(1), 5).unwrap();
}

#[test]
fn a_higher_epoch_takes_over_and_the_fenced_ones_goodbye_changes_nothing() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    w.join(site(1), 6).unwrap();
    w.directory.left(site(1), 5, Departure::Goodbye).unwrap();
    assert_eq!(w.availability(site(1)), Availability::Online);
    assert!(matches!(w.join(site(1), 5), Err(Refused::OlderEpoch { .. })));
}

#[test]
fn a_join_is_all_or_nothing() {
    let w = World::new();
    w.join(site(1), 5).unwrap();
    let both = [claim(site(2), 9, "5678"), claim(site(1), 4, "1234")];
    assert!(w.directory.join(link(), &both).is_err());
    assert_eq!(w.directory.look(site(2)).unwrap(), None);
    // One Link that names a site twice is doubled too.
    assert!(w.directory.join(link(), &[claim(site(3), 1, "9"), claim(site(3), 1, "9")]).is_err());
}

#[test]
fn an_epoch_that_is_no_count_of_starts_is_refused() {
    let w = World::new();
    assert!(matches!(w.join(site(1), u64::MAX), Err(Refused::Unbelievable { .. })));
}

#[test]
fn the_first_to_claim_a_vendor_id_is_authoritative_and_comes_first_for_good() {
    let w = World::new();
    w.join(site(9), 1).unwrap();
    w.clock.forward(1);
    w.join(site(1), 1).unwrap();
    w.clock.forward(1);
    w.join(site(5), 1).unwrap();
    w.directory.left(site(9), 1, Departure::Lost).unwrap();
    w.join(site(9), 2).unwrap();
    let found = w.directory.find(Pms::BestPractice, " 1234\n").unwrap();
    let order: Vec<_> = found.iter().map(|s| (s.site, s.authoritative)).collect();
    assert_eq!(order, [(site(9), true), (site(1), false), (site(5), false)]);
    assert!(w.directory.find(Pms::Zedmed, "1234").unwrap().is_empty());
    assert!(w.directory.find(Pms::BestPractice, "").unwrap().is_empty());
}

#[test]
fn a_site_that_goes_over_to_another_vendor_id_is_last_in_line_there_and_leaves_no_heir() {
    let w = World::new();
    w.directory
        .join(link(), &[claim(site(1), 1, "A"), claim(site(2), 1, "A"), claim(site(3), 1, "B")])
        .unwrap();
    w.clock.forward(1);
    w.directory.join(link(), &[claim(site(1), 2, "B")]).unwrap();
    let order = |id| -> Vec<_> {
        let found = w.directory.find(Pms::BestPractice, id).unwrap();
        found.iter().map(|s| (s.site, s.authoritative)).collect()
    };
    assert_eq!(order("B"), [(site(3), true), (site(1), false)]);
    assert_eq!(order("A"), [(site(2), false)]);
}

#[test]
fn facts_are_kept_without_control_characters_and_within_limits() {
    let w = World::new();
    let mut hostile = claim(site(1), 1, "12\u{0}34");
    hostile.facts.practice_name = format!("Evil\r\n{}", "x".repeat(100_000));
    hostile.facts.catalogues = vec![Catalogue { name: "c".repeat(1000), is_default: false }; 1000];
    w.directory.join(link(), &[hostile]).unwrap();
    let facts = w.directory.look(site(1)).unwrap().unwrap().facts;
    assert_eq!(facts.pms_id, "1234");
    assert_eq!(facts.practice_name.len(), 200);
    assert!(facts.practice_name.starts_with("Evilx"));
    assert_eq!((facts.catalogues.len(), facts.catalogues[0].name.len()), (64, 128));
}

#[test]
fn an_admission_by_another_process_counts_at_once_and_a_removal_within_a_second() {
    let w = World::new();
    let operator = w.beside();
    assert!(!w.directory.is_admitted(integrator()).unwrap());
    let kept = operator.admit(integrator(), "Acme\tRecalls").unwrap();
    assert_eq!((kept.name.as_str(), kept.removed_at), ("AcmeRecalls", None));
    assert!(w.directory.is_admitted(integrator()).unwrap());
    assert!(operator.remove_integrator(integrator()).unwrap());
    assert!(!operator.remove_integrator(integrator()).unwrap());
    w.clock.forward(1);
    assert!(!w.directory.is_admitted(integrator()).unwrap());
    operator.admit(integrator(), "Acme").unwrap();
    assert!(w.directory.is_admitted(integrator()).unwrap());
    let all = w.directory.integrators().unwrap();
    assert_eq!((all.len(), all[0].name.as_str()), (1, "Acme"));
}

#[test]
fn one_damaged_record_does_not_hide_the_others() {
    let w = World::new();
    for n in 1..=4 {
        w.join(site(n), 1).unwrap();
    }
    let damage = |sql: &str, n: u128| w.directory.writer().execute(sql, [site(n).as_bytes()]).unwrap();
    damage("UPDATE sites SET facts = '{' WHERE guid = ?1", 1);
    damage("UPDATE sites SET status = 'sleeping' WHERE guid = ?1", 2);
    damage("UPDATE sites SET epoch = -1 WHERE guid = ?1", 3);
    let found = w.directory.find(Pms::BestPractice, "1234").unwrap();
    assert_eq!(found.iter().map(|s| s.site).collect::<Vec<_>>(), [site(4)]);
    assert_eq!(w.directory.sites().unwrap().len(), 1);
    assert!(matches!(w.directory.look(site(1)), Err(DirectoryError::Damaged(id)) if id == site(1)));
}

#[test]
fn a_fault_of_the_database_is_told_to_the_relay_as_a_fault_and_as_nothing_else() {
    use relay::{Fault, JoinRefused, Registry};
    let w = World::new();
    w.join(site(1), 1).unwrap();
    w.directory.writer().execute_batch("DROP TABLE sites; DROP TABLE integrators").unwrap();
    let registry: &dyn Registry = &w.directory;
    assert_eq!(registry.admit_gateway(integrator()), Err(Fault));
    assert_eq!(registry.find(Pms::BestPractice, "1234"), Err(Fault));
    assert_eq!(registry.look(site(1)), Err(Fault));
    let facts = claim(site(1), 2, "1234").facts;
    let claims = [relay::Claim { site: site(1), epoch: 2, facts }];
    assert_eq!(registry.link_joined(link(), &claims), Err(JoinRefused::Failed));
}

#[test]
fn a_file_written_by_a_newer_program_is_left_alone() {
    let w = World::new();
    w.directory.writer().pragma_update(None, "user_version", 4).unwrap();
    let again = Directory::open(&w.folder.path().join("directory.db"), w.clock.clone());
    assert!(matches!(again, Err(DirectoryError::Newer { found: 4, known: 3 })));
}
