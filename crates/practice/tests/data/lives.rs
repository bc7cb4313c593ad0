//! Illnesses, ages and what was done about them.

use super::{TODAY, count, none, practice};

#[test]
fn a_diabetic_has_hba1c_every_few_months_and_metformin() {
    let c = practice();
    let type_2 = "SELECT INTERNALID FROM HISTORY WHERE CONDITIONID = 778 AND RECORDSTATUS = 1";
    assert!(count(&c, &format!("SELECT COUNT(*) FROM ({type_2})")) > 40);
    none(
        &c,
        "without metformin",
        &format!(
            "SELECT INTERNALID FROM PATIENTS WHERE INTERNALID IN ({type_2}) AND RECORDSTATUS = 1 AND INTERNALID NOT IN
               (SELECT r.INTERNALID FROM CURRENTRX r JOIN drugs.PRODUCT_INGREDIENT i ON i.PRODUCTID = r.PRODUCTID
                JOIN drugs.INGREDIENTS n ON n.INGREDIENTID = i.INGREDIENTID
                WHERE n.INGREDIENTNAME = 'Metformin' AND r.RXSTATUS = 1 AND r.RECORDSTATUS = 1)"
        ),
    );
    // Known to the practice for the whole two years: at least four values, in both units, that agree.
    none(
        &c,
        "too few HbA1c",
        &format!(
            "SELECT p.INTERNALID, COUNT(v.RECORDID) FROM PATIENTS p LEFT JOIN REPORTVALUES v
               ON v.INTERNALID = p.INTERNALID AND v.BPCODE = 1 AND v.REPORTDATE >= '2024-02-04'
             WHERE p.INTERNALID IN ({type_2}) AND p.PATIENTSTATUS = 1 AND p.RECORDSTATUS = 1 AND p.CREATED < '2024-02-04'
             GROUP BY p.INTERNALID HAVING COUNT(v.RECORDID) < 3"
        ),
    );
    none(
        &c,
        "units that disagree",
        "SELECT a.RESULTVALUE, b.RESULTVALUE FROM REPORTVALUES a LEFT JOIN REPORTVALUES b ON b.REPORTID = a.REPORTID AND b.BPCODE = 19
         WHERE a.BPCODE = 1 AND abs((CAST(a.RESULTVALUE AS REAL) - 2.15) * 10.929 - coalesce(CAST(b.RESULTVALUE AS REAL), -99)) > 1",
    );
    let planned = count(
        &c,
        &format!(
            "SELECT COUNT(DISTINCT INTERNALID) FROM VISITREASON WHERE REASON = 'GP management plan' AND INTERNALID IN ({type_2})"
        ),
    );
    assert!(planned > 30, "{planned}");
    assert!(count(&c, "SELECT COUNT(*) FROM CORRESPONDENCEIN WHERE SUBJECT LIKE 'Optometry%'") > 5);
}

