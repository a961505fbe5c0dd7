//! A progress bar on standard error, if somebody is looking: how much is done, and how long the rest will take.
#![forbid(unsafe_code)]

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Columns of the bar itself.
const WIDTH: usize = 30;

/// Time between two drawings.
const TICK: Duration = Duration::from_millis(200);

/// What is known.
#[derive(Clone, Copy, Debug)]
struct State {
    started: Instant,
    /// When `done` got its value.
    advanced: Instant,
    done: usize,
    total: usize,
}

/// The bar. It is drawn as soon as it is made, and removed when it is dropped.
#[derive(Debug)]
pub struct Bar {
    what: &'static str,
    state: Arc<Mutex<Option<State>>>,
    thread: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
    is_seen: bool,
}

impl Bar {
    /// A bar for what is being done, drawn if standard error is a terminal.
    pub fn new(what: &'static str) -> Bar {
        let is_seen = std::io::stderr().is_terminal();
        Bar { what, state: Arc::default(), thread: Mutex::default(), is_seen }
    }

    /// So much of so much is done. From any thread, in any order. The first call, of nothing done, draws the bar.
    pub fn show(&self, done: usize, total: usize) {
        if !self.is_seen {
            return;
        }
        let now = Instant::now();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let state = state.get_or_insert(State { started: now, advanced: now, done: 0, total });
            if done > state.done {
                (state.done, state.advanced) = (done, now);
            }
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (stop, stopped) = channel();
            let (what, state) = (self.what, Arc::clone(&self.state));
            let draw = move || keep_drawing(what, &state, &stopped);
            // Without the thread there is no bar, and the work goes on.
            *thread =
                std::thread::Builder::new().name("progress".to_owned()).spawn(draw).ok().map(|t| (stop, t));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = thread {
            drop(stop);
            // It has no result, and removes the bar.
            let _ = thread.join();
        }
    }
}

/// Draws until the other end of the channel is gone.
fn keep_drawing(what: &str, state: &Mutex<Option<State>>, stopped: &Receiver<()>) {
    loop {
        let now = *state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(now) = now {
            // A terminal that is gone is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", text(what, &now, Instant::now()));
        }
        if stopped.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
            return;
        }
    }
}

/// `compiling [####      ] 12 %, about 1:05 left`.
fn text(what: &str, state: &State, now: Instant) -> String {
    let done = state.done.min(state.total);
    let filled = WIDTH * done / state.total.max(1);
    let percent = 100 * done / state.total.max(1);
    let elapsed = now.saturating_duration_since(state.started);
    let rest = match left(state, now) {
        Some(left) => format!("about {} left", clock(left)),
        None => format!("{} so far", clock(elapsed)),
    };
    format!("{what} [{}{}] {percent:>2} %, {rest}", "#".repeat(filled), " ".repeat(WIDTH - filled))
}

/// How long the rest takes, if it goes on as it went so far; nobody knows before something is done, or when there should be
/// nothing left.
fn left(state: &State, now: Instant) -> Option<Duration> {
    let took = state.advanced.saturating_duration_since(state.started);
    if state.done == 0 || took.is_zero() {
        return None;
    }
    let whole = took.as_secs_f64() * state.total as f64 / state.done as f64;
    let left = whole - now.saturating_duration_since(state.started).as_secs_f64();
    Duration::try_from_secs_f64(left).ok().filter(|left| left.as_secs() > 0 || state.done == state.total)
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown some seconds after the start.
    fn shown(done: usize, advanced: u64, after: u64) -> String {
        let started = Instant::now();
        let at = |seconds| started + Duration::from_secs(seconds);
        let state = State { started, advanced: at(advanced), done, total: 400 };
        text("compiling", &state, at(after))
    }

    #[test]
    fn it_fills_and_says_how_long_it_takes() {
        let bar = |filled: usize| format!("[{}{}]", "#".repeat(filled), " ".repeat(30 - filled));
        assert_eq!(shown(0, 0, 0), format!("compiling {}  0 %, 0:00 so far", bar(0)));
        assert_eq!(shown(0, 0, 75), format!("compiling {}  0 %, 1:15 so far", bar(0)));
        assert_eq!(shown(100, 30, 30), format!("compiling {} 25 %, about 1:30 left", bar(7)));
        assert_eq!(shown(100, 30, 50), format!("compiling {} 25 %, about 1:10 left", bar(7)));
        // It takes longer than was thought.
        assert_eq!(shown(100, 30, 130), format!("compiling {} 25 %, 2:10 so far", bar(7)));
        assert_eq!(shown(400, 60, 60), format!("compiling {} 100 %, about 0:00 left", bar(30)));
    }

    #[test]
    fn nothing_is_drawn_if_nobody_looks() {
        let mut bar = Bar::new("compiling");
        bar.is_seen = false;
        bar.show(0, 2);
        bar.show(1, 2);
        assert!(bar.thread.lock().unwrap().is_none() && bar.state.lock().unwrap().is_none());
    }
}
