//! PRELOGIN, TLS as it was agreed, LOGIN7.

use super::{Shared, Tls, sheath::Sheath};
use crate::{
    answer::tokens::PROGRAM_VERSION,
    wire::{
        Assembler, Message, Wrong,
        login::{self, Login7},
        packet::{HEADER, kind},
        prelogin::{self, Encryption},
    },
};
use std::io;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

/// A client's stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Who stands at the door, with its LOGIN7 or with what is wrong with it.
pub(super) struct Guest {
    pub(super) stream: Box<dyn Stream>,
    pub(super) login: Result<Login7, Wrong>,
}

/// What is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    Login,
    All,
    Refuse,
}

fn agree(ours: Tls, theirs: Encryption) -> (Encryption, Plan) {
    match (ours, theirs) {
        (Tls::Never, Encryption::Off | Encryption::NotSupported) => (Encryption::NotSupported, Plan::Nothing),
        (Tls::Never, _) => (Encryption::NotSupported, Plan::Refuse),
        (Tls::Offered, Encryption::Off) => (Encryption::Off, Plan::Login),
        (Tls::Offered, Encryption::NotSupported) => (Encryption::NotSupported, Plan::Nothing),
        (Tls::Offered, _) => (Encryption::On, Plan::All),
        (Tls::Required, Encryption::NotSupported) => (Encryption::Required, Plan::Refuse),
        (Tls::Required, _) => (Encryption::Required, Plan::All),
    }
}

/// Up to and with LOGIN7. An error is a client that left, or one with whom nothing can be agreed.
pub(super) async fn greet(stream: TcpStream, shared: &Shared) -> io::Result<Guest> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // A TLS handshake: TDS 8.
    if first[0] == 0x16 {
        let outside = &shared.tls.as_ref().ok_or(io::ErrorKind::InvalidData)?.outside;
        let mut stream = TlsAcceptor::from(outside.clone()).accept(stream).await?;
        let hello = message(&mut stream, shared).await?;
        if hello.kind != kind::PRELOGIN {
            return Err(io::ErrorKind::InvalidData.into());
        }
        answer(&mut stream, Encryption::On).await?;
        let login = login_of(&mut stream, shared).await?;
        return Ok(Guest { stream: Box::new(stream), login });
    }
    let mut stream = stream;
    let hello = message(&mut stream, shared).await?;
    if hello.kind == kind::LOGIN && shared.options.tls != Tls::Required {
        // The oldest clients come without PRELOGIN.
        return Ok(Guest { stream: Box::new(stream), login: login::parse(&hello.bytes) });
    }
    if hello.kind != kind::PRELOGIN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let theirs = prelogin::parse(&hello.bytes).map_err(io::Error::other)?;
    let (ours, plan) = agree(shared.options.tls, theirs);
    answer(&mut stream, ours).await?;
    let inside = match plan {
        Plan::Refuse => return Err(io::ErrorKind::ConnectionRefused.into()),
        Plan::Nothing => {
            let login = login_of(&mut stream, shared).await?;
            return Ok(Guest { stream: Box::new(stream), login });
        }
        Plan::Login | Plan::All => shared.tls.as_ref().map(|tls| tls.inside.clone()),
    };
    let inside = inside.ok_or(io::ErrorKind::InvalidData)?;
    let mut stream = TlsAcceptor::from(inside).accept(Sheath::new(stream)).await?;
    stream.get_mut().0.strip();
    let login = login_of(&mut stream, shared).await?;
    let stream: Box<dyn Stream> = match plan {
        Plan::Login => Box::new(stream.into_inner().0.into_inner()),
        _ => Box::new(stream),
    };
    Ok(Guest { stream, login })
}

async fn login_of<S: Stream>(stream: &mut S, shared: &Shared) -> io::Result<Result<Login7, Wrong>> {
    let message = message(stream, shared).await?;
    if message.kind != kind::LOGIN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(login::parse(&message.bytes))
}

/// One message, byte by byte if need be, and not one byte more: what follows may be of another layer.
async fn message<S: Stream>(stream: &mut S, shared: &Shared) -> io::Result<Message> {
    let mut assembler = Assembler::new(shared.options.limits, &shared.budget);
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer[..assembler.wanted().min(4096)]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(message) = assembler.take(&mut &buffer[..count]).map_err(io::Error::other)? {
            return Ok(message);
        }
    }
}

async fn answer<S: Stream>(stream: &mut S, encryption: Encryption) -> io::Result<()> {
    let [major, minor, high, low] = PROGRAM_VERSION;
    let content = prelogin::answer([major, minor, high, low, 0, 0], encryption);
    // A few dozen bytes.
    let [high, low] = ((content.len() + HEADER) as u16).to_be_bytes();
    let mut packet = vec![kind::ANSWER, 1, high, low, 0, 0, 1, 0];
    packet.extend_from_slice(&content);
    stream.write_all(&packet).await?;
    stream.flush().await
}
