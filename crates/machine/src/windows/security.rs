//! Who may do what: folders, registry keys, this process. Which rights those are is in `rights`.

use super::wide;
use crate::rights::{Me, Place, SERVICE};
use std::{
    io,
    os::windows::io::RawHandle,
    path::Path,
    ptr::{null, null_mut},
};
use windows_sys::Win32::{
    Foundation::{CloseHandle, ERROR_ACCESS_DENIED, ERROR_INVALID_OWNER, HANDLE, LUID, LocalFree},
    Security::{
        ACL, AdjustTokenPrivileges,
        Authorization::{
            ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo,
            SDDL_REVISION_1, SE_FILE_OBJECT, SE_OBJECT_TYPE, SE_REGISTRY_KEY, SetNamedSecurityInfoW,
        },
        CheckTokenMembership, CreateWellKnownSid, DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl,
        GetSecurityDescriptorOwner, GetTokenInformation, LUID_AND_ATTRIBUTES, LookupAccountSidW,
        LookupPrivilegeValueW, OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION,
        PSECURITY_DESCRIPTOR, PSID, RevertToSelf, SE_BACKUP_NAME, SE_PRIVILEGE_ENABLED, SE_RESTORE_NAME,
        SECURITY_MAX_SID_SIZE, SetKernelObjectSecurity, TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES,
        TOKEN_QUERY, TokenOwner, TokenUser, WinBuiltinAdministratorsSid,
    },
    System::{
        Pipes::ImpersonateNamedPipeClient,
        Threading::{GetCurrentProcess, GetCurrentThread, OpenProcessToken, OpenThreadToken},
    },
};

pub(crate) fn make_folder_private(path: &Path) -> io::Result<()> {
    set(&wide(path), SE_FILE_OBJECT, &Descriptor::of(&Place::Data.descriptor(&me()))?)
}

pub(crate) fn make_folder_administrators(path: &Path) -> io::Result<()> {
    set(&wide(path), SE_FILE_OBJECT, &Descriptor::of(&Place::Updates.descriptor(&me()))?)
}

/// Below `HKEY_LOCAL_MACHINE`: the service writes, everybody reads, administrators do as they like.
pub(crate) fn open_key_to_service(key: &str) -> io::Result<()> {
    let rights = format!("(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;BU)(A;CI;KRKW;;;{SERVICE})");
    set(&wide(format!(r"MACHINE\{key}")), SE_REGISTRY_KEY, &Descriptor::of(&format!("O:BAD:P{rights}"))?)
}

/// A security descriptor that was made of its text.
pub(crate) struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    pub(crate) fn of(text: &str) -> io::Result<Self> {
        let text = wide(text);
        let mut made: PSECURITY_DESCRIPTOR = null_mut();
        // SAFETY: the text ends with a zero.
        let good = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut made,
                null_mut(),
            )
        };
        if good == 0 { Err(io::Error::last_os_error()) } else { Ok(Descriptor(made)) }
    }

    /// Good for as long as this is.
    pub(crate) fn as_ptr(&self) -> PSECURITY_DESCRIPTOR {
        self.0
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: Windows made it for us alone, and it is freed once.
        unsafe { LocalFree(self.0) };
    }
}

