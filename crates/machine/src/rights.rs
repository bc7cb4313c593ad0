//! Who may do what with an installation on Windows, and whose things in it are obeyed. Words only: the calls are in `windows`.
//!
//! Anybody may make folders in `ProgramData`, so what lies there already is looked at before it is believed.

use std::path::Path;

/// The system itself.
const SYSTEM: &str = "S-1-5-18";
/// Administrators of this computer.
const ADMINISTRATORS: &str = "S-1-5-32-544";
/// `NT SERVICE\Halo Link Service`: S-1-5-80 and the SHA-1 of the upper-case name in UTF-16, as Windows makes it for every service.
pub(crate) const SERVICE: &str = "S-1-5-80-2903075261-2504951429-3854668623-361545209-371081936";

/// Everything.
const ALL: &str = "FA";
/// Read, list, pass through.
const READ: &str = "0x1200a9";

/// A folder of an installation, with what lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The company's: other products of it may lie there. The service passes through.
    Company,
    /// Configuration, which the updater obeys as the system: the service reads.
    Link,
    /// Updates on their way in: for administrators alone.
    Updates,
    /// The service's own.
    Data,
}

/// The account that runs this program: its user, and in whose name what it makes is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Me {
    /// SID of the user.
    pub user: Option<String>,
    /// SID of the owner of what this account makes; for an administrator usually that of all administrators.
    pub owner: Option<String>,
}

impl Me {
    fn is(&self, sid: &str) -> bool {
        self.user.as_deref() == Some(sid) || self.owner.as_deref() == Some(sid)
    }

    /// One entry more for an account of another kind, which must not lock itself out.
    fn entry(&self, flags: &str) -> String {
        let other = self.user.as_deref().filter(|me| ![SYSTEM, ADMINISTRATORS, SERVICE].contains(me));
        other.map_or_else(String::new, |me| format!("(A;{flags};{ALL};;;{me})"))
    }
}

impl Place {
    /// The descriptor of the folder itself, in SDDL: nothing comes from above.
    pub fn descriptor(self, me: &Me) -> String {
        format!("O:BAD:P{}", self.entries("OICI", me))
    }

    /// Of a file or folder in it: what it would have got from the folder, had it been made there.
    pub fn inherited(self, folder: bool, me: &Me) -> String {
        format!("O:BAD:ARAI{}", self.entries(if folder { "OICIID" } else { "ID" }, me))
    }

    fn entries(self, flags: &str, me: &Me) -> String {
        let service = match self {
            Place::Company => format!("(A;;{READ};;;{SERVICE})"),
            Place::Link => format!("(A;{flags};{READ};;;{SERVICE})"),
            Place::Updates => String::new(),
            Place::Data => format!("(A;{flags};{ALL};;;{SERVICE})"),
        };
        format!("(A;{flags};{ALL};;;SY)(A;{flags};{ALL};;;BA){service}{}", me.entry(flags))
    }

    /// Whether what this account owns there is obeyed.
    pub fn trusts(self, owner: &str, me: &Me) -> bool {
        let service = self == Place::Data && owner == SERVICE;
        service || [SYSTEM, ADMINISTRATORS].contains(&owner) || me.is(owner)
    }
}

/// The control pipe's descriptor: who may not write to it may not open it either, and so can't take up its places.
pub fn pipe(me: &Me) -> String {
    format!("D:P(A;;{ALL};;;SY)(A;;{ALL};;;BA)(A;;{ALL};;;{SERVICE}){}", me.entry(""))
}

/// Whether whoever owns the control pipe may be spoken to.
pub fn is_services(owner: &str, me: &Me) -> bool {
    Place::Data.trusts(owner, me)
}

/// A file or folder as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// SID of its owner.
    pub owner: String,
    /// The owner as people know it.
    pub name: String,
    /// It leads to somewhere else.
    pub link: bool,
    /// How many names it has.
    pub names: u32,
}

