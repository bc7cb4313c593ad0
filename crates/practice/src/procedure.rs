//! The stored procedures of the demo practice, written in the T-SQL that the demo itself speaks.
//!
//! A write is one statement that carries its own conditions, so that the embedded engine's one writer decides who is
//! first and no transaction need be opened; the two procedures that write to several tables open one, or a savepoint in
//! the caller's. Nothing turns counts off before the row that a caller counts on is written.

/// `IF` a user works here, as a condition over the alias `u` of USERS.
macro_rules! works {
    ($user:literal) => {
        concat!("u.USERID = ", $user, " AND u.RECORDSTATUS = 1 AND u.USERSTATUS IN (1, 3)")
    };
}

mod appointment;
mod book;
mod demo;
mod other;
mod patient;
mod patient_update;
mod system;

/// Name with `@`, type, and the default where a caller may leave it out.
pub(crate) type Formal = (&'static str, &'static str, Option<&'static str>);

/// A procedure.
#[derive(Debug)]
pub(crate) struct Procedure {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Formal],
    pub(crate) body: &'static str,
}

/// Finds a procedure, also one of SQL Server's own; names compare without case.
pub(crate) fn find(name: &str) -> Option<&'static Procedure> {
    PROCEDURES.iter().chain(system::PROCEDURES).find(|p| p.name.eq_ignore_ascii_case(name))
}

/// Whether a procedure changes what lasts: a login that may only read may not call it.
pub(crate) fn writes(name: &str) -> bool {
    const VERBS: [&str; 6] = ["BP_Add", "BP_Update", "BP_Move", "BP_Cancel", "BP_Arrive", "BP_Set"];
    VERBS.iter().any(|verb| name.get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb)))
}

/// Those of the practice's own database, as its catalogue lists them.
pub(crate) const PROCEDURES: &[Procedure] = &[
    book::GET_APPOINTMENT_BOOK_USERS,
    book::GET_ALL_USERS,
    book::GET_ALL_SESSIONS,
    book::GET_PRACTICE_LOCATION,
    book::GET_FREE_APPOINTMENTS,
    book::IS_APPOINTMENT_BOOKED,
    book::GET_PATIENT_APPOINTMENTS,
    appointment::ADD,
    appointment::ADD_EX,
    appointment::UPDATE,
    appointment::MOVE,
    appointment::CANCEL,
    appointment::ARRIVE,
    patient::BY_NAME,
    patient::BY_PART_SURNAME,
    patient::BY_ID,
    patient::ADD,
    patient_update::ALL,
    patient_update::MEDICARE,
    patient_update::PENSION,
    patient_update::DVA,
    patient_update::CONTACTS,
    patient_update::ADDRESS,
    patient_update::EMAIL,
    patient_update::HEALTH_FUND,
    patient_update::EMERGENCY_CONTACT,
    other::ADD_MESSAGE,
    other::INVESTIGATION_SUMMARY,
    demo::ECHO,
    demo::LIST,
    demo::BYTES,
    demo::TYPES,
    demo::WAIT,
    demo::RESULTS,
    demo::FAIL,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        schema::Base,
        table_type,
        tsql::{Action, Setting, Variable, compile},
        types::Type,
    };

    /// Every body compiles, whole: nothing in it waits for its turn to be found wrong.
    #[test]
    fn every_body_compiles() {
        for (procedure, bases) in PROCEDURES
            .iter()
            .map(|p| (p, &[Base::Patients][..]))
            .chain(system::PROCEDURES.iter().map(|p| (p, &[Base::Patients, Base::Drugs][..])))
        {
            for base in bases {
                let temps: Vec<_> = procedure
                    .parameters
                    .iter()
                    .filter_map(|(name, declared, _)| Some((name, table_type::of_formal(declared)?)))
                    .map(|(name, ty)| std::sync::Arc::new(ty.temp(name, "v1".to_owned(), true)))
                    .collect();
                let variables = procedure
                    .parameters
                    .iter()
                    .filter(|(_, declared, _)| table_type::of_formal(declared).is_none())
                    .map(|(name, declared, _)| Variable {
                        name: (*name).to_owned(),
                        ty: Type::declared(declared.trim_end_matches(" output")),
                    })
                    .collect();
                let setting = Setting { base: *base, temps: &temps, next_table: 1 };
                let done = compile(procedure.body, &setting, variables, true);
                let error = done.as_ref().err().map(|e| (e.number, e.line, e.message.reveal()));
                assert!(done.is_ok(), "{}: {error:?}", procedure.name);
                let mut changes = false;
                let program = done.ok();
                program.iter().for_each(|p| {
                    p.each(&mut |action| {
                        changes |= matches!(
                            action,
                            Action::Write { temp: false, .. } | Action::Rekey { temp: false, .. }
                        );
                    });
                });
                assert_eq!(changes, writes(procedure.name), "{}: who may call it?", procedure.name);
                let late = format!("{program:?}").contains("Late");
                assert!(!late || procedure.name == "DEMO_Fail", "{} names what is not there", procedure.name);
            }
        }
    }
}
