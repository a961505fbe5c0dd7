//! `string.h`. A function reads no byte that C does not let it read, so a string may end at the last byte of memory.

use wayfarer_guest::{GuestMemory, OutOfBounds};

use crate::call::{LibcCall, LibcTrap, int, params, uint};

/// Bytes copied out of the guest at a time while looking for something.
const CHUNK: usize = 256;

/// The guest's bytes from `addr` on, `limit` at most, in runs that end no later than memory does: running off its end is
/// an error only for the run that would begin there.
struct Runs<'a> {
    memory: GuestMemory<'a>,
    at: u64,
    left: u64,
    buffer: [u8; CHUNK],
}

impl<'a> Runs<'a> {
    fn new(memory: GuestMemory<'a>, addr: u32, limit: u64) -> Self {
        Runs { memory, at: addr.into(), left: limit, buffer: [0; CHUNK] }
    }

    /// The next run, empty when `limit` bytes were given out.
    fn next(&mut self) -> Result<&[u8], OutOfBounds> {
        let inside = self.memory.len().saturating_sub(self.at);
        let size = self.left.min(CHUNK as u64).min(inside.max(1));
        let run = &mut self.buffer[..size as usize];
        self.memory.read(self.at, run)?;
        self.at += size;
        self.left -= size;
        Ok(run)
    }
}

/// Offset from `addr` of the first byte that `wanted` accepts, or `None` if there is none among `limit` bytes.
fn find(
    memory: GuestMemory<'_>,
    addr: u32,
    limit: u64,
    wanted: impl Fn(u8) -> bool,
) -> Result<Option<u32>, OutOfBounds> {
    let mut runs = Runs::new(memory, addr, limit);
    let mut before = 0u64;
    loop {
        let run = runs.next()?;
        if run.is_empty() {
            return Ok(None);
        }
        if let Some(here) = run.iter().position(|&b| wanted(b)) {
            return Ok(Some(u32::try_from(before + here as u64).map_err(|_| OutOfBounds)?));
        }
        before += run.len() as u64;
    }
}

/// Length of the string at `addr`, which goes on for at most `limit` bytes.
pub(crate) fn length_within(memory: GuestMemory<'_>, addr: u32, limit: u32) -> Result<u32, OutOfBounds> {
    Ok(find(memory, addr, limit.into(), |b| b == 0)?.unwrap_or(limit))
}

/// Length of the string at `addr`.
pub(crate) fn length(memory: GuestMemory<'_>, addr: u32) -> Result<u32, OutOfBounds> {
    find(memory, addr, u64::MAX, |b| b == 0)?.ok_or(OutOfBounds)
}

/// The string at `addr`, without its NUL.
pub(crate) fn read(memory: GuestMemory<'_>, addr: u32) -> Result<Vec<u8>, OutOfBounds> {
    let length = length(memory, addr)?;
    memory.read_vec(addr.into(), length.into())
}

/// Sets `size` bytes at `addr` to `byte`.
pub(crate) fn fill(memory: GuestMemory<'_>, addr: u32, byte: u8, size: u32) -> Result<(), OutOfBounds> {
    let to = memory.range(addr.into(), size.into())?;
    // SAFETY: `range` checked that these `size` bytes are guest memory, to which no Rust reference exists.
    unsafe { to.write_bytes(byte, size as usize) };
    Ok(())
}

/// Copies `size` bytes, which may overlap, within the guest.
fn copy(memory: GuestMemory<'_>, to: u32, from: u32, size: u32) -> Result<(), OutOfBounds> {
    let source = memory.range(from.into(), size.into())?;
    let target = memory.range(to.into(), size.into())?;
    // SAFETY: `range` checked that both are `size` bytes of guest memory; `copy` allows them to overlap.
    unsafe { target.copy_from(source, size as usize) };
    Ok(())
}

/// The first difference of two ranges of `limit` bytes, as the value `memcmp` and its kin return: that of the two bytes
/// after `map`. `strings` end, both, at a NUL.
fn compare(
    memory: GuestMemory<'_>,
    [a, b]: [u32; 2],
    limit: u64,
    strings: bool,
    map: fn(u8) -> u8,
) -> Result<i32, OutOfBounds> {
    let inside = memory.len().saturating_sub(a.max(b).into());
    let (mut x, mut y) = ([0; CHUNK], [0; CHUNK]);
    let mut done = 0;
    while done < limit {
        // Both reads end no later than memory does, unless nothing is left: then one of them fails, as it should.
        let size = (limit - done).min(CHUNK as u64).min((inside.saturating_sub(done)).max(1)) as usize;
        memory.read(u64::from(a) + done, &mut x[..size])?;
        memory.read(u64::from(b) + done, &mut y[..size])?;
        for (&x, &y) in x[..size].iter().zip(&y[..size]) {
            if map(x) != map(y) {
                return Ok(i32::from(map(x)) - i32::from(map(y)));
            }
            if strings && x == 0 {
                return Ok(0);
            }
        }
        done += size as u64;
    }
    Ok(0)
}

