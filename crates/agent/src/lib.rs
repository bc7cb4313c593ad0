//! What happens at the site: the door, pairing, execution, the ledger and the audit.
