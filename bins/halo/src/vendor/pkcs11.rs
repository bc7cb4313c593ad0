//! A vendor's key that stays in its hardware, reached through the hardware's own library (PKCS #11).

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    types::AuthPin,
};
use model::Hidden;
use std::path::Path;
use trust::approval::{Signer, der_signature};

/// A public key's info up to the point itself: P-256, not compressed.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// An open session at a token, and the key in it.
pub(super) struct Token {
    session: Session,
    key: ObjectHandle,
    spki: Vec<u8>,
}

impl Token {
    /// Finds the key pair with the label `object` on the token with the label `token`.
    pub(super) fn open(
        module: &Path,
        token: &str,
        object: &str,
        pin: &dyn Fn() -> Result<Hidden<String>>,
    ) -> Result<Self> {
        let library =
            Pkcs11::new(module).with_context(|| format!("{} is no PKCS #11 library", module.display()))?;
        library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
        let mut with_label = Vec::new();
        for slot in library.get_slots_with_token()? {
            if library.get_token_info(slot)?.label().trim_end() == token {
                with_label.push(slot);
            }
        }
        let [slot] = with_label[..] else {
            bail!("{} tokens have the label {token}; there must be one", with_label.len());
        };
        let session = library.open_ro_session(slot)?;
        session
            .login(UserType::User, Some(&AuthPin::new(pin()?.reveal().as_str().into())))
            .context("the token does not take the PIN")?;
        let find = |class: ObjectClass| -> Result<ObjectHandle> {
            let named = [
                Attribute::Class(class),
                Attribute::KeyType(KeyType::EC),
                Attribute::Label(object.as_bytes().to_vec()),
            ];
            match session.find_objects(&named)?[..] {
                [one] => Ok(one),
                [] => bail!("the token has no elliptic-curve key pair with the label {object}"),
                _ => bail!(
                    "the token has several keys with the label {object}: give the one that you mean a label of its own"
                ),
            }
        };
        let (key, public) = (find(ObjectClass::PRIVATE_KEY)?, find(ObjectClass::PUBLIC_KEY)?);
        let spki = spki(&session, public)?;
        Ok(Token { session, key, spki })
    }
}

/// The public key's info. A token gives the point inside of an OCTET STRING; some give it bare.
fn spki(session: &Session, public: ObjectHandle) -> Result<Vec<u8>> {
    let attributes = session.get_attributes(public, &[AttributeType::EcPoint])?;
    let Some(Attribute::EcPoint(point)) = attributes.first() else {
        bail!("the token does not give the public key")
    };
    let point = match point.as_slice() {
        [0x04, 0x41, point @ ..] if point.len() == 65 => point,
        point => point,
    };
    let spki = [&SPKI_PREFIX[..], point].concat();
    ensure!(trust::is_p256_spki(&spki), "the key is not on the curve P-256: make one that is");
    Ok(spki)
}

impl Signer for Token {
    type Error = anyhow::Error;

    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        // Hashed here: not all tokens can do it.
        let hash = digest(&SHA256, message);
        let raw = self.session.sign(&Mechanism::Ecdsa, self.key, hash.as_ref())?;
        Ok(der_signature(&raw)?)
    }
}
