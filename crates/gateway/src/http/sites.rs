//! `GET /integrator/sites` and `GET /integrator/sites/{siteId}`.

use super::site_id;
use crate::{
    cloud::CloudError,
    error::ApiError,
    gateway::Gateway,
    session::{Lane, OpenError},
};
use axum::{
    extract::{Path, Query, State},
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use model::{
    Availability, Pms, SiteId, SiteStatus, Timestamp,
    text::{IDENTIFIER, clean},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tunnel::head::SiteRecord;

/// Longest identifier of a practice that is looked up, bytes.
const PMS_ID_BYTES: usize = 128;

/// Sites by the vendor's identifier. It needs no pairing: it is how a Halo GUID that changed is found again.
pub(super) async fn find(State(gateway): State<Arc<Gateway>>, uri: Uri) -> Result<Response, ApiError> {
    let asked = PracticeQuery::read(&uri)?;
    let mut sites = gateway.cloud.find(asked.pms, &asked.pms_id).await.map_err(cloud_error)?;
    // Of a site that did not let us in there is the platform's word alone.
    let ours = sites.iter_mut().filter(|record| gateway.store.paired(record.site).is_some());
    futures::future::join_all(ours.map(|record| gateway.prove_availability(record))).await;
    Ok(json_response(&json!({ "sites": sites.iter().map(site_object).collect::<Value>() })))
}

/// One site that let us in.
pub(super) async fn look(
    State(gateway): State<Arc<Gateway>>,
    Path(site): Path<String>,
) -> Result<Response, ApiError> {
    one(&gateway, site_id(&site)?).await
}

/// The answer about one site that let us in.
pub(super) async fn one(gateway: &Gateway, site: SiteId) -> Result<Response, ApiError> {
    let Some(mut record) = gateway.cloud.look(site).await.map_err(cloud_error)? else {
        return Err(ApiError::unknown_site());
    };
    if gateway.store.paired(site).is_none() {
        // Another gateway of this integrator may have paired: the site knows.
        match gateway.sessions.get(site, Lane::Prompt).await {
            Ok(_) => {}
            Err(OpenError::NotPaired | OpenError::Cloud(_) | OpenError::NoAnswer(_)) => {
                return Err(ApiError::forbidden(
                    "This integrator is not paired with the site. Ask the practice for a pairing code and pair with POST \
                     /integrator/pair-site.",
                ));
            }
            Err(error) => return Err(crate::run::open_error(gateway, site, &error)),
        }
    }
    gateway.prove_availability(&mut record).await;
    if let Some(change) = &record.authority_change {
        tracing::warn!(%site, to = %change.to, ready_at = change.ready_at, "the platform's operator is about to make another site authoritative");
    }
    // The site's own word, where there is one, over the platform's.
    record.facts = gateway.sessions.facts(site).unwrap_or(record.facts);
    // By the site's own clock, which may be ahead.
    record.facts.enriched_at = record.facts.enriched_at.map(|at| at.min(gateway.clock.now()));
    Ok(json_response(&site_object(&record)))
}

/// The two query parameters that name a practice.
pub(super) struct PracticeQuery {
    pub(super) pms: Pms,
    pub(super) pms_id: String,
    pub(super) code: Option<String>,
    /// The site that the caller expects to find, an extension.
    pub(super) site: Option<SiteId>,
}

impl PracticeQuery {
    /// Reads them from the address, whose other parameters are ignored.
    pub(super) fn read(uri: &Uri) -> Result<Self, ApiError> {
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Err(ApiError::bad_request("The query string is malformed."));
        };
        let (mut id, mut name, mut code, mut expected) = (None, None, None, None);
        for (key, value) in pairs {
            let place = match key.as_str() {
                "practiceManagementSiteId" => &mut id,
                "practiceManagementName" => &mut name,
                "pairingCode" => &mut code,
                "siteId" => &mut expected,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(ApiError::bad_request("A query parameter is given twice."));
            }
        }
        let id = id.unwrap_or_default();
        if id.len() > PMS_ID_BYTES {
            return Err(ApiError::bad_request(format!(
                "`practiceManagementSiteId` is longer than {PMS_ID_BYTES} bytes."
            )));
        }
        // As the platform does, so that one practice has one name for whatever is kept of it here: a blank more makes no other one.
        let pms_id = clean(&id, IDENTIFIER);
        if pms_id.is_empty() {
            return Err(ApiError::bad_request("The query parameter `practiceManagementSiteId` is missing."));
        }
        let name = name.ok_or_else(|| {
            ApiError::bad_request("The query parameter `practiceManagementName` is missing.")
        })?;
        let pms = Pms::from_display_name(&name).ok_or_else(|| {
            ApiError::bad_request("`practiceManagementName` must be one of `Best Practice`, `Zedmed`, `D4w`.")
        })?;
        let expected = expected.filter(|site| !site.is_empty());
        let site = expected
            .map(|site| site.parse::<SiteId>())
            .transpose()
            .map_err(|_| ApiError::bad_request("`siteId` is not a Halo GUID."))?;
        Ok(PracticeQuery { pms, pms_id, code: code.filter(|code| !code.is_empty()), site })
    }
}

/// The published Site object, deprecated members and all.
pub(super) fn site_object(record: &SiteRecord) -> Value {
    let facts = &record.facts;
    let mut site = Map::new();
    let mut add = |name: &str, value: Value| site.insert(name.to_owned(), value);
    add("id", record.site.to_string().into());
    add("pmsType", facts.pms.type_name().into());
    let availability = match record.availability {
        Availability::Online => "online",
        Availability::Offline => "offline",
        Availability::Unreachable => "unreachable",
    };
    add("availability", availability.into());
    let status = match record.status {
        SiteStatus::Initialising => "initialising",
        SiteStatus::Active => "active",
        SiteStatus::Removed => "removed",
        SiteStatus::Uninstalled => "uninstalled",
    };
    add("status", status.into());
    add("haloLinkVersion", facts.link_version.as_str().into());
    // What the site's own word has is newer than what it said when it joined.
    let enriched = facts.enriched_at.map_or_else(|| time(&record.enriched_at), |at| at.to_rfc3339().into());
    add("enrichedAt", enriched);
    let catalogue =
        facts.catalogues.iter().map(|c| json!({ "name": c.name, "isDefault": c.is_default })).collect();
    add("catalogue", catalogue);
    add(
        "practiceMetadata",
        json!({
            "pmsType": facts.pms.type_name(),
            "practiceName": facts.practice_name,
            "practiceManagementSiteId": facts.pms_id,
            "practiceManagementVersion": facts.pms_version,
        }),
    );
    add("name", facts.practice_name.as_str().into());
    add("practiceManagementSiteId", facts.pms_id.as_str().into());
    add("practiceManagementName", facts.pms.display_name().into());
    add("practiceManagementVersion", facts.pms_version.as_str().into());
    add("createdAt", time(&record.created_at));
    add("authoritative", record.authoritative.into());
    if let Some(change) = &record.authority_change {
        add("authorityChange", json!({ "to": change.to.to_string(), "readyAt": time(&change.ready_at) }));
    }
    add("clientTimestampUTC", time(&record.last_seen_at));
    add("heartbeatTimestampUTC", time(&record.last_seen_at));
    Value::Object(site)
}

/// A time that came from outside, in our own writing; 1970 for what is no time at all.
fn time(text: &str) -> Value {
    Timestamp::parse(text).unwrap_or(Timestamp(0)).to_rfc3339().into()
}

pub(super) fn json_response(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

pub(super) fn cloud_error(error: CloudError) -> ApiError {
    match error {
        CloudError::NotEntitled => ApiError::forbidden("The platform does not let this integrator use it."),
        CloudError::UnknownSite => ApiError::unknown_site(),
        CloudError::Busy => ApiError::unavailable("The platform is busy.", 2),
        CloudError::Offline | CloudError::Unreachable | CloudError::Down => {
            ApiError::unavailable("This gateway has no connection to Halo Cloud.", 5)
        }
    }
}
