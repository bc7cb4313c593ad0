use super::*;
use link_api::proto::Refusal;
use model::{Command, CommandType, ExecutionMode};
use proptest::prelude::*;
use std::time::Duration;

const TEXTS: [&str; 3] = ["select 1", "select 1\r\n", "update x set y = 1"];
const CATALOGUES: [&str; 3] = ["Patients", "drugs", "Other"];

fn command(text: &str) -> Command {
    let (mode, kind) = (ExecutionMode::Reader, CommandType::Text);
    Command { text: text.into(), mode, kind, parameters: Vec::new(), catalogue: None }
}

prop_compose! {
    fn budgets()(
        queries_per_minute in prop::option::of(1..5_u64), rows_per_day in prop::option::of(1..50_u64),
        bytes_per_day in prop::option::of(1..5_000_u64), at_once in prop::option::of(1..4_u64),
    ) -> Budgets {
        Budgets { queries_per_minute, rows_per_day, bytes_per_day, at_once }
    }
}

prop_compose! {
    fn terms()(
        access in prop_oneof![Just(Access::ReadOnly), Just(Access::ReadWrite)],
        expires in prop::option::of(0..2_000_000_000_000_i64),
        catalogues in prop_oneof![
            Just(Catalogues::All),
            prop::sample::subsequence(&["PATIENTS", "Drugs"][..], 1..=2)
                .prop_map(|names| Catalogues::Only(names.into_iter().map(str::to_owned).collect())),
        ],
        statements in prop_oneof![Just(Statements::Any), Just(Statements::Approved)],
        approved in prop::sample::subsequence(&TEXTS[..], 0..=2),
        fhir in any::<bool>(), hosted in any::<bool>(),
        desktop in prop_oneof![Just(Desktop::Off), Just(Desktop::Approved), Just(Desktop::Any)],
        audit in prop_oneof![Just(Detail::Names), Just(Detail::Values)],
        budgets in budgets(),
    ) -> Terms {
        Terms {
            access, expires: expires.map(Timestamp), catalogues, statements,
            approved: approved.into_iter().map(|text| Approval::of(&command(text))).collect(),
            fhir, desktop, hosted, audit, budgets,
        }
    }
}

