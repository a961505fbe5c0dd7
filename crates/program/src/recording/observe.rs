//! A call of a WASI function as an entry: what it was given is looked at before, as it may end what it is about; what it gave,
//! afterwards.

use std::collections::HashMap;
use std::sync::LazyLock;

use wayfarer_guest::GuestMemory;
use wayfarer_record::{Arg, Direction, Hash, Outcome, Range, Value};
use wayfarer_wasi::{FUNCTIONS, Parameter, ParameterKind, WasiCtx, WasiFunction, socket_address};

/// Longest path or text that is kept (bytes).
const LONGEST: u64 = 4096;

/// Most descriptors that are named of those that a call waits for.
const MOST_AWAITED: u32 = 64;

/// Bytes that are hashed at a time.
const PIECE: usize = 16 << 10;

/// Bytes of a subscription.
const SUBSCRIPTION: u64 = 48;

static PARAMETERS: LazyLock<HashMap<&'static str, Vec<Parameter>>> =
    LazyLock::new(|| FUNCTIONS.iter().map(|function| (function.name, function.parameters())).collect());

/// What a function's parameters mean.
pub(super) fn parameters(function: &WasiFunction) -> &'static [Parameter] {
    PARAMETERS.get(function.name).map_or(&[], Vec::as_slice)
}

/// How a call has ended; it has not if it will be made again.
pub(super) fn ended(outcome: &wayfarer_wasi::Outcome) -> Option<Outcome> {
    Some(match outcome {
        wayfarer_wasi::Outcome::Errno(errno) => Outcome::Errno(*errno),
        wayfarer_wasi::Outcome::Exit(status) => Outcome::Exit(*status),
        wayfarer_wasi::Outcome::Trap(text) => Outcome::Trap(text.to_string()),
        wayfarer_wasi::Outcome::Interrupted => return None,
    })
}

/// What a call is made on.
pub(super) struct Guest<'a> {
    pub(super) wasi: &'a WasiCtx,
    pub(super) memory: &'a GuestMemory<'a>,
}

/// An argument; addresses and most numbers are 32 bits wide, and what is above them means nothing.
fn argument(args: &[u64], nth: usize, wide: bool) -> u64 {
    let slot = args.get(nth).copied().unwrap_or(0);
    if wide { slot } else { u64::from(slot as u32) }
}

