//! The integrator's identity on disk: the root key, made on first use, and this gateway's certificate under it.

use model::{Clock, Hidden, IntegratorId};
use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};
use trust::{Kind, Operational, Root, TrustError};

/// The root key, PKCS #8 DER. Whoever has it is the integrator.
pub const ROOT_FILE: &str = "integrator-root.key";
/// A gateway issues itself a certificate at each start; it must last until the next one.
const VALID: Duration = Duration::from_secs(397 * 24 * 60 * 60);

/// The identity could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file.
    #[error("{ROOT_FILE}: {0}")]
    File(#[from] io::Error),
    /// What is in it.
    #[error("{ROOT_FILE}: {0}")]
    Trust(#[from] TrustError),
}

/// Reads the root from the data folder, or makes it there, readable by its owner alone.
pub fn load_or_make(data: &Path) -> Result<Root, IdentityError> {
    let fresh = || Ok(Root::generate(Kind::Integrator).map_err(io::Error::other)?.to_pkcs8());
    let der = read_or_make(data, ROOT_FILE, fresh)?;
    Ok(Root::from_pkcs8(Kind::Integrator, der.reveal())?)
}

/// Reads a key's file, or makes it, readable by its owner alone. What is there is never replaced.
pub(crate) fn read_or_make(
    data: &Path,
    name: &str,
    fresh: impl Fn() -> io::Result<Hidden<Vec<u8>>>,
) -> io::Result<Hidden<Vec<u8>>> {
    let path = data.join(name);
    match std::fs::read(&path) {
        Ok(key) => Ok(Hidden::new(key)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(data)?;
            let key = fresh()?;
            // Written aside and renamed: a crash must not leave half a key behind, and two at once must not both win.
            let aside = data.join(format!("{name}.{}", std::process::id()));
            private(&aside)?.write_all(key.reveal())?;
            let placed = std::fs::hard_link(&aside, &path);
            std::fs::remove_file(&aside)?;
            match placed {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_or_make(data, name, fresh),
                Err(error) => Err(error),
                Ok(()) => Ok(key),
            }
        }
        Err(error) => Err(error),
    }
}

/// Puts a key's file in the place of the one that is there: whole or not at all.
pub(crate) fn replace(data: &Path, name: &str, key: &Hidden<Vec<u8>>) -> io::Result<()> {
    let aside = data.join(format!("{name}.{}", std::process::id()));
    let mut file = private(&aside)?;
    file.write_all(key.reveal())?;
    file.sync_all()?;
    std::fs::rename(&aside, data.join(name))
}

/// Who a root is.
pub fn integrator(root: &Root) -> IntegratorId {
    IntegratorId(root.id())
}

/// A gateway's name in its certificate, at most 200 bytes. Sites retire the lower serial numbers of the same name, so it
/// tells apart the gateways of one integrator: `instance` is random and kept in each one's data folder.
pub fn instance_name(integrator_name: &str, instance: u32) -> String {
    let name = crate::cut(integrator_name, 190);
    format!("{name} {instance:08x}")
}

/// A fresh certificate for this gateway, under its [`instance_name`]. `serial` must be higher than any before. `hosted`:
/// somebody else runs it for the integrator; it says so to every site.
pub fn certify(
    root: &Root,
    name: &str,
    hosted: bool,
    serial: u64,
    clock: &dyn Clock,
) -> Result<Operational, IdentityError> {
    Ok(match hosted {
        true => root.issue_hosted(name, serial, clock.now(), VALID)?,
        false => root.issue(name, serial, clock.now(), VALID)?,
    })
}

fn private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        // Left by a crash under the same process number.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            options.open(path)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_gateways_of_one_integrator_have_names_of_their_own() {
        assert_eq!(instance_name("Acme", 7), "Acme 00000007");
        assert_ne!(instance_name("Acme", 7), instance_name("Acme", 8));
        let long = "\u{1f600}".repeat(100);
        assert!(
            instance_name(&long, 1).len() <= 200 && instance_name(&long, u32::MAX).ends_with(" ffffffff")
        );
    }

    #[test]
    fn an_identity_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new");
        let first = load_or_make(&data).unwrap();
        assert_eq!(load_or_make(&data).unwrap().id(), first.id());
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(data.join(ROOT_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(data.join(ROOT_FILE), b"not a key").unwrap();
        assert!(load_or_make(&data).is_err(), "a broken identity is never replaced in silence");
    }
}
