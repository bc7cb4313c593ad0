//! The roots of this installation and of its sites, each in a file of its own, made on first start.

use crate::files;
use model::Pms;
use std::{fs, io, path::Path};
use trust::{Kind, Root};

/// The root in `folder` under `name`; made and on disk before it is returned when there is none.
pub(crate) fn load_or_make(folder: &Path, kind: Kind, name: &str) -> io::Result<Root> {
    files::private_folder(folder)?;
    let path = folder.join(name).with_extension("root");
    let broken = |error: trust::TrustError| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
    };
    match fs::read(&path) {
        Ok(der) => {
            let der = model::Hidden::new(der);
            Root::from_pkcs8(kind, der.reveal()).map_err(broken)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let root = Root::generate(kind).map_err(broken)?;
            files::write_private(&path, root.to_pkcs8().reveal())?;
            Ok(root)
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

/// File name of a site's root: the same practice of the same software keeps its GUID, whatever its order in the
/// configuration.
pub(crate) fn site_file(pms: Pms, pms_id: &str) -> String {
    let text = format!("{}\0{pms_id}", pms.type_name());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let hex: String = hash.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect();
    format!("site-{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_stays_the_same_over_restarts_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("identity");
        let name = site_file(Pms::BestPractice, "1001");
        let first = load_or_make(&folder, Kind::Site, &name).unwrap();
        let again = load_or_make(&folder, Kind::Site, &name).unwrap();
        assert_eq!(first.id(), again.id());
        assert_ne!(site_file(Pms::BestPractice, "1002"), name);
        assert_ne!(site_file(Pms::Zedmed, "1001"), name);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&folder), 0o700);
            assert_eq!(mode(&folder.join(name).with_extension("root")), 0o600);
        }
    }

    #[test]
    fn a_broken_root_is_not_replaced_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("link.root"), b"half a key").unwrap();
        assert!(load_or_make(folder.path(), Kind::Link, "link").is_err());
        assert_eq!(fs::read(folder.path().join("link.root")).unwrap(), b"half a key");
    }
}
