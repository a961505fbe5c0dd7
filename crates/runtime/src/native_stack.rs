//! How deep guests may go on the native stack: by recursion of compiled code, and by calls back and forth between the guest
//! and host functions.
//!
//! A host may call on a thread's own stack, or on another (a fiber's): whose end it says, or else the mapping around the stack
//! pointer is taken to be the stack. What was found out is kept until a call comes on another stack.

mod mapping;

use crate::trap::{Trap, TrapCode};
use std::arch::asm;
use std::cell::Cell;

/// What is left over for a call from the host into the guest (bytes): as much as WAMR leaves, 3 KiB and three pages.
const ENTRY: usize = 3 << 10;
const PAGES: usize = 3 * 4096;

/// Left over by compiled code (bytes), for host functions, for functions that are not checked because they call nothing, and
/// for what a checked function's own frame has: of a large stack, and of a small one, at least.
const RESERVE: usize = 256 << 10;
const MIN_RESERVE: usize = 96 << 10;

/// Compiled code is not entered with less than this above its limit (bytes): what is interpreted needs less.
const MARGIN: usize = 16 << 10;

/// No stack is taken to be larger than this (bytes), whatever the system says.
const LARGEST: usize = 1 << 30;

/// What a host that nobody can help is told.
const UNKNOWN: &str = "native stack overflow: the end of this stack is not known, tell it with wasm_runtime_set_native_stack_boundary";

/// A stack, with its limits.
#[derive(Clone, Copy)]
struct Stack {
    /// The end that the host said; 0: none.
    boundary: usize,
    /// The addresses that these limits are for.
    low: usize,
    high: usize,
    /// The lowest address from which the host may call the guest.
    entry: usize,
    /// The lowest address that compiled code may reach.
    limit: usize,
    /// In the middle between that and where the stack begins.
    half: usize,
}

/// Of no address.
const NONE: Stack =
    Stack { boundary: 0, low: 0, high: 0, entry: usize::MAX, limit: usize::MAX, half: usize::MAX };

thread_local! {
    /// The one used last.
    static CURRENT: Cell<Stack> = const { Cell::new(NONE) };
    /// The thread's own: `low` and `high`. 0: not known yet.
    static OWN: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// The stack pointer. (A variable's address will not do: sanitizers have other places for those.)
#[inline(always)]
fn here() -> usize {
    let here: usize;
    // SAFETY: copies a register.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, rsp", out(reg) here, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        asm!("mov {}, sp", out(reg) here, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "s390x")]
        asm!("lgr {}, %r15", out(reg) here, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "riscv64")]
        asm!("mv {}, sp", out(reg) here, options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "s390x",
        target_arch = "riscv64"
    )))]
    {
        let local = 0u8;
        here = &raw const local as usize;
    }
    here
}

/// The stack that this runs on, of which the host said that it ends at `boundary` (0: nothing).
#[inline]
fn current(boundary: usize) -> Stack {
    let (here, current) = (here(), CURRENT.get());
    if current.boundary == boundary && current.low <= here && here < current.high {
        return current;
    }
    find(boundary, here)
}

#[cold]
#[inline(never)]
fn find(boundary: usize, here: usize) -> Stack {
    let found = match boundary {
        0 => {
            let (low, high) = own();
            match (low..high).contains(&here) {
                true => Some(Stack::new(low.max(here.saturating_sub(LARGEST)), high)),
                false => mapping::around(here).map(|(low, high)| Stack::new(low, high)),
            }
        }
        _ => Some(Stack::with_boundary(boundary, here)),
    };
    let stack = found.unwrap_or(NONE);
    CURRENT.set(stack);
    stack
}

impl Stack {
    fn new(low: usize, high: usize) -> Stack {
        let size = high - low;
        // On a very small stack a part of it has to do.
        let entry = low + (ENTRY + PAGES).min(size / 4);
        Stack::limited(Stack { boundary: 0, low, high, entry, ..NONE }, low, high)
    }

    /// Where the host said the end, it is also the host's affair how much is left below.
    fn with_boundary(boundary: usize, here: usize) -> Stack {
        let entry = boundary.saturating_add(PAGES);
        let stack = Stack { boundary, low: 0, high: usize::MAX, entry, ..NONE };
        Stack::limited(stack, entry, here)
    }

    /// With the limits of compiled code, on a stack from `begin` down to `end`.
    fn limited(stack: Stack, end: usize, begin: usize) -> Stack {
        let size = begin.saturating_sub(end);
        let limit = end.saturating_add((size / 4).clamp(MIN_RESERVE, RESERVE));
        Stack { limit, half: limit.saturating_add(MARGIN.max(begin.saturating_sub(limit) / 2)), ..stack }
    }
}

/// The lowest address that compiled code may reach on this stack.
#[inline]
pub fn limit(boundary: usize) -> usize {
    current(boundary).limit
}

