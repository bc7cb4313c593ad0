//! Users as the operating system calls them.

/// Longest list of users that is looked at, bytes.
#[cfg(unix)]
const BYTES: u64 = 1024 * 1024;

/// The user that this process runs as, for the audit: `0:root`, `PRACTICE\manager`.
pub fn own() -> String {
    #[cfg(windows)]
    return crate::windows::security::my_name().unwrap_or_else(|| "unknown".to_owned());
    #[cfg(unix)]
    user(rustix::process::geteuid().as_raw())
}

/// A user by number, with the name where this machine's own list has it: `0:root`. Users of a directory service have a number
/// alone here: to ask for their names takes libraries that may hang.
#[cfg(unix)]
pub fn user(uid: u32) -> String {
    let list = || {
        use std::io::Read;
        let mut text = Vec::new();
        std::fs::File::open("/etc/passwd").ok()?.take(BYTES).read_to_end(&mut text).ok()?;
        Some(text)
    };
    let list = list().unwrap_or_default();
    match name(&String::from_utf8_lossy(&list), uid) {
        Some(name) => format!("{uid}:{name}"),
        None => uid.to_string(),
    }
}

/// `name:password:uid:…`
#[cfg(unix)]
fn name(list: &str, uid: u32) -> Option<String> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid) && !name.is_empty())
            .then(|| name.chars().filter(|c| !c.is_control()).take(64).collect())
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_number_and_by_name_where_the_list_has_one() {
        let list =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nclinic:x:1000:1000::/home/clinic:/bin/sh\n:x:7:7::/:/\n";
        assert_eq!(name(list, 1000).as_deref(), Some("clinic"));
        assert_eq!(name(list, 7), None);
        assert_eq!(name(list, 5), None);
        assert!(user(0).starts_with("0"));
        assert_eq!(user(4_000_000_001), "4000000001");
        assert_eq!(own(), user(rustix::process::geteuid().as_raw()));
    }
}
