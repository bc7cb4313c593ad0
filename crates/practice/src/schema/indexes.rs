//! Indexes of both databases.

use super::Base;

/// An index; its name is made from table and first column.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) base: Base,
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [&'static str],
}

impl Index {
    /// `IX_APPOINTMENTS_USERID`.
    pub(crate) fn name(&self) -> String {
        format!("IX_{}_{}", self.table, self.columns[0])
    }
}

const fn index(table: &'static str, columns: &'static [&'static str]) -> Index {
    Index { base: Base::Patients, table, columns }
}

const fn drugs(table: &'static str, columns: &'static [&'static str]) -> Index {
    Index { base: Base::Drugs, table, columns }
}

pub(crate) const INDEXES: &[Index] = &[
    index("APPOINTMENTS", &["APPOINTMENTDATE", "USERID", "APPOINTMENTTIME"]),
    index("APPOINTMENTS", &["USERID", "APPOINTMENTDATE"]),
    index("APPOINTMENTS", &["INTERNALID"]),
    index("PATIENTS", &["SURNAME", "FIRSTNAME"]),
    index("PATIENTS", &["DOB"]),
    index("PATIENTS", &["HEADOFFAMILYID"]),
    index("SESSIONS", &["USERID", "DAYOFWEEK"]),
    index("NEXTOFKIN", &["INTERNALID"]),
    index("CARER", &["INTERNALID"]),
    index("MESSAGES", &["USERID"]),
    index("FAMILYHISTORYDETAIL", &["INTERNALID"]),
    index("PreventiveHealth", &["INTERNALID"]),
    index("VISITS", &["INTERNALID", "VISITDATE"]),
    index("VISITS", &["VISITDATE"]),
    index("VISITREASON", &["VISITID"]),
    index("VISITREASON", &["INTERNALID"]),
    index("HISTORY", &["INTERNALID"]),
    index("HISTORY", &["CONDITIONID"]),
    index("CURRENTRX", &["INTERNALID"]),
    index("REACTIONS", &["INTERNALID"]),
    index("IMMUNISATIONS", &["INTERNALID"]),
    index("OBSERVATIONS", &["INTERNALID", "OBSERVATIONCODE"]),
    index("INVESTIGATIONS", &["INTERNALID"]),
    index("REPORTVALUES", &["INTERNALID", "BPCODE"]),
    index("REPORTVALUES", &["REPORTID"]),
    index("CORRESPONDENCEIN", &["INTERNALID"]),
    index("ACTIONS", &["INTERNALID"]),
    index("ACTIONS", &["USERID"]),
    index("INVOICES", &["INTERNALID"]),
    index("SERVICES", &["INVOICEID"]),
    index("SERVICES", &["SERVICEDATE"]),
    index("PAPSMEARS", &["INTERNALID"]),
    index("PREGNANCIES", &["INTERNALID"]),
    index("ASTHMAPLAN", &["INTERNALID"]),
    index("PCEHRDOCUMENTS", &["INTERNALID"]),
    drugs("VACCINE_DISEASE", &["VACCINEID", "DISEASECODE"]),
    drugs("PRODUCTS", &["PRODUCTNAMEID"]),
    drugs("PRODUCT_INGREDIENT", &["PRODUCTID", "INGREDIENTID"]),
    drugs("PRODUCT_INGREDIENT", &["INGREDIENTID"]),
    drugs("INGREDIENT_DRUGCLASS", &["INGREDIENTID", "DRUGCLASSID"]),
];
