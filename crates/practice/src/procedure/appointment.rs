//! Procedures that change the appointment book. What can't be a time or a type is an error; what is not there, or is
//! taken, is 0.

use super::{
    Procedure,
    book::{in_the_way, on_duty},
};

/// Refuses what is no time of a day, or does not end with it.
macro_rules! check_time {
    ($length:literal) => {
        concat!(
            "IF @aptdate IS NULL OR ISNULL(@apttime, -1) NOT BETWEEN 0 AND 86399 OR ISNULL(", $length, ", 0) < 1
               OR ", $length, " > 86400 - CASE WHEN @apttime BETWEEN 0 AND 86399 THEN @apttime ELSE 0 END
             BEGIN
               RAISERROR('An appointment needs a date, a time from 0 to 86399 and a length from 1 that ends by midnight, in seconds.', 16, 1)
               RETURN 0
             END
             "
        )
    };
}

/// Refuses a type that the practice does not have.
macro_rules! check_type {
    ($kind:literal) => {
        concat!(
            "IF NOT EXISTS (SELECT 1 FROM dbo.APPOINTMENTTYPES WHERE APPOINTMENTCODE = ",
            $kind,
            ")
             BEGIN
               RAISERROR('There is no appointment type %d.', 16, 1, ",
            $kind,
            ")
               RETURN 0
             END
             "
        )
    };
}

/// Writes the appointment unless something is in its way, and returns its number.
macro_rules! book {
    ($day:literal, $kind:literal, $reason:literal, $video:literal) => {
        concat!(
            "DECLARE @day datetime = ", $day, ", @id int = 0
             INSERT INTO dbo.APPOINTMENTS (RECORDSTATUS, INTERNALID, USERID, LOCATIONID, APPOINTMENTDATE, APPOINTMENTTIME,
               APPOINTMENTLENGTH, APPOINTMENTCODE, APPOINTMENTTYPE, URGENT, ARRIVALTIME, CONSULTATIONTIME, COMMENT, REASON,
               ITEMLIST, VIDEOURL, CREATED, CREATEDBY, UPDATED, UPDATEDBY)
             SELECT 1, @patientid, @practitionerid,
               COALESCE(@locationid, (SELECT TOP 1 s.LOCATIONID FROM dbo.SESSIONS s
                 WHERE ", on_duty!("@practitionerid", "@day"), " AND s.STARTTIME <= @apttime AND s.ENDTIME > @apttime
                 ORDER BY s.STARTTIME), u.LOCATIONID),
               @day, @apttime, @aptlen, 1, ", $kind, ", 0, 0, 0, '', ", $reason, ", '', ", $video, ",
               GETDATE(), ISNULL(@loginid, 0), GETDATE(), ISNULL(@loginid, 0)
             FROM dbo.USERS u
             WHERE ", works!("@practitionerid"), "
               AND (@patientid = 0
                 OR EXISTS (SELECT 1 FROM dbo.PATIENTS p WHERE p.INTERNALID = @patientid AND p.RECORDSTATUS = 1))
               AND NOT EXISTS (SELECT 1 FROM dbo.APPOINTMENTS a
                 WHERE ", in_the_way!("@practitionerid", "@day", "@apttime", "@aptlen"), ")
             IF @@ROWCOUNT = 1 SET @id = SCOPE_IDENTITY()
             RETURN @id"
        )
    };
}

pub(super) const ADD: Procedure = Procedure {
    name: "BP_AddAppointment",
    parameters: &[
        ("@aptdate", "date", None),
        ("@apttime", "int", None),
        ("@aptlen", "int", None),
        ("@practitionerid", "int", None),
        ("@patientid", "int", None),
        ("@loginid", "int", Some("0")),
        ("@locationid", "int", Some("NULL")),
    ],
    body: concat!(check_time!("@aptlen"), book!("@aptdate", "1", "''", "''")),
};

pub(super) const ADD_EX: Procedure = Procedure {
    name: "BP_AddAppointmentEx",
    parameters: &[
        ("@aptdate", "varchar(30)", None),
        ("@apttime", "int", None),
        ("@appointmenttype", "int", None),
        ("@aptlen", "int", None),
        ("@practitionerid", "int", None),
        ("@patientid", "int", None),
        ("@reason", "varchar(250)", None),
        ("@loginid", "int", Some("0")),
        ("@locationid", "int", None),
        ("@videourl", "varchar(250)", Some("NULL")),
    ],
    body: concat!(
        check_time!("@aptlen"),
        check_type!("@appointmenttype"),
        book!("CAST(@aptdate AS date)", "@appointmenttype", "ISNULL(@reason, '')", "ISNULL(@videourl, '')")
    ),
};

pub(super) const UPDATE: Procedure =
    Procedure {
        name: "BP_UpdateAppointment",
        parameters: &[
            ("@aptid", "int", None),
            ("@apttype", "int", None),
            ("@aptlen", "int", None),
            ("@reason", "varchar(250)", None),
        ],
        body: concat!(
        "IF ISNULL(@aptlen, 0) NOT BETWEEN 1 AND 86400
         BEGIN
           RAISERROR('An appointment needs a length from 1 to 86400 seconds.', 16, 1)
           RETURN 0
         END
         ",
        check_type!("@apttype"),
        "UPDATE m SET APPOINTMENTTYPE = @apttype, APPOINTMENTLENGTH = @aptlen, REASON = ISNULL(@reason, ''),
           UPDATED = GETDATE(), UPDATEDBY = 0
         FROM dbo.APPOINTMENTS m
         WHERE m.RECORDID = @aptid AND m.RECORDSTATUS = 1 AND m.APPOINTMENTTIME + @aptlen <= 86400
           AND NOT EXISTS (SELECT 1 FROM dbo.APPOINTMENTS a
             WHERE a.RECORDID <> @aptid AND a.APPOINTMENTTIME >= m.APPOINTMENTTIME
               AND @aptlen > m.APPOINTMENTLENGTH
               AND ", in_the_way!("m.USERID", "m.APPOINTMENTDATE", "m.APPOINTMENTTIME", "@aptlen"), ")
         RETURN @@ROWCOUNT"
    ),
    };

pub(super) const MOVE: Procedure = Procedure {
    name: "BP_MoveAppointment",
    parameters: &[
        ("@aptid", "int", None),
        ("@aptdate", "date", None),
        ("@apttime", "int", None),
        ("@practitionerid", "int", None),
        ("@locationid", "int", None),
        ("@loginid", "int", Some("0")),
    ],
    body: concat!(
        "DECLARE @day datetime = @aptdate, @one int = 1
         ",
        check_time!("@one"),
        "UPDATE m SET APPOINTMENTDATE = @day, APPOINTMENTTIME = @apttime, USERID = @practitionerid,
           LOCATIONID = ISNULL(@locationid, m.LOCATIONID), UPDATED = GETDATE(), UPDATEDBY = ISNULL(@loginid, 0)
         FROM dbo.APPOINTMENTS m
         WHERE m.RECORDID = @aptid AND m.RECORDSTATUS = 1 AND @apttime + m.APPOINTMENTLENGTH <= 86400
           AND EXISTS (SELECT 1 FROM dbo.USERS u WHERE ", works!("@practitionerid"), ")
           AND NOT EXISTS (SELECT 1 FROM dbo.APPOINTMENTS a
             WHERE a.RECORDID <> @aptid
               AND ", in_the_way!("@practitionerid", "@day", "@apttime", "m.APPOINTMENTLENGTH"), ")
         RETURN @@ROWCOUNT"
    ),
};

pub(super) const CANCEL: Procedure = Procedure {
    name: "BP_CancelAppointment",
    parameters: &[("@aptid", "int", None), ("@loginid", "int", Some("0"))],
    body: "UPDATE dbo.APPOINTMENTS SET RECORDSTATUS = 0, UPDATED = GETDATE(), UPDATEDBY = ISNULL(@loginid, 0)
           WHERE RECORDID = @aptid AND RECORDSTATUS = 1
           RETURN @@ROWCOUNT",
};

pub(super) const ARRIVE: Procedure = Procedure {
    name: "BP_ArriveAppointment",
    parameters: &[("@aptid", "int", None)],
    body: "UPDATE dbo.APPOINTMENTS SET APPOINTMENTCODE = 2, UPDATED = GETDATE(), UPDATEDBY = 0,
             ARRIVALTIME = DATEDIFF(second, CAST(GETDATE() AS date), GETDATE())
           WHERE RECORDID = @aptid AND RECORDSTATUS = 1 AND APPOINTMENTCODE = 1
           RETURN @@ROWCOUNT",
};
