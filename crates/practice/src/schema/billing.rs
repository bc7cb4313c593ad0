//! Invoices and the services on them.

use super::Relation;

pub(super) const TABLES: &[Relation] = tables! {
    INVOICES {
        INVOICEID "int key", USERID "int", INTERNALID "int", LOCATIONID "int", INVOICEDATE "datetime", TOTAL "int",
        PAYERCODE "int", SENTTOWORKCOVER "int", RECORDSTATUS "int", CREATED "datetime", CREATEDBY "int",
    }
    SERVICES {
        SERVICEID "int key", INVOICEID "int", SERVICEDATE "datetime", MBSITEM "char(6)", DESCRIPTION "varchar(100)",
        FEE "int", PAYERCODE "int", SERVICESTATUS "int", RECORDSTATUS "int",
    }
    PAYERS { PAYERCODE "int key", DESCRIPTION "char(30)" }
};

// Live services only: neither cancelled ones nor reversals.
pub(super) const VIEWS: &[Relation] = views! {
    BPS_Services { INTERNALID "int", SERVICEDATE "datetime", MBSITEM "char(6)", DESCRIPTION "varchar(100)" }
        "SELECT i.INTERNALID AS INTERNALID, s.SERVICEDATE AS SERVICEDATE, s.MBSITEM AS MBSITEM, s.DESCRIPTION AS DESCRIPTION
         FROM SERVICES s JOIN INVOICES i ON i.INVOICEID = s.INVOICEID
         WHERE s.RECORDSTATUS = 1 AND i.RECORDSTATUS = 1 AND s.SERVICESTATUS <> 9";
};