#[test]
fn children_have_the_vaccines_of_their_age() {
    let c = practice();
    let children = "SELECT INTERNALID, DOB FROM PATIENTS WHERE DOB > '2018-06-01' AND RECORDSTATUS = 1 AND PATIENTSTATUS = 1";
    for (days, disease, doses) in [
        (120, "Pertussis", 1),
        (260, "Pertussis", 3),
        (260, "Hepatitis B", 4),
        (500, "Measles", 1),
        (500, "Meningococcus ACWY", 1),
        (700, "Varicella-Zoster", 1),
        (700, "Measles", 2),
        (1650, "Poliomyelitis", 4),
    ] {
        let due = count(
            &c,
            &format!(
                "SELECT COUNT(*) FROM ({children}) WHERE julianday('2026-02-03') - julianday(DOB) > {days}"
            ),
        );
        let have = count(
            &c,
            &format!(
                "SELECT COUNT(*) FROM ({children}) k WHERE julianday('2026-02-03') - julianday(DOB) > {days} AND
                   (SELECT COUNT(*) FROM IMMUNISATIONS i JOIN drugs.VACCINE_DISEASE x ON x.VACCINEID = i.VACCINEID
                    JOIN drugs.VAXDISEASES d ON d.DISEASECODE = x.DISEASECODE
                    WHERE i.INTERNALID = k.INTERNALID AND d.DISEASENAME = '{disease}' AND i.RECORDSTATUS <> 0) >= {doses}"
            ),
        );
        assert!(due > 20 && have * 100 >= due * 90, "{disease} at {days} days: {have} of {due}");
    }
    none(
        &c,
        "before birth or in future",
        &format!(
            "SELECT i.RECORDID FROM IMMUNISATIONS i JOIN PATIENTS p ON p.INTERNALID = i.INTERNALID
             WHERE i.GIVENDATE < p.DOB OR i.GIVENDATE > '{TODAY}'"
        ),
    );
    none(
        &c,
        "names that differ",
        "SELECT i.VACCINENAME FROM IMMUNISATIONS i JOIN drugs.VACCINES v ON v.VACCINEID = i.VACCINEID WHERE v.VACCINENAME <> i.VACCINENAME",
    );
    none(
        &c,
        "given here before they came",
        "SELECT i.RECORDID FROM IMMUNISATIONS i JOIN PATIENTS p ON p.INTERNALID = i.INTERNALID
         WHERE i.NOTGIVENHERE = 0 AND i.GIVENDATE < p.CREATED",
    );
}

#[test]
fn nobody_is_given_what_they_react_to() {
    let c = practice();
    none(
        &c,
        "prescribed in spite of a reaction",
        "WITH forbidden AS (
           SELECT r.INTERNALID, x.INGREDIENTID FROM REACTIONS r JOIN drugs.INGREDIENT_DRUGCLASS x ON x.DRUGCLASSID = r.ITEMCODE
             WHERE r.ITEMTYPE = 3 AND r.RECORDSTATUS = 1
           UNION SELECT INTERNALID, ITEMCODE FROM REACTIONS WHERE ITEMTYPE = 2 AND RECORDSTATUS = 1
           UNION SELECT r.INTERNALID, i.INGREDIENTID FROM REACTIONS r JOIN drugs.PRODUCTS p ON p.PRODUCTNAMEID = r.ITEMCODE
             JOIN drugs.PRODUCT_INGREDIENT i ON i.PRODUCTID = p.PRODUCTID WHERE r.ITEMTYPE = 1 AND r.RECORDSTATUS = 1)
         SELECT m.INTERNALID, m.DRUGNAME FROM CURRENTRX m JOIN drugs.PRODUCT_INGREDIENT i ON i.PRODUCTID = m.PRODUCTID
           JOIN forbidden f ON f.INTERNALID = m.INTERNALID AND f.INGREDIENTID = i.INGREDIENTID",
    );
    none(
        &c,
        "known allergies that disagree with the list",
        "SELECT c.INTERNALID FROM CLINICAL c WHERE (c.KNOWNALLERGIES = 2) <>
           EXISTS (SELECT 1 FROM REACTIONS r WHERE r.INTERNALID = c.INTERNALID AND r.RECORDSTATUS = 1)",
    );
    none(
        &c,
        "the same substance twice for long",
        "SELECT m.INTERNALID, i.INGREDIENTID FROM CURRENTRX m JOIN drugs.PRODUCT_INGREDIENT i ON i.PRODUCTID = m.PRODUCTID
         WHERE m.RXSTATUS = 1 AND m.RECORDSTATUS = 1 GROUP BY 1, 2 HAVING COUNT(*) > 1",
    );
}

