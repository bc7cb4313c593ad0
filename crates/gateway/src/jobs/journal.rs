//! A site's journal, checked: numbers without gaps, each with a hash over the one before, the head signed by the site.
//! Pure. The relay can't touch what is read here; a site that lies or was set back can, and is found out (docs/jobs.md).

use super::table::Cursor;
use link_api::{
    journal::{link, origin, signed},
    proto,
};
use model::{IntegratorId, SiteId};

/// Longest name of a journal, bytes.
const JOURNAL_BYTES: usize = 64;

/// What is wrong with what a site says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// It says so itself: a new journal, or one that was set back.
    #[error("the site's journal is another one than before: its disk was set back, or it was set up anew")]
    OtherJournal,
    /// It names another journal and does not say so.
    #[error("the site answers from another journal than the one it was asked for")]
    Swapped,
    /// Numbers are missing that it does not say are too old.
    #[error("events {0} to {1} are missing in what the site sent")]
    Gap(u64, u64),
    /// Its head is before what we have, or it has another history for the same numbers.
    #[error("the site's journal ends before event {0}, which was read from it earlier: it was set back")]
    SetBack(u64),
    /// The hash does not follow from the one before.
    #[error("event {0} does not follow from the one before: the journal was rewritten")]
    Chain(u64),
    /// The signature of the head is not the site's.
    #[error("the signature of the journal's head is not the site's")]
    Signature,
    /// Not of the form that the contract has.
    #[error("the journal is not of the form that the contract has: {0}")]
    Form(&'static str),
}

/// What is new, and where it leads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checked {
    pub(crate) fresh: Vec<proto::Event>,
    pub(crate) cursor: Cursor,
    /// Numbers that the site does not keep any longer and that were never read.
    pub(crate) forgotten: Option<(u64, u64)>,
}

/// Holds a reply against what was read before. `verify` checks a message's signature.
pub(crate) fn check(
    site: SiteId,
    integrator: IntegratorId,
    cursor: &Cursor,
    reply: &proto::EventsReply,
    verify: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<Checked, Trouble> {
    if reply.journal.is_empty() || reply.journal.len() > JOURNAL_BYTES {
        return Err(Trouble::Form("a journal has a name of 1 to 64 bytes"));
    }
    if reply.other_journal {
        return Err(Trouble::OtherJournal);
    }
    if !cursor.journal.is_empty() && cursor.journal != reply.journal {
        return Err(Trouble::Swapped);
    }
    let first = origin(site, integrator, &reply.journal);
    let mut chain = if cursor.chain.is_empty() { first.to_vec() } else { cursor.chain.clone() };
    let mut number = cursor.number;
    if reply.head < number {
        return Err(Trouble::SetBack(number));
    }
    let mut fresh = Vec::new();
    let mut forgotten = None;
    for event in &reply.events {
        well_formed(event)?;
        if event.number <= number {
            // A double: what we have stands.
            continue;
        }
        if event.number > number + 1 {
            let may = fresh.is_empty() && event.number == reply.oldest;
            if !may {
                return Err(Trouble::Gap(number + 1, event.number - 1));
            }
            // Too old to be kept: nothing to hold this one against but the signature.
            forgotten = Some((number + 1, event.number - 1));
        } else if link(&chain, event)[..] != event.chain {
            return Err(Trouble::Chain(event.number));
        }
        (number, chain) = (event.number, event.chain.clone());
        fresh.push(event.clone());
    }
    if number > reply.head {
        return Err(Trouble::Form("its head is before its last event"));
    }
    // With events the last one of them is signed; without, the head, which we know when nothing is new.
    let signs_ours = !fresh.is_empty() || (reply.events.is_empty() && reply.head == number);
    let message = signed(site, integrator, &reply.journal, number, &chain);
    if signs_ours && !verify(&message, &reply.signature) {
        return Err(Trouble::Signature);
    }
    // What comes after the head that it has now is new, whatever its clock says.
    let reread = if cursor.reread == Cursor::WHOLE { reply.head } else { cursor.reread };
    Ok(Checked { fresh, cursor: Cursor { journal: reply.journal.clone(), number, chain, reread }, forgotten })
}

fn well_formed(event: &proto::Event) -> Result<(), Trouble> {
    let right = event.query_id.len() == 16
        && event.chain.len() == 32
        && matches!(event.hash.len(), 0 | 32)
        && u8::try_from(event.kind).is_ok()
        && u8::try_from(event.job_kind).is_ok();
    right.then_some(()).ok_or(Trouble::Form("an event's members have other lengths"))
}

#[cfg(test)]
mod tests;
