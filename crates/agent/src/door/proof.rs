//! What the site hands out so that its audit can be held against it: receipts and signed heads.

use super::{Door, lock, read, write};
use crate::store::{
    AuditFilter, AuditLine, AuditRow, ChainEntry, CutRecord, End, Happened, Place, StoreError, Walk,
};
use audit::{Head, Receipt, SignedHead};
use model::{IntegratorId, QueryId, SiteId, Timestamp};
use std::{sync::atomic::Ordering, time::Duration};
use trust::Operational;

/// A day: what is removed is removed about so often, not with each line that gets too old.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Most lines that are removed at once; the rest goes with the next housekeeping.
const CUT: u32 = 200_000;
/// The pieces of a walk follow each other within this.
const WALK: Duration = Duration::from_secs(60);

impl Door {
    /// Signs the heads of this site with this key from now on.
    pub(crate) fn sign_with(&self, site: SiteId, operational: Operational) {
        write(&self.signers).insert(site, operational);
    }

    /// The receipt for how an integrator's own query ended, or why it was refused: its newest such line. `None` when there is
    /// none (yet), also for a query of somebody else. Blocks on the disk: puts what waits there first, so that nothing is attested
    /// that could still be lost.
    ///
    /// # Errors
    /// When the store can't be read or written, when nothing can be signed, and when the line in the file is not the one that was
    /// chained: then nothing is attested.
    pub fn receipt(
        &self,
        integrator: IntegratorId,
        site: SiteId,
        query: QueryId,
    ) -> Result<Option<Receipt>, StoreError> {
        self.attests()?;
        self.journal.flush()?;
        let Some(End { place, before, line }) = self.store.audit_end(site, integrator, query)? else {
            return Ok(None);
        };
        if audit::chain(&before, place.number, &line) != place.chain {
            return Err(StoreError::Broken(
                "an audit line was changed (HaloLinkUtility audit verify says more): it",
            ));
        }
        Ok(Some(Receipt { before, line, head: self.sign(site, place)? }))
    }

    /// Where a site's audit stands now, signed. `None` while nothing was written. Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be read or written, and when nothing can be signed.
    pub fn head(&self, site: SiteId) -> Result<Option<SignedHead>, StoreError> {
        self.attests()?;
        self.journal.flush()?;
        self.store.audit_tip(site)?.map(|tip| self.sign(site, tip)).transpose()
    }

    /// The value of one line of a site's audit. `None` where there is no such line (any more). Blocks on the disk.
    pub(crate) fn audit_at(&self, site: SiteId, number: u64) -> Result<Option<[u8; 32]>, StoreError> {
        match number {
            0 => Ok(None),
            number => Ok(self.store.audit_at(site, number)?.map(|place| place.chain)),
        }
    }

