//! Files that modules are loaded from, whole or in sections: which kind one is, by its first bytes.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use wayfarer_platform::ffi::{CEnum, enum_value, slice};

use package_type_t::{Package_Type_Unknown, Wasm_Module_AoT, Wasm_Module_Bytecode};

/// What kind of file a buffer holds.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum package_type_t {
    /// WebAssembly binary format.
    Wasm_Module_Bytecode = 0,
    /// Compiled ahead of time.
    Wasm_Module_AoT = 1,
    /// Neither.
    Package_Type_Unknown = 0xFFFF,
}

// SAFETY: a fieldless `repr(C)` enum is an `unsigned int` on every target of this crate.
unsafe impl CEnum for package_type_t {}

/// Version of the WebAssembly binary format.
pub const WASM_VERSION: u32 = 1;

/// Version of `.aot` files: what files that can be loaded have in bytes 4 to 7. Hosts compare the two.
pub const AOT_VERSION: u32 = wayfarer_aot::VERSION;

/// `e_type` of position-independent code that needs no relocation ("execution in place"), in an `.aot` file.
const E_TYPE_XIP: u16 = 4;

/// Kind of file, by its first bytes.
pub fn package_type(bytes: &[u8]) -> package_type_t {
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

/// A section of a module, for wasm_runtime_load_from_sections.
#[repr(C)]
pub struct wasm_section_t {
    /// Next section, or NULL.
    pub next: *mut wasm_section_t,
    /// Section id.
    pub section_type: c_int,
    /// Content, without id and size.
    pub section_body: *mut u8,
    /// Bytes of content.
    pub section_body_size: u32,
}

/// A section of a module.
pub type aot_section_t = wasm_section_t;
/// A linked list of sections.
pub type wasm_section_list_t = *mut wasm_section_t;
/// A linked list of sections.
pub type aot_section_list_t = *mut wasm_section_t;

/// A module of these sections, with a file's header before them.
///
/// # Safety
/// The list ends with NULL; each section's body has its size.
pub unsafe fn join_sections(mut list: wasm_section_list_t) -> Vec<u8> {
    let mut binary = b"\0asm".to_vec();
    binary.extend(WASM_VERSION.to_le_bytes());
    // SAFETY: as the caller promises.
    while let Some(section) = unsafe { list.as_ref() } {
        binary.push(section.section_type as u8);
        let mut size = section.section_body_size;
        loop {
            let low = (size & 0x7F) as u8;
            size >>= 7;
            binary.push(if size == 0 { low } else { low | 0x80 });
            if size == 0 {
                break;
            }
        }
        // SAFETY: as the caller promises.
        binary.extend(unsafe { slice(section.section_body, section.section_body_size as usize) });
        list = section.next;
    }
    binary
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
    fn sections_become_a_file() {
        let mut bodies = [vec![1u8, 2], vec![7; 200]];
        let section = |section_type, body: &mut Vec<u8>, next| wasm_section_t {
            next,
            section_type,
            section_body: body.as_mut_ptr(),
            section_body_size: body.len() as u32,
        };
        let [first, second] = &mut bodies;
        let mut last = section(10, second, std::ptr::null_mut());
        let mut list = section(1, first, &raw mut last);
        // SAFETY: two sections that are there.
        let file = unsafe { join_sections(&raw mut list) };
        let expected = [&b"\0asm\x01\0\0\0\x01\x02\x01\x02\x0A\xC8\x01"[..], &[7; 200]].concat();
        assert_eq!(file, expected);
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
