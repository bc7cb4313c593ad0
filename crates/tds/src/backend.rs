//! What stands behind the protocol: the demo practice, or in tests something that plays one.

use database::{Cancel, Failure, Login};
use model::Access;
use practice::{
    DemoEngine, DemoSession,
    events::{Argument, Broken, Events, Message},
};
use std::sync::Arc;

/// Why nobody comes in: what the client is told.
pub type Refused = Vec<Message>;

/// Lets clients in. Called on a thread of its own: it may block.
pub trait Backend: Send + Sync + 'static {
    /// Checks the login; an empty `database` is the default one.
    fn log_in(&self, login: &Login, database: &str) -> Result<Box<dyn Conversation>, Refused>;
}

/// One client's session. Its methods block, each on the session's own thread; see `practice::DemoSession`.
pub trait Conversation: Send {
    /// Runs a batch.
    fn batch(&mut self, text: &str, events: &mut dyn Events) -> Result<(), Broken>;
    /// Calls a procedure, `sp_executesql` among them.
    fn call(
        &mut self,
        procedure: &str,
        arguments: &[Argument<'_>],
        events: &mut dyn Events,
    ) -> Result<(), Broken>;
    /// Forgets all that the client has made.
    fn reset(&mut self);
    /// Name of the current database.
    fn database(&self) -> &'static str;
    /// Stops what runs, from any thread.
    fn stopper(&self) -> Arc<dyn Cancel>;
}

impl Backend for DemoEngine {
    fn log_in(&self, login: &Login, database: &str) -> Result<Box<dyn Conversation>, Refused> {
        let words = |number, class, text: String| Message {
            number,
            state: 1,
            class,
            line: 1,
            procedure: String::new(),
            text,
        };
        match DemoEngine::log_in(self, login, Some(database), Access::ReadWrite) {
            Ok(session) => Ok(Box::new(session)),
            Err(Failure::Sql(error)) if error.number == 4060 => Err(vec![
                words(4060, 11, error.message.reveal().clone()),
                words(18456, 14, format!("Login failed for user '{}'.", login.user.reveal())),
            ]),
            Err(Failure::Sql(error)) => {
                Err(vec![words(error.number, error.class, error.message.reveal().clone())])
            }
            Err(_) => Err(vec![words(17_142, 14, "The demo practice's files can't be opened.".to_owned())]),
        }
    }
}

impl Conversation for DemoSession {
    fn batch(&mut self, text: &str, events: &mut dyn Events) -> Result<(), Broken> {
        DemoSession::batch(self, text, events)
    }
    fn call(
        &mut self,
        procedure: &str,
        arguments: &[Argument<'_>],
        events: &mut dyn Events,
    ) -> Result<(), Broken> {
        self.call_procedure(procedure, arguments, events)
    }
    fn reset(&mut self) {
        DemoSession::reset(self);
    }
    fn database(&self) -> &'static str {
        self.current_database()
    }
    fn stopper(&self) -> Arc<dyn Cancel> {
        DemoSession::stopper(self)
    }
}
