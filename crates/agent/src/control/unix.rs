//! A Unix socket beside the data, for its owner (and root) alone.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tokio::net::{UnixListener, UnixStream};

fn socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

pub(super) type Stream = UnixStream;

/// Who is at the other end, for the audit: `0:root`.
pub(super) fn who(stream: &Stream) -> String {
    match stream.peer_cred() {
        Ok(peer) => machine::who::user(peer.uid()),
        Err(_) => "unknown".to_owned(),
    }
}

pub(super) struct Listener(UnixListener);

impl Listener {
    pub(super) fn bind(data: &Path) -> io::Result<Self> {
        let path = socket(data);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Between bind and chmod the folder's own 0700 keeps others out.
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let listener = UnixListener::bind(&path).map_err(named)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Listener(listener))
    }

    pub(super) async fn accept(&mut self) -> io::Result<Stream> {
        Ok(self.0.accept().await?.0)
    }
}

/// The socket lies in the service's own folder, where nobody else takes its name: what fails there is the folder's fault.
pub(super) const fn is_taken(_: &io::Error) -> bool {
    false
}

pub(super) async fn connect(data: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket(data)).await
}
