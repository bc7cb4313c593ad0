//! Certificates for the outer leg's TLS on one machine: an authority of our own and a server certificate.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the PEM files are.
pub(super) struct Files {
    /// The authority: whoever dials trusts it.
    pub(super) ca: PathBuf,
    /// The server's certificate for `localhost` and 127.0.0.1.
    pub(super) cert: PathBuf,
    /// And its key.
    pub(super) key: PathBuf,
}

/// Makes them on the first start; later starts use what is there.
pub(super) fn make(folder: &Path) -> Result<Files> {
    let files =
        Files { ca: folder.join("ca.pem"), cert: folder.join("server.pem"), key: folder.join("server.key") };
    if files.ca.exists() && files.cert.exists() && files.key.exists() {
        return Ok(files);
    }
    fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;

    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca.distinguished_name.push(DnType::CommonName, "Halo Connect demo on this machine");
    let ca_key = KeyPair::generate()?;
    let ca_cert = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);

    let server_key = KeyPair::generate()?;
    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    let server_cert = server.signed_by(&server_key, &issuer)?;

    super::process::write_private(&files.key, server_key.serialize_pem().as_bytes())?;
    fs::write(&files.cert, server_cert.pem())?;
    // Last: a start that was killed in between makes all of them anew.
    fs::write(&files.ca, ca_cert.pem())?;
    Ok(files)
}
