//! What changed since a kit was made, sealed to the kit's key, in the data folder: the practice's ordinary backup of that folder and the
//! kit together bring everything back. The service can write it and can't read it again.

use super::{BACKUP_FILE, FOLDER, Kit, KitError, contents::Contents, kit::collect};
use crate::{files, host::Host, store::marks};
use model::{Hidden, Timestamp};
use std::path::Path;
use tokio_rustls::rustls::crypto::{
    aws_lc_rs::hpke::DH_KEM_P256_HKDF_SHA256_AES_256 as HPKE,
    hpke::{EncapsulatedSecret, Hpke, HpkePublicKey},
};

const MAGIC: &[u8] = b"HALOBACKUP\x01";
/// What the key is used for, said in the key's derivation.
const INFO: &[u8] = b"halo-link recovery backup v1";
/// A point of P-256, uncompressed.
const POINT: usize = 65;

/// Writes a backup when there is a kit and something has changed since the last one. True when it wrote. Blocks on the disk.
///
/// # Errors
/// When it can't be made or written; it is tried again.
pub(crate) fn keep(host: &Host) -> Result<bool, KitError> {
    let store = host.door().store();
    let Some(kit) = store.kit()? else { return Ok(false) };
    let path = host.data().join(FOLDER).join(BACKUP_FILE);
    let now = store.marks()?;
    let before = kit.backed.as_ref().map_or(&kit.marks, |(marks, _)| marks);
    let there = kit.backed.is_none() || path.exists();
    if there && *before == now {
        return Ok(false);
    }
    let (contents, marks) = collect(host)?;
    let sealed = seal(&contents, &kit.public)?;
    let folder = host.data().join(FOLDER);
    let written = files::private_folder(&folder).and_then(|()| files::write_private(&path, &sealed));
    written.map_err(super::EnvelopeError::Io)?;
    store.keep_backed(&kit.public, &marks, host.door().clock().now())?;
    Ok(true)
}

fn seal(contents: &Contents, public: &[u8]) -> Result<Vec<u8>, KitError> {
    let clear = contents.to_json()?;
    let sealed = HPKE.seal(INFO, MAGIC, clear.reveal(), &HpkePublicKey(public.to_vec()));
    let (secret, body) = sealed.map_err(|_| KitError::Broken("the key for backups"))?;
    Ok([MAGIC, &secret.0, &body].concat())
}

impl Kit {
    /// Takes what a backup has, when that is newer than the kit. True when it is.
    ///
    /// # Errors
    /// When it does not belong to this kit, or is damaged.
    pub fn take_backup(&mut self, file: &Path) -> Result<bool, KitError> {
        let bytes = super::restore::read_bounded(file).map_err(super::EnvelopeError::Io)?;
        let rest = bytes.strip_prefix(MAGIC).ok_or(KitError::OtherBackup)?;
        let (point, body) = rest.split_at_checked(POINT).ok_or(KitError::OtherBackup)?;
        let key = self.contents.backup_key.clone().ok_or(KitError::OtherBackup)?;
        let secret = EncapsulatedSecret(point.to_vec());
        let opened = HPKE.open(&secret, INFO, MAGIC, body, &key.reveal().to_vec().into());
        let clear = Hidden::new(opened.map_err(|_| KitError::OtherBackup)?);
        let backup = Contents::parse(clear.reveal())?;
        if backup.link != self.contents.link || backup.environment != self.contents.environment {
            return Err(KitError::OtherBackup);
        }
        // The count of starts goes up where a clock may go back.
        if (backup.epoch, backup.made_at) < (self.contents.epoch, self.contents.made_at) {
            return Ok(false);
        }
        let own = (Timestamp(self.contents.made_at), marks(&self.contents.tables));
        self.own.get_or_insert(own);
        let backup_public = self.contents.backup_public.take();
        self.contents = Contents { backup_key: Some(key), backup_public, ..backup };
        Ok(true)
    }
}
