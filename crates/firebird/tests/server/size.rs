//! Much of it: many rows, one large value, many logins.

use crate::kit::*;
use database::{Column, Part, Sink, Stopped, Terms, Value, Wanted};
use model::{Access, ParameterType as P};

/// Counts, and keeps nothing.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) rows: usize,
    bytes: usize,
    sum: i64,
}

impl Sink for Count {
    fn columns(&mut self, _: &[Column]) -> Result<Wanted, Stopped> {
        Ok(Wanted::Rows)
    }
    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        self.rows += 1;
        if let Some(Value::Int(n)) = values.first() {
            self.sum += n;
        }
        Ok(Wanted::Rows)
    }
    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        match part {
            Part::Text(text) => self.bytes += text.len(),
            Part::Binary(bytes) => self.bytes += bytes.len(),
            Part::EndOfRow => self.rows += 1,
            _ => {}
        }
        Ok(Wanted::Rows)
    }
}

/// Most memory that this process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_value_of_64_mb_streams_in_far_less_memory() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let fill = "update PATIENTS set NOTES = (select first 1 l from (select list(rpad('', 8000, 'abcdefgh'), '') as l \
        from (select first 8400 1 as n from RDB$FIELDS a, RDB$FIELDS b) d)) where PATIENT_ID = 3";
    run(session.as_mut(), &command(fill, vec![])).unwrap();
    let before = peak();
    let mut count = Count::default();
    let text = "select PATIENT_ID, NOTES from PATIENTS where PATIENT_ID = 3";
    session.run(&command(text, vec![]), &Terms::default(), &mut count).unwrap();
    assert_eq!((count.rows, count.bytes), (1, 8400 * 8000));
    assert!(peak() - before < 8 << 20, "{} bytes more", peak() - before);
}

#[test]
fn two_hundred_thousand_rows_come_in_order_and_memory_stays_small() {
    let Some(server) = server() else { return };
    let mut session = server.session("SYSDBA", Access::ReadOnly);
    let text = "execute block (most integer = @most) returns (n integer, name varchar(60), fee numeric(18,4)) as \
        begin n = 0; name = 'Quillfeather'; while (n < most) do begin n = n + 1; fee = n / 7.0; suspend; end end";
    let before = peak();
    let mut count = Count::default();
    let given = vec![parameter("@most", P::Int, "200000")];
    session.run(&command(text, given), &Terms::default(), &mut count).unwrap();
    assert_eq!((count.rows, count.sum), (200_000, 200_000 * 200_001 / 2));
    assert!(peak() - before < 8 << 20, "{} bytes more", peak() - before);
}

#[test]
fn many_logins_succeed_whatever_the_random_numbers_are() {
    // One in 256 of each number of a login begins with a zero byte, which Firebird leaves out when it hashes.
    let Some(server) = server() else { return };
    let engine = server.engine();
    for _ in 0..150 {
        let session = engine.connect(&login("reader", PASSWORD), "Patients", Access::ReadOnly);
        session.unwrap().ping().unwrap();
    }
    // SHA-1 of this name begins with a zero byte.
    let name = zero_name();
    let make = format!("create user {name} password '{PASSWORD}' using plugin Srp");
    run(server.owner().as_mut(), &command(&make, vec![])).unwrap();
    engine.connect(&login(&name, PASSWORD), "Patients", Access::ReadOnly).unwrap().ping().unwrap();
}

fn zero_name() -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    let mut names = (0..10_000).map(|i| format!("USER{i}"));
    names.find(|name| digest(&SHA1_FOR_LEGACY_USE_ONLY, name.as_bytes()).as_ref()[0] == 0).unwrap()
}

#[test]
fn half_a_million_bytes_of_text_go_in_and_come_back() {
    let Some(server) = server() else { return };
    let mut session = server.owner();
    let text = "αβγ ".repeat(70_000);
    let given = vec![parameter("@b", P::NVarChar, &text)];
    let mut clinical =
        server.engine().connect(&login("sysdba", PASSWORD), "clinical", Access::ReadWrite).unwrap();
    run(clinical.as_mut(), &command("update DOCUMENTS set BODY = @b", given)).unwrap();
    assert_eq!(rows(clinical.as_mut(), "select char_length(BODY) as N from DOCUMENTS"), [r#"{"N":280000}"#]);
    let back = rows(clinical.as_mut(), "select BODY from DOCUMENTS");
    assert_eq!(back[0], format!(r#"{{"BODY":"{text}"}}"#));
    session.ping().unwrap();
}
