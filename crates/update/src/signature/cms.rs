//! PKCS #7 and CMS: one signer's statement about a digest.

use super::{Publishers, SIGNATURE_BYTES, SignatureError, Signer, chain, hash, same};
use aws_lc_rs::digest;
use cms::{
    cert::CertificateChoices,
    content_info::{CmsVersion, ContentInfo},
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use der::{
    Any, AnyRef, Decode, Encode, Sequence,
    asn1::{ObjectIdentifier, OctetString},
};
use model::Timestamp;
use rustls::pki_types::SignatureVerificationAlgorithm;
use webpki::aws_lc_rs as methods;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const AUTHENTICODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.4");
/// What an Authenticode signature is about: the image of a program.
pub(super) const PROGRAM: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.15");
/// What an Authenticode signature is about: something else that the system knows how to digest.
pub(super) const INSTALLER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.30");

/// Most certificates beside a signature.
const CERTIFICATES: usize = 16;

/// The statement inside an Authenticode signature.
#[derive(Sequence)]
struct Indirect {
    data: Kind,
    digest: DigestInfo,
}

#[derive(Sequence)]
struct Kind {
    kind: ObjectIdentifier,
    #[asn1(optional = "true")]
    value: Option<Any>,
}

#[derive(Sequence)]
struct DigestInfo {
    algorithm: Algorithm,
    digest: OctetString,
}

#[derive(Sequence)]
struct Algorithm {
    kind: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<Any>,
}

/// A digest and how it was made.
pub(super) struct About {
    pub(super) algorithm: &'static digest::Algorithm,
    pub(super) digest: Vec<u8>,
}

/// A signature that was read and not yet believed.
pub(super) struct Signed {
    data: SignedData,
    signer: SignerInfo,
    algorithm: &'static digest::Algorithm,
    /// The signer's certificate, DER.
    certificate: Vec<u8>,
    /// All certificates that came with it, DER.
    beside: Vec<Vec<u8>>,
}

impl Signed {
    /// # Errors
    /// [`SignatureError::Unreadable`], [`SignatureError::Weak`].
    pub(super) fn parse(bytes: &[u8]) -> Result<Signed, SignatureError> {
        let unreadable = |_| SignatureError::Unreadable("its structure is broken");
        if bytes.len() > SIGNATURE_BYTES {
            return Err(SignatureError::Unreadable("larger than 64 KiB"));
        }
        let info = ContentInfo::from_der(bytes).map_err(unreadable)?;
        if info.content_type != SIGNED_DATA {
            return Err(SignatureError::Unreadable("it is no signature"));
        }
        let data: SignedData = info.content.decode_as().map_err(unreadable)?;
        let [signer] = data.signer_infos.0.as_slice() else {
            return Err(SignatureError::Unreadable("not exactly one signer"));
        };
        let signer = signer.clone();
        let algorithm = algorithm(signer.digest_alg.oid)?;
        // Nothing here is signed, so nothing here is free: what says the same twice says it the same way.
        let plain = signer.digest_alg.parameters.as_ref().is_none_or(|any| any.is_null());
        let once = data.digest_algorithms.as_slice() == [signer.digest_alg.clone()];
        if !plain || !once || (data.version, signer.version) != (CmsVersion::V1, CmsVersion::V1) {
            return Err(SignatureError::Unreadable("its outer parts do not fit together"));
        }
        let SignerIdentifier::IssuerAndSerialNumber(wanted) = &signer.sid else {
            return Err(SignatureError::Unreadable("it does not name its certificate by issuer and number"));
        };
        let (mut certificate, mut beside) = (None, Vec::new());
        for choice in data.certificates.iter().flat_map(|all| all.0.iter()).take(CERTIFICATES) {
            let CertificateChoices::Certificate(one) = choice else { continue };
            let der = one.to_der().map_err(unreadable)?;
            let about = &one.tbs_certificate;
            if about.issuer == wanted.issuer && about.serial_number == wanted.serial_number {
                certificate = Some(der.clone());
            }
            beside.push(der);
        }
        let certificate = certificate.ok_or(SignatureError::Unreadable("its certificate is not there"))?;
        Ok(Signed { data, signer, algorithm, certificate, beside })
    }

    /// What an Authenticode signature says of a file of this kind.
    ///
    /// # Errors
    /// [`SignatureError`] when it is about something else, or the signer did not sign this statement.
    pub(super) fn about(&self, kind: ObjectIdentifier) -> Result<About, SignatureError> {
        let other = SignatureError::Unreadable("it is about something else");
        let inside = &self.data.encap_content_info;
        let content =
            inside.econtent.as_ref().filter(|_| inside.econtent_type == AUTHENTICODE).ok_or(other.clone())?;
        // Signed is the content without its own tag and length, as PKCS #7 had it.
        self.signs(AUTHENTICODE, &hash(self.algorithm, &[content.value()]))?;
        let unreadable = |_| SignatureError::Unreadable("its statement is broken");
        let said: Indirect = content.decode_as().map_err(unreadable)?;
        let _ = (said.data.value, said.digest.algorithm.parameters);
        if said.data.kind != kind {
            return Err(other);
        }
        let algorithm = algorithm(said.digest.algorithm.kind)?;
        Ok(About { algorithm, digest: said.digest.digest.into_bytes() })
    }

    /// Is this detached signature about this file?
    ///
    /// # Errors
    /// [`SignatureError`].
    pub(super) fn about_file(&self, bytes: &[u8]) -> Result<(), SignatureError> {
        let inside = &self.data.encap_content_info;
        if inside.econtent_type != DATA || inside.econtent.is_some() {
            return Err(SignatureError::Unreadable("it is about something else"));
        }
        self.signs(DATA, &hash(self.algorithm, &[bytes]))
    }

    /// The signed attributes hold this kind and this digest of the content, each once.
    fn signs(&self, kind: ObjectIdentifier, digest: &[u8]) -> Result<(), SignatureError> {
        let kind_said = self.attribute(CONTENT_TYPE)?.decode_as::<ObjectIdentifier>();
        if kind_said != Ok(kind) {
            return Err(SignatureError::Unreadable("it is about something else"));
        }
        let said = self.attribute(MESSAGE_DIGEST)?.decode_as::<OctetString>();
        let said = said.map_err(|_| SignatureError::Unreadable("its statement is broken"))?;
        same(said.as_bytes(), digest)
    }

    fn attribute(&self, kind: ObjectIdentifier) -> Result<AnyRef<'_>, SignatureError> {
        let missing = SignatureError::Unreadable("it does not say what it signs");
        let all = self.signer.signed_attrs.iter().flat_map(|all| all.iter());
        let mut of_kind = all.filter(|attribute| attribute.oid == kind);
        let (Some(one), None) = (of_kind.next(), of_kind.next()) else { return Err(missing) };
        let [value] = one.values.as_slice() else { return Err(missing) };
        Ok(value.into())
    }

    /// Is it genuine, and is the signer the publisher?
    ///
    /// # Errors
    /// [`SignatureError`].
    pub(super) fn verify(&self, publishers: &Publishers, now: Timestamp) -> Result<Signer, SignatureError> {
        let unreadable = SignatureError::Unreadable("its certificate is broken");
        let certificate = self.certificate.as_slice().into();
        let certificate = webpki::EndEntityCert::try_from(&certificate).map_err(|_| unreadable.clone())?;
        let attributes =
            self.signer.signed_attrs.as_ref().and_then(|all| all.to_der().ok()).ok_or(unreadable)?;
        let signature = self.signer.signature.as_bytes();
        let genuine = self
            .methods()?
            .into_iter()
            .any(|method| certificate.verify_signature(method, &attributes, signature).is_ok());
        if !genuine {
            return Err(SignatureError::Forged);
        }
        chain::verify(&self.certificate, &self.beside, publishers, now)
    }
}

