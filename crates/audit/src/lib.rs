//! A practice's audit as a chain: what a line's bytes are, heads that the site signs, receipts, and what a checker finds.
//!
//! Every line of a site has a number from 1 on and a value of 32 bytes that is the hash of the value before it, the number
//! and the line. So whoever holds one value holds every line before it: none of them can be changed, taken out, put in or
//! moved without the value becoming another. A head is such a value with its number and time, signed by the site; a receipt
//! is a head with the very line it was made for.
//!
//! What it can't do: whoever can write the file can write another past, values and all, which need no key; the site's own
//! service then signs its end, and nothing in the file tells. Somebody else must hold a head of the time before: an integrator its receipts, the platform its heads. What nobody witnessed can be
//! forged. `docs/protocol/audit.md` is the normative text.
//!
//! Nothing here does I/O or reads a clock.

mod chain;
mod checker;
mod error;
mod export;
mod finding;
mod gaps;
mod head;
mod line;
mod receipt;
mod wire;
mod witness;

pub use chain::{chain, generation, genesis, restored_start};
pub use checker::{Checker, Entry, Report, Start};
pub use error::AuditError;
pub use export::{EXPORT_LINE_BYTES, FileChecker, Header, KeptLine};
pub use finding::{Finding, Wrong};
pub use head::{Head, SignedHead};
pub use line::{DETAIL_BYTES, LINE_BYTES, Line, TEXT_BYTES, cut_text};
pub use receipt::{RECEIPT_BYTES, RECEIPT_JSON_BYTES, Receipt};
pub use witness::Witness;
