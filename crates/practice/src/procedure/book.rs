//! Procedures that read the appointment book: staff, rota, places, free and booked slots.

use super::Procedure;

/// Whether the rota has a user at work on a day, as a condition over the alias `s` of SESSIONS. Day 1 of the week is
/// Sunday; a session in a cycle of several weeks recurs in its own week, counted from the week of the cycle's date.
macro_rules! on_duty {
    ($user:literal, $day:literal) => {
        concat!(
            "s.USERID = ",
            $user,
            " AND s.DAYOFWEEK = DATEDIFF(day, '18991231', ",
            $day,
            ") % 7 + 1
             AND ISNULL(s.STARTDATE, ",
            $day,
            ") <= ",
            $day,
            " AND ISNULL(s.ENDDATE, ",
            $day,
            ") >= ",
            $day,
            "
             AND (ISNULL(s.WEEKS, 1) <= 1 OR ISNULL(s.CYCLEWEEK, 1) - 1 =
               (DATEDIFF(week, COALESCE(s.CYCLEDATE, s.STARTDATE, '19000107'), ",
            $day,
            ") % NULLIF(s.WEEKS, 0) + s.WEEKS)
                 % NULLIF(s.WEEKS, 0))"
        )
    };
}

/// Whether a live appointment is in the way of a user's time, as a condition over the alias `a` of APPOINTMENTS.
macro_rules! in_the_way {
    ($user:literal, $day:literal, $from:literal, $length:literal) => {
        concat!(
            "a.RECORDSTATUS = 1 AND a.USERID = ",
            $user,
            " AND a.APPOINTMENTDATE = ",
            $day,
            " AND a.APPOINTMENTTIME < ",
            $from,
            " + ",
            $length,
            " AND (a.APPOINTMENTTIME + a.APPOINTMENTLENGTH > ",
            $from,
            " OR a.APPOINTMENTTIME = ",
            $from,
            ")"
        )
    };
}

pub(super) use {in_the_way, on_duty};

pub(super) const GET_APPOINTMENT_BOOK_USERS: Procedure = Procedure {
    name: "BP_GetAppointmentBookUsers",
    parameters: &[],
    body: "SELECT u.USERID AS UserID, t.TITLE AS Title, u.FIRSTNAME AS Firstname, u.SURNAME AS Surname, u.LOCATIONID AS LocationID
           FROM dbo.USERS u LEFT JOIN dbo.TITLES t ON t.TITLECODE = u.TITLECODE
           WHERE u.USERSTATUS IN (1, 3) AND u.RECORDSTATUS = 1 AND u.USERID IN (SELECT s.USERID FROM dbo.SESSIONS s)
           ORDER BY u.USERID",
};

pub(super) const GET_ALL_USERS: Procedure = Procedure {
    name: "BP_GetAllUsers",
    parameters: &[],
    body: "SELECT SURNAME, FIRSTNAME, USERID AS UserID, LOCATIONID AS LocationID FROM dbo.USERS ORDER BY USERID",
};

pub(super) const GET_ALL_SESSIONS: Procedure = Procedure {
    name: "BP_GetAllSessions",
    parameters: &[],
    body: "SELECT USERID AS UserID, LOCATIONID AS LocationID, DAYOFWEEK AS DayOfWeek, STARTTIME AS StartTime, ENDTIME AS EndTime,
             LENGTH AS Length, STARTDATE AS StartDate, ENDDATE AS EndDate, WEEKS AS Weeks, CYCLEWEEK AS CycleWeek, CYCLEDATE AS CycleDate
           FROM dbo.SESSIONS ORDER BY USERID, DAYOFWEEK, STARTTIME",
};

pub(super) const GET_PRACTICE_LOCATION: Procedure = Procedure {
    name: "BP_GetPracticeLocation",
    parameters: &[("@locationid", "int", None)],
    body: "SELECT ADDRESS1, ADDRESS2, POSTCODE FROM dbo.LOCATIONS WHERE LOCATIONID = @locationid",
};

pub(super) const GET_FREE_APPOINTMENTS: Procedure = Procedure {
    name: "BP_GetFreeAppointments",
    parameters: &[("@userid", "int", None), ("@aptdate", "date", None)],
    body: concat!(
        "DECLARE @day datetime = @aptdate, @name varchar(120)
         SELECT @name = LTRIM(RTRIM(ISNULL(t.TITLE, '')) + ' ' + RTRIM(u.FIRSTNAME) + ' ' + RTRIM(u.SURNAME))
         FROM dbo.USERS u LEFT JOIN dbo.TITLES t ON t.TITLECODE = u.TITLECODE WHERE ",
        works!("@userid"),
        "
         IF @name IS NULL
         BEGIN
           RAISERROR('User %d is not a user of this practice.', 16, 1, @userid)
           RETURN
         END
         IF NOT EXISTS (SELECT 1 FROM dbo.SESSIONS s WHERE ",
        on_duty!("@userid", "@day"),
        ")
         BEGIN
           RAISERROR('%s is away on that date.', 16, 1, @name)
           RETURN
         END
         SELECT DISTINCT s.STARTTIME + n.N * s.LENGTH AS AppointmentTime, s.LENGTH AS AppointmentLength
         FROM dbo.SESSIONS s JOIN dbo.Numbers n ON s.STARTTIME + (n.N + 1) * s.LENGTH <= s.ENDTIME
         WHERE s.LENGTH > 0 AND ",
        on_duty!("@userid", "@day"),
        "
           AND NOT EXISTS (SELECT 1 FROM dbo.APPOINTMENTS a
             WHERE ",
        in_the_way!("@userid", "@day", "s.STARTTIME + n.N * s.LENGTH", "s.LENGTH"),
        ")
         ORDER BY AppointmentTime, AppointmentLength"
    ),
};

pub(super) const IS_APPOINTMENT_BOOKED: Procedure = Procedure {
    name: "BP_IsAppointmentBooked",
    parameters: &[("@userid", "int", None), ("@aptdate", "datetime", None), ("@apttime", "int", None)],
    body: concat!(
        "DECLARE @day datetime = CAST(@aptdate AS date)
         IF EXISTS (SELECT 1 FROM dbo.APPOINTMENTS a WHERE ",
        in_the_way!("@userid", "@day", "@apttime", "1"),
        ")
           RETURN 1
         RETURN 0"
    ),
};

pub(super) const GET_PATIENT_APPOINTMENTS: Procedure = Procedure {
    name: "BP_GetPatientAppointments",
    parameters: &[("@patientid", "int", None)],
    body: "SELECT a.RECORDID AS RecordID, a.APPOINTMENTCODE AS AppointmentCode, a.APPOINTMENTTYPE AS AppointmentType,
             a.APPOINTMENTDATE AS AppointmentDate, a.APPOINTMENTTIME AS AppointmentTime, t.TITLE AS UserTitle,
             u.SURNAME AS UserSurname
           FROM dbo.APPOINTMENTS a LEFT JOIN dbo.USERS u ON u.USERID = a.USERID
             LEFT JOIN dbo.TITLES t ON t.TITLECODE = u.TITLECODE
           WHERE a.INTERNALID = @patientid AND a.INTERNALID <> 0 AND a.RECORDSTATUS = 1
           ORDER BY a.APPOINTMENTDATE, a.APPOINTMENTTIME, a.RECORDID",
};
