//! Runs one command at a site in a task of its own: it outlives a caller whose command may not be cancelled.

mod output;

use crate::{
    answer,
    budget::Reservation,
    error::ApiError,
    gateway::{Gateway, OneMore},
    mirror::{QueryStatus, Record, Running, Span},
    receipts::{About, Told},
    session::{CallError, Lane, OpenError, Session, call},
    store::Paired,
    verdict::{End, judge},
};
use axum::response::Response;
use link_api::{Streaming, convert, pack::Unpacker, proto};
use model::{Command, Effect, ExecutionMode, QueryId};
use output::Output;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Which form the caller asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object.
    Whole,
    /// Lines.
    Lines,
}

/// Names and types of all columns of one answer, bytes; more is no table.
const COLUMNS_BYTES: usize = 1024 * 1024;
/// A site's error message is cut beyond this many bytes.
const MESSAGE_BYTES: usize = 64 * 1024;

/// A command whose intent is recorded.
pub(crate) struct Job {
    pub(crate) command: Command,
    pub(crate) record: Record,
    pub(crate) running: Running,
    pub(crate) form: Form,
    /// The caller asked for enforced read-only: only then may it be cancelled and sent again.
    pub(crate) read_only: bool,
    /// The request's share of the memory budget.
    pub(crate) room: Reservation,
    /// [`model::Clock::monotonic`] when the record was made.
    pub(crate) began: Duration,
}

/// Starts the task; the answer comes through the receiver. Dropping it is how the caller goes away.
pub(crate) fn start(gateway: &Arc<Gateway>, job: Job) -> oneshot::Receiver<Response> {
    let (tell, told) = oneshot::channel();
    let one_more = OneMore::begin(gateway);
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move {
        Runner::run(&gateway, job, tell).await;
        drop(one_more);
    });
    told
}

struct Runner<'a> {
    gateway: &'a Gateway,
    command: Command,
    record: Record,
    read_only: bool,
    began: Duration,
    output: Output,
    /// When the command was handed to the session, and how long it waited at the site.
    sent: Option<Duration>,
    queued_ms: u32,
    receipt: Told,
}

/// What to do after a failed attempt.
enum Failed {
    End(End),
    /// Once more on a new session: nothing was sent, or nothing can have been changed.
    Again(End),
}

impl<'a> Runner<'a> {
    async fn run(gateway: &'a Gateway, job: Job, tell: oneshot::Sender<Response>) {
        let Job { command, record, running, form, read_only, room, began } = job;
        let output = Output::new(gateway, form, tell, &record);
        let (sent, queued_ms, receipt) = (None, 0, Told::lost());
        let mut runner =
            Runner { gateway, command, record, read_only, began, output, sent, queued_ms, receipt };
        let end = runner.attempts().await;
        drop(room);
        runner.finish(running, end).await;
    }

    async fn attempts(&mut self) -> End {
        if self.output.has_no_room() {
            return End::NotSent(ApiError::unavailable(
                "The gateway holds too many answers at once. The command was not executed.",
                1,
            ));
        }
        let mut id = self.record.id;
        let mut failed = None;
        for _ in 0..2 {
            match self.attempt(id).await {
                Ok(end) | Err(Failed::End(end)) => return over_both(failed, end),
                Err(Failed::Again(end)) if self.output.can_begin_again() => {
                    // The site may have seen this id: a name is used once.
                    if self.sent.is_some() {
                        id = QueryId(Uuid::new_v4());
                        self.record.sent_as = Some(id);
                    }
                    failed = Some(over_both(failed, end));
                }
                Err(Failed::Again(end)) => return over_both(failed, end),
            }
        }
        failed.unwrap_or(End::Lost { silent: false })
    }

