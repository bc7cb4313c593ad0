//! A session that tells its site when the connection is lost: what answers next may be another database.

use super::SiteDoor;
use database::{Cancel, Description, Done, Failure, Session, Sink, Terms};
use model::Command;
use std::sync::Arc;

pub(super) struct Watched {
    pub(super) inner: Box<dyn Session>,
    pub(super) site: Arc<SiteDoor>,
}

impl Watched {
    fn heard<T>(&self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if matches!(answer, Err(Failure::Lost)) {
            self.site.doubt();
        }
        answer
    }
}

impl Session for Watched {
    fn run(&mut self, command: &Command, terms: &Terms, sink: &mut dyn Sink) -> Result<Done, Failure> {
        let answer = self.inner.run(command, terms, sink);
        self.heard(answer)
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        self.inner.canceller()
    }

    fn ping(&mut self) -> Result<(), Failure> {
        let answer = self.inner.ping();
        self.heard(answer)
    }

    fn reset(&mut self) -> Result<(), Failure> {
        let answer = self.inner.reset();
        self.heard(answer)
    }

    fn describe(&mut self) -> Result<Description, Failure> {
        let answer = self.inner.describe();
        self.heard(answer)
    }
}
