//! Procedures that find patients and add one.

use super::Procedure;

/// Runs statements whole or not at all: in a transaction of their own, or up to a savepoint in the caller's. `@@TRANCOUNT`
/// is left as it was found, and the error goes on to the caller.
macro_rules! whole {
    ($($part:expr),+ $(,)?) => {
        concat!(
            "DECLARE @outer int = @@TRANCOUNT
             BEGIN TRY
               IF @outer = 0 BEGIN TRANSACTION ELSE SAVE TRANSACTION whole
               ",
            $($part,)+
            "
               IF @outer = 0 COMMIT TRANSACTION
             END TRY
             BEGIN CATCH
               IF @outer = 0 AND @@TRANCOUNT > 0 ROLLBACK TRANSACTION
               IF @outer > 0 AND XACT_STATE() = 1 ROLLBACK TRANSACTION whole;
               THROW
             END CATCH
             "
        )
    };
}

pub(super) use whole;

pub(super) const BY_NAME: Procedure = Procedure {
    name: "BP_GetPatientByNameDOB",
    parameters: &[("@surname", "varchar(40)", None), ("@firstname", "varchar(50)", None), ("@dob", "date", None)],
    body: "DECLARE @born datetime = @dob
           SELECT INTERNALID AS InternalID FROM dbo.PATIENTS
           WHERE SURNAME = LTRIM(@surname) AND FIRSTNAME = LTRIM(@firstname) AND DOB = @born AND RECORDSTATUS = 1
           ORDER BY INTERNALID",
};

pub(super) const BY_PART_SURNAME: Procedure = Procedure {
    name: "BP_GetPatientByPartSurnameDOB",
    parameters: &[("@surname", "varchar(40)", None), ("@dob", "date", None)],
    body: "DECLARE @born datetime = @dob, @part varchar(40) = LTRIM(RTRIM(@surname))
           SELECT INTERNALID AS InternalID, FIRSTNAME AS Firstname FROM dbo.PATIENTS
           WHERE DOB = @born AND LEFT(SURNAME, LEN(@part)) = @part AND RECORDSTATUS = 1
           ORDER BY INTERNALID",
};

pub(super) const BY_ID: Procedure = Procedure {
    name: "BP_GetPatientByInternalID",
    parameters: &[("@patientid", "int", None)],
    body: "SELECT INTERNALID AS InternalID, MEDICARENO AS MedicareNo, MEDICARELINENO AS MedicareLineNo,
             MEDICAREEXPIRY AS MedicareExpiry, PENSIONCODE AS PensionCode, PENSIONNO AS PensionNo,
             PENSIONEXPIRY AS PensionExpiry, HOMEPHONE AS HomePhone, WORKPHONE AS WorkPhone, MOBILEPHONE AS MobilePhone,
             ADDRESS1 AS Address1, CITY AS City, POSTCODE AS Postcode, EMAIL AS Email, DVACODE AS DVACode, DVANO AS DVANo
           FROM dbo.PATIENTS WHERE INTERNALID = @patientid AND RECORDSTATUS = 1",
};

