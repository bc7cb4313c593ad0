//! Names that go into what is sent. The driver writes them as they are: into the list that declares the parameters, and with
//! their length in bytes where the protocol wants characters. So they are checked here.

/// Longest name of a parameter without its `@`.
const LONGEST: usize = 127;

/// The name with its `@`; `None` when it is no name. Letters of ASCII alone: see above.
pub(crate) fn wire_name(name: &str) -> Option<String> {
    let bare = name.strip_prefix('@').unwrap_or(name);
    let fits = !bare.is_empty() && bare.len() <= LONGEST;
    let plain = bare.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'#' | b'$' | b'@'));
    (fits && plain).then(|| format!("@{bare}"))
}

/// A type of the database's own: `IdList`, `dbo.IdList`, `[my schema].[Id List]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TypeName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl TypeName {
    /// `None` when it is no such name.
    pub(crate) fn read(text: &str) -> Option<TypeName> {
        let (first, rest) = part(text.trim())?;
        if rest.is_empty() {
            return Some(TypeName { schema: None, name: first });
        }
        let (second, rest) = part(rest.strip_prefix('.')?)?;
        rest.is_empty().then_some(TypeName { schema: Some(first), name: second })
    }
}

/// One part and what follows it.
fn part(text: &str) -> Option<(String, &str)> {
    let (part, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => text.split_at(text.find('.').unwrap_or(text.len())),
    };
    // The driver puts the name between brackets and doubles none in it.
    let plain = !part.contains(['[', ']']) && !part.chars().any(char::is_control);
    (!part.is_empty() && part.chars().count() <= 128 && plain).then(|| (part.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_letters_digits_and_four_signs() {
        assert_eq!(wire_name("@patientId").as_deref(), Some("@patientId"));
        assert_eq!(wire_name("id").as_deref(), Some("@id"));
        assert_eq!(wire_name("@@x").as_deref(), Some("@@x"));
        for wrong in ["", "@", "@a b", "@a int, @b", "@naïve", "@a'", "@a;--", &"x".repeat(128)] {
            assert_eq!(wire_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_type_has_a_schema_or_none() {
        let read = |text| TypeName::read(text).map(|t| (t.schema.unwrap_or_default(), t.name));
        let told = |schema: &str, name: &str| Some((schema.to_owned(), name.to_owned()));
        assert_eq!(read("IdList"), told("", "IdList"));
        assert_eq!(read("dbo.IdList"), told("dbo", "IdList"));
        assert_eq!(read("[my schema].[Id.List]"), told("my schema", "Id.List"));
        for wrong in ["", ".", "a.", ".a", "a.b.c", "[a", "a]b", "[a]b", "[a]]b]", "a\nb"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_name_that_is_taken_can_end_its_place(text in any::<String>()) {
            if let Some(name) = wire_name(&text) {
                prop_assert!(name.bytes().all(|b| b.is_ascii_graphic() && !b"[],;'\"() ".contains(&b)));
            }
            if let Some(name) = TypeName::read(&text) {
                prop_assert!(!name.name.contains(']') && !name.schema.unwrap_or_default().contains(']'));
            }
        }
    }
}
