//! Proof of a password without sending it: SRP-6a as Firebird has it (plugins `Srp` and `Srp256`).
//!
//! Both work in the same group of 1024 bits and hash nearly everything with SHA-1; `Srp256` makes its proof with SHA-256.

use super::xdr::Short;
use aws_lc_rs::digest::{Context, Digest, SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA256};
use num_bigint::BigUint;
use zeroize::Zeroizing;

/// The group's prime, in hexadecimal digits.
const PRIME: &[u8] =
    b"E67D2E994B2F900C3F41F08F5BB2627ED0D49EE1FE767A52EFCD565CD6E768812C3E1E9CE8F0A8BEA6CB13CD29DDEBF7\
A96D4A93B55D488DF099A15C89DCB0640738EB2CBDD9A8F7BAB561AB1B0DC1C6CDABF303264A08D1BCA932D1F1EE428B\
619D970F342ABA9A65793B8B2F041AE5364350C16F735F56ECBCA87BD57B29E7";

/// How a login is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// Firebird 3.0.4 and later.
    Srp256,
    /// Firebird 3.0 before that.
    Srp,
}

impl Plugin {
    /// As the client offers them, the best one first.
    pub const LIST: &'static str = "Srp256,Srp";

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Plugin::Srp256 => "Srp256",
            Plugin::Srp => "Srp",
        }
    }

    /// Finds one by its name.
    pub fn by_name(name: &[u8]) -> Option<Self> {
        [Plugin::Srp256, Plugin::Srp].into_iter().find(|p| p.name().as_bytes() == name)
    }
}

/// The client's half of a login.
pub struct Client {
    prime: BigUint,
    secret: BigUint,
    public: BigUint,
}

/// What both sides now know, and how the client shows that it does.
pub struct Proved {
    /// In hexadecimal digits.
    pub proof: String,
    /// The key of the session.
    pub key: Zeroizing<Vec<u8>>,
}

/// What the server answers: a salt as text, and its public number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    salt: Vec<u8>,
    public: BigUint,
}

impl Challenge {
    /// Reads two texts with their lengths (two bytes, little endian).
    ///
    /// # Errors
    /// [`Short::Wrong`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Short> {
        let (salt, rest) = counted(bytes)?;
        let (public, _) = counted(rest)?;
        // Numbers of 1024 bits have 256 digits; a salt has 64.
        if salt.len() > 256 || public.len() > 256 {
            return Err(Short::Wrong);
        }
        let public = BigUint::parse_bytes(public, 16).ok_or(Short::Wrong)?;
        Ok(Challenge { salt: salt.to_vec(), public })
    }
}

fn counted(bytes: &[u8]) -> Result<(&[u8], &[u8]), Short> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or(Short::Wrong)?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or(Short::Wrong)
}

impl Client {
    /// With a secret that nobody can guess and that is used once.
    pub fn new(secret: &[u8; 16]) -> Self {
        let prime = BigUint::parse_bytes(PRIME, 16).expect("the constant is hexadecimal");
        let secret = BigUint::from_bytes_be(secret);
        let public = BigUint::from(2u32).modpow(&secret, &prime);
        Client { prime, secret, public }
    }

    /// The public number, in hexadecimal digits.
    pub fn public(&self) -> String {
        format!("{:x}", self.public)
    }

    /// Answers a challenge. `user` as the server knows it.
    ///
    /// # Errors
    /// [`Short::Wrong`] for a number with which anybody could pretend to be the server.
    pub fn prove(
        &self,
        plugin: Plugin,
        user: &str,
        password: &str,
        challenge: &Challenge,
    ) -> Result<Proved, Short> {
        let prime = &self.prime;
        let zero = BigUint::ZERO;
        if &challenge.public % prime == zero {
            return Err(Short::Wrong);
        }
        let generator = BigUint::from(2u32);
        let (a, b) = (self.public.to_bytes_be(), challenge.public.to_bytes_be());
        let u = number(&sha1(&[&a, &b]));
        let inner = sha1(&[user.as_bytes(), b":", password.as_bytes()]);
        let x = number(&sha1(&[&challenge.salt, inner.as_ref()]));
        let mut padded = vec![0; prime.to_bytes_be().len() - 1];
        padded.push(2);
        let k = number(&sha1(&[&prime.to_bytes_be(), &padded]));
        // (B - k·g^x) ^ (a + u·x)
        let masked = (k * generator.modpow(&x, prime)) % prime;
        let base = (&challenge.public % prime + prime - masked) % prime;
        let exponent = &self.secret + u * x;
        let shared = Zeroizing::new(base.modpow(&exponent, prime).to_bytes_be());
        let key = Zeroizing::new(sha1(&[&shared]).as_ref().to_vec());
        let group = number(&sha1(&[&prime.to_bytes_be()])).modpow(&number(&sha1(&[&[2]])), prime);
        // Numbers are hashed without zeros in front, the one that stands for the user too.
        let name = number(&sha1(&[user.as_bytes()])).to_bytes_be();
        let parts: [&[u8]; 6] = [&group.to_bytes_be(), &name, &challenge.salt, &a, &b, &key];
        let proof = match plugin {
            Plugin::Srp => sha1(&parts),
            Plugin::Srp256 => hash(&SHA256, &parts),
        };
        let proof = proof.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Proved { proof, key })
    }
}

fn hash(algorithm: &'static aws_lc_rs::digest::Algorithm, parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish()
}

fn sha1(parts: &[&[u8]]) -> Digest {
    hash(&SHA1, parts)
}

fn number(digest: &Digest) -> BigUint {
    BigUint::from_bytes_be(digest.as_ref())
}
