//! Finding, adding and changing patients; emergency contacts, messages, investigations.

use super::*;
use common::{ask, number};

/// The 28 parameters that every caller gives.
const FIRST: &[Given<'static>] = &[
    ("@titlecode", Int, Some("3")),
    ("@firstname", VarChar, Some("Anne-Marie")),
    ("@middlename", VarChar, Some("")),
    ("@surname", VarChar, Some("O'Newpatient")),
    ("@preferredname", VarChar, Some("Annie")),
    ("@address1", VarChar, Some("1 Test St")),
    ("@address2", VarChar, Some("")),
    ("@city", VarChar, Some("Nundah")),
    ("@postcode", VarChar, Some("4012")),
    ("@postaladdress", VarChar, Some("PO Box 1")),
    ("@postalcity", VarChar, Some("Nundah")),
    ("@postalpostcode", VarChar, Some("4012")),
    ("@dob", Date, Some("1980-02-29")),
    ("@sexcode", Int, Some("1")),
    ("@homephone", VarChar, Some("07 7010 1234")),
    ("@workphone", VarChar, Some("")),
    ("@mobilephone", VarChar, Some("0491 570 006")),
    ("@medicareno", VarChar, Some("9123456701")),
    ("@medicarelineno", VarChar, Some("1")),
    ("@medicareexpiry", VarChar, Some("05/2028")),
    ("@pensioncode", Int, Some("0")),
    ("@pensionno", VarChar, Some("")),
    ("@pensionexpiry", Date, None),
    ("@dvacode", Int, Some("0")),
    ("@dvano", VarChar, Some("")),
    ("@recordno", VarChar, Some("")),
    ("@externalid", VarChar, Some("X-1")),
    ("@email", VarChar, Some("annie@example.com")),
];

fn count(session: &mut dyn Session, text: &str) -> String {
    ask(session, text).unwrap()
}

#[test]
fn a_patient_is_added_with_28_or_34_and_found_again() {
    let demo = demo(30);
    let mut session = demo.session(Access::ReadWrite);
    let s = session.as_mut();
    let (rows, id, affected) = call(s, "BP_AddPatient", FIRST).unwrap();
    assert_eq!((rows.as_str(), id, affected), ("[]", 31, Some(1)));
    assert_eq!(
        count(
            s,
            "SELECT FIRSTNAME, LEN(SURNAME) AS l, DATALENGTH(SURNAME) AS d, RECORDNO, HEADOFFAMILYID AS h, DOB, PENSIONEXPIRY AS pe, PATIENTSTATUS AS ps, RECORDSTATUS AS rs, CREATED, GENDERCODE AS g, NEXTOFKINID AS k FROM PATIENTS WHERE INTERNALID = 31"
        ),
        format!(
            "[{{\"FIRSTNAME\":\"{:<50}\",\"l\":12,\"d\":40,\"RECORDNO\":\"31        \",\"h\":31,\"DOB\":\"1980-02-29T00:00:00\",\"pe\":null,\"ps\":1,\"rs\":1,\"CREATED\":\"2026-02-03T12:00:00\",\"g\":0,\"k\":0}}]",
            "Anne-Marie"
        )
    );
    assert_eq!(
        count(s, "SELECT RTRIM(Title) AS t, Sex, StatusText AS st FROM BPS_Patients WHERE InternalID = 31"),
        "[{\"t\":\"Ms\",\"Sex\":\"Female\",\"st\":\"Active\"}]"
    );
    assert_eq!(count(s, "SELECT KNOWNALLERGIES AS k FROM CLINICAL WHERE INTERNALID = 31"), "[{\"k\":0}]");
    // By place, as one caller does, with the tail; another record number and a family.
    let words = "DECLARE @r int EXEC @r = BPSPATIENTS.dbo.BP_AddPatient 0, 'Child', NULL, 'O''Newpatient', NULL, '1 Test St', NULL, 'Nundah', '4012', NULL, NULL, NULL, '20200101', 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '20301231', NULL, NULL, 'FILE-7', NULL, NULL, 31, 4, 1, 0, 2, 2 SELECT @r AS r";
    assert_eq!(count(s, words), "[{\"r\":32}]");
    assert_eq!(
        count(
            s,
            "SELECT RTRIM(RECORDNO) AS r, HEADOFFAMILYID AS h, ETHNICCODE AS e, CONSENTSMSREMINDER AS c, GENDERCODE AS g, PRONOUNCODE AS p, ADDRESS2 AS a, PENSIONEXPIRY AS pe FROM PATIENTS WHERE INTERNALID = 32"
        ),
        format!(
            "[{{\"r\":\"FILE-7\",\"h\":31,\"e\":4,\"c\":1,\"g\":2,\"p\":2,\"a\":\"{:<40}\",\"pe\":\"2030-12-31T00:00:00\"}}]",
            ""
        )
    );
    // Nothing is found twice that is there once; case and spaces at the ends are no matter.
    for (surname, first, dob, found) in [
        ("O'Newpatient", "Anne-Marie", "1980-02-29", "[{\"InternalID\":31}]"),
        ("o'newpatient  ", " ANNE-MARIE", "1980-02-29", "[{\"InternalID\":31}]"),
        ("O'Newpatient", "Anne", "1980-02-29", "[]"),
        ("O'Newpatient", "Anne-Marie", "1980-02-28", "[]"),
    ] {
        let given = [
            ("@surname", VarChar, Some(surname)),
            ("@firstname", VarChar, Some(first)),
            ("@dob", Date, Some(dob)),
        ];
        assert_eq!(call(s, "BP_GetPatientByNameDOB", &given).unwrap().0, found, "{surname} {first}");
    }
    for (part, found) in [("O'New", 1), ("o'newpatient", 1), ("Newpatient", 0), ("O'New%", 0), ("", 1)] {
        let given = [("@surname", VarChar, Some(part)), ("@dob", DateTime, Some("2020-01-01T00:00:00"))];
        let rows = call(s, "BP_GetPatientByPartSurnameDOB", &given).unwrap().0;
        let wanted = format!("{{\"InternalID\":32,\"Firstname\":\"{:<50}\"}}", "Child");
        assert_eq!(rows.contains(&wanted), found == 1, "{part}: {rows}");
    }
    let seen = call(s, "BP_GetPatientByInternalID", &[("@patientid", Int, Some("31"))]).unwrap().0;
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen[0].as_object().unwrap().len(), 16);
    assert_eq!(seen[0]["MedicareExpiry"], "05/2028   ");
    // The same again is another patient: nobody is refused as double.
    assert_eq!(call(s, "BP_AddPatient", FIRST).unwrap().1, 33);
}

