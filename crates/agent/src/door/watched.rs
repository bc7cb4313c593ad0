//! A session that tells its site when the connection is lost: what answers next may be another database.

use super::SiteDoor;
use database::{Cancel, Description, Dialect, Done, Failure, Session, Sink, Terms};
use model::{Clock, Command};
use std::sync::Arc;

pub(super) struct Watched {
    pub(super) inner: Box<dyn Session>,
    pub(super) site: Arc<SiteDoor>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Watched {
    fn heard<T>(&self, answer: Result<T, Failure>) -> Result<T, Failure> {
        match &answer {
            Err(failure) if ends_the_connection(failure) => self.site.doubt(),
            Ok(_) | Err(Failure::Sql(_)) => self.site.answered(self.clock.monotonic()),
            Err(Failure::Cancelled) => self.site.was_silent(),
            Err(_) => {}
        }
        answer
    }
}

fn ends_the_connection(failure: &Failure) -> bool {
    match failure {
        Failure::Lost | Failure::Unproven => true,
        // From severity 20 on SQL Server closes it: a session that was killed so that its database can be restored.
        Failure::Sql(error) if error.dialect == Dialect::Mssql => error.class >= 20,
        // Firebird's way to say that a database is shut down, or not there.
        Failure::Sql(error) => error.number == -902,
        _ => false,
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