/// Gives the named thing the descriptor's access list and, where this account may, its owner.
fn set(name: &[u16], kind: SE_OBJECT_TYPE, descriptor: &Descriptor) -> io::Result<()> {
    let (mut owner, mut list): (PSID, *mut ACL) = (null_mut(), null_mut());
    let (mut present, mut defaulted) = (0, 0);
    // SAFETY: owner and list point into the descriptor, which outlives their last use; the name ends with a zero.
    unsafe {
        if GetSecurityDescriptorDacl(descriptor.0, &mut present, &mut list, &mut defaulted) == 0
            || GetSecurityDescriptorOwner(descriptor.0, &mut owner, &mut defaulted) == 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    let rights = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    with_or_without_owner(|with| {
        let (what, owner) =
            if with { (rights | OWNER_SECURITY_INFORMATION, owner) } else { (rights, null_mut()) };
        // SAFETY: as above.
        unsafe {
            SetNamedSecurityInfoW(name.as_ptr().cast_mut(), kind, what, owner, null_mut(), list, null_mut())
        }
    })
}

/// The same for what is open: exactly this thing, whatever its name leads to by now, and nothing below it.
pub(crate) fn set_open(handle: RawHandle, descriptor: &Descriptor) -> io::Result<()> {
    with_or_without_owner(|with| {
        let owner = if with { OWNER_SECURITY_INFORMATION } else { 0 };
        // SAFETY: the handle is open, and the descriptor is valid.
        let good =
            unsafe { SetKernelObjectSecurity(handle, owner | DACL_SECURITY_INFORMATION, descriptor.0) };
        if good == 0 { io::Error::last_os_error().raw_os_error().unwrap_or(1).cast_unsigned() } else { 0 }
    })
}

/// The service itself may not give things away; the installer, which may, has done so before it.
fn with_or_without_owner(set: impl Fn(bool) -> u32) -> io::Result<()> {
    let mut said = set(true);
    if matches!(said, ERROR_ACCESS_DENIED | ERROR_INVALID_OWNER | PRIVILEGE_NOT_HELD) {
        said = set(false);
    }
    if said == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(said.cast_signed())) }
}

/// `ERROR_PRIVILEGE_NOT_HELD`.
const PRIVILEGE_NOT_HELD: u32 = 1314;

/// Who owns a thing.
pub(crate) struct Owner {
    pub(crate) sid: String,
    /// As people know it; the SID where Windows has no name.
    pub(crate) name: String,
}

/// Who owns what is open.
pub(crate) fn owner(handle: RawHandle, kind: SE_OBJECT_TYPE) -> io::Result<Owner> {
    let mut owner: PSID = null_mut();
    let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
    // SAFETY: the handle is open; the owner points into the descriptor, which is freed after its last use.
    unsafe {
        let (none, all) = (null_mut(), &mut descriptor);
        let said = GetSecurityInfo(
            handle,
            kind,
            OWNER_SECURITY_INFORMATION,
            &mut owner,
            none,
            null_mut(),
            null_mut(),
            all,
        );
        if said != 0 {
            return Err(io::Error::from_raw_os_error(said.cast_signed()));
        }
        // A disk without owners has none: nobody is trusted then.
        let sid = if owner.is_null() { None } else { sid_text(owner) };
        let name = sid.as_ref().and_then(|_| account(owner));
        LocalFree(descriptor);
        let sid = sid.unwrap_or_default();
        let name = name.unwrap_or_else(|| if sid.is_empty() { "nobody".to_owned() } else { sid.clone() });
        Ok(Owner { sid, name })
    }
}

/// # Safety
/// `sid` is valid.
unsafe fn account(sid: PSID) -> Option<String> {
    let (mut name, mut domain) = ([0_u16; 257], [0_u16; 257]);
    let (mut name_length, mut domain_length, mut kind) = (257, 257, 0);
    // SAFETY: as the caller promises; the buffers are as long as is said.
    let good = unsafe {
        LookupAccountSidW(
            null(),
            sid,
            name.as_mut_ptr(),
            &mut name_length,
            domain.as_mut_ptr(),
            &mut domain_length,
            &mut kind,
        )
    };
    let text =
        |letters: &[u16]| String::from_utf16_lossy(letters.split(|unit| *unit == 0).next().unwrap_or(&[]));
    (good != 0).then(|| format!(r"{}\{}", text(&domain), text(&name)))
}

/// # Safety
/// `sid` is valid.
unsafe fn sid_text(sid: PSID) -> Option<String> {
    let mut text = null_mut();
    // SAFETY: as the caller promises; the text is Windows' own, ends with a zero and is freed after it is copied.
    unsafe {
        if ConvertSidToStringSidW(sid, &mut text) == 0 {
            return None;
        }
        let length = (0..).take_while(|&at| *text.add(at) != 0).count();
        let copy = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Some(copy)
    }
}

/// The account that runs this process, as it is called; its number where it has no name.
pub(crate) fn my_name() -> Option<String> {
    with_token(TOKEN_QUERY, |token| {
        // Larger than any such answer, and aligned for one.
        let mut about = [0_u64; 32];
        let length = size_of_val(&about) as u32;
        // SAFETY: the buffer is as long as is said, and the answer begins with a pointer to a SID in it.
        unsafe {
            if GetTokenInformation(token, TokenUser, about.as_mut_ptr().cast(), length, &mut 0) == 0 {
                return None;
            }
            let sid = *about.as_ptr().cast::<PSID>();
            account(sid).or_else(|| sid_text(sid))
        }
    })
    .flatten()
}

