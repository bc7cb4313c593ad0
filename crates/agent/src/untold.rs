//! What an integrator that is kept out, or has used up what it may have, is not told: nothing that could be a patient's.

use link_api::proto::{self, Refusal};

const KEPT_OUT: &str = "The database's own words are not told while the practice keeps this integrator out.";
const SPENT: &str = "The database's own words are not told: what this integrator may have of the practice's data in a day was used up \
                     while the statement ran.";

/// How something ended, without values and without a database's own words, which may quote data. What became of it stays.
pub(crate) fn bare(ended: proto::Ended) -> proto::Ended {
    without(ended, KEPT_OUT)
}

/// The same for what was refused in the middle, with the reason.
pub(crate) fn refused(ended: proto::Ended, refusal: Refusal) -> proto::Ended {
    let spent = matches!(refusal, Refusal::BudgetRows | Refusal::BudgetBytes);
    without(ended, if spent { SPENT } else { KEPT_OUT })
}

fn without(mut ended: proto::Ended, why: &str) -> proto::Ended {
    ended.outputs.clear();
    ended.error.iter_mut().for_each(|error| unquote(error, why));
    ended
}

/// The same for a job and for the newest run of a schedule.
pub(crate) fn strip(job: &mut proto::JobState) {
    job.ended = job.ended.take().map(bare);
    let errors = job.schedule.iter_mut().filter_map(|schedule| schedule.last_error.as_mut());
    errors.for_each(|error| unquote(error, KEPT_OUT));
}

fn unquote(error: &mut proto::Error, why: &str) {
    if error.kind() != proto::ErrorKind::HaloLink {
        error.message = why.to_owned();
    }
}
