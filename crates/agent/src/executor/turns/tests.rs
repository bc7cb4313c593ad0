//! Fairness by simulation: virtual time, seeds that are named when something fails.

use super::*;
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{cmp::Reverse, collections::BinaryHeap};
use uuid::Uuid;

fn who(number: usize) -> IntegratorId {
    IntegratorId(Uuid::from_u128(number as u128 + 1))
}

const ROOM: Room = Room { most: 8, bulk: 2, waiting_each: 256, waiting: 4_096 };
const MS: u64 = 1_000;

/// A command: whose, when it came, how long it takes in the database. µs.
#[derive(Clone, Copy, Debug)]
struct Command {
    class: Class,
    who: usize,
    came: u64,
    takes: u64,
}

/// What became of a command: how long it waited, µs; `None`: refused.
type Told = (Command, Option<u64>);

/// Runs commands (sorted by when they come) against the real turns in virtual time.
fn run(room: Room, commands: &[Command]) -> Vec<Told> {
    let mut turns = Turns::new(room);
    let (mut told, mut ends) = (Vec::new(), BinaryHeap::<Reverse<(u64, usize)>>::new());
    let mut slots = HashMap::new();
    let mut coming = commands.iter().enumerate().peekable();
    loop {
        let next_end = ends.peek().map(|Reverse((at, _))| *at);
        let next_come = coming.peek().map(|(_, command)| command.came);
        let now = match (next_end, next_come) {
            (None, None) => return told,
            (Some(end), Some(come)) => end.min(come),
            (end, come) => end.or(come).unwrap(),
        };
        let at = Duration::from_micros(now);
        if next_end == Some(now) {
            let Reverse((_, number)) = ends.pop().unwrap();
            turns.done(slots.remove(&number).unwrap(), at);
        } else {
            let (number, command) = coming.next().unwrap();
            if !turns.join(command.class, who(command.who), number, at, |_| false) {
                told.push((*command, None));
            }
        }
        while let Some((number, slot)) = turns.next(at) {
            let command = commands[number];
            told.push((command, Some(now - command.came)));
            slots.insert(number, slot);
            ends.push(Reverse((now + command.takes, number)));
            let (_, running, most) = turns.load();
            assert!(running <= most + 1, "{running} of {most} run");
        }
    }
}

/// Nineteen integrators that ask now and then, over twenty seconds.
fn quiet(rng: &mut StdRng) -> Vec<Command> {
    let mut commands = Vec::new();
    for integrator in 1..20 {
        for _ in 0..200 {
            let (came, takes) = (rng.random_range(0..20_000 * MS), rng.random_range(MS..5 * MS));
            commands.push(Command { class: Class::Immediate, who: integrator, came, takes });
        }
    }
    commands
}

fn p99(told: &[Told], of: impl Fn(&Command) -> bool) -> u64 {
    let mut waits: Vec<u64> = told
        .iter()
        .filter(|(command, _)| of(command))
        .map(|(command, waited)| waited.expect("not refused") + command.takes)
        .collect();
    waits.sort_unstable();
    waits[waits.len() * 99 / 100]
}

#[test]
fn one_that_floods_takes_little_from_the_others() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut commands = quiet(&mut rng);
        commands.sort_by_key(|command| command.came);
        let alone = p99(&run(ROOM, &commands), |command| command.who != 0);
        for _ in 0..40_000 {
            let came = rng.random_range(0..20_000 * MS);
            commands.push(Command { class: Class::Immediate, who: 0, came, takes: 20 * MS });
        }
        commands.sort_by_key(|command| command.came);
        let told = run(ROOM, &commands);
        let flooded = p99(&told, |command| command.who != 0);
        assert!(flooded * 2 <= alone * 3, "seed {seed}: {alone} µs alone, {flooded} µs beside the flood");
        let refused = told.iter().filter(|(_, waited)| waited.is_none()).count();
        assert!(refused > 0, "seed {seed}: the flood was no flood");
    }
}

#[test]
fn bulk_work_takes_little_from_immediate_work_and_gets_on_itself() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut commands = quiet(&mut rng);
        commands.sort_by_key(|command| command.came);
        let immediate = |command: &Command| command.class == Class::Immediate;
        let alone = p99(&run(ROOM, &commands), immediate);
        for number in 0..40 {
            // Extracts of two seconds each, of four integrators.
            commands.push(Command { class: Class::Bulk, who: number % 4, came: 0, takes: 2_000 * MS });
        }
        commands.sort_by_key(|command| command.came);
        let told = run(ROOM, &commands);
        assert!(p99(&told, immediate) * 2 <= alone * 3, "seed {seed}");
        assert_eq!(told.len(), commands.len(), "seed {seed}: all had their turn");
    }
}

