//! `halo vendor`: a PMS vendor makes its key, approves integrators, and looks at approvals. Nothing here needs a network.

mod pkcs11;

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand, ValueEnum};
use model::{Access, Clock, IntegratorId, Pms, SystemClock, Timestamp};
use serde::Deserialize;
use serde_json::json;
use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};
use trust::approval::{self, Approval, Environments, Signed, Signer, VendorKey};

/// Longest file that is read here, bytes.
const FILE_BYTES: u64 = 64 * 1024;

/// What a vendor does.
#[derive(Subcommand)]
pub enum Vendor {
    /// Make the vendor's key, and print what goes into `approval_keys` of the PMS file
    ///
    /// The file is for its owner alone. A key in hardware is better: make it there, and name it with --pkcs11 when approving.
    Keygen {
        /// Where to; never over another file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the public key of a vendor's key, as `approval_keys` of the PMS file has it
    PublicKey {
        /// Which key
        #[command(flatten)]
        key: KeyArguments,
    },
    /// Approve an integrator: sign what it may do, where, and until when
    #[command(after_help = "\
Examples:
  halo vendor approve --key vendor.key --integrator-root acme.json --pms BestPractice --environment production \\
      --environment stage --expires 2027-06-30 --out acme.approval
  halo vendor approve --pkcs11 /usr/lib/softhsm/libsofthsm2.so --token vendor --object approvals --integrator-root acme.json \\
      --pms Zedmed --environment production --access read-only --expires 2027-06-30 --out acme.approval
acme.json is what the integrator's `halo-gateway identity` prints. The PIN of a token is asked for, or read from HALO_PIN.")]
    Approve(Box<ApproveArguments>),
    /// Print what an approval says; with keys, also whether one of them signed it
    Show {
        /// The approval
        file: PathBuf,
        /// A public key, base64; say it again for more
        #[arg(long, value_name = "BASE64")]
        signed_by: Vec<String>,
    },
}

/// Which key.
#[derive(Args)]
pub struct KeyArguments {
    /// The vendor's key, from `halo vendor keygen` (PKCS #8, PEM)
    #[arg(long, value_name = "FILE", required_unless_present = "pkcs11", conflicts_with = "pkcs11")]
    key: Option<PathBuf>,
    /// The library (PKCS #11) of the hardware that has the key
    #[arg(long, value_name = "MODULE", requires = "token", requires = "object")]
    pkcs11: Option<PathBuf>,
    /// The token's label
    #[arg(long, value_name = "LABEL")]
    token: Option<String>,
    /// The label of the key pair, P-256
    #[arg(long, value_name = "LABEL")]
    object: Option<String>,
}

/// What is approved.
#[derive(Args)]
pub struct ApproveArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// What the integrator's `halo-gateway identity` printed: its id, its root's public key and its name
    #[arg(long, value_name = "FILE", required_unless_present = "spki")]
    integrator_root: Option<PathBuf>,
    /// Its id; beside --spki
    #[arg(long, value_name = "GUID", requires = "spki", conflicts_with = "integrator_root")]
    integrator: Option<IntegratorId>,
    /// Its root's public key, base64; beside --integrator
    #[arg(long, value_name = "BASE64", requires = "integrator", requires = "name")]
    spki: Option<String>,
    /// The name that you know it by; without it the one that it gives itself
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which practice software: BestPractice, Zedmed or D4w
    #[arg(long, value_name = "SOFTWARE")]
    pms: String,
    /// Where: production, stage or demo; say it again for more
    #[arg(long, value_name = "ENVIRONMENT", required = true)]
    environment: Vec<String>,
    /// The most that it may do
    #[arg(long, value_enum, default_value_t)]
    access: Most,
    /// Words of yours; practices see them
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// From when on: a day, or a time with its zone; now
    #[arg(long, value_name = "WHEN")]
    not_before: Option<String>,
    /// Until when: a day (to its end, UTC), or a time with its zone. The shorter, the sooner a withdrawal counts everywhere
    #[arg(long, value_name = "WHEN")]
    expires: String,
    /// Higher than that of every approval that you gave this integrator before; the seconds since 1970
    #[arg(long, value_name = "NUMBER")]
    serial: Option<u64>,
    /// Where to; never over another file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The most that an integrator may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Most {
    /// It may read.
    ReadOnly,
    /// It may read and write.
    #[default]
    ReadWrite,
}

/// What `halo-gateway identity` prints.
#[derive(Deserialize)]
struct Identity {
    integrator: IntegratorId,
    root: String,
    #[serde(default)]
    name: Option<String>,
}

/// Does it, and prints one JSON object.
///
/// # Errors
/// What is wrong, and what to do.
pub fn run(vendor: Vendor) -> Result<()> {
    let said = match vendor {
        Vendor::Keygen { out } => {
            let key = VendorKey::generate()?;
            write_new(&out, key.to_pem().reveal().as_bytes(), true)?;
            json!({ "key": out, "approvalKey": STANDARD.encode(key.spki()) })
        }
        Vendor::PublicKey { key } => json!({ "approvalKey": STANDARD.encode(key.signer()?.spki()) }),
        Vendor::Approve(asked) => asked.approve()?,
        Vendor::Show { file, signed_by } => {
            let signed = Signed::from_text(&read(&file)?).with_context(|| file.display().to_string())?;
            let mut said = shown(&signed);
            if !signed_by.is_empty() {
                let keys: Result<Vec<_>, _> =
                    signed_by.iter().map(|key| STANDARD.decode(key.trim())).collect();
                let keys = keys.context("--signed-by is base64")?;
                said["signedByOneOfThem"] = keys.iter().any(|key| signed.is_by(key)).into();
            }
            said
        }
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string_pretty(&said)?)?;
    Ok(out.flush()?)
}

