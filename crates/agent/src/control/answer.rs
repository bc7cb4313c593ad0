//! What the service answers to each request of the Utility.

use super::{
    After, Answer, ApprovalAnswer, Ask, AuthorityAnswer, Checked, CodeAnswer, ConsentAnswer,
    IntegratorAnswer, LaneAnswer, MadeCode, Service, SiteAnswer, SiteChecked, StatusAnswer, UsedAnswer,
    asking, instances, recovery,
};
use crate::{
    consent::{Form, Names, State},
    health::Lane,
    host::Host,
    store::{AuditRow, Happened, NewCode, PairingRecord},
};
use database::Writes;
use model::{Access, IntegratorId, SiteId, Timestamp};
use rand::TryRngCore;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tunnel::Status;

/// The databases have this long to answer.
const CHECK: Duration = Duration::from_secs(25);
/// Most audit lines in one answer.
const AUDIT_LINES: u32 = 1_000;

/// Answers one request.
///
/// `by` is who asks, as the operating system says: what is done is written down with it.
pub(super) async fn answer(service: &Service, ask: Ask, by: Arc<str>) -> Answer {
    let host = service.host.clone();
    let answered = match ask {
        Ask::SelfTest => match &service.self_test {
            Some(test) => Ok(serde_json::to_value(test.run().await)),
            None => Err("this service has no way to Halo Cloud".to_owned()),
        },
        Ask::Check => {
            // Every login is opened and tried.
            host.door().note_act(Happened::Checked, &by);
            Ok(serde_json::to_value(check(host).await))
        }
        ask => {
            let status = service.status.borrow().clone();
            let blocking = tokio::task::spawn_blocking(move || at_once(&host, &status, ask, &by));
            blocking.await.unwrap_or_else(|_| Err("the service failed; its log says why".to_owned()))
        }
    };
    match answered {
        Ok(Ok(value)) => Answer::Ok(value),
        Ok(Err(error)) => Answer::Error(error.to_string()),
        Err(why) => Answer::Error(why),
    }
}

/// What is answered from what the service has. Blocks on the disk.
fn at_once(
    host: &Host,
    status: &Status,
    ask: Ask,
    by: &str,
) -> Result<serde_json::Result<serde_json::Value>, String> {
    match ask {
        Ask::PairingCode { integrator, read_only, site } => {
            make_code(host, integrator, read_only, site, by).map(serde_json::to_value)
        }
        Ask::Status => how_things_stand(host, status).map(serde_json::to_value),
        Ask::Audit { last } => {
            let rows: Result<Vec<AuditRow>, _> = host.door().audit(last.min(AUDIT_LINES));
            host.door().note_act(Happened::AuditRead, by);
            rows.map_err(|error| error.to_string()).map(serde_json::to_value)
        }
        ask @ (Ask::AuditShow { .. }
        | Ask::AuditWalk { .. }
        | Ask::AuditPiece { .. }
        | Ask::AuditTexts { .. }) => super::trail::answer(host, ask, by),
        Ask::Switch { integrator, on, site } => {
            let of = find(host, &integrator, site)?;
            host.door().suspend(of.site, of.integrator, on, by).map_err(|error| error.to_string())?;
            Ok(serde_json::to_value(true))
        }
        Ask::Consent { integrator, site, most, after } => {
            let page = most.map(|most| (after, most));
            consents(host, integrator.as_deref(), site, page).map(serde_json::to_value)
        }
        Ask::ConsentSet { integrator, change, site } => {
            let of = find(host, &integrator, site)?;
            unknown_catalogues(host, of.site, &change)?;
            host.door().set_terms(of.site, of.integrator, &change, by).map_err(|error| error.to_string())?;
            let now = host.door().pairing(of.site, of.integrator).unwrap_or(of);
            Ok(serde_json::to_value(consent(host, &now)))
        }
        Ask::Revoke { integrator, site } => {
            let of = find(host, &integrator, site)?;
            host.door().revoke(of.site, of.integrator, by).map_err(|error| error.to_string())?;
            Ok(serde_json::to_value(true))
        }
        Ask::Unpair { integrator, site } => {
            let of = find(host, &integrator, site)?;
            host.door().unpair(of.site, of.integrator, Some(by)).map_err(|error| error.to_string())?;
            Ok(serde_json::to_value(true))
        }
        Ask::PairingRequests { site } => {
            let site = site.map(|site| which_site(host, Some(site))).transpose()?;
            asking::list(host, site).map(serde_json::to_value)
        }
        Ask::PairingDecide { integrator, approve, fingerprint, read_only, site } => {
            asking::decide(host, (&integrator, fingerprint), (approve, read_only), site, by)
                .map(serde_json::to_value)
        }
        Ask::Instances { integrator, change, site } => {
            instances::answer(host, &integrator, site, change, by).map(serde_json::to_value)
        }
        Ask::Halt { on } => {
            host.door().halt(on, Some(by)).map_err(|error| error.to_string())?;
            Ok(serde_json::to_value(on))
        }
        Ask::Site { on, site } => {
            let site = which_site(host, site)?;
            host.door().switch_site_by(site, on, Some(by)).map_err(|error| error.to_string())?;
            Ok(serde_json::to_value(site))
        }
        Ask::RecoveryKit { passphrase } => recovery::kit(host, &passphrase.0, by).map(serde_json::to_value),
        Ask::RecoveryKitKept { public } => {
            recovery::kit_kept(host, &public, by).map(|()| serde_json::to_value(true))
        }
        Ask::MoveOut { passphrase } => recovery::move_out(host, &passphrase.0, by).map(serde_json::to_value),
        Ask::HandOver { to, site } => {
            let site = which_site(host, site)?;
            recovery::hand_over(host, site, to, by).map(serde_json::to_value)
        }
        Ask::ConfirmServer => host.confirm(by).map(serde_json::to_value),
        Ask::SelfTest | Ask::Check => Err("asked elsewhere".to_owned()),
    }
}