    async fn attempt(&mut self, id: QueryId) -> Result<End, Failed> {
        let lane = self.output.lane();
        let session = self.gateway.sessions.get(self.record.site, lane).await;
        let session =
            session.map_err(|e| Failed::End(End::NotSent(open_error(self.gateway, self.record.site, &e))))?;
        let request = self.request(id);
        let within = self.patience();
        self.sent = Some(self.now());
        let answer = call(&session, async move |mut client| {
            tokio::time::timeout(within, client.run(request)).await.map_err(|_| silent())?
        });
        let stream = tokio::select! {
            biased;
            answer = answer => answer,
            () = self.output.gone(), if self.read_only => return Ok(End::CallerGone),
        };
        match stream {
            Ok(stream) => self.read(stream.into_inner(), &session, lane).await,
            Err(CallError::NotSent) => {
                self.sent = None;
                self.gateway.sessions.discard(&session, lane);
                Err(Failed::Again(End::NotSent(ApiError::unavailable(
                    "The connection to the site was lost before the attempt. The command was not executed.",
                    2,
                ))))
            }
            Err(CallError::Failed(status)) => match refused_as_such(&status) {
                Some(error) => {
                    let refusal = link_api::refusal::of_status(&status).map_or(0, i32::from);
                    self.gateway.sessions.refused(self.record.site, refusal);
                    Ok(End::NotSent(error))
                }
                None => Err(self.broke(&status, &session, lane)),
            },
        }
    }

    fn request(&self, id: QueryId) -> proto::RunRequest {
        let limits = &self.gateway.limits;
        proto::RunRequest {
            query_id: id.as_bytes().to_vec(),
            command: Some(convert::command_to_proto(&self.command)),
            queue_ms: self.record.max_time_in_queue,
            run_ms: self.execution_ms(),
            form: self.output.row_form().into(),
            // What we act upon is what the site enforces.
            read_only: self.read_only,
            max_row_bytes: match self.output.row_form() {
                proto::RowForm::Lines => 0,
                _ => limits.immediate_result_bytes as u64,
            },
            all_sets: self.output.row_form() == proto::RowForm::Lines,
            device: self.record.device.clone().map(String::from),
            // It waits for the site's disk, which an answer that may be one row does not.
            receipt: self.output.row_form() == proto::RowForm::Lines,
        }
    }

