//! What a site's own database says of the site: asked with Link's own login, in short questions, each with its own end.

use crate::pms::{PmsFile, Query};
use database::{Column, Engine, Failure, Part, Session, Sink, Stopped, Terms, Value, Wanted, json};
use model::{Command, CommandType, ExecutionMode};
use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

/// One question to the database takes no longer; then it is cancelled.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);
/// Link's own questions wait no longer for a lock that the practice's work holds.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Longest vendor's identifier, in bytes. It is never cut: a part of it could be another practice's.
pub(crate) const ID_BYTES: usize = 128;
/// Longest of the other texts, in characters; they are cut.
const TEXT_CHARS: usize = 120;
/// An answer longer than this is no answer to any of our questions, in bytes.
const ANSWER_BYTES: usize = 4096;

/// What the database said; what it did not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) pms_id: Option<String>,
    pub(crate) practice_name: Option<String>,
    pub(crate) pms_version: Option<String>,
    /// Facts that were asked for and not told, with why, in words for the practice.
    pub(crate) untold: Vec<(&'static str, String)>,
}

/// Why nothing is known from the database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nothing to worry about: the practice did not want it.
    #[error("[site.database] has no login of Link's own, so the database is not asked")]
    NoLogin,
    /// No connection, or no answer in time.
    #[error("the database could not be asked ({0})")]
    Unasked(Failure),
    /// The detection gave no row, or failed.
    #[error("the database does not look like one of this practice software{}", why(.0))]
    NotDetected(Option<Failure>),
}

fn why(failure: &Option<Failure>) -> String {
    failure.as_ref().map(|failure| format!(" ({failure})")).unwrap_or_default()
}

/// Asks the database whose it is. Blocks on it: a connection to each catalogue that is asked, at most four questions.
pub(crate) fn ask(engine: &dyn Engine, file: &PmsFile) -> Result<Found, Trouble> {
    let mut asker = Asker { engine, default: default_catalogue(engine), sessions: Vec::new() };
    if let Some(detect) = &file.detect {
        match asker.ask(detect)? {
            Ok(Answer::None) => return Err(Trouble::NotDetected(None)),
            Ok(_) => {}
            Err(failure) => return Err(Trouble::NotDetected(Some(failure))),
        }
    }
    let mut found = Found::default();
    for (name, query) in file.facts.all() {
        let Some(query) = query else { continue };
        let told = match asker.ask(query)? {
            Ok(Answer::Text(text)) => fit(name, &text),
            Ok(Answer::Null) => Err("it is empty there".to_owned()),
            Ok(Answer::None) => Err("the question has no row".to_owned()),
            Ok(Answer::Long) => Err("the answer is too long".to_owned()),
            Err(failure) => Err(failure.to_string()),
        };
        match (told, name) {
            (Ok(text), "pms_id") => found.pms_id = Some(text),
            (Ok(text), "practice_name") => found.practice_name = Some(text),
            (Ok(text), _) => found.pms_version = Some(text),
            (Err(why), _) => found.untold.push((name, why)),
        }
    }
    Ok(found)
}

/// The name of the catalogue that is used when none is named.
pub(crate) fn default_catalogue(engine: &dyn Engine) -> Option<String> {
    let catalogues = engine.catalogues();
    let default = catalogues.iter().find(|c| c.is_default).or_else(|| catalogues.first());
    default.map(|c| c.name.clone())
}

struct Asker<'a> {
    engine: &'a dyn Engine,
    default: Option<String>,
    sessions: Vec<(String, Box<dyn Session>)>,
}

impl Asker<'_> {
    /// One question. The outer error ends the asking: the connection is not there, or was not in time.
    fn ask(&mut self, query: &Query) -> Result<Result<Answer, Failure>, Trouble> {
        let catalogue = query.catalogue.as_ref().or(self.default.as_ref());
        let Some(catalogue) = catalogue.cloned() else { return Ok(Err(Failure::Catalogue)) };
        let at = match self.sessions.iter().position(|(name, _)| *name == catalogue) {
            Some(at) => at,
            None => match self.engine.connect_own(&catalogue) {
                None => return Err(Trouble::NoLogin),
                Some(Err(Failure::Catalogue)) => return Ok(Err(Failure::Catalogue)),
                Some(Err(failure)) => return Err(Trouble::Unasked(failure)),
                Some(Ok(session)) => {
                    self.sessions.push((catalogue, session));
                    self.sessions.len() - 1
                }
            },
        };
        let command = Command {
            text: query.sql.as_str().into(),
            mode: ExecutionMode::Reader,
            kind: CommandType::Text,
            parameters: Vec::new(),
            catalogue: None,
        };
        let terms = Terms { lock_wait: Some(LOCK_WAIT), gives_way: true };
        let mut first = First::default();
        let session = &mut *self.sessions[at].1;
        match within(session, WITHIN, |session| session.run(&command, &terms, &mut first)) {
            Ok(_) => Ok(Ok(first.answer)),
            // Cancelled: it was slow. Such a session is not used again, and a server that slow is left alone.
            Err(failure @ (Failure::Cancelled | Failure::Lost)) => Err(Trouble::Unasked(failure)),
            Err(failure) => Ok(Err(failure)),
        }
    }
}

