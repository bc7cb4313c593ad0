//! A named pipe on this machine, for administrators, the system and the service's own account alone ([`machine::pipe`]).

use machine::pipe;
use std::{io, path::Path, time::Duration};
use tokio::{
    net::windows::named_pipe::{NamedPipeClient, NamedPipeServer},
    time::sleep,
};

/// `ERROR_PIPE_BUSY`: somebody else has just been let in, and the next place is not made yet.
const BUSY: i32 = 231;
/// So often is asked again …
const TRIES: u32 = 100;
/// … after this pause.
const PAUSE: Duration = Duration::from_millis(20);

fn name_of(data: &Path) -> String {
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let hash = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        data.to_string_lossy().to_lowercase().as_bytes(),
    );
    let hex: String = hash.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect();
    format!(r"\\.\pipe\halo-link-{hex}")
}

pub(super) type Stream = NamedPipeServer;

/// Who is at the other end, for the audit: `PRACTICE\manager`. A name may have to be asked for in the network.
pub(super) fn who(stream: &Stream) -> String {
    let ask = || pipe::client(stream).unwrap_or_else(|_| "unknown".to_owned());
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::MultiThread => tokio::task::block_in_place(ask),
        _ => ask(),
    }
}

pub(super) struct Listener {
    name: String,
    next: NamedPipeServer,
}

impl Listener {
    pub(super) fn bind(data: &Path) -> io::Result<Self> {
        let name = name_of(data);
        // The first place: nobody else may have made a pipe of this name to listen in.
        let next = pipe::serve(&name, true)?;
        Ok(Listener { name, next })
    }

    pub(super) async fn accept(&mut self) -> io::Result<Stream> {
        self.next.connect().await?;
        let next = pipe::serve(&self.name, false)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// Any program may make a pipe of any name: whoever is first has it. Windows tells the next one that access is denied.
pub(super) fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(BUSY)
}

pub(super) async fn connect(data: &Path) -> io::Result<NamedPipeClient> {
    let name = name_of(data);
    for _ in 0..TRIES {
        match pipe::connect(&name) {
            Err(error) if error.raw_os_error() == Some(BUSY) => sleep(PAUSE).await,
            opened => return opened,
        }
    }
    pipe::connect(&name)
}