#[test]
fn pressures_come_in_pairs_and_bodies_measure_up() {
    let c = practice();
    none(
        &c,
        "a pressure without the other",
        "SELECT INTERNALID, OBSERVATIONDATE, OBSERVATIONTIME FROM OBSERVATIONS WHERE OBSERVATIONCODE IN (3, 4)
         GROUP BY 1, 2, 3 HAVING SUM(OBSERVATIONCODE = 3) <> SUM(OBSERVATIONCODE = 4)",
    );
    none(
        &c,
        "systolic not above diastolic",
        "SELECT s.INTERNALID FROM OBSERVATIONS s JOIN OBSERVATIONS d ON d.INTERNALID = s.INTERNALID AND d.OBSERVATIONDATE = s.OBSERVATIONDATE
           AND d.OBSERVATIONTIME = s.OBSERVATIONTIME AND d.OBSERVATIONCODE = 4
         WHERE s.OBSERVATIONCODE = 3 AND CAST(s.OBSERVATIONVALUE AS INTEGER) < CAST(d.OBSERVATIONVALUE AS INTEGER) + 20",
    );
    none(
        &c,
        "a BMI that is not weight by height",
        "SELECT h.OBSERVATIONVALUE, w.OBSERVATIONVALUE, b.OBSERVATIONVALUE FROM OBSERVATIONS b
           JOIN OBSERVATIONS h ON h.INTERNALID = b.INTERNALID AND h.OBSERVATIONDATE = b.OBSERVATIONDATE AND h.OBSERVATIONTIME = b.OBSERVATIONTIME AND h.OBSERVATIONCODE = 7
           JOIN OBSERVATIONS w ON w.INTERNALID = b.INTERNALID AND w.OBSERVATIONDATE = b.OBSERVATIONDATE AND w.OBSERVATIONTIME = b.OBSERVATIONTIME AND w.OBSERVATIONCODE = 8
         WHERE b.OBSERVATIONCODE = 9 AND abs(w.OBSERVATIONVALUE * 10000.0 / (h.OBSERVATIONVALUE * h.OBSERVATIONVALUE) - b.OBSERVATIONVALUE) > 0.06",
    );
    none(
        &c,
        "somebody who shrinks",
        "SELECT a.INTERNALID, a.OBSERVATIONVALUE, b.OBSERVATIONVALUE FROM OBSERVATIONS a JOIN OBSERVATIONS b ON b.INTERNALID = a.INTERNALID
           AND b.OBSERVATIONCODE = 7 AND b.OBSERVATIONDATE > a.OBSERVATIONDATE
         WHERE a.OBSERVATIONCODE = 7 AND CAST(b.OBSERVATIONVALUE AS INTEGER) < CAST(a.OBSERVATIONVALUE AS INTEGER)",
    );
    assert!(count(&c, "SELECT COUNT(*) FROM OBSERVATIONS WHERE OBSERVATIONCODE = 10") > 20);
    none(
        &c,
        "hypertension without treatment of it",
        "SELECT h.INTERNALID FROM HISTORY h JOIN PATIENTS p ON p.INTERNALID = h.INTERNALID WHERE h.CONDITIONID = 900001 AND h.RECORDSTATUS = 1
           AND p.RECORDSTATUS = 1 AND h.INTERNALID NOT IN (SELECT INTERNALID FROM CURRENTRX WHERE RXSTATUS = 1
             AND (DRUGNAME LIKE 'Perindopril%' OR DRUGNAME LIKE 'Ramipril%' OR DRUGNAME LIKE 'Candesartan%'))",
    );
}

