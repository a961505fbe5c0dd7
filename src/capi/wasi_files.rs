//! Which file system WASI programs see.

use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::sync::PoisonError;

use wayfarer_wasi::{BackEnd, ByPrefix, FileChoice, UnknownWord};

use super::ffi::{attempt, c_str, guard, slice, text};
use super::log::error;
use super::types::{InstantiationArgs2, wasm_module_t};

/// The file system of this name.
///
/// # Safety
/// `name` is NULL or a string.
unsafe fn named(name: *const c_char) -> Option<BackEnd> {
    if name.is_null() {
        return None;
    }
    // SAFETY: not NULL, so a string, as the caller promises.
    match unsafe { text(name) }.parse() {
        Ok(back_end) => Some(back_end),
        Err(unknown) => {
            error!("{unknown}");
            None
        }
    }
}

/// Says whose files WASI programs of a module see that are instantiated from now on: "linux", the host's; "portable", the
/// host's by what every system has; or "memory", files in memory, which travel in images. Directories are then read into memory when an instance is made (also out of a tar file, if a
/// file is given for one); what the program changes stays in memory, and the host's files are as they were. Standard streams,
/// sockets and clocks are the host's in any case.
///
/// Without a call, the variable WAYFARER_WASI decides; without that, files are Linux's. An image of a program whose files are in
/// memory is then restored with them; if others were asked for, the directories must have the same files, or it is refused.
///
/// False, and nothing has changed, if there is no file system of that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_set_wasi(module: wasm_module_t, name: *const c_char) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let (module, back_end) = unsafe { (module.as_ref(), named(name)) };
        let (Some(module), Some(back_end)) = (module, back_end) else { return false };
        module.wasi.lock().unwrap_or_else(PoisonError::into_inner).back_end = Some(back_end);
        true
    })
}

/// wayfarer_set_wasi for one instantiation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_instantiation_args_set_wasi(
    args: *mut InstantiationArgs2,
    name: *const c_char,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let (args, back_end) = unsafe { (args.as_mut(), named(name)) };
        let (Some(args), Some(back_end)) = (args, back_end) else { return false };
        args.wasi.back_end = Some(back_end);
        true
    })
}

/// What texts `WORD` or `WORD:PREFIX` of a host's say; nothing if there are none.
///
/// # Errors
/// The first that cannot be understood.
///
/// # Safety
/// `texts` is NULL, or has `count` strings.
pub(super) unsafe fn by_prefix<T>(
    texts: *const *const c_char,
    count: u32,
) -> Result<Option<ByPrefix<T>>, String>
where
    T: Copy + Default + FromStr<Err = UnknownWord>,
{
    if texts.is_null() {
        return Ok(None);
    }
    let mut all = ByPrefix::default();
    // SAFETY: not NULL, so there are as many, as the caller promises.
    for &given in unsafe { slice(texts, count as usize) } {
        // SAFETY: a string, as the caller promises.
        let given = unsafe { c_str(given) }.ok_or("a text is missing")?;
        let given = OsStr::from_bytes(given.to_bytes());
        all.add(given).map_err(|unknown| format!("{}: {unknown}", given.display()))?;
    }
    Ok(Some(all))
}

/// Says what restores of a module do about files that the program has open and that are not what they were, as `iwasm
/// --restore-files` takes it: `count` texts `CHOICE` or `CHOICE:PREFIX`. CHOICE is "same" (the restore is refused: so it is without a
/// call), "changed" (whatever is there is opened), "truncate" (one that has grown is cut off at the size that it had) or "replace"
/// (one that the image carries takes its place); that of the longest PREFIX of a path counts. For wayfarer_restore_from_path and its
/// kin, for the stores that are restored with this module, and in place of WAYFARER_RESTORE_FILES.
///
/// False, with the reason in `error_buf` (which may be NULL), and nothing has changed, if a text is none of these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_set_restore_files(
    module: wasm_module_t,
    choices: *const *const c_char,
    count: u32,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        attempt(error_buf, error_buf_size, || {
            let module = module.as_ref().ok_or("no module")?;
            let choices = by_prefix::<FileChoice>(choices, count)?;
            module.wasi.lock().unwrap_or_else(PoisonError::into_inner).restore_files = choices;
            Ok(())
        })
    }
}

/// wayfarer_set_restore_files for one instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_instantiation_args_set_restore_files(
    args: *mut InstantiationArgs2,
    choices: *const *const c_char,
    count: u32,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        attempt(error_buf, error_buf_size, || {
            let args = args.as_mut().ok_or("no arguments")?;
            args.wasi.restore_files = by_prefix::<FileChoice>(choices, count)?;
            Ok(())
        })
    }
}
