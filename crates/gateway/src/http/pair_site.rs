//! `POST /integrator/pair-site` and the deprecated `/integrator/pairSite`.

use super::sites::{PracticeQuery, cloud_error, json_response, site_object};
use crate::{
    error::ApiError,
    gateway::Gateway,
    pair::{self, PairError},
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use model::{Availability, Pms};
use std::sync::Arc;
use trust::pairing::Code;

pub(super) async fn handle(State(gateway): State<Arc<Gateway>>, uri: Uri) -> Result<Response, ApiError> {
    let asked = PracticeQuery::read(&uri)?;
    let code = match (&asked.code, asked.pms) {
        (Some(text), _) => Code::parse(text).map_err(|_| {
            ApiError::bad_request(
                "`pairingCode` is not a pairing code: it has five groups of four letters and digits, XXXX-XXXX-XXXX-XXXX-XXXX. \
                 Check it with the practice; O and 0, I and 1 count as the same.",
            )
        })?,
        (None, Pms::BestPractice) => {
            return Err(ApiError::bad_request(
                "`pairingCode` is missing: Best Practice sites are paired with a code that the practice makes.",
            ));
        }
        (None, pms) => {
            return Err(ApiError::forbidden(format!(
                "Pairing with a {} site without a code needs an approval at the site, which this version does not offer yet. Ask the \
                 practice for a pairing code.",
                pms.display_name()
            )));
        }
    };
    let mut sites = gateway.cloud.find(asked.pms, &asked.pms_id).await.map_err(cloud_error)?;
    // The likeliest first. Which one made the code, only they can say.
    sites.sort_by_key(|site| (site.availability != Availability::Online, !site.authoritative));
    let mut worst = None;
    for site in sites {
        match pair::pair(&gateway, site.site, asked.pms, &code).await {
            Ok(()) => return Ok(json_response(&site_object(&site))),
            Err(error) => {
                let decisive = !matches!(error, PairError::UnknownCode | PairError::Unreachable);
                if decisive || worst.is_none() || matches!(error, PairError::UnknownCode) {
                    worst = Some(error);
                }
                if decisive {
                    break;
                }
            }
        }
    }
    Err(worst.map_or_else(
        || {
            ApiError::not_found(
                "The server cannot find the requested resource: no site has this practiceManagementSiteId. Check it with the practice, \
                 and that its Halo Link is installed.",
            )
        },
        api_error,
    ))
}

fn api_error(error: PairError) -> ApiError {
    let status = match error {
        PairError::LoginFailed => StatusCode::BAD_REQUEST,
        PairError::Unreachable | PairError::Protocol => StatusCode::BAD_GATEWAY,
        PairError::NoLogin | PairError::Store => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::FORBIDDEN,
    };
    ApiError::new(status, error.to_string())
}