prop_compose! {
    fn consent()(
        state in prop_oneof![4 => Just(State::Granted), 1 => Just(State::Suspended), 1 => Just(State::Revoked)],
        terms in terms(), expired in prop::bool::weighted(0.1),
    ) -> Consent {
        Consent { state, terms, expired, changed: None, vendor: None }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
struct Asked {
    catalogue: &'static str,
    text: &'static str,
    origin: Origin,
    hosted: bool,
    now: i64,
}

prop_compose! {
    fn asked()(
        catalogue in prop::sample::select(&CATALOGUES[..]), text in prop::sample::select(&TEXTS[..]),
        origin in prop_oneof![Just(Origin::Server), Just(Origin::Desktop)], hosted in any::<bool>(),
        now in 0..2_000_000_000_000_i64,
    ) -> Asked {
        Asked { catalogue, text, origin, hosted, now }
    }
}

/// Every reason against it, each found by itself; in the order in which they are told.
fn reasons(consent: &Consent, asked: &Asked) -> Vec<Refusal> {
    let terms = &consent.terms;
    let desktop = asked.origin == Origin::Desktop;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, asked.text.as_bytes());
    let approved = terms.approved.iter().any(|approval| approval.0 == hash.as_ref());
    let named = match &terms.catalogues {
        Catalogues::All => true,
        Catalogues::Only(names) => {
            names.iter().any(|name| name.to_lowercase() == asked.catalogue.to_lowercase())
        }
    };
    let over = consent.expired || terms.expires.is_some_and(|at| asked.now >= at.0);
    let all = [
        (consent.state == State::Revoked, Refusal::ConsentRevoked),
        (consent.state == State::Suspended, Refusal::SwitchedOff),
        (over, Refusal::ConsentExpired),
        (asked.hosted && !terms.hosted, Refusal::ConsentHosted),
        (desktop && terms.desktop == Desktop::Off, Refusal::ConsentDesktop),
        (!named, Refusal::ConsentCatalogue),
        (terms.statements == Statements::Approved && !approved, Refusal::ConsentStatement),
        (desktop && terms.desktop == Desktop::Approved && !approved, Refusal::ConsentDesktop),
    ];
    all.into_iter().filter(|(applies, _)| *applies).map(|(_, refusal)| refusal).collect()
}

proptest! {
    /// The rule lets in exactly what nothing speaks against, and tells the first reason otherwise.
    #[test]
    fn random_consents_judge_random_requests_as_the_reference_does(consent in consent(), asked in asked()) {
        let command = command(asked.text);
        let (approval, asked) = (&std::sync::OnceLock::new(), asked);
        let (catalogue, origin, hosted) = (asked.catalogue, asked.origin, asked.hosted);
        let wants = Wants { catalogue, command: &command, approval, origin, hosted };
        let judged = consent.judge(&wants, Timestamp(asked.now));
        prop_assert_eq!(judged.err(), reasons(&consent, &asked).first().copied());
    }

    /// What is shown and exported says all of it: read again, in either form, it is the same whatever was there before.
    #[test]
    fn terms_survive_json_and_toml_whatever_they_are_read_over(terms in terms(), before in terms()) {
        let form = Form::from(&terms);
        let json = serde_json::to_string(&form).unwrap();
        for text in [json, form.to_toml()] {
            let read = Form::parse(&text).unwrap();
            prop_assert_eq!(&before.clone().with(&read).unwrap(), &terms, "{}", text);
        }
    }

    /// A change says what it says and nothing else.
    #[test]
    fn what_a_change_does_not_name_stays_as_it_is(terms in terms(), hosted in any::<bool>()) {
        let change = Form { hosted: Some(hosted), ..Form::default() };
        let expected = Terms { hosted, ..terms.clone() };
        prop_assert_eq!(terms.with(&change).unwrap(), expected);
    }
}

/// One step in the life of a meter.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter(Takes),
    Leave,
    Spend(u64, u64),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop_oneof![Just(Takes::QueryAndPlace), Just(Takes::Query), Just(Takes::Place)].prop_map(Step::Enter),
        2 => Just(Step::Leave),
        3 => (0..4_u64, 1..800_u64).prop_map(|(rows, bytes)| Step::Spend(rows, bytes)),
        2 => prop_oneof![0..30_000_u64, 30_000..70_000_u64, 80_000_000..90_000_000_u64].prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    /// Whatever comes in whatever order: no budget is passed, none is said to be used up that is not, and who comes again when
    /// told to is not turned away for the same reason.
    #[test]
    fn no_budget_is_passed_and_none_is_refused_that_is_not_used_up(budgets in budgets(), steps in steps()) {
        const START: i64 = 1_790_000_000_000;
        let meter = Meter::new(budgets, Used::default());
        let (mut now, mut places) = (START, 0_u64);
        let (mut queries, mut spent): (Vec<i64>, Vec<(i64, u64, u64)>) = (Vec::new(), Vec::new());
        let within = |at: i64, now: i64, span: i64| now - at < span;
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms as i64,
                Step::Leave if places > 0 => {
                    meter.leave();
                    places -= 1;
                }
                Step::Leave => {}
                Step::Enter(takes) => {
                    let lately = queries.iter().filter(|at| within(**at, now, 60_000)).count() as u64;
                    match meter.enter(takes, Timestamp(now)) {
                        Ok(()) => {
                            places += u64::from(takes != Takes::Query);
                            if takes != Takes::Place {
                                queries.push(now);
                            }
                            prop_assert!(budgets.at_once.is_none_or(|most| places <= most || takes == Takes::Query));
                        }
                        Err(spent_up) => match spent_up.refusal {
                            Refusal::BudgetQueries => {
                                prop_assert!(budgets.queries_per_minute.is_some_and(|most| lately >= most));
                                prop_assert!(spent_up.again <= Duration::from_secs(60) && !spent_up.again.is_zero());
                                let later = Timestamp(now).plus(spent_up.again);
                                now = later.0;
                                let again = meter.enter(Takes::Query, later).map_err(|s| s.refusal);
                                prop_assert_ne!(again, Err(Refusal::BudgetQueries));
                                if again.is_ok() {
                                    queries.push(now);
                                }
                            }
                            Refusal::BudgetAtOnce => {
                                prop_assert!(budgets.at_once.is_some_and(|most| places >= most));
                            }
                            Refusal::BudgetRows => {
                                let rows: u64 = spent.iter().filter(|s| within(s.0, now, 86_400_000)).map(|s| s.1).sum();
                                prop_assert!(budgets.rows_per_day.is_some_and(|most| rows >= most));
                            }
                            Refusal::BudgetBytes => {
                                let bytes: u64 = spent.iter().filter(|s| within(s.0, now, 86_400_000)).map(|s| s.2).sum();
                                prop_assert!(budgets.bytes_per_day.is_some_and(|most| bytes >= most));
                            }
                            other => prop_assert!(false, "{:?}", other),
                        },
                    }
                }
                Step::Spend(rows, bytes) => {
                    if meter.spend(rows, bytes, || Timestamp(now)).is_ok() {
                        spent.push((now, rows, bytes));
                    }
                }
            }
            let (used, at_once) = meter.used(Timestamp(now));
            prop_assert_eq!(at_once, places);
            prop_assert!(budgets.rows_per_day.is_none_or(|most| used.rows <= most));
            prop_assert!(budgets.bytes_per_day.is_none_or(|most| used.bytes <= most));
            prop_assert!(budgets.queries_per_minute.is_none_or(|most| used.queries <= most));
        }
        // Seen from outside: in no minute more than two windows' worth, one that ends in it and one that begins.
        if let Some(most) = budgets.queries_per_minute {
            for at in &queries {
                let count = queries.iter().filter(|other| (*at..at + 60_000).contains(*other)).count() as u64;
                prop_assert!(count <= 2 * most);
            }
        }
    }
}

