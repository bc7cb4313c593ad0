//! Pairing without a code, where the software's published API has none: the two TLS roots are who the two ends are, and the
//! practice's yes at its own server, to that very root, is its consent.

use super::{Agreed, Exchange, Grounds, Refused, State, protocol, refuse, unwritten};
use crate::store::AskedToPair;
use link_api::proto::{self, PairRefusal, pair_reply};
use model::{IntegratorId, Pms};

/// Longest name that is shown to the practice, in characters.
const NAME_CHARS: usize = 100;

impl Exchange {
    pub(super) fn without_code(&mut self, begin: &proto::PairBegin) -> Result<pair_reply::Step, Refused> {
        if !begin.code_name.is_empty() {
            return Err(protocol("The gateway named a code and said that it has none; it needs an update."));
        }
        let site = self.caller.site;
        if self.door.site(site).is_none_or(|site| site.pms() == Pms::BestPractice) {
            let how = "This practice's software pairs with a code only: ask the practice for one.";
            return refuse(PairRefusal::CodeNeeded, how);
        }
        let name = clean(&begin.integrator_name);
        if name.is_empty() {
            return Err(protocol(
                "The gateway said no name of its integrator; it needs one in its configuration.",
            ));
        }
        if name.parse::<IntegratorId>().is_ok() {
            return Err(protocol(
                "The gateway's integrator calls itself by a GUID, which the practice would take for somebody's fingerprint; it needs a \
                 name in its configuration.",
            ));
        }
        // Whoever asks is a stranger still: it leaves no line in the audit each time.
        let approval = self.vouched(&begin.approval, "", false)?;
        let asked = self.door.ask_to_pair(&self.caller.peer, site, &name, approval.as_ref());
        let (reason, how) = match asked.map_err(unwritten)? {
            AskedToPair::Approved { name, access } => {
                let grounds = Grounds::Request(self.caller.peer.root_spki.clone());
                self.state = State::Login(Agreed::new(grounds, name, access, approval));
                return Ok(pair_reply::Step::LoginWanted(proto::LoginWanted {}));
            }
            AskedToPair::New | AskedToPair::Waiting => (
                PairRefusal::Waiting,
                "The practice has been told and has to say yes first, with HaloLinkUtility pairing approve at its server. Compare both \
                 fingerprints with it, then pair again.",
            ),
            AskedToPair::Denied => (
                PairRefusal::Denied,
                "The practice has said no to this integrator. Ask it why; it can change its mind with HaloLinkUtility pairing approve.",
            ),
            AskedToPair::TooMany => (
                PairRefusal::TooManyRequests,
                "As many integrators ask to be let in as this site keeps. The practice should look at HaloLinkUtility pairing list; try \
                 again tomorrow.",
            ),
        };
        refuse(reason, how)
    }
}

