//! Many sessions that want the same slot at once.

use super::*;
use std::sync::{Arc, Barrier};

const THREADS: usize = 16;

/// Every thread books each time of the list with the words; gives what all got for each.
fn hammer(demo: &Demo, times: &[i32], words: &str) -> Vec<Vec<i64>> {
    let barrier = Arc::new(Barrier::new(THREADS));
    let mut got = vec![Vec::new(); times.len()];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                scope.spawn(move || {
                    let mut session = demo.session(Access::ReadWrite);
                    let mut ids = Vec::new();
                    for time in times {
                        barrier.wait();
                        let text = words.replace("{time}", &time.to_string());
                        let rows = common::ask(session.as_mut(), &text).unwrap();
                        let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
                        ids.push(rows[0]["id"].as_i64().unwrap());
                    }
                    ids
                })
            })
            .collect();
        for thread in threads {
            for (list, id) in got.iter_mut().zip(thread.join().unwrap()) {
                list.push(id);
            }
        }
    });
    got
}

#[test]
fn exactly_one_of_many_gets_the_slot() {
    let demo = demo(5);
    let times: Vec<i32> = (0..12).map(|i| 32400 + i * 900).collect();
    let alone = "DECLARE @id int EXEC @id = BP_AddAppointment '20300603', {time}, 900, 3, 1 SELECT @id AS id";
    let extended = "DECLARE @id int EXEC @id = BP_AddAppointmentEx '20300604', {time}, 1, 900, 3, 1, '', 10, 1 SELECT @id AS id";
    let within = "DECLARE @id int BEGIN TRAN EXEC @id = BP_AddAppointment '20300605', {time}, 900, 3, 1 COMMIT SELECT @id AS id";
    for words in [alone, extended, within] {
        for ids in hammer(&demo, &times, words) {
            assert_eq!(ids.len(), THREADS);
            assert_eq!(ids.iter().filter(|id| **id > 0).count(), 1, "{words}: {ids:?}");
            assert!(ids.iter().all(|id| *id >= 0), "{ids:?}");
        }
    }
    let mut session = demo.session(Access::ReadOnly);
    let rows = common::ask(
        session.as_mut(),
        "SELECT COUNT(*) AS n, COUNT(DISTINCT APPOINTMENTTIME) AS slots FROM APPOINTMENTS WHERE USERID = 3 AND APPOINTMENTDATE >= '20300603'",
    );
    assert_eq!(rows.unwrap(), "[{\"n\":36,\"slots\":12}]");
}

#[test]
fn patients_added_at_once_get_numbers_of_their_own() {
    let demo = demo(5);
    let add = "DECLARE @id int EXEC @id = BP_AddPatient 0, 'New', '', 'Person{time}', '', '', '', '', '', '', '', '', '20000101', 0, '', '', '', '', '', '', 0, '', NULL, 0, '', '', '', '' SELECT @id AS id";
    let mut ids: Vec<i64> = hammer(&demo, &[1, 2, 3], add).concat();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3 * THREADS);
    // One emergency contact, however many set it.
    let set = "DECLARE @id int EXEC @id = BP_SetEmergencyContact 6, 0, 'Kin{time}', 'K', '', '', '', '', '', '' SELECT @id AS id";
    assert!(hammer(&demo, &[1, 2], set).concat().iter().all(|done| *done == 1));
    let mut session = demo.session(Access::ReadOnly);
    let rows = common::ask(
        session.as_mut(),
        "SELECT COUNT(*) AS n, MIN(RTRIM(SURNAME)) AS s FROM NEXTOFKIN WHERE INTERNALID = 6",
    );
    assert_eq!(rows.unwrap(), "[{\"n\":1,\"s\":\"Kin2\"}]");
}