#[test]
fn adding_needs_all_28_and_a_name() {
    let demo = demo(5);
    let mut session = demo.session(Access::ReadWrite);
    let s = session.as_mut();
    assert_eq!(number(&call(s, "BP_AddPatient", &FIRST[..27]).unwrap_err()), 201);
    let mut nameless = FIRST.to_vec();
    nameless[1].2 = Some("");
    nameless[3].2 = None;
    assert_eq!(number(&call(s, "BP_AddPatient", &nameless).unwrap_err()), 50000);
    let mut early = FIRST.to_vec();
    early[12].2 = Some("1700-01-01");
    assert_eq!(number(&call(s, "BP_AddPatient", &early).unwrap_err()), 242, "before the first datetime");
    // The failed ones left nothing, and no transaction.
    assert_eq!(count(s, "SELECT COUNT(*) AS n, @@TRANCOUNT AS t FROM PATIENTS"), "[{\"n\":5,\"t\":0}]");
    assert_eq!(count(s, "SELECT COUNT(*) AS n FROM CLINICAL"), "[{\"n\":5}]");
}

#[test]
fn a_failure_in_a_callers_transaction_takes_back_the_call_alone() {
    let (_demo, mut session) = practice();
    // A row of CLINICAL that the new patient's own will collide with.
    let told = batch(
        &mut session,
        "SET NOCOUNT ON
         INSERT INTO CLINICAL (INTERNALID) VALUES (31)
         DECLARE @r int
         BEGIN TRANSACTION
         UPDATE PATIENTS SET CITY = 'Kept' WHERE INTERNALID = 1
         BEGIN TRY
           EXEC @r = BP_AddPatient 0, 'New', '', 'Person', '', '', '', '', '', '', '', '', '20000101', 0, '', '', '', '', '', '', 0, '', NULL, 0, '', '', '', ''
         END TRY
         BEGIN CATCH
           SELECT ERROR_NUMBER() AS e, ERROR_PROCEDURE() AS p, @@TRANCOUNT AS t, XACT_STATE() AS x
         END CATCH
         COMMIT
         SELECT COUNT(*) AS n, MAX(CASE WHEN INTERNALID = 1 THEN RTRIM(CITY) END) AS c, @@TRANCOUNT AS t FROM PATIENTS",
    );
    assert_eq!(
        told,
        ["[{\"e\":2627,\"p\":\"BP_AddPatient\",\"t\":1,\"x\":1}]", "[{\"n\":30,\"c\":\"Kept\",\"t\":0}]"]
    );
}

