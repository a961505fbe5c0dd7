//! A guest to call libc functions from: some memory, a heap that moves that memory, and a captured standard output.

use std::cell::UnsafeCell;
use std::collections::HashMap;

use wayfarer_guest::GuestMemory;
use wayfarer_libc::{FUNCTIONS, LibcCall, LibcFunction, LibcHost, LibcTrap};

/// Where the heap begins. Tests put their own data below.
pub(crate) const HEAP: u32 = 0x1_0000;

pub(crate) struct Guest {
    memory: Vec<UnsafeCell<u8>>,
    blocks: HashMap<u32, u32>,
    /// Addresses that were freed, in order.
    pub(crate) freed: Vec<u32>,
    /// Bytes memory may have.
    pub(crate) limit: u32,
    pub(crate) now_ns: u64,
    pub(crate) stdout: Vec<u8>,
}

impl Default for Guest {
    fn default() -> Self {
        let memory = (0..HEAP).map(|_| UnsafeCell::new(0)).collect();
        Guest { memory, blocks: HashMap::new(), freed: vec![], limit: HEAP * 4, now_ns: 0, stdout: vec![] }
    }
}

struct Lent<'a>(&'a mut Guest);

impl LibcHost for Lent<'_> {
    fn memory(&self) -> GuestMemory<'_> {
        self.0.memory()
    }

    /// Always grows memory, into a new place, and fills the block with rubbish.
    fn malloc(&mut self, size: u32) -> u32 {
        let guest = &mut *self.0;
        let addr = guest.memory.len() as u32;
        if size > guest.limit - addr {
            return 0;
        }
        let mut moved = Vec::with_capacity(guest.memory.len() + size as usize);
        moved.extend(guest.memory.drain(..).map(|b| UnsafeCell::new(b.into_inner())));
        moved.extend((0..size.max(1)).map(|_| UnsafeCell::new(0xA5)));
        guest.memory = moved;
        guest.blocks.insert(addr, size);
        addr
    }

    fn realloc(&mut self, addr: u32, size: u32) -> u32 {
        let to = self.malloc(size);
        if to != 0 && addr != 0 {
            let old = self.0.blocks[&addr];
            let bytes = self.0.memory().read_vec(addr.into(), old.min(size).into()).unwrap();
            self.0.memory().write(to.into(), &bytes).unwrap();
            self.free(addr);
        }
        to
    }

    fn free(&mut self, addr: u32) {
        if addr != 0 {
            self.0.blocks.remove(&addr).expect("not a block");
            self.0.freed.push(addr);
        }
    }

    fn monotonic_ns(&self) -> u64 {
        self.0.now_ns
    }
}

impl Guest {
    pub(crate) fn memory(&self) -> GuestMemory<'_> {
        // SAFETY: the cells belong to `self`, are borrowed for as long as the result lives, and nobody makes references
        // to their contents.
        unsafe { GuestMemory::new(self.memory.as_ptr().cast_mut().cast(), self.memory.len() as u64) }
    }

    /// First address after memory.
    pub(crate) fn end(&self) -> u32 {
        self.memory.len() as u32
    }

    /// Puts bytes into memory, a NUL after them.
    pub(crate) fn put(&self, addr: u32, text: impl AsRef<[u8]>) -> u32 {
        self.memory().write(addr.into(), text.as_ref()).unwrap();
        self.memory().write_u8(u64::from(addr) + text.as_ref().len() as u64, 0).unwrap();
        addr
    }

    /// The string at `addr`.
    pub(crate) fn text(&self, addr: u32) -> String {
        String::from_utf8(self.memory().read_cstr(addr.into()).unwrap()).unwrap()
    }

    /// Calls a function of `env`.
    pub(crate) fn call(&mut self, name: &str, args: &[u32]) -> Result<u64, LibcTrap> {
        let args: Vec<u64> = args.iter().map(|&a| a.into()).collect();
        self.call_function(function(name), &args)
    }

    /// Calls a function that must return, and gives its result as an `i32`.
    pub(crate) fn int(&mut self, name: &str, args: &[u32]) -> i32 {
        let result = self.call(name, args).unwrap();
        assert_eq!(result >> 32, 0, "{name}: high half of an i32 result");
        result as i32
    }

    pub(crate) fn call_function(&mut self, function: &LibcFunction, args: &[u64]) -> Result<u64, LibcTrap> {
        let mut stdout = std::mem::take(&mut self.stdout);
        // High halves of 32-bit arguments are not the function's business.
        let result = (function.call)(&mut LibcCall { host: &mut Lent(self), stdout: &mut stdout }, args);
        self.stdout = stdout;
        result
    }

    /// Calls `function` with a standard output of the caller's.
    pub(crate) fn call_with_stdout(
        &mut self,
        name: &str,
        args: &[u64],
        stdout: &mut dyn std::io::Write,
    ) -> Result<u64, LibcTrap> {
        (function(name).call)(&mut LibcCall { host: &mut Lent(self), stdout }, args)
    }
}

pub(crate) fn function(name: &str) -> &'static LibcFunction {
    FUNCTIONS.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("no function {name}"))
}

/// A variable argument, as a guest's compiler lays it out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg {
    I32(i32),
    I64(i64),
    F64(f64),
    F128(u128),
}

impl Arg {
    fn bytes(self) -> Vec<u8> {
        match self {
            Arg::I32(v) => v.to_le_bytes().to_vec(),
            Arg::I64(v) => v.to_le_bytes().to_vec(),
            Arg::F64(v) => v.to_bits().to_le_bytes().to_vec(),
            Arg::F128(v) => v.to_le_bytes().to_vec(),
        }
    }
}

/// Where [`Guest::format`] puts format, arguments and result.
pub(crate) const FORMAT: u32 = 0x100;
pub(crate) const ARGS: u32 = 0x1000;
pub(crate) const BUFFER: u32 = 0x2000;
pub(crate) const BUFFER_SIZE: u32 = 0xC000;

impl Guest {
    /// Lays variable arguments out at [`ARGS`].
    pub(crate) fn put_args(&self, args: &[Arg]) {
        let mut at = u64::from(ARGS);
        for arg in args {
            let bytes = arg.bytes();
            at = at.next_multiple_of(bytes.len() as u64);
            self.memory().write(at, &bytes).unwrap();
            at += bytes.len() as u64;
        }
    }

    /// `snprintf` into a large buffer: what it returns, and wrote if it did not fail.
    pub(crate) fn format(&mut self, format: &str, args: &[Arg]) -> (i32, Vec<u8>) {
        self.put(FORMAT, format);
        self.put_args(args);
        self.memory().write_u8(BUFFER.into(), 0).unwrap();
        let count = self.int("snprintf", &[BUFFER, BUFFER_SIZE, FORMAT, ARGS]);
        let Ok(count_bytes) = u64::try_from(count) else { return (count, Vec::new()) };
        let size = count_bytes.min(u64::from(BUFFER_SIZE) - 1);
        assert_eq!(self.memory().read_u8(u64::from(BUFFER) + size).unwrap(), 0, "no NUL after {format:?}");
        (count, self.memory().read_vec(BUFFER.into(), size).unwrap())
    }
}

/// Small, seeded and good enough: xorshift64*.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}