pub(crate) fn memcmp(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a, b, size] = params(args)?;
    let memory = call.host.memory();
    // All of both must be there, even if they differ early.
    memory.range(a.into(), size.into())?;
    memory.range(b.into(), size.into())?;
    int(compare(memory, [a, b], size.into(), false, |c| c)?)
}

pub(crate) fn memmove(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [to, from, size] = params(args)?;
    copy(call.host.memory(), to, from, size)?;
    uint(to)
}

pub(crate) fn memset(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [addr, byte, size] = params(args)?;
    fill(call.host.memory(), addr, byte as u8, size)?;
    uint(addr)
}

pub(crate) fn memchr(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [addr, byte, size] = params(args)?;
    let found = find(call.host.memory(), addr, size.into(), |b| b == byte as u8)?;
    uint(found.map_or(0, |offset| addr.wrapping_add(offset)))
}

pub(crate) fn strchr(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [addr, byte] = params(args)?;
    let (memory, byte) = (call.host.memory(), byte as u8);
    let at = addr.wrapping_add(find(memory, addr, u64::MAX, |b| b == byte || b == 0)?.ok_or(OutOfBounds)?);
    uint(if memory.read_u8(at.into())? == byte { at } else { 0 })
}

pub(crate) fn strcmp(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let strings = params(args)?;
    int(compare(call.host.memory(), strings, u64::MAX, true, |c| c)?)
}

pub(crate) fn strncmp(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a, b, limit] = params(args)?;
    int(compare(call.host.memory(), [a, b], limit.into(), true, |c| c)?)
}

pub(crate) fn strncasecmp(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [a, b, limit] = params(args)?;
    int(compare(call.host.memory(), [a, b], limit.into(), true, |c| c.to_ascii_lowercase())?)
}

pub(crate) fn strcpy(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [to, from] = params(args)?;
    let memory = call.host.memory();
    let size = length(memory, from)?.checked_add(1).ok_or(OutOfBounds)?;
    copy(memory, to, from, size)?;
    uint(to)
}

pub(crate) fn strncpy(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [to, from, size] = params(args)?;
    let memory = call.host.memory();
    // The whole target, padding included, before anything is written.
    memory.range(to.into(), size.into())?;
    let used = length_within(memory, from, size)?;
    copy(memory, to, from, used)?;
    fill(memory, to.wrapping_add(used), 0, size - used)?;
    uint(to)
}

pub(crate) fn strlen(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [addr] = params(args)?;
    uint(length(call.host.memory(), addr)?)
}

/// Length of the start of a string whose bytes are all in (`inside`), or all out of, the set of the other string's bytes.
fn span(call: &mut LibcCall<'_>, args: &[u64], inside: bool) -> Result<u64, LibcTrap> {
    let [addr, set] = params(args)?;
    let memory = call.host.memory();
    let mut members = [false; 256];
    for byte in read(memory, set)? {
        members[usize::from(byte)] = true;
    }
    uint(find(memory, addr, u64::MAX, |b| b == 0 || members[usize::from(b)] != inside)?.ok_or(OutOfBounds)?)
}

pub(crate) fn strspn(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    span(call, args, true)
}

pub(crate) fn strcspn(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    span(call, args, false)
}

pub(crate) fn strstr(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [hay_addr, needle_addr] = params(args)?;
    let memory = call.host.memory();
    let needle = read(memory, needle_addr)?;
    let hay = read(memory, hay_addr)?;
    uint(position(&hay, &needle).map_or(0, |offset| hay_addr.wrapping_add(offset as u32)))
}

/// Where `needle` first is in `hay`. Takes time in proportion to the sum of the lengths, also with hostile strings: the
/// algorithm of Knuth, Morris and Pratt.
fn position(hay: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    // borders[i]: length of the longest proper prefix of needle[..=i] that is also its suffix.
    let mut borders = vec![0usize; needle.len()];
    let advance = |borders: &[usize], mut matched: usize, byte: u8| -> usize {
        while matched > 0 && needle[matched] != byte {
            matched = borders[matched - 1];
        }
        matched + usize::from(needle[matched] == byte)
    };
    for i in 1..needle.len() {
        borders[i] = advance(&borders, borders[i - 1], needle[i]);
    }
    let mut matched = 0;
    for (i, &byte) in hay.iter().enumerate() {
        matched = advance(&borders, matched, byte);
        if matched == needle.len() {
            return Some(i + 1 - needle.len());
        }
    }
    None
}

pub(crate) fn strdup(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [from] = params(args)?;
    let size = length(call.host.memory(), from)?.checked_add(1).ok_or(OutOfBounds)?;
    let to = call.host.malloc(size);
    if to != 0 {
        // The memory may have moved in malloc: ask for it again.
        copy(call.host.memory(), to, from, size)?;
    }
    uint(to)
}
