//! Keys, forms, identifiers, views and what the system views tell.

use super::{count, none, practice, texts};
use std::collections::HashSet;

#[test]
fn every_key_points_at_a_row() {
    let c = practice();
    let patients = [
        "CLINICAL",
        "ALCOHOL",
        "FAMILYHISTORY",
        "FAMILYHISTORYDETAIL",
        "PreventiveHealth",
        "VISITS",
        "VISITREASON",
        "HISTORY",
        "CURRENTRX",
        "REACTIONS",
        "IMMUNISATIONS",
        "OBSERVATIONS",
        "INVESTIGATIONS",
        "REPORTVALUES",
        "CORRESPONDENCEIN",
        "ACTIONS",
        "MESSAGES",
        "PAPSMEARS",
        "OBSGYNDETAIL",
        "PREGNANCIES",
        "ASTHMAPLAN",
        "PCEHRDOCUMENTS",
        "INVOICES",
        "NEXTOFKIN",
        "CARER",
    ];
    let mut links: Vec<(&str, &str, &str, &str)> =
        patients.iter().map(|t| (*t, "INTERNALID", "PATIENTS", "INTERNALID")).collect();
    links.extend([
        ("APPOINTMENTS", "NULLIF(INTERNALID, 0)", "PATIENTS", "INTERNALID"),
        ("APPOINTMENTS", "USERID", "USERS", "USERID"),
        ("APPOINTMENTS", "abs(CREATEDBY)", "USERS", "USERID"),
        ("APPOINTMENTS", "LOCATIONID", "LOCATIONS", "LOCATIONID"),
        ("APPOINTMENTS", "APPOINTMENTCODE", "APPOINTMENTCODES", "APPOINTMENTCODE"),
        ("APPOINTMENTS", "APPOINTMENTTYPE", "APPOINTMENTTYPES", "APPOINTMENTCODE"),
        ("SESSIONS", "NULLIF(USERID, 0)", "USERS", "USERID"),
        ("PATIENTS", "HEADOFFAMILYID", "PATIENTS", "INTERNALID"),
        ("PATIENTS", "NULLIF(NEXTOFKINID, 0)", "NEXTOFKIN", "NEXTOFKINID"),
        ("PATIENTS", "USUALDOCTORID", "USERS", "USERID"),
        ("PATIENTS", "TITLECODE", "TITLES", "TITLECODE"),
        ("PATIENTS", "SEXCODE", "SEX", "SEXCODE"),
        ("PATIENTS", "GENDERCODE", "GENDER", "GENDERCODE"),
        ("PATIENTS", "PRONOUNCODE", "PRONOUN", "PRONOUNCODE"),
        ("PATIENTS", "ETHNICCODE", "ETHNICITY", "ETHNICCODE"),
        ("PATIENTS", "PENSIONCODE", "PENSIONTYPES", "PENSIONCODE"),
        ("PATIENTS", "DVACODE", "DVATYPES", "DVACODE"),
        ("PATIENTS", "PATIENTSTATUS", "PATIENTSTATUS", "STATUSCODE"),
        ("PATIENTS", "NULLIF(HEALTHFUNDID, 0)", "HEALTHFUNDS", "HEALTHFUNDID"),
        ("CLINICAL", "KNOWNALLERGIES", "KNOWNALLERGIES", "KNOWNALLERGIESCODE"),
        ("CLINICAL", "MARITALSTATUS", "MARITALSTATUS", "MARITALSTATUSCODE"),
        ("CLINICAL", "SEXUALITY", "SEXUALITY", "SEXUALITYCODE"),
        ("CLINICAL", "SMOKINGSTATUS", "SMOKINGSTATUS", "SMOKINGCODE"),
        ("CLINICAL", "ALCOHOLSTATUS", "ALCOHOLSTATUS", "ALCOHOLCODE"),
        ("CLINICAL", "ACCOMODATION", "ACCOMODATION", "ACCOMODATIONCODE"),
        ("CLINICAL", "LIVESWITH", "LIVESWITH", "LIVESWITHCODE"),
        ("FAMILYHISTORYDETAIL", "RELATIONCODE", "RELATIONS", "RELATIONCODE"),
        ("VISITS", "VISITCODE", "VISITTYPES", "VISITCODE"),
        ("VISITS", "USERID", "USERS", "USERID"),
        ("VISITREASON", "VISITID", "VISITS", "VISITID"),
        ("OBSERVATIONS", "OBSERVATIONCODE", "OBSERVATIONCODES", "OBSERVATIONCODE"),
        ("INVESTIGATIONS", "NOTATION", "NOTATIONS", "NOTATIONCODE"),
        ("INVESTIGATIONS", "ACTION", "ACTIONCODES", "ACTIONCODE"),
        ("INVESTIGATIONS", "NULLIF(CHECKEDBY, 0)", "USERS", "USERID"),
        ("REPORTVALUES", "REPORTID", "INVESTIGATIONS", "REPORTID"),
        ("CORRESPONDENCEIN", "NULLIF(CHECKEDBY, 0)", "USERS", "USERID"),
        ("CORRESPONDENCEIN", "NOTATION", "NOTATIONS", "NOTATIONCODE"),
        ("CORRESPONDENCEIN", "ACTION", "ACTIONCODES", "ACTIONCODE"),
        ("PREGNANCIES", "OUTCOMECODE", "PREGNANCYOUTCOMES", "OUTCOMECODE"),
        ("SERVICES", "INVOICEID", "INVOICES", "INVOICEID"),
        ("SERVICES", "PAYERCODE", "PAYERS", "PAYERCODE"),
        ("INVOICES", "PAYERCODE", "PAYERS", "PAYERCODE"),
        ("MESSAGES", "USERID", "USERS", "USERID"),
        ("IMMUNISATIONS", "VACCINEID", "drugs.VACCINES", "VACCINEID"),
        ("CURRENTRX", "PRODUCTID", "drugs.PRODUCTS", "PRODUCTID"),
        ("drugs.VACCINE_DISEASE", "VACCINEID", "drugs.VACCINES", "VACCINEID"),
        ("drugs.VACCINE_DISEASE", "DISEASECODE", "drugs.VAXDISEASES", "DISEASECODE"),
        ("drugs.PRODUCTS", "PRODUCTNAMEID", "drugs.PRODUCTNAMES", "PRODUCTNAMEID"),
        ("drugs.PRODUCT_INGREDIENT", "PRODUCTID", "drugs.PRODUCTS", "PRODUCTID"),
        ("drugs.PRODUCT_INGREDIENT", "INGREDIENTID", "drugs.INGREDIENTS", "INGREDIENTID"),
        ("drugs.INGREDIENT_DRUGCLASS", "INGREDIENTID", "drugs.INGREDIENTS", "INGREDIENTID"),
        ("drugs.INGREDIENT_DRUGCLASS", "DRUGCLASSID", "drugs.DRUGCLASSES", "DRUGCLASSID"),
    ]);
    for (child, column, parent, key) in links {
        assert!(count(&c, &format!("SELECT COUNT(*) FROM {child}")) > 0, "{child} is empty");
        none(
            &c,
            &format!("{child}.{column}"),
            &format!(
                "SELECT DISTINCT {column} FROM {child} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT {key} FROM {parent})"
            ),
        );
    }
    for (kind, table, key) in [
        (1, "PRODUCTNAMES", "PRODUCTNAMEID"),
        (2, "INGREDIENTS", "INGREDIENTID"),
        (3, "DRUGCLASSES", "DRUGCLASSID"),
    ] {
        none(
            &c,
            "ITEMCODE",
            &format!(
                "SELECT * FROM REACTIONS WHERE ITEMTYPE = {kind} AND ITEMCODE NOT IN (SELECT {key} FROM drugs.{table})"
            ),
        );
    }
    none(&c, "kinds of reactions", "SELECT * FROM REACTIONS WHERE ITEMTYPE NOT IN (1, 2, 3)");
}

