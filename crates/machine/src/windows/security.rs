//! Who may do what: folders, registry keys, this process.

use super::wide;
use std::{
    io,
    path::Path,
    ptr::{null, null_mut},
};
use windows_sys::Win32::{
    Foundation::{CloseHandle, ERROR_ACCESS_DENIED, ERROR_INVALID_OWNER, LocalFree},
    Security::{
        ACL,
        Authorization::{
            ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
            SE_FILE_OBJECT, SE_OBJECT_TYPE, SE_REGISTRY_KEY, SetNamedSecurityInfoW,
        },
        CheckTokenMembership, CreateWellKnownSid, DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl,
        GetSecurityDescriptorOwner, GetTokenInformation, OWNER_SECURITY_INFORMATION,
        PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, SECURITY_MAX_SID_SIZE, TOKEN_QUERY,
        TOKEN_USER, TokenUser, WinBuiltinAdministratorsSid,
    },
    System::Threading::{GetCurrentProcess, OpenProcessToken},
};

/// `NT SERVICE\Halo Link Service`: S-1-5-80 and the SHA-1 of the upper-case name in UTF-16, as Windows makes it for every service.
const SERVICE_SID: &str = "S-1-5-80-2903075261-2504951429-3854668623-361545209-371081936";

pub(crate) fn make_folder_private(path: &Path) -> io::Result<()> {
    let whole = "OICI;FA";
    // Who runs this as an account of another kind must not lock itself out.
    let me = match user_sid() {
        Some(me) if me != "S-1-5-18" && me != SERVICE_SID => format!("(A;{whole};;;{me})"),
        _ => String::new(),
    };
    let rights = format!("(A;{whole};;;SY)(A;{whole};;;BA)(A;{whole};;;{SERVICE_SID}){me}");
    set(&wide(path), SE_FILE_OBJECT, &format!("O:BAD:P{rights}"))
}

/// Below `HKEY_LOCAL_MACHINE`: the service writes, everybody reads, administrators do as they like.
pub(crate) fn open_key_to_service(key: &str) -> io::Result<()> {
    let rights = format!("(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;BU)(A;CI;KRKW;;;{SERVICE_SID})");
    set(&wide(format!(r"MACHINE\{key}")), SE_REGISTRY_KEY, &format!("O:BAD:P{rights}"))
}

/// Gives the named thing the descriptor's access list and, where this account may, its owner.
fn set(name: &[u16], kind: SE_OBJECT_TYPE, descriptor: &str) -> io::Result<()> {
    let text = wide(descriptor);
    let mut made: PSECURITY_DESCRIPTOR = null_mut();
    let (mut owner, mut list): (PSID, *mut ACL) = (null_mut(), null_mut());
    let (mut present, mut defaulted) = (0, 0);
    // SAFETY: the texts end with a zero; owner and list point into the descriptor, which is freed after their last use.
    unsafe {
        if ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &mut made,
            null_mut(),
        ) == 0
        {
            return Err(io::Error::last_os_error());
        }
        let read = GetSecurityDescriptorDacl(made, &mut present, &mut list, &mut defaulted) != 0
            && GetSecurityDescriptorOwner(made, &mut owner, &mut defaulted) != 0;
        let outcome = if read { apply(name, kind, owner, list) } else { Err(io::Error::last_os_error()) };
        LocalFree(made);
        outcome
    }
}

/// # Safety
/// `name` ends with a zero; `owner` and `list` are valid.
unsafe fn apply(name: &[u16], kind: SE_OBJECT_TYPE, owner: PSID, list: *mut ACL) -> io::Result<()> {
    let rights = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    let set = |what, owner| {
        // SAFETY: as the caller promises.
        unsafe {
            SetNamedSecurityInfoW(name.as_ptr().cast_mut(), kind, what, owner, null_mut(), list, null_mut())
        }
    };
    let mut said = set(rights | OWNER_SECURITY_INFORMATION, owner);
    // The service itself may not give things away; the installer, which may, has done so before it.
    if matches!(said, ERROR_ACCESS_DENIED | ERROR_INVALID_OWNER)
        || i32::try_from(said) == Ok(PRIVILEGE_NOT_HELD)
    {
        said = set(rights, null_mut());
    }
    if said == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(said.cast_signed())) }
}

/// `ERROR_PRIVILEGE_NOT_HELD`.
const PRIVILEGE_NOT_HELD: i32 = 1314;

/// The account that runs this process.
fn user_sid() -> Option<String> {
    // Larger than any TOKEN_USER, and aligned for one.
    let mut about = [0_u64; 32];
    let mut token = null_mut();
    // SAFETY: the buffer is as long as is said; the text is Windows' own, ends with a zero and is freed after it is copied.
    unsafe {
        if OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) == 0 {
            return None;
        }
        let mut used = 0;
        let length = size_of_val(&about) as u32;
        let good = GetTokenInformation(token, TokenUser, about.as_mut_ptr().cast(), length, &mut used);
        CloseHandle(token);
        if good == 0 {
            return None;
        }
        let sid = (*about.as_ptr().cast::<TOKEN_USER>()).User.Sid;
        let mut text = null_mut();
        if ConvertSidToStringSidW(sid, &mut text) == 0 {
            return None;
        }
        let length = (0..).take_while(|&at| *text.add(at) != 0).count();
        let copy = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Some(copy)
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
