//! `POST /integrator/pair-site` without a code.

use super::{
    pair_site::api_error,
    sites::{PracticeQuery, cloud_error},
};
use crate::{
    error::ApiError,
    gateway::Gateway,
    pair::{self, PairError},
};
use axum::http::StatusCode;
use model::SiteId;
use tokio::time::timeout;
use tunnel::head::SiteRecord;

/// Pairs with the practice's site, or says what has to be done first.
pub(super) async fn pair(gateway: &Gateway, asked: &PracticeQuery) -> Result<SiteRecord, ApiError> {
    let sites = gateway.cloud.find(asked.pms, &asked.pms_id).await.map_err(cloud_error)?;
    if sites.is_empty() {
        return Err(super::pair_site::no_site());
    }
    let mut record = the_one(sites, asked)?;
    let login = gateway.logins.get(&asked.pms).ok_or_else(|| api_error(PairError::NoLogin))?;
    let pinned = gateway.store.pin(asked.pms, &asked.pms_id, record.site, gateway.clock.now());
    let pinned = pinned.map_err(|error| {
        tracing::error!(%error, "which site was asked first can't be kept");
        api_error(PairError::Store)
    })?;
    if pinned != record.site {
        return Err(other_site(pinned, record.site));
    }
    let paired =
        timeout(super::pair_site::WITHIN, pair::without_code::pair(gateway, record.site, asked.pms, login))
            .await;
    let facts = paired.unwrap_or(Err(PairError::Protocol)).map_err(|error| match error {
        PairError::Waiting => waiting(gateway, record.site),
        error => api_error(pair::told(gateway, asked.pms, error)),
    })?;
    record.facts = facts.unwrap_or(record.facts);
    Ok(record)
}

/// The one site that the platform calls authoritative; the one that the caller means, if it says so.
fn the_one(sites: Vec<SiteRecord>, asked: &PracticeQuery) -> Result<SiteRecord, ApiError> {
    let mut authoritative = sites.into_iter().filter(|site| site.authoritative);
    let (Some(one), None) = (authoritative.next(), authoritative.next()) else {
        return Err(ApiError::forbidden(
            "No site, or more than one, is authoritative for this practiceManagementSiteId, and without a pairing code nothing else says which \
             is the practice's. Nothing was sent to any. Ask the practice for a pairing code.",
        ));
    };
    match asked.site {
        Some(expected) if expected != one.site => Err(ApiError::forbidden(format!(
            "The site that is authoritative for this practiceManagementSiteId is {}, and not {expected} (`siteId`). Nothing was sent to \
             it. Compare the fingerprint with the practice.",
            one.site
        ))),
        _ => Ok(one),
    }
}

fn other_site(first: SiteId, now: SiteId) -> ApiError {
    ApiError::forbidden(format!(
        "This gateway asked site {first} first for this practiceManagementSiteId; now site {now} is authoritative for it. Nothing was sent to \
         it. Compare its fingerprint with the practice; if it is the practice's new one, whoever runs the gateway says `halo-gateway pin \
         clear`. With a pairing code it pairs at once."
    ))
}

fn waiting(gateway: &Gateway, site: SiteId) -> ApiError {
    let integrator = gateway.integrator();
    ApiError::new(
        StatusCode::FORBIDDEN,
        format!(
            "The practice has to let this integrator in first. At its server it runs `HaloLinkUtility pairing list` and then `pairing approve`, \
             and compares two fingerprints with you, by phone say: {integrator} for this integrator and {site} for the practice's site. Then \
             send this request again. It waits for seven days; no database login was sent."
        ),
    )
}
