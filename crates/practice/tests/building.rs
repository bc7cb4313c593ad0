//! The practice is built the same from the same seed, soon enough to wait for.

use practice::{BuildOptions, PracticeLogin, build};
use std::time::Duration;

fn options(patients: u32, seed: u64) -> BuildOptions {
    BuildOptions {
        patients,
        seed,
        today: database::Date { year: 2026, month: 2, day: 3 },
        logins: vec![PracticeLogin {
            user: "bpsrawdata".into(),
            password: "x".to_owned().into(),
            read_only: false,
        }],
    }
}

#[test]
fn five_thousand_patients_are_built_and_the_progress_only_rises() {
    let folder = tempfile::tempdir().unwrap();
    let clock = model::SystemClock;
    let start = model::Clock::monotonic(&clock);
    let mut last = 0.0;
    build(&folder.path().join("practice.db"), &options(5000, 1), &mut |_, part| {
        assert!(part >= last && part <= 1.0);
        last = part;
    })
    .unwrap();
    let took: Duration = model::Clock::monotonic(&clock) - start;
    println!("built 5,000 patients in {:.1} s", took.as_secs_f64());
    assert_eq!(last, 1.0);
    let size = std::fs::metadata(folder.path().join("practice.db")).unwrap().len();
    println!("{} KiB", size / 1024);
}

#[test]
fn what_stands_there_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("practice.db");
    std::fs::write(&path, "mine").unwrap();
    assert!(build(&path, &options(1, 1), &mut |_, _| {}).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, seed| {
        let path = folder.path().join(name);
        build(&path, &options(200, seed), &mut |_, _| {}).unwrap();
        (std::fs::read(&path).unwrap(), std::fs::read(path.with_extension("drugs")).unwrap())
    };
    let (a, b, c) = (make("a.db", 1), make("b.db", 1), make("c.db", 2));
    assert!(a == b);
    assert!(a.0 != c.0);
}
