//! A forced unwind goes through loaded code and runs its landing pads, however deep, on several threads, and not after the
//! code is gone.

mod common;

use common::compile;
use std::ffi::c_void;
use std::time::Instant;
use wayfarer_loader::{Code, Machine};

/// The unwinder's exception object, as the Itanium C++ ABI has it.
#[repr(C, align(16))]
struct Exception {
    class: u64,
    cleanup: Option<extern "C" fn(i32, *mut Exception)>,
    private: [usize; 2],
}

type StopFn = extern "C" fn(i32, i32, u64, *mut Exception, *mut c_void, *mut c_void) -> i32;

unsafe extern "C-unwind" {
    fn _Unwind_ForcedUnwind(exception: *mut Exception, stop: StopFn, argument: *mut c_void) -> i32;
}

/// What the frames below share.
struct Context {
    exception: Exception,
    /// The depths whose pads have run, in that order.
    pads: Vec<u32>,
    unwind: bool,
    frames: usize,
}

/// Called at the bottom, by compiled code.
unsafe extern "C-unwind" fn stop(context: *mut Context) {
    extern "C" fn go_on(
        _: i32,
        actions: i32,
        _: u64,
        _: *mut Exception,
        _: *mut c_void,
        frames: *mut c_void,
    ) -> i32 {
        const END_OF_STACK: i32 = 16;
        if actions & END_OF_STACK != 0 {
            eprintln!("nobody stopped the unwind");
            std::process::abort();
        }
        // SAFETY: the field that is passed below.
        unsafe { *frames.cast::<usize>() += 1 };
        0
    }
    // SAFETY: the context the test passed; nothing here has a destructor.
    unsafe {
        if (*context).unwind {
            let frames = (&raw mut (*context).frames).cast();
            _Unwind_ForcedUnwind(&raw mut (*context).exception, go_on, frames);
            eprintln!("the unwind did not start");
            std::process::abort();
        }
    }
}

/// Called by each landing pad.
extern "C" fn pad(context: *mut Context, depth: u32) {
    // SAFETY: the context the test passed.
    unsafe { (*context).pads.push(depth) };
}

type Enter = unsafe extern "C-unwind" fn(
    u32,
    unsafe extern "C-unwind" fn(*mut Context),
    extern "C" fn(*mut Context, u32),
    *mut Context,
) -> i32;

/// Calls `name` of loaded code: does it, at `depth`, unwind or return?
fn enter(code: &Code, name: &str, depth: u32, unwind: bool) -> (i32, Context) {
    let exception = Exception { class: 0, cleanup: None, private: [0; 2] };
    let mut context = Context { exception, pads: Vec::with_capacity(depth as usize + 1), unwind, frames: 0 };
    // SAFETY: the type of `enter` and `enter_with_pad`.
    let result = unsafe {
        let enter: Enter = std::mem::transmute(code.symbol(name).unwrap());
        enter(depth, stop, pad, &mut context)
    };
    (result, context)
}

fn load() -> Code {
    let host = Machine::host().unwrap();
    let objects = [compile(host, "pads.ll", &[]), compile(host, "more_pads.ll", &[])];
    Code::load(&[&objects[0], &objects[1]]).unwrap()
}

#[test]
fn each_pad_runs() {
    let code = load();
    for name in ["enter", "enter_with_pad"] {
        let (result, context) = enter(&code, name, 5, false);
        assert_eq!((result, context.pads), (0, vec![]), "nothing is unwound");
        let (result, context) = enter(&code, name, 5, true);
        assert_eq!((result, context.pads), (1, vec![0, 1, 2, 3, 4, 5]));
    }
}

#[test]
fn a_hundred_thousand_frames() {
    const DEPTH: u32 = 100_000;
    let deep = || {
        let code = load();
        for _ in 0..3 {
            let start = Instant::now();
            let (result, context) = enter(&code, "enter", DEPTH, true);
            let time = start.elapsed();
            assert_eq!(result, 1);
            assert!(context.pads.into_iter().eq(0..=DEPTH));
            println!("{} frames: {time:?}, {:?} a frame", context.frames, time / DEPTH);
            // About 1.3 us each; this is to find what is not linear.
            assert!(time.as_secs() < 60, "{time:?}");
        }
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(deep).unwrap().join().unwrap();
}

#[test]
fn code_comes_and_goes_on_several_threads() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                for depth in 0..20 {
                    let code = load();
                    let (result, context) = enter(&code, "enter_with_pad", depth, true);
                    assert_eq!((result, context.pads.len()), (1, depth as usize + 1));
                    drop(code);
                    // The unwinder does not stumble over what is gone.
                    let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(depth)));
                    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&depth));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
}

/// A Rust panic crosses compiled code, too: it is the same unwinder.
#[test]
fn panics_pass() {
    unsafe extern "C-unwind" fn panic(_: *mut Context) {
        std::panic::resume_unwind(Box::new("thrown"));
    }
    let code = load();
    let exception = Exception { class: 0, cleanup: None, private: [0; 2] };
    let mut context = Context { exception, pads: Vec::new(), unwind: false, frames: 0 };
    // SAFETY: the type of `recurse`; its pads go on.
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe {
        type Recurse = unsafe extern "C-unwind" fn(
            u32,
            unsafe extern "C-unwind" fn(*mut Context),
            extern "C" fn(*mut Context, u32),
            *mut Context,
        );
        let recurse: Recurse = std::mem::transmute(code.symbol("recurse").unwrap());
        recurse(3, panic, pad, &mut context);
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"thrown"));
    assert_eq!(context.pads, [0, 1, 2, 3]);
}
