//! Tables of the drug and vaccine database.

use super::Relation;

pub(super) const TABLES: &[Relation] = tables! {
    VACCINES { VACCINEID "int key", VACCINENAME "varchar(60)", ACIRCODE "char(6)", CHILDHOOD "int", GENERIC "varchar(60)" }
    VAXDISEASES { DISEASECODE "int key", DISEASENAME "char(30)" }
    VACCINE_DISEASE { VACCINEID "int", DISEASECODE "int" }
    PRODUCTS { PRODUCTID "int key", PRODUCTNAMEID "int", DESCRIPTION "varchar(60)" }
    PRODUCTNAMES { PRODUCTNAMEID "int key", PRODUCTNAME "char(60)" }
    INGREDIENTS { INGREDIENTID "int key", INGREDIENTNAME "char(60)" }
    PRODUCT_INGREDIENT { PRODUCTID "int", INGREDIENTID "int" }
    DRUGCLASSES { DRUGCLASSID "int key", DESCRIPTION "char(60)" }
    INGREDIENT_DRUGCLASS { INGREDIENTID "int", DRUGCLASSID "int", RECORDSTATUS "int" }
};
