//! `bh_queue.h`: messages between threads.

use std::collections::VecDeque;
use std::ffi::{c_char, c_int, c_uint, c_ushort, c_void};
use std::ptr::null_mut;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::alloc::wasm_runtime_free;

/// How many messages a queue holds.
const MOST: usize = 50;

/// Frees a message's body.
pub type bh_msg_cleaner = Option<unsafe extern "C" fn(msg: *mut c_void)>;
/// Handles a message.
pub type bh_queue_handle_msg_callback = Option<unsafe extern "C" fn(message: *mut c_void, arg: *mut c_void)>;

/// A message.
pub struct bh_queue_node {
    tag: c_ushort,
    len: c_uint,
    body: *mut c_void,
    cleaner: bh_msg_cleaner,
}

/// A message's handle.
pub type bh_message_t = *mut bh_queue_node;

/// A queue.
pub struct bh_queue {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<bh_message_t>,
    over: bool,
}

impl bh_queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message, once there is one; NULL when the time is up or the loop is to end.
    fn next(&self, time: Option<Duration>) -> bh_message_t {
        let state = self.state();
        let idle = |state: &mut State| state.messages.is_empty() && !state.over;
        let mut state = match time {
            None => self.came.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                self.came.wait_timeout_while(state, time, idle).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.messages.pop_front().unwrap_or(null_mut())
    }
}

/// Makes a queue.
#[unsafe(no_mangle)]
pub extern "C" fn bh_queue_create() -> *mut bh_queue {
    Box::into_raw(Box::new(bh_queue { state: Mutex::default(), came: Condvar::new() }))
}

/// Ends a queue, with the messages in it.
///
/// # Safety
/// `queue` is NULL, or a live one that nobody else uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_queue_destroy(queue: *mut bh_queue) {
    if queue.is_null() {
        return;
    }
    // SAFETY: as the caller promises.
    let queue = unsafe { Box::from_raw(queue) };
    let messages = std::mem::take(&mut queue.state().messages);
    for message in messages {
        // SAFETY: the queue owns them.
        unsafe { bh_free_msg(message) };
    }
}

/// A message's body.
///
/// # Safety
/// The message is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_message_payload(message: bh_message_t) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe { (*message).body.cast() }
}

/// Length of a message's body, as it was given.
///
/// # Safety
/// The message is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_message_payload_len(message: bh_message_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { (*message).len }
}

/// A message's tag.
///
/// # Safety
/// The message is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_message_type(message: bh_message_t) -> c_int {
    // SAFETY: as the caller promises.
    c_int::from(unsafe { (*message).tag })
}

/// Makes a message. What frees its body, with it, is `handler`, or wasm_runtime_free if that is NULL and neither the
/// body nor the length is 0.
///
/// # Safety
/// `handler` is NULL or a function that can be called with the body; without one, a body with a length is wasm_runtime_malloc's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_new_msg(
    tag: c_ushort,
    body: *mut c_void,
    len: c_uint,
    handler: *mut c_void,
) -> bh_message_t {
    // SAFETY: the caller says that it is such a function, or NULL.
    let cleaner = unsafe { std::mem::transmute::<*mut c_void, bh_msg_cleaner>(handler) };
    Box::into_raw(Box::new(bh_queue_node { tag, len, body, cleaner }))
}

/// Frees a message and its body.
///
/// # Safety
/// The message is alive, and in no queue.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_free_msg(msg: bh_message_t) {
    // SAFETY: as the caller promises; the body as bh_new_msg's caller promised.
    unsafe {
        let message = Box::from_raw(msg);
        match message.cleaner {
            Some(clean) => clean(message.body),
            None if message.len != 0 && !message.body.is_null() => wasm_runtime_free(message.body),
            None => {}
        }
    }
}

/// Makes a message and puts it into a queue. False, with the message and its body freed, if the queue is full.
///
/// # Safety
/// The queue is alive; the body as for bh_new_msg.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_post_msg(
    queue: *mut bh_queue,
    tag: c_ushort,
    body: *mut c_void,
    len: c_uint,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe { bh_post_msg2(queue, bh_new_msg(tag, body, len, null_mut())) }
}

/// Puts a message into a queue. False, with the message freed, if the queue is full.
///
/// # Safety
/// Both are alive, and the message is in no queue.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_post_msg2(queue: *mut bh_queue, msg: bh_message_t) -> bool {
    // SAFETY: as the caller promises.
    let queue = unsafe { &*queue };
    let mut state = queue.state();
    if state.messages.len() >= MOST {
        drop(state);
        // SAFETY: it is in no queue.
        unsafe { bh_free_msg(msg) };
        return false;
    }
    state.messages.push_back(msg);
    queue.came.notify_one();
    true
}

/// The next message, which the caller owns then. Waits for one for so many microseconds, for ever if all bits are set. NULL
/// if there is none.
///
/// # Safety
/// The queue is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_get_msg(queue: *mut bh_queue, timeout_us: u64) -> bh_message_t {
    let time = (timeout_us != u64::MAX).then(|| Duration::from_micros(timeout_us));
    // SAFETY: as the caller promises.
    unsafe { &*queue }.next(time)
}

/// How many messages wait in a queue; NULL has none.
///
/// # Safety
/// `queue` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_queue_get_message_count(queue: *mut bh_queue) -> c_uint {
    // SAFETY: as the caller promises.
    unsafe { queue.as_ref() }.map_or(0, |queue| queue.state().messages.len() as c_uint)
}

/// Gives messages to a function, and frees them, until bh_queue_exit_loop_run.
///
/// # Safety
/// `queue` is NULL, which does nothing, or alive; the function can be called with `arg`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_queue_enter_loop_run(
    queue: *mut bh_queue,
    handle_cb: bh_queue_handle_msg_callback,
    arg: *mut c_void,
) {
    // SAFETY: as the caller promises.
    let (Some(queue), Some(handle)) = (unsafe { queue.as_ref() }, handle_cb) else { return };
    while !queue.state().over {
        let message = queue.next(None);
        if !message.is_null() {
            // SAFETY: the caller says that it can be called with these; the message is in no queue any more.
            unsafe {
                handle(message.cast(), arg);
                bh_free_msg(message);
            }
        }
    }
}

/// Ends bh_queue_enter_loop_run, for good.
///
/// # Safety
/// `queue` is NULL, which does nothing, or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_queue_exit_loop_run(queue: *mut bh_queue) {
    // SAFETY: as the caller promises.
    if let Some(queue) = unsafe { queue.as_ref() } {
        queue.state().over = true;
        queue.came.notify_all();
    }
}
