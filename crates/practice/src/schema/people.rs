//! Tables of people, staff, places and the appointment book.

use super::Relation;

pub(super) const TABLES: &[Relation] = tables! {
    PATIENTS {
        INTERNALID "int key", EXTERNALID "varchar(20)", RECORDNO "char(10)", TITLECODE "int", FIRSTNAME "char(50)",
        MIDDLENAME "char(30)", SURNAME "char(40)", PREFERREDNAME "char(30)", ADDRESS1 "char(40)", ADDRESS2 "char(40)",
        CITY "char(40)", POSTCODE "char(4)", POSTALADDRESS "char(40)", POSTALCITY "char(40)", POSTALPOSTCODE "char(4)",
        DOB "datetime", SEXCODE "int", GENDERCODE "int", PRONOUNCODE "int", ETHNICCODE "int", HOMEPHONE "char(14)",
        WORKPHONE "char(14)", MOBILEPHONE "char(14)", EMAIL "varchar(100)", MEDICARENO "char(13)",
        MEDICARELINENO "char(1)", MEDICAREEXPIRY "char(10)", PENSIONCODE "int", PENSIONNO "char(14)",
        PENSIONSTART "datetime", PENSIONEXPIRY "datetime", DVACODE "int", DVANO "char(14)", SAFETYNETNO "char(14)",
        HEALTHFUNDID "int", HEALTHFUNDNAME "varchar(100)", HEALTHFUNDNO "varchar(20)", HEALTHFUNDEXPIRY "datetime",
        IHI "char(16)", RELIGION "varchar(20)", HEADOFFAMILYID "int", NEXTOFKINID "int", CONSENTSMSREMINDER "int",
        USUALDOCTORID "int", PATIENTSTATUS "int", RECORDSTATUS "int", CREATED "datetime", CREATEDBY "int",
        UPDATED "datetime", UPDATEDBY "int", HCHTIER "int", HCHSTART "datetime",
    }
    NEXTOFKIN {
        NEXTOFKINID "int key", INTERNALID "int", TITLECODE "int", SURNAME "char(40)", FIRSTNAME "char(50)",
        ADDRESS "char(40)", CITY "char(40)", POSTCODE "char(4)", CONTACTPHONE "char(14)", CONTACTPHONE2 "char(14)",
        RELATIONSHIP "char(30)", CREATED "datetime", UPDATED "datetime",
    }
    CARER {
        RECORDID "int key", INTERNALID "int", TITLECODE "int", SURNAME "char(40)", FIRSTNAME "char(50)",
        ADDRESS "char(40)", CITY "char(40)", POSTCODE "char(4)", CONTACTPHONE "char(14)", CONTACTPHONE2 "char(14)",
        RELATIONSHIP "char(30)", CREATED "datetime", UPDATED "datetime",
    }
    HEALTHFUNDS { HEALTHFUNDID "int key", HEALTHFUNDNAME "varchar(100)" }
    USERS {
        USERID "int key", TITLECODE "int", FIRSTNAME "char(40)", SURNAME "char(40)", PROVIDERNO "char(8)",
        LOCATIONID "int", USERSTATUS "int", RECORDSTATUS "int", CREATED "datetime",
    }
    TITLES { TITLECODE "int key", TITLE "char(30)" }
    SEX { SEXCODE "int key", SEX "char(10)" }
    GENDER { GENDERCODE "int key", GENDER "char(20)" }
    PRONOUN { PRONOUNCODE "int key", PRONOUN "char(20)" }
    ETHNICITY { ETHNICCODE "int key", ETHNICITY "char(50)" }
    PENSIONTYPES { PENSIONCODE "int key", PENSIONTYPE "char(40)" }
    DVATYPES { DVACODE "int key", DVATYPE "char(20)" }
    PATIENTSTATUS { STATUSCODE "int key", STATUSTEXT "char(12)" }
    LOCATIONS {
        LOCATIONID "int key", LOCATIONNAME "char(60)", ADDRESS1 "char(40)", ADDRESS2 "char(40)", CITY "char(40)",
        POSTCODE "char(4)", PHONE "char(14)",
    }
    PRACTICE { PRACTICENAME "char(60)" }
    DEMOSITE { SITEID "char(20)", VERSION "char(20)" }
    YESNO { YESNOCODE "int key", YESNOWORD "char(5)" }
    SESSIONS {
        SESSIONID "int key", USERID "int", LOCATIONID "int", DAYOFWEEK "int", STARTTIME "int", ENDTIME "int",
        LENGTH "int", STARTDATE "datetime", ENDDATE "datetime", WEEKS "int", CYCLEWEEK "int", CYCLEDATE "datetime",
    }
    APPOINTMENTCODES { APPOINTMENTCODE "int key", DESCRIPTION "char(20)" }
    APPOINTMENTTYPES { APPOINTMENTCODE "int key", DESCRIPTION "varchar(250)" }
    APPOINTMENTS {
        RECORDID "int key", RECORDSTATUS "int", INTERNALID "int", USERID "int", LOCATIONID "int",
        APPOINTMENTDATE "datetime", APPOINTMENTTIME "int", APPOINTMENTLENGTH "int", APPOINTMENTCODE "int",
        APPOINTMENTTYPE "int", URGENT "int", ARRIVALTIME "int", CONSULTATIONTIME "int", COMMENT "varchar(250)",
        REASON "varchar(250)", ITEMLIST "varchar(100)", VIDEOURL "varchar(250)", CREATED "datetime",
        CREATEDBY "int", UPDATED "datetime", UPDATEDBY "int",
    }
    MESSAGES {
        MESSAGEID "int key", USERID "int", INTERNALID "int", SUBJECT "varchar(100)", MESSAGE "varchar(2000)",
        MESSAGEDATE "datetime", READDATE "datetime", RECORDSTATUS "int", CREATED "datetime", CREATEDBY "int",
        UPDATED "datetime", UPDATEDBY "int",
    }
    Numbers { N "int key" }
};
