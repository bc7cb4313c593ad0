//! Names that strangers chose, made fit for logs, terminals and JSON.

use model::{Catalogue, SiteFacts, text::IDENTIFIER};

pub use model::text::clean;

/// Longest name kept, in characters.
pub(crate) const NAME: usize = 200;
const VERSION: usize = 64;
const CATALOGUES: usize = 64;

pub(crate) fn clean_facts(facts: &SiteFacts) -> SiteFacts {
    SiteFacts {
        enriched_at: None,
        pms: facts.pms,
        pms_id: clean(&facts.pms_id, IDENTIFIER),
        practice_name: clean(&facts.practice_name, NAME),
        pms_version: clean(&facts.pms_version, VERSION),
        link_version: clean(&facts.link_version, VERSION),
        catalogues: facts
            .catalogues
            .iter()
            .take(CATALOGUES)
            .map(|c| Catalogue { name: clean(&c.name, IDENTIFIER), is_default: c.is_default })
            .collect(),
    }
}
