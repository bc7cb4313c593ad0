//! The relay's questions, answered from the directory. Faults are logged here and are told from every answer.

use crate::{Claim, Departure, Directory, Refused, Site, Witnessed};
use model::{IntegratorId, LinkId, Pms, SiteId};
use relay::{Fault, JoinRefused, Registry};
use tunnel::{
    AuditHead, CloseKind,
    head::{AuthorityChange, SiteRecord},
};

impl Registry for Directory {
    fn admit_gateway(&self, integrator: IntegratorId) -> Result<bool, Fault> {
        self.is_admitted(integrator).map_err(|error| {
            tracing::error!(%error, %integrator, "the directory can't look an integrator up");
            Fault
        })
    }

    fn link_joined(&self, link: LinkId, claims: &[relay::Claim]) -> Result<(), JoinRefused> {
        let claim = |c: &relay::Claim| Claim { site: c.site, epoch: c.epoch, facts: c.facts.clone() };
        let claims: Vec<_> = claims.iter().map(claim).collect();
        self.join(link, &claims).map_err(|refused| match &refused {
            Refused::Doubled { epoch, .. } => {
                JoinRefused::Doubled { epoch: *epoch, why: refused.to_string() }
            }
            Refused::OlderEpoch { stored, .. } => {
                JoinRefused::Older { epoch: *stored, why: refused.to_string() }
            }
            Refused::Failed(error) => {
                tracing::error!(%error, %link, "the directory can't take a Link's claims");
                JoinRefused::Failed
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

    fn witnessed(&self, AuditHead { site, number, chain }: AuditHead) {
        match self.witness(site, number, &chain.0) {
            Ok(Witnessed::New | Witnessed::Known) => {}
            Ok(Witnessed::Contradicts(before)) => tracing::error!(
                %site, number, before = before.number, told_at = %before.at.to_rfc3339(),
                "a site's audit does not go on from where it ended before: it was restored, cut or rewritten. Both ends are kept: see \
                 `halo-cloud witnesses`, and tell the practice"
            ),
            Err(error) => {
                tracing::error!(%error, %site, "the directory can't note where a site's audit ends")
            }
        }
    }

    fn find(&self, pms: Pms, pms_id: &str) -> Result<Vec<SiteRecord>, Fault> {
        let found = Directory::find(self, pms, pms_id).map_err(|error| {
            tracing::error!(%error, "the directory can't find sites");
            Fault
        })?;
        found.into_iter().map(|site| self.record(site)).collect()
    }

    fn look(&self, site: SiteId) -> Result<Option<SiteRecord>, Fault> {
        let found = Directory::look(self, site).map_err(|error| {
            tracing::error!(%error, %site, "the directory can't look a site up");
            Fault
        })?;
        found.map(|site| self.record(site)).transpose()
    }
}

impl Directory {
    fn record(&self, site: Site) -> Result<SiteRecord, Fault> {
        let change = self.change_of(&site).map_err(|error| {
            tracing::error!(%error, site = %site.site, "the directory can't tell what is to change");
            Fault
        })?;
        let change =
            change.map(|change| AuthorityChange { to: change.to, ready_at: change.ready_at.to_rfc3339() });
        Ok(SiteRecord { authority_change: change, ..record(site) })
    }
}

fn record(site: Site) -> SiteRecord {
    SiteRecord {
        authority_change: None,
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
