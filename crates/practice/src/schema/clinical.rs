//! Tables of the medical record.

use super::Relation;

pub(super) const TABLES: &[Relation] = tables! {
    CLINICAL {
        INTERNALID "int key", KNOWNALLERGIES "int", MARITALSTATUS "int", SEXUALITY "int", SOCIALHX "varchar(500)",
        ACCOMODATION "int", LIVESWITH "int", HASCARER "int", ISCARER "int", SMOKINGSTATUS "int", ALCOHOLSTATUS "int",
        RECREATION "varchar(250)", CREATED "datetime", CREATEDBY "int", UPDATED "datetime", UPDATEDBY "int",
    }
    MARITALSTATUS { MARITALSTATUSCODE "int key", MARITALSTATUSNAME "char(30)" }
    SEXUALITY { SEXUALITYCODE "int key", SEXUALITYNAME "char(30)" }
    SMOKINGSTATUS { SMOKINGCODE "int key", SMOKINGTEXT "char(20)" }
    ALCOHOLSTATUS { ALCOHOLCODE "int key", ALCOHOLTEXT "char(20)" }
    ACCOMODATION { ACCOMODATIONCODE "int key", ACCOMODATIONTEXT "char(30)" }
    LIVESWITH { LIVESWITHCODE "int key", LIVESWITHTEXT "char(20)" }
    KNOWNALLERGIES { KNOWNALLERGIESCODE "int key", KNOWNALLERGIESTEXT "char(20)" }
    ALCOHOL {
        INTERNALID "int key", NONDRINKER "int", DAYSPERWEEK "int", DRINKSPERDAY "int", PASTALCOHOLLEVEL "int",
        YEARSTARTED "int", YEARSTOPPED "int", COMMENT "varchar(250)",
    }
    FAMILYHISTORY {
        INTERNALID "int key", ADOPTED "int", PATALIVE "int", MATALIVE "int", PATAGEATDEATH "int", MATAGEATDEATH "int",
        PATCAUSEOFDEATH "varchar(60)", PATCAUSEOFDEATHCODE "int", MATCAUSEOFDEATH "varchar(60)",
        MATCAUSEOFDEATHCODE "int", FHCOMMENT "varchar(250)", CREATED "datetime",
    }
    FAMILYHISTORYDETAIL {
        RECORDID "int key", INTERNALID "int", RELATIONCODE "int", CONDITION "varchar(80)", DISEASECODE "int",
        COMMENT "varchar(250)", RECORDSTATUS "int", CREATED "datetime",
    }
    RELATIONS { RELATIONCODE "int key", RELATIONNAME "char(20)" }
    PreventiveHealth { RECORDID "int key", INTERNALID "int", ITEMID "int", CREATED "datetime" }
    VISITTYPES { VISITCODE "int key", DESCRIPTION "char(20)" }
    VISITS {
        VISITID "int key", INTERNALID "int", USERID "int", LOCATIONID "int", VISITCODE "int", VISITDATE "datetime",
        STARTTIME "int", ENDTIME "int", VISITNOTES "text", RECORDSTATUS "int", CREATED "datetime", CREATEDBY "int",
        UPDATED "datetime", UPDATEDBY "int",
    }
    VISITREASON {
        RECORDID "int key", INTERNALID "int", VISITID "int", REASON "varchar(80)", REASONCODE "int", RECORDSTATUS "int",
    }
    HISTORY {
        RECORDID "int key", INTERNALID "int", YEAR "int", CONDITION "varchar(80)", CONDITIONID "int", STATUSCODE "int",
        COMMENT "varchar(250)", RECORDSTATUS "int", CREATED "datetime", CREATEDBY "int", UPDATED "datetime", UPDATEDBY "int",
    }
    CURRENTRX {
        RECORDID "int key", INTERNALID "int", USERID "int", PRODUCTID "int", DRUGNAME "char(100)", DOSE "char(40)",
        FREQUENCY "char(40)", PRN "int", ROUTE "char(20)", QUANTITY "varchar(10)", PRODUCTUNIT "char(20)", REPEATS "int",
        INDICATION "varchar(80)", FIRSTDATE "datetime", LASTDATE "datetime", RXSTATUS "int", RECORDSTATUS "int",
        CREATED "datetime", CREATEDBY "int", UPDATED "datetime", UPDATEDBY "int",
    }
    REACTIONS {
        RECORDID "int key", INTERNALID "int", RECORDSTATUS "int", ITEMTYPE "int", ITEMCODE "int", ITEMNAME "char(60)",
        REACTIONCODE "int", REACTION "char(40)", SEVERITY "int", COMMENT "varchar(250)", CREATED "datetime",
        CREATEDBY "int", UPDATED "datetime", UPDATEDBY "int",
    }
    IMMUNISATIONS {
        RECORDID "int key", INTERNALID "int", RECORDSTATUS "int", VACCINEID "int", VACCINENAME "varchar(60)",
        GIVENDATE "datetime", NOTGIVENHERE "int", BATCHNO "char(12)", USERID "int", CREATED "datetime", CREATEDBY "int",
        UPDATED "datetime", UPDATEDBY "int",
    }
    OBSERVATIONCODES { OBSERVATIONCODE "int key", DESCRIPTION "char(30)" }
    OBSERVATIONS {
        RECORDID "int key", INTERNALID "int", USERID "int", OBSERVATIONCODE "int", OBSERVATIONDATE "datetime",
        OBSERVATIONTIME "int", OBSERVATIONVALUE "varchar(20)", RECORDSTATUS "int", CREATED "datetime", CREATEDBY "int",
    }
    NOTATIONS { NOTATIONCODE "int key", DESCRIPTION "char(30)" }
    ACTIONCODES { ACTIONCODE "int key", DESCRIPTION "char(30)" }
    INVESTIGATIONS {
        REPORTID "int key", INTERNALID "int", USERID "int", TESTNAME "char(60)", COLLECTED "datetime", REPORTED "datetime",
        CHECKED "datetime", CHECKEDBY "int", ACTIONED "datetime", NOTATION "int", ACTION "int", COMMENT "varchar(250)",
        RECORDSTATUS "int", CREATED "datetime", CREATEDBY "int", UPDATED "datetime", UPDATEDBY "int",
    }
    REPORTVALUES {
        RECORDID "int key", INTERNALID "int", REPORTID "int", REPORTDATE "datetime", LOINCCODE "varchar(10)", BPCODE "int",
        RESULTNAME "varchar(60)", RESULTVALUE "varchar(40)", UNITS "varchar(20)", RANGE "varchar(20)",
    }
    CORRESPONDENCEIN {
        DOCUMENTID "int key", INTERNALID "int", USERID "int", CHECKEDBY "int", CORRESPONDENCEDATE "datetime",
        CHECKDATE "datetime", ACTIONDATE "datetime", CATEGORY "char(40)", SUBJECT "char(80)", DETAIL "varchar(250)",
        COMMENT "varchar(250)", NOTATION "int", ACTION "int", RECORDSTATUS "int", CREATED "datetime", CREATEDBY "int",
    }
    ACTIONS {
        RECORDID "int key", INTERNALID "int", USERID "int", ADDED "datetime", DUEDATE "datetime", PERFORMED "datetime",
        ACTIONTEXT "varchar(100)", COMMENT "varchar(250)", RECORDSTATUS "int",
    }
    PAPSMEARS {
        RECORDID "int key", INTERNALID "int", USERID "int", PAPDATE "datetime", CSTTYPE "char(10)", HPV16 "char(20)",
        HPV18 "char(20)", HPVOTHER "char(20)", RESULT "char(30)", HPVCHANGES "char(10)", ENDOCERVICALCELLS "char(10)",
        COMMENT "varchar(250)", RECORDSTATUS "int", CREATED "datetime",
    }
    OBSGYNDETAIL {
        INTERNALID "int key", NOMINALLMP "datetime", LASTPAPDATE "datetime", LASTPAPRESULT "char(30)", BREASTFEEDING "int",
        MammogramStatus "int", LastMammogramDate "datetime", MammogramResult "char(20)", NOPAP "int", OPTOUT "int",
        OPTOUTREASON "varchar(100)", CREATED "datetime", UPDATED "datetime",
    }
    PREGNANCIES {
        RECORDID "int key", INTERNALID "int", EDCBYDATE "datetime", EDCBYSCAN "datetime", USESCAN "int", ACTUALLMP "datetime",
        NOMINALLMP "datetime", ENDDATE "datetime", OUTCOMECODE "int", RECORDSTATUS "int", CREATED "datetime",
    }
    PREGNANCYOUTCOMES { OUTCOMECODE "int key", DESCRIPTION "char(30)" }
    ASTHMAPLAN {
        RECORDID "int key", INTERNALID "int", USERID "int", PLANDATE "datetime", BESTPEFR "int", MILD "varchar(500)",
        MODERATE "varchar(500)", SEVERE "varchar(500)", EMERGENCY "varchar(500)", EXERCISE "varchar(500)",
        RECORDSTATUS "int", CREATED "datetime",
    }
    PCEHRDOCUMENTS {
        RECORDID "int key", INTERNALID "int", USERID "int", DOCUMENTTYPE "int", DOCUMENTDATE "datetime", CREATED "datetime",
        CREATEDBY "int", UPDATED "datetime", UPDATEDBY "int",
    }
};