/// A name as the practice may be shown it: no control characters, none that turn the direction of text, and not too long.
fn clean(name: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let good = name.chars().filter(|c| !c.is_control() && !turns(*c)).take(NAME_CHARS);
    good.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pairing::{
            Presence,
            tests::{login, *},
            *,
        },
        testkit::{Bench, DAY, FakeEngine, GOOD},
    };
    use link_api::proto::{pair_reply::Step, pair_request};
    use model::Hidden;
    use proptest::prelude::*;
    use trust::{
        Kind, Root,
        approval::{Signer, VendorKey},
    };

    fn bench_of(pms: Pms, keys: &[Vec<u8>]) -> Bench {
        let engine = FakeEngine::default();
        *engine.pms.lock().unwrap() = Some(pms);
        *engine.vendor_keys.lock().unwrap() = keys.to_vec();
        Bench::of(Arc::new(engine), Some("1001"), crate::executor::Limits::default())
    }

    fn bench() -> Bench {
        bench_of(Pms::Zedmed, &[])
    }

    fn caller(bench: &Bench, root: &Root) -> Caller {
        let peer = root.issue("gateway one", 5, model::Clock::now(&*bench.clock), DAY * 30).unwrap();
        Caller {
            peer: Arc::new(peer.peer().clone()),
            site: bench.site,
            exporter: Arc::new(Hidden::new(vec![3; 32])),
        }
    }

    fn begin(environment: &str, name: &str) -> proto::PairRequest {
        say(pair_request::Step::Begin(proto::PairBegin {
            version: VERSION,
            environment: environment.to_owned(),
            integrator_name: name.to_owned(),
            without_code: true,
            ..proto::PairBegin::default()
        }))
    }

    fn exchange(bench: &Bench, caller: Caller, environment: &str) -> Exchange {
        let presence = Presence { environment: environment.to_owned(), root_spki: vec![0; 91] };
        Exchange::new(bench.door().clone(), caller, presence)
    }

    fn asks(bench: &Bench, root: &Root) -> Result<(Exchange, Step), Refused> {
        let mut exchange = exchange(bench, caller(bench, root), "demo");
        let step = exchange.step(begin("demo", NAME))?;
        Ok((exchange, step))
    }

    #[track_caller]
    fn told(bench: &Bench, root: &Root, reason: PairRefusal) {
        refused(asks(bench, root).map(|(_, step)| step), reason);
    }

    fn decide(bench: &Bench, root: &Root, approve: bool, read_only: bool) -> bool {
        let all = bench.door().pairing_requests().unwrap();
        let of = all.iter().find(|request| request.integrator.0 == root.id()).expect("it asked");
        bench.door().decide_pairing(of, approve, read_only, "0:root").unwrap()
    }

    #[test]
    fn whom_the_practice_approved_pairs_once_and_asks_again_for_the_next_time() {
        let bench = bench();
        let root = &bench.integrator;
        told(&bench, root, PairRefusal::Waiting);
        told(&bench, root, PairRefusal::Waiting);
        let asked = bench.door().pairing_requests().unwrap();
        assert_eq!((asked.len(), asked[0].name.as_str(), asked[0].state.name()), (1, NAME, "waiting"));
        assert_eq!(
            bench.audit().iter().filter(|row| row.what == "pairing-asked").count(),
            1,
            "once, however often"
        );
        assert!(decide(&bench, root, true, true));
        let line = bench.audit().pop().unwrap();
        assert_eq!(
            (line.what.as_str(), line.by.as_deref(), line.access.as_deref()),
            ("pairing-approved", Some("0:root"), Some("read-only"))
        );

        let (mut exchange, step) = asks(&bench, root).unwrap();
        assert_eq!(step, Step::LoginWanted(proto::LoginWanted {}));
        let (mut second, _) = asks(&bench, root).unwrap();
        refused(exchange.step(login("wrong")), PairRefusal::LoginFailed);
        let (mut exchange, _) = asks(&bench, root).unwrap();
        let Step::Done(done) = exchange.step(login(GOOD.1)).unwrap() else { panic!("not done") };
        assert!(done.read_only, "as the practice said");
        assert!(bench.door().check(&bench.peer(), bench.site).is_ok());
        refused(second.step(login(GOOD.1)), PairRefusal::Waiting);
        told(&bench, root, PairRefusal::Waiting);
    }

    #[test]
    fn a_yes_is_for_that_root_and_not_for_its_name() {
        let bench = bench();
        told(&bench, &bench.integrator, PairRefusal::Waiting);
        decide(&bench, &bench.integrator, true, false);
        let other = Root::generate(Kind::Integrator).unwrap();
        told(&bench, &other, PairRefusal::Waiting);
        assert_eq!(bench.door().pairing_requests().unwrap().len(), 2);
    }

    #[test]
    fn a_yes_is_good_for_seven_days_and_a_clock_set_back_does_not_mend_it() {
        let bench = bench();
        told(&bench, &bench.integrator, PairRefusal::Waiting);
        decide(&bench, &bench.integrator, true, false);
        let (mut late, _) = asks(&bench, &bench.integrator).unwrap();
        // The door's own time may be some moments ahead of a clock that stands still.
        bench.clock.advance(DAY * 7 + std::time::Duration::from_secs(60));
        assert!(bench.door().pairing_requests().unwrap().is_empty());
        refused(late.step(login(GOOD.1)), PairRefusal::Waiting);
        bench.clock.set_back(DAY * 7);
        told(&bench, &bench.integrator, PairRefusal::Waiting);
    }

    #[test]
    fn a_yes_that_was_not_used_ends_with_the_consent_and_with_a_pairing_by_code() {
        let ends: [fn(&Door, SiteId, IntegratorId); 3] = [
            |door, site, of| door.suspend(site, of, false, "0:root").unwrap(),
            |door, site, of| door.revoke(site, of, "0:root").unwrap(),
            |door, site, of| door.unpair(site, of, Some("0:root")).unwrap(),
        ];
        for end in ends {
            let bench = bench();
            let (root, of) = (&bench.integrator, IntegratorId(bench.integrator.id()));
            bench.pair(Access::ReadWrite);
            told(&bench, root, PairRefusal::Waiting);
            decide(&bench, root, true, false);
            let (mut begun, _) = asks(&bench, root).unwrap();
            end(bench.door(), bench.site, of);
            refused(begun.step(login(GOOD.1)), PairRefusal::Waiting);
            told(&bench, root, PairRefusal::Waiting);
            assert!(bench.door().check(&bench.peer(), bench.site).is_err());
        }
        let bench = bench();
        told(&bench, &bench.integrator, PairRefusal::Waiting);
        decide(&bench, &bench.integrator, true, false);
        bench.pair(Access::ReadWrite);
        told(&bench, &bench.integrator, PairRefusal::Waiting);
        // A no is no consent: it outlives one.
        decide(&bench, &bench.integrator, false, false);
        bench.door().revoke(bench.site, IntegratorId(bench.integrator.id()), "0:root").unwrap();
        told(&bench, &bench.integrator, PairRefusal::Denied);
    }

    #[test]
    fn nobody_calls_itself_by_a_fingerprint() {
        let bench = bench();
        let guid = Root::generate(Kind::Integrator).unwrap().id();
        for name in
            [guid.to_string(), format!(" {{{guid}}} \u{202e}"), guid.simple().to_string().to_uppercase()]
        {
            let mut exchange = exchange(&bench, bench.caller(), "demo");
            refused(exchange.step(begin("demo", &name)), PairRefusal::Protocol);
        }
        assert!(bench.door().pairing_requests().unwrap().is_empty());
    }

    #[test]
    fn a_no_is_told_and_can_be_taken_back() {
        let bench = bench();
        told(&bench, &bench.integrator, PairRefusal::Waiting);
        decide(&bench, &bench.integrator, false, false);
        told(&bench, &bench.integrator, PairRefusal::Denied);
        assert_eq!(bench.audit().pop().unwrap().what, "pairing-denied");
        assert!(decide(&bench, &bench.integrator, true, false));
        assert!(asks(&bench, &bench.integrator).is_ok());
        // And a yes, as long as it is not used.
        assert!(decide(&bench, &bench.integrator, false, false));
        told(&bench, &bench.integrator, PairRefusal::Denied);
    }

    #[test]
    fn a_crowd_does_not_fill_the_practices_list_and_who_waits_goes_on_waiting() {
        let bench = bench();
        let crowd: Vec<Root> = (0..21).map(|_| Root::generate(Kind::Integrator).unwrap()).collect();
        for root in &crowd[..20] {
            told(&bench, root, PairRefusal::Waiting);
        }
        told(&bench, &crowd[20], PairRefusal::TooManyRequests);
        told(&bench, &crowd[3], PairRefusal::Waiting);
        // Clearing the list makes no room for the next crowd on the same day.
        for root in &crowd[..20] {
            decide(&bench, root, false, false);
        }
        told(&bench, &crowd[20], PairRefusal::TooManyRequests);
        bench.clock.advance(DAY + std::time::Duration::from_secs(1));
        told(&bench, &crowd[20], PairRefusal::Waiting);
    }

    #[test]
    fn best_practice_pairs_with_a_code_only_and_a_switched_off_site_with_nobody() {
        let bench = Bench::new();
        told(&bench, &bench.integrator, PairRefusal::CodeNeeded);
        let bench = self::bench();
        bench.door().switch_site_by(bench.site, false, None).unwrap();
        assert!(
            asks(&bench, &bench.integrator).is_err() && bench.door().pairing_requests().unwrap().is_empty()
        );
    }

    #[test]
    fn in_production_a_stranger_without_the_vendors_word_is_not_even_put_before_the_practice() {
        let vendor = VendorKey::generate().unwrap();
        let bench = bench_of(Pms::Zedmed, &[vendor.spki().to_vec()]);
        let lines = bench.audit().len();
        let mut exchange = exchange(&bench, bench.caller(), "production");
        refused(exchange.step(begin("production", NAME)), PairRefusal::NotApproved);
        assert!(bench.door().pairing_requests().unwrap().is_empty());
        assert_eq!(bench.audit().len(), lines, "and fills no log");
    }

    #[test]
    fn steps_that_do_not_belong_here_are_refused() {
        let bench = bench();
        told(&bench, &bench.integrator, PairRefusal::Waiting);
        decide(&bench, &bench.integrator, true, false);
        let (mut exchange, _) = asks(&bench, &bench.integrator).unwrap();
        refused(exchange.step(proof(vec![0; 32])), PairRefusal::Protocol);
        let both = proto::PairBegin {
            version: VERSION,
            environment: "demo".to_owned(),
            code_name: "AB01".to_owned(),
            integrator_name: NAME.to_owned(),
            without_code: true,
            ..proto::PairBegin::default()
        };
        let mut exchange = self::exchange(&bench, bench.caller(), "demo");
        refused(exchange.step(say(pair_request::Step::Begin(both))), PairRefusal::Protocol);
        let mut exchange = self::exchange(&bench, bench.caller(), "demo");
        refused(exchange.step(begin("demo", " \u{202e} ")), PairRefusal::Protocol);
    }

    proptest! {
        #[test]
        fn a_name_can_neither_end_a_line_nor_turn_it_round(name in "\\PC{0,200}|(.|\n|\u{202e}){0,50}") {
            let shown = clean(&name);
            prop_assert!(shown.chars().count() <= NAME_CHARS);
            let turns = |c: char| c.is_control() || c == '\u{202e}';
            prop_assert!(!shown.chars().any(turns));
            prop_assert_eq!(clean(&shown), shown.clone());
        }
    }
}
