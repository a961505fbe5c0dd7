//! `poll_oneoff`.
//!
//! A relative timeout counts from the first time the call was made, in guest monotonic time: when the runtime
//! interrupts the wait, the call made again waits for the rest only (see `interrupted`). Guest monotonic time never
//! steps back (see `clock`), so neither does the wait.

use crate::abi::{FileType, rights};
use crate::clock::{self, MONOTONIC, REALTIME};
use crate::io::{Woken, readable_bytes, wait_any};
use crate::table::{Descriptor, lock};
use crate::{Call, Ended, Stop};
use rustix::event::{PollFd, PollFlags};
use std::sync::Arc;
use wayfarer_files::Errno;

const SUBSCRIPTION_SIZE: u64 = 48;
const EVENT_SIZE: u64 = 32;
/// More subscriptions than this are refused: no process can have as many descriptors.
const MOST_SUBSCRIPTIONS: u32 = 1 << 16;
/// Longest wait for a point of real time before the clock, which may be set, is looked at again.
const REALTIME_SLICE: u64 = 1_000_000_000;

const EVENT_CLOCK: u8 = 0;
const EVENT_FD_READ: u8 = 1;
const EVENT_FD_WRITE: u8 = 2;
const HANGUP: u16 = 1;
const ABSTIME: u16 = 1;

/// What one subscription waits for.
enum Interest {
    /// A point of guest monotonic time.
    Monotonic(u64),
    /// A point of real time.
    Realtime(u64),
    /// Readiness of a descriptor.
    Fd(Arc<Descriptor>, PollFlags),
    /// Cannot be waited for.
    Failed(Errno),
}

struct Subscription {
    userdata: u64,
    kind: u8,
    interest: Interest,
}

struct Event {
    userdata: u64,
    error: Errno,
    kind: u8,
    bytes: u64,
    flags: u16,
}

impl Event {
    fn new(subscription: &Subscription, error: Errno) -> Self {
        Event { userdata: subscription.userdata, error, kind: subscription.kind, bytes: 0, flags: 0 }
    }

