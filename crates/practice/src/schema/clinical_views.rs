//! The `BPS_*` views of the medical record: live rows, codes as words.

use super::Relation;

pub(super) const VIEWS: &[Relation] = views! {
    BPS_Clinical { InternalID "int", Item "varchar(30)", Detail "varchar(500)", Updated "datetime" }
        "SELECT c.INTERNALID AS InternalID, 'Allergies' AS Item, rtrim(k.KNOWNALLERGIESTEXT) AS Detail, c.UPDATED AS Updated
           FROM CLINICAL c JOIN KNOWNALLERGIES k ON k.KNOWNALLERGIESCODE = c.KNOWNALLERGIES
         UNION ALL SELECT c.INTERNALID, 'Marital status', rtrim(m.MARITALSTATUSNAME), c.UPDATED
           FROM CLINICAL c JOIN MARITALSTATUS m ON m.MARITALSTATUSCODE = c.MARITALSTATUS WHERE c.MARITALSTATUS > 0
         UNION ALL SELECT c.INTERNALID, 'Sexuality', rtrim(s.SEXUALITYNAME), c.UPDATED
           FROM CLINICAL c JOIN SEXUALITY s ON s.SEXUALITYCODE = c.SEXUALITY WHERE c.SEXUALITY > 0
         UNION ALL SELECT c.INTERNALID, 'Smoking', rtrim(s.SMOKINGTEXT), c.UPDATED
           FROM CLINICAL c JOIN SMOKINGSTATUS s ON s.SMOKINGCODE = c.SMOKINGSTATUS WHERE c.SMOKINGSTATUS > 0
         UNION ALL SELECT c.INTERNALID, 'Alcohol', rtrim(a.ALCOHOLTEXT), c.UPDATED
           FROM CLINICAL c JOIN ALCOHOLSTATUS a ON a.ALCOHOLCODE = c.ALCOHOLSTATUS WHERE c.ALCOHOLSTATUS > 0
         UNION ALL SELECT c.INTERNALID, 'Accommodation', rtrim(a.ACCOMODATIONTEXT), c.UPDATED
           FROM CLINICAL c JOIN ACCOMODATION a ON a.ACCOMODATIONCODE = c.ACCOMODATION WHERE c.ACCOMODATION > 0
         UNION ALL SELECT c.INTERNALID, 'Lives with', rtrim(l.LIVESWITHTEXT), c.UPDATED
           FROM CLINICAL c JOIN LIVESWITH l ON l.LIVESWITHCODE = c.LIVESWITH WHERE c.LIVESWITH > 0";
    BPS_Alcohol {
        InternalID "int", NonDrinker "varchar(5)", DaysPerweek "int", DrinksPerday "int", Description "varchar(20)",
        PastAlcoholLevel "varchar(20)", YearStarted "int", YearStopped "int", Comment "varchar(250)",
    }
        "SELECT a.INTERNALID AS InternalID, CASE a.NONDRINKER WHEN 1 THEN 'Yes' ELSE 'No' END AS NonDrinker,
           a.DAYSPERWEEK AS DaysPerweek, a.DRINKSPERDAY AS DrinksPerday, coalesce(rtrim(n.ALCOHOLTEXT), '') AS Description,
           coalesce(rtrim(p.ALCOHOLTEXT), '') AS PastAlcoholLevel, a.YEARSTARTED AS YearStarted,
           a.YEARSTOPPED AS YearStopped, a.COMMENT AS Comment
         FROM ALCOHOL a LEFT JOIN CLINICAL c ON c.INTERNALID = a.INTERNALID
           LEFT JOIN ALCOHOLSTATUS n ON n.ALCOHOLCODE = c.ALCOHOLSTATUS
           LEFT JOIN ALCOHOLSTATUS p ON p.ALCOHOLCODE = a.PASTALCOHOLLEVEL";
    BPS_FamilyHistoryDetail {
        InternalID "int", RelationName "varchar(20)", Condition "varchar(80)", DiseaseCode "int", Comment "varchar(250)",
    }
        "SELECT d.INTERNALID AS InternalID, r.RELATIONNAME AS RelationName, d.CONDITION AS Condition,
           d.DISEASECODE AS DiseaseCode, d.COMMENT AS Comment
         FROM FAMILYHISTORYDETAIL d LEFT JOIN RELATIONS r ON r.RELATIONCODE = d.RELATIONCODE WHERE d.RECORDSTATUS = 1";
    BPS_Visits {
        InternalID "int", VisitID "int", VisitType "varchar(20)", VisitDate "datetime", UserID "int",
        DrName "varchar(112)", VisitNotes "text",
    }
        concat!("SELECT v.INTERNALID AS InternalID, v.VISITID AS VisitID, y.DESCRIPTION AS VisitType, v.VISITDATE AS VisitDate,
           v.USERID AS UserID, ", provider!("u", "t"), " AS DrName, v.VISITNOTES AS VisitNotes
         FROM VISITS v LEFT JOIN VISITTYPES y ON y.VISITCODE = v.VISITCODE LEFT JOIN USERS u ON u.USERID = v.USERID
           LEFT JOIN TITLES t ON t.TITLECODE = u.TITLECODE WHERE v.RECORDSTATUS = 1");
    BPS_VisitReason {
        InternalID "int", VisitID "int", VisitDate "datetime", Provider "varchar(112)", Reason "varchar(80)",
    }
        concat!("SELECT r.INTERNALID AS InternalID, r.VISITID AS VisitID, v.VISITDATE AS VisitDate, ", provider!("u", "t"), " AS Provider,
           r.REASON AS Reason
         FROM VISITREASON r JOIN VISITS v ON v.VISITID = r.VISITID LEFT JOIN USERS u ON u.USERID = v.USERID
           LEFT JOIN TITLES t ON t.TITLECODE = u.TITLECODE WHERE r.RECORDSTATUS = 1 AND v.RECORDSTATUS = 1");
    BPS_History {
        InternalID "int", Year "int", Condition "varchar(80)", ConditionID "int", Status "varchar(10)", Comment "varchar(250)",
    }
        "SELECT INTERNALID AS InternalID, YEAR AS Year, CONDITION AS Condition, CONDITIONID AS ConditionID,
           CASE STATUSCODE WHEN 1 THEN 'Active' ELSE 'Inactive' END AS Status, COMMENT AS Comment
         FROM HISTORY WHERE RECORDSTATUS = 1";
    BPS_CurrentRx {
        InternalID "int", DrugName "varchar(100)", Dose "varchar(40)", Frequency "varchar(40)", PRN "varchar(5)",
        Route "varchar(20)", Quantity "varchar(10)", ProductUnit "varchar(20)", Repeats "int", Indication "varchar(80)",
        LastDate "datetime", ProductID "int",
    }
        "SELECT INTERNALID AS InternalID, DRUGNAME AS DrugName, DOSE AS Dose, FREQUENCY AS Frequency,
           CASE PRN WHEN 1 THEN 'Yes' ELSE 'No' END AS PRN, ROUTE AS Route, QUANTITY AS Quantity,
           PRODUCTUNIT AS ProductUnit, REPEATS AS Repeats, INDICATION AS Indication, LASTDATE AS LastDate,
           PRODUCTID AS ProductID
         FROM CURRENTRX WHERE RECORDSTATUS = 1";
    BPS_Reactions {
        InternalID "int", ItemName "varchar(60)", Reaction "varchar(40)", Severity "varchar(10)", Comment "varchar(250)",
        Created "datetime",
    }
        "SELECT INTERNALID AS InternalID, ITEMNAME AS ItemName, REACTION AS Reaction,
           CASE SEVERITY WHEN 1 THEN 'Mild' WHEN 2 THEN 'Moderate' WHEN 3 THEN 'Severe' ELSE '' END AS Severity,
           COMMENT AS Comment, CREATED AS Created
         FROM REACTIONS WHERE RECORDSTATUS = 1";
    BPS_Immunisations {
        InternalID "int", GivenDate "datetime", VaccineName "varchar(60)", VaccineID "int", NotGivenHere "int",
    }
        "SELECT INTERNALID AS InternalID, GIVENDATE AS GivenDate, VACCINENAME AS VaccineName, VACCINEID AS VaccineID,
           NOTGIVENHERE AS NotGivenHere
         FROM IMMUNISATIONS WHERE RECORDSTATUS <> 0";
    BPS_Observations {
        InternalID "int", RECORDID "int", ObservationCode "int", ObservationName "varchar(30)", ObservationDate "datetime",
        ObservationTime "int", ObservationValue "varchar(20)",
    }
        "SELECT o.INTERNALID AS InternalID, o.RECORDID AS RECORDID, o.OBSERVATIONCODE AS ObservationCode,
           c.DESCRIPTION AS ObservationName, o.OBSERVATIONDATE AS ObservationDate, o.OBSERVATIONTIME AS ObservationTime,
           o.OBSERVATIONVALUE AS ObservationValue
         FROM OBSERVATIONS o LEFT JOIN OBSERVATIONCODES c ON c.OBSERVATIONCODE = o.OBSERVATIONCODE
         WHERE o.RECORDSTATUS = 1";
    BPS_Investigations {
        InternalID "int", ReportID "int", TestName "varchar(60)", Collected "datetime", Reported "datetime",
        Checked "datetime", Actioned "datetime", CheckedBy "varchar(112)", Notation "varchar(30)", Action "varchar(30)",
        Comment "varchar(250)",
    }
        concat!("SELECT i.INTERNALID AS InternalID, i.REPORTID AS ReportID, i.TESTNAME AS TestName, i.COLLECTED AS Collected,
           i.REPORTED AS Reported, i.CHECKED AS Checked, i.ACTIONED AS Actioned, ", provider!("u", "t"), " AS CheckedBy,
           n.DESCRIPTION AS Notation, a.DESCRIPTION AS Action, i.COMMENT AS Comment
         FROM INVESTIGATIONS i LEFT JOIN USERS u ON u.USERID = i.CHECKEDBY LEFT JOIN TITLES t ON t.TITLECODE = u.TITLECODE
           LEFT JOIN NOTATIONS n ON n.NOTATIONCODE = i.NOTATION LEFT JOIN ACTIONCODES a ON a.ACTIONCODE = i.ACTION
         WHERE i.RECORDSTATUS = 1");
    BPS_ReportValues {
        InternalID "int", ReportID "int", ReportDate "datetime", LoincCode "varchar(10)", BPCode "int",
        ResultName "varchar(60)", ResultValue "varchar(40)", Units "varchar(20)", Range "varchar(20)",
    }
        "SELECT INTERNALID AS InternalID, REPORTID AS ReportID, REPORTDATE AS ReportDate, LOINCCODE AS LoincCode,
           BPCODE AS BPCode, RESULTNAME AS ResultName, RESULTVALUE AS ResultValue, UNITS AS Units, RANGE AS \"Range\"
         FROM REPORTVALUES";
    BPS_CorrespondenceIn {
        InternalID "int", DocumentID "int", CorrespondenceDate "datetime", Subject "varchar(80)", Detail "varchar(250)",
        Comment "varchar(250)",
    }
        "SELECT INTERNALID AS InternalID, DOCUMENTID AS DocumentID, CORRESPONDENCEDATE AS CorrespondenceDate,
           SUBJECT AS Subject, DETAIL AS Detail, COMMENT AS Comment
         FROM CORRESPONDENCEIN WHERE RECORDSTATUS = 1";
    BPS_PapSmears {
        InternalID "int", PapDate "datetime", CSTType "varchar(10)", HPV16 "varchar(20)", HPV18 "varchar(20)",
        HPVOther "varchar(20)", Result "varchar(30)", HPVChanges "varchar(10)", EndocervicalCells "varchar(10)",
        Comment "varchar(250)",
    }
        "SELECT INTERNALID AS InternalID, PAPDATE AS PapDate, CSTTYPE AS CSTType, HPV16 AS HPV16, HPV18 AS HPV18,
           HPVOTHER AS HPVOther, RESULT AS Result, HPVCHANGES AS HPVChanges, ENDOCERVICALCELLS AS EndocervicalCells,
           COMMENT AS Comment
         FROM PAPSMEARS WHERE RECORDSTATUS = 1";
};
