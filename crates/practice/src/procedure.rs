//! The stored procedures of the demo practice, written in the T-SQL that the demo itself speaks.

/// A procedure.
#[derive(Debug)]
pub(crate) struct Procedure {
    pub(crate) name: &'static str,
    /// Name with `@`, type, and the default where a caller may leave it out.
    pub(crate) parameters: &'static [(&'static str, &'static str, Option<&'static str>)],
    pub(crate) body: &'static str,
}

/// Finds a procedure; names compare without case.
pub(crate) fn find(name: &str) -> Option<&'static Procedure> {
    PROCEDURES.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

pub(crate) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "BP_GetAppointmentBookUsers",
        parameters: &[],
        body: "SELECT u.USERID AS UserID, t.TITLE AS Title, u.FIRSTNAME AS Firstname, u.SURNAME AS Surname, u.LOCATIONID AS LocationID
               FROM dbo.USERS u LEFT JOIN dbo.TITLES t ON t.TITLECODE = u.TITLECODE
               WHERE u.USERSTATUS IN (1, 3) AND u.RECORDSTATUS = 1 AND u.USERID IN (SELECT s.USERID FROM dbo.SESSIONS s)
               ORDER BY u.USERID",
    },
    Procedure {
        name: "BP_GetAllUsers",
        parameters: &[],
        body: "SELECT SURNAME, FIRSTNAME, USERID AS UserID, LOCATIONID AS LocationID FROM dbo.USERS ORDER BY USERID",
    },
    Procedure {
        name: "BP_GetAllSessions",
        parameters: &[],
        body: "SELECT USERID AS UserID, LOCATIONID AS LocationID, DAYOFWEEK AS DayOfWeek, STARTTIME AS StartTime, ENDTIME AS EndTime,
                 LENGTH AS Length, STARTDATE AS StartDate, ENDDATE AS EndDate, WEEKS AS Weeks, CYCLEWEEK AS CycleWeek, CYCLEDATE AS CycleDate
               FROM dbo.SESSIONS ORDER BY USERID, DAYOFWEEK, STARTTIME",
    },
    Procedure {
        name: "BP_GetPracticeLocation",
        parameters: &[("@locationid", "int", None)],
        body: "SELECT ADDRESS1, ADDRESS2, POSTCODE FROM dbo.LOCATIONS WHERE LOCATIONID = @locationid",
    },
    Procedure {
        name: "BP_AddAppointment",
        parameters: &[
            ("@aptdate", "datetime", None),
            ("@apttime", "int", None),
            ("@aptlen", "int", None),
            ("@practitionerid", "int", None),
            ("@patientid", "int", None),
            ("@loginid", "int", Some("0")),
            ("@locationid", "int", Some("1")),
        ],
        body: "INSERT INTO dbo.APPOINTMENTS (RECORDSTATUS, INTERNALID, USERID, LOCATIONID, APPOINTMENTDATE, APPOINTMENTTIME,
                 APPOINTMENTLENGTH, APPOINTMENTCODE, APPOINTMENTTYPE, URGENT, ARRIVALTIME, CONSULTATIONTIME, COMMENT, REASON,
                 ITEMLIST, VIDEOURL, CREATED, CREATEDBY, UPDATED, UPDATEDBY)
               VALUES (1, @patientid, @practitionerid, @locationid, CAST(CAST(@aptdate AS date) AS datetime), @apttime, @aptlen,
                 1, 1, 0, 0, 0, '', '', '', '', GETDATE(), @loginid, GETDATE(), @loginid);
               RETURN SCOPE_IDENTITY()",
    },
];
