//! `halo-cloud publish-update`: puts a file into the folder of updates and offers it.

use crate::updates::offer_path;
use anyhow::{Context, Result, ensure};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};
use update::{FILE_BYTES, Offer, Platform, Publishers, SIGNATURE_BYTES, Version, is_plain};

/// What `publish-update` is told.
pub(crate) struct Publication<'a> {
    pub(crate) platform: Platform,
    pub(crate) file: &'a Path,
    pub(crate) version: Option<Version>,
    pub(crate) signature: Option<&'a Path>,
    pub(crate) publisher: Option<&'a Path>,
    pub(crate) notes: &'a str,
    pub(crate) lower: bool,
}

/// Copies a file to where it is served from and makes it the newest one, in this order: nobody is ever offered a file that is not there.
pub(crate) fn publish(
    folder: &Path,
    environment: &str,
    what: &Publication<'_>,
    now: model::Timestamp,
) -> Result<Offer> {
    let bytes = read(what.file, FILE_BYTES)?;
    let name = what.file.file_name().and_then(|name| name.to_str()).filter(|name| is_plain(name));
    let name = name.context("the file's name: letters, digits, . _ - + ~ only, and no dot first")?;
    let ending = what.platform.ending();
    ensure!(name.ends_with(ending), "a file for {} ends with {ending}", what.platform);
    let signature = match what.platform.detached() {
        false => None,
        true => {
            let beside = what
                .signature
                .map_or_else(|| what.file.with_file_name(format!("{name}.sig")), Path::to_owned);
            Some(
                read(&beside, SIGNATURE_BYTES as u64)
                    .context("the signature of a Debian package is a file beside it")?,
            )
        }
    };
    if let Some(publisher) = what.publisher {
        let pem = read(publisher, SIGNATURE_BYTES as u64)?;
        let publishers = Publishers::default().with_pem(&pem).context("--publisher")?;
        let checked = match &signature {
            None => update::verify(&bytes, &publishers, now),
            Some(signature) => update::verify_detached(&bytes, signature, &publishers, now),
        };
        checked.with_context(|| format!("{name} would be refused by every site"))?;
    }
    let inside = match what.platform {
        Platform::WindowsX64 => {
            Some(update::installer_version_of(&bytes)?.parse().context("the version inside")?)
        }
        _ => None,
    };
    let version = match (what.version, inside) {
        (said, Some(inside)) => {
            // Every site would fetch it and refuse it, every hour.
            let same = said.is_none_or(|said| said == inside);
            ensure!(same, "the installer says that it is {inside}: leave --version out, or take the right file");
            inside
        }
        (Some(version), None) => version,
        (None, _) => name.split('_').nth(1).and_then(|v| v.parse().ok()).context(
            "--version: say which one it is (a Debian package's name, halo-link_VERSION_ARCH.deb, would say it as well)",
        )?,
    };
    let offered = offer_path(folder, environment, what.platform);
    if let Some(before) = fs::read(&offered).ok().and_then(|json| Offer::parse(&json).ok()) {
        ensure!(
            what.lower || version >= before.version,
            "{} is offered already, which is higher than {version}; no site goes back by itself. --lower offers it all the same, to \
             sites that run less",
            before.version
        );
    }
    let offer = Offer {
        metadata_version: update::METADATA_VERSION,
        version,
        file: name.to_owned(),
        size: bytes.len() as u64,
        sha256: update::sha256(&bytes),
        signature: signature.as_ref().map(|_| format!("{name}.sig")),
        published_at: now.to_rfc3339(),
        notes: what.notes.to_owned(),
    };
    let json = serde_json::to_vec_pretty(&offer)?;
    Offer::parse(&json).map_err(|why| anyhow::anyhow!("this can't be offered: {why}"))?;
    let files = folder.join("files");
    place(&files.join(name), &bytes)?;
    if let (Some(signature), Some(name)) = (&signature, &offer.signature) {
        place(&files.join(name), signature)?;
    }
    place(&offered, &json)?;
    Ok(offer)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let about = || format!("can't read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path).with_context(about)?.take(most + 1).read_to_end(&mut bytes).with_context(about)?;
    ensure!(bytes.len() as u64 <= most, "{} is larger than {most} bytes", path.display());
    Ok(bytes)
}

/// Whole or not at all, and on disk before it counts.
fn place(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // Hidden, so that it is never served.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!(".{name}.{}", std::process::id()));
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("can't write {}", path.display()))
}
