//! Which Halo Link this is.

/// The version of these sources; whoever builds may say another (`HALO_LINK_VERSION`), and packages then get that one.
const NUMBER: &str = match option_env!("HALO_LINK_VERSION") {
    Some(said) => said,
    None => "26.1123.1",
};

/// Stands before the version in every program, and `;` behind it: the scripts that make packages read it there, without running the
/// program, so that no package says another version than its programs do.
const MARK: &str = "Halo Link version ";
const LENGTH: usize = MARK.len() + NUMBER.len() + 1;
static MARKED: [u8; LENGTH] = marked();

const fn marked() -> [u8; LENGTH] {
    let mut text = [b';'; LENGTH];
    let (mark, number) = (MARK.as_bytes(), NUMBER.as_bytes());
    let mut at = 0;
    while at < mark.len() {
        text[at] = mark[at];
        at += 1;
    }
    while at < LENGTH - 1 {
        text[at] = number[at - mark.len()];
        at += 1;
    }
    text
}

/// Version of Halo Link as integrators see it, CalVer. A part of the marked text, so that the mark is wherever this is.
pub const VERSION: &str = {
    let (_, rest) = MARKED.split_at(MARK.len());
    let (number, _) = rest.split_at(NUMBER.len());
    match std::str::from_utf8(number) {
        Ok(number) => number,
        Err(_) => panic!("HALO_LINK_VERSION is no text"),
    }
};
