//! What the service answers about integrators that ask to be let in without a code.

use super::answer::which_site;
use crate::{
    host::Host,
    store::{PairingRequest, RequestState},
};
use model::{Access, IntegratorId, SiteId};
use serde::{Deserialize, Serialize};
use trust::approval::Wanted;

/// An integrator that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestAnswer {
    /// Fingerprint of the site: what the integrator sees as the practice's.
    pub site: SiteId,
    /// Fingerprint of the integrator's root.
    pub integrator: IntegratorId,
    /// As it calls itself; it proves nothing.
    pub name: String,
    /// `waiting`, `approved` (and not paired yet), `denied`, `paired`.
    pub state: String,
    /// Of one that is approved: it may only read.
    pub read_only: bool,
    /// RFC 3339.
    pub asked_at: String,
    /// When it is forgotten, RFC 3339.
    pub expires_at: String,
    /// Whether the PMS vendor vouches for it: `yes` (what it showed when it asked last counts now), `no`, or `nobody` (there is no
    /// vendor's key here).
    pub vouched: String,
    /// The name that the vendor knows it by.
    pub vouched_name: Option<String>,
    /// The most that the vendor allows: `read-only` or `read-write`.
    pub vouched_access: Option<String>,
}

/// Whether somebody of this name and id is meant. A GUID means an id and nothing else: whoever calls itself by the id of somebody
/// else is not taken for it.
pub fn is_meant(wanted: &str, name: &str, id: IntegratorId) -> bool {
    let wanted = wanted.trim();
    match wanted.parse::<IntegratorId>() {
        Ok(wanted) => wanted == id,
        Err(_) => name.to_lowercase() == wanted.to_lowercase(),
    }
}

/// Of those that a name fits, those who were not denied, if there are any: whom the practice said no to stands in nobody's way.
pub fn not_denied<T>(mut found: Vec<T>, is_denied: impl Fn(&T) -> bool) -> Vec<T> {
    if !found.iter().all(&is_denied) {
        found.retain(|one| !is_denied(one));
    }
    found
}

/// All that are not forgotten, the oldest first.
pub(super) fn list(host: &Host, site: Option<SiteId>) -> Result<Vec<RequestAnswer>, String> {
    let all = host.door().pairing_requests().map_err(|error| error.to_string())?;
    let ours = all.iter().filter(|request| site.is_none_or(|site| site == request.site));
    Ok(ours.map(|request| shown(host, request)).collect())
}

/// The practice's decision about the one of that name or id.
pub(super) fn decide(
    host: &Host,
    (integrator, fingerprint): (&str, Option<IntegratorId>),
    (approve, read_only): (bool, bool),
    site: Option<SiteId>,
    by: &str,
) -> Result<RequestAnswer, String> {
    let of = find(host, integrator, site)?;
    if fingerprint.is_some_and(|expected| expected != of.integrator) {
        return Err(format!(
            "the integrator that asks under this name has the fingerprint {}, another one than you gave: nothing was changed",
            of.integrator
        ));
    }
    let done = host.door().decide_pairing(&of, approve, read_only, by).map_err(|error| error.to_string())?;
    if !done {
        return Err("it does not ask any more; HaloLinkUtility pairing list shows who does".to_owned());
    }
    find(host, &of.integrator.to_string(), Some(of.site)).map(|request| shown(host, &request))
}

/// The one that asks under this name or id and has not paired.
fn find(host: &Host, integrator: &str, site: Option<SiteId>) -> Result<PairingRequest, String> {
    let site = which_site(host, site)?;
    let mut all = host.door().pairing_requests().map_err(|error| error.to_string())?;
    all.retain(|request| {
        request.site == site
            && request.state != RequestState::Paired
            && is_meant(integrator, &request.name, request.integrator)
    });
    let mut found = not_denied(all, |request| request.state == RequestState::Denied).into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err("no integrator of that name or id asks to be let in here; HaloLinkUtility pairing list shows who does".to_owned()),
        (Some(_), Some(_)) => Err("several integrators ask under that name: use the id, and compare it with the integrator".to_owned()),
    }
}

fn shown(host: &Host, request: &PairingRequest) -> RequestAnswer {
    let site = host.door().site(request.site);
    // Looked at anew: keys, and time, may have gone on since it was shown.
    let approval = request.approval.as_ref().zip(site).and_then(|(signed, site)| {
        let root = &signed.approval().integrator_root;
        let (pms, environment) = (site.pms(), host.environment());
        let wanted = Wanted { integrator_root: root, pms, environment, now: host.door().now() };
        let of = signed.check(site.approval_keys(), &wanted).ok()?;
        (of.integrator() == request.integrator).then_some(of)
    });
    let vouched = match approval {
        _ if site.is_none_or(|site| site.approval_keys().is_empty()) => "nobody",
        Some(_) => "yes",
        None => "no",
    };
    let access = |of: Access| if of == Access::ReadOnly { "read-only" } else { "read-write" }.to_owned();
    RequestAnswer {
        site: request.site,
        integrator: request.integrator,
        name: request.name.clone(),
        state: request.state.name().to_owned(),
        read_only: request.read_only,
        asked_at: request.asked_at.to_rfc3339(),
        expires_at: request.expires_at.to_rfc3339(),
        vouched: vouched.to_owned(),
        vouched_name: approval.map(|of| of.integrator_name.clone()),
        vouched_access: approval.map(|of| access(of.access)),
    }
}
