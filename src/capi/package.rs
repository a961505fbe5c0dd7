//! What kind of file a buffer holds.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use super::ffi::{enum_value, slice};
use super::types::package_type_t;
use package_type_t::{Package_Type_Unknown, Wasm_Module_AoT, Wasm_Module_Bytecode};

/// Version of the WebAssembly binary format.
pub(crate) const WASM_VERSION: u32 = 1;

/// Version of `.aot` files: what files that can be loaded have in bytes 4 to 7. Hosts compare the two.
pub(crate) const AOT_VERSION: u32 = wayfarer_aot::VERSION;

/// `e_type` of position-independent code that needs no relocation ("execution in place"), in an `.aot` file.
const E_TYPE_XIP: u16 = 4;

/// Kind of file, by its first bytes.
pub(crate) fn package_type(bytes: &[u8]) -> package_type_t {
    match bytes.first_chunk() {
        Some(b"\0asm") => Wasm_Module_Bytecode,
        Some(b"\0aot") => Wasm_Module_AoT,
        _ => Package_Type_Unknown,
    }
}

/// Kind of file in a buffer, by its first four bytes.
///
/// # Safety
/// `buf` is NULL or has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn get_package_type(buf: *const u8, size: u32) -> package_type_t {
    // SAFETY: as the caller promises.
    package_type(unsafe { slice(buf, size as usize) })
}

/// Kind of file in a buffer, by its first four bytes.
///
/// # Safety
/// `buf` is NULL or has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_file_package_type(buf: *const u8, size: u32) -> package_type_t {
    // SAFETY: as the caller promises.
    package_type(unsafe { slice(buf, size as usize) })
}

/// Version in bytes 4 to 7 of a file, or 0 if it is shorter than that. The magic number is not looked at.
///
/// # Safety
/// `buf` is NULL or has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_file_package_version(buf: *const u8, size: u32) -> u32 {
    // SAFETY: as the caller promises.
    let bytes = unsafe { slice(buf, size as usize) };
    bytes.get(4..8).and_then(|v| v.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Version of a kind of file that is current: 1 for WebAssembly, 0 for what is unknown. That of AOT files is not WAMR's,
/// whose files hold WAMR's own structure offsets and are refused.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_get_current_package_version(package_type: MaybeUninit<package_type_t>) -> u32 {
    const WASM: u32 = Wasm_Module_Bytecode as u32;
    const AOT: u32 = Wasm_Module_AoT as u32;
    match enum_value(package_type) {
        WASM => WASM_VERSION,
        AOT => AOT_VERSION,
        _ => 0,
    }
}

/// Whether a file is an AOT file whose code runs where it lies, without relocation: some of WAMR's are, none of ours.
///
/// # Safety
/// `buf` is NULL or has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_is_xip_file(buf: *const u8, size: u32) -> bool {
    // SAFETY: as the caller promises.
    is_xip(unsafe { slice(buf, size as usize) })
}

/// The target-info section comes first: magic, version, section id (0), size, then `{bin_type: u16, abi_type: u16,
/// e_type: u16, ..}`, all little-endian.
fn is_xip(bytes: &[u8]) -> bool {
    const SECTION_ID: usize = 8;
    const E_TYPE: usize = 16 + 4;
    package_type(bytes) == Wasm_Module_AoT
        && bytes.get(SECTION_ID..SECTION_ID + 4) == Some(&[0; 4])
        && bytes.get(E_TYPE..E_TYPE + 2) == Some(&E_TYPE_XIP.to_le_bytes())
}

const _: () = assert!(size_of::<c_int>() == size_of::<package_type_t>());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_the_magic() {
        assert_eq!(package_type(b"\0asm\x01\0\0\0"), Wasm_Module_Bytecode);
        assert_eq!(package_type(b"\0aot"), Wasm_Module_AoT);
        assert_eq!(package_type(b"\0as"), Package_Type_Unknown);
        assert_eq!(package_type(b"\x7fELF"), Package_Type_Unknown);
        // SAFETY: NULL is allowed.
        unsafe {
            assert_eq!(get_package_type(std::ptr::null(), 8), Package_Type_Unknown);
            assert_eq!(wasm_runtime_get_file_package_type(b"\0asm".as_ptr(), 4), Wasm_Module_Bytecode);
        }
    }

    #[test]
    fn versions() {
        let file = [0, 1, 2, 3, 2, 1, 0, 0];
        // SAFETY: at most all of the array.
        unsafe {
            assert_eq!(wasm_runtime_get_file_package_version(file.as_ptr(), 8), 0x102);
            assert_eq!(wasm_runtime_get_file_package_version(file.as_ptr(), 7), 0);
        }
        assert_eq!(wasm_runtime_get_current_package_version(MaybeUninit::new(Wasm_Module_Bytecode)), 1);
        assert_eq!(
            wasm_runtime_get_current_package_version(MaybeUninit::new(Wasm_Module_AoT)),
            u32::from_le_bytes([1, 0, b'F', b'W'])
        );
        assert_eq!(wasm_runtime_get_current_package_version(MaybeUninit::new(Package_Type_Unknown)), 0);
    }

    #[test]
    fn execution_in_place() {
        let mut file = *b"\0aot\x06\0\0\0\0\0\0\0\x40\0\0\0\x02\0\0\0\x04\0\0\0";
        assert!(is_xip(&file));
        file[20] = 1;
        assert!(!is_xip(&file));
        file[20] = 4;
        file[3] = b'x';
        assert!(!is_xip(&file));
    }
}