#[test]
fn fixed_text_is_padded_and_all_text_and_dates_are_well_formed() {
    let c = practice();
    for base in ["main", "drugs"] {
        let mut statement = c
            .prepare(&format!(
                "SELECT o.name, c.name, c.system_type_id, c.max_length FROM {base}.sys_tables o
                 JOIN {base}.sys_columns c ON c.object_id = o.object_id"
            ))
            .unwrap();
        let columns: Vec<(String, String, i64, i64)> = statement
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(columns.len() > 20);
        for (table, column, kind, length) in columns {
            let wrong = match kind {
                175 => format!("length(\"{column}\") <> {length} OR typeof(\"{column}\") <> 'text'"),
                167 => format!("length(\"{column}\") > {length} OR \"{column}\" <> rtrim(\"{column}\")"),
                56 => format!("typeof(\"{column}\") <> 'integer' OR abs(\"{column}\") > 2147483647"),
                61 => format!(
                    "\"{column}\" NOT GLOB '[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T00:00:00' OR \"{column}\" IS NOT NULL AND datetime(\"{column}\") IS NULL"
                ),
                _ => continue,
            };
            none(
                &c,
                &format!("{table}.{column}"),
                &format!("SELECT \"{column}\" FROM {base}.\"{table}\" WHERE {wrong}"),
            );
        }
    }
    for note in texts(&c, "SELECT VISITNOTES FROM VISITS LIMIT 2000") {
        assert!(note.starts_with("{\\rtf1") && note.ends_with('}'), "{note}");
    }
}

