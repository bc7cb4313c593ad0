//! What an integrator that is kept out is not told: nothing that could be a patient's.

use link_api::proto;

const UNTOLD: &str = "The database's own words are not told while the practice keeps this integrator out.";

/// How something ended, without values and without a database's own words, which may quote data. What became of it stays.
pub(crate) fn bare(mut ended: proto::Ended) -> proto::Ended {
    ended.outputs.clear();
    ended.error.iter_mut().for_each(unquote);
    ended
}

/// The same for a job and for the newest run of a schedule.
pub(crate) fn strip(job: &mut proto::JobState) {
    job.ended = job.ended.take().map(bare);
    job.schedule.iter_mut().filter_map(|schedule| schedule.last_error.as_mut()).for_each(unquote);
}

fn unquote(error: &mut proto::Error) {
    if error.kind() != proto::ErrorKind::HaloLink {
        error.message = UNTOLD.to_owned();
    }
}
