//! The audit of the kit's site: an honest chain, and what a lying one hands out instead.

use super::FakeSite;
use audit::{Head, Line, Receipt};
use link_api::proto;
use model::{Clock, IntegratorId, QueryId, SiteId, SystemClock};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use trust::{Kind, Operational, Root};
use uuid::Uuid;

/// What the site gives when it is asked for a receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Receipts {
    #[default]
    Honest,
    /// Its Link is from before there were any.
    Old,
    /// Its disk takes nothing.
    Disk,
    /// There is no line.
    NoLine,
    /// It says why in a word of a later version.
    Later,
    /// Receipts that hold, and are of something else.
    OtherQuery,
    OtherIntegrator,
    OtherSite,
    /// Its line says another count of rows than the answer.
    OtherEnd,
    /// Of a line that tells of no end.
    Begin,
    /// Its signature is of other bytes.
    Forged,
    /// Bytes that are no receipt.
    Garbage,
}

#[derive(Default)]
pub(crate) struct FakeAudit {
    pub(crate) how: Mutex<Receipts>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    number: u64,
    chain: Option<[u8; 32]>,
    receipts: HashMap<Vec<u8>, Receipt>,
}

impl FakeAudit {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn gives(&self, how: Receipts) {
        *self.how.lock().unwrap() = how;
    }

    fn how(&self) -> Receipts {
        *self.how.lock().unwrap()
    }

    pub(crate) fn number(&self) -> u64 {
        self.lock().number
    }

    /// The newest lines are gone, and others stand in their place up to here.
    pub(crate) fn rewrite(&self, number: u64) {
        let mut state = self.lock();
        (state.number, state.chain) = (number, Some([0xbb; 32]));
    }
}

impl FakeSite {
    /// Writes down how a query ended, and adds the receipt where it was asked for.
    pub(super) fn write_down(
        &self,
        query: &[u8],
        integrator: IntegratorId,
        device: Option<&str>,
        ended: &mut proto::Ended,
        asked: bool,
    ) {
        let mut line = Line::new(SystemClock.now(), "end", self.id());
        line.integrator = Some(integrator);
        line.query = QueryId::from_slice(query);
        line.device = device.map(str::to_owned);
        line.status = Some(ended.status().as_str_name().to_owned());
        (line.rows, line.bytes, line.ms) = (Some(ended.rows), Some(ended.row_bytes), Some(ended.run_ms));
        if self.audit.how() == Receipts::OtherEnd {
            line.rows = Some(ended.rows + 1);
        }
        let receipt = append(&self.audit, &self.own(), &line);
        self.audit.lock().receipts.insert(query.to_vec(), receipt);
        if !asked {
            return;
        }
        match self.audit.how() {
            Receipts::Disk => ended.set_no_receipt(proto::NoReceipt::Disk),
            Receipts::NoLine => ended.set_no_receipt(proto::NoReceipt::NoLine),
            Receipts::Old => {}
            Receipts::Later => ended.no_receipt = 99,
            _ => ended.receipt = self.hand_out(query).unwrap(),
        }
    }

    pub(super) fn receipt(&self, query: &[u8]) -> Result<proto::ReceiptReply, link_api::Status> {
        match self.audit.how() {
            Receipts::Old => Err(link_api::Status::unimplemented("not known")),
            Receipts::NoLine => Ok(proto::ReceiptReply::default()),
            _ => Ok(proto::ReceiptReply { receipt: self.hand_out(query).unwrap_or_default() }),
        }
    }

    pub(super) fn has_receipt(&self, query: &[u8]) -> bool {
        self.audit.lock().receipts.contains_key(query)
    }

    /// Where its audit ends.
    pub(super) fn audit_head(&self) -> Vec<u8> {
        let state = self.audit.lock();
        match (self.audit.how(), state.chain) {
            (Receipts::Old, _) | (_, None) => Vec::new(),
            (_, Some(chain)) => {
                let head = Head { site: self.id(), number: state.number, chain, at: SystemClock.now() };
                head.sign(&self.own()).unwrap().encode()
            }
        }
    }

    /// The newest receipt of a query, or what a liar has instead; `None`: there is none.
    fn hand_out(&self, query: &[u8]) -> Option<Vec<u8>> {
        let honest = self.audit.lock().receipts.get(query).cloned()?;
        let mut line = honest.check().unwrap();
        let own = self.own();
        let receipt = match self.audit.how() {
            Receipts::OtherQuery => {
                line.query = Some(QueryId(Uuid::new_v4()));
                append(&self.audit, &own, &line)
            }
            Receipts::OtherIntegrator => {
                line.integrator = Some(IntegratorId(Uuid::from_u128(5)));
                append(&self.audit, &own, &line)
            }
            Receipts::Begin => {
                line.what = "begin".to_owned();
                append(&self.audit, &own, &line)
            }
            Receipts::OtherSite => {
                let root = Root::generate(Kind::Site).unwrap();
                line.site = SiteId(root.id());
                let own = root.issue("other", 1, SystemClock.now(), Duration::from_secs(3600)).unwrap();
                append(&FakeAudit::default(), &own, &line)
            }
            Receipts::Forged => {
                let mut forged = honest;
                forged.head.head.at = forged.head.head.at.plus(Duration::from_millis(1));
                forged
            }
            Receipts::Garbage => return Some(b"no receipt".to_vec()),
            _ => honest,
        };
        Some(receipt.encode())
    }
}

fn append(audit: &FakeAudit, own: &Operational, line: &Line) -> Receipt {
    let mut state = audit.lock();
    let before = state.chain.unwrap_or_else(|| audit::genesis(line.site));
    state.number += 1;
    let bytes = line.encode();
    let chain = audit::chain(&before, state.number, &bytes);
    state.chain = Some(chain);
    let head = Head { site: line.site, number: state.number, chain, at: SystemClock.now() };
    Receipt { before, line: bytes, head: head.sign(own).unwrap() }
}