    /// The newest lines that a filter lets through, oldest first. Blocks on the disk.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub fn audit_where(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        self.journal.flush()?;
        self.store.audit_where(filter)
    }

    /// What a walk over a site's lines begins with, and the signed head of its newest. Blocks on the disk.
    pub(crate) fn audit_walk(
        &self,
        site: SiteId,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Option<(Walk, Option<SignedHead>)>, StoreError> {
        self.journal.flush()?;
        let Some(walk) = self.store.audit_walk(site, since, until)? else { return Ok(None) };
        let head = walk.end.map(|end| self.sign(site, end)).transpose()?;
        Ok(Some((walk, head)))
    }

    /// A piece of such a walk. Blocks on the disk. Whoever asks for one without having begun a walk, or long after, leaves a line for it.
    pub(crate) fn audit_piece(
        &self,
        site: SiteId,
        (after, until): (i64, i64),
        most: u32,
        by: &str,
    ) -> Result<Vec<ChainEntry>, StoreError> {
        let now = self.clock.monotonic();
        let known = lock(&self.walks).insert((site, by.to_owned()), now);
        if known.is_none_or(|at| now.saturating_sub(at) > WALK) {
            self.note_read(Some(site), by, &serde_json::json!({ "piece": after }));
        }
        self.store.audit_entries(site, after, until, most)
    }

    /// Somebody begins a walk: it is written down, and its pieces need not be.
    pub(crate) fn note_walk(&self, site: SiteId, by: &str, what: &serde_json::Value) {
        let now = self.clock.monotonic();
        let mut walks = lock(&self.walks);
        walks.retain(|_, at| now.saturating_sub(*at) <= WALK);
        walks.insert((site, by.to_owned()), now);
        drop(walks);
        self.note_read(Some(site), by, what);
    }

    /// Writes down that somebody at the practice read the audit, and what of it, JSON.
    pub(crate) fn note_read(&self, site: Option<SiteId>, by: &str, what: &serde_json::Value) {
        let now = self.clock.now();
        for of in self.sites.keys().filter(|of| site.is_none_or(|site| site == **of)) {
            let detail = Some(what.to_string());
            self.note(AuditLine { detail, ..AuditLine::new(now, Happened::AuditRead, *of) }.by(Some(by)));
        }
    }

    /// Keeps lines for so long from now on; `None`: for ever.
    pub fn keep_audit(&self, span: Option<Duration>) {
        let ms = span.map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
        self.keep_audit_ms.store(ms, Ordering::Relaxed);
    }

    /// Removes lines that are older than the practice keeps, and texts that nobody refers to any more: so many at once, the rest the next
    /// time. Blocks on the disk, in pieces between which others have it.
    ///
    /// # Errors
    /// When the store can't be written, or the cut can't be signed.
    pub fn cut_audit(&self) -> Result<(), StoreError> {
        let keep = self.keep_audit_ms.load(Ordering::Relaxed);
        if keep == 0 || self.is_moved() {
            return Ok(());
        }
        // Not the time that never goes back: a clock that was years ahead for an hour would go on removing what is not old.
        let now = self.clock.now();
        let before = Timestamp(now.0.saturating_sub(keep));
        let mut removed = false;
        for site in self.sites.keys().copied() {
            removed |= self.remove_cut(site)?;
            let old =
                self.store.audit_old(site, before, Timestamp(before.0 - DAY.as_millis() as i64), CUT)?;
            let Some((place, line)) = old else { continue };
            let head = self.sign(site, place)?;
            self.journal.flush()?;
            self.store.cut_audit(&CutRecord { place, line, head }, self.clock.now(), before)?;
            removed |= self.remove_cut(site)?;
        }
        let mut after = removed.then(Vec::new);
        while let Some(from) = after {
            after = self.store.forget_texts(&from)?;
        }
        Ok(())
    }

    /// Keeps the newest head of each site, signed, in the file: what is there later must lead to it. One to which it does not is told, and
    /// kept, for `audit verify`. Blocks on the disk.
    pub(crate) fn keep_heads(&self) -> Result<(), StoreError> {
        if self.is_moved() {
            return Ok(());
        }
        for site in self.sites.keys().copied() {
            let kept = self.store.kept_head(site)?.map(|kept| kept.head);
            if let Some(kept) = kept
                && !self.store.leads_to(&kept)?
            {
                tracing::error!(%site, number = kept.number, signed_at = %kept.at.to_rfc3339(),
                    "the audit does not lead to the head that was signed then: it was changed from outside (HaloLinkUtility audit verify says \
                     more)");
                continue;
            }
            if let Some(head) =
                self.head(site)?.filter(|head| kept.is_none_or(|kept| kept.number < head.head.number))
            {
                self.store.keep_head(&head)?;
            }
        }
        Ok(())
    }

    /// Where an audit stands is said by the server at which it goes on: an old one would show a past that is over.
    fn attests(&self) -> Result<(), StoreError> {
        match self.is_moved() {
            true => Err(StoreError::Moved),
            false => Ok(()),
        }
    }

    fn remove_cut(&self, site: SiteId) -> Result<bool, StoreError> {
        let (mut removed, mut after) = (false, Some(0));
        while let Some(from) = after {
            let (went, next) = self.store.remove_cut(site, from)?;
            (removed, after) = (removed | went, next);
        }
        Ok(removed)
    }

    pub(super) fn sign(
        &self,
        site: SiteId,
        Place { number, chain }: Place,
    ) -> Result<SignedHead, StoreError> {
        let signers = read(&self.signers);
        let signer = signers.get(&site).ok_or(StoreError::Broken("the site's certificate"))?;
        let head = Head { site, number, chain, at: self.clock.now() };
        head.sign(signer).map_err(|_| StoreError::Broken("the site's signature"))
    }
}