/// Why it is not obeyed, and what to do: one sentence, or nothing.
pub fn refusal(path: &Path, found: &Found, place: Place, me: &Me) -> Option<String> {
    let path = path.display();
    if found.link {
        return Some(format!(
            "{path} is a link to somewhere else: look where it leads, remove it, and try again"
        ));
    }
    if !place.trusts(&found.owner, me) {
        return Some(format!(
            "{path} belongs to {}, which is neither the system nor an administrator: find out who made it and look at what is in it, then \
             remove it, or, where it is right, give it to administrators (icacls \"{path}\" /setowner *S-1-5-32-544), and try again",
            found.name
        ));
    }
    // Its rights would change elsewhere too.
    (found.names > 1).then(|| {
        format!(
            "{path} has another name elsewhere (a hard link): find out who made it, remove it, and try again"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOMEBODY: &str = "S-1-5-21-1-2-3-1001";

    fn by(owner: &str) -> Found {
        Found { owner: owner.to_owned(), name: r"CLINIC\desk".to_owned(), link: false, names: 1 }
    }

    fn administrator() -> Me {
        Me { user: Some("S-1-5-21-1-2-3-500".to_owned()), owner: Some(ADMINISTRATORS.to_owned()) }
    }

    fn refused(place: Place, found: &Found) -> bool {
        refusal(Path::new("link.toml"), found, place, &administrator()).is_some()
    }

    #[test]
    fn what_a_plain_user_made_is_obeyed_nowhere() {
        for place in [Place::Company, Place::Link, Place::Updates, Place::Data] {
            assert!(refused(place, &by(SOMEBODY)) && refused(place, &by("")), "{place:?}");
            for trusted in [SYSTEM, ADMINISTRATORS, "S-1-5-21-1-2-3-500"] {
                assert!(!refused(place, &by(trusted)), "{place:?} {trusted}");
            }
        }
        let path = Path::new(r"C:\ProgramData\Halo Connect");
        let said = refusal(path, &by(SOMEBODY), Place::Company, &administrator()).unwrap();
        assert!(said.contains(r"C:\ProgramData\Halo Connect belongs to CLINIC\desk"), "{said}");
        assert!(said.contains("look at what is in it, then remove it"), "{said}");
    }

    #[test]
    fn what_the_service_made_is_obeyed_in_its_own_folder_alone() {
        assert!(!refused(Place::Data, &by(SERVICE)));
        for place in [Place::Company, Place::Link, Place::Updates] {
            assert!(refused(place, &by(SERVICE)), "{place:?}");
        }
    }

    #[test]
    fn nothing_that_leads_elsewhere_is_followed_whoever_made_it() {
        assert!(refused(Place::Data, &Found { link: true, ..by(SYSTEM) }));
        assert!(refused(Place::Link, &Found { names: 2, ..by(ADMINISTRATORS) }));
    }

    #[test]
    fn the_service_writes_in_its_own_folder_and_nowhere_above_or_beside() {
        let me = Me { user: Some(SYSTEM.to_owned()), owner: Some(ADMINISTRATORS.to_owned()) };
        let administrators = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";
        assert_eq!(Place::Data.descriptor(&me), format!("{administrators}(A;OICI;FA;;;{SERVICE})"));
        assert_eq!(Place::Link.descriptor(&me), format!("{administrators}(A;OICI;0x1200a9;;;{SERVICE})"));
        assert_eq!(Place::Company.descriptor(&me), format!("{administrators}(A;;0x1200a9;;;{SERVICE})"));
        assert_eq!(Place::Updates.descriptor(&me), administrators);
        assert_eq!(
            Place::Link.inherited(false, &me),
            format!("O:BAD:ARAI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;{SERVICE})")
        );
        assert!(Place::Updates.inherited(true, &me).ends_with("(A;OICIID;FA;;;BA)"));
    }

    #[test]
    fn an_account_of_another_kind_does_not_lock_itself_out() {
        let me = Me { user: Some(SOMEBODY.to_owned()), owner: None };
        assert!(Place::Updates.descriptor(&me).ends_with(&format!("(A;OICI;FA;;;{SOMEBODY})")));
        assert!(pipe(&me).ends_with(&format!("(A;;FA;;;{SOMEBODY})")));
    }

    #[test]
    fn the_pipe_is_for_the_service_the_system_and_administrators_and_none_other_may_hold_it() {
        let service = Me { user: Some(SERVICE.to_owned()), owner: Some(SERVICE.to_owned()) };
        assert_eq!(pipe(&service), format!("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{SERVICE})"));
        for owner in [SERVICE, SYSTEM, ADMINISTRATORS] {
            assert!(is_services(owner, &administrator()), "{owner}");
        }
        assert!(!is_services(SOMEBODY, &administrator()) && !is_services("S-1-5-19", &administrator()));
    }
}
