//! Text and bytes that may not be printed: SQL text, parameter values, rows, logins, keys, database messages.

use std::fmt;
use zeroize::Zeroize;

/// Holds `T` and never shows it: `Debug` prints a placeholder, there is no `Display`, and memory is wiped on drop.
///
/// To read the value, say so: [`Hidden::reveal`]. A search for `reveal` finds every place that does.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hidden<T: Zeroize>(T);

impl<T: Zeroize> Hidden<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Hidden(value)
    }

    /// The value itself, for the one who may see it.
    pub fn reveal(&self) -> &T {
        &self.0
    }

    /// Takes the value out; the caller now owns the duty to keep it out of logs.
    pub fn into_inner(mut self) -> T
    where
        T: Default,
    {
        std::mem::take(&mut self.0)
    }
}

impl<T: Zeroize> Drop for Hidden<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl<T: Zeroize> From<T> for Hidden<T> {
    fn from(value: T) -> Self {
        Hidden(value)
    }
}

impl From<&str> for Hidden<String> {
    fn from(value: &str) -> Self {
        Hidden(value.to_owned())
    }
}

impl<'de, T: Zeroize + serde::Deserialize<'de>> serde::Deserialize<'de> for Hidden<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_value_is_not_in_its_debug_form() {
        let secret = Hidden::from("select * from patients");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "(hidden) Some(\n    (hidden),\n)");
    }
}
