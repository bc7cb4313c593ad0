//! Messages to staff, and what a patient was tested for.

use super::Procedure;

pub(super) const ADD_MESSAGE: Procedure = Procedure {
    name: "BP_AddMessage",
    parameters: &[
        ("@userid", "int", None),
        ("@subject", "varchar(100)", None),
        ("@message", "varchar(2000)", None),
        ("@patid", "int", Some("0")),
    ],
    body: "DECLARE @id int = 0
           INSERT INTO dbo.MESSAGES (USERID, INTERNALID, SUBJECT, MESSAGE, MESSAGEDATE, READDATE, RECORDSTATUS, CREATED,
             CREATEDBY, UPDATED, UPDATEDBY)
           SELECT u.USERID, ISNULL(@patid, 0), ISNULL(@subject, ''), ISNULL(@message, ''), GETDATE(), NULL, 1, GETDATE(), 0,
             GETDATE(), 0
           FROM dbo.USERS u
           WHERE u.USERID = @userid AND u.RECORDSTATUS = 1
             AND (ISNULL(@patid, 0) = 0
               OR EXISTS (SELECT 1 FROM dbo.PATIENTS p WHERE p.INTERNALID = @patid AND p.RECORDSTATUS = 1))
           IF @@ROWCOUNT = 1 SET @id = SCOPE_IDENTITY()
           RETURN @id",
};

pub(super) const INVESTIGATION_SUMMARY: Procedure = Procedure {
    name: "BP_GetInvestigationSummary",
    parameters: &[("@internalid", "int", None)],
    body: "SELECT ReportID, TestName, Collected, Reported, Checked, CheckedBy, Actioned, Notation, Action, Comment
           FROM dbo.BPS_Investigations WHERE InternalID = @internalid ORDER BY Collected DESC, ReportID DESC",
};