impl KeyArguments {
    fn signer(&self) -> Result<Box<dyn Signer<Error = anyhow::Error>>> {
        match (&self.pkcs11, &self.token, &self.object, &self.key) {
            (Some(module), Some(token), Some(object), _) => {
                Ok(Box::new(pkcs11::Token::open(module, token, object, &pin)?))
            }
            (_, _, _, Some(file)) => {
                let key = VendorKey::from_pem(&read(file)?).with_context(|| file.display().to_string())?;
                Ok(Box::new(InFile(key)))
            }
            _ => bail!("say which key: --key, or --pkcs11 with --token and --object"),
        }
    }
}

/// A key in a file, with the errors of a program.
struct InFile(VendorKey);

impl Signer for InFile {
    type Error = anyhow::Error;

    fn spki(&self) -> &[u8] {
        self.0.spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.0.sign(message)?)
    }
}

/// Of a token: from the environment, for machines, else asked for without echo.
fn pin() -> Result<model::Hidden<String>> {
    let pin = match std::env::var("HALO_PIN") {
        Ok(pin) => pin,
        Err(_) => rpassword::prompt_password("PIN of the token: ")
            .context("the PIN could not be asked for; say it in HALO_PIN")?,
    };
    Ok(pin.into())
}

impl ApproveArguments {
    fn approve(&self) -> Result<serde_json::Value> {
        let (integrator_root, own_name) = self.root()?;
        let name = self.name.clone().or(own_name).context("--name is missing: its identity names none")?;
        let pms = Pms::from_type_name(&self.pms)
            .or_else(|| Pms::from_display_name(&self.pms))
            .context("--pms is BestPractice, Zedmed or D4w")?;
        let environments = Environments::of(self.environment.iter().map(String::as_str))
            .context("--environment is production, stage or demo")?;
        let now = SystemClock.now();
        let not_before = match &self.not_before {
            Some(text) => time(text, "T00:00:00Z").context("--not-before")?,
            None => seconds(now),
        };
        let expires = time(&self.expires, "T23:59:59Z").context("--expires")?;
        ensure!(expires > now, "--expires is over already");
        let serial = match self.serial {
            Some(serial) => serial,
            None => u64::try_from(now.unix_seconds())?,
        };
        let access = match self.access {
            Most::ReadOnly => Access::ReadOnly,
            Most::ReadWrite => Access::ReadWrite,
        };
        let approval = Approval {
            integrator_root,
            integrator_name: name,
            pms,
            environments,
            access,
            note: self.note.clone(),
            not_before,
            expires,
            serial,
        };
        let signer = self.key.signer()?;
        let signed = approval::sign(&approval, &*signer)?;
        write_new(&self.out, signed.to_text().as_bytes(), false)?;
        let mut said = shown(&signed);
        said["file"] = self.out.display().to_string().into();
        Ok(said)
    }

    /// The integrator's root, and the name that it gives itself.
    fn root(&self) -> Result<(Vec<u8>, Option<String>)> {
        let (id, root, name) = match (&self.integrator_root, self.integrator, &self.spki) {
            (Some(file), ..) => {
                let identity: Identity = serde_json::from_str(&read(file)?).with_context(|| {
                    format!("{} is not what `halo-gateway identity` prints", file.display())
                })?;
                (identity.integrator, identity.root, identity.name)
            }
            (None, Some(id), Some(spki)) => (id, spki.clone(), None),
            _ => bail!("say which integrator: --integrator-root, or --integrator with --spki"),
        };
        let root = STANDARD.decode(root.trim()).context("the root's public key is base64")?;
        ensure!(
            trust::is_p256_spki(&root) && IntegratorId(trust::guid(trust::Kind::Integrator, &root)) == id,
            "the public key is not that of {id}: get both anew from the integrator, and compare the id with it by another way"
        );
        Ok((root, name))
    }
}

/// What an approval says, for people and programs.
fn shown(signed: &Signed) -> serde_json::Value {
    let of = signed.approval();
    json!({
        "integrator": of.integrator().to_string(),
        "name": of.integrator_name,
        "pms": of.pms.type_name(),
        "environments": of.environments.names().collect::<Vec<_>>(),
        "access": if of.access == Access::ReadOnly { "read-only" } else { "read-write" },
        "note": of.note,
        "notBefore": of.not_before.to_rfc3339(),
        "expires": of.expires.to_rfc3339(),
        "serial": of.serial,
    })
}

/// A time, or a day at this time of it; whole seconds.
fn time(text: &str, of_day: &str) -> Result<Timestamp> {
    let found = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}{of_day}")));
    found.map(seconds).context("a day (2027-06-30), or a time with its zone (2027-06-30T17:00:00+10:00)")
}

fn seconds(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(1000) * 1000)
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let file = fs::File::open(path).with_context(|| path.display().to_string())?;
    file.take(FILE_BYTES).read_to_string(&mut text).with_context(|| path.display().to_string())?;
    Ok(text)
}

fn write_new(path: &Path, bytes: &[u8], private: bool) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    let mut file = options.open(path).with_context(|| format!("{}: can't be made", path.display()))?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}
