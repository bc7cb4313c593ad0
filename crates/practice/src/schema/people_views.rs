//! The `BPS_*` views of people, staff and the appointment book: live rows, codes as words.

use super::Relation;

pub(super) const VIEWS: &[Relation] = views! {
    BPS_Patients {
        InternalID "int", ExternalID "varchar(20)", RecordNo "varchar(10)", StatusText "varchar(12)",
        Title "varchar(30)", Firstname "varchar(50)", Middlename "varchar(30)", Surname "varchar(40)",
        Preferredname "varchar(30)", Address1 "varchar(40)", Address2 "varchar(40)", City "varchar(40)",
        Postcode "varchar(4)", PostalAddress "varchar(40)", PostalCity "varchar(40)",
        PostalPostcode "varchar(4)", DOB "datetime", Sex "varchar(10)", Gender "varchar(20)",
        Ethnicity "varchar(50)", HomePhone "varchar(14)", WorkPhone "varchar(14)",
        MobilePhone "varchar(14)", Email "varchar(100)", MedicareNo "varchar(13)",
        MedicareLineNo "varchar(1)", MedicareExpiry "varchar(10)", PensionNo "varchar(14)",
        PensionType "varchar(40)", PensionStart "datetime", PensionExpiry "datetime", DVANo "varchar(14)",
        SafetyNetNo "varchar(14)", HCHTier "varchar(12)", HCHStart "datetime", Religion "varchar(20)",
        HealthFundName "varchar(100)", HealthFundNo "varchar(20)", IHI "varchar(16)",
        UsualDoctor "varchar(162)",
    }
        "SELECT p.INTERNALID AS InternalID, p.EXTERNALID AS ExternalID, p.RECORDNO AS RecordNo,
           CASE p.PATIENTSTATUS WHEN 1 THEN 'Active' WHEN 2 THEN 'Inactive' ELSE 'Deceased' END AS StatusText,
           t.TITLE AS Title, p.FIRSTNAME AS Firstname, p.MIDDLENAME AS Middlename, p.SURNAME AS Surname,
           p.PREFERREDNAME AS Preferredname, p.ADDRESS1 AS Address1, p.ADDRESS2 AS Address2, p.CITY AS City,
           p.POSTCODE AS Postcode, p.POSTALADDRESS AS PostalAddress, p.POSTALCITY AS PostalCity,
           p.POSTALPOSTCODE AS PostalPostcode, p.DOB AS DOB,
           CASE p.SEXCODE WHEN 1 THEN 'Female' WHEN 2 THEN 'Male' ELSE '' END AS Sex,
           CASE p.GENDERCODE WHEN 1 THEN 'Female' WHEN 2 THEN 'Male' WHEN 3 THEN 'Non-binary' ELSE '' END AS Gender,
           CASE p.ETHNICCODE WHEN 1 THEN 'Aboriginal' WHEN 2 THEN 'Torres Strait Islander'
         WHEN 3 THEN 'Aboriginal/Torres Strait Islander' WHEN 4 THEN 'Non Indigenous' ELSE '' END AS Ethnicity,
           p.HOMEPHONE AS HomePhone, p.WORKPHONE AS WorkPhone, p.MOBILEPHONE AS MobilePhone, p.EMAIL AS Email,
           p.MEDICARENO AS MedicareNo, p.MEDICARELINENO AS MedicareLineNo, p.MEDICAREEXPIRY AS MedicareExpiry,
           p.PENSIONNO AS PensionNo,
           CASE p.PENSIONCODE WHEN 1 THEN 'Pensioner Concession Card' WHEN 2 THEN 'Health Care Card'
         WHEN 3 THEN 'Commonwealth Seniors Health Card' ELSE '' END AS PensionType,
           p.PENSIONSTART AS PensionStart, p.PENSIONEXPIRY AS PensionExpiry, p.DVANO AS DVANo,
           p.SAFETYNETNO AS SafetyNetNo, CASE WHEN p.HCHTIER > 0 THEN 'Tier ' || p.HCHTIER ELSE '' END AS HCHTier, p.HCHSTART AS HCHStart, p.RELIGION AS Religion,
           p.HEALTHFUNDNAME AS HealthFundName, p.HEALTHFUNDNO AS HealthFundNo, p.IHI AS IHI,
           CASE WHEN u.USERID IS NULL THEN '' ELSE
         trim(rtrim(coalesce(ut.TITLE, '')) || ' ' || rtrim(u.FIRSTNAME) || ' ' || rtrim(u.SURNAME)) END AS UsualDoctor
         FROM PATIENTS p LEFT JOIN TITLES t ON t.TITLECODE = p.TITLECODE
           LEFT JOIN USERS u ON u.USERID = p.USUALDOCTORID LEFT JOIN TITLES ut ON ut.TITLECODE = u.TITLECODE
         WHERE p.RECORDSTATUS = 1";
    BPS_Users {
        UserID "int", Title "varchar(30)", Firstname "varchar(40)", Surname "varchar(40)",
        ProviderNo "varchar(8)", LocationName "varchar(60)",
    }
        "SELECT u.USERID AS UserID, t.TITLE AS Title, u.FIRSTNAME AS Firstname, u.SURNAME AS Surname,
           u.PROVIDERNO AS ProviderNo, l.LOCATIONNAME AS LocationName
         FROM USERS u LEFT JOIN TITLES t ON t.TITLECODE = u.TITLECODE
           LEFT JOIN LOCATIONS l ON l.LOCATIONID = u.LOCATIONID
         WHERE u.USERSTATUS IN (1, 3) AND u.RECORDSTATUS = 1";
    BPS_Sessions {
        Provider "varchar(112)", Day "varchar(10)", StartTime "int", EndTime "int",
    }
        "SELECT CASE WHEN u.USERID IS NULL THEN '' ELSE
         trim(rtrim(coalesce(t.TITLE, '')) || ' ' || rtrim(u.FIRSTNAME) || ' ' || rtrim(u.SURNAME)) END AS Provider,
           CASE s.DAYOFWEEK WHEN 1 THEN 'Sunday' WHEN 2 THEN 'Monday' WHEN 3 THEN 'Tuesday' WHEN 4 THEN 'Wednesday'
         WHEN 5 THEN 'Thursday' WHEN 6 THEN 'Friday' ELSE 'Saturday' END AS Day,
           s.STARTTIME AS StartTime, s.ENDTIME AS EndTime
         FROM SESSIONS s LEFT JOIN USERS u ON u.USERID = s.USERID LEFT JOIN TITLES t ON t.TITLECODE = u.TITLECODE";
    BPS_Appointments {
        Patient "varchar(91)", InternalID "int", AppointmentDate "datetime", AppointmentTime "int",
        AppointmentLength "int", Provider "varchar(112)", Urgent "varchar(5)",
        AppointmentType "varchar(250)", Status "varchar(20)", ArrivalTime "int", ConsultationTime "int",
        BookedBy "varchar(112)",
    }
        "SELECT coalesce(rtrim(p.FIRSTNAME) || ' ' || rtrim(p.SURNAME), '') AS Patient, a.INTERNALID AS InternalID,
           a.APPOINTMENTDATE AS AppointmentDate, a.APPOINTMENTTIME AS AppointmentTime,
           a.APPOINTMENTLENGTH AS AppointmentLength,
           coalesce(trim(rtrim(coalesce(ut.TITLE, '')) || ' ' || rtrim(u.FIRSTNAME) || ' ' || rtrim(u.SURNAME)), '') AS Provider,
           y.YESNOWORD AS Urgent, ty.DESCRIPTION AS AppointmentType, c.DESCRIPTION AS Status,
           a.ARRIVALTIME AS ArrivalTime, a.CONSULTATIONTIME AS ConsultationTime,
           coalesce(trim(rtrim(coalesce(bt.TITLE, '')) || ' ' || rtrim(b.FIRSTNAME) || ' ' || rtrim(b.SURNAME)), '') AS BookedBy
         FROM APPOINTMENTS a LEFT JOIN PATIENTS p ON p.INTERNALID = a.INTERNALID
           LEFT JOIN USERS u ON u.USERID = a.USERID LEFT JOIN TITLES ut ON ut.TITLECODE = u.TITLECODE
           LEFT JOIN USERS b ON b.USERID = abs(a.CREATEDBY) LEFT JOIN TITLES bt ON bt.TITLECODE = b.TITLECODE
           LEFT JOIN YESNO y ON y.YESNOCODE = a.URGENT
           LEFT JOIN APPOINTMENTTYPES ty ON ty.APPOINTMENTCODE = a.APPOINTMENTTYPE
           LEFT JOIN APPOINTMENTCODES c ON c.APPOINTMENTCODE = a.APPOINTMENTCODE
         WHERE a.RECORDSTATUS = 1";
};
