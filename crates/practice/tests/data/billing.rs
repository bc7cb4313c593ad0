//! Appointments, visits and invoices.

use super::{TODAY, count, none, practice};

#[test]
fn visits_appointments_and_invoices_agree() {
    let c = practice();
    let came = "SELECT INTERNALID, USERID, APPOINTMENTDATE AS d, CONSULTATIONTIME AS t, APPOINTMENTCODE AS code, ITEMLIST, APPOINTMENTTYPE
                FROM APPOINTMENTS WHERE RECORDSTATUS = 1 AND APPOINTMENTCODE >= 4";
    assert!(count(&c, &format!("SELECT COUNT(*) FROM ({came})")) > 5000);
    none(
        &c,
        "an appointment kept without a visit",
        &format!(
            "SELECT a.* FROM ({came}) a LEFT JOIN VISITS v ON v.INTERNALID = a.INTERNALID AND v.VISITDATE = a.d AND v.USERID = a.USERID
               AND v.STARTTIME = a.t WHERE v.VISITID IS NULL OR v.VISITCODE <> CASE a.APPOINTMENTTYPE WHEN 7 THEN 5 WHEN 8 THEN 13 ELSE 1 END"
        ),
    );
    none(
        &c,
        "a visit without an appointment",
        &format!(
            "SELECT v.VISITID FROM VISITS v WHERE v.VISITCODE <> 12 AND NOT EXISTS
               (SELECT 1 FROM ({came}) a WHERE a.INTERNALID = v.INTERNALID AND a.d = v.VISITDATE AND a.USERID = v.USERID AND a.t = v.STARTTIME)"
        ),
    );
    none(
        &c,
        "a visit without a reason",
        "SELECT VISITID FROM VISITS WHERE VISITID NOT IN (SELECT VISITID FROM VISITREASON)",
    );
    none(
        &c,
        "a status that the invoice does not bear out",
        &format!(
            "SELECT a.* FROM ({came}) a WHERE (a.code IN (5, 7)) <> EXISTS
               (SELECT 1 FROM INVOICES i WHERE i.INTERNALID = a.INTERNALID AND i.INVOICEDATE = a.d AND i.USERID = a.USERID AND i.TOTAL > 0)
             OR (a.code IN (5, 7)) <> (a.ITEMLIST <> '')"
        ),
    );
    none(
        &c,
        "an invoice that is not the sum of its lines",
        "SELECT i.INVOICEID FROM INVOICES i LEFT JOIN SERVICES s ON s.INVOICEID = i.INVOICEID AND s.RECORDSTATUS = 1
         GROUP BY i.INVOICEID HAVING COUNT(s.SERVICEID) = 0 OR SUM(s.FEE) <> i.TOTAL OR MIN(s.PAYERCODE) <> i.PAYERCODE",
    );
    none(
        &c,
        "WorkCover that was not told",
        "SELECT INVOICEID FROM INVOICES WHERE (PAYERCODE = 4) <> (SENTTOWORKCOVER = 1)",
    );
    for (what, least) in [
        ("SERVICESTATUS = 9", 10),
        ("RECORDSTATUS = 2", 10),
        ("MBSITEM = '721'", 20),
        ("MBSITEM = '715'", 5),
        ("MBSITEM = '10997'", 20),
        ("MBSITEM = '36'", 100),
    ] {
        assert!(count(&c, &format!("SELECT COUNT(*) FROM SERVICES WHERE {what}")) >= least, "{what}");
    }
    none(
        &c,
        "two at once with one provider",
        "SELECT a.RECORDID, b.RECORDID FROM APPOINTMENTS a JOIN APPOINTMENTS b ON b.USERID = a.USERID AND b.APPOINTMENTDATE = a.APPOINTMENTDATE
           AND b.RECORDID > a.RECORDID AND b.APPOINTMENTTIME < a.APPOINTMENTTIME + a.APPOINTMENTLENGTH AND a.APPOINTMENTTIME < b.APPOINTMENTTIME + b.APPOINTMENTLENGTH
         WHERE a.RECORDSTATUS = 1 AND b.RECORDSTATUS = 1",
    );
    none(
        &c,
        "a patient in two places",
        "SELECT INTERNALID, APPOINTMENTDATE FROM APPOINTMENTS WHERE RECORDSTATUS = 1 AND INTERNALID > 0 GROUP BY 1, 2 HAVING COUNT(*) > 1",
    );
    none(
        &c,
        "an appointment outside the rota",
        "SELECT a.RECORDID FROM APPOINTMENTS a WHERE NOT EXISTS (SELECT 1 FROM SESSIONS s WHERE s.USERID = a.USERID
           AND s.DAYOFWEEK = strftime('%w', a.APPOINTMENTDATE) + 1 AND a.APPOINTMENTTIME >= s.STARTTIME
           AND a.APPOINTMENTTIME + a.APPOINTMENTLENGTH <= s.ENDTIME AND s.LOCATIONID = a.LOCATIONID)",
    );
    none(&c, "seen in the future", &format!("SELECT VISITID FROM VISITS WHERE VISITDATE > '{TODAY}'"));
}