#[test]
fn who_is_gone_comes_no_more_and_nothing_happens_before_birth() {
    let c = practice();
    for (table, date) in [
        ("VISITS", "VISITDATE"),
        ("OBSERVATIONS", "OBSERVATIONDATE"),
        ("INVESTIGATIONS", "REPORTED"),
        ("IMMUNISATIONS", "GIVENDATE"),
        ("INVOICES", "INVOICEDATE"),
        ("CORRESPONDENCEIN", "CORRESPONDENCEDATE"),
        ("PAPSMEARS", "PAPDATE"),
        ("CURRENTRX", "LASTDATE"),
        ("ASTHMAPLAN", "PLANDATE"),
        ("PCEHRDOCUMENTS", "DOCUMENTDATE"),
        ("APPOINTMENTS", "APPOINTMENTDATE"),
    ] {
        none(
            &c,
            table,
            &format!(
                "SELECT t.INTERNALID, t.{date}, p.UPDATED, p.DOB FROM {table} t JOIN PATIENTS p ON p.INTERNALID = t.INTERNALID
                 WHERE p.PATIENTSTATUS > 1 AND t.{date} > p.UPDATED OR t.{date} < p.DOB OR p.RECORDSTATUS <> 1 OR
                   '{table}' <> 'APPOINTMENTS' AND t.{date} > '{TODAY}'"
            ),
        );
    }
    assert!(count(&c, "SELECT COUNT(*) FROM PATIENTS WHERE PATIENTSTATUS = 3") > 5);
    assert!(count(&c, "SELECT COUNT(*) FROM PATIENTS WHERE PATIENTSTATUS = 2") > 20);
}

#[test]
fn women_asthmatics_smokers_and_the_anticoagulated_are_cared_for() {
    let c = practice();
    let age = "(julianday(x.d) - julianday(p.DOB)) / 365.25";
    none(
        &c,
        "pregnancies",
        &format!(
            "SELECT p.INTERNALID, {age} FROM (SELECT INTERNALID, ACTUALLMP AS d FROM PREGNANCIES) x JOIN PATIENTS p ON p.INTERNALID = x.INTERNALID
             WHERE p.SEXCODE <> 1 OR {age} NOT BETWEEN 16 AND 46"
        ),
    );
    assert!(count(&c, "SELECT COUNT(*) FROM PREGNANCIES WHERE ENDDATE IS NULL") > 3);
    none(
        &c,
        "pregnancies at once",
        "SELECT a.INTERNALID FROM PREGNANCIES a JOIN PREGNANCIES b ON b.INTERNALID = a.INTERNALID AND b.ACTUALLMP > a.ACTUALLMP
         WHERE a.ENDDATE IS NULL OR a.ENDDATE >= b.ACTUALLMP",
    );
    none(
        &c,
        "born to no child of the family",
        "SELECT g.INTERNALID FROM PREGNANCIES g JOIN PATIENTS m ON m.INTERNALID = g.INTERNALID WHERE g.OUTCOMECODE = 1 AND NOT EXISTS
           (SELECT 1 FROM PATIENTS k WHERE k.HEADOFFAMILYID = m.HEADOFFAMILYID AND k.DOB = g.ENDDATE) AND m.HEADOFFAMILYID < 1490",
    );
    none(
        &c,
        "screening",
        &format!(
            "SELECT p.INTERNALID, {age} FROM (SELECT INTERNALID, PAPDATE AS d FROM PAPSMEARS) x JOIN PATIENTS p ON p.INTERNALID = x.INTERNALID
             WHERE p.SEXCODE <> 1 OR {age} NOT BETWEEN 20 AND 76 OR x.INTERNALID IN
               (SELECT INTERNALID FROM HISTORY WHERE CONDITIONID = 4046 AND RECORDSTATUS = 1)"
        ),
    );
    none(
        &c,
        "the last screening",
        "SELECT o.INTERNALID FROM OBSGYNDETAIL o WHERE coalesce(o.LASTPAPDATE, '') <>
           coalesce((SELECT MAX(PAPDATE) FROM PAPSMEARS s WHERE s.INTERNALID = o.INTERNALID), '')",
    );
    let asthma = "SELECT h.INTERNALID FROM HISTORY h JOIN PATIENTS p ON p.INTERNALID = h.INTERNALID WHERE h.CONDITIONID = 281 AND h.RECORDSTATUS = 1 AND p.PATIENTSTATUS = 1 AND p.CREATED < '2024-02-04'";
    none(
        &c,
        "asthma without a puffer",
        &format!(
            "SELECT * FROM ({asthma}) WHERE INTERNALID NOT IN (SELECT INTERNALID FROM CURRENTRX WHERE DRUGNAME LIKE 'Salbutamol%')"
        ),
    );
    let (all, planned) = (
        count(&c, &format!("SELECT COUNT(*) FROM ({asthma})")),
        count(
            &c,
            &format!(
                "SELECT COUNT(*) FROM ({asthma}) WHERE INTERNALID IN (SELECT INTERNALID FROM ASTHMAPLAN)"
            ),
        ),
    );
    assert!(all > 50 && planned * 100 >= all * 90, "{planned} of {all}");
    none(
        &c,
        "warfarin without INR",
        "SELECT r.INTERNALID FROM CURRENTRX r JOIN PATIENTS p ON p.INTERNALID = r.INTERNALID WHERE r.DRUGNAME LIKE 'Warfarin%'
           AND p.PATIENTSTATUS = 1 AND p.CREATED < '2024-02-04' AND
           (SELECT COUNT(*) FROM REPORTVALUES v WHERE v.INTERNALID = r.INTERNALID AND v.BPCODE = 12) < 10",
    );
    assert!(count(&c, "SELECT COUNT(*) FROM CURRENTRX WHERE DRUGNAME LIKE 'Warfarin%'") > 3);
    assert!(count(&c, "SELECT COUNT(*) FROM VISITREASON WHERE REASON = 'Smoking cessation advice'") > 20);
    none(
        &c,
        "advice to who does not smoke",
        "SELECT c.INTERNALID FROM CLINICAL c JOIN VISITREASON r ON r.INTERNALID = c.INTERNALID WHERE r.REASON = 'Smoking cessation advice' AND c.SMOKINGSTATUS <> 3",
    );
    none(
        &c,
        "carers",
        "SELECT INTERNALID FROM CLINICAL c WHERE (HASCARER = 1) <> EXISTS (SELECT 1 FROM CARER k WHERE k.INTERNALID = c.INTERNALID)",
    );
}

