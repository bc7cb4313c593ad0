//! What the service answers about kits, moves, and whether it is the server that serves.

use super::{RecoveryAnswer, StoppedAnswer};
use crate::{
    door::Held,
    host::{Host, sentence},
    recovery::{self, BACKUP_FILE, Cost, FOLDER, MadeKit, MoveOut, QUIET},
    store::{AuditLine, Happened, changed},
};
use model::{Hidden, SiteId, Timestamp};
use rand::TryRngCore;
use trust::HandOver;

/// Makes a kit. Blocks.
pub(super) fn kit(host: &Host, passphrase: &Hidden<String>, by: &str) -> Result<MadeKit, String> {
    let mut rng = rand::rngs::OsRng.unwrap_err();
    recovery::make(host, passphrase, Cost::USUAL, &mut rng, by).map_err(|error| error.to_string())
}

/// Somebody has it. Blocks on the disk.
pub(super) fn kit_kept(host: &Host, public: &str, by: &str) -> Result<(), String> {
    recovery::kept(host, public, by).map_err(|error| error.to_string())
}

/// Stops for good, and packs. Blocks.
pub(super) fn move_out(host: &Host, passphrase: &Hidden<String>, by: &str) -> Result<MoveOut, String> {
    match host.door().held() {
        None => {}
        Some(Held::Moved) => return Err("this server was moved out already".to_owned()),
        Some(Held::Stopped(stopped)) => return Err(sentence(stopped.why)),
    }
    let mut rng = rand::rngs::OsRng.unwrap_err();
    recovery::move_out(host, passphrase, (Cost::USUAL, QUIET), &mut rng, by)
        .map_err(|error| error.to_string())
}

/// What is ready for the day on which this server is lost. Blocks on the disk.
pub(super) fn stands(host: &Host) -> Result<RecoveryAnswer, String> {
    let store = host.door().store();
    let (kit, now) =
        store.kit().and_then(|kit| Ok((kit, store.marks()?))).map_err(|error| error.to_string())?;
    let Some(kit) = kit else {
        return Ok(RecoveryAnswer {
            made_at: None,
            made_by: None,
            changed: Vec::new(),
            backup: None,
            backup_at: None,
        });
    };
    let backup_at = kit.backed.as_ref().map(|(_, at)| *at);
    Ok(RecoveryAnswer {
        made_at: Some(kit.made_at.to_rfc3339()),
        made_by: kit.made_by,
        changed: changed(&kit.marks, &now),
        backup: backup_at.map(|_| host.data().join(FOLDER).join(BACKUP_FILE).display().to_string()),
        backup_at: backup_at.map(Timestamp::to_rfc3339),
    })
}

/// Why nobody is served.
pub(super) fn stopped(host: &Host) -> Option<StoppedAnswer> {
    Some(match host.door().held()? {
        Held::Stopped(stopped) => {
            StoppedAnswer { why: stopped.why.name().to_owned(), text: format!("{}.", sentence(stopped.why)) }
        }
        Held::Moved => StoppedAnswer {
            why: "moved-out".to_owned(),
            text: "This server was moved out: it serves nobody any more. Bring the file in at the new server (HaloLinkUtility move in FILE); when \
                   integrators reach the practice there, remove Halo Link here."
                .to_owned(),
        },
    })
}

/// Signs that another site is the one to use: the statement's text. Blocks on the disk.
pub(super) fn hand_over(host: &Host, site: SiteId, to: SiteId, by: &str) -> Result<String, String> {
    if to == site {
        return Err(
            "--to names the site itself: say the GUID of the site that is to be used from now on".to_owned()
        );
    }
    let (Some((_, root)), Some(facts)) =
        (host.roots().iter().find(|(id, _)| *id == site), host.door().facts(site))
    else {
        return Err("this Link has no such site".to_owned());
    };
    let now = host.door().clock().now();
    let said = HandOver {
        from: site,
        to,
        pms: facts.pms.type_name().to_owned(),
        pms_id: facts.pms_id.clone(),
        environment: host.environment().to_owned(),
        at: now,
    };
    let text = said.sign(root).map_err(|error| error.to_string())?;
    let detail = serde_json::json!({ "to": to.to_string() }).to_string();
    let line =
        AuditLine { detail: Some(detail), ..AuditLine::new(now, Happened::HandedOver, site) }.by(Some(by));
    let noted = host.door().flush().and_then(|()| host.door().store().write_lines(&[line]));
    noted.map_err(|error| error.to_string())?;
    Ok(text)
}
