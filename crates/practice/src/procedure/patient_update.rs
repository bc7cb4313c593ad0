//! Procedures that change a patient's details: 1 when it is done, 0 when there is no such patient.

use super::{Procedure, patient::whole};

/// Sets columns of one live patient.
macro_rules! set {
    ($columns:literal) => {
        concat!(
            "UPDATE dbo.PATIENTS SET ",
            $columns,
            ", UPDATED = GETDATE(), UPDATEDBY = 0 WHERE INTERNALID = @patientid AND RECORDSTATUS = 1
             RETURN @@ROWCOUNT"
        )
    };
}

const PATIENT: super::Formal = ("@patientid", "int", None);

pub(super) const ALL: Procedure = Procedure {
    name: "BP_UpdatePatient",
    parameters: &[
        PATIENT,
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
    ],
    body: concat!(
        "IF ISNULL(@surname, '') = '' AND ISNULL(@firstname, '') = ''
         BEGIN
           RAISERROR('A patient needs a name.', 16, 1)
           RETURN 0
         END
         ",
        set!(
            "TITLECODE = ISNULL(@titlecode, 0), FIRSTNAME = ISNULL(@firstname, ''), MIDDLENAME = ISNULL(@middlename, ''),
             SURNAME = ISNULL(@surname, ''), PREFERREDNAME = ISNULL(@preferredname, ''), ADDRESS1 = ISNULL(@address1, ''),
             ADDRESS2 = ISNULL(@address2, ''), CITY = ISNULL(@city, ''), POSTCODE = ISNULL(@postcode, ''),
             POSTALADDRESS = ISNULL(@postaladdress, ''), POSTALCITY = ISNULL(@postalcity, ''),
             POSTALPOSTCODE = ISNULL(@postalpostcode, ''), DOB = @dob, SEXCODE = ISNULL(@sexcode, 0),
             HOMEPHONE = ISNULL(@homephone, ''), WORKPHONE = ISNULL(@workphone, ''), MOBILEPHONE = ISNULL(@mobilephone, ''),
             MEDICARENO = ISNULL(@medicareno, ''), MEDICARELINENO = ISNULL(@medicarelineno, ''),
             MEDICAREEXPIRY = ISNULL(@medicareexpiry, ''), PENSIONCODE = ISNULL(@pensioncode, 0),
             PENSIONNO = ISNULL(@pensionno, ''), PENSIONEXPIRY = @pensionexpiry, DVACODE = ISNULL(@dvacode, 0),
             DVANO = ISNULL(@dvano, ''), RECORDNO = ISNULL(@recordno, ''), EXTERNALID = ISNULL(@externalid, ''),
             EMAIL = ISNULL(@email, '')"
        )
    ),
};

pub(super) const MEDICARE: Procedure = Procedure {
    name: "BP_UpdatePatientMedicare",
    parameters: &[
        PATIENT,
        ("@medicareno", "varchar(13)", None),
        ("@medicarelineno", "varchar(1)", None),
        ("@medicareexpiry", "varchar(10)", None),
    ],
    body: set!(
        "MEDICARENO = ISNULL(@medicareno, ''), MEDICARELINENO = ISNULL(@medicarelineno, ''),
         MEDICAREEXPIRY = ISNULL(@medicareexpiry, '')"
    ),
};

pub(super) const PENSION: Procedure = Procedure {
    name: "BP_UpdatePatientPension",
    parameters: &[
        PATIENT,
        ("@pensioncode", "int", None),
        ("@pensionno", "varchar(14)", None),
        ("@pensionstart", "date", Some("NULL")),
        ("@pensionexpiry", "date", Some("NULL")),
    ],
    body: set!(
        "PENSIONCODE = ISNULL(@pensioncode, 0), PENSIONNO = ISNULL(@pensionno, ''), PENSIONSTART = @pensionstart,
         PENSIONEXPIRY = @pensionexpiry"
    ),
};

pub(super) const DVA: Procedure = Procedure {
    name: "BP_UpdatePatientDVA",
    parameters: &[PATIENT, ("@dvacode", "int", None), ("@dvano", "varchar(14)", None)],
    body: set!("DVACODE = ISNULL(@dvacode, 0), DVANO = ISNULL(@dvano, '')"),
};

