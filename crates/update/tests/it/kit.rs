//! Publishers of their own, and files signed with osslsigncode, as a release is.

use model::Timestamp;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use update::Publishers;

/// Runs a tool that `./x test` installs.
pub(crate) fn tool(program: &str, arguments: &[&str], folder: &Path) {
    let done = Command::new(program).args(arguments).current_dir(folder).output();
    let done =
        done.unwrap_or_else(|e| panic!("{program}: {e}; ./x test installs wixl, osslsigncode and openssl"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{program} {arguments:?}: {said} {}",
        String::from_utf8_lossy(&done.stdout)
    );
}

/// Certificates and signed files, made once for all tests of a process.
pub(crate) struct Workshop {
    pub(crate) folder: tempfile::TempDir,
}

/// Noon of a day on which the certificates count.
pub(crate) const DAY: Timestamp = Timestamp(1_795_435_200_000);

impl Workshop {
    pub(crate) fn get() -> &'static Workshop {
        static WORKSHOP: OnceLock<Workshop> = OnceLock::new();
        WORKSHOP.get_or_init(Workshop::new)
    }

    fn new() -> Workshop {
        let workshop = Workshop { folder: tempfile::tempdir().unwrap() };
        for (name, key) in [("acme", RSA), ("other", RSA), ("curve", CURVE)] {
            workshop.authority(name, key);
            workshop.certificate(&format!("{name}-ca"), name, key, "extendedKeyUsage=codeSigning");
        }
        workshop.certificate("acme-ca", "server", RSA, "extendedKeyUsage=serverAuth");
        workshop.certificate("acme", "minted", RSA, "extendedKeyUsage=codeSigning");
        workshop.program();
        workshop.installer("tiny", "26.713.2");
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Whoever is named by this certificate.
    pub(crate) fn publishers(&self, name: &str) -> Publishers {
        Publishers::default().with_pem(&self.bytes(name)).unwrap()
    }

    fn openssl(&self, words: &str, more: &[&str]) {
        let words: Vec<&str> = words.split(' ').chain(more.iter().copied()).collect();
        tool("openssl", &words, self.folder.path());
    }

    fn authority(&self, name: &str, key: &str) {
        self.openssl(
            &format!(
                "req -x509 -newkey {key} -nodes -keyout {name}-ca.key -out {name}-ca.pem -days 36500 -subj"
            ),
            &[&format!("/CN={name} root"), "-addext", "keyUsage=critical,keyCertSign"],
        );
    }

    /// A certificate `{subject}.pem` under `{authority}.pem`.
    fn certificate(&self, authority: &str, subject: &str, key: &str, usage: &str) {
        self.openssl(
            &format!(
                "req -x509 -newkey {key} -nodes -keyout {subject}.key -out {subject}.pem -days 365 -CA {authority}.pem \
                 -CAkey {authority}.key -subj"
            ),
            &[&format!("/O=Tests/CN={subject} Pty Ltd"), "-addext", usage, "-addext", "basicConstraints=critical,CA:FALSE"],
        );
    }

    /// The smallest 64-bit program: headers and one section of 512 bytes.
    fn program(&self) {
        let mut bytes = vec![0; 0x400];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        put(0, b"MZ");
        put(0x3c, &[0x40]);
        put(0x40, b"PE\0\0");
        // x86-64, one section, 240 bytes of optional header, an executable.
        put(0x44, &[0x64, 0x86, 1, 0]);
        put(0x54, &[240, 0, 0x22, 0]);
        put(0x58, &[0x0b, 0x02]);
        // Alignments, size of the image and of the headers, subsystem, sixteen directories.
        put(0x58 + 32, &[0, 0x10, 0, 0, 0, 2, 0, 0]);
        put(0x58 + 56, &[0, 0x20, 0, 0, 0, 2, 0, 0]);
        put(0x58 + 68, &[3]);
        put(0x58 + 108, &[16]);
        // The section: .text, size, address, size in the file, place in the file.
        put(0x148, b".text\0\0\0");
        put(0x150, &[0, 2, 0, 0, 0, 0x10, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0]);
        put(0x200, b"\xc3 what the program does");
        std::fs::write(self.path("tiny.exe"), bytes).unwrap();
    }

    /// An installer with a file in it that is larger than what goes into the mini stream.
    pub(crate) fn installer(&self, name: &str, version: &str) {
        std::fs::write(self.path("payload"), [b'p'; 20_000]).unwrap();
        std::fs::write(self.path(&format!("{name}.wxs")), WXS.replace("VERSION", version)).unwrap();
        tool("wixl", &["-o", &format!("{name}.msi"), &format!("{name}.wxs")], self.folder.path());
    }

    /// Signs `from` as `to`, with the certificate and key of `signer`.
    pub(crate) fn sign(&self, signer: &str, from: &str, to: &str, more: &[&str]) {
        let (certificate, key) = (format!("{signer}.pem"), format!("{signer}.key"));
        let mut words = vec!["sign", "-certs", &certificate, "-key", &key, "-h", "sha256", "-n", "Tests"];
        words.extend(more);
        if from.ends_with(".msi") && !more.contains(&"-nodse") {
            words.push("-add-msi-dse");
        }
        words.retain(|word| *word != "-nodse");
        words.extend(["-in", from, "-out", to]);
        tool("osslsigncode", &words, self.folder.path());
    }

    /// A detached signature, as beside Debian packages.
    pub(crate) fn sign_beside(&self, signer: &str, from: &str, to: &str) {
        self.openssl(
            &format!("cms -sign -binary -outform DER -md sha256 -signer {signer}.pem -inkey {signer}.key -in {from} -out {to}"),
            &[],
        );
    }
}

const RSA: &str = "rsa:2048";
const CURVE: &str = "ec -pkeyopt ec_paramgen_curve:P-256";

const WXS: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="*" Name="Tiny" Language="1033" Version="VERSION" Manufacturer="Tests" UpgradeCode="6F7C1F0E-0D6D-4F0A-9A4B-3A8B3C0A1F99">
    <Package InstallerVersion="405" Compressed="yes" InstallScope="perMachine" Description="Tiny" Manufacturer="Tests"/>
    <Media Id="1" Cabinet="tiny.cab" EmbedCab="yes"/>
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFilesFolder"><Directory Id="INSTALLDIR" Name="Tiny">
        <Component Id="Payload" Guid="1b0d7b0c-9a2e-4b8e-8f63-5f6b70a5a099">
          <File Id="Payload" Name="payload" Source="payload" KeyPath="yes"/>
        </Component>
      </Directory></Directory>
    </Directory>
    <Feature Id="Main" Level="1"><ComponentRef Id="Payload"/></Feature>
  </Product>
</Wix>
"#;
