//! A session's thread: the login, then one request after the other. Everything in it may block.

use super::{
    Shared,
    run::{Kept, Next, run, tell_wrong},
    teller::{Teller, changed_database},
    turn::Turn,
};
use crate::{
    answer::{
        packets::Packets,
        tokens::{Change, Done, DoneKind, packet_size, put_change, put_done, put_login_ack, put_message},
    },
    backend::{Conversation, Refused},
    wire::{Message as Packed, Version, Wrong, login::Login7},
};
use database::{Cancel, Login};
use practice::events::Message;
use std::{io, sync::Arc, thread};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// What the thread is given to do.
pub(super) enum Job {
    /// Run a request.
    Request(Packed),
    /// Acknowledge an ATTENTION that met nothing.
    Acknowledge,
    /// Say what is wrong, and end.
    Wrong(Wrong),
}

/// The other ends of a session.
pub(super) struct Session {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) pieces: mpsc::Receiver<Vec<u8>>,
    pub(super) turn: Arc<Turn>,
    /// Comes when the login was good.
    pub(super) stopper: oneshot::Receiver<Arc<dyn Cancel>>,
}

/// Whom answers go to.
pub(super) struct Client<'a> {
    pub(super) packets: &'a mut Packets,
    pub(super) turn: &'a Turn,
    pub(super) version: Version,
}

/// Pieces of an answer on their way to the socket: half a megabyte.
const PIECES: usize = 8;
/// The engine's parsers and planners want more than a thread's usual two megabytes.
const STACK: usize = 8 * 1024 * 1024;

/// Starts the thread. It ends by itself when nobody gives it jobs or takes its pieces; `place` is free again then.
pub(super) fn start(
    shared: Arc<Shared>,
    login: Result<Login7, Wrong>,
    place: OwnedSemaphorePermit,
) -> io::Result<Session> {
    let (jobs, given) = mpsc::channel(4);
    let (writer, pieces) = mpsc::channel(PIECES);
    let (told, stopper) = oneshot::channel();
    let turn = Arc::new(Turn::default());
    let own = Arc::clone(&turn);
    thread::Builder::new().name("tds session".to_owned()).stack_size(STACK).spawn(move || {
        let version = login.as_ref().map_or(Version::V74, |l| l.version);
        let mut packets = Packets::new(writer, 4096);
        let admitted = login
            .map_err(|wrong| refused(18_456, &format!("Login failed: {wrong}.")))
            .and_then(|login| Ok((admit(&shared, &login)?, login)));
        match admitted {
            Ok((conversation, login)) => {
                welcome(&login, conversation.database(), &mut packets);
                if told.send(conversation.stopper()).is_ok() {
                    serve(conversation, given, &mut packets, &own, version);
                }
            }
            Err(messages) => {
                for message in &messages {
                    put_message(message, version, &mut packets);
                }
                let done = Done { error: true, ..Done::plain(DoneKind::Batch) };
                put_done(&done, false, version, &mut packets);
                packets.finish();
            }
        }
        drop(place);
    })?;
    Ok(Session { jobs, pieces, turn, stopper })
}

fn refused(number: i32, text: &str) -> Refused {
    vec![Message { number, state: 1, class: 14, line: 1, procedure: String::new(), text: text.to_owned() }]
}

fn admit(shared: &Shared, login: &Login7) -> Result<Box<dyn Conversation>, Refused> {
    if login.integrated {
        return Err(refused(
            18_452,
            "Login failed. The demo practice knows SQL Server authentication only: give a user and a password.",
        ));
    }
    if login.change_password {
        return Err(refused(18_456, "Login failed: passwords can't be changed here."));
    }
    let who = Login { user: login.user.clone(), password: login.password.clone() };
    let admitted = shared.backend.log_in(&who, &login.database);
    tracing::info!(program = login.program, good = admitted.is_ok(), "login");
    admitted
}

/// LOGINACK and what the client must know from the start.
fn welcome(login: &Login7, database: &str, packets: &mut Packets) {
    let version = login.version;
    let size = packet_size(login.packet_size);
    put_change(&Change::Database { new: database, old: "master" }, packets);
    put_message(&changed_database(database), version, packets);
    put_change(&Change::Collation, packets);
    put_change(&Change::Language, packets);
    let language = Message {
        number: 5703,
        state: 1,
        text: "Changed language setting to us_english.".to_owned(),
        ..changed_database("")
    };
    put_message(&language, version, packets);
    put_login_ack(version, packets);
    put_change(&Change::PacketSize { new: size, old: 4096 }, packets);
    put_done(&Done::plain(DoneKind::Batch), false, version, packets);
    packets.finish();
    packets.set_size(size);
}

fn serve(
    mut conversation: Box<dyn Conversation>,
    mut given: mpsc::Receiver<Job>,
    packets: &mut Packets,
    turn: &Turn,
    version: Version,
) {
    let mut kept = Kept::default();
    while let Some(job) = given.blocking_recv() {
        match job {
            Job::Request(message) => {
                let mut client = Client { packets, turn, version };
                if run(&mut client, &mut *conversation, &mut kept, &message) == Next::Close {
                    return;
                }
            }
            Job::Acknowledge => {
                Teller::new(packets, turn, version, conversation.database(), kept.transaction).finish(true);
            }
            Job::Wrong(wrong) => {
                let database = conversation.database();
                let mut teller = Teller::new(packets, turn, version, database, kept.transaction);
                tell_wrong(&wrong, &mut teller);
                teller.finish(false);
                return;
            }
        }
        if packets.is_gone() {
            return;
        }
    }
}
