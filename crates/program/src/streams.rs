//! C's streams of a guest: which `FILE` belongs to which descriptor, and how it was opened. Known where the module's names, or
//! whoever runs it, say which functions open and close them (`wayfarer_module::Stdio`): those are watched. What is inlined or called
//! otherwise is not seen; a stream that is not known is not in the list, and one whose descriptor is gone is taken off it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use wayfarer_module::{Stdio, StdioFunction};
use wayfarer_runtime::watch::{Call, Left};
use wayfarer_runtime::{Caller, ExecEnv, Watcher};
use wayfarer_wasi::{PathOpen, WasiCtx};

use crate::instance::HostParts;

/// Longest path or mode that is kept (bytes).
const LONGEST: usize = 4096;

/// Most streams of an instance that are known. A guest has a descriptor for each, unless it opens them again and again for one.
const MOST: usize = 1 << 16;

/// A stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// Guest address of its `FILE`.
    pub(crate) file: u32,
    pub(crate) fd: u32,
    /// As `fopen`, `fdopen` or `freopen` was given it last.
    pub(crate) mode: Vec<u8>,
    /// As `fopen` or `freopen` was given it; there is none for `fdopen`.
    pub(crate) path: Option<Vec<u8>>,
    /// Where the descriptor was when this was saved, if it has a position.
    pub(crate) offset: Option<u64>,
    /// Whether the descriptor was there when this was saved, and good for the mode.
    pub(crate) fits: bool,
}

/// A descriptor that was opened or renumbered since a stream began to be opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Recent {
    pub(crate) fd: u32,
    pub(crate) path: Option<Vec<u8>>,
}

/// What an image says of an instance's streams.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct StreamsRecord {
    /// In the order of their descriptors.
    pub(crate) streams: Vec<Stream>,
    /// What calls have opened that are in progress.
    pub(crate) recent: Vec<Recent>,
    /// What `path_open` was given for descriptors, in images whose WASI record does not say it.
    #[serde(skip)]
    pub(crate) opens: Vec<(u32, PathOpen)>,
}

/// The streams of an instance.
pub(crate) struct Streams {
    functions: Vec<(StdioFunction, u32)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the address of their `FILE`.
    open: BTreeMap<u32, Stream>,
    /// What was opened or renumbered last.
    recent: Vec<Last>,
}

/// The descriptor that was opened or renumbered last in an environment.
struct Last {
    /// 0: before a restore.
    env: usize,
    fd: u32,
    /// What it was called, if `fopen` is done with it and `fdopen` is not.
    path: Option<Vec<u8>>,
}

impl State {
    fn recent_at(&self, wasi: &WasiCtx, env: usize, path: Option<&[u8]>) -> Option<usize> {
        let found = self.recent.iter().position(|last| last.env == env);
        found.or_else(|| {
            let ends = |at: &usize| {
                let asked = wasi.path_open_of(self.recent[*at].fd);
                path.is_some_and(|path| asked.is_some_and(|asked| path.ends_with(&asked.path)))
            };
            let restored: Vec<usize> =
                (0..self.recent.len()).filter(|&at| self.recent[at].env == 0).collect();
            match restored[..] {
                [at] => Some(at),
                _ => match restored.into_iter().filter(ends).collect::<Vec<_>>()[..] {
                    [at] => Some(at),
                    _ => None,
                },
            }
        })
    }

    /// What was opened in this environment since the innermost `fopen` or `freopen` began.
    fn take_recent(&mut self, wasi: &WasiCtx, env: usize, path: Option<&[u8]>) -> Option<u32> {
        self.recent_at(wasi, env, path).map(|at| self.recent.remove(at).fd)
    }

    fn set_recent(&mut self, env: usize, fd: u32, path: Option<Vec<u8>>) {
        self.recent.retain(|last| last.env != env && last.fd != fd);
        self.recent.push(Last { env, fd, path });
    }

    fn add(&mut self, file: u32, fd: u32, mode: Option<Vec<u8>>, path: Option<Vec<u8>>) {
        let mode = mode.unwrap_or_default();
        self.open.insert(file, Stream { file, fd, mode, path, offset: None, fits: true });
        if self.open.len() > MOST {
            self.open.pop_first();
        }
    }

