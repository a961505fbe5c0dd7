//! Where a thread's stack ends.

/// Lowest address of the calling thread's stack, above its guard; NULL if the system can't tell.
#[unsafe(no_mangle)]
pub extern "C" fn os_thread_get_stack_boundary() -> *mut u8 {
    wayfarer_runtime::native_stack::thread_end() as *mut u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_is_above_its_boundary() {
        let local = 0u8;
        let boundary = os_thread_get_stack_boundary() as usize;
        let here = &raw const local as usize;
        assert!(boundary != 0 && boundary < here, "{boundary:x} {here:x}");
    }
}
