//! What the demo practice's databases hold: the one list that both the builder and the T-SQL compiler go by.

mod views;

pub(crate) use views::VIEWS;

/// A table or view.
#[derive(Debug)]
pub(crate) struct Relation {
    /// As the database names it; compares without case.
    pub(crate) name: &'static str,
    /// Name and declared SQL Server type of each column. A type that ends in ` key` is the integer primary key.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// For a view, its text for the embedded engine; a table has none.
    pub(crate) view: Option<&'static str>,
}

/// One of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// `BPSPatients`, catalogue `Patients`.
    Patients,
    /// `BPSDrugs`, catalogue `Drugs`.
    Drugs,
}

impl Base {
    /// The embedded engine's name of it.
    pub(crate) fn schema(self) -> &'static str {
        match self {
            Base::Patients => "main",
            Base::Drugs => "drugs",
        }
    }

    /// The name that stands in a three-part name.
    pub(crate) fn database(self) -> &'static str {
        match self {
            Base::Patients => "BPSPatients",
            Base::Drugs => "BPSDrugs",
        }
    }

    /// By the name of its catalogue.
    pub(crate) fn by_catalogue(name: &str) -> Option<Base> {
        [("Patients", Base::Patients), ("Drugs", Base::Drugs)]
            .into_iter()
            .find_map(|(n, base)| n.eq_ignore_ascii_case(name).then_some(base))
    }

    /// By the name that stands in a three-part name.
    pub(crate) fn by_name(name: &str) -> Option<Base> {
        [("BPSPatients", Base::Patients), ("BPSDrugs", Base::Drugs)]
            .into_iter()
            .find_map(|(n, base)| n.eq_ignore_ascii_case(name).then_some(base))
    }

    fn relations(self) -> impl Iterator<Item = &'static Relation> {
        let (tables, views) = match self {
            Base::Patients => (PATIENTS, VIEWS),
            Base::Drugs => (DRUGS, &[][..]),
        };
        tables.iter().chain(views)
    }

    /// Finds a table or view.
    pub(crate) fn relation(self, name: &str) -> Option<&'static Relation> {
        self.relations().find(|r| r.name.eq_ignore_ascii_case(name))
    }

    /// Finds a system view such as `sys.objects`; its `name` is the embedded engine's name of it.
    pub(crate) fn system(self, _schema: &str, _name: &str) -> Option<&'static Relation> {
        None
    }

    /// The number that `OBJECT_ID` gives.
    pub(crate) fn object_id(self, _name: &str) -> Option<i64> {
        None
    }

    /// The name of the object with that number.
    pub(crate) fn object_name(self, _id: i64) -> Option<&'static str> {
        None
    }

    /// Its base tables.
    pub(crate) fn tables(self) -> &'static [Relation] {
        match self {
            Base::Patients => PATIENTS,
            Base::Drugs => DRUGS,
        }
    }
}

impl Relation {
    /// The embedded engine's `CREATE TABLE` or `CREATE VIEW`.
    pub(crate) fn ddl(&self, schema: &str) -> String {
        if let Some(text) = self.view {
            return format!("CREATE VIEW {schema}.{} AS {text}", self.name);
        }
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, declared)| match declared.strip_suffix(" key") {
                Some(_) => format!("{name} INTEGER PRIMARY KEY"),
                None if declared.contains("char") => format!("{name} {declared} COLLATE MSSQL"),
                None => format!("{name} {declared}"),
            })
            .collect();
        format!("CREATE TABLE {schema}.{} ({})", self.name, columns.join(", "))
    }
}

macro_rules! tables {
    ($($name:ident { $($column:ident $declared:literal),* $(,)? })*) => {
        &[$(Relation { name: stringify!($name), columns: &[$((stringify!($column), $declared)),*], view: None }),*]
    };
}

const PATIENTS: &[Relation] = tables! {
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
        UPDATED "datetime", UPDATEDBY "int",
    }
    USERS {
        USERID "int key", TITLECODE "int", FIRSTNAME "char(40)", SURNAME "char(40)", PROVIDERNO "char(8)",
        LOCATIONID "int", USERSTATUS "int", RECORDSTATUS "int", CREATED "datetime",
    }
    TITLES { TITLECODE "int key", TITLE "char(30)" }
    LOCATIONS {
        LOCATIONID "int key", LOCATIONNAME "char(60)", ADDRESS1 "char(40)", ADDRESS2 "char(40)", CITY "char(40)",
        POSTCODE "char(4)", PHONE "char(14)",
    }
    PRACTICE { PRACTICENAME "char(60)" }
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
    Numbers { N "int key" }
};

const DRUGS: &[Relation] = tables! {
    VACCINES { VACCINEID "int key", VACCINENAME "varchar(60)", ACIRCODE "char(6)", CHILDHOOD "int", GENERIC "varchar(60)" }
    VAXDISEASES { DISEASECODE "int key", DISEASENAME "char(30)" }
    VACCINE_DISEASE { VACCINEID "int", DISEASECODE "int" }
};