    /// A stream was opened, or opened anew, on what was opened meanwhile; if that was nothing, it is one that is known already.
    fn reopened(&mut self, file: u32, recent: Option<u32>, path: Option<Vec<u8>>, mode: Option<Vec<u8>>) {
        match (recent, self.open.get_mut(&file)) {
            (Some(fd), _) => self.add(file, fd, mode, path),
            (None, Some(stream)) => {
                stream.mode = mode.unwrap_or_default();
                if path.is_some() {
                    stream.path = path;
                }
            }
            (None, None) => {}
        }
    }
}

/// How an environment is known.
fn key(env: &ExecEnv) -> usize {
    std::ptr::from_ref(env) as usize
}

impl Streams {
    /// Watches the functions of an instance that open and close streams, if they are known.
    ///
    /// # Errors
    /// What is wrong with what somebody has said of them.
    pub(crate) fn attach(parts: &HostParts) -> Result<Option<Arc<Streams>>, String> {
        let instance = parts.instance();
        let module = instance.module();
        let functions = module.stdio_functions().map_err(|e| e.to_string())?;
        if functions.is_empty() {
            return Ok(None);
        }
        let streams = Arc::new(Streams { functions, state: Mutex::default() });
        let mut watched = Vec::new();
        for &(function, index) in &streams.functions {
            match instance.watch(index, streams.clone()) {
                Ok(id) => watched.push(id),
                Err(why) => {
                    // All of them, or none: half of what happens says nothing.
                    for id in watched {
                        instance.unwatch(id);
                    }
                    return match &module.stdio {
                        Stdio::At(_) => Err(format!(
                            "function {index}, which is said to be {}, cannot be watched: {why}",
                            function.name()
                        )),
                        _ => Ok(None),
                    };
                }
            }
        }
        Ok(Some(streams))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn function(&self, index: u32) -> Option<StdioFunction> {
        self.functions.iter().find(|(_, of)| *of == index).map(|(function, _)| *function)
    }

    /// Whether a function of the instance is one that is watched for its streams.
    pub(crate) fn is_watched(&self, index: u32) -> bool {
        self.function(index).is_some()
    }

    /// `path_open` gave a descriptor.
    pub(crate) fn opened(&self, env: &ExecEnv, fd: u32) {
        self.state().set_recent(key(env), fd, None);
    }

    /// A descriptor has another number now, in place of what had that.
    pub(crate) fn renumbered(&self, env: &ExecEnv, from: u32, to: u32) {
        if from == to {
            return;
        }
        let mut state = self.state();
        let before = state.recent.iter().position(|last| last.fd == from);
        let before = before.and_then(|at| state.recent.remove(at).path);
        let moved = state.open.values().find(|stream| stream.fd == from);
        let path = before.or_else(|| moved.and_then(|stream| stream.path.clone()));
        state.open.retain(|_, stream| stream.fd != from);
        for stream in state.open.values_mut().filter(|stream| stream.fd == to) {
            stream.path.clone_from(&path);
        }
        state.set_recent(key(env), to, path);
    }

    /// A descriptor was closed: whatever stream it had is none of a descriptor any more.
    pub(crate) fn closed(&self, fd: u32) {
        let mut state = self.state();
        state.open.retain(|_, stream| stream.fd != fd);
        state.recent.retain(|last| last.fd != fd);
    }

    /// What there is. `opening`: calls that open streams are in progress.
    pub(crate) fn save(&self, wasi: &WasiCtx, opening: bool) -> StreamsRecord {
        let state = self.state();
        let mut streams: Vec<Stream> = state.open.values().cloned().collect();
        streams.sort_by_key(|stream| (stream.fd, stream.file));
        for stream in &mut streams {
            let descriptor = wasi.descriptor_state(stream.fd);
            stream.offset = descriptor.as_ref().and_then(|descriptor| descriptor.offset);
            stream.fits = misfit(stream, wasi).is_none();
        }
        let recent = state.recent.iter().filter(|_| opening);
        let recent = recent.map(|last| Recent { fd: last.fd, path: last.path.clone() });
        let mut recent: Vec<Recent> = recent.collect();
        recent.sort_by_key(|recent| recent.fd);
        StreamsRecord { streams, recent, opens: Vec::new() }
    }

    /// Takes up what an image says, when its descriptors are there.
    ///
    /// # Errors
    /// Which stream has not the descriptor that it had.
    pub(crate) fn restore(&self, record: &StreamsRecord, wasi: &WasiCtx) -> Result<(), String> {
        for stream in record.streams.iter().filter(|stream| stream.fits) {
            if let Some(why) = misfit(stream, wasi) {
                return Err(why);
            }
        }
        let mut state = self.state();
        state.open = record.streams.iter().map(|stream| (stream.file, stream.clone())).collect();
        let last = |recent: &Recent| Last { env: 0, fd: recent.fd, path: recent.path.clone() };
        state.recent = record.recent.iter().map(last).collect();
        drop(state);
        for (fd, asked) in &record.opens {
            wasi.note_path_open(*fd, asked.clone());
        }
        Ok(())
    }
}

/// Why a stream's descriptor is not what the stream needs.
fn misfit(stream: &Stream, wasi: &WasiCtx) -> Option<String> {
    let described = || {
        let path = stream.path.as_ref().map(|path| format!(" of {}", String::from_utf8_lossy(path)));
        let mode = String::from_utf8_lossy(&stream.mode);
        format!("the stream at {:#x}{}, mode {mode:?}: ", stream.file, path.unwrap_or_default())
    };
    let Some(descriptor) = wasi.descriptor_state(stream.fd) else {
        return Some(format!("{}there is no descriptor {}", described(), stream.fd));
    };
    let updates = stream.mode.contains(&b'+');
    let reads = stream.mode.first() == Some(&b'r') || updates;
    let writes = matches!(stream.mode.first(), Some(b'w' | b'a')) || updates;
    let lacks = match () {
        () if reads && !descriptor.can_read => "read from",
        () if writes && !descriptor.can_write => "written to",
        () => return None,
    };
    Some(format!("{}descriptor {} cannot be {lacks}", described(), stream.fd))
}

impl Watcher for Streams {
    fn entered(&self, caller: &mut Caller<'_>, call: Call<'_>) {
        if let Some(StdioFunction::Fopen | StdioFunction::Freopen) = self.function(call.func.index) {
            // What was opened before is not this stream's.
            let env = key(caller.env);
            self.state().recent.retain(|last| last.env != env);
        }
    }

