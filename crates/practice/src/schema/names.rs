//! Objects' numbers, as `OBJECT_ID()` and the `sys.` views tell them: made from the name, so that they stay the same.

use super::Base;
use crate::procedure::PROCEDURES;

/// A positive number made from a name, without case (FNV-1a).
pub(crate) fn id_of(base: Base, name: &str) -> i64 {
    let start = 0x811c_9dc5u32;
    let bytes = base.database().bytes().chain([b'.']).chain(name.bytes());
    let hash = bytes.fold(start, |h, b| (h ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193));
    // Below a hundred million are SQL Server's own objects.
    i64::from(hash % 2_000_000_000) + 100_000_000
}

/// The type's name without length, for example `char` of `char(40)`.
pub(crate) fn declared_name(declared: &str) -> &str {
    let text = declared.strip_suffix(" key").unwrap_or(declared);
    text.split_once('(').map_or(text, |(name, _)| name)
}

/// When the practice's objects say they were made.
pub(crate) const CREATED_AT: &str = "2014-07-01T09:00:00";

impl Base {
    /// Names of everything with a number: tables, views, procedures.
    pub(crate) fn objects(self) -> impl Iterator<Item = &'static str> {
        let procedures = match self {
            Base::Patients => PROCEDURES,
            Base::Drugs => &[],
        };
        self.relations().map(|r| r.name).chain(procedures.iter().map(|p| p.name))
    }

    /// What `OBJECT_ID(name)` gives.
    pub(crate) fn object_id(self, name: &str) -> Option<i64> {
        self.objects().any(|n| n.eq_ignore_ascii_case(name)).then(|| id_of(self, name))
    }

    /// What `OBJECT_NAME(id)` gives.
    pub(crate) fn object_name(self, id: i64) -> Option<&'static str> {
        self.objects().find(|name| id_of(self, name) == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn no_two_objects_share_a_number() {
        for base in [Base::Patients, Base::Drugs] {
            let mut seen = HashMap::new();
            for name in base.objects() {
                assert_eq!(seen.insert(id_of(base, name), name), None, "{name}");
                assert_eq!(base.object_id(&name.to_ascii_lowercase()), Some(id_of(base, name)));
                assert_eq!(base.object_name(id_of(base, name)), Some(name));
            }
            assert_eq!(base.object_id("nothing"), None);
        }
    }
}