#[test]
fn identifiers_pass_their_checks_and_are_nobodys() {
    let c = practice();
    let digit = |b: u8| u32::from(b - b'0');
    let medicare = texts(&c, "SELECT rtrim(MEDICARENO) FROM PATIENTS WHERE MEDICARENO <> ''");
    assert!(medicare.len() > 1000);
    for number in medicare {
        let d: Vec<u32> = number.bytes().map(digit).collect();
        assert_eq!(d.len(), 10);
        let sum = d[0] + 3 * d[1] + 7 * d[2] + 9 * d[3] + d[4] + 3 * d[5] + 7 * d[6] + 9 * d[7];
        assert_eq!(sum % 10, d[8], "{number}");
        assert!(!(2..=6).contains(&d[0]), "{number} could be a card");
    }
    let ihi = texts(&c, "SELECT IHI FROM PATIENTS WHERE IHI <> ''");
    assert!(ihi.len() > 1000 && ihi.iter().collect::<HashSet<_>>().len() == ihi.len());
    for number in ihi {
        assert!(number.starts_with("80036089") && number.len() == 16);
        let mut sum = 0;
        for (i, b) in number.bytes().enumerate() {
            let doubled = digit(b) * if i % 2 == 0 { 2 } else { 1 };
            sum += if doubled > 9 { doubled - 9 } else { doubled };
        }
        assert_eq!(sum % 10, 0, "{number}");
    }
    for number in texts(&c, "SELECT rtrim(PENSIONNO) FROM PATIENTS WHERE PENSIONNO <> ''") {
        let (digits, letter) = number.split_at(9);
        let sum: u32 =
            digits.bytes().zip([512, 256, 128, 64, 32, 16, 8, 4, 2]).map(|(b, w)| digit(b) * w).sum();
        assert_eq!("XVTSLKJHCBA".chars().nth(sum as usize % 11).unwrap().to_string(), letter, "{number}");
        assert!(number.starts_with('9'));
    }
    let providers = texts(&c, "SELECT PROVIDERNO FROM USERS WHERE PROVIDERNO <> ''");
    assert_eq!(providers.iter().collect::<HashSet<_>>().len(), providers.len());
    for number in providers {
        let b = number.as_bytes();
        let sum: u32 = b[..6].iter().zip([3, 5, 8, 4, 2, 1]).map(|(b, w)| digit(*b) * w).sum();
        let location = "0123456789ABCDEFGHJKLMNPQRTUVWXY".find(char::from(b[6])).unwrap() as u32;
        assert_eq!(b"YXWTLKJHFBA"[((sum + location * 6) % 11) as usize], b[7], "{number}");
        assert!(number.starts_with("000"));
    }
    for column in ["HOMEPHONE", "WORKPHONE", "MOBILEPHONE"] {
        for phone in texts(&c, &format!("SELECT DISTINCT replace({column}, ' ', '') FROM PATIENTS")) {
            let fiction = ["", "075550", "077010", "04915"]
                .iter()
                .any(|p| if p.is_empty() { phone.is_empty() } else { phone.starts_with(p) });
            assert!(fiction, "{phone}");
        }
    }
    none(&c, "mail", "SELECT EMAIL FROM PATIENTS WHERE EMAIL <> '' AND EMAIL NOT LIKE '%@example.com'");
}