#[test]
fn every_update_sets_its_columns_and_says_whether_there_was_a_patient() {
    let demo = demo(30);
    let mut session = demo.session(Access::ReadWrite);
    let s = session.as_mut();
    for (words, columns, wanted) in [
        (
            "BP_UpdatePatientMedicare 1, '9123456701', '2', '01/2030'",
            "RTRIM(MEDICARENO) AS a, MEDICARELINENO AS b, MEDICAREEXPIRY AS c",
            "\"a\":\"9123456701\",\"b\":\"2\",\"c\":\"01/2030   \"",
        ),
        (
            "BP_UpdatePatientPension 1, 2, '123456789A', '20200101', NULL",
            "PENSIONCODE AS a, RTRIM(PENSIONNO) AS b, PENSIONSTART AS c, PENSIONEXPIRY AS d",
            "\"a\":2,\"b\":\"123456789A\",\"c\":\"2020-01-01T00:00:00\",\"d\":null",
        ),
        (
            "BP_UpdatePatientPension @patientid=1, @pensioncode=0, @pensionno=''",
            "PENSIONCODE AS a, PENSIONSTART AS c",
            "\"a\":0,\"c\":null",
        ),
        ("BP_UpdatePatientDVA 1, 1, 'QX1234'", "DVACODE AS a, RTRIM(DVANO) AS b", "\"a\":1,\"b\":\"QX1234\""),
        (
            "BP_UpdatePatientContacts 1, '07 7010 0001', NULL, '0491570006'",
            "HOMEPHONE AS a, WORKPHONE AS b, MOBILEPHONE AS c",
            "\"a\":\"07 7010 0001  \",\"b\":\"              \",\"c\":\"0491570006    \"",
        ),
        (
            "BP_UpdatePatientAddress 1, '2 New St', NULL, 'Toowong', '4066'",
            "RTRIM(ADDRESS1) AS a, RTRIM(ADDRESS2) AS b, RTRIM(CITY) AS c, POSTCODE AS d",
            "\"a\":\"2 New St\",\"b\":\"\",\"c\":\"Toowong\",\"d\":\"4066\"",
        ),
        ("BP_UpdatePatientEmail 1, 'new@example.com'", "EMAIL AS a", "\"a\":\"new@example.com\""),
        (
            "BP_UpdatePatientHealthFund 1, 'F-1', 'Example Mutual', 2, '20301231'",
            "HEALTHFUNDNO AS a, HEALTHFUNDNAME AS b, HEALTHFUNDID AS c, HEALTHFUNDEXPIRY AS d",
            "\"a\":\"F-1\",\"b\":\"Example Mutual\",\"c\":2,\"d\":\"2030-12-31T00:00:00\"",
        ),
    ] {
        let text = format!(
            "DECLARE @r int EXEC @r = {words} SELECT @r AS r, UPDATED AS u, {columns} FROM PATIENTS WHERE INTERNALID = 1"
        );
        assert_eq!(
            count(s, &text),
            format!("[{{\"r\":1,\"u\":\"2026-02-03T12:00:00\",{wanted}}}]"),
            "{words}"
        );
        let nobody = words.replacen(" 1,", " 999,", 1).replace("@patientid=1,", "@patientid=999,");
        assert_eq!(
            count(s, &format!("DECLARE @r int EXEC @r = {nobody} SELECT @r AS r")),
            "[{\"r\":0}]",
            "{nobody}"
        );
    }
    let mut all = vec![("@patientid", Int, Some("2"))];
    all.extend_from_slice(FIRST);
    let (_, done, affected) = call(s, "dbo.BP_UpdatePatient", &all).unwrap();
    assert_eq!((done, affected), (1, Some(1)));
    assert_eq!(
        count(
            s,
            "SELECT RTRIM(SURNAME) AS s, RTRIM(PREFERREDNAME) AS p, DOB, EMAIL AS e FROM PATIENTS WHERE INTERNALID = 2"
        ),
        "[{\"s\":\"O'Newpatient\",\"p\":\"Annie\",\"DOB\":\"1980-02-29T00:00:00\",\"e\":\"annie@example.com\"}]"
    );
    assert_eq!(number(&call(s, "BP_UpdatePatient", &all[..28]).unwrap_err()), 201);
    all[0].2 = Some("999");
    assert_eq!(call(s, "BP_UpdatePatient", &all).unwrap().1, 0);
}

