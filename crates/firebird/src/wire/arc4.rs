//! The stream cipher that a Firebird 3 server offers: ARC4. It hides what passes from who listens; it is no proof of who
//! speaks. (Twenty lines of our own: no crate of the registry is kept for it.)

/// The state of one direction.
#[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Arc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Arc4 {
    /// Starts with a key of at least one byte.
    pub fn new(key: &[u8]) -> Self {
        let mut state: [u8; 256] = std::array::from_fn(|i| i as u8);
        let mut j = 0u8;
        for i in 0..256 {
            j = j.wrapping_add(state[i]).wrapping_add(key[i % key.len()]);
            state.swap(i, usize::from(j));
        }
        Arc4 { state, i: 0, j: 0 }
    }

    /// Encrypts or decrypts the next bytes of the stream.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let (mut i, mut j) = (self.i, self.j);
        for byte in bytes {
            i = i.wrapping_add(1);
            let a = self.state[usize::from(i)];
            j = j.wrapping_add(a);
            let b = self.state[usize::from(j)];
            self.state[usize::from(i)] = b;
            self.state[usize::from(j)] = a;
            *byte ^= self.state[usize::from(a.wrapping_add(b))];
        }
        (self.i, self.j) = (i, j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answers_come_out() {
        for (key, plain, hidden) in [
            ("Key", "Plaintext", "bbf316e8d940af0ad3"),
            ("Wiki", "pedia", "1021bf0420"),
            ("Secret", "Attack at dawn", "45a01f645fc35b383552544b9bf5"),
        ] {
            let mut bytes = plain.as_bytes().to_vec();
            let (mut out, half) = (Arc4::new(key.as_bytes()), plain.len() / 2);
            out.apply(&mut bytes[..half]);
            out.apply(&mut bytes[half..]);
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, hidden);
        }
    }
}