/// The same if compiled code may be entered. Where it may not, the guest can still be interpreted if [`check`] says so.
#[inline]
pub fn limit_to_enter(boundary: usize) -> Option<usize> {
    let limit = limit(boundary);
    (here() >= limit.saturating_add(MARGIN)).then_some(limit)
}

/// Whether compiled code has no more room.
#[inline]
pub fn is_used_up(boundary: usize) -> bool {
    here() < limit(boundary)
}

/// Whether so much of the stack is used that interpreted frames, which need none of it, are better than compiled ones.
#[inline]
pub fn is_half_used(boundary: usize) -> bool {
    here() < current(boundary).half
}

/// Checks that the guest may be called.
///
/// # Errors
/// There is no more room, or it is not known.
#[inline]
pub fn check(boundary: usize) -> Result<(), Trap> {
    let stack = current(boundary);
    if here() >= stack.entry { Ok(()) } else { Err(refused(stack)) }
}

#[cold]
fn refused(stack: Stack) -> Trap {
    match stack.high {
        0 => Trap::host(UNKNOWN),
        _ => TrapCode::NativeStackOverflow.into(),
    }
}

/// Whether a host function that asks may use `required` bytes (`None`: so many as a call of the guest leaves). True if
/// nobody knows.
pub fn is_left(boundary: usize, required: Option<usize>) -> bool {
    let stack = current(boundary);
    let lowest = match required {
        None => stack.entry,
        Some(bytes) => stack.entry.saturating_sub(ENTRY).saturating_add(bytes),
    };
    stack.high == 0 || here() >= lowest
}

/// The lowest address of the thread's own stack; 0 if the system can't tell.
pub fn thread_end() -> usize {
    match own() {
        (low, high) if low < high => low,
        _ => 0,
    }
}

/// The thread's own stack; empty if the system can't tell.
fn own() -> (usize, usize) {
    if OWN.get() == (0, 0) {
        OWN.set(find_own().unwrap_or((1, 1)));
    }
    OWN.get()
}

fn find_own() -> Option<(usize, usize)> {
    let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0usize, 0usize);
    // SAFETY: attributes are initialized by the first call, read, then destroyed (pthread_getattr_np(3)).
    let found = unsafe {
        let mut attr = std::mem::zeroed::<libc::pthread_attr_t>();
        libc::pthread_getattr_np(libc::pthread_self(), &raw mut attr) == 0 && {
            let found = libc::pthread_attr_getstack(&raw const attr, &raw mut low, &raw mut size) == 0;
            let _ = libc::pthread_attr_getguardsize(&raw const attr, &raw mut guard);
            libc::pthread_attr_destroy(&raw mut attr);
            found
        }
    };
    let end = (low as usize).checked_add(size)?;
    (found && guard < size).then_some((low as usize + guard, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_below_and_not_far() {
        let limit = limit(0);
        assert!(limit < here() && here() - limit < LARGEST, "{limit:#x} {:#x}", here());
        std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(|| {
                let limit = super::limit(0);
                assert!(limit < here() && here() - limit < 256 << 10, "{limit:#x} {:#x}", here());
                assert_eq!(check(0), Ok(()));
                assert!(limit_to_enter(0) == Some(limit) && !is_used_up(0) && !is_half_used(0));
            })
            .expect("a thread")
            .join()
            .expect("it is so");
    }

    #[test]
    fn as_much_is_left_as_wamr_leaves() {
        let stack = Stack::new(0x10_0000, 0x90_0000);
        assert_eq!(stack.entry, 0x10_0000 + 15360);
        assert_eq!(stack.limit, 0x10_0000 + RESERVE);
        // Of a small stack less, and compiled code leaves it alone.
        let stack = Stack::new(0x10_0000, 0x10_8000);
        assert_eq!(stack.entry, 0x10_2000);
        assert!(stack.limit > stack.high);
    }

    #[test]
    fn the_host_says_where_the_stack_ends() {
        let here = here();
        assert_eq!(check(here - (64 << 10)), Ok(()));
        assert_eq!(limit_to_enter(here - (64 << 10)), None, "not enough for compiled code");
        assert!(limit_to_enter(here - (1 << 20)).is_some());
        assert_eq!(check(here - PAGES / 2), Err(TrapCode::NativeStackOverflow.into()));
        assert_eq!(check(here + (1 << 20)), Err(TrapCode::NativeStackOverflow.into()));
        assert!(is_left(here - (64 << 10), None));
        assert!(is_left(here - (64 << 10), Some(32 << 10)));
        assert!(!is_left(here - (64 << 10), Some(63 << 10)));
        // And it may take that back.
        assert_eq!(check(0), Ok(()));
    }

    #[test]
    fn the_thread_knows_its_stack() {
        let (low, high) = own();
        assert!(low < here() && here() < high && thread_end() == low);
    }
}
