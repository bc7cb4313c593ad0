//! The control pipe's two ends.

use super::security::{self, Descriptor};
use crate::rights;
use std::{ffi::c_void, io, os::windows::io::AsRawHandle};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use windows_sys::Win32::Security::{Authorization::SE_KERNEL_OBJECT, SECURITY_ATTRIBUTES};

/// A place at the pipe. `first`: nobody else may have made a pipe of this name.
///
/// # Errors
/// Windows' own; access is denied when the name is taken.
pub fn serve(name: &str, first: bool) -> io::Result<NamedPipeServer> {
    let descriptor = Descriptor::of(&rights::pipe(&security::me()))?;
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.as_ptr(),
        bInheritHandle: 0,
    };
    let mut options = ServerOptions::new();
    options.first_pipe_instance(first).reject_remote_clients(true);
    let attributes: *mut c_void = (&raw mut attributes).cast();
    // SAFETY: the attributes and the descriptor that they point to live until the call returns.
    unsafe { options.create_with_security_attributes_raw(name, attributes) }
}

/// The account that holds the other end of a pipe, as people know it. Something must have been read from it before.
///
/// # Errors
/// Windows' own.
pub fn client(pipe: &NamedPipeServer) -> io::Result<String> {
    security::client(pipe.as_raw_handle())
}

/// Opens it, and looks who holds it before anything is said.
///
/// # Errors
/// Windows' own; `AddrInUse`, naming the account, when somebody else holds it.
pub fn connect(name: &str) -> io::Result<NamedPipeClient> {
    let pipe = ClientOptions::new().open(name)?;
    let owner = security::owner(pipe.as_raw_handle(), SE_KERNEL_OBJECT)?;
    if rights::is_services(&owner.sid, &security::me()) {
        return Ok(pipe);
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, owner.name))
}