/// Runs `work` on a session and cancels it when it takes longer than `most`. The session is good for more only when the
/// work was not cancelled.
pub(crate) fn within<T>(
    session: &mut dyn Session,
    most: Duration,
    work: impl FnOnce(&mut dyn Session) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let canceller = session.canceller();
    let (done, over) = channel::<()>();
    let watch = move || {
        if over.recv_timeout(most) == Err(RecvTimeoutError::Timeout) {
            canceller.cancel();
        }
    };
    let Ok(watch) = std::thread::Builder::new().name("halo-deadline".to_owned()).spawn(watch) else {
        // Without somebody to end it nothing is begun.
        return Err(Failure::Cancelled);
    };
    let answer = work(session);
    drop(done);
    let _ = watch.join();
    answer
}

/// What could start a new line in a log or turn a terminal.
pub(crate) fn unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// An identifier whole, other texts cut; neither with what is [`unfit`].
fn fit(name: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty there".to_owned());
    }
    if name != "pms_id" {
        return Ok(text.chars().filter(|c| !unfit(*c)).take(TEXT_CHARS).collect());
    }
    if text.len() > ID_BYTES || text.chars().any(unfit) {
        return Err(format!("an identifier has at most {ID_BYTES} bytes and no control characters"));
    }
    Ok(text.to_owned())
}

/// The first column of the first row.
#[derive(Debug, Default, PartialEq, Eq)]
enum Answer {
    /// No row.
    #[default]
    None,
    Null,
    Text(String),
    /// More than anybody asked for.
    Long,
}

#[derive(Default)]
struct First {
    answer: Answer,
    /// A row that comes in parts is past its first column.
    past: bool,
}

impl First {
    fn value(&mut self, value: &Value<'_>) {
        self.answer = match value {
            Value::Null => Answer::Null,
            Value::Text(text) if text.len() > ANSWER_BYTES => Answer::Long,
            Value::Binary(bytes) if bytes.len() > ANSWER_BYTES => Answer::Long,
            value => {
                let mut text = String::new();
                json::text_of(value, &mut text);
                Answer::Text(text)
            }
        };
    }

    fn more(&mut self, piece: &str) {
        match &mut self.answer {
            Answer::Text(text) if text.len() + piece.len() <= ANSWER_BYTES => text.push_str(piece),
            Answer::None | Answer::Null if piece.len() <= ANSWER_BYTES => {
                self.answer = Answer::Text(piece.to_owned())
            }
            _ => self.answer = Answer::Long,
        }
    }

    fn wanted(&self) -> Wanted {
        if self.answer == Answer::None { Wanted::Rows } else { Wanted::NoMore }
    }
}

impl Sink for First {
    fn columns(&mut self, _: &[Column]) -> Result<Wanted, Stopped> {
        Ok(self.wanted())
    }

    fn row(&mut self, values: &[Value<'_>]) -> Result<Wanted, Stopped> {
        if self.answer == Answer::None {
            self.value(values.first().unwrap_or(&Value::Null));
        }
        Ok(Wanted::NoMore)
    }

    fn part(&mut self, part: Part<'_>) -> Result<Wanted, Stopped> {
        if !self.past {
            match part {
                Part::Value(value) => self.value(&value),
                Part::Text(text) => self.more(text),
                Part::Binary(_) => self.answer = Answer::Long,
                Part::EndOfValue | Part::EndOfRow => {}
            }
        }
        self.past |= matches!(part, Part::Value(_) | Part::EndOfValue | Part::EndOfRow);
        Ok(self.wanted())
    }
}

#[cfg(test)]
mod tests;