#[test]
fn every_wrong_word_is_named_with_what_may_stand_there() {
    let wrong = [
        r#"{"access":"everything"}"#,
        r#"{"expires":"soon"}"#,
        r#"{"expires":"2027-02-31"}"#,
        r#"{"catalogues":"some"}"#,
        r#"{"catalogues":[]}"#,
        r#"{"catalogues":["\u0007"]}"#,
        r#"{"statements":"none"}"#,
        r#"{"approve":["12"]}"#,
        r#"{"approved":["+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1"]}"#,
        r#"{"desktop":"on"}"#,
        r#"{"audit":"all"}"#,
        r#"{"rows_per_day":0}"#,
        r#"{"at_once":"many"}"#,
    ];
    let before = Terms::of_pairing(Access::ReadOnly);
    for text in wrong {
        let form = Form::parse(text).unwrap();
        let member = text[2..].split('"').next().unwrap();
        let said = before.clone().with(&form).unwrap_err().to_string();
        assert!(said.contains(member) || said.contains("approved") || said.contains("64"), "{text}: {said}");
        assert!(said.contains('`') || said.contains("64 hexadecimal"), "{text}: {said}");
    }
    for text in [r#"{"acess":"read-only"}"#, "rows = 5", "{", r#"{"hosted":"yes"}"#] {
        assert!(Form::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_day_counts_to_its_end() {
    let terms = |expires: &str| {
        let form = Form { expires: Some(expires.to_owned()), ..Form::default() };
        Terms::of_pairing(Access::ReadOnly).with(&form).unwrap().expires
    };
    assert_eq!(terms("2027-01-31"), Timestamp::parse("2027-02-01T00:00:00Z"));
    assert_eq!(terms("2027-01-31T17:00:00+10:00"), Timestamp::parse("2027-01-31T07:00:00Z"));
    assert_eq!(terms("never"), None);
}

/// A statement that differs in a line end is another statement: line ends may stand in a literal.
#[test]
fn approval_is_of_the_text_exactly_as_it_is_sent() {
    assert_ne!(Approval::of(&command(TEXTS[0])), Approval::of(&command(TEXTS[1])));
    let empty = Approval::of(&command(""));
    assert_eq!(format!("{empty:?}"), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn what_was_used_up_before_counts_on_and_a_new_day_begins_anew() {
    let budgets = Budgets { rows_per_day: Some(10), ..Budgets::default() };
    let began = Timestamp(1_790_000_000_000);
    let meter = Meter::new(budgets, Used { day: began, rows: 9, ..Used::default() });
    let later = began.plus(Duration::from_secs(3600));
    meter.enter(Takes::Query, later).unwrap();
    meter.spend(1, 5, || later).unwrap();
    assert_eq!(meter.spend(1, 5, || later), Err(Refusal::BudgetRows));
    let spent = meter.enter(Takes::Query, later).unwrap_err();
    assert_eq!((spent.refusal, spent.again), (Refusal::BudgetRows, Duration::from_secs(23 * 3600)));
    assert_eq!(meter.news().unwrap().rows, 10);
    assert_eq!(meter.news(), None, "nothing has changed since");
    let tomorrow = began.plus(Duration::from_secs(24 * 3600));
    meter.enter(Takes::Query, tomorrow).unwrap();
    assert_eq!(meter.spend(10, 5, || tomorrow), Ok(()));
    meter.allow(Budgets { rows_per_day: Some(5), ..Budgets::default() });
    assert_eq!(meter.spend(1, 5, || tomorrow), Err(Refusal::BudgetRows), "another bound counts at once");
}

#[test]
fn refusals_that_leave_a_line_are_bounded_each_minute() {
    let meter = Meter::new(Budgets::default(), Used::default());
    let now = Timestamp(1_790_000_000_000);
    assert_eq!((0..1_000).filter(|_| meter.may_note(now)).count(), 60);
    assert!(meter.may_note(now.plus(Duration::from_secs(60))));
}
