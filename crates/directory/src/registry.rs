//! The relay's questions, answered from the directory. Faults are logged here and end in a refusal, never in a yes.

use crate::{Claim, Departure, Directory, Refused, Site};
use model::{IntegratorId, LinkId, Pms, SiteId};
use relay::{JoinRefused, Registry};
use tunnel::{CloseKind, head::SiteRecord};

impl Registry for Directory {
    fn admit_gateway(&self, integrator: IntegratorId) -> bool {
        self.is_admitted(integrator).unwrap_or_else(|error| {
            tracing::error!(%error, %integrator, "the directory can't look an integrator up");
            false
        })
    }

    fn link_joined(&self, link: LinkId, claims: &[relay::Claim]) -> Result<(), JoinRefused> {
        let claim = |c: &relay::Claim| Claim { site: c.site, epoch: c.epoch, facts: c.facts.clone() };
        let claims: Vec<_> = claims.iter().map(claim).collect();
        self.join(link, &claims).map_err(|refused| match &refused {
            Refused::Doubled { .. } => JoinRefused::Doubled(refused.to_string()),
            Refused::Failed(error) => {
                tracing::error!(%error, %link, "the directory can't take a Link's claims");
                JoinRefused::Refused(refused.to_string())
            }
            _ => JoinRefused::Refused(refused.to_string()),
        })
    }

    fn site_left(&self, site: SiteId, epoch: u64, how: CloseKind) {
        let how = match how {
            CloseKind::Goodbye => Departure::Goodbye,
            CloseKind::Lost => Departure::Lost,
        };
        if let Err(error) = self.left(site, epoch, how) {
            tracing::error!(%error, %site, "the directory can't note that a site left");
        }
    }

    fn find(&self, pms: Pms, pms_id: &str) -> Vec<SiteRecord> {
        match Directory::find(self, pms, pms_id) {
            Ok(found) => found.into_iter().map(record).collect(),
            Err(error) => {
                tracing::error!(%error, "the directory can't find sites");
                Vec::new()
            }
        }
    }

    fn look(&self, site: SiteId) -> Option<SiteRecord> {
        Directory::look(self, site).map(|found| found.map(record)).unwrap_or_else(|error| {
            tracing::error!(%error, %site, "the directory can't look a site up");
            None
        })
    }
}

fn record(site: Site) -> SiteRecord {
    SiteRecord {
        site: site.site,
        link: Some(site.link),
        facts: site.facts,
        availability: site.availability,
        status: site.status,
        authoritative: site.authoritative,
        created_at: site.created_at.to_rfc3339(),
        enriched_at: site.enriched_at.to_rfc3339(),
        last_seen_at: site.last_seen_at.to_rfc3339(),
    }
}
