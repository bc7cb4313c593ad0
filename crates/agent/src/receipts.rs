//! What of the audit goes out: receipts to the gateways that ask for them, signed heads to those that say hello, and bare heads to the
//! platform.

use crate::{
    door::{Door, Held, words},
    host::Host,
    pairing::Caller,
    store::StoreError,
};
use link_api::{
    Status,
    proto::{self, NoReceipt, RunEvent},
};
use model::{IntegratorId, QueryId, SiteId};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tunnel::{AuditHead, Teller, control::Fixed32};

/// An end waits for its receipt for this long: a disk that hangs must not keep an answer back.
const WITHIN: Duration = Duration::from_secs(10);
/// A session opens without the audit's end when the disk takes longer to say it.
const HELLO_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether there is something to tell the platform.
const LOOK: Duration = Duration::from_secs(60);

/// A run whose caller wants a receipt.
pub(crate) struct Wanted {
    pub(crate) door: Arc<Door>,
    pub(crate) caller: Caller,
    pub(crate) query: QueryId,
}

impl Wanted {
    /// Passes on what comes, and the end once its receipt is there. Dropping the receiver means to the sender what it meant before.
    pub(crate) fn follow(self, mut events: mpsc::Receiver<RunEvent>) -> mpsc::Receiver<RunEvent> {
        let (pass, passed) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    event = events.recv() => event,
                    () = pass.closed() => return,
                };
                let Some(mut event) = event else { return };
                if let Some(ended) = &mut event.ended {
                    self.add_to(ended).await;
                }
                if pass.send(event).await.is_err() {
                    return;
                }
            }
        });
        passed
    }

    /// Adds the receipt, or why there is none: the answer goes out all the same.
    pub(crate) async fn add_to(&self, ended: &mut proto::Ended) {
        if ended.refusal() == proto::Refusal::Repeated {
            // The receipt of this id is that of the first one, and says nothing of this call.
            return ended.set_no_receipt(NoReceipt::NoLine);
        }
        let (door, caller, query) = (self.door.clone(), self.caller.clone(), self.query);
        let asked = tokio::task::spawn_blocking(move || {
            let integrator = IntegratorId(caller.peer.id);
            door.receipt(integrator, caller.site, query)
        });
        match timeout(WITHIN, asked).await {
            Ok(Ok(Ok(Some(receipt)))) => ended.receipt = receipt.encode(),
            Ok(Ok(Ok(None))) => ended.set_no_receipt(NoReceipt::NoLine),
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, "an answer goes out without its receipt");
                ended.set_no_receipt(NoReceipt::Disk);
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!(
                    "an answer goes out without its receipt: the audit did not reach the disk in time"
                );
                ended.set_no_receipt(NoReceipt::Disk);
            }
        }
    }
}

/// The answer to somebody who asks for a receipt later: empty when there is no such line of its own. Blocks on the disk.
pub(crate) fn answer(door: &Door, caller: &Caller, query: QueryId) -> Result<proto::ReceiptReply, Status> {
    if let Some(held @ Held::Moved) = door.held() {
        return Err(Status::unavailable(words(held)));
    }
    // Who is not let in now may still hold the practice's audit against it.
    door.paired(&caller.peer, caller.site)
        .map_err(|refused| link_api::refusal::status(refused.refusal, refused.message.as_str()))?;
    let receipt = door.receipt(IntegratorId(caller.peer.id), caller.site, query).map_err(|error| {
        tracing::error!(%error, "a receipt can't be given");
        Status::failed_precondition("the site's audit can't be read or written, or does not hold")
    })?;
    Ok(proto::ReceiptReply { receipt: receipt.map_or_else(Vec::new, |receipt| receipt.encode()) })
}

/// Where a site's audit ends, and the value of the line `known`, for a gateway that is let in. Empty when there is no such line, or it
/// can't be told soon.
pub(crate) async fn head(door: Arc<Door>, site: SiteId, known: u64) -> (Vec<u8>, Vec<u8>) {
    let asked = tokio::task::spawn_blocking(move || {
        let head = door.head(site)?;
        Ok::<_, StoreError>((head, door.audit_at(site, known)?))
    });
    match timeout(HELLO_WITHIN, asked).await {
        Ok(Ok(Ok((head, at)))) => {
            (head.map_or_else(Vec::new, |head| head.encode()), at.map_or_else(Vec::new, Vec::from))
        }
        Ok(Ok(Err(error))) => {
            tracing::error!(%site, %error, "where the audit ends can't be told");
            Default::default()
        }
        // A disk that hangs is told of by whoever waits for it.
        Ok(Err(_)) | Err(_) => Default::default(),
    }
}

/// Tells the platform where the audits of all sites end, whenever that has changed. For as long as somebody drives it.
pub(crate) async fn tell_platform(host: Arc<Host>, teller: Teller) {
    loop {
        let door = host.door().clone();
        let sites = host.sites();
        let heads = tokio::task::spawn_blocking(move || {
            let bare = |site| {
                let head = door.head(site).inspect_err(|error| {
                    // Whoever could not write or read it has said so.
                    tracing::debug!(%site, %error, "the platform can't be told where the audit ends");
                });
                let head = head.ok().flatten()?.head;
                Some(AuditHead { site, number: head.number, chain: Fixed32(head.chain) })
            };
            sites.into_iter().filter_map(bare).collect::<Vec<_>>()
        });
        // What can't be read now is told later.
        teller.tell(&heads.await.unwrap_or_default());
        sleep(LOOK).await;
    }
}