impl Guest<'_> {
    /// What a call is given.
    pub(super) fn given(&self, parameters: &[Parameter], args: &[u64]) -> Vec<Arg> {
        let mut given = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let first = argument(args, parameter.first, parameter.wide);
            let second = || argument(args, parameter.first + 1, false);
            let value = match parameter.kind {
                ParameterKind::Descriptor => self.descriptor(first as u32),
                ParameterKind::Number => Value::Number(first),
                ParameterKind::Signed => Value::Signed(first as i64),
                ParameterKind::Bits => Value::Bits(first),
                ParameterKind::Path => match self.memory.read_vec(first, second().min(LONGEST)) {
                    Ok(path) => Value::Path(path),
                    Err(_) => Value::Number(first),
                },
                ParameterKind::Text => match self.memory.read_cstr(first) {
                    Ok(mut text) => {
                        text.truncate(LONGEST as usize);
                        Value::Path(text)
                    }
                    Err(_) => Value::Number(first),
                },
                ParameterKind::Address => match socket_address(self.memory, first) {
                    Some(address) => Value::Path(address.into_bytes()),
                    None => Value::Number(first),
                },
                // How much may be moved.
                ParameterKind::Filled | ParameterKind::Taken => {
                    match self.buffers(first, second() as u32, u64::MAX, |_, _| ()) {
                        Some(len) => Value::Number(len),
                        None => Value::Number(0),
                    }
                }
                ParameterKind::Buffer => Value::Number(second()),
                ParameterKind::Subscriptions => {
                    self.subscriptions(first, argument(args, parameter.first + 2, false) as u32, &mut given);
                    continue;
                }
                ParameterKind::Result { .. }
                | ParameterKind::NewDescriptor
                | ParameterKind::NewAddress
                | ParameterKind::Elsewhere => continue,
            };
            given.push(Arg { name: parameter.name.to_owned(), value });
        }
        given
    }

    /// What a call gave that has succeeded, and the bytes that it moved.
    pub(super) fn got(
        &self,
        function: &WasiFunction,
        parameters: &[Parameter],
        args: &[u64],
    ) -> (Vec<Arg>, Vec<Range>) {
        let mut results = Vec::new();
        for parameter in parameters {
            let at = argument(args, parameter.first, false);
            let value = match parameter.kind {
                ParameterKind::Result { size, at: inside } => {
                    self.number(at + u64::from(inside), size).map(Value::Number)
                }
                ParameterKind::NewDescriptor => self.number(at, 4).map(|fd| self.descriptor(fd as u32)),
                ParameterKind::NewAddress => {
                    socket_address(self.memory, at).map(|address| Value::Path(address.into_bytes()))
                }
                _ => None,
            };
            results.extend(value.map(|value| Arg { name: parameter.name.to_owned(), value }));
        }
        let mut ranges = Vec::new();
        for (nth, parameter) in parameters.iter().enumerate() {
            let (first, second) =
                (argument(args, parameter.first, false), argument(args, parameter.first + 1, false));
            let direction = match parameter.kind {
                ParameterKind::Taken => Direction::Written,
                ParameterKind::Filled | ParameterKind::Buffer => Direction::Read,
                _ => continue,
            };
            // Behind buffers is said how much of them was used; if not, that was all.
            let used =
                parameters[nth..].iter().find(|p| matches!(p.kind, ParameterKind::Result { size: 4, .. }));
            let used = used.and_then(|used| self.number(argument(args, used.first, false), 4));
            let used = used.unwrap_or(u64::MAX);
            let mut hash = Hash::default();
            let moved = match parameter.kind {
                ParameterKind::Buffer => {
                    let len = second.min(used);
                    self.hash(first, len, &mut hash);
                    Some(len)
                }
                _ => self.buffers(first, second as u32, used, |at, len| self.hash(at, len, &mut hash)),
            };
            let Some(len) = moved else { continue };
            let offset = self.offset(function, parameters, args, len);
            ranges.push(Range { direction, offset, len, sha256: hash.finish() });
        }
        (results, ranges)
    }

    fn descriptor(&self, fd: u32) -> Value {
        let path = self.wasi.descriptor_path(fd).map(|mut path| {
            path.truncate(LONGEST as usize);
            path
        });
        Value::Descriptor { fd, path }
    }

    fn number(&self, at: u64, size: u8) -> Option<u64> {
        let mut bytes = [0; 8];
        self.memory.read(at, bytes.get_mut(..size.into())?).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// Visits buffers, as far as `most` bytes go: how many there were.
    fn buffers(&self, array: u64, count: u32, most: u64, mut visit: impl FnMut(u64, u64)) -> Option<u64> {
        // They are all there, or the call has done nothing.
        self.memory.range(array, u64::from(count) * 8).ok()?;
        let mut done = 0u64;
        for nth in 0..u64::from(count) {
            if done >= most {
                break;
            }
            let at = self.memory.read_u32(array + nth * 8).ok()?;
            let len = u64::from(self.memory.read_u32(array + nth * 8 + 4).ok()?).min(most - done);
            visit(at.into(), len);
            done = done.saturating_add(len);
        }
        Some(done)
    }

    /// Hashes guest memory. Other threads may write to it, so it is copied piece by piece.
    fn hash(&self, at: u64, len: u64, hash: &mut Hash) {
        let mut piece = [0; PIECE];
        let mut done = 0;
        while done < len {
            let piece = &mut piece[..(len - done).min(PIECE as u64) as usize];
            if self.memory.read(at + done, piece).is_err() {
                return;
            }
            hash.update(piece);
            done += piece.len() as u64;
        }
    }

    /// Where in a file the bytes begin that a call has moved: where it was told to, or in front of where the file is now.
    fn offset(
        &self,
        function: &WasiFunction,
        parameters: &[Parameter],
        args: &[u64],
        moved: u64,
    ) -> Option<u64> {
        match function.name {
            "fd_pread" | "fd_pwrite" => {
                let offset = parameters.iter().find(|parameter| parameter.name == "offset")?;
                Some(argument(args, offset.first, offset.wide))
            }
            "fd_read" | "fd_write" => {
                let fd = argument(args, 0, false) as u32;
                self.wasi.descriptor_state(fd)?.offset?.checked_sub(moved)
            }
            _ => None,
        }
    }

    /// What is waited for, one by one.
    fn subscriptions(&self, array: u64, count: u32, given: &mut Vec<Arg>) {
        let mut push = |name: &str, value| given.push(Arg { name: name.to_owned(), value });
        push("nsubscriptions", Value::Number(count.into()));
        for nth in 0..u64::from(count.min(MOST_AWAITED)) {
            let at = array + nth * SUBSCRIPTION;
            let (Ok(kind), Ok(what)) = (self.memory.read_u8(at + 8), self.memory.read_u32(at + 16)) else {
                return;
            };
            match kind {
                0 => {
                    push("clock", Value::Number(what.into()));
                    push("timeout", Value::Number(self.number(at + 24, 8).unwrap_or(0)));
                    push("flags", Value::Bits(self.number(at + 40, 2).unwrap_or(0)));
                }
                1 => push("read", self.descriptor(what)),
                2 => push("write", self.descriptor(what)),
                _ => push("kind", Value::Number(kind.into())),
            }
        }
    }
}