/// Asks every database, and tries every login, all sites at once; whoever is late is named so.
async fn check(host: Arc<Host>) -> Checked {
    let by = host.door().clock().monotonic() + CHECK;
    let mut asked = Vec::new();
    for site in host.sites() {
        let host = host.clone();
        let looking = tokio::task::spawn_blocking(move || host.door().check_database(site, by));
        asked.push(async move {
            match timeout(CHECK, looking).await {
                Ok(Ok(checked)) => checked,
                _ => SiteChecked { site, database: "late".to_owned(), why: None, logins: Vec::new() },
            }
        });
    }
    Checked { sites: futures::future::join_all(asked).await }
}

fn make_code(
    host: &Host,
    integrator: String,
    read_only: bool,
    site: Option<SiteId>,
    by: &str,
) -> Result<MadeCode, String> {
    let integrator = integrator.trim().to_owned();
    if integrator.is_empty() || integrator.len() > 256 {
        return Err("the integrator's name has 1 to 256 bytes".to_owned());
    }
    // It stands in the audit and in status, and somebody may have mailed it.
    if integrator.chars().any(crate::enrich::unfit) {
        return Err(
            "the integrator's name has a character that is none to read, such as a line end: type it by hand"
                .to_owned(),
        );
    }
    // By an id the Utility means that very integrator.
    if integrator.parse::<IntegratorId>().is_ok() {
        return Err(
            "the integrator's name is a fingerprint: give the name that it calls itself by".to_owned()
        );
    }
    let new = NewCode { site: which_site(host, site)?, integrator_name: integrator, read_only };
    let mut rng = rand::rngs::OsRng.unwrap_err();
    let (code, record) = host.make_code_by(&new, &mut rng, Some(by)).map_err(|error| error.to_string())?;
    tracing::info!(site = %new.site, code = record.name, read_only, "a pairing code was made");
    Ok(MadeCode {
        code: code.reveal().clone(),
        integrator: new.integrator_name,
        read_only,
        site: new.site,
        expires_at: record.expires_at.to_rfc3339(),
    })
}

/// The one integrator of that name or id at a site.
pub(super) fn find(
    host: &Host,
    integrator: &str,
    site: Option<SiteId>,
) -> Result<Arc<PairingRecord>, String> {
    let site = which_site(host, site)?;
    let found: Vec<_> = host
        .door()
        .pairings()
        .into_iter()
        .filter(|p| p.site == site)
        .filter(|p| asking::is_meant(integrator, &p.name, p.integrator))
        .collect();
    match &found[..] {
        [] => {
            Err("no integrator of that name or id is paired with this site; status shows who is".to_owned())
        }
        [pairing] => Ok(pairing.clone()),
        _ => Err("several integrators have that name; use the id that status shows".to_owned()),
    }
}

