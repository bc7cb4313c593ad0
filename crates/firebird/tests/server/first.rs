//! Logging in and reading.

use crate::kit::*;
use database::Failure;
use model::Access;

#[test]
fn a_select_of_numbers_and_texts_comes_back_from_both_catalogues() {
    let Some(server) = server() else { return };
    let engine = server.engine();
    let mut session = engine.connect(&login("sysdba", PASSWORD), "patients", Access::ReadOnly).unwrap();
    let (taken, done) = run(
        session.as_mut(),
        &command("select PATIENT_ID, FAMILY_NAME, SEX from PATIENTS order by 1", vec![]),
    )
    .unwrap();
    assert_eq!(
        taken.rows,
        [
            r#"{"PATIENT_ID":1,"FAMILY_NAME":"Müller","SEX":"F"}"#,
            r#"{"PATIENT_ID":2,"FAMILY_NAME":"Quillfeather","SEX":"M"}"#,
            r#"{"PATIENT_ID":3,"FAMILY_NAME":"Ng","SEX":null}"#,
        ]
    );
    assert_eq!(done.rows_affected, None);
    let types: Vec<_> = taken.columns.iter().map(|c| c.type_name.as_str()).collect();
    assert_eq!(types, ["INTEGER", "VARCHAR", "CHAR"]);
    let mut clinical = engine.connect(&login("SYSDBA", PASSWORD), "Clinical", Access::ReadOnly).unwrap();
    assert_eq!(rows(clinical.as_mut(), "select TITLE from DOCUMENTS"), [r#"{"TITLE":"Referral"}"#]);
    clinical.ping().unwrap();
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_alike_with_the_code_of_a_login() {
    let Some(server) = server() else { return };
    for (user, password) in [("SYSDBA", "wrong"), ("STRANGER", PASSWORD)] {
        match server.engine().connect(&login(user, password), "Patients", Access::ReadOnly) {
            Err(Failure::Sql(error)) => {
                assert_eq!(error.number, -902);
                assert!(
                    error.message.reveal().contains("user name or the password"),
                    "{}",
                    error.message.reveal()
                );
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    let unknown = server.engine().connect(&login("SYSDBA", PASSWORD), "Nowhere", Access::ReadOnly);
    assert_eq!(unknown.map(|_| ()), Err(Failure::Catalogue));
}