#[test]
fn bulk_work_is_not_starved_by_immediate_work_without_end() {
    let mut commands: Vec<Command> = (0..60_000)
        .map(|number| Command {
            class: Class::Immediate,
            who: number % 7,
            came: number as u64 * MS / 3,
            takes: 4 * MS,
        })
        .collect();
    commands.push(Command { class: Class::Bulk, who: 1, came: 1, takes: 100 * MS });
    commands.sort_by_key(|command| command.came);
    let told = run(ROOM, &commands);
    let (_, waited) = told.iter().find(|(command, _)| command.class == Class::Bulk).unwrap();
    assert!(waited.unwrap() <= 2_100 * MS, "{waited:?}");
}

#[test]
fn integrators_of_slow_commands_and_of_quick_ones_have_the_same_time() {
    let mut commands = Vec::new();
    for number in 0..800 {
        let takes = if number % 2 == 0 { 100 * MS } else { 10 * MS };
        commands.push(Command { class: Class::Immediate, who: number % 4, came: 0, takes });
    }
    let told = run(Room { most: 2, ..ROOM }, &commands);
    // While all want something: until a quick one's last command came to its turn.
    let mut left = [200; 4];
    let all = told.iter().take_while(|(command, _)| {
        left[command.who] -= 1;
        left[1] > 0 && left[3] > 0
    });
    let mut time = [0_u64; 4];
    all.for_each(|(command, _)| time[command.who] += command.takes);
    let (least, most) = (time.iter().min().unwrap(), time.iter().max().unwrap());
    assert!(most - least <= 300 * MS, "{time:?} µs");
}

#[test]
fn immediate_work_goes_before_bulk_work_that_came_earlier() {
    let room = Room { most: 2, ..ROOM };
    let command = |class, came, takes| Command { class, who: 0, came, takes };
    let told = run(
        room,
        &[
            command(Class::Immediate, 0, 100 * MS),
            command(Class::Bulk, 1, 300 * MS),
            command(Class::Bulk, 2, 300 * MS),
            command(Class::Immediate, 3, 10 * MS),
            command(Class::Immediate, 4, 10 * MS),
        ],
    );
    let order: Vec<u64> = told.iter().map(|(command, _)| command.came).collect();
    assert_eq!(order, [0, 1, 3, 4, 2]);
}

#[test]
fn a_single_place_serves_immediate_work_even_while_an_extract_holds_it() {
    let room = Room { most: 1, ..ROOM };
    let extract = Command { class: Class::Bulk, who: 0, came: 0, takes: 300_000 * MS };
    let prompt = Command { class: Class::Immediate, who: 1, came: 10, takes: MS };
    let told = run(room, &[extract, prompt]);
    assert_eq!(told[1].1, Some(0), "{told:?}");
}

#[test]
fn who_gave_up_waiting_makes_room() {
    let mut turns = Turns::new(Room { most: 1, bulk: 1, waiting_each: 2, waiting: 8 });
    let now = Duration::ZERO;
    let mut join = |ticket: usize, gone: bool| turns.join(Class::Immediate, who(0), ticket, now, |_| gone);
    assert!(join(0, false) && join(1, false));
    assert!(!join(2, false), "one integrator fills its own part alone");
    assert!(join(3, true));
    assert_eq!(turns.load(), (1, 0, 1));
    let (ticket, slot) = turns.next(now).unwrap();
    assert_eq!(ticket, 3);
    turns.undo(slot);
    assert_eq!(turns.load(), (0, 0, 1));
}

proptest! {
    /// Whatever comes: everything has its turn, no place stays empty while somebody may have it, and no more run than may.
    #[test]
    fn nothing_is_lost_and_no_place_is_wasted(
        most in 1_usize..9,
        what in prop::collection::vec((any::<bool>(), 0_usize..5, 0_u64..200_000, 1_u64..50_000), 1..200),
    ) {
        let mut commands: Vec<Command> = what
            .into_iter()
            .map(|(bulk, who, came, takes)| {
                Command { class: if bulk { Class::Bulk } else { Class::Immediate }, who, came, takes }
            })
            .collect();
        commands.sort_by_key(|command| command.came);
        let told = run(Room { most, ..ROOM }, &commands);
        prop_assert_eq!(told.len(), commands.len());
        let work: u64 = commands.iter().map(|command| command.takes).sum();
        let end = told.iter().map(|(c, waited)| c.came + waited.unwrap() + c.takes).max().unwrap();
        // One after the other is the slowest that is right.
        prop_assert!(end <= 200_000 + work);
    }
}

/// A thousand integrators that ask now and then cost those that ask all the time nothing: a turn is given among those that are here.
#[test]
fn whoever_was_here_long_ago_is_not_remembered() {
    let mut turns = Turns::new(ROOM);
    for number in 0..10_000 {
        let now = Duration::from_secs(number as u64);
        assert!(turns.join(Class::Immediate, who(number), (), now, |()| false));
        let (_, slot) = turns.next(now).unwrap();
        turns.done(slot, now + Duration::from_millis(1));
    }
    // Sixty came within the last minute.
    let remembered = turns.lanes[0].of.len();
    assert!(remembered <= 130, "{remembered}");
}
