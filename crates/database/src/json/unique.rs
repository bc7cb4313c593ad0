//! Column names as keys of an object: each there, no two alike.

use std::{collections::HashSet, fmt::Write};

/// The names as row JSON has them: a name that came before gets `_1`, `_2` …, one that is empty is `Column1`, `Column2` ….
/// A name made here never equals one that the database gave, wherever that stands: numbers in use are passed over.
pub fn unique_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut taken: HashSet<String> = names.clone().filter(|n| !n.is_empty()).map(str::to_owned).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut next_of: std::collections::HashMap<&str, u32> = std::collections::HashMap::new();
    names
        .map(|name| {
            if !name.is_empty() && seen.insert(name) {
                return name.to_owned();
            }
            let next = next_of.entry(name).or_insert(1);
            loop {
                let mut made = if name.is_empty() { String::from("Column") } else { format!("{name}_") };
                write!(made, "{next}").expect("a String takes all");
                *next += 1;
                if taken.insert(made.clone()) {
                    return made;
                }
            }
        })
        .collect()
}