#[test]
fn results_are_text_with_their_signs_and_some_wait_to_be_read() {
    let c = practice();
    let known = "1, 2, 3, 4, 5, 6, 7, 12, 14, 16, 17, 18, 19, 0";
    none(&c, "BPCode", &format!("SELECT BPCODE FROM REPORTVALUES WHERE BPCODE NOT IN ({known})"));
    assert!(count(&c, "SELECT COUNT(*) FROM REPORTVALUES WHERE RESULTVALUE LIKE '<%'") > 20);
    assert!(count(&c, "SELECT COUNT(*) FROM REPORTVALUES WHERE RESULTVALUE LIKE '>%'") > 5);
    assert!(
        count(
            &c,
            "SELECT COUNT(*) FROM INVESTIGATIONS WHERE CHECKED IS NULL AND CHECKEDBY = 0 AND NOTATION = 0"
        ) > 5
    );
    none(
        &c,
        "order of days",
        &format!(
            "SELECT REPORTID FROM INVESTIGATIONS WHERE COLLECTED > REPORTED OR REPORTED > coalesce(CHECKED, REPORTED) OR CHECKED > ACTIONED
             OR REPORTED > '{TODAY}' OR CHECKED > '{TODAY}' OR ACTIONED > '{TODAY}' OR (CHECKED IS NULL) <> (CHECKEDBY = 0)"
        ),
    );
    none(
        &c,
        "fats that do not add up",
        "SELECT t.RESULTVALUE FROM REPORTVALUES t JOIN REPORTVALUES h ON h.REPORTID = t.REPORTID AND h.BPCODE = 3
           JOIN REPORTVALUES l ON l.REPORTID = t.REPORTID AND l.BPCODE = 4 JOIN REPORTVALUES g ON g.REPORTID = t.REPORTID AND g.BPCODE = 5
         WHERE t.BPCODE = 2 AND abs(t.RESULTVALUE - h.RESULTVALUE - l.RESULTVALUE - g.RESULTVALUE / 2.2) > 0.11",
    );
}