    /// Reads the site's events to the end.
    async fn read(
        &mut self,
        mut events: Streaming<proto::RunEvent>,
        session: &Arc<Session>,
        lane: Lane,
    ) -> Result<End, Failed> {
        let (mut unpacker, mut row_bytes) = (Unpacker::default(), 0);
        let within = self.patience();
        loop {
            let event = tokio::select! {
                biased;
                event = tokio::time::timeout(within, events.message()) => event,
                () = self.output.gone(), if self.read_only => return Ok(End::CallerGone),
            };
            let event = match event {
                Ok(Ok(Some(event))) => event,
                Ok(Ok(None)) => {
                    return Err(self.again_if_harmless(End::Broken("it stopped before it said how it ended")));
                }
                Ok(Err(status)) => return Err(self.broke(&status, session, lane)),
                Err(_) => {
                    self.gateway.sessions.discard(session, lane);
                    return Ok(End::Lost { silent: true });
                }
            };
            if let Some(started) = event.started {
                self.queued_ms = started.queued_ms;
            }
            if let Some(columns) = event.columns {
                // With each, what its JSON is written around.
                let bytes = columns.columns.iter().map(|c| c.name.len() + c.r#type.len() + 24).sum::<usize>();
                if bytes > COLUMNS_BYTES {
                    return Ok(End::Broken("its columns are too large"));
                }
                self.output.columns(self.gateway, &self.record, columns).await;
            }
            if let Some(rows) = event.rows {
                row_bytes += u64::from(rows.unpacked);
                if self.output.is_wanted() {
                    let Ok(rows) = unpacker.unpack(rows) else {
                        return Ok(End::Broken("its rows could not be unpacked"));
                    };
                    if let Some(end) = self.output.rows(self.gateway, &self.record, rows).await {
                        return Ok(end);
                    }
                }
            }
            if let Some(ended) = event.ended {
                // The site lost its database, and the caller's own word is that nothing was to change: once more, there on a
                // new connection.
                let again = self.read_only && ended.status() == proto::Status::Interrupted;
                let end = self.ended(ended, row_bytes);
                return if again { Err(Failed::Again(end)) } else { Ok(end) };
            }
            if self.read_only && !self.output.is_wanted() {
                return Ok(End::CallerGone);
            }
        }
    }

    /// The site said how it ended, after this many bytes of row JSON.
    fn ended(&mut self, mut ended: proto::Ended, row_bytes: u64) -> End {
        // An answer that lacks a piece must not pass as whole.
        if ended.status == i32::from(proto::Status::Successful) && ended.row_bytes != row_bytes {
            return End::Broken("its rows are not all there");
        }
        if let Some(error) = &mut ended.error {
            let cut = crate::cut(&error.message, MESSAGE_BYTES).len();
            error.message.truncate(cut);
        }
        self.keep_receipt(&mut ended);
        match self.gateway.budget.reserve(answer::outputs_room(&ended.outputs)) {
            Ok(room) => self.output.keep(room),
            Err(_) => return End::NoRoom,
        }
        End::Site(Box::new(ended))
    }

    /// Checks the receipt that came with the end, where one was asked for.
    fn keep_receipt(&mut self, ended: &mut proto::Ended) {
        if self.output.row_form() == proto::RowForm::Lines {
            let Record { id, site, sent_as, .. } = self.record;
            let about = About { site, integrator: self.gateway.integrator, query: sent_as.unwrap_or(id) };
            self.receipt = Told::of_end(self.gateway, &about, ended);
        }
        ended.receipt = Vec::new();
    }

    /// A gRPC status from which nothing follows for the command.
    fn broke(&self, status: &link_api::Status, session: &Arc<Session>, lane: Lane) -> Failed {
        use link_api::Code;
        match status.code() {
            Code::InvalidArgument
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::ResourceExhausted
            | Code::Unimplemented => Failed::End(End::Lost { silent: false }),
            // The site had promised an answer within this time. The session may have lost whoever was at its other end, with the platform
            // none the wiser: the next command gets another.
            Code::DeadlineExceeded => {
                self.gateway.sessions.discard(session, lane);
                Failed::End(End::Lost { silent: true })
            }
            _ => {
                self.gateway.sessions.discard(session, lane);
                self.again_if_harmless(End::Lost { silent: false })
            }
        }
    }

    fn again_if_harmless(&self, end: End) -> Failed {
        if self.read_only { Failed::Again(end) } else { Failed::End(end) }
    }

    /// No event may take longer than this: queue, execution, the way there and back.
    fn patience(&self) -> Duration {
        Duration::from_millis(
            u64::from(self.record.max_time_in_queue)
                + u64::from(self.execution_ms())
                + self.gateway.limits.transfer_slack_ms,
        )
    }

    /// How long it may run in the database.
    fn execution_ms(&self) -> u32 {
        match self.output.row_form() {
            proto::RowForm::Lines => self.gateway.limits.stream_execution_ms,
            _ => self.gateway.limits.execution_ms,
        }
    }

    /// Since the record was made.
    fn now(&self) -> Duration {
        self.gateway.clock.monotonic().saturating_sub(self.began)
    }

    async fn finish(mut self, running: Running, mut end: End) {
        let over = self.now();
        let run_ms = if let End::Site(ended) = &end { ended.run_ms } else { 0 };
        let (sql_ms, outputs) = match &mut end {
            End::Site(ended) => (ended.sql_ms, std::mem::take(&mut ended.outputs)),
            _ => (0, Vec::new()),
        };
        self.note_pairing(&end);
        let outputs = &outputs;
        let row_json = if let End::Site(ended) = &end { ended.row_bytes } else { 0 };
        let verdict = judge(&mut self.record, end, self.gateway.limits.immediate_result_bytes as u64);
        let record = &mut self.record;
        let values = answer::outputs_size(outputs);
        record.size = match (record.mode, self.output.row_form()) {
            (ExecutionMode::NonQuery, _) => values,
            // The brackets of the array.
            (_, proto::RowForm::Array) => row_json + 2,
            _ => row_json,
        };
        record.result_size =
            if record.mode == ExecutionMode::NonQuery { values } else { record.size + values };
        let phases = Phases { sent: self.sent, over, queued_ms: self.queued_ms, run_ms, sql_ms };
        phases.write(record);
        running.end(record.clone());
        self.output.end(self.gateway, &self.record, verdict, outputs, &self.receipt).await;
    }

    /// Keeps what the site's answer says about pairing: it may have been made, changed or ended elsewhere.
    fn note_pairing(&self, end: &End) {
        let End::Site(ended) = end else { return };
        let site = self.record.site;
        let known = self.gateway.store.paired(site);
        let refused = ended.status == i32::from(proto::Status::Refused);
        self.gateway.sessions.refused(site, ended.refusal);
        // Its login is gone: nothing but a new pairing lets it in again.
        let gone = [proto::Refusal::NotPaired, proto::Refusal::Unpaired, proto::Refusal::ConsentRevoked];
        if refused && gone.into_iter().any(|of| ended.refusal == i32::from(of)) {
            self.gateway.sessions.forget(site);
            note_unpaired(self.gateway, site);
        } else if ended.status == i32::from(proto::Status::Successful) && !self.read_only {
            let paired = Paired { read_only: ended.read_only };
            if known != Some(paired) {
                let (store, now) = (Arc::clone(&self.gateway.store), self.gateway.clock.now());
                // Nobody waits for it: what is lost in a crash is learnt again.
                tokio::task::spawn_blocking(move || store.set_paired(site, paired, now));
            }
        }
    }
}

/// Forgets that a site was paired.
fn note_unpaired(gateway: &Gateway, site: model::SiteId) {
    if gateway.store.paired(site).is_some() {
        let store = Arc::clone(&gateway.store);
        tokio::task::spawn_blocking(move || store.set_unpaired(site));
    }
}

/// Figures from which the phases follow. Times since the record was made.
struct Phases {
    sent: Option<Duration>,
    over: Duration,
    queued_ms: u32,
    run_ms: u32,
    sql_ms: u32,
}

impl Phases {
    /// The site reports durations, not times: what is left of the round trip is split evenly between there and back.
    fn write(&self, record: &mut Record) {
        let created = record.created;
        let at = |millis: u128| Some(created + i64::try_from(millis).unwrap_or(i64::MAX - created));
        let over = self.over.as_millis();
        record.updated = created + i64::try_from(over).unwrap_or(0);
        record.timing.initialising = Span { start: Some(created), end: at(over) };
        // What the site did not run has no further phases.
        let Some(sent) = self.sent.filter(|_| record.effect != Some(Effect::NotExecuted)) else { return };
        let (sent, queued, run) = (sent.as_millis(), u128::from(self.queued_ms), u128::from(self.run_ms));
        let way = over.saturating_sub(sent).saturating_sub(queued + run) / 2;
        let begin = (sent + way + queued).min(over);
        let end = (begin + run).min(over);
        let first = (begin + u128::from(self.sql_ms)).min(end);
        record.timing.initialising.end = at(begin);
        record.timing.executing = Span { start: at(begin), end: at(end) };
        if record.status != QueryStatus::Successful {
            return;
        }
        record.timing.uploading = Span { start: at(first), end: at(over) };
        record.timing.downloading = Span { start: at(over), end: None };
    }
}

/// That the second attempt was not sent says nothing of the first.
fn over_both(first: Option<End>, second: End) -> End {
    match (first, second) {
        (Some(first), End::NotSent(_)) if !matches!(first, End::NotSent(_)) => first,
        (_, second) => second,
    }
}

/// The site refused the call before it began to answer: then nothing was executed.
fn refused_as_such(status: &link_api::Status) -> Option<ApiError> {
    use link_api::Code;
    match status.code() {
        Code::InvalidArgument => {
            Some(ApiError::bad_request("The site could not read the command. The command was not executed."))
        }
        Code::PermissionDenied | Code::Unauthenticated => {
            let refusal = link_api::refusal::of_status(status).map_or(0, i32::from);
            let by_practice = ApiError::by_practice(refusal, "The command was not executed.", 0);
            Some(by_practice.unwrap_or_else(ApiError::not_paired))
        }
        _ => None,
    }
}

fn silent() -> link_api::Status {
    link_api::Status::deadline_exceeded("no answer in time")
}

/// What a caller is told when no session could be opened for a command. Logs what somebody must act on.
pub(crate) fn open_error(gateway: &Gateway, site: model::SiteId, error: &OpenError) -> ApiError {
    no_session(gateway, site, error, "The command was not executed.")
}

/// The same for whatever else was to be done; `so` says what follows.
pub(crate) fn no_session(gateway: &Gateway, site: model::SiteId, error: &OpenError, so: &str) -> ApiError {
    use crate::cloud::CloudError as C;
    let not_ready = |what: &str, after| {
        ApiError::unavailable(format!("The server is not ready to handle the request: {what}. {so}"), after)
    };
    match error {
        OpenError::Cloud(C::Offline) => not_ready("the site is offline", 30),
        OpenError::Cloud(C::Unreachable) => not_ready("the site is unreachable", 30),
        OpenError::Cloud(C::UnknownSite) => ApiError::unknown_site(),
        OpenError::Cloud(C::NotEntitled) => {
            ApiError::forbidden(format!("The platform does not let this integrator reach the site. {so}"))
        }
        OpenError::Cloud(C::Busy) => not_ready("the platform is busy", 2),
        OpenError::Cloud(C::Down) => not_ready("this gateway has no connection to Halo Cloud", 5),
        OpenError::NotPaired => {
            note_unpaired(gateway, site);
            ApiError::not_let_in()
        }
        OpenError::Refused(refusal) => {
            let gone = [proto::Refusal::Unpaired, proto::Refusal::ConsentRevoked];
            if gone.into_iter().any(|of| *refusal == i32::from(of)) {
                note_unpaired(gateway, site);
            }
            ApiError::by_practice(*refusal, so, 0).unwrap_or_else(ApiError::not_let_in)
        }
        OpenError::NoAnswer(why) => {
            tracing::info!(%site, why, "a site did not answer");
            not_ready("the site did not answer", 10)
        }
        OpenError::NotTheSite(why) => {
            tracing::error!(%site, why, "whoever answered for a site could not prove to be it");
            not_ready("whoever answered could not prove to be the site, so nothing was sent to it", 60)
        }
        OpenError::Stale => {
            tracing::error!(%site, "a site's key answered from a server with an older epoch than one before: a clone or an old backup");
            let what = "an older copy of the practice's server answered in its place, so nothing was sent to it. The practice must run \
                        `HaloLinkUtility status` at its server";
            ApiError { code: Some("site-older-copy"), ..not_ready(what, 60) }
        }
        OpenError::Version(version) => {
            tracing::error!(%site, version, "a site's Link speaks another version of the contract");
            not_ready("the site's Halo Link speaks another version of the contract and needs an update", 60)
        }
        OpenError::Internal(why) => {
            tracing::error!(%site, why, integrator = %gateway.integrator, "a session could not be opened");
            ApiError::internal(format!("The gateway could not open a session to the site. {so}"))
        }
    }
}
