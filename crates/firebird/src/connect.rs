//! Logging in: address, protocol, proof of the password, encryption, database.

use crate::{
    channel::{Channel, now},
    fault,
    kind::Setup,
    wire::{
        reply::{self, Opening, Response, Step},
        request::{self, Attach, WireCrypt},
        srp::{Challenge, Client, Plugin, Proved},
        status::Status,
    },
};
use database::{Failure, Login};
use std::{
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// Longest a login may take.
const LOGIN: Duration = Duration::from_secs(15);

/// A database that is open.
pub(crate) struct Attached {
    pub(crate) channel: Channel,
    /// The server's number for it.
    pub(crate) database: u32,
    /// Of the protocol, 13 to 16.
    pub(crate) version: u32,
}

/// Logs in to the database at `path`.
pub(crate) fn connect(setup: &Setup, login: &Login, path: &str) -> Result<Attached, Failure> {
    let deadline = now() + LOGIN;
    let socket = dial(&setup.host, setup.port, deadline)?;
    let mut channel = Channel::new(socket).map_err(|_| Failure::Lost)?;
    channel.until(Some(deadline));
    let user = fault::login_name(login.user.reveal());
    if user.len() > 250 {
        return Err(fault::login("the user name is too long"));
    }
    let mut secret = zeroize::Zeroizing::new([0u8; 16]);
    aws_lc_rs::rand::fill(secret.as_mut()).map_err(|_| Failure::Lost)?;
    let client = Client::new(&secret);
    let mut out = Vec::new();
    request::connect(&mut out, path, &user, &client.public(), setup.wire_crypt);
    channel.send(&mut out)?;
    let (version, conditional, plugin, challenge) = match channel.read(reply::opening)? {
        Opening::Accept { version, conditional, plugin, challenge, authenticated: false } => {
            (version, conditional, plugin, challenge)
        }
        // It knows us by something other than the password.
        Opening::Accept { .. } | Opening::OtherPlugin => {
            return Err(fault::login(
                "the server offers no login by Srp256 or Srp (Legacy_Auth is not taken)",
            ));
        }
        Opening::OtherVersion => {
            return Err(fault::login(
                "the server is older than Firebird 3.0, or speaks no protocol from 13 to 16",
            ));
        }
        Opening::Refused(status) => return Err(refused(&status)),
    };
    let prove = |plugin: Plugin, challenge: &Challenge| {
        client.prove(plugin, &user, login.password.reveal(), challenge).map_err(|_| Failure::Lost)
    };
    let lacks = || fault::login("the server offers no login by Srp256 or Srp (Legacy_Auth is not taken)");
    let mut proof = None;
    if conditional {
        let (step, proved) = converse(&mut channel, &client, plugin, challenge, None, &prove)?;
        step.ok_or_else(lacks)?;
        let proved = proved.ok_or_else(|| fault::login("the server did not ask for the password"))?;
        encrypt(&mut channel, &proved, setup.wire_crypt)?;
    } else {
        // A server that does not encrypt does the login together with the attach.
        if setup.wire_crypt == WireCrypt::Required {
            return Err(fault::login(
                "the server does not encrypt (WireCrypt = Disabled) and this site's settings require that it does",
            ));
        }
        let first = match &challenge {
            Some(challenge) => prove(plugin, challenge)?.proof,
            None => client.public(),
        };
        proof = Some((plugin, first));
    }
    out.clear();
    let attach = Attach {
        database: path,
        user: &user,
        charset: &setup.charset,
        role: setup.role.as_deref(),
        proof: proof.as_ref().map(|(plugin, proof)| (*plugin, proof.as_str())),
        version,
    };
    request::attach(&mut out, &attach);
    channel.send(&mut out)?;
    let attached = match proof {
        None => channel.read(reply::response)?,
        Some(_) => {
            let step = channel.read(reply::step)?;
            converse(&mut channel, &client, plugin, None, Some(step), &prove)?.0.ok_or_else(lacks)?
        }
    };
    if !attached.status.is_well() {
        return Err(refused(&attached.status));
    }
    channel.until(None);
    Ok(Attached { channel, database: attached.handle, version })
}

fn dial(host: &str, port: u16, deadline: Duration) -> Result<TcpStream, Failure> {
    // `localhost` may have two addresses of which the server listens on one.
    let addresses = (host, port).to_socket_addrs().map_err(|_| Failure::Lost)?;
    for address in addresses {
        let left = deadline.saturating_sub(now());
        if left.is_zero() {
            break;
        }
        if let Ok(socket) = TcpStream::connect_timeout(&address, left) {
            return Ok(socket);
        }
    }
    Err(Failure::Lost)
}

/// The steps of the login until the server is satisfied, and what was proved on the way; no response when the server wants
/// a plugin that this client does not have. `heard`: the server has said something already.
fn converse(
    channel: &mut Channel,
    client: &Client,
    mut plugin: Plugin,
    mut challenge: Option<Challenge>,
    mut heard: Option<Step>,
    prove: &impl Fn(Plugin, &Challenge) -> Result<Proved, Failure>,
) -> Result<(Option<Response>, Option<Proved>), Failure> {
    let mut proved: Option<Proved> = None;
    // The public number for another plugin, the proof, and some to spare.
    for _ in 0..5 {
        let step = match heard.take() {
            Some(step) => step,
            None => {
                let mut out = Vec::new();
                match challenge.take() {
                    Some(challenge) => {
                        let fresh = prove(plugin, &challenge)?;
                        request::continue_login(&mut out, &fresh.proof, plugin);
                        proved = Some(fresh);
                    }
                    None => request::continue_login(&mut out, &client.public(), plugin),
                }
                channel.send(&mut out)?;
                channel.read(reply::step)?
            }
        };
        match step {
            Step::Continue(next, data) => (plugin, challenge) = (next, data),
            Step::OtherPlugin => return Ok((None, None)),
            Step::Response(response) if !response.status.is_well() => return Err(refused(&response.status)),
            Step::Response(response) => return Ok((Some(response), proved)),
        }
    }
    Ok((None, None))
}

fn encrypt(channel: &mut Channel, proved: &Proved, crypt: WireCrypt) -> Result<(), Failure> {
    if crypt == WireCrypt::Disabled {
        return Ok(());
    }
    let mut out = Vec::new();
    request::crypt(&mut out);
    channel.send(&mut out)?;
    channel.encrypt(&proved.key);
    let response = channel.read(reply::response)?;
    if response.status.is_well() {
        return Ok(());
    }
    Err(fault::login("the server does not agree to encrypt with Arc4"))
}

fn refused(status: &Status) -> Failure {
    Failure::Sql(fault::refused(status))
}
