//! Who may sign: pinned certificates and authorities.

use super::{SignatureError, Signer, sha256};
use model::Timestamp;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::{certificate::X509Certificate, parse_x509_certificate, x509::X509Name};

/// Certificates of publishers that come with the program: PEM text, given when it is built.
const BUILT_IN: Option<&str> = option_env!("HALO_LINK_PUBLISHERS");

/// Extended key usage "code signing", the value of its object identifier.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// The certificates by which a publisher is known: its own one, or its authority's.
#[derive(Clone, Debug, Default)]
pub struct Publishers(Vec<CertificateDer<'static>>);

/// A file that names no publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the publisher file holds no certificate in PEM form, or a broken one")]
pub struct PublisherError;

impl Publishers {
    /// Those that were given when this program was built; none in a build for development.
    ///
    /// # Errors
    /// [`PublisherError`]: the build was given something else.
    pub fn built_in() -> Result<Publishers, PublisherError> {
        BUILT_IN.map_or(Ok(Publishers::default()), |pem| Publishers::default().with_pem(pem.as_bytes()))
    }

    /// These and the ones in `pem`.
    ///
    /// # Errors
    /// [`PublisherError`].
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Publishers, PublisherError> {
        let before = self.0.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| PublisherError)?;
            parse(&certificate).ok_or(PublisherError)?;
            self.0.push(certificate);
        }
        if self.0.len() == before { Err(PublisherError) } else { Ok(self) }
    }

    /// Nobody may sign.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Is `certificate` a publisher's, at this time? Its key has proved itself already.
pub(super) fn verify(
    certificate: &[u8],
    beside: &[Vec<u8>],
    publishers: &Publishers,
    now: Timestamp,
) -> Result<Signer, SignatureError> {
    let parsed = parse(certificate).ok_or(SignatureError::Unreadable("its certificate is broken"))?;
    let signer = signer(certificate, &parsed);
    // One that is pinned itself may be self-made and say nothing of its purpose: it was named for this one.
    let pinned = publishers.0.iter().any(|pinned| pinned.as_ref() == certificate);
    if !pinned {
        issued(certificate, beside, publishers, now, &signer)?;
    }
    let day = |time: Timestamp| time.to_rfc3339()[..10].to_owned();
    if now < signer.not_before {
        return Err(SignatureError::NotYet { on: day(signer.not_before), name: signer.name });
    }
    if now > signer.not_after {
        return Err(SignatureError::Expired { on: day(signer.not_after), name: signer.name });
    }
    Ok(signer)
}

/// Was it issued for code signing, by one of the publishers?
fn issued(
    certificate: &[u8],
    beside: &[Vec<u8>],
    publishers: &Publishers,
    now: Timestamp,
    signer: &Signer,
) -> Result<(), SignatureError> {
    // A pinned certificate that is no authority stands for itself only.
    let authorities = publishers.0.iter().filter(|pinned| parse(pinned).is_some_and(|parsed| parsed.is_ca()));
    let anchors: Vec<TrustAnchor<'_>> =
        authorities.filter_map(|pinned| webpki::anchor_from_trusted_cert(pinned).ok()).collect();
    let beside: Vec<CertificateDer<'_>> = beside.iter().map(|der| der.as_slice().into()).collect();
    let certificate_der = certificate;
    let certificate = certificate.into();
    let stranger = || SignatureError::Stranger(signer.name.clone());
    let certificate = EndEntityCert::try_from(&certificate).map_err(|_| stranger())?;
    // An expired one is asked about its last day: so that a stranger is called a stranger first.
    let at = now.clamp(signer.not_before, signer.not_after.max(signer.not_before));
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.unix_seconds()).unwrap_or(0)));
    let verified = certificate.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &beside,
        at,
        KeyUsage::required(CODE_SIGNING),
        None,
        None,
    );
    match verified {
        Ok(_) => Ok(()),
        // Only of the publisher's own people: with everybody else it does not matter what for.
        Err(webpki::Error::RequiredEkuNotFoundContext(_) | webpki::Error::CaUsedAsEndEntity)
            if publishers.0.iter().any(|pinned| is_issuer(pinned, certificate_der)) =>
        {
            Err(SignatureError::Purpose(signer.name.clone()))
        }
        Err(_) => Err(stranger()),
    }
}

/// By name only: good enough for the choice of words.
fn is_issuer(pinned: &[u8], certificate: &[u8]) -> bool {
    let (pinned, certificate) = (parse(pinned), parse(certificate));
    pinned.zip(certificate).is_some_and(|(pinned, one)| pinned.subject().as_raw() == one.issuer().as_raw())
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    parse_x509_certificate(der).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, parsed)| parsed)
}

fn signer(der: &[u8], parsed: &X509Certificate<'_>) -> Signer {
    let validity = parsed.validity();
    let time = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp().saturating_mul(1000));
    Signer {
        name: name(parsed.subject()),
        issuer: name(parsed.issuer()),
        not_before: time(validity.not_before),
        not_after: time(validity.not_after),
        fingerprint: sha256(der),
    }
}

/// The common name, cut and cleaned: a stranger wrote it, and it is shown to people.
fn name(of: &X509Name<'_>) -> String {
    let common = of.iter_common_name().next().and_then(|name| name.as_str().ok()).map(str::to_owned);
    let name = common.unwrap_or_else(|| of.to_string());
    let clean: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    if clean.is_empty() { "somebody without a name".to_owned() } else { clean }
}
