//! What of the contract must not stay behind in memory, nor show itself: a database login, at both ends of its way.

use crate::proto::DatabaseLogin;
use std::{fmt, mem};
use zeroize::Zeroize;

impl DatabaseLogin {
    /// User and password, taken out; to keep them out of logs, and to wipe them, is the caller's from here on.
    pub fn into_parts(mut self) -> (String, String) {
        (mem::take(&mut self.user), mem::take(&mut self.password))
    }
}

/// Wherever it ends: sent, refused because it came out of order, or thrown away with a session that broke.
impl Drop for DatabaseLogin {
    fn drop(&mut self) {
        self.user.zeroize();
        self.password.zeroize();
    }
}

impl fmt::Debug for DatabaseLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseLogin")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{PairRequest, pair_request::Step};
    use prost::Message;

    /// A message that is printed whole, by whoever looks for something else, must not print it.
    #[test]
    fn a_login_shows_itself_nowhere_and_travels_as_it_did() {
        let login = DatabaseLogin { user: "acme".to_owned(), password: "canary".to_owned() };
        let bytes = login.encode_to_vec();
        let request = PairRequest { step: Some(Step::Login(login)) };
        assert!(!format!("{request:?} {request:#?}").contains("canary"));
        assert_eq!(bytes, b"\x0a\x04acme\x12\x06canary");
        let parts = DatabaseLogin::decode(&bytes[..]).unwrap().into_parts();
        assert_eq!(parts, ("acme".to_owned(), "canary".to_owned()));
    }
}