pub(super) const CONTACTS: Procedure = Procedure {
    name: "BP_UpdatePatientContacts",
    parameters: &[
        PATIENT,
        ("@homephone", "varchar(14)", None),
        ("@workphone", "varchar(14)", None),
        ("@mobilephone", "varchar(14)", None),
    ],
    body: set!(
        "HOMEPHONE = ISNULL(@homephone, ''), WORKPHONE = ISNULL(@workphone, ''), MOBILEPHONE = ISNULL(@mobilephone, '')"
    ),
};

pub(super) const ADDRESS: Procedure = Procedure {
    name: "BP_UpdatePatientAddress",
    parameters: &[
        PATIENT,
        ("@address1", "varchar(40)", None),
        ("@address2", "varchar(40)", None),
        ("@city", "varchar(40)", None),
        ("@postcode", "varchar(4)", None),
    ],
    body: set!(
        "ADDRESS1 = ISNULL(@address1, ''), ADDRESS2 = ISNULL(@address2, ''), CITY = ISNULL(@city, ''),
         POSTCODE = ISNULL(@postcode, '')"
    ),
};

pub(super) const EMAIL: Procedure = Procedure {
    name: "BP_UpdatePatientEmail",
    parameters: &[PATIENT, ("@email", "varchar(100)", None)],
    body: set!("EMAIL = ISNULL(@email, '')"),
};

pub(super) const HEALTH_FUND: Procedure = Procedure {
    name: "BP_UpdatePatientHealthFund",
    parameters: &[
        PATIENT,
        ("@healthfundno", "varchar(20)", None),
        ("@healthfundname", "varchar(100)", None),
        ("@healthfundid", "int", None),
        ("@healthfundexpiry", "date", None),
    ],
    body: set!(
        "HEALTHFUNDNO = ISNULL(@healthfundno, ''), HEALTHFUNDNAME = ISNULL(@healthfundname, ''),
         HEALTHFUNDID = ISNULL(@healthfundid, 0), HEALTHFUNDEXPIRY = @healthfundexpiry"
    ),
};

pub(super) const EMERGENCY_CONTACT: Procedure = Procedure {
    name: "BP_SetEmergencyContact",
    parameters: &[
        ("@internalid", "int", None),
        ("@titlecode", "int", None),
        ("@surname", "varchar(40)", None),
        ("@firstname", "varchar(50)", None),
        ("@address", "varchar(40)", None),
        ("@city", "varchar(40)", None),
        ("@postcode", "varchar(4)", None),
        ("@contactphone", "varchar(14)", None),
        ("@relationship", "varchar(30)", None),
        ("@contactphone2", "varchar(14)", None),
    ],
    body: concat!(
        "DECLARE @done int = 0, @kin int
         ",
        whole!(
            "INSERT INTO dbo.NEXTOFKIN (INTERNALID, CREATED)
             SELECT p.INTERNALID, GETDATE() FROM dbo.PATIENTS p
             WHERE p.INTERNALID = @internalid AND p.RECORDSTATUS = 1
               AND NOT EXISTS (SELECT 1 FROM dbo.NEXTOFKIN k WHERE k.INTERNALID = @internalid)
             SET NOCOUNT ON
             SELECT @kin = MIN(NEXTOFKINID) FROM dbo.NEXTOFKIN WHERE INTERNALID = @internalid
             UPDATE dbo.PATIENTS SET NEXTOFKINID = @kin, UPDATED = GETDATE(), UPDATEDBY = 0
             WHERE INTERNALID = @internalid AND RECORDSTATUS = 1 AND @kin IS NOT NULL
             SET @done = @@ROWCOUNT
             UPDATE dbo.NEXTOFKIN SET TITLECODE = ISNULL(@titlecode, 0), SURNAME = ISNULL(@surname, ''),
               FIRSTNAME = ISNULL(@firstname, ''), ADDRESS = ISNULL(@address, ''), CITY = ISNULL(@city, ''),
               POSTCODE = ISNULL(@postcode, ''), CONTACTPHONE = ISNULL(@contactphone, ''),
               CONTACTPHONE2 = ISNULL(@contactphone2, ''), RELATIONSHIP = ISNULL(@relationship, ''), UPDATED = GETDATE()
             WHERE NEXTOFKINID = @kin AND @done = 1"
        ),
        "RETURN @done"
    ),
};
