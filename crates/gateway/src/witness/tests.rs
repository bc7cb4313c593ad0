use super::*;
use audit::Line;
use model::{SystemClock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use trust::{Kind, Operational, Root};

/// A site that signs whatever it is told to.
struct Site {
    own: Operational,
}

impl Site {
    fn new() -> Site {
        let root = Root::generate(Kind::Site).unwrap();
        Site { own: root.issue("site", 1, SystemClock.now(), Duration::from_secs(86_400)).unwrap() }
    }

    fn id(&self) -> SiteId {
        SiteId(self.own.peer().id)
    }

    fn head(&self, number: u64, chain: u8) -> SignedHead {
        self.signed(number, [chain; 32])
    }

    fn signed(&self, number: u64, chain: [u8; 32]) -> SignedHead {
        Head { site: self.id(), number, chain, at: SystemClock.now() }.sign(&self.own).unwrap()
    }

    fn receipt(&self, before: [u8; 32], number: u64) -> Receipt {
        let line = Line::new(SystemClock.now(), "end", self.id()).encode();
        let head = self.signed(number, audit::chain(&before, number, &line));
        Receipt { before, line, head }
    }
}

#[derive(Default)]
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(1_770_000_000_000 + self.0.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

struct World {
    folder: tempfile::TempDir,
    clock: Arc<Hands>,
    witnesses: Arc<Witnesses>,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::<Hands>::default();
        let witnesses = open(&folder, &clock);
        World { folder, clock, witnesses }
    }

    fn again(mut self) -> World {
        self.witnesses = open(&self.folder, &self.clock);
        self
    }

    fn forward(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// What is judged is written at once.
    fn shows(&self, head: &SignedHead, asked: u64) -> Option<Write> {
        let known = self.witnesses.asks(head.head.site);
        self.written(self.witnesses.judge(head, None, &Asked { number: asked, ..known }, None))
    }

    /// Asked now, and with what the audit holds at the number that is known.
    fn shows_with(&self, head: &SignedHead, at: u8) -> Option<Write> {
        let asked = self.witnesses.asks(head.head.site);
        self.written(self.witnesses.judge(head, None, &asked, Some([at; 32])))
    }

    fn receipt(&self, receipt: &Receipt) -> Option<Write> {
        self.written(self.witnesses.judge(&receipt.head, Some(&receipt.before), &Asked::default(), None))
    }

    fn written(&self, write: Option<Write>) -> Option<Write> {
        write.inspect(|write| self.witnesses.write(write))
    }

    fn kept(&self) -> Vec<(u64, u8, bool)> {
        let all = list(&self.witnesses.store, None).unwrap();
        all.iter().map(|k| (k.head.head.number, k.head.head.chain[0], k.back_at.is_some())).collect()
    }
}

fn open(folder: &tempfile::TempDir, clock: &Arc<Hands>) -> Arc<Witnesses> {
    let store = Arc::new(Store::open(folder.path()).unwrap());
    Witnesses::open(store, Arc::clone(clock) as Arc<dyn Clock>).unwrap()
}

fn contradicts(write: Option<&Write>) -> bool {
    matches!(write, Some(Write::Contradiction(..)))
}

#[test]
fn a_site_that_goes_back_is_told_of_once_and_both_ends_are_kept_over_restarts() {
    let (world, site) = (World::new(), Site::new());
    assert!(matches!(world.shows(&site.head(100, 1), 0), Some(Write::Newer(..))));
    let world = world.again();
    assert_eq!(world.witnesses.number(site.id()), 100);
    assert!(contradicts(world.shows(&site.head(90, 2), 100).as_ref()));
    assert_eq!(world.shows(&site.head(90, 2), 90), None, "told once");
    let world = world.again();
    assert_eq!(world.witnesses.number(site.id()), 90, "from there on, over restarts too");
    assert_eq!(world.shows(&site.head(90, 2), 90), None);
    // The newer lie grows past what was known.
    world.forward(60);
    assert!(matches!(world.shows(&site.head(101, 2), 90), Some(Write::Newer(..))));
    world.forward(60);
    assert!(matches!(world.shows(&site.head(102, 2), 101), Some(Write::Newer(..))));
    let kept = world.kept();
    assert_eq!(kept, [(90, 2, true), (100, 1, false), (102, 2, false)]);
    // It goes back again, and then to what it had shown first.
    assert!(contradicts(world.shows(&site.head(95, 3), 102).as_ref()), "a second turn");
    assert!(contradicts(world.shows_with(&site.head(100, 1), 1).as_ref()), "back to the first");
    assert_eq!(world.again().witnesses.number(site.id()), 100);
}

/// A newer lie would push out the head that shows it, were it not asked what it holds there.
#[test]
fn a_past_that_was_exchanged_is_found_however_far_it_has_come() {
    let (world, site) = (World::new(), Site::new());
    world.shows(&site.head(100, 1), 0);
    assert!(matches!(world.shows_with(&site.head(110, 1), 1), Some(Write::Newer(..)) | None));
    world.forward(60);
    assert!(contradicts(world.shows_with(&site.head(5000, 2), 9).as_ref()));
    assert!(world.kept().contains(&(110, 1, false)) && world.kept().contains(&(5000, 2, true)));
    // What was asked before that says nothing after it.
    let asked = Asked { turns: 0, ..world.witnesses.asks(site.id()) };
    assert_eq!(world.witnesses.judge(&site.head(5000, 2), None, &asked, Some([7; 32])), None);
    // A server that was restored has no such line, and begins above all of them.
    assert!(contradicts(world.shows_with(&site.head(5000, 4), 2).as_ref()));
    world.forward(60);
    let restored = site.head((1 << 40) + 1, 5);
    assert!(matches!(world.shows(&restored, 5000), Some(Write::Newer(..))));
}

/// Of an older site, that does not say what it holds at a number.
#[tokio::test]
async fn what_was_the_newest_when_a_session_opened_is_not_pushed_out() {
    let (world, site) = (World::new(), Site::new());
    world.shows(&site.head(100, 1), 0);
    world.forward(5);
    assert_eq!(world.shows(&site.head(104, 1), 100), None, "written later");
    assert_eq!(world.witnesses.opens(site.id()).number, 104);
    tokio::time::timeout(Duration::from_secs(10), async {
        while !world.kept().contains(&(104, 1, false)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    for number in 105..110 {
        world.forward(60);
        world.shows(&site.head(number, 2), 104);
    }
    assert_eq!(world.kept(), [(104, 1, false), (109, 2, false)]);
}

/// An answer that was made before another one may come after it.
#[test]
fn a_head_from_before_what_was_known_when_it_was_asked_for_is_no_lie() {
    let (world, site) = (World::new(), Site::new());
    world.shows(&site.head(100, 1), 0);
    let asked_at = world.witnesses.number(site.id());
    world.forward(60);
    world.shows(&site.head(105, 1), 100);
    assert_eq!(world.shows(&site.head(101, 3), asked_at), None);
    assert!(contradicts(world.shows(&site.head(99, 3), asked_at).as_ref()), "behind what was known then");
}

#[test]
fn the_same_number_with_another_value_is_a_lie() {
    let (world, site) = (World::new(), Site::new());
    world.shows(&site.head(100, 1), 0);
    assert_eq!(world.shows(&site.head(100, 1), 100), None);
    assert!(contradicts(world.shows(&site.head(100, 2), 100).as_ref()));
    assert_eq!(world.kept(), [(100, 1, false), (100, 2, true)]);
    // As it is known after a restart: what was shown last.
    let world = world.again();
    assert_eq!(world.shows(&site.head(100, 2), 100), None);
}

#[test]
fn a_receipt_of_an_old_line_is_no_lie_and_one_of_the_next_line_goes_on_from_what_is_known() {
    let (world, site) = (World::new(), Site::new());
    let first = site.receipt([7; 32], 10);
    world.receipt(&first);
    let next = site.receipt(first.head.head.chain, 11);
    world.forward(60);
    assert!(matches!(world.receipt(&next), Some(Write::Newer(..))));
    assert_eq!(world.receipt(&first), None, "asked for again");
    assert_eq!(world.receipt(&site.receipt([9; 32], 3)), None, "of last week");
    let forged = site.receipt([9; 32], 12);
    assert!(contradicts(world.receipt(&forged).as_ref()), "its line before is not the one that is known");
    assert_eq!(world.witnesses.number(site.id()), 12);
    assert_eq!(
        world.kept().iter().map(|(number, _, back)| (*number, *back)).collect::<Vec<_>>(),
        [(11, false), (12, true)]
    );
}

#[test]
fn a_busy_site_costs_a_write_every_half_minute_and_nothing_is_left_behind() {
    let (world, site) = (World::new(), Site::new());
    let mut writes = 0;
    for number in 1..=600 {
        writes += usize::from(world.shows(&site.head(number, 1), number - 1).is_some());
        world.clock.0.fetch_add(100, Ordering::SeqCst);
    }
    assert!(writes <= 3, "{writes} in a minute");
    world.witnesses.flush();
    assert_eq!(world.kept(), [(600, 1, false)]);
    assert_eq!(world.again().witnesses.number(site.id()), 600);
}

#[test]
fn the_newest_of_each_hour_is_kept_then_of_each_day_then_of_each_month() {
    let (world, site) = (World::new(), Site::new());
    for day in 1..=400 {
        world.shows(&site.head(2 * day - 1, 1), 0);
        world.forward(3600);
        world.shows(&site.head(2 * day, 1), 0);
        world.forward(23 * 3600);
    }
    let kept = world.kept().len();
    assert!((60 + 7..=60 + 14 + 9).contains(&kept), "{kept}");
    let site_two = Site::new();
    world.shows(&site_two.head(1, 1), 0);
    assert_eq!(list(&world.witnesses.store, Some(site_two.id())).unwrap().len(), 1);
}

#[test]
fn a_liar_fills_no_disk() {
    let (world, site) = (World::new(), Site::new());
    for number in 0..200 {
        world.shows(&site.head(1000 + number, 1), 0);
        world.shows(&site.head(number, 2), 1000 + number);
    }
    assert!(world.kept().len() <= 70, "{}", world.kept().len());
}

#[tokio::test]
async fn what_does_not_hold_is_no_witness() {
    let (world, site, other) = (World::new(), Site::new(), Site::new());
    let good = site.head(5, 1);
    let heard_of = |audit: &[u8]| {
        let hello = proto::HelloReply { audit: audit.to_vec(), ..proto::HelloReply::default() };
        heard(&world.witnesses, site.id(), &hello, &Asked::default());
    };
    heard_of(&[]);
    heard_of(b"nothing");
    heard_of(&other.head(9, 1).encode());
    let forged = SignedHead { head: Head { number: 6, ..good.head }, ..good.clone() };
    heard_of(&forged.encode());
    assert_eq!((world.witnesses.number(site.id()), world.witnesses.number(other.id())), (0, 0));
    heard_of(&good.encode());
    assert_eq!(world.witnesses.number(site.id()), 5);
}