/// The account that runs this process.
pub(crate) fn me() -> Me {
    let sid = |token, kind| {
        // Larger than any such answer, and aligned for one.
        let mut about = [0_u64; 32];
        let length = size_of_val(&about) as u32;
        // SAFETY: the buffer is as long as is said, and both kinds of answer begin with a pointer to a SID in it.
        unsafe {
            let good = GetTokenInformation(token, kind, about.as_mut_ptr().cast(), length, &mut 0);
            if good == 0 { None } else { sid_text(*about.as_ptr().cast::<PSID>()) }
        }
    };
    with_token(TOKEN_QUERY, |token| Me { user: sid(token, TokenUser), owner: sid(token, TokenOwner) })
        .unwrap_or_default()
}

/// The account at the other end of a named pipe.
pub(crate) fn client(pipe: RawHandle) -> io::Result<String> {
    let mut token: HANDLE = null_mut();
    // SAFETY: the handle is a pipe's that is open. This thread is itself again before anything else runs on it; a thread that
    // stayed somebody else would be a door, so the process ends where it can't go back. The token is closed once.
    unsafe {
        if ImpersonateNamedPipeClient(pipe) == 0 {
            return Err(io::Error::last_os_error());
        }
        // As the process itself: the client's token may be one that only tells who it is.
        let opened = OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, 1, &mut token);
        let why = io::Error::last_os_error();
        if RevertToSelf() == 0 {
            std::process::abort();
        }
        if opened == 0 {
            return Err(why);
        }
        // Larger than any such answer, and aligned for one.
        let mut about = [0_u64; 32];
        let length = size_of_val(&about) as u32;
        let good = GetTokenInformation(token, TokenUser, about.as_mut_ptr().cast(), length, &mut 0);
        let why = io::Error::last_os_error();
        CloseHandle(token);
        if good == 0 {
            return Err(why);
        }
        let sid = *about.as_ptr().cast::<PSID>();
        account(sid).or_else(|| sid_text(sid)).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Lets an administrator's process look at, and set the rights of, what somebody has closed to administrators. Others have no such right,
/// and are told so where they try.
pub(crate) fn open_everything() {
    for name in [SE_BACKUP_NAME, SE_RESTORE_NAME] {
        with_token(TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, |token| {
            let mut luid = LUID::default();
            // SAFETY: the name is Windows' own; the structure lives until the call returns.
            unsafe {
                if LookupPrivilegeValueW(null(), name, &mut luid) != 0 {
                    let on = LUID_AND_ATTRIBUTES { Luid: luid, Attributes: SE_PRIVILEGE_ENABLED };
                    let on = TOKEN_PRIVILEGES { PrivilegeCount: 1, Privileges: [on] };
                    AdjustTokenPrivileges(token, 0, &on, 0, null_mut(), null_mut());
                }
            }
        });
    }
}

fn with_token<T>(access: u32, act: impl FnOnce(HANDLE) -> T) -> Option<T> {
    let mut token = null_mut();
    // SAFETY: the token is closed once, after its last use.
    unsafe {
        if OpenProcessToken(GetCurrentProcess(), access, &mut token) == 0 {
            return None;
        }
        let done = act(token);
        CloseHandle(token);
        Some(done)
    }
}

pub(crate) fn is_administrator() -> bool {
    let mut sid = [0_u8; SECURITY_MAX_SID_SIZE as usize];
    let mut length = SECURITY_MAX_SID_SIZE;
    let mut member = 0;
    // SAFETY: the buffer is as long as is said. No token means this thread's own.
    let asked = unsafe {
        CreateWellKnownSid(WinBuiltinAdministratorsSid, null_mut(), sid.as_mut_ptr().cast(), &mut length) != 0
            && CheckTokenMembership(
                null::<core::ffi::c_void>().cast_mut(),
                sid.as_mut_ptr().cast(),
                &mut member,
            ) != 0
    };
    asked && member != 0
}
