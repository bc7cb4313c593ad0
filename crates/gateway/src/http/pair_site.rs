//! `POST /integrator/pair-site` and the deprecated `/integrator/pairSite`.

use super::{
    pair_without_code,
    sites::{self, PracticeQuery, cloud_error, json_response, site_object},
};
use crate::{
    error::ApiError,
    gateway::Gateway,
    http::Caller,
    idempotency::{self, Start},
    pair::{self, PairError},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use model::{Availability, Pms, QueryId, SiteId};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};
use trust::pairing::Code;
use tunnel::head::SiteRecord;

/// All sites of one identifier together may take this long.
pub(super) const WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn handle(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = PracticeQuery::read(&uri)?;
    let code = match (&asked.code, asked.pms) {
        (Some(text), _) => Some(Code::parse(text).map_err(|_| {
            ApiError::bad_request(
                "`pairingCode` is not a pairing code: it has five groups of four letters and digits, XXXX-XXXX-XXXX-XXXX-XXXX. \
                 Check it with the practice; O and 0, I and 1 count as the same.",
            )
        })?),
        (None, Pms::BestPractice) => {
            return Err(ApiError::bad_request(
                "`pairingCode` is missing: Best Practice sites are paired with a code that the practice makes.",
            ));
        }
        (None, _) => None,
    };
    // All that the answer depends on; only a digest of it is kept.
    let mut all =
        format!("{} {} {}", asked.pms.type_name(), asked.pms_id, asked.code.clone().unwrap_or_default());
    if let Some(site) = asked.site {
        // Only where it stands: keys of requests without it mean what they meant before there was any.
        all.push_str(&format!(" {site}"));
    }
    let start = idempotency::start(&gateway, &Caller::Integrator, &headers, "pair", all.as_bytes()).await?;
    if let Start::Known { query: QueryId(site), .. } = start
        && gateway.is_paired(SiteId(site))
    {
        return sites::one(&gateway, SiteId(site)).await;
    }
    let record = match code {
        Some(code) => with_code(&gateway, &asked, &code).await?,
        None => pair_without_code::pair(&gateway, &asked).await?,
    };
    if let Some(key) = start.key() {
        let (paired, now) = (QueryId(record.site.0), gateway.clock.now().0);
        // Without it the same request says that the code is used: the pairing stands.
        let _ = gateway.jobs.on_disk(move |table| table.claim(&key, paired, now)).await;
    }
    Ok(json_response(&site_object(&record)))
}

pub(super) fn no_site() -> ApiError {
    ApiError::not_found(
        "The server cannot find the requested resource: no site has this practiceManagementSiteId. Check it with the practice, and that its \
         Halo Link is installed.",
    )
}

/// Finds the site that made the code, and pairs with it.
async fn with_code(gateway: &Gateway, asked: &PracticeQuery, code: &Code) -> Result<SiteRecord, ApiError> {
    let mut sites = gateway.cloud.find(asked.pms, &asked.pms_id).await.map_err(cloud_error)?;
    // The likeliest first. Which one made the code, only they can say.
    sites.sort_by_key(|site| (site.availability != Availability::Online, !site.authoritative));
    if sites.is_empty() {
        return Err(no_site());
    }
    sites.retain(|site| asked.site.is_none_or(|expected| expected == site.site));
    if sites.is_empty() {
        return Err(ApiError::forbidden(
            "No site of this practiceManagementSiteId has the GUID that `siteId` names. Nothing was sent to any. Compare the fingerprint \
             with the practice.",
        ));
    }
    let login = gateway.logins.get(&asked.pms).ok_or_else(|| api_error(PairError::NoLogin))?;
    let until = Instant::now() + WITHIN;
    let candidates: Vec<SiteId> = sites.iter().map(|site| site.site).collect();
    let (site, proven) =
        the_one_with_the_code(gateway, &candidates, asked.pms, code, until).await.map_err(api_error)?;
    // Cut off here, the site may have paired: it is not said that the code is still good.
    let paired = timeout_at(until, pair::finish(gateway, proven, login, code)).await;
    let facts = paired.unwrap_or(Err(PairError::Protocol));
    let facts = facts.map_err(|error| api_error(pair::told(gateway, asked.pms, error)))?;
    let mut record = sites.swap_remove(site);
    // The site's own word, where there is one, over the platform's.
    record.facts = facts.unwrap_or(record.facts);
    Ok(record)
}

/// The first site that proves to know the code. Anybody may claim a practice's identifier, so no other answer ends the
/// search, and none may take up the time of those after it.
async fn the_one_with_the_code(
    gateway: &Gateway,
    candidates: &[SiteId],
    pms: Pms,
    code: &Code,
    until: Instant,
) -> Result<(usize, pair::Proven), PairError> {
    let mut best = PairError::Unreachable;
    for (at, site) in candidates.iter().enumerate() {
        let others = u32::try_from(candidates.len() - at).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / others;
        match timeout(share, pair::meet(gateway, *site, pms, code)).await {
            Ok(Ok(proven)) => return Ok((at, proven)),
            Ok(Err(error)) if error.rank() > best.rank() => best = error,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    Err(best)
}

pub(super) fn api_error(error: PairError) -> ApiError {
    let status = match error {
        PairError::LoginFailed => StatusCode::BAD_REQUEST,
        PairError::Unreachable | PairError::Protocol => StatusCode::BAD_GATEWAY,
        PairError::NoLogin | PairError::Store => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::FORBIDDEN,
    };
    ApiError::new(status, error.to_string())
}