/// What one integrator may do, or all of them.
fn consents(
    host: &Host,
    integrator: Option<&str>,
    site: Option<SiteId>,
    page: Option<(Option<After>, u32)>,
) -> Result<Vec<ConsentAnswer>, String> {
    if let Some(integrator) = integrator {
        let pairing = find(host, integrator, site)?;
        return Ok(vec![consent(host, &pairing)]);
    }
    let site = site.map(|site| which_site(host, Some(site))).transpose()?;
    let mut all = host.door().pairings();
    all.retain(|pairing| site.is_none_or(|site| site == pairing.site));
    match page {
        None => all.sort_by(|a, b| (a.site, &a.name).cmp(&(b.site, &b.name))),
        Some((after, most)) => {
            // By what never changes: who pairs or is renamed between two pages moves nobody over their edge.
            all.retain(|pairing| after.is_none_or(|after| place(pairing) > after));
            all.sort_by_key(|pairing| place(pairing));
            all.truncate(most as usize);
        }
    }
    Ok(all.iter().map(|pairing| consent(host, pairing)).collect())
}

/// Where one stands among all.
fn place(pairing: &PairingRecord) -> After {
    After { site: pairing.site, integrator: pairing.integrator }
}

fn consent(host: &Host, pairing: &PairingRecord) -> ConsentAnswer {
    let (used, at_once) = host.door().used(pairing);
    let changed = pairing.consent.changed.as_ref();
    ConsentAnswer {
        site: pairing.site,
        integrator: pairing.integrator,
        name: pairing.name.clone(),
        state: state(host, pairing).to_owned(),
        terms: Form::from(&pairing.consent.terms),
        changed_at: changed.map(|changed| changed.at.to_rfc3339()),
        changed_by: changed.map(|changed| changed.by.clone()),
        used: UsedAnswer { queries: used.queries, rows: used.rows, bytes: used.bytes, at_once },
        approval: approval(host, pairing),
    }
}

fn approval(host: &Host, pairing: &PairingRecord) -> Option<ApprovalAnswer> {
    let kept = pairing.approval.as_ref()?;
    let (said, now) = (kept.signed.approval(), host.door().now());
    Some(ApprovalAnswer {
        serial: said.serial,
        name: said.integrator_name.clone(),
        access: if said.access == Access::ReadOnly { "read-only" } else { "read-write" }.to_owned(),
        expires_at: said.expires.to_rfc3339(),
        counts: pairing.consent.vendor.is_some_and(|vendor| !vendor.is_over(now)),
        note: said.note.clone(),
        since: kept.since.to_rfc3339(),
    })
}

fn state(host: &Host, pairing: &PairingRecord) -> &'static str {
    match pairing.consent.state {
        State::Granted if pairing.consent.is_expired(host.door().now()) => "expired",
        State::Granted if pairing.consent.vendor.is_some_and(|vendor| vendor.is_over(host.door().now())) => {
            "unapproved"
        }
        state => state.name(),
    }
}

/// A name that no catalogue of the site has would let the integrator in nowhere.
fn unknown_catalogues(host: &Host, site: SiteId, change: &Form) -> Result<(), String> {
    let (Some(Names::List(names)), Some(facts)) = (&change.catalogues, host.door().facts(site)) else {
        return Ok(());
    };
    let known = &facts.catalogues;
    match names.iter().find(|name| !known.iter().any(|c| c.name.eq_ignore_ascii_case(name))) {
        None => Ok(()),
        Some(name) => {
            let known = known.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
            Err(format!("this site has no catalogue {name}; it has {known}"))
        }
    }
}