    fn to_bytes(&self) -> [u8; EVENT_SIZE as usize] {
        let mut bytes = [0; EVENT_SIZE as usize];
        bytes[0..8].copy_from_slice(&self.userdata.to_le_bytes());
        bytes[8..10].copy_from_slice(&(self.error as u16).to_le_bytes());
        bytes[10] = self.kind;
        bytes[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.flags.to_le_bytes());
        bytes
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

fn parse(call: &Call<'_>, bytes: &[u8], start: u64) -> Result<Subscription, Errno> {
    let userdata = u64::from_le_bytes(field(bytes, 0));
    let kind = bytes[8];
    let interest = match kind {
        EVENT_CLOCK => {
            let clock = u32::from_le_bytes(field(bytes, 16));
            let timeout = u64::from_le_bytes(field(bytes, 24));
            let absolute = u16::from_le_bytes(field(bytes, 40)) & ABSTIME != 0;
            match (clock, absolute) {
                // Real time may be set while we wait; a span of time is a span of time.
                (REALTIME | MONOTONIC, false) => Interest::Monotonic(start.saturating_add(timeout)),
                (MONOTONIC, true) => Interest::Monotonic(timeout),
                (REALTIME, true) => Interest::Realtime(timeout),
                _ => Interest::Failed(Errno::Inval),
            }
        }
        EVENT_FD_READ | EVENT_FD_WRITE => {
            let fd = u32::from_le_bytes(field(bytes, 16));
            let (right, flags) = if kind == EVENT_FD_READ {
                (rights::FD_READ, PollFlags::IN)
            } else {
                (rights::FD_WRITE, PollFlags::OUT)
            };
            match call.ctx.table().get(fd).map(Arc::clone) {
                Ok(descriptor) => match descriptor.require(rights::POLL_FD_READWRITE | right) {
                    Ok(()) => Interest::Fd(descriptor, flags),
                    Err(errno) => Interest::Failed(errno),
                },
                Err(errno) => Interest::Failed(errno),
            }
        }
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription { userdata, kind, interest })
}

pub(crate) fn poll_oneoff(call: &Call<'_>) -> Ended {
    let count = call.u32(2);
    if count == 0 || count > MOST_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    let bytes = call.memory.read_vec(call.ptr(0), u64::from(count) * SUBSCRIPTION_SIZE)?;
    let events_at = call.out(1, u64::from(count) * EVENT_SIZE)?;
    let result = call.out(3, 4)?;

    let start = call.start();
    let subscriptions = bytes
        .chunks_exact(SUBSCRIPTION_SIZE as usize)
        .map(|bytes| parse(call, bytes, start))
        .collect::<Result<Vec<_>, _>>()?;

    let events = wait(call, &subscriptions)?;
    for (i, event) in events.iter().enumerate() {
        call.memory.write(events_at + i as u64 * EVENT_SIZE, &event.to_bytes())?;
    }
    call.memory.write_u32(result, events.len() as u32)?;
    Ok(())
}

/// Waits for at least one event.
fn wait(call: &Call<'_>, subscriptions: &[Subscription]) -> Result<Vec<Event>, Stop> {
    let mut fds: Vec<PollFd<'_>> = subscriptions
        .iter()
        .filter_map(|subscription| match &subscription.interest {
            Interest::Fd(descriptor, flags) => Some(PollFd::from_borrowed_fd(descriptor.fd().ok()?, *flags)),
            _ => None,
        })
        .collect();
    let now = subscriptions.iter().any(|s| match &s.interest {
        Interest::Failed(_) => true,
        // What the host has no descriptor for never has to be waited for.
        Interest::Fd(descriptor, wanted) => descriptor.fd().is_err() || has_ahead(descriptor, *wanted),
        _ => false,
    });
    loop {
        let monotonic = lock(&call.ctx.clocks).monotonic();
        let realtime = clock::realtime();
        let left = if now { Some(0) } else { time_left(subscriptions, monotonic, realtime) };
        let woken = wait_any(&mut fds, left, call.interrupt)?;
        let monotonic = lock(&call.ctx.clocks).monotonic();
        let events = collect(subscriptions, &fds, monotonic, clock::realtime());
        if !events.is_empty() {
            return Ok(events);
        }
        // Last: requests that come faster than they are served must not keep a wait from ending.
        if woken == Woken::Interrupted {
            return Err(Stop::Interrupted);
        }
    }
}

/// Nanoseconds until the first clock subscription, `None` if there is none.
fn time_left(subscriptions: &[Subscription], monotonic: u64, realtime: u64) -> Option<u64> {
    subscriptions
        .iter()
        .filter_map(|subscription| match subscription.interest {
            Interest::Monotonic(at) => Some(at.saturating_sub(monotonic)),
            Interest::Realtime(at) => Some(at.saturating_sub(realtime).min(REALTIME_SLICE)),
            _ => None,
        })
        .min()
}

fn collect(subscriptions: &[Subscription], fds: &[PollFd<'_>], monotonic: u64, realtime: u64) -> Vec<Event> {
    let mut polled = fds.iter();
    let mut events = Vec::new();
    for subscription in subscriptions {
        match &subscription.interest {
            Interest::Monotonic(at) if *at <= monotonic => {
                events.push(Event::new(subscription, Errno::Success));
            }
            Interest::Realtime(at) if *at <= realtime => {
                events.push(Event::new(subscription, Errno::Success))
            }
            Interest::Monotonic(_) | Interest::Realtime(_) => {}
            Interest::Failed(errno) => events.push(Event::new(subscription, *errno)),
            Interest::Fd(descriptor, wanted) => {
                let ready = match descriptor.fd() {
                    Ok(_) => polled.next().map_or(PollFlags::empty(), PollFd::revents),
                    Err(_) => *wanted,
                };
                let ready = if has_ahead(descriptor, *wanted) { ready | *wanted } else { ready };
                if !ready.is_empty() {
                    events.push(fd_event(subscription, descriptor, ready));
                }
            }
        }
    }
    events
}

/// Whether there is something to be read before what the host's descriptor gives.
fn has_ahead(descriptor: &Descriptor, wanted: PollFlags) -> bool {
    wanted == PollFlags::IN && descriptor.bytes_ahead() > 0
}

fn fd_event(subscription: &Subscription, descriptor: &Descriptor, ready: PollFlags) -> Event {
    let mut event = Event::new(subscription, Errno::Success);
    if ready.contains(PollFlags::NVAL) {
        event.error = Errno::BadF;
    } else if ready.contains(PollFlags::ERR) && !ready.intersects(PollFlags::IN | PollFlags::OUT) {
        // The other end of a pipe is closed, or the socket has failed: the next read or write will say which.
        event.error = match descriptor.filetype {
            FileType::SocketStream | FileType::SocketDgram => Errno::Pipe,
            _ => Errno::Io,
        };
    } else if subscription.kind == EVENT_FD_READ {
        event.bytes = readable_bytes(descriptor);
    }
    if ready.contains(PollFlags::HUP) {
        event.flags |= HANGUP;
    }
    event
}
