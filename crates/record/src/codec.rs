//! Entries as bytes of a block, and back. A block can be read without those before it: names that were used before in the same
//! block are numbers, and times count from the entry before.

use std::collections::HashMap;

use crate::entry::{Arg, Call, Direction, Entry, Happened, Outcome, Range, Value};

/// Makes a block's content.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
    names: HashMap<Vec<u8>, u64>,
    time: u64,
}

impl Encoder {
    /// What there is so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Begins another block.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.names.clear();
        self.time = 0;
    }

    pub(crate) fn entry(&mut self, entry: &Entry) {
        self.signed(entry.time.wrapping_sub(self.time) as i64);
        self.time = entry.time;
        self.number(entry.instance.into());
        match &entry.happened {
            Happened::Begun { pid, runtime, module, sha256, restored, torn } => {
                self.byte(0);
                self.number((*pid).into());
                self.name(runtime.as_bytes());
                self.name(module.as_bytes());
                self.bytes.extend_from_slice(sha256);
                self.optional(restored.as_ref(), |to, image| to.name(image.as_bytes()));
                self.number(*torn);
            }
            Happened::Call(call) => {
                self.byte(1);
                self.call(call);
            }
            Happened::Checkpoint { image, sequence } => {
                self.byte(2);
                self.name(image.as_bytes());
                self.number(*sequence);
            }
            Happened::Ended => self.byte(3),
        }
    }

    fn call(&mut self, call: &Call) {
        self.number(call.thread);
        self.number(call.took);
        self.name(call.function.as_bytes());
        self.args(&call.args);
        match &call.outcome {
            Outcome::Errno(errno) => {
                self.byte(0);
                self.number((*errno).into());
            }
            Outcome::Exit(status) => {
                self.byte(1);
                self.number((*status).into());
            }
            Outcome::Trap(text) => {
                self.byte(2);
                self.name(text.as_bytes());
            }
        }
        self.args(&call.results);
        self.number(call.ranges.len() as u64);
        for range in &call.ranges {
            self.byte(match range.direction {
                Direction::Read => 0,
                Direction::Written => 1,
            });
            self.optional(range.offset, Encoder::number);
            self.number(range.len);
            self.bytes.extend_from_slice(&range.sha256);
        }
    }

    fn args(&mut self, args: &[Arg]) {
        self.number(args.len() as u64);
        for Arg { name, value } in args {
            self.name(name.as_bytes());
            match value {
                Value::Number(number) => {
                    self.byte(0);
                    self.number(*number);
                }
                Value::Signed(number) => {
                    self.byte(1);
                    self.signed(*number);
                }
                Value::Bits(bits) => {
                    self.byte(2);
                    self.number(*bits);
                }
                Value::Descriptor { fd, path } => {
                    self.byte(3);
                    self.number((*fd).into());
                    self.optional(path.as_deref(), Encoder::name);
                }
                Value::Path(path) => {
                    self.byte(4);
                    self.name(path);
                }
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// LEB128.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Small ones are short, whatever their sign.
    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    /// 0, length and bytes the first time; then which it was, from 1.
    fn name(&mut self, name: &[u8]) {
        if let Some(&known) = self.names.get(name) {
            return self.number(known);
        }
        self.names.insert(name.to_vec(), self.names.len() as u64 + 1);
        self.byte(0);
        self.number(name.len() as u64);
        self.bytes.extend_from_slice(name);
    }

    fn optional<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.byte(value.is_some().into());
        if let Some(value) = value {
            encode(self, value);
        }
    }
}

/// A block's content makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

/// Takes a block's content apart.
pub(crate) struct Decoder<'a> {
    bytes: &'a [u8],
    names: Vec<&'a [u8]>,
    time: u64,
}

type Decoded<T> = Result<T, Malformed>;

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Decoder { bytes, names: Vec::new(), time: 0 }
    }

    /// The next entry, unless all were taken.
    pub(crate) fn entry(&mut self) -> Decoded<Option<Entry>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        self.time = self.time.wrapping_add(self.signed()? as u64);
        let (time, instance) = (self.time, self.number32()?);
        let happened = match self.byte()? {
            0 => Happened::Begun {
                pid: self.number32()?,
                runtime: self.text()?,
                module: self.text()?,
                sha256: self.array()?,
                restored: self.optional(Decoder::text)?,
                torn: self.number()?,
            },
            1 => Happened::Call(self.call()?),
            2 => Happened::Checkpoint { image: self.text()?, sequence: self.number()? },
            3 => Happened::Ended,
            _ => return Err(Malformed),
        };
        Ok(Some(Entry { time, instance, happened }))
    }

    fn call(&mut self) -> Decoded<Call> {
        Ok(Call {
            thread: self.number()?,
            took: self.number()?,
            function: self.text()?,
            args: self.list(Decoder::arg)?,
            outcome: match self.byte()? {
                0 => Outcome::Errno(self.number()?.try_into().map_err(|_| Malformed)?),
                1 => Outcome::Exit(self.number32()?),
                2 => Outcome::Trap(self.text()?),
                _ => return Err(Malformed),
            },
            results: self.list(Decoder::arg)?,
            ranges: self.list(Decoder::range)?,
        })
    }

    fn arg(&mut self) -> Decoded<Arg> {
        let name = self.text()?;
        let value = match self.byte()? {
            0 => Value::Number(self.number()?),
            1 => Value::Signed(self.signed()?),
            2 => Value::Bits(self.number()?),
            3 => Value::Descriptor {
                fd: self.number32()?,
                path: self.optional(Decoder::name)?.map(<[u8]>::to_vec),
            },
            4 => Value::Path(self.name()?.to_vec()),
            _ => return Err(Malformed),
        };
        Ok(Arg { name, value })
    }

    fn range(&mut self) -> Decoded<Range> {
        Ok(Range {
            direction: match self.byte()? {
                0 => Direction::Read,
                1 => Direction::Written,
                _ => return Err(Malformed),
            },
            offset: self.optional(Decoder::number)?,
            len: self.number()?,
            sha256: self.array()?,
        })
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Decoded<T>) -> Decoded<Vec<T>> {
        let len = self.number()?;
        // Each takes two bytes at least: what says more is not believed.
        if len > self.bytes.len() as u64 / 2 {
            return Err(Malformed);
        }
        (0..len).map(|_| one(self)).collect()
    }

    fn take(&mut self, len: u64) -> Decoded<&'a [u8]> {
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        self.take(N as u64)?.try_into().map_err(|_| Malformed)
    }

    fn byte(&mut self) -> Decoded<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn number(&mut self) -> Decoded<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn number32(&mut self) -> Decoded<u32> {
        self.number()?.try_into().map_err(|_| Malformed)
    }

    fn signed(&mut self) -> Decoded<i64> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn name(&mut self) -> Decoded<&'a [u8]> {
        match self.number()? {
            0 => {
                let len = self.number()?;
                let name = self.take(len)?;
                self.names.push(name);
                Ok(name)
            }
            known => {
                let at = usize::try_from(known - 1).map_err(|_| Malformed)?;
                self.names.get(at).copied().ok_or(Malformed)
            }
        }
    }

    fn text(&mut self) -> Decoded<String> {
        Ok(String::from_utf8_lossy(self.name()?).into_owned())
    }

    fn optional<T>(&mut self, decode: impl FnOnce(&mut Self) -> Decoded<T>) -> Decoded<Option<T>> {
        match self.byte()? {
            0 => Ok(None),
            1 => decode(self).map(Some),
            _ => Err(Malformed),
        }
    }
}
