//! Two state machines, a simulated network between them, thousands of seeds, no real time.
//!
//! Each seed draws a script of troubles (loss, delay, cut, half-open either way, clock jumps, relay restarts, drains)
//! and checks the promises at every step. A failure prints its seed; `HALO_SEED=n` runs that one alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod world;

use std::time::Duration;
use world::{Trouble, World};

const SECOND: Duration = Duration::from_secs(1);

/// Runs `check` for one seed of `HALO_SEED`, or for `count` of them, and prints the seed of a failure.
fn seeds(count: u64, check: impl Fn(u64)) {
    struct Printer(u64);
    impl Drop for Printer {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("failing seed: HALO_SEED={}", self.0);
            }
        }
    }
    let chosen = std::env::var("HALO_SEED").ok().map(|s| s.parse().expect("HALO_SEED is a number"));
    for seed in chosen.map_or(0..count, |seed: u64| seed..seed + 1) {
        let _printer = Printer(seed);
        check(seed);
    }
}

#[test]
fn after_any_troubles_both_ends_find_each_other_again() {
    seeds(4000, |seed| {
        let mut world = World::new(seed);
        world.run_troubles(12);
        world.heal();
        // The longest way back: 55 s to notice a half-open connection, then a full backoff of 60 s and one of those
        // attempts that was already under way when the network healed (15 s to give up), then its own wait.
        // Whoever was refused waits up to ten minutes before it asks again.
        let within = if world.was_refused { 850 * SECOND } else { 250 * SECOND };
        assert!(world.run_until_online(within), "not online {within:?} after the network healed: {world:?}");
        // What was late when the network healed may still break something; after that it stays that way.
        world.run(60 * SECOND);
        assert!(world.run_until_online(130 * SECOND), "lost again for too long: {world:?}");
        let dials = world.dials;
        world.run(200 * SECOND);
        assert!(world.both_online(), "fell apart without a reason: {world:?}");
        assert_eq!(world.dials, dials, "reconnected without a reason");
        assert_eq!(world.connections_at_relay(), 1, "the relay believes in ghosts: {world:?}");
    });
}

#[test]
fn a_half_open_connection_is_noticed_within_a_minute_at_both_ends() {
    seeds(3000, |seed| {
        for trouble in [Trouble::DeafRelay, Trouble::DeafClient, Trouble::Silence] {
            let mut world = World::new(seed);
            assert!(world.run_until_online(60 * SECOND));
            world.run(world.draw(0, 120));
            let connection = world.connection();
            world.make(trouble);
            world.run(60 * SECOND);
            assert!(
                !world.dialer_holds(connection),
                "{trouble:?}: the client still believes in it: {world:?}"
            );
            assert!(
                !world.acceptor_holds(connection),
                "{trouble:?}: the relay still believes in it: {world:?}"
            );
        }
    });
}

#[test]
fn a_quiet_healthy_connection_costs_few_pings_and_never_falls() {
    seeds(500, |seed| {
        let mut world = World::new(seed);
        assert!(world.run_until_online(60 * SECOND));
        let (pings, dials) = (world.pings, world.dials);
        world.run(3600 * SECOND);
        let sent = world.pings - pings;
        // One side asks, the other hears and need not: about one ping in 20 to 25 s for both together.
        assert!((130..=200).contains(&sent), "{sent} pings in an hour");
        assert_eq!(world.dials, dials);
    });
}

#[test]
fn a_suspended_machine_keeps_a_connection_that_survived_and_drops_one_that_did_not() {
    seeds(1000, |seed| {
        for survives in [true, false] {
            let mut world = World::new(seed);
            assert!(world.run_until_online(60 * SECOND));
            world.run(world.draw(0, 60));
            let connection = world.connection();
            if !survives {
                world.make(Trouble::Silence);
                // What was on the way still arrives.
                world.run(2 * SECOND);
            }
            // The client's clock leaps while the relay's does not: as if only moments had passed outside.
            world.make(Trouble::Jump);
            world.run(30 * SECOND);
            assert_eq!(world.dialer_holds(connection), survives, "survives: {survives}; {world:?}");
        }
    });
}

#[test]
fn a_drain_brings_the_client_back_at_once_and_a_restart_within_the_backoff() {
    seeds(1000, |seed| {
        let mut world = World::new(seed);
        assert!(world.run_until_online(60 * SECOND));
        world.run(90 * SECOND);
        world.make(Trouble::Drain);
        assert!(world.run_until_online(3 * SECOND), "a drained client took its time: {world:?}");
        world.run(90 * SECOND);
        world.make(Trouble::Restart);
        assert!(world.run_until_online(20 * SECOND), "not back after a restart: {world:?}");
    });
}

#[test]
fn refusals_make_a_client_patient_and_it_comes_back_when_it_is_let_in() {
    seeds(500, |seed| {
        let mut world = World::new(seed);
        world.make(Trouble::Refuse);
        world.run(3600 * SECOND);
        assert!(world.dials <= 14, "{} attempts in an hour of refusals", world.dials);
        assert!(world.dials >= 5, "gave up asking: {} attempts", world.dials);
        world.heal();
        assert!(world.run_until_online(660 * SECOND));
    });
}

#[test]
fn a_closed_dialer_is_closed_for_good_and_the_relay_learns_of_it() {
    seeds(1000, |seed| {
        let mut world = World::new(seed);
        world.run_troubles(4);
        world.heal();
        world.run(world.draw(0, 20));
        world.close();
        let dials = world.dials;
        world.run(120 * SECOND);
        assert_eq!(world.dials, dials, "dialled after it was closed");
        assert_eq!(world.connections_at_relay(), 0, "the relay still believes in it: {world:?}");
    });
}