impl Signed {
    /// Ways to sign that this signature may be of; of two, the key in the certificate says which one it is.
    fn methods(&self) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, SignatureError> {
        let said = &self.signer.signature_algorithm;
        if !said.parameters.as_ref().is_none_or(|any| any.is_null()) {
            return Err(SignatureError::Weak);
        }
        let bits = self.algorithm.output_len() * 8;
        // RSA, named alone or with its digest; ECDSA, named alone (as older tools do) or with its digest.
        match (said.oid.to_string().as_str(), bits) {
            ("1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.11", 256) => {
                Ok(vec![methods::RSA_PKCS1_2048_8192_SHA256])
            }
            ("1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.12", 384) => {
                Ok(vec![methods::RSA_PKCS1_2048_8192_SHA384])
            }
            ("1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.13", 512) => {
                Ok(vec![methods::RSA_PKCS1_2048_8192_SHA512])
            }
            ("1.2.840.10045.2.1" | "1.2.840.10045.4.3.2", 256) => {
                Ok(vec![methods::ECDSA_P256_SHA256, methods::ECDSA_P384_SHA256])
            }
            ("1.2.840.10045.2.1" | "1.2.840.10045.4.3.3", 384) => {
                Ok(vec![methods::ECDSA_P256_SHA384, methods::ECDSA_P384_SHA384])
            }
            ("1.2.840.10045.2.1" | "1.2.840.10045.4.3.4", 512) => Ok(vec![methods::ECDSA_P521_SHA512]),
            _ => Err(SignatureError::Weak),
        }
    }
}

/// How far the DER value at the start of these bytes reaches.
pub(super) fn der_length(bytes: &[u8]) -> Option<usize> {
    let mut reader = der::SliceReader::new(bytes).ok()?;
    let header = der::Header::decode(&mut reader).ok()?;
    usize::try_from((header.encoded_len().ok()? + header.length).ok()?).ok()
}

fn algorithm(kind: ObjectIdentifier) -> Result<&'static digest::Algorithm, SignatureError> {
    match kind.to_string().as_str() {
        "2.16.840.1.101.3.4.2.1" => Ok(&digest::SHA256),
        "2.16.840.1.101.3.4.2.2" => Ok(&digest::SHA384),
        "2.16.840.1.101.3.4.2.3" => Ok(&digest::SHA512),
        _ => Err(SignatureError::Weak),
    }
}