#[test]
fn every_view_runs_and_shows_every_live_row() {
    let c = practice();
    for view in texts(&c, "SELECT name FROM sys_views") {
        let rows = count(&c, &format!("SELECT COUNT(*) FROM {view}"));
        assert!(rows > 0, "{view} is empty");
        let told = count(
            &c,
            &format!(
                "SELECT COUNT(*) FROM sys_columns c JOIN sys_views v ON v.object_id = c.object_id WHERE v.name = '{view}'"
            ),
        );
        let statement = c.prepare(&format!("SELECT * FROM {view}")).unwrap();
        assert_eq!(statement.column_count() as i64, told, "{view}");
        for (i, name) in texts(&c, &format!("SELECT c.name FROM sys_columns c JOIN sys_views v ON v.object_id = c.object_id WHERE v.name = '{view}' ORDER BY column_id")).iter().enumerate() {
            assert_eq!(statement.column_name(i).unwrap(), name, "{view}");
        }
    }
    for (view, table) in [
        ("BPS_Visits", "VISITS"),
        ("BPS_VisitReason", "VISITREASON"),
        ("BPS_Observations", "OBSERVATIONS"),
        ("BPS_ReportValues", "REPORTVALUES"),
        ("BPS_Investigations", "INVESTIGATIONS"),
    ] {
        assert_eq!(
            count(&c, &format!("SELECT COUNT(*) FROM {view}")),
            count(&c, &format!("SELECT COUNT(*) FROM {table}"))
        );
    }
    // The words in the patients' view are those of the code lists.
    none(
        &c,
        "words",
        "SELECT v.InternalID FROM BPS_Patients v JOIN PATIENTS p ON p.INTERNALID = v.InternalID JOIN SEX s ON s.SEXCODE = p.SEXCODE
           JOIN GENDER g ON g.GENDERCODE = p.GENDERCODE JOIN ETHNICITY e ON e.ETHNICCODE = p.ETHNICCODE
           JOIN PENSIONTYPES n ON n.PENSIONCODE = p.PENSIONCODE JOIN PATIENTSTATUS t ON t.STATUSCODE = p.PATIENTSTATUS
         WHERE v.Sex <> rtrim(s.SEX) OR v.Gender <> rtrim(g.GENDER) OR v.Ethnicity <> rtrim(e.ETHNICITY)
           OR v.PensionType <> rtrim(n.PENSIONTYPE) OR v.StatusText <> rtrim(t.STATUSTEXT)",
    );
}

#[test]
fn the_system_views_tell_the_same_of_the_same_objects() {
    let c = practice();
    for base in ["main", "drugs"] {
        none(
            &c,
            "columns of nothing",
            &format!(
                "SELECT name FROM {base}.sys_columns WHERE object_id NOT IN (SELECT object_id FROM {base}.sys_objects)
                   AND object_id NOT IN (SELECT type_table_object_id FROM {base}.sys_table_types)"
            ),
        );
        none(
            &c,
            "two of one number",
            &format!("SELECT object_id FROM {base}.sys_objects GROUP BY 1 HAVING COUNT(*) > 1"),
        );
        none(
            &c,
            "index columns",
            &format!(
                "SELECT i.name FROM {base}.sys_index_columns x JOIN {base}.sys_indexes i ON i.object_id = x.object_id AND i.index_id = x.index_id
                 LEFT JOIN {base}.sys_columns k ON k.object_id = x.object_id AND k.column_id = x.column_id WHERE k.name IS NULL"
            ),
        );
        none(
            &c,
            "tables that differ",
            &format!(
                "SELECT TABLE_NAME FROM {base}.information_schema_tables EXCEPT SELECT name FROM {base}.sys_objects WHERE type IN ('U ', 'V ')"
            ),
        );
    }
    let told: (String, String, i64, String) = c
        .query_row(
            "SELECT TABLE_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE FROM information_schema_columns
             WHERE TABLE_NAME = 'patients' AND COLUMN_NAME = 'surname'",
            [],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
        )
        .unwrap();
    assert_eq!(told, ("PATIENTS".into(), "char".into(), 40, "YES".into()));
    assert!(count(&c, "SELECT COUNT(*) FROM sys_procedures") >= 5);
    assert!(
        count(&c, "SELECT COUNT(*) FROM sys_parameters WHERE name = '@aptdate' AND system_type_id = 61") >= 1
    );
}
