//! A named pipe on this machine. Its default security lets only administrators, the system and its owner write to it.

use std::{io, path::Path, time::Duration};
use tokio::{
    net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions},
    time::sleep,
};

/// `ERROR_PIPE_BUSY`: somebody else has just been let in, and the next place is not made yet.
const BUSY: i32 = 231;
/// So often is asked again …
const TRIES: u32 = 100;
/// … after this pause.
const PAUSE: Duration = Duration::from_millis(20);

fn pipe(data: &Path) -> String {
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let hash = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        data.to_string_lossy().to_lowercase().as_bytes(),
    );
    let hex: String = hash.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect();
    format!(r"\\.\pipe\halo-link-{hex}")
}

pub(super) struct Listener {
    name: String,
    next: NamedPipeServer,
}

impl Listener {
    pub(super) fn bind(data: &Path) -> io::Result<Self> {
        let name = pipe(data);
        // The first instance: nobody else may have made a pipe of this name to listen in.
        let next =
            ServerOptions::new().first_pipe_instance(true).reject_remote_clients(true).create(&name)?;
        Ok(Listener { name, next })
    }

    pub(super) async fn accept(&mut self) -> io::Result<NamedPipeServer> {
        self.next.connect().await?;
        let next = ServerOptions::new().reject_remote_clients(true).create(&self.name)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

pub(super) async fn connect(data: &Path) -> io::Result<NamedPipeClient> {
    let name = pipe(data);
    for _ in 0..TRIES {
        match ClientOptions::new().open(&name) {
            Err(error) if error.raw_os_error() == Some(BUSY) => sleep(PAUSE).await,
            opened => return opened,
        }
    }
    ClientOptions::new().open(&name)
}