    fn left(&self, caller: &mut Caller<'_>, call: Call<'_>, how: Left<'_>) {
        let Some(function) = self.function(call.func.index) else { return };
        let arg = |nth: usize| call.args.get(nth).map_or(0, |slot| *slot as u32);
        let string = |address: u32| {
            let mut bytes = caller.memory().read_cstr(address.into()).ok()?;
            bytes.truncate(LONGEST);
            (address != 0).then_some(bytes)
        };
        let Some(parts) = HostParts::of(caller.instance) else { return };
        let (env, wasi) = (key(caller.env), &parts.wasi);
        let mut state = self.state();
        let file = match how {
            Left::Returned(results) => results.first().map_or(0, |slot| *slot as u32),
            Left::TailCalled if function == StdioFunction::Fopen => {
                // `fdopen`, most likely, which does not know the path.
                if let Some(at) = state.recent_at(wasi, env, None) {
                    state.recent[at].path = string(arg(0));
                }
                return;
            }
            Left::TailCalled | Left::Trapped(_) => return,
        };
        match function {
            StdioFunction::Fclose => {
                state.open.remove(&arg(0));
            }
            StdioFunction::Fdopen if file != 0 => {
                let fd = arg(0);
                let at = state.recent.iter().position(|last| last.fd == fd);
                let path = at.and_then(|at| state.recent.remove(at).path);
                state.add(file, fd, string(arg(1)), path);
            }
            StdioFunction::Fopen if file != 0 => {
                let path = string(arg(0));
                let recent = state.take_recent(wasi, env, path.as_deref());
                state.reopened(file, recent, path, string(arg(1)));
            }
            StdioFunction::Freopen if file != 0 => {
                let path = string(arg(0));
                let recent = path.as_deref().and_then(|path| state.take_recent(wasi, env, Some(path)));
                state.reopened(file, recent, path, string(arg(1)));
            }
            StdioFunction::Freopen => {
                state.open.remove(&arg(2));
            }
            StdioFunction::Fdopen | StdioFunction::Fopen => {}
        }
    }
}
