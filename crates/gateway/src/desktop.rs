//! Desktop applications: programs on PCs that nobody vouches for. The integrator's own server gets a short-lived token for one
//! device at one site, and with that the program asks for itself.
//!
//! [`keys`] sign, [`token`] is what they sign, [`revocations`] take back what was given.

mod keys;
mod revocations;
mod token;

use crate::store::StoreError;
pub use keys::{Former, KEY_FILE, rotate};
use model::{Clock, DeviceId, IntegratorId, SiteId, Timestamp};
use rand::{SeedableRng, rngs::StdRng};
pub use revocations::{Revocation, Revocations, allow, revoke, revoke_all};
use std::{io, path::Path, sync::Arc, time::Duration};
use subtle::ConstantTimeEq;
use token::Claims;

/// What the one who runs a gateway may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesktopSettings {
    /// Whether tokens are given and taken. Default true.
    pub enabled: bool,
    /// How long a token is good, minutes: 1 to [`DesktopSettings::MOST_MINUTES`], default 15.
    pub token_minutes: u32,
    /// Web pages that browsers may let ask: `https://app.example.com`. Default none; programs that are no browser need none.
    pub origins: Vec<String>,
}

impl DesktopSettings {
    /// The longest life of a token, minutes.
    pub const MOST_MINUTES: u32 = 60;
}

impl Default for DesktopSettings {
    fn default() -> Self {
        DesktopSettings { enabled: true, token_minutes: 15, origins: Vec::new() }
    }
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is none of ours, or was changed.
    NotOurs,
    /// It was good until lately.
    Expired,
    /// It is from a time that has not come: somebody's clock was set.
    NotYet,
    /// It was given for another device.
    OtherDevice,
    /// Its device, or all tokens of then, were revoked.
    Revoked,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DesktopError {
    /// The signing keys.
    #[error("{KEY_FILE}: {0}")]
    Keys(#[from] io::Error),
    /// The list of what was revoked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A token as it is handed out.
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) seconds: u32,
}

/// Gives tokens, and checks them.
pub(crate) struct Desktop {
    pub(crate) settings: DesktopSettings,
    keys: keys::Keys,
    pub(crate) revocations: Revocations,
    issuer: String,
    /// Which of the gateways that share the keys.
    instance: String,
    clock: Arc<dyn Clock>,
}

impl Desktop {
    pub(crate) fn open(
        data: &Path,
        settings: DesktopSettings,
        environment: &str,
        integrator: IntegratorId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let keys = keys::Keys::open(data, Arc::clone(&clock)).map_err(|e| StoreError::file(KEY_FILE, &e))?;
        // Environments never meet, nor integrators.
        let issuer = format!("urn:halo-gateway:{environment}:{integrator}");
        let revocations = Revocations::open(data)?;
        let mut rng = StdRng::try_from_os_rng().map_err(|error| StoreError::other(&error))?;
        let instance = revocations.instance(clock.now(), &mut rng)?;
        Ok(Desktop { settings, keys, revocations, issuer, instance, clock })
    }

    /// A token for this device at this site; `None` when the device is revoked.
    pub(crate) fn issue(&self, site: SiteId, device: &DeviceId) -> Result<Option<Issued>, DesktopError> {
        let standing = self.revocations.standing(device)?;
        if standing.revoked {
            return Ok(None);
        }
        let minutes = self.settings.token_minutes.clamp(1, DesktopSettings::MOST_MINUTES);
        let (now, seconds) = (self.clock.now().unix_seconds(), minutes * 60);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: token::AUDIENCE.to_owned(),
            sub: device.clone(),
            site,
            iat: now,
            nbf: now,
            exp: now + i64::from(seconds),
            by: self.instance.clone(),
            all: standing.all,
            rev: standing.device,
        };
        let token = self.keys.newest(|key| token::sign(key, &claims))?;
        Ok(Some(Issued { token, seconds }))
    }

    /// Which site `token` lets `device` ask now.
    pub(crate) fn check(
        &self,
        token: &[u8],
        device: &[u8],
    ) -> Result<Result<(SiteId, DeviceId), Refusal>, DesktopError> {
        let Some(unproved) = token::Unproved::read(token) else { return Ok(Err(Refusal::NotOurs)) };
        let proved = self.keys.of(unproved.kid(), |key| unproved.prove(key))?.flatten();
        let Some(claims) = proved.filter(|claims| claims.iss == self.issuer && claims.aud == token::AUDIENCE)
        else {
            return Ok(Err(Refusal::NotOurs));
        };
        let now = self.clock.now().unix_seconds();
        if now >= claims.exp {
            return Ok(Err(Refusal::Expired));
        }
        // Set back by more than this, a clock makes no old token good again.
        if now + token::SKEW_SECONDS < claims.nbf {
            return Ok(Err(Refusal::NotYet));
        }
        if !bool::from(claims.sub.as_str().as_bytes().ct_eq(device)) {
            return Ok(Err(Refusal::OtherDevice));
        }
        let standing = self.revocations.standing(&claims.sub)?;
        let counts = if claims.by == self.instance {
            (standing.all, standing.device) == (claims.all, claims.rev)
        } else {
            // Another gateway's numbers are no measure here: its time is, as near as its clock may be to ours.
            let given = Timestamp(claims.iat.saturating_mul(1000));
            standing.last.is_none_or(|last| given > last.plus(SKEW))
        };
        if standing.revoked || !counts {
            return Ok(Err(Refusal::Revoked));
        }
        Ok(Ok((claims.site, claims.sub)))
    }
}

/// How far the clocks of gateways that share keys may be apart.
const SKEW: Duration = Duration::from_secs(token::SKEW_SECONDS.unsigned_abs());
/// How long a key that was replaced still proves tokens: the longest life of one.
const OVERLAP: Duration = Duration::from_secs(DesktopSettings::MOST_MINUTES as u64 * 60);