pub(super) const ADD: Procedure = Procedure {
    name: "BP_AddPatient",
    parameters: &[
        ("@titlecode", "int", None),
        ("@firstname", "varchar(50)", None),
        ("@middlename", "varchar(30)", None),
        ("@surname", "varchar(40)", None),
        ("@preferredname", "varchar(30)", None),
        ("@address1", "varchar(40)", None),
        ("@address2", "varchar(40)", None),
        ("@city", "varchar(40)", None),
        ("@postcode", "varchar(4)", None),
        ("@postaladdress", "varchar(40)", None),
        ("@postalcity", "varchar(40)", None),
        ("@postalpostcode", "varchar(4)", None),
        ("@dob", "date", None),
        ("@sexcode", "int", None),
        ("@homephone", "varchar(14)", None),
        ("@workphone", "varchar(14)", None),
        ("@mobilephone", "varchar(14)", None),
        ("@medicareno", "varchar(13)", None),
        ("@medicarelineno", "varchar(1)", None),
        ("@medicareexpiry", "varchar(10)", None),
        ("@pensioncode", "int", None),
        ("@pensionno", "varchar(14)", None),
        ("@pensionexpiry", "date", None),
        ("@dvacode", "int", None),
        ("@dvano", "varchar(14)", None),
        ("@recordno", "varchar(10)", None),
        ("@externalid", "varchar(20)", None),
        ("@email", "varchar(100)", None),
        ("@headoffamilyid", "int", Some("0")),
        ("@ethniccode", "int", Some("0")),
        ("@consentsmsreminder", "int", Some("0")),
        ("@nextofkinid", "int", Some("0")),
        ("@gendercode", "int", Some("0")),
        ("@pronouncode", "int", Some("0")),
    ],
    body: concat!(
        "DECLARE @id int = 0
         IF ISNULL(@surname, '') = '' AND ISNULL(@firstname, '') = ''
         BEGIN
           RAISERROR('A patient needs a name.', 16, 1)
           RETURN 0
         END
         ",
        whole!(
            "INSERT INTO dbo.PATIENTS (EXTERNALID, RECORDNO, TITLECODE, FIRSTNAME, MIDDLENAME, SURNAME, PREFERREDNAME,
               ADDRESS1, ADDRESS2, CITY, POSTCODE, POSTALADDRESS, POSTALCITY, POSTALPOSTCODE, DOB, SEXCODE, GENDERCODE,
               PRONOUNCODE, ETHNICCODE, HOMEPHONE, WORKPHONE, MOBILEPHONE, EMAIL, MEDICARENO, MEDICARELINENO, MEDICAREEXPIRY,
               PENSIONCODE, PENSIONNO, PENSIONSTART, PENSIONEXPIRY, DVACODE, DVANO, SAFETYNETNO, HEALTHFUNDID, HEALTHFUNDNAME,
               HEALTHFUNDNO, IHI, RELIGION, HEADOFFAMILYID, NEXTOFKINID, CONSENTSMSREMINDER, USUALDOCTORID, PATIENTSTATUS,
               RECORDSTATUS, CREATED, CREATEDBY, UPDATED, UPDATEDBY, HCHTIER)
             VALUES (ISNULL(@externalid, ''), ISNULL(@recordno, ''), ISNULL(@titlecode, 0), ISNULL(@firstname, ''),
               ISNULL(@middlename, ''), ISNULL(@surname, ''), ISNULL(@preferredname, ''), ISNULL(@address1, ''),
               ISNULL(@address2, ''), ISNULL(@city, ''), ISNULL(@postcode, ''), ISNULL(@postaladdress, ''),
               ISNULL(@postalcity, ''), ISNULL(@postalpostcode, ''), @dob, ISNULL(@sexcode, 0), ISNULL(@gendercode, 0),
               ISNULL(@pronouncode, 0), ISNULL(@ethniccode, 0), ISNULL(@homephone, ''), ISNULL(@workphone, ''),
               ISNULL(@mobilephone, ''), ISNULL(@email, ''), ISNULL(@medicareno, ''), ISNULL(@medicarelineno, ''),
               ISNULL(@medicareexpiry, ''), ISNULL(@pensioncode, 0), ISNULL(@pensionno, ''), NULL, @pensionexpiry,
               ISNULL(@dvacode, 0), ISNULL(@dvano, ''), '', 0, '', '', '', '', ISNULL(@headoffamilyid, 0),
               ISNULL(@nextofkinid, 0), ISNULL(@consentsmsreminder, 0), 0, 1, 1, GETDATE(), 0, GETDATE(), 0, 0)
             SET @id = SCOPE_IDENTITY()
             SET NOCOUNT ON
             UPDATE dbo.PATIENTS SET RECORDNO = CASE WHEN RECORDNO = '' THEN CAST(@id AS varchar(10)) ELSE RECORDNO END,
               HEADOFFAMILYID = CASE WHEN HEADOFFAMILYID = 0 THEN @id ELSE HEADOFFAMILYID END
             WHERE INTERNALID = @id
             INSERT INTO dbo.CLINICAL (INTERNALID, KNOWNALLERGIES, MARITALSTATUS, SEXUALITY, SOCIALHX, ACCOMODATION, LIVESWITH,
               HASCARER, ISCARER, SMOKINGSTATUS, ALCOHOLSTATUS, RECREATION, CREATED, CREATEDBY, UPDATED, UPDATEDBY)
             VALUES (@id, 0, 0, 0, '', 0, 0, 0, 0, 0, 0, '', GETDATE(), 0, GETDATE(), 0)"
        ),
        "RETURN @id"
    ),
};
