//! A server whose back end plays a script, for clients to be tried against.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of it; in a test a failure is a panic"
)]

pub(crate) mod demo;
pub(crate) mod mssql;
pub(crate) mod raw;
pub(crate) mod samples;
pub(crate) mod shown;
pub(crate) mod tsql;

use database::{Cancel, Login, Value};
use practice::events::{
    Argument, Broken, ColumnType, Ended, Enough, Events, Message, ResultColumn, Transacted,
};
use samples::{samples, ty};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tds::{Backend, Conversation, Options, Refused, Server};

/// Plays sessions; counts what happens to them.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) resets: Arc<AtomicUsize>,
    pub(crate) rows: Arc<AtomicUsize>,
    pub(crate) ended: Arc<AtomicUsize>,
}

/// Set until somebody takes it, as the practice's own.
#[derive(Default)]
pub(crate) struct Stopper {
    asked: Mutex<bool>,
    woken: Condvar,
}

impl Stopper {
    fn asked(&self) -> bool {
        *self.asked.lock().unwrap()
    }
    fn take(&self) -> bool {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
    fn wait(&self) {
        drop(self.woken.wait_while(self.asked.lock().unwrap(), |asked| !*asked).unwrap());
    }
}

impl Cancel for Stopper {
    fn cancel(&self) {
        *self.asked.lock().unwrap() = true;
        self.woken.notify_all();
    }
}

struct Played {
    database: &'static str,
    stopper: Arc<Stopper>,
    resets: Arc<AtomicUsize>,
    rows: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Drop for Played {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn message(number: i32, state: u8, class: u8, line: u32, procedure: &str, text: &str) -> Message {
    Message { number, state, class, line, procedure: procedure.to_owned(), text: text.to_owned() }
}

impl Backend for Script {
    fn log_in(&self, login: &Login, database: &str) -> Result<Box<dyn Conversation>, Refused> {
        if login.user.reveal() != "kim" || login.password.reveal() != "öpen sesame €1" {
            let text = format!("Login failed for user '{}'.", login.user.reveal());
            return Err(vec![message(18456, 1, 14, 1, "", &text)]);
        }
        let database = if database == "BPSDrugs" { "BPSDrugs" } else { "BPSPatients" };
        Ok(Box::new(Played {
            database,
            stopper: Arc::default(),
            resets: Arc::clone(&self.resets),
            rows: Arc::clone(&self.rows),
            ended: Arc::clone(&self.ended),
        }))
    }
}

fn column(name: &str, ty: ColumnType) -> ResultColumn {
    ResultColumn { name: name.to_owned(), ty }
}

impl Played {
    fn play(&mut self, text: &str, events: &mut dyn Events) -> Result<(), Enough> {
        let int = ty("int");
        let number = |events: &mut dyn Events, name: &str, value: i64| {
            events.columns(&[column(name, int)])?;
            events.row(&[Value::Int(value)])?;
            events.ended(Ended::Select, Some(1))
        };
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        match verb {
            "one" => number(events, "one", 1),
            "types" => {
                let samples = samples();
                let columns: Vec<_> = samples.iter().map(|s| column(s.name, s.ty)).collect();
                events.columns(&columns)?;
                events.row(&samples.iter().map(|s| s.low).collect::<Vec<_>>())?;
                events.row(&samples.iter().map(|s| s.high).collect::<Vec<_>>())?;
                events.row(&vec![Value::Null; samples.len()])?;
                events.ended(Ended::Select, Some(3))
            }
            "sets" => {
                number(events, "first", 1)?;
                events.columns(&[column("second", ty("nvarchar(20)"))])?;
                events.ended(Ended::Select, Some(0))?;
                events.ended(Ended::Update, Some(7))?;
                events.ended(Ended::Insert, None)?;
                events.message(&message(0, 1, 0, 3, "", "printed Grüße"))?;
                number(events, "third", 3)
            }
            "fail" => {
                number(events, "before", 1)?;
                events.message(&message(50_001, 7, 16, 42, "BP_Something", "Provider is away 03/02/2026"))?;
                events.ended(Ended::Other, None)?;
                number(events, "after", 2)
            }
            "exec" => {
                number(events, "inside", 1)?;
                events.status(-6)
            }
            "sleep" => {
                events.columns(&[column("never", int)])?;
                self.stopper.wait();
                Err(Enough)
            }
            "rows" => {
                let wanted: i64 = rest.parse().unwrap();
                events.columns(&[column("n", ty("bigint")), column("word", ty("nvarchar(40)"))])?;
                for n in 0..wanted {
                    if self.stopper.asked() {
                        return Err(Enough);
                    }
                    events.row(&[Value::Int(n), Value::Text("a row as many others are")])?;
                    self.rows.fetch_add(1, Ordering::SeqCst);
                }
                events.ended(Ended::Select, Some(wanted.unsigned_abs()))
            }
            "large" => {
                let (kind, length) = rest.split_once(' ').unwrap();
                let kind = ["nvarchar", "varchar", "varbinary"].into_iter().find(|k| *k == kind).unwrap();
                let bytes: Vec<u8> =
                    (0..length.parse::<usize>().unwrap()).map(|n| b'a' + (n % 23) as u8).collect();
                events.columns(&[column("large", ty(kind)), column("after", int)])?;
                let value = if kind == "varbinary" {
                    Value::Binary(&bytes)
                } else {
                    Value::Text(std::str::from_utf8(&bytes).unwrap())
                };
                events.row(&[value, Value::Int(9)])?;
                events.ended(Ended::Select, Some(1))
            }
            "use" => {
                self.database = "BPSDrugs";
                events.database(self.database)
            }
            "unfit" => {
                events.columns(&[column("n", int)])?;
                events.row(&[Value::Int(1)])?;
                events.row(&[Value::Int(i64::MAX)])?;
                events.ended(Ended::Select, Some(2))
            }
            "length" => number(events, "length", text.len() as i64),
            "panic" => panic!("as the script says"),
            "" => Ok(()),
            "BEGIN" | "COMMIT" | "ROLLBACK" | "SAVE" | "SET" => {
                // As much of transactions as the requests need: one at a time, savepoints have names.
                let what = match verb {
                    "COMMIT" => Some(Transacted::Committed),
                    "ROLLBACK" if rest == "TRANSACTION" => Some(Transacted::RolledBack),
                    _ if text.contains("BEGIN") => Some(Transacted::Begun),
                    _ => None,
                };
                if let Some(what) = what {
                    events.transacted(what);
                }
                events.ended(Ended::Other, None)
            }
            other => {
                events.message(&message(102, 1, 15, 1, "", &format!("Incorrect syntax near '{other}'.")))?;
                events.ended(Ended::Other, None)
            }
        }
    }

    /// One row of the values, each under its parameter's name; outputs get what was given.
    fn echo(arguments: &[Argument<'_>], from: usize, events: &mut dyn Events) -> Result<(), Enough> {
        let values = &arguments[from..];
        if !values.is_empty() {
            events.columns(&values.iter().map(|a| column(&a.name, a.ty)).collect::<Vec<_>>())?;
            events.row(&values.iter().map(|a| a.value.unwrap_or(Value::Null)).collect::<Vec<_>>())?;
            events.ended(Ended::Select, Some(1))?;
        }
        for (at, argument) in arguments.iter().enumerate().filter(|(_, a)| a.output) {
            events.output(at, argument.ty, argument.value.unwrap_or(Value::Null))?;
        }
        Ok(())
    }

    fn end(&self, done: Result<(), Enough>) -> Result<(), Broken> {
        let cancelled = self.stopper.take();
        if cancelled || done.is_err() { Err(Broken::Cancelled) } else { Ok(()) }
    }
}

impl Conversation for Played {
    fn batch(&mut self, text: &str, events: &mut dyn Events) -> Result<(), Broken> {
        let done = self.play(text.trim(), events);
        self.end(done)
    }

    fn call(
        &mut self,
        procedure: &str,
        arguments: &[Argument<'_>],
        events: &mut dyn Events,
    ) -> Result<(), Broken> {
        let done = match procedure {
            "sp_executesql" => match arguments[0].value {
                Some(Value::Text(text)) if text.starts_with("echo") => {
                    Self::echo(arguments, 2.min(arguments.len()), events)
                }
                Some(Value::Text(text)) => {
                    let text = text.to_owned();
                    self.play(&text, events)
                }
                _ => Ok(()),
            }
            .and_then(|()| events.status(0)),
            "BP_Echo" => Self::echo(arguments, 0, events).and_then(|()| events.status(77)),
            other => events.message(&message(
                2812,
                62,
                16,
                1,
                "",
                &format!("Could not find stored procedure '{other}'."),
            )),
        };
        self.end(done)
    }

    fn reset(&mut self) {
        self.database = "BPSPatients";
        self.resets.fetch_add(1, Ordering::SeqCst);
    }

    fn database(&self) -> &'static str {
        self.database
    }

    fn stopper(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.stopper) as Arc<dyn Cancel>
    }
}

pub(crate) const USER: &str = "kim";
pub(crate) const PASSWORD: &str = "öpen sesame €1";

/// Serves until dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) script: Arc<Script>,
    pub(crate) certificate: Option<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn serve(options: Options) -> Served {
    let script = Arc::new(Script::default());
    serve_backend(Arc::clone(&script) as Arc<dyn Backend>, script, options).await
}

pub(crate) async fn serve_backend(
    backend: Arc<dyn Backend>,
    script: Arc<Script>,
    options: Options,
) -> Served {
    let server = Server::bind("127.0.0.1:0", backend, options).await.unwrap();
    let address = server.address().unwrap();
    let certificate = server.certificate().map(str::to_owned);
    Served { address, script, certificate, task: tokio::spawn(server.serve(std::future::pending())) }
}