fn how_things_stand(host: &Host, status: &Status) -> Result<StatusAnswer, String> {
    let (cloud, why) = match status {
        Status::Connecting => ("connecting", None),
        Status::Online => ("online", None),
        Status::Waiting { why, .. } => ("waiting", Some(why.clone())),
        Status::Refused { why, .. } => ("refused", Some(why.clone())),
        Status::Closed => ("closed", None),
    };
    let (waiting, running, at_once) = host.executor().load();
    let jobs = host.jobs().load().map_err(|error| error.to_string())?;
    let codes = host.open_codes().map_err(|error| error.to_string())?;
    let pairings = host.door().pairings();
    let requests = asking::list(host, None)?;
    let sites = host.sites().into_iter().filter_map(|site| {
        let (facts, look) = (host.door().facts(site)?, host.door().site(site)?.last_look());
        let mut integrators: Vec<_> =
            pairings.iter().filter(|p| p.site == site).map(|p| integrator(host, p)).collect();
        integrators.sort_by(|a, b| a.name.cmp(&b.name));
        Some(SiteAnswer {
            site,
            pms: facts.pms.display_name().to_owned(),
            pms_id: facts.pms_id.clone(),
            practice_name: facts.practice_name.clone(),
            pms_version: facts.pms_version.clone(),
            enriched_at: facts.enriched_at.map(Timestamp::to_rfc3339),
            on: host.door().is_on(site),
            trouble: look.trouble,
            untold: look.untold.iter().map(|(fact, why)| format!("{fact}: {why}")).collect(),
            other_pms_id: look.other_pms_id,
            requests: requests.iter().filter(|request| request.site == site).cloned().collect(),
            vendor_keys: host.door().site(site).map(|site| site.approval_keys().len()),
            authority_change: host
                .door()
                .site(site)?
                .authority_change()
                .map(|change| AuthorityAnswer { to: change.to, ready_at: change.ready_at }),
            integrators,
            open_codes: codes
                .iter()
                .filter(|code| code.made_for.site == site)
                .map(|code| CodeAnswer {
                    name: code.name.clone(),
                    integrator: code.made_for.integrator_name.clone(),
                    read_only: code.made_for.read_only,
                    expires_at: code.expires_at.to_rfc3339(),
                    tries: code.tries,
                })
                .collect(),
        })
    });
    Ok(StatusAnswer {
        link: host.id().to_string(),
        version: crate::host::VERSION.to_owned(),
        environment: host.environment().to_owned(),
        epoch: host.epoch(),
        cloud: cloud.to_owned(),
        why,
        waiting,
        at_once,
        running,
        jobs: Some(jobs),
        lanes: lanes(host),
        halted: host.door().is_halted(),
        stopped: recovery::stopped(host),
        recovery: Some(recovery::stands(host)?),
        sites: sites.collect(),
    })
}

fn lanes(host: &Host) -> Vec<LaneAnswer> {
    let told = host.jobs().health().lanes(None).into_iter().map(|of| LaneAnswer {
        site: of.site,
        lane: of.lane.name().to_owned(),
        answers: of.answers,
        ago_ms: of.ago.map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
        lost: match (of.site, of.lane) {
            (Some(site), Lane::Immediate) => host.executor().lost(site),
            _ => 0,
        },
    });
    told.collect()
}

fn integrator(host: &Host, pairing: &PairingRecord) -> IntegratorAnswer {
    let rights = pairing.rights.as_ref();
    IntegratorAnswer {
        integrator: pairing.integrator,
        name: pairing.name.clone(),
        read_only: pairing.access == Access::ReadOnly,
        on: pairing.on,
        state: state(host, pairing).to_owned(),
        paired_at: pairing.paired_at.to_rfc3339(),
        login_writes: rights.map_or(Writes::Unknown, |r| r.rights.writes).name().to_owned(),
        login_grants: rights.map(|r| r.rights.grants.clone()).unwrap_or_default(),
        login_read_at: rights.map(|r| r.read_at.to_rfc3339()),
        approval: approval(host, pairing),
    }
}

pub(super) fn which_site(host: &Host, site: Option<SiteId>) -> Result<SiteId, String> {
    let sites = host.sites();
    match (site, &sites[..]) {
        (Some(site), _) if sites.contains(&site) => Ok(site),
        (Some(_), _) => Err("this Link has no such site; status shows those it has".to_owned()),
        (None, [site]) => Ok(*site),
        (None, []) => {
            Err("this Link has no site yet; add a [[site]] to link.toml and restart the service".to_owned())
        }
        (None, _) => Err("this Link has several sites; say which with --site (status shows them)".to_owned()),
    }
}