#[test]
fn an_emergency_contact_is_set_and_set_again() {
    let demo = demo(30);
    let mut session = demo.session(Access::ReadWrite);
    let s = session.as_mut();
    let seen = "SELECT COUNT(*) AS n, MAX(RTRIM(k.SURNAME)) AS s, MAX(RTRIM(k.RELATIONSHIP)) AS r, MAX(RTRIM(k.CONTACTPHONE2)) AS p FROM NEXTOFKIN k JOIN PATIENTS p ON p.NEXTOFKINID = k.NEXTOFKINID WHERE p.INTERNALID = 31";
    assert_eq!(call(s, "BP_AddPatient", FIRST).unwrap().1, 31);
    let mut given = vec![
        ("@internalid", Int, Some("31")),
        ("@titlecode", Int, Some("1")),
        ("@surname", VarChar, Some("Kin")),
        ("@firstname", VarChar, Some("Next")),
        ("@address", VarChar, Some("1 Test St")),
        ("@city", VarChar, Some("Nundah")),
        ("@postcode", VarChar, Some("4012")),
        ("@contactphone", VarChar, Some("07 7010 1234")),
        ("@relationship", VarChar, Some("Brother")),
        ("@contactphone2", VarChar, Some("0491 570 006")),
    ];
    assert_eq!(call(s, "BP_SetEmergencyContact", &given).unwrap().1, 1);
    assert_eq!(count(s, seen), "[{\"n\":1,\"s\":\"Kin\",\"r\":\"Brother\",\"p\":\"0491 570 006\"}]");
    given[2].2 = Some("Other");
    given[9].2 = None;
    assert_eq!(call(s, "BP_SetEmergencyContact", &given).unwrap().1, 1);
    assert_eq!(count(s, seen), "[{\"n\":1,\"s\":\"Other\",\"r\":\"Brother\",\"p\":\"\"}]");
    given[0].2 = Some("999");
    assert_eq!(call(s, "BP_SetEmergencyContact", &given).unwrap().1, 0);
    assert_eq!(count(s, "SELECT COUNT(*) AS n FROM NEXTOFKIN WHERE INTERNALID = 999"), "[{\"n\":0}]");
}

#[test]
fn messages_reach_staff_and_investigations_are_summed_up() {
    let demo = demo(60);
    let mut session = demo.session(Access::ReadWrite);
    let s = session.as_mut();
    let given = [
        ("@userid", Int, Some("10")),
        ("@subject", VarChar, Some("Call back")),
        ("@message", VarChar, Some("It's urgent")),
    ];
    let (_, id, affected) = call(s, "BP_AddMessage", &given).unwrap();
    assert_eq!(affected, Some(1));
    assert_eq!(
        count(
            s,
            &format!(
                "SELECT USERID AS u, INTERNALID AS p, SUBJECT AS s, MESSAGE AS m, MESSAGEDATE AS d, READDATE AS r FROM MESSAGES WHERE MESSAGEID = {id}"
            )
        ),
        "[{\"u\":10,\"p\":0,\"s\":\"Call back\",\"m\":\"It's urgent\",\"d\":\"2026-02-03T12:00:00\",\"r\":null}]"
    );
    for (words, sent) in [("10, 's', 'm', 2", true), ("99, 's', 'm'", false), ("10, 's', 'm', 999", false)] {
        let rows = count(
            s,
            &format!("DECLARE @r int EXEC @r = BP_AddMessage {words} SELECT IIF(@r > 0, 1, 0) AS r"),
        );
        assert_eq!(rows, format!("[{{\"r\":{}}}]", i32::from(sent)), "{words}");
    }
    let who = count(
        s,
        "SELECT TOP 1 InternalID AS i, COUNT(*) AS n FROM BPS_Investigations GROUP BY InternalID ORDER BY 2 DESC",
    );
    let who: serde_json::Value = serde_json::from_str(&who).unwrap();
    let id = who[0]["i"].to_string();
    let rows = call(s, "BP_GetInvestigationSummary", &[("@internalid", Int, Some(&id))]).unwrap().0;
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len() as i64, who[0]["n"].as_i64().unwrap());
    assert!(rows.windows(2).all(|w| w[0]["Collected"].as_str() >= w[1]["Collected"].as_str()));
    assert_eq!(rows[0].as_object().unwrap().len(), 10);
}
